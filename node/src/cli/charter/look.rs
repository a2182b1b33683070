//! Looking at a charter: members, proposals, effects, history.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use testudo_core::views::CharterView;
use testudo_protocol::charter::{
    Act, ActKind, DAY_SECONDS, Draft, Governance, HOLD_SECONDS, OBJECTION_SECONDS, Tally, words,
};
use testudo_protocol::id::HubId;

use super::file::{Opened, of_hub, open, refused, usage};
use crate::cli::arguments::At;
use crate::cli::client::Client;
use crate::cli::outcome::{Answer, Failure, chain};
use crate::clock;

/// Where the charter is: a file, or what a hub knows.
#[derive(Args)]
pub struct Source {
    /// A charter file; what the hub knows without it.
    file: Option<PathBuf>,
    /// The hub's data folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Source {
    async fn opened(&self) -> Result<Opened, Failure> {
        match (&self.file, &self.data) {
            (Some(file), _) => open(file),
            (None, Some(data)) => Ok(Opened {
                packet: Default::default(),
                governance: Some(of_hub(&At { data: data.clone() }).await?),
                drafts: Vec::new(),
                intents: Vec::new(),
            }),
            (None, None) => Err(usage("name a charter file, or a hub with --data")),
        }
    }

    pub(super) async fn show(&self) -> Result<Answer, Failure> {
        let opened = self.opened().await?;
        let Some(governance) = &opened.governance else {
            return unfounded(&opened);
        };
        let mut text = String::new();
        let mut proposals = Vec::new();
        for draft in drafts(&opened) {
            let tally = governance
                .tally(draft, &opened.intents)
                .map_err(|error| refused(chain(&error)))?;
            let by = deadline(governance, draft, &tally);
            text.push_str(&proposal_text(draft, &tally, by));
            proposals.push(proposal(draft, &tally, by));
        }
        Ok(charter(governance, proposals, text))
    }

    pub(super) async fn simulate(&self) -> Result<Answer, Failure> {
        let opened = self.opened().await?;
        let governance = opened.governance.as_ref().ok_or_else(|| {
            usage("there is nothing yet that could be changed; the first versions are not signed by everyone")
        })?;
        let mut text = String::new();
        let mut effects = Vec::new();
        for draft in drafts(&opened) {
            let found = governance
                .simulate(draft, clock::now())
                .map_err(|error| refused(chain(&error)))?;
            for effect in found {
                let stands = |status: Option<testudo_protocol::charter::Status>| {
                    status.map_or("no member".to_owned(), |status| status.to_string())
                };
                let cut = if effect.is_cut_off() { "CUT OFF" } else { "" };
                text.push_str(&format!(
                    "{:<8} {:<10} -> {:<10} {cut}\n",
                    effect.hub,
                    stands(effect.before),
                    stands(effect.after)
                ));
                effects.push(json!({
                    "hub": effect.hub, "before": effect.before, "after": effect.after, "cutOff": effect.is_cut_off(),
                }));
            }
        }
        if text.is_empty() {
            text.push_str("nobody's standing would change");
        }
        Ok(Answer::of(&json!({ "effects": effects }), text))
    }

    pub(super) async fn log(&self) -> Result<Answer, Failure> {
        let opened = self.opened().await?;
        let governance = opened.governance.as_ref().ok_or_else(|| {
            refused("the first versions are not signed by everyone; there is no history yet")
        })?;
        let mut text = String::new();
        let mut entries = Vec::new();
        for (_, note) in governance.notes() {
            let draft = Draft::parse(&note).map_err(|error| refused(chain(&error)))?;
            let tally = governance.tally(&draft, &[]);
            let hash = draft.hash();
            let (title, lines, votes) = match &tally {
                Ok(tally) => (tally.title.clone(), tally.lines.clone(), tally.votes.clone()),
                // Agreed when it came; today's rules would say otherwise.
                Err(_) => (format!("note {hash}"), Vec::new(), BTreeSet::new()),
            };
            let codes: Vec<String> = votes.iter().map(HubId::to_string).collect();
            text.push_str(&format!(
                "{title}\n  {}\n  signed by {}\n  {hash}\n",
                lines.join("\n  "),
                codes.join(", ")
            ));
            entries.push(json!({"title": title, "changes": lines, "votes": codes, "hash": hash}));
        }
        let document = json!({"fingerprint": governance.pinned(), "entries": entries});
        Ok(Answer::of(&document, text))
    }
}

fn drafts(opened: &Opened) -> impl Iterator<Item = &Draft> {
    (opened.drafts.iter()).filter_map(|at| opened.packet.objects.get(*at))
}

/// A file whose first versions are not signed by everyone.
fn unfounded(opened: &Opened) -> Result<Answer, Failure> {
    let notes = opened.packet.notes();
    let why = match Governance::found(&notes, clock::now()) {
        Err(error) => chain(&error),
        Ok(_) => "nobody has signed anything".to_owned(),
    };
    let mut text = format!("not in force: {why}\n");
    let mut objects = Vec::new();
    for draft in drafts(opened) {
        let hash = draft.hash();
        let keys = draft.note().map_or(0, |note| note.signatures().len());
        text.push_str(&format!(
            "{hash}  {keys} signatures\n  in words {}\n",
            words(hash)
        ));
        objects.push(json!({"hash": hash, "signatures": keys}));
    }
    Ok(Answer::of(
        &json!({"inForce": false, "why": why, "objects": objects}),
        text,
    ))
}

