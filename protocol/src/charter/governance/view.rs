//! The effective charter at one moment.

use std::collections::{BTreeMap, BTreeSet};

use super::super::act::HOLD_SECONDS;
use super::super::effective::{Charter, Parts};
use super::super::heartbeat::FRESH_MILLIS;
use super::super::member::Member;
use super::*;

impl Governance {
    /// The charter as it stands now.
    pub fn charter(&self, now: Timestamp) -> Charter {
        let constitution = self.constitution();
        let directory = self.directory();
        let bundle = self.bundle_in_force(now);
        let valid_until = (constitution.document().valid_until).min(directory.document().valid_until);
        let forks = self.forks();
        let mut grounds = vec![constitution.hash(), directory.hash(), bundle.hash()];
        grounds.extend(self.restrictions(now).into_iter().map(|(_, _, act)| act));
        Charter::derive(Parts {
            realm: self.realm.clone(),
            constitution: constitution.document(),
            version: directory.document().version,
            policies: bundle.document().baseline,
            valid_until: Timestamp::from_seconds(valid_until),
            fresh_until: self.fresh_until(),
            forks: forks.iter().map(|fork| fork.chain).collect(),
            members: self.standing_members(now),
            grounds,
        })
    }

    /// The newest policy bundle that is in force.
    pub fn bundle_in_force(&self, now: Timestamp) -> &Signed<PolicyBundle> {
        let (head, walk) = self.bundle_walk();
        let mut in_force = walk.path.first().copied().unwrap_or(head);
        for bundle in walk.path {
            if bundle.document().effective_from <= now.seconds() {
                in_force = bundle;
            }
        }
        in_force
    }

    /// Every member with the standing and the sponsors that count now.
    fn standing_members(&self, now: Timestamp) -> BTreeMap<HubId, Member> {
        let hosted = (self.hosted().into_iter())
            .filter(|hosted| hosted.from <= now.seconds())
            .map(|hosted| hosted.member);
        let listed = self.directory().document().members.iter().cloned();
        let mut members: BTreeMap<HubId, Member> =
            listed.chain(hosted).map(|member| (member.code, member)).collect();
        let withdrawn = self.withdrawn();
        for member in members.values_mut() {
            let code = member.code;
            member
                .sponsors
                .retain(|sponsor, until| *until > now.seconds() && !withdrawn.contains(&(code, *sponsor)));
        }
        for (target, standing, _) in self.restrictions(now) {
            if let Some(member) = members.get_mut(&target) {
                member.status = member.status.max(standing);
            }
        }
        members
    }

    /// Until when enough voters have stated that they know nothing newer than what this hub follows.
    ///
    /// One that names an earlier version of ours knows nothing newer either. One that names what is unknown here does
    /// not count: this hub is behind, or on another branch.
    fn fresh_until(&self) -> Timestamp {
        let known = self.known_heads();
        let voters = self.constitution().document().voter_codes();
        let mut times: Vec<Timestamp> = (self.heartbeats.values())
            .filter(|beat| voters.contains(&beat.hub))
            .filter(|beat| {
                let heads = [beat.heads.constitution, beat.heads.directory, beat.heads.bundle];
                heads.iter().all(|head| known.contains(head))
            })
            .map(|beat| beat.time)
            .collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        let needed = voters.len().div_ceil(3).max(1);
        let agreed = times.get(needed.saturating_sub(1)).copied().unwrap_or_default();
        // The operator has just been told by another member, over another channel.
        agreed.max(self.founded).plus_millis(FRESH_MILLIS)
    }

    /// The versions that this hub follows, and those before them.
    fn known_heads(&self) -> BTreeSet<Hash> {
        let mut known = BTreeSet::new();
        let heads = self.heads();
        follow(&self.constitutions, heads.constitution, &mut known, |document| {
            document.previous
        });
        follow(&self.directories, heads.directory, &mut known, |document| {
            document.previous
        });
        follow(&self.bundles, heads.bundle, &mut known, |document| {
            document.previous
        });
        known
    }

    /// When the view will be another one although nothing new has come.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = now.seconds();
        let holds = self
            .open_acts()
            .map(|act| act.document().made.saturating_add(HOLD_SECONDS));
        let hosted = self.hosted().into_iter().map(|hosted| hosted.from);
        let bundles = self.bundle_walk().1.path;
        let bundles = bundles.iter().map(|bundle| bundle.document().effective_from);
        let sponsors = self.directory().document().members.iter();
        let sponsors = sponsors.flat_map(|member| member.sponsors.values().copied());
        holds
            .chain(hosted)
            .chain(bundles)
            .chain(sponsors)
            .filter(|at| *at > seconds)
            .min()
            .map(Timestamp::from_seconds)
    }
}

fn follow<T>(
    all: &BTreeMap<Hash, Signed<T>>,
    head: Hash,
    known: &mut BTreeSet<Hash>,
    previous: impl Fn(&T) -> Option<Hash>,
) {
    let mut at = Some(head);
    while let Some(hash) = at {
        // A chain of hashes has no circle, since each version was checked to count up.
        known.insert(hash);
        at = all.get(&hash).and_then(|signed| previous(signed.document()));
    }
}
