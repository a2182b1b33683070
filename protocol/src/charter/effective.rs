//! The charter as it stands: what follows, at one moment, from everything that the members have signed.
//!
//! What each member has decided about itself is laid over it in `own_view`.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::digest::Digest;
use testudo_crypto::keys::VerifyingKey;

use super::constitution::Constitution;
use super::keyring::Keyring;
use super::kind::Chain;
use super::member::{Member, Status};
use super::own_act::OwnAct;
use super::threshold::Thresholds;
use crate::envelope::Suite;
use crate::id::{CharterVersion, Hash, HubId, Timestamp};
use crate::realm::Realm;

/// The effective charter: the view that the gate and every verification use. Made only by
/// [`Governance::charter`](super::Governance::charter).
///
/// ```compile_fail
/// # use testudo_protocol::charter::Charter;
/// let forged = Charter { realm: unreachable!(), version: unreachable!(), listed: unreachable!(), members: unreachable!(), certificates: unreachable!(), keyrings: unreachable!(), voters: unreachable!(), thresholds: unreachable!(), suites: unreachable!(), policies: unreachable!(), valid_until: unreachable!(), fresh_until: unreachable!(), forks: unreachable!(), grounds: unreachable!(), fingerprint: unreachable!() };
/// ```
#[derive(Clone, Debug)]
pub struct Charter {
    pub(super) realm: Realm,
    version: CharterVersion,
    /// As the others have decided: with the standing and the sponsors that count now.
    pub(super) listed: BTreeMap<HubId, Member>,
    /// As the members' own acts leave them.
    pub(super) members: BTreeMap<HubId, Member>,
    /// Root keys and certificates as the voters signed them.
    pub(super) certificates: BTreeMap<HubId, (VerifyingKey, OwnAct)>,
    pub(super) keyrings: BTreeMap<HubId, Keyring>,
    voters: BTreeSet<HubId>,
    thresholds: Thresholds,
    suites: Vec<Suite>,
    policies: Hash,
    valid_until: Timestamp,
    fresh_until: Timestamp,
    forks: BTreeSet<Chain>,
    /// Names what the voters have signed of this.
    grounds: Hash,
    pub(super) fingerprint: Hash,
}

/// Everything that a charter is made of.
pub(super) struct Parts<'a> {
    pub(super) realm: Realm,
    pub(super) constitution: &'a Constitution,
    pub(super) version: CharterVersion,
    pub(super) policies: Hash,
    pub(super) valid_until: Timestamp,
    /// Until when enough voters have stated that there is nothing newer.
    pub(super) fresh_until: Timestamp,
    /// Chains of which two branches are known.
    pub(super) forks: BTreeSet<Chain>,
    /// With the standing and the sponsors that count now.
    pub(super) members: BTreeMap<HubId, Member>,
    /// Names the versions and acts that all of this follows from.
    pub(super) grounds: Vec<Hash>,
}

impl Charter {
    /// The one way to a charter.
    pub(super) fn derive(parts: Parts<'_>) -> Self {
        // Each certificate was verified with the text or the card that holds it.
        let certificates: BTreeMap<HubId, (VerifyingKey, OwnAct)> = (parts.members.values())
            .filter_map(|member| {
                let act = member.certificate.act(member.code, &member.keys)?;
                Some((member.code, (member.certificate.root_key()?, act)))
            })
            .collect();
        let keyrings = (certificates.iter())
            .map(|(code, (_, act))| (*code, Keyring::of(std::iter::once(act.fields()))))
            .collect();
        let forks: Vec<u8> = parts.forks.iter().map(|chain| *chain as u8).collect();
        let grounds: Vec<u8> = (parts.grounds.iter()).flat_map(|hash| *hash.as_bytes()).collect();
        let grounds = Hash::from(Digest::of_parts(&[
            b"testudo/charter-grounds/v1\0".as_slice(),
            parts.realm.tag().as_bytes(),
            Digest::of(&grounds).as_bytes(),
            &forks,
        ]));
        let mut charter = Self {
            realm: parts.realm,
            version: parts.version,
            listed: parts.members.clone(),
            members: parts.members,
            certificates,
            keyrings,
            voters: parts.constitution.voter_codes(),
            thresholds: parts.constitution.thresholds.clone(),
            suites: parts.constitution.suites.clone(),
            policies: parts.policies,
            valid_until: parts.valid_until,
            fresh_until: parts.fresh_until,
            forks: parts.forks,
            grounds,
            fingerprint: grounds,
        };
        charter.fingerprint = charter.fingerprint_with(&BTreeSet::new());
        charter
    }

