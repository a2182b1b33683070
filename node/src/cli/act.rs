//! Commands that change something.

use testudo_core::views::{Preview, Reply, Verdict};
use testudo_policies::explain::Language;
use testudo_protocol::id::HubId;
use testudo_protocol::licence::Licence;

use super::arguments::{At, ItemAt};
use super::attach;
use super::client::Client;
use super::draft::{draft_id, preview_hash};
use super::label::DraftFlags;
use super::outcome::{Answer, Failure, exit};
use super::policy::Spoken;
use crate::api::{ForwardBody, ReleaseBody, ReleaseDraftBody};

pub(super) fn hub(flag: &str, text: &str) -> Result<HubId, Failure> {
    text.parse()
        .map_err(|error| Failure::new(exit::USAGE, "usage", format!("--{flag}: {error}")))
}

pub(super) async fn preview(draft: &DraftFlags, language: &Spoken, at: &At) -> Result<Answer, Failure> {
    let client = Client::new(at)?.speaking(Language::of_locale(&language.locale()));
    let preview: Preview = match &draft.draft {
        Some(kept) => {
            client
                .get(&format!("/v1/drafts/{}/preview", draft_id(kept)?))
                .await?
        }
        None => client.post("/v1/preview", &draft.body()?).await?,
    };
    let mut text = verdicts(&preview.verdicts);
    for hub in &preview.narrowed {
        text.push_str(&format!(
            "{hub:<8} had the version before and is asked to destroy it\n"
        ));
    }
    for hub in &preview.widened {
        text.push_str(&format!("{hub:<8} had no version before\n"));
    }
    for source in &preview.sources {
        text.push_str(&format!(
            "draws on {} version {} of {}, TLP:{} level {}: {}\n",
            source.item,
            source.version,
            source.originator,
            source.tlp,
            source.level.get(),
            source.objects.join(", ")
        ));
    }
    text.push_str(&format!("\nlicence {}\n", licence(&preview.licence)));
    text.push_str(&format!("preview {}\n", preview.hash));
    Ok(Answer::of(&preview, text))
}

/// A licence in words.
pub(super) fn licence(licence: &Licence) -> String {
    match licence {
        Licence::Consent => "consent: passed on only with our consent for each receiver".to_owned(),
        Licence::Nobody => "nobody: not passed on at all".to_owned(),
        Licence::AsLabelled => "as-labelled: passed on as far as label and rules let it".to_owned(),
        Licence::Named { hubs, classes, until } => {
            let hubs = hubs.iter().map(ToString::to_string);
            let names: Vec<String> = hubs.chain(classes.iter().map(ToString::to_string)).collect();
            let end = match until {
                0 => String::new(),
                until => format!(" until {until}"),
            };
            format!(
                "passed on to {} without asking{end}, to others with our consent",
                names.join(", ")
            )
        }
    }
}

fn verdicts(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        let rules = verdict.rules.join(" ");
        text.push_str(&format!("{:<8} {:<7} {rules}\n", verdict.hub, verdict.decision));
        for reason in &verdict.reasons {
            text.push_str(&format!("                 {reason}\n"));
        }
        if !verdict.obligations.is_empty() {
            let obligations = verdict.obligations.join(", ");
            text.push_str(&format!("                 takes on: {obligations}\n"));
        }
    }
    text
}

pub(super) async fn release(draft: &DraftFlags, preview: &str, at: &At) -> Result<Answer, Failure> {
    let preview = preview_hash(preview)?;
    let client = Client::new(at)?;
    if let Some(kept) = &draft.draft {
        let path = format!("/v1/drafts/{}/release", draft_id(kept)?);
        let reply: Reply = client.post(&path, &ReleaseDraftBody { preview }).await?;
        return Ok(said(&reply));
    }
    let mut body = ReleaseBody {
        draft: draft.body()?,
        preview,
    };
    attach::hand_over(&client, draft.attached(), &mut body.draft.attachments).await?;
    let reply: Reply = client.post("/v1/release", &body).await?;
    Ok(said(&reply))
}

