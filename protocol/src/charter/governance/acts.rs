//! Acts: who may make them, and what they leave their target in.

use std::collections::BTreeSet;

use testudo_crypto::note::Note;

use super::super::act::{ActKind, HOLD_AGAIN_SECONDS, HOLD_SECONDS, OBJECTION_SECONDS};
use super::super::change::standing;
use super::super::directory::check_member;
use super::super::member::{Card, Member, Status};
use super::super::threshold::{Need, Share};
use super::versions::check_ahead;
use super::*;
use crate::label::Class;

/// Most acts of its own that one voter may have open: a host admits its country's stakeholders with them.
pub const ACTS_OF_ONE_MAX: usize = 256;

/// A stakeholder that a host admits.
pub(super) struct Hosted {
    pub(super) member: Member,
    /// When it is in, Unix seconds, unless enough voters object.
    pub(super) from: u64,
    /// SHA-256 of the act.
    act: Hash,
}

impl Governance {
    /// Every act that is here, whether it is in force or not.
    pub fn acts(&self) -> impl Iterator<Item = &Signed<Act>> {
        self.acts.values()
    }

    pub(super) fn take_act(&mut self, act: Act, note: &Note, now: Timestamp) -> Result<Taken, TakeError> {
        check_ahead(&format!("act `{}` on {}", act.act, act.target), act.made, now)?;
        self.check_parties(&act)?;
        let (note, by) = self.keys().keep(note, &self.realm)?;
        let next = Signed::new(act, note, by, now);
        let votes = next.votes(&self.constitution().document().voters);
        self.act_need(next.document()).check(&votes)?;
        self.check_room(next.document(), &votes)?;
        let hash = next.hash();
        self.acts.insert(hash, next);
        Ok(Taken::Act { hash })
    }

    pub(super) fn check_parties(&self, act: &Act) -> Result<(), TakeError> {
        let voters = self.constitution().document().voter_codes();
        if let Some(by) = act.by.filter(|by| !voters.contains(by)) {
            return Err(TakeError::NotAVoter {
                act: act.act,
                code: by,
            });
        }
        match (act.act, &act.card, act.subject) {
            (ActKind::Host, Some(card), _) => self.check_card(act, card),
            (ActKind::Object, _, Some(subject)) => {
                let is_open = |known: &Signed<Act>| {
                    known.document().act == ActKind::Host && known.document().target == act.target
                };
                match self.acts.get(&subject) {
                    Some(known) if is_open(known) => Ok(()),
                    _ => Err(TakeError::NoSubject { subject }),
                }
            }
            _ if !self.is_known(act.target) => Err(TakeError::NotAMember {
                act: act.act,
                code: act.target,
            }),
            _ => Ok(()),
        }
    }

    /// Whether somebody is listed, or on the way in.
    fn is_known(&self, code: HubId) -> bool {
        let hosted = (self.acts.values())
            .any(|act| act.document().act == ActKind::Host && act.document().target == code);
        hosted || self.directory().document().member(code).is_some()
    }

    fn check_card(&self, act: &Act, card: &Card) -> Result<(), TakeError> {
        let code = card.code;
        if code != act.target || card.class != Class::Stakeholder {
            return Err(TextError::Member {
                code,
                what: "a host admits stakeholders alone, under their own card",
            }
            .into());
        }
        if self.directory().document().member(code).is_some() {
            return Err(TakeError::AlreadyIn { code });
        }
        card.verify(&self.realm)
            .map_err(|source| TakeError::Card { code, source })
    }

    fn check_room(&self, act: &Act, votes: &BTreeSet<HubId>) -> Result<(), TakeError> {
        if let Some(code) = act.by {
            let open = self.acts.values().filter(|known| known.document().by == act.by);
            if open.count() >= ACTS_OF_ONE_MAX {
                return Err(TakeError::TooManyActs {
                    code,
                    max: ACTS_OF_ONE_MAX,
                });
            }
        }
        // One that was made before is taken, and voids the later one: hubs that heard of them in another order agree. One
        // that a majority confirms is no emergency any more, and stands by itself.
        let held = |known: &Signed<Act>| {
            let known = known.document();
            let after = act.made.checked_sub(known.made);
            known.act == ActKind::Hold
                && known.target == act.target
                && after.is_some_and(|after| after < HOLD_AGAIN_SECONDS)
        };
        let is_emergency = act.act == ActKind::Hold && self.confirmation(act).check(votes).is_err();
        if is_emergency && self.acts.values().any(held) {
            return Err(TakeError::HeldAlready { target: act.target });
        }
        Ok(())
    }

    /// What an act needs under the constitution that is followed.
    pub fn act_need(&self, act: &Act) -> Need {
        let constitution = self.constitution().document();
        let mut others = constitution.voter_codes();
        others.remove(&act.target);
        let what = format!("act `{}` on {}", act.act, act.target);
        let thresholds = &constitution.thresholds;
        match (act.act, act.by) {
            (ActKind::Suspend, _) => Need::share(what, thresholds.suspension, others),
            (ActKind::Expel, _) => Need::share(what, thresholds.expulsion, others),
            (ActKind::Hold, _) => Need {
                votes: usize::from(thresholds.emergency).min(Share::Majority.of(others.len())),
                ..Need::share(what, Share::Majority, others)
            },
            (ActKind::Unsponsor | ActKind::Host | ActKind::Object, Some(by)) => Need::of_one(what, by),
            // Refused when the text was read; nobody can make it.
            (ActKind::Unsponsor | ActKind::Host | ActKind::Object, None) => {
                Need::share(what, Share::All, constitution.voter_codes())
            }
        }
    }