    /// Names this view: what the voters signed, the standings and keys that count, and the newest own acts.
    pub(super) fn fingerprint_with(&self, own_acts: &BTreeSet<Hash>) -> Hash {
        let standing: Vec<u8> = (self.members.values())
            .flat_map(|member| {
                let sponsors = member.sponsors.keys().flat_map(|code| *code.as_bytes());
                let keys = member.keys.all().into_iter().flat_map(|key| *key.as_bytes());
                let code = member.code.as_bytes().iter().copied();
                code.chain([member.status as u8])
                    .chain(sponsors)
                    .chain(keys)
                    .collect::<Vec<u8>>()
            })
            .collect();
        let own_acts: Vec<u8> = own_acts.iter().flat_map(|hash| *hash.as_bytes()).collect();
        Hash::from(Digest::of_parts(&[
            b"testudo/charter-view/v1\0".as_slice(),
            self.grounds.as_bytes(),
            Digest::of(&standing).as_bytes(),
            Digest::of(&own_acts).as_bytes(),
        ]))
    }

    /// Federation and realm.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The version of the directory.
    pub fn version(&self) -> CharterVersion {
        self.version
    }

    /// Names everything that this view follows from but the time: two hubs with one fingerprint decide alike.
    pub fn fingerprint(&self) -> Hash {
        self.fingerprint
    }

    /// The hash of the baseline policies that are in force.
    pub fn policies(&self) -> Hash {
        self.policies
    }

    /// Whether constitution and directory are valid, and enough voters have lately stated that nothing is newer.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.valid_until && now < self.fresh_until
    }

    /// End of validity: the earlier one of constitution and directory.
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Until when a third of the voters have stated within 72 hours that there is nothing newer.
    pub fn fresh_until(&self) -> Timestamp {
        self.fresh_until
    }

    /// The chains of which two branches are known and none has been chosen: only TLP:CLEAR flows.
    pub fn forks(&self) -> &BTreeSet<Chain> {
        &self.forks
    }

    /// Whether there are any.
    pub fn is_forked(&self) -> bool {
        !self.forks.is_empty()
    }

    /// A member.
    pub fn member(&self, code: HubId) -> Option<&Member> {
        self.members.get(&code)
    }

    /// Every member, by code.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Who votes.
    pub fn voters(&self) -> &BTreeSet<HubId> {
        &self.voters
    }

    /// What each kind of act needs.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Whether a member is in good standing: all others get governance and notices alone.
    pub fn is_active(&self, code: HubId) -> bool {
        self.member(code)
            .is_some_and(|member| member.status == Status::Active)
    }

    /// Sponsors of a member that are active voters themselves.
    pub fn active_sponsors(&self, member: &Member) -> usize {
        let sponsors = member.sponsors.keys();
        sponsors
            .filter(|code| self.voters.contains(code) && self.is_active(**code))
            .count()
    }

    /// The suite that hubs write.
    pub fn writes(&self) -> Suite {
        // A constitution without a suite is not taken; the strictest one stands for what cannot be.
        self.suites.first().copied().unwrap_or(Suite::Hybrid)
    }

    /// Whether hubs read a suite.
    pub fn reads(&self, suite: Suite) -> bool {
        self.suites.contains(&suite)
    }
}
