//! Writing a change for the voters to sign.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use testudo_protocol::charter::{
    ActKind, BUNDLE_DAYS_MIN, CONSTITUTION_DAYS_MAX, DAY_SECONDS, DIRECTORY_DAYS_MAX, Draft, Governance,
    SPONSOR_DAYS_MAX, to_text, words,
};
use testudo_protocol::id::{Hash, HubId};

use super::file::{of_hub, open, packet_of, refused, usage, write};
use crate::cli::arguments::At;
use crate::cli::outcome::{Answer, Failure, chain};
use crate::clock;
use crate::folder::read_card;
use crate::governance_keys::read_voter;

/// What is proposed: one act or one new version. The file holds all that was agreed before, so that whoever signs can
/// verify it without a hub.
#[derive(Args)]
#[group(skip)]
pub struct Propose {
    #[command(flatten)]
    what: What,
    /// Codes of those who answer for a new partner.
    #[arg(long, value_name = "CODE,...", value_delimiter = ',', requires = "admit")]
    sponsor: Vec<String>,
    /// The voter whose own act it is: a host, a sponsor, an objector.
    #[arg(long, value_name = "CODE")]
    by: Option<String>,
    /// Why, for every member to read.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// How long a new version is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 360)]
    valid_days: u64,
    /// After how many days other policies are in force.
    #[arg(long, value_name = "DAYS", default_value_t = BUNDLE_DAYS_MIN)]
    after_days: u64,
    /// A file to start from instead of a hub.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    from: Option<PathBuf>,
    /// The hub's data folder.
    #[arg(long, value_name = "DIR", required_unless_present = "from")]
    data: Option<PathBuf>,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// One of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Admit a hub, or give a member the keys on its new card.
    #[arg(long, value_name = "CARD")]
    admit: Option<PathBuf>,
    /// List a member as active again.
    #[arg(long, value_name = "CODE")]
    resume: Option<String>,
    /// Suspend a member.
    #[arg(long, value_name = "CODE")]
    suspend: Option<String>,
    /// Expel a member.
    #[arg(long, value_name = "CODE")]
    expel: Option<String>,
    /// Hold a member for 72 hours.
    #[arg(long, value_name = "CODE")]
    hold: Option<String>,
    /// Stop answering for a partner.
    #[arg(long, value_name = "CODE", requires = "by")]
    withdraw_sponsorship: Option<String>,
    /// Admit a stakeholder as its host.
    #[arg(long, value_name = "CARD", requires = "by")]
    host: Option<PathBuf>,
    /// Object to the admission of a stakeholder, by the hash of that act.
    #[arg(long, value_name = "HASH", requires = "by")]
    object: Option<String>,
    /// Renew the directory, and enter what acts have done in the meantime.
    #[arg(long)]
    renew: bool,
    /// Put other baseline policies in force.
    #[arg(long, value_name = "HASH")]
    bundle: Option<String>,
    /// Renew the constitution.
    #[arg(long)]
    renew_constitution: bool,
    /// Make a member a voter, or give a voter other governance keys.
    #[arg(long, value_name = "VOTER.JSON")]
    voter: Option<PathBuf>,
    /// Take the vote from a member.
    #[arg(long, value_name = "CODE")]
    remove_voter: Option<String>,
}

fn hub(flag: &str, text: &str) -> Result<HubId, Failure> {
    text.parse().map_err(|error| usage(format!("--{flag}: {error}")))
}

fn hash(flag: &str, text: &str) -> Result<Hash, Failure> {
    text.parse().map_err(|error| usage(format!("--{flag}: {error}")))
}

