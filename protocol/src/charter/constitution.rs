//! The constitution: who votes, with which keys, and what each act needs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::TextError;
use super::kind::{Chain, DAY_SECONDS, Kind, Place, Versioned};
use super::threshold::{Thresholds, Voter, check_voters};
use crate::envelope::Suite;
use crate::id::{CharterVersion, Hash, HubId};

/// Longest validity of a constitution, in days: thirteen months.
pub const CONSTITUTION_DAYS_MAX: u64 = 396;

/// The version of another chain that a constitution builds upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// Its version.
    pub version: CharterVersion,
    /// SHA-256 of its text.
    pub hash: Hash,
}

/// A constitution as readable JSON; its exact text is what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Constitution {
    /// `constitution`.
    pub kind: Kind,
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// The version, from 1.
    pub version: CharterVersion,
    /// SHA-256 of the text of the version before.
    pub previous: Option<Hash>,
    /// When it was drafted, Unix seconds.
    pub issued: u64,
    /// End of validity, Unix seconds.
    pub valid_until: u64,
    /// The cipher suites that hubs read; the first is the one they write.
    pub suites: Vec<Suite>,
    /// What each act needs.
    pub thresholds: Thresholds,
    /// Who votes.
    pub voters: Vec<Voter>,
    /// The directory and the policy bundle that it builds upon: what was signed before is settled by this, whoever
    /// voted then. Absent in version 1.
    pub directory: Option<Settled>,
    /// The same of the policy bundle.
    pub bundle: Option<Settled>,
}

impl Versioned for Constitution {
    fn place(&self) -> Place {
        Place {
            chain: Chain::Constitution,
            version: self.version,
            previous: self.previous,
            issued: self.issued,
        }
    }
}

impl Constitution {
    /// Who votes.
    pub fn voter_codes(&self) -> BTreeSet<HubId> {
        self.voters.iter().map(|voter| voter.code).collect()
    }

    /// Checks the text by itself.
    pub(super) fn check(&self) -> Result<(), TextError> {
        let shape = |what| TextError::Shape { what };
        let distinct: BTreeSet<_> = self.suites.iter().collect();
        if self.suites.is_empty() || distinct.len() != self.suites.len() {
            return Err(shape(
                "suites must name the one to write, then others to read, each once",
            ));
        }
        if !self.thresholds.are_sound() {
            return Err(shape("a threshold is below the rules of the federation"));
        }
        let is_first = self.version == CharterVersion::new(1);
        let has_all = self.previous.is_some() && self.directory.is_some() && self.bundle.is_some();
        let has_none = self.previous.is_none() && self.directory.is_none() && self.bundle.is_none();
        if !(if is_first { has_none } else { has_all }) {
            return Err(shape(
                "a constitution names the version before it and what it builds upon, and version 1 neither",
            ));
        }
        check_validity(
            Chain::Constitution,
            (self.issued, self.valid_until),
            CONSTITUTION_DAYS_MAX,
        )?;
        check_voters(&self.voters)
    }
}

/// Checks that a validity is not longer than it may be.
pub(super) fn check_validity(
    chain: Chain,
    (issued, valid_until): (u64, u64),
    max: u64,
) -> Result<(), TextError> {
    let days = valid_until.saturating_sub(issued).div_ceil(DAY_SECONDS);
    if days == 0 {
        return Err(TextError::Shape {
            what: "validity ends before it begins",
        });
    }
    if days > max {
        return Err(TextError::TooLong { chain, days, max });
    }
    Ok(())
}
