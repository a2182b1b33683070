//! The chains of all members' own acts, as far as this hub knows them.
//!
//! A machine without effects: the caller stores what is taken before it follows it, and tells the other members. Two
//! acts of one member at one place are proof that its root key signs two histories: that member alone is held, and
//! both acts are kept. No choice is made between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use testudo_crypto::keys::VerifyingKey;

use super::effective::Charter;
use super::keyring::Keyring;
use super::own_act::{OwnAct, OwnActError, OwnDeed};
use crate::fault::Fault;
use crate::id::{Hash, HubId};

/// Most acts of one member beyond the certificate in the charter: a rotation each month for five years. The charter
/// takes a newer certificate up before more are needed.
pub const OWN_ACTS_MAX: u64 = 64;

/// Of these, the last that only take something away: a member can always revoke and leave.
const RESERVED: u64 = 16;

/// The newest act of one member that a hub knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnHead {
    /// Whose.
    pub member: HubId,
    /// Its place; [`OwnHead::SPLIT`] where the member has signed two histories.
    pub counter: u64,
    /// Its hash; zeros for two histories.
    pub hash: Hash,
}

impl OwnHead {
    /// Stands above every place.
    pub const SPLIT: u64 = u64::MAX;
}

/// Two acts that cannot both stand in one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitActs {
    /// The one that came first to this hub.
    pub one: OwnAct,
    /// The other.
    pub other: OwnAct,
}

/// What became of an act that verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTaken {
    /// It is here already, or nothing hangs on it.
    Known,
    /// It goes on from what is here: store it, then follow it.
    Extended,
    /// It contradicts what is here: store both, hold the member.
    Split,
}

/// Why an act is not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnTakeError {
    /// No member of the charter.
    #[error("own act of {member}, which is no member")]
    NotAMember {
        /// Whom it names.
        member: HubId,
    },
    /// Not the member's.
    #[error(transparent)]
    Act(#[from] OwnActError),
    /// Acts before it are missing here.
    #[error("own act {counter} of {member} comes before act {expected}; ask for that first")]
    Ahead {
        /// Whose.
        member: HubId,
        /// Its place.
        counter: u64,
        /// The one that is missing.
        expected: u64,
    },
    /// The chain is full, or its member has left.
    #[error(
        "own act {counter} of {member} is one too many; the members must take its certificate up into the charter"
    )]
    TooMany {
        /// Whose.
        member: HubId,
        /// Its place.
        counter: u64,
    },
    /// Certifies a key of somebody else.
    #[error("own act {counter} of {member} certifies a key of {owner}")]
    KeyTaken {
        /// Whose act.
        member: HubId,
        /// Its place.
        counter: u64,
        /// Whose key.
        owner: HubId,
    },
}

impl OwnTakeError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            // Hubs learn of charters and of acts at different times.
            Self::NotAMember { .. } | Self::Ahead { .. } => Fault::Environment,
            _ => Fault::Peer,
        }
    }
}

/// What this hub knows of everybody's own acts, beyond the certificates in its charter.
#[derive(Clone, Debug, Default)]
pub struct OwnActs {
    chains: BTreeMap<HubId, OwnChain>,
}

/// The acts of one member.
#[derive(Clone, Debug)]
pub struct OwnChain {
    root: VerifyingKey,
    /// By place, with the certificate in the charter among them.
    acts: BTreeMap<u64, OwnAct>,
    split: Option<SplitActs>,
}

impl OwnActs {
    /// Verifies an act against the member's root key in the charter, and adds it.
    ///
    /// # Errors
    /// [`OwnTakeError`], one for each check.
    pub fn take(&mut self, act: OwnAct, charter: &Charter) -> Result<OwnTaken, OwnTakeError> {
        let member = act.fields().member;
        let (root, base) = charter
            .certificate_act(member)
            .ok_or(OwnTakeError::NotAMember { member })?;
        act.verify(root, charter.realm())?;
        let held = self.chains.get(&member).filter(|chain| chain.root == *root);
        // Another root key in the charter is another chain.
        let mut chain = held.map_or_else(
            || OwnChain::new(*root, base.clone()),
            |chain| chain.with_base(base),
        );
        let taken = chain.take(act, base.fields().counter, charter)?;
        if taken != OwnTaken::Known {
            self.chains.insert(member, chain);
        }
        Ok(taken)
    }

    /// What is known of one member beyond the charter.
    pub fn chain(&self, member: HubId) -> Option<&OwnChain> {
        self.chains.get(&member)
    }

    /// The newest acts of all members that have any beyond the charter.
    pub fn heads(&self) -> impl Iterator<Item = OwnHead> {
        self.chains.iter().map(|(member, chain)| chain.head(*member))
    }

    /// From which place on somebody else's acts of this member are wanted; `None` if we have them.
    pub fn wanted(&self, theirs: &OwnHead, charter: &Charter) -> Option<u64> {
        let member = theirs.member;
        let (_, base) = charter.certificate_act(member)?;
        let ours = self.chains.get(&member).map_or(
            OwnHead {
                member,
                counter: base.fields().counter,
                hash: base.hash(),
            },
            |chain| chain.head(member),
        );
        if ours == *theirs || ours.counter == OwnHead::SPLIT {
            return None;
        }
        if theirs.counter > ours.counter {
            return Some(ours.counter.saturating_add(1));
        }
        let chain = self.chains.get(&member);
        let same_place = chain.and_then(|chain| chain.acts.get(&theirs.counter));
        let agrees = same_place.is_some_and(|act| act.hash() == theirs.hash);
        // Where two histories begin to differ is not known: everything is.
        let older = theirs.counter < base.fields().counter;
        (!agrees && !older).then_some(0)
    }