    /// The acts that no directory has ended.
    pub(super) fn open_acts(&self) -> impl Iterator<Item = &Signed<Act>> {
        let lifted = self.lifted();
        self.acts
            .values()
            .filter(move |act| !lifted.contains(&act.hash()))
    }

    /// The acts that a directory which is followed has ended.
    fn lifted(&self) -> BTreeSet<Hash> {
        let mut lifted = BTreeSet::new();
        let mut at = Some(self.directory());
        while let Some(directory) = at {
            let document = directory.document();
            lifted.extend(document.lifts.iter().map(|lift| lift.act));
            at = document
                .previous
                .and_then(|previous| self.directories.get(&previous));
        }
        lifted
    }

    /// The restrictions that are in force, and the standing that each leaves its target in.
    ///
    /// INVARIANT (a restriction acts on receipt): nothing here waits for a version, and nothing but a version of the
    /// directory, or the end of a hold, lifts it.
    pub fn restrictions(&self, now: Timestamp) -> Vec<(HubId, Status, Hash)> {
        let mut found: Vec<(HubId, Status, Hash)> = Vec::new();
        for act in self.open_acts() {
            let document = act.document();
            let need = self.act_need(document);
            let votes = act.votes(&self.constitution().document().voters);
            let is_in_force = document.is_restriction()
                && need.check(&votes).is_ok()
                && (document.act != ActKind::Hold || self.is_holding(act, &votes, now));
            if is_in_force {
                found.push((document.target, standing(document.act), act.hash()));
            }
        }
        found
    }

    /// Whether a hold has not lapsed, or a majority of the others has confirmed it.
    fn is_holding(&self, act: &Signed<Act>, votes: &BTreeSet<HubId>, now: Timestamp) -> bool {
        let lapses = act.document().made.saturating_add(HOLD_SECONDS);
        let is_confirmed = self.confirmation(act.document()).check(votes).is_ok();
        is_confirmed || (now.seconds() < lapses && !self.follows_a_hold(act))
    }

    /// What makes a hold last.
    fn confirmation(&self, act: &Act) -> Need {
        let need = self.act_need(act);
        let share = self.constitution().document().thresholds.suspension;
        Need::share(need.what, share, need.among)
    }

    /// Whether another hold of the same member came less than 30 days before: two that met only now.
    fn follows_a_hold(&self, act: &Signed<Act>) -> bool {
        let document = act.document();
        self.acts.values().any(|known| {
            let other = known.document();
            let is_before = (other.made, known.hash()) < (document.made, act.hash());
            other.act == ActKind::Hold
                && other.target == document.target
                && is_before
                && document.made.saturating_sub(other.made) < HOLD_AGAIN_SECONDS
        })
    }

    /// Sponsors that have withdrawn: partner and sponsor.
    pub(super) fn withdrawn(&self) -> BTreeSet<(HubId, HubId)> {
        let voters = &self.constitution().document().voters;
        (self.open_acts())
            .filter(|act| act.document().act == ActKind::Unsponsor)
            .filter(|act| self.act_need(act.document()).check(&act.votes(voters)).is_ok())
            .filter_map(|act| Some((act.document().target, act.document().by?)))
            .collect()
    }

    /// Stakeholders that a host admits, those kept out by objections left out. Two admissions under one code keep each
    /// other out until one of them is ended or objected to.
    pub(super) fn hosted(&self) -> Vec<Hosted> {
        let open = self.admissions();
        let is_alone = |one: &&Hosted| {
            let same = open.iter().filter(|other| other.member.code == one.member.code);
            same.count() == 1
        };
        let alone: BTreeSet<Hash> = open.iter().filter(is_alone).map(|one| one.act).collect();
        open.into_iter().filter(|one| alone.contains(&one.act)).collect()
    }

    fn admissions(&self) -> Vec<Hosted> {
        let constitution = self.constitution().document();
        let listed = self.directory().document();
        (self.open_acts())
            .filter(|act| act.document().act == ActKind::Host)
            .filter(|act| {
                let votes = act.votes(&constitution.voters);
                self.act_need(act.document()).check(&votes).is_ok()
            })
            .filter(|act| listed.member(act.document().target).is_none())
            .filter_map(|act| {
                let document = act.document();
                let (host, card) = (document.by?, document.card.as_ref()?);
                // Counted from where this hub could first object, so that nobody shortens it by an early date.
                let from = (document.made.max(act.received().seconds())).saturating_add(OBJECTION_SECONDS);
                let member = Member::hosted(card, host);
                let is_sound = check_member(&member, &self.realm).is_ok();
                let is_kept_out =
                    self.objections(act, from) >= usize::from(constitution.thresholds.objections);
                (is_sound && !is_kept_out).then_some(Hosted {
                    member,
                    from,
                    act: act.hash(),
                })
            })
            .collect()
    }

    /// Voters that have objected to an admission in time.
    fn objections(&self, admission: &Signed<Act>, until: u64) -> usize {
        let voters = &self.constitution().document().voters;
        let objectors: BTreeSet<HubId> = (self.acts.values())
            .filter(|act| act.document().subject == Some(admission.hash()))
            .filter(|act| act.received().seconds() <= until)
            .filter(|act| self.act_need(act.document()).check(&act.votes(voters)).is_ok())
            .filter_map(|act| act.document().by)
            .collect();
        objectors.len()
    }
}