/// By when a draft has to be signed, Unix seconds, where something ends without it.
fn deadline(governance: &Governance, draft: &Draft, tally: &Tally) -> Option<u64> {
    if tally.place.is_some() {
        let constitution = governance.constitution().document().valid_until;
        return Some(constitution.min(governance.directory().document().valid_until));
    }
    let act: Act = serde_json::from_str(draft.text()).ok()?;
    match act.act {
        ActKind::Hold => Some(act.made.saturating_add(HOLD_SECONDS)),
        ActKind::Host | ActKind::Object => Some(act.made.saturating_add(OBJECTION_SECONDS)),
        ActKind::Suspend | ActKind::Expel | ActKind::Unsponsor => None,
    }
}

fn proposal_text(draft: &Draft, tally: &Tally, by: Option<u64>) -> String {
    let mut text = format!(
        "proposed    {}\n  {}\n  fingerprint {}\n  in words    {}\n",
        tally.title,
        tally.lines.join("\n  "),
        draft.hash(),
        words(draft.hash())
    );
    for (need, missing) in &tally.needs {
        let found = need.counted(&tally.votes);
        text.push_str(&format!("  {}: {found} of {} votes", need.what, need.votes));
        if found < need.votes {
            text.push_str(&format!("; not yet {}", codes(missing.iter())));
        }
        text.push('\n');
    }
    if !tally.intents.is_empty() {
        text.push_str(&format!("  would sign: {}\n", codes(tally.intents.iter())));
    }
    if let Some(by) = by {
        let days = by.saturating_sub(clock::now().seconds()) / DAY_SECONDS;
        text.push_str(&format!("  within {days} days (until {by})\n"));
    }
    text.push('\n');
    text
}

fn codes<'a>(codes: impl Iterator<Item = &'a HubId>) -> String {
    codes.map(HubId::to_string).collect::<Vec<_>>().join(", ")
}

fn proposal(draft: &Draft, tally: &Tally, by: Option<u64>) -> Value {
    let needs: Vec<Value> = (tally.needs.iter())
        .map(|(need, missing)| {
            json!({"what": need.what, "votes": need.counted(&tally.votes), "needed": need.votes, "missing": missing})
        })
        .collect();
    json!({
        "title": tally.title, "changes": tally.lines, "hash": draft.hash(), "votes": tally.votes,
        "intents": tally.intents, "needs": needs, "enough": tally.is_enough(), "agreed": tally.is_agreed(), "by": by,
    })
}

/// The members, behind what is proposed.
pub(super) fn charter(governance: &Governance, proposals: Vec<Value>, proposed: String) -> Answer {
    let charter = governance.charter(clock::now());
    let pinned = governance.pinned();
    let mut text = format!(
        "{proposed}charter     {}/{} constitution {}, directory {}, policy bundle {}\nfingerprint {pinned}\nin words    {}\n\n",
        charter.realm().federation(),
        charter.realm().name(),
        governance.constitution().document().version,
        charter.version(),
        governance.bundle_in_force(clock::now()).document().version,
        words(pinned)
    );
    let mut members = Vec::new();
    for member in charter.members() {
        let sponsors = charter.active_sponsors(member);
        text.push_str(&format!(
            "{:<8} {:<15} {:<10} {}\n",
            member.code,
            member.class,
            member.status.to_string(),
            member.address
        ));
        members.push(json!({
            "code": member.code.to_string(), "class": member.class.as_str(), "status": member.status.to_string(),
            "activeSponsors": sponsors, "address": member.address.to_string(),
            "votes": charter.voters().contains(&member.code),
        }));
    }
    let document = json!({
        "federation": charter.realm().federation(), "realm": charter.realm().name(),
        "version": charter.version().get(), "fingerprint": pinned, "members": members, "proposals": proposals,
        "forked": charter.is_forked(),
    });
    Answer::Document(document, text)
}

pub(super) async fn status(at: &At) -> Result<Answer, Failure> {
    let view: CharterView = Client::new(at)?.get("/v1/charter/status").await?;
    let fresh = if view.fresh {
        "fresh"
    } else {
        "STALE OR EXPIRED: nothing but governance flows"
    };
    let mut text = format!(
        "constitution {}, directory {}, policy bundle {} ({} in force): {fresh}\nvalid until {}, said to be the newest until {}\n",
        view.constitution.version,
        view.directory.version,
        view.bundle.version,
        view.bundle_in_force,
        view.valid_until,
        view.fresh_until
    );
    for fork in &view.forks {
        text.push_str(&format!(
            "FORK of {} behind version {}: only TLP:CLEAR flows; signed both: {}\n",
            fork.chain,
            fork.after,
            codes(fork.signers.iter())
        ));
        for branch in &fork.branches {
            text.push_str(&format!("  branch {branch}  {}\n", words(*branch)));
        }
    }
    for restriction in &view.restrictions {
        text.push_str(&format!("{:<8} {}\n", restriction.hub, restriction.status));
    }
    for warning in &view.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    Ok(Answer::of(&view, text))
}