pub(super) async fn forward(item: &ItemAt, to: &str) -> Result<Answer, Failure> {
    let body = ForwardBody { to: hub("to", to)? };
    let reply: Reply = Client::new(&item.at)?
        .post(&item.path("/forward")?, &body)
        .await?;
    Ok(said(&reply))
}

/// An act that needs nothing but the item.
pub(super) async fn on_item(item: &ItemAt, act: &str) -> Result<Answer, Failure> {
    let reply: Reply = Client::new(&item.at)?.post(&item.path(act)?, &()).await?;
    Ok(said(&reply))
}

fn codes(hubs: &[HubId]) -> String {
    if hubs.is_empty() {
        return "nobody".to_owned();
    }
    hubs.iter().map(HubId::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn said(reply: &Reply) -> Answer {
    let text = match reply {
        Reply::Released {
            item,
            version,
            recipients,
            denied,
            decision,
        } => {
            let denied: String = denied
                .iter()
                .map(|one| format!("\nnot to   {} {}", one.hub, one.rules.join(" ")))
                .collect();
            format!(
                "released {item} version {version}\nto       {}{denied}\ndecision entry {decision} of the ledger",
                codes(recipients)
            )
        }
        Reply::Drafted { draft, state } => format!("draft {draft} is {state}"),
        Reply::Consented {
            item,
            holder,
            recipient,
        } => format!("{holder} may forward {item} to {recipient}"),
        Reply::ConsentAsked {
            item,
            originator,
            recipient,
            deadline,
        } => format!("asked {originator} whether {item} may go to {recipient}; answer by {deadline}"),
        Reply::ConsentRefused {
            item,
            holder,
            recipient,
        } => format!("refused: {holder} may not forward {item} to {recipient}"),
        Reply::Retracted { item, notified } => {
            format!("withdrawn {item}\nasked to destroy it: {}", codes(notified))
        }
        Reply::Erased { item, entries, entry } => {
            format!(
                "erased {item}\n{entries} entries of the ledger say nothing any more, entry {entry} says so"
            )
        }
        Reply::Packed { to, items, left, .. } => {
            let left = match left {
                0 => String::new(),
                left => format!("; {left} more wait for the next parcel, or for a key of {to}"),
            };
            format!("packed {items} items for {to}{left}")
        }
        Reply::Unpacked {
            from,
            taken,
            known,
            gaps,
            faults,
            ..
        } => {
            let mut text = format!("from {from}: {taken} new, {known} known");
            for gap in gaps {
                text.push_str(&format!(
                    "\nlog {} goes on at {}: an earlier parcel is missing",
                    gap.log, gap.wanted
                ));
            }
            for fault in faults {
                text.push_str(&format!("\nrefused: {from} {fault}"));
            }
            text
        }
        Reply::WitnessResumed { hub } => format!("the ledger of {hub} is cosigned again"),
        Reply::Fetching { item, number } => format!("fetching attachment {} of {item}", number + 1),
        Reply::OwnActTaken { counter } => format!("act {counter} of this hub is followed"),
        Reply::CharterTaken { taken } if taken.is_empty() => {
            "nothing new: the hub knows all of it".to_owned()
        }
        Reply::CharterTaken { taken } => {
            let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
            format!("taken    {}\nevery member is told", taken.join("\n         "))
        }
        Reply::BranchChosen { branch } => {
            format!("this hub follows {branch}; hubs that follow another branch are strangers to it")
        }
        Reply::SecondPersonNeeded { until } => format!(
            "noted; a second person confirms by {until}, with another code. The hub cannot tell people apart yet: \
             that there are two is on your word"
        ),
        Reply::ConfirmedAlone { entry } => {
            format!("the hub goes on without its peers; entry {entry} says so, and they will be shown it")
        }
        Reply::Noted { item } => format!("noted {item}"),
    };
    Answer::of(reply, text)
}