    /// The acts of a member from one place on, in their order; behind them, whatever their place, two that
    /// contradict each other.
    pub fn from(&self, member: HubId, counter: u64) -> Vec<Vec<u8>> {
        let Some(chain) = self.chains.get(&member) else {
            return Vec::new();
        };
        let split = chain.split.iter().flat_map(|split| [&split.one, &split.other]);
        let acts = chain.acts.range(counter..).map(|(_, act)| act);
        acts.chain(split).map(|act| act.to_bytes().to_vec()).collect()
    }
}

impl OwnChain {
    fn new(root: VerifyingKey, base: OwnAct) -> Self {
        Self {
            root,
            acts: [(base.fields().counter, base)].into(),
            split: None,
        }
    }

    /// The acts, in their order.
    pub fn acts(&self) -> impl Iterator<Item = &OwnAct> {
        self.acts.values()
    }

    /// The two that contradict each other.
    pub fn split(&self) -> Option<&SplitActs> {
        self.split.as_ref()
    }

    /// Whether the member has left.
    pub fn has_exited(&self) -> bool {
        self.acts().any(|act| act.fields().deed == OwnDeed::Exit)
    }

    pub(super) fn root(&self) -> &VerifyingKey {
        &self.root
    }

    /// The chain with the certificate that the voters signed, which may be newer than what came here as an act.
    pub(super) fn with_base(&self, base: &OwnAct) -> Self {
        let mut chain = self.clone();
        let place = chain.acts.entry(base.fields().counter);
        place.or_insert_with(|| base.clone());
        chain
    }

    /// Names what is known of it.
    pub(super) fn hashes(&self) -> impl Iterator<Item = Hash> {
        let split = self.split.iter().flat_map(|split| [&split.one, &split.other]);
        self.acts().chain(split).map(OwnAct::hash)
    }

    /// The newest certificate of keys before the member's histories part.
    pub(super) fn newest_certificate(&self) -> Option<&OwnAct> {
        let mut acts = self.acts.values().rev();
        acts.find(|act| is_certificate(act) && self.is_undisputed(act))
    }

    /// The keys as all hubs see them, whichever history came first to them: certificates count up to where the
    /// histories part, revocations in both.
    pub(super) fn keyring(&self) -> Keyring {
        let split = self.split.iter().flat_map(|split| [&split.one, &split.other]);
        let acts = self.acts().chain(split);
        Keyring::of(
            acts.filter(|act| !is_certificate(act) || self.is_undisputed(act))
                .map(OwnAct::fields),
        )
    }

    fn is_undisputed(&self, act: &OwnAct) -> bool {
        let counter = |act: &OwnAct| act.fields().counter;
        let parts = self
            .split
            .as_ref()
            .map(|split| counter(&split.one).min(counter(&split.other)));
        parts.is_none_or(|parts| counter(act) < parts)
    }

    fn head(&self, member: HubId) -> OwnHead {
        match self.acts.last_key_value() {
            Some((counter, act)) if self.split.is_none() => OwnHead {
                member,
                counter: *counter,
                hash: act.hash(),
            },
            _ => OwnHead {
                member,
                counter: OwnHead::SPLIT,
                hash: Hash::new([0; 32]),
            },
        }
    }

    fn take(&mut self, act: OwnAct, base: u64, charter: &Charter) -> Result<OwnTaken, OwnTakeError> {
        let (member, counter) = (act.fields().member, act.fields().counter);
        if self.split.is_some() {
            return Ok(OwnTaken::Known);
        }
        let contradicted = match self.acts.get(&counter) {
            Some(held) if *held == act => return Ok(OwnTaken::Known),
            Some(held) => Some(held),
            None => self.broken_link(&act),
        };
        if let Some(held) = contradicted {
            self.split = Some(SplitActs {
                one: held.clone(),
                other: act,
            });
            return Ok(OwnTaken::Split);
        }
        let newest = self.acts.last_key_value().map_or(base, |(newest, _)| *newest);
        let expected = newest.saturating_add(1);
        if counter > expected {
            return Err(OwnTakeError::Ahead {
                member,
                counter,
                expected,
            });
        }
        if counter.saturating_add(OWN_ACTS_MAX) < base {
            return Ok(OwnTaken::Known);
        }
        let certifies = is_certificate(&act);
        let room = if certifies {
            OWN_ACTS_MAX - RESERVED
        } else {
            OWN_ACTS_MAX
        };
        let gone = certifies && counter > base && self.has_exited();
        if gone || counter > base.saturating_add(room) {
            return Err(OwnTakeError::TooMany { member, counter });
        }
        if let OwnDeed::Certify { keys, .. } = &act.fields().deed
            && let Some(owner) = charter.owner_of_any(&keys.all_signing(), member)
        {
            return Err(OwnTakeError::KeyTaken {
                member,
                counter,
                owner,
            });
        }
        self.acts.insert(counter, act);
        Ok(OwnTaken::Extended)
    }

    /// The neighbour in the chain that does not fit to this act.
    fn broken_link(&self, act: &OwnAct) -> Option<&OwnAct> {
        let (counter, previous) = (act.fields().counter, act.fields().previous);
        let before = self.acts.get(&counter.saturating_sub(1));
        let after = self.acts.get(&counter.saturating_add(1));
        before
            .filter(|before| before.hash() != previous)
            .or_else(|| after.filter(|after| after.fields().previous != act.hash()))
    }
}

fn is_certificate(act: &OwnAct) -> bool {
    matches!(act.fields().deed, OwnDeed::Certify { .. })
}

#[cfg(test)]
mod tests;
