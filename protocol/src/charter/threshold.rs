//! How many votes an act needs. Members are counted, never keys.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::TextError;
use crate::id::{Hash, HubId};
use crate::vocabulary;

/// Governance keys of one voter, and how many of them make its vote.
pub const VOTER_KEYS: usize = 3;
/// A voter may lose one key, and one key that is stolen is no vote.
pub const VOTE_KEYS: usize = 2;
/// Most voters: the signatures of the old and the new ones have room on one note.
pub const VOTERS_MAX: usize = 60;

vocabulary! {
    /// A share of the votes.
    Share, "share", {
        /// More than half.
        Majority = "majority",
        /// Two thirds or more.
        TwoThirds = "two-thirds",
        /// Every one.
        All = "all",
    }
}

impl Share {
    /// The number of votes, of so many.
    pub const fn of(self, members: usize) -> usize {
        match self {
            Self::Majority => members / 2 + 1,
            Self::TwoThirds => members.saturating_mul(2).div_ceil(3),
            Self::All => members,
        }
    }
}

/// What each kind of act needs. A constitution may ask for more than the rules of the federation, never for less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Thresholds {
    /// Another constitution: of the old and of the new voters.
    pub constitution: Share,
    /// To admit a member state, an institution or a like-minded partner, or to give a member other keys.
    pub admission: Share,
    /// To admit an associated partner, and every other change of the directory.
    pub directory: Share,
    /// Other baseline policies.
    pub bundle: Share,
    /// To suspend or to resume; the target is not counted.
    pub suspension: Share,
    /// To expel; the target is not counted.
    pub expulsion: Share,
    /// Voters that hold a member for 72 hours; a majority where that is fewer.
    pub emergency: u8,
    /// Voters whose objection keeps a stakeholder out.
    pub objections: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            constitution: Share::TwoThirds,
            admission: Share::TwoThirds,
            directory: Share::Majority,
            bundle: Share::Majority,
            suspension: Share::Majority,
            expulsion: Share::TwoThirds,
            emergency: 3,
            objections: 3,
        }
    }
}

impl Thresholds {
    /// Whether nothing is below the rules of the federation.
    pub fn are_sound(&self) -> bool {
        let floor = Self::default();
        self.constitution >= floor.constitution
            && self.admission >= floor.admission
            && self.directory >= floor.directory
            && self.bundle >= floor.bundle
            && self.suspension >= floor.suspension
            && self.expulsion >= floor.expulsion
            && self.emergency >= floor.emergency
            && (1..=floor.objections).contains(&self.objections)
    }
}

/// A voter and its governance keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voter {
    /// The member.
    pub code: HubId,
    /// Its keys, kept offline; two of them make its vote.
    pub keys: [Hash; VOTER_KEYS],
}

/// A key that signed, and whose it is.
pub type KeyOf = (HubId, Hash);

/// The voters of which enough keys have signed.
pub fn votes(signed: &BTreeSet<KeyOf>, voters: &[Voter]) -> BTreeSet<HubId> {
    let has_voted = |voter: &&Voter| {
        let keys: BTreeSet<_> = voter.keys.iter().collect();
        let signed = keys.iter().filter(|key| signed.contains(&(voter.code, ***key)));
        signed.count() >= VOTE_KEYS
    };
    voters.iter().filter(has_voted).map(|voter| voter.code).collect()
}

/// One thing that has to be agreed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is for, for people.
    pub what: String,
    /// How many votes.
    pub votes: usize,
    /// Whose votes count.
    pub among: BTreeSet<HubId>,
    /// Who has to be among them.
    pub with: BTreeSet<HubId>,
}

impl Need {
    /// So many votes of these.
    pub fn share(what: impl Into<String>, share: Share, among: BTreeSet<HubId>) -> Self {
        Self {
            what: what.into(),
            votes: share.of(among.len()),
            among,
            with: BTreeSet::new(),
        }
    }

    /// The vote of one member, whoever else signs.
    pub fn of_one(what: impl Into<String>, code: HubId) -> Self {
        Self {
            what: what.into(),
            votes: 1,
            among: [code].into(),
            with: [code].into(),
        }
    }

    /// How many of the votes count.
    pub fn counted(&self, votes: &BTreeSet<HubId>) -> usize {
        votes.intersection(&self.among).count()
    }

    /// Those who could still vote for it.
    pub fn missing(&self, votes: &BTreeSet<HubId>) -> Vec<HubId> {
        self.among.difference(votes).copied().collect()
    }

    /// Whether the votes are enough.
    ///
    /// # Errors
    /// [`VoteError`] says who is missing.
    pub fn check(&self, votes: &BTreeSet<HubId>) -> Result<(), VoteError> {
        if let Some(code) = self.with.difference(votes).next() {
            return Err(VoteError::Absent {
                what: self.what.clone(),
                code: *code,
            });
        }
        let found = self.counted(votes);
        if found < self.votes {
            return Err(VoteError::TooFew {
                what: self.what.clone(),
                found,
                needed: self.votes,
                missing: self.missing(votes),
            });
        }
        Ok(())
    }
}

/// Why votes are not enough.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// Fewer than needed.
    #[error("{what} has {found} votes, {needed} needed; not yet: {}", super::error::list(.missing))]
    TooFew {
        /// What for.
        what: String,
        /// Votes that count.
        found: usize,
        /// Votes needed.
        needed: usize,
        /// Who has not voted.
        missing: Vec<HubId>,
    },
    /// Somebody whose own vote it takes has not given it.
    #[error("{what} needs the vote of {code} itself")]
    Absent {
        /// What for.
        what: String,
        /// Whose.
        code: HubId,
    },
}

/// Checks a list of voters by itself.
///
/// # Errors
/// [`TextError::Voter`] names the voter.
pub(super) fn check_voters(voters: &[Voter]) -> Result<(), TextError> {
    if voters.is_empty() || voters.len() > VOTERS_MAX {
        return Err(TextError::Shape {
            what: "there must be 1 to 60 voters",
        });
    }
    let mut codes = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for voter in voters {
        let wrong = |what| TextError::Voter {
            code: voter.code,
            what,
        };
        if !codes.insert(voter.code) {
            return Err(wrong("is listed twice"));
        }
        for key in &voter.keys {
            // One key under two names would be two votes of one hand.
            if !keys.insert(*key) {
                return Err(wrong("has a key that stands twice in the constitution"));
            }
            if testudo_crypto::keys::VerifyingKey::from_bytes(key.as_bytes()).is_err() {
                return Err(wrong("has a key that is weak or malformed"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_twenty_eight_are_those_of_the_policy() {
        assert_eq!(Share::Majority.of(28), 15);
        assert_eq!(Share::TwoThirds.of(28), 19);
        assert_eq!(Share::Majority.of(27), 14, "of the others");
        assert_eq!(Share::TwoThirds.of(27), 18, "of the others");
        assert_eq!(Share::All.of(28), 28);
        assert_eq!([1, 2, 3].map(|n| Share::Majority.of(n)), [1, 2, 2]);
        assert_eq!([1, 2, 3].map(|n| Share::TwoThirds.of(n)), [1, 2, 2]);
    }

    #[test]
    fn a_constitution_may_ask_for_more_and_never_for_less() {
        let mut thresholds = Thresholds::default();
        assert!(thresholds.are_sound());
        thresholds.bundle = Share::All;
        assert!(thresholds.are_sound());
        thresholds.admission = Share::Majority;
        assert!(!thresholds.are_sound());
        let weak = Thresholds {
            emergency: 2,
            ..Thresholds::default()
        };
        assert!(!weak.are_sound());
    }
}