impl Propose {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let governance = match (&self.from, &self.data) {
            (Some(file), _) => open(file)?
                .governance
                .ok_or_else(|| refused("the first versions are not signed by everyone"))?,
            (None, Some(data)) => of_hub(&At { data: data.clone() }).await?,
            (None, None) => return Err(usage("name a file with --from, or a hub with --data")),
        };
        let draft = Draft::new(self.text(&governance)?);
        let tally = governance
            .tally(&draft, &[])
            .map_err(|error| refused(chain(&error)))?;
        let mut packet = packet_of(&governance)?;
        packet.objects.push(draft.clone());
        write(&self.out, &packet)?;
        let mut text = format!(
            "wrote {}\n{}\n  {}\n  fingerprint {}\n  in words    {}\n",
            self.out.display(),
            tally.title,
            tally.lines.join("\n  "),
            draft.hash(),
            words(draft.hash())
        );
        for (need, missing) in &tally.needs {
            let missing: Vec<String> = missing.iter().map(HubId::to_string).collect();
            text.push_str(&format!(
                "  {} needs {} votes of {}\n",
                need.what,
                need.votes,
                missing.join(", ")
            ));
        }
        let document = json!({
            "file": self.out, "title": tally.title, "changes": tally.lines, "hash": draft.hash(),
            "needed": tally.needs.iter().map(|(need, _)| need.votes).collect::<Vec<_>>(),
        });
        Ok(Answer::of(&document, text))
    }

    fn text(&self, governance: &Governance) -> Result<String, Failure> {
        let what = &self.what;
        let now = clock::now().seconds();
        if let Some(text) = self.act(governance, now)? {
            return Ok(text);
        }
        if let Some(hash_text) = &what.bundle {
            let baseline = hash("bundle", hash_text)?;
            let from = now.saturating_add(self.after_days.saturating_mul(DAY_SECONDS));
            return Ok(to_text(&governance.next_bundle(now, from, baseline)));
        }
        if what.renew_constitution || what.voter.is_some() || what.remove_voter.is_some() {
            return self.constitution(governance, now);
        }
        let days = self.valid_days.min(DIRECTORY_DAYS_MAX);
        let mut next = governance.next_directory(now, now.saturating_add(days.saturating_mul(DAY_SECONDS)));
        if let Some(path) = &what.admit {
            let card = read_card(path)?;
            card.verify(governance.realm())
                .map_err(|error| refused(chain(&error)))?;
            let until = now.saturating_add(SPONSOR_DAYS_MAX.saturating_mul(DAY_SECONDS));
            let sponsors = (self.sponsor.iter())
                .map(|code| Ok((hub("sponsor", code)?, until)))
                .collect::<Result<BTreeMap<_, _>, Failure>>()?;
            governance.admit(&mut next, &card, sponsors);
        }
        if let Some(code) = &what.resume {
            let code = hub("resume", code)?;
            if !governance.resume(&mut next, code) {
                return Err(refused(format!("{code} is not a member")));
            }
        }
        if what.renew {
            governance.fold(&mut next);
        }
        Ok(to_text(&next))
    }

    fn act(&self, governance: &Governance, now: u64) -> Result<Option<String>, Failure> {
        let what = &self.what;
        let by = self.by.as_deref().map(|code| hub("by", code)).transpose()?;
        let of_all = [
            (ActKind::Suspend, "suspend", &what.suspend),
            (ActKind::Expel, "expel", &what.expel),
            (ActKind::Hold, "hold", &what.hold),
            (
                ActKind::Unsponsor,
                "withdraw-sponsorship",
                &what.withdraw_sponsorship,
            ),
        ];
        for (kind, flag, code) in of_all {
            if let Some(code) = code {
                let mut act = governance.draft_act(kind, hub(flag, code)?, now, &self.reason);
                act.by = by;
                return Ok(Some(to_text(&act)));
            }
        }
        if let Some(path) = &what.host {
            let card = read_card(path)?;
            let mut act = governance.draft_act(ActKind::Host, card.code, now, &self.reason);
            act.by = by;
            act.card = Some(card);
            return Ok(Some(to_text(&act)));
        }
        if let Some(subject) = &what.object {
            let subject = hash("object", subject)?;
            let open = governance.acts().find(|act| act.hash() == subject);
            let open = open.ok_or_else(|| refused(format!("there is no act {subject} here")))?;
            let target = open.document().target;
            let mut act = governance.draft_act(ActKind::Object, target, now, &self.reason);
            act.by = by;
            act.subject = Some(subject);
            return Ok(Some(to_text(&act)));
        }
        Ok(None)
    }

    fn constitution(&self, governance: &Governance, now: u64) -> Result<String, Failure> {
        let days = self.valid_days.min(CONSTITUTION_DAYS_MAX);
        let mut next =
            governance.next_constitution(now, now.saturating_add(days.saturating_mul(DAY_SECONDS)));
        if let Some(path) = &self.what.voter {
            let voter = read_voter(path)?;
            next.voters.retain(|known| known.code != voter.code);
            next.voters.push(voter);
            next.voters.sort_by_key(|voter| voter.code);
        }
        if let Some(code) = &self.what.remove_voter {
            let code = hub("remove-voter", code)?;
            next.voters.retain(|known| known.code != code);
        }
        Ok(to_text(&next))
    }
}
