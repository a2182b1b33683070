//! What a draft would do, before anyone signs it.

use std::collections::BTreeMap;

use super::super::act::{ActKind, OBJECTION_SECONDS};
use super::super::change::sponsors_needed;
use super::super::draft::Draft;
use super::super::member::Status;
use super::super::threshold::{KeyOf, VOTE_KEYS, Voter};
use super::*;

/// What would become of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Who.
    pub hub: HubId,
    /// How it stands now; nothing if it is not a member.
    pub before: Option<Status>,
    /// How it would stand.
    pub after: Option<Status>,
    /// Whether content reaches it now.
    pub is_reached: bool,
    /// Whether content would reach it.
    pub would_be_reached: bool,
}

impl Effect {
    /// Whether it gets content now and would get none.
    pub fn is_cut_off(&self) -> bool {
        self.is_reached && !self.would_be_reached
    }
}

impl Governance {
    /// What would be different for whom, had everyone signed a draft and its time come.
    ///
    /// Nobody can be admitted by this: no charter leaves this function.
    ///
    /// # Errors
    /// [`TakeError`] if it could never be taken.
    pub fn simulate(&self, draft: &Draft, now: Timestamp) -> Result<Vec<Effect>, TakeError> {
        self.tally(draft, &[])?;
        let mut imagined = self.clone();
        let mut then = now;
        let (document, _) = document(draft.text())?;
        let all = self.all_keys();
        match document {
            Document::Constitution(next) => {
                let by: BTreeSet<KeyOf> = all.into_iter().chain(keys_of(&next.voters)).collect();
                let signed = Signed::imagined(next, draft.text(), by, now);
                imagined.constitutions.insert(signed.hash(), signed);
            }
            Document::Directory(next) => {
                let signed = Signed::imagined(next, draft.text(), all, now);
                imagined.directories.insert(signed.hash(), signed);
            }
            Document::Bundle(next) => {
                then = then.max(Timestamp::from_seconds(next.effective_from));
                let signed = Signed::imagined(next, draft.text(), all, now);
                imagined.bundles.insert(signed.hash(), signed);
            }
            Document::Act(next) => {
                if next.act == ActKind::Host {
                    let from = next.made.max(now.seconds()).saturating_add(OBJECTION_SECONDS);
                    then = then.max(Timestamp::from_seconds(from));
                }
                let signed = Signed::imagined(*next, draft.text(), all, now);
                imagined.acts.insert(signed.hash(), signed);
            }
        }
        let (before, after) = (self.reach(now), imagined.reach(then));
        let hubs: BTreeSet<&HubId> = before.keys().chain(after.keys()).collect();
        Ok(hubs
            .into_iter()
            .map(|hub| {
                let (before, after) = (before.get(hub), after.get(hub));
                Effect {
                    hub: *hub,
                    before: before.map(|(status, _)| *status),
                    after: after.map(|(status, _)| *status),
                    is_reached: before.is_some_and(|(_, reached)| *reached),
                    would_be_reached: after.is_some_and(|(_, reached)| *reached),
                }
            })
            .filter(|effect| effect.before != effect.after || effect.is_reached != effect.would_be_reached)
            .collect())
    }

    fn reach(&self, now: Timestamp) -> BTreeMap<HubId, (Status, bool)> {
        let charter = self.charter(now);
        let is_reached = |member: &super::super::member::Member| {
            member.status == Status::Active
                && charter.active_sponsors(member) >= sponsors_needed(member.class)
        };
        (charter.members())
            .map(|member| (member.code, (member.status, is_reached(member))))
            .collect()
    }

    fn all_keys(&self) -> BTreeSet<KeyOf> {
        let voters = &self.constitution().document().voters;
        keys_of(voters).collect()
    }
}

fn keys_of(voters: &[Voter]) -> impl Iterator<Item = KeyOf> {
    let of = |voter: &Voter| {
        let code = voter.code;
        voter.keys.into_iter().take(VOTE_KEYS).map(move |key| (code, key))
    };
    voters.iter().flat_map(of).collect::<Vec<_>>().into_iter()
}
