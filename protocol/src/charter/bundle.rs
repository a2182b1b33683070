//! The policy bundle: which baseline policies every hub runs, and from when.

use serde::{Deserialize, Serialize};

use super::error::TextError;
use super::kind::{Chain, DAY_SECONDS, Kind, Place, Versioned};
use crate::id::{CharterVersion, Hash};

/// Least time between drafting a bundle and its being in force, in days: every hub has to install it.
pub const BUNDLE_DAYS_MIN: u64 = 7;

/// A policy bundle as readable JSON; its exact text is what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyBundle {
    /// `policy-bundle`.
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
    /// From when it is in force, Unix seconds.
    pub effective_from: u64,
    /// Hash of the baseline policies, schema and marking tables.
    pub baseline: Hash,
}

impl Versioned for PolicyBundle {
    fn place(&self) -> Place {
        Place {
            chain: Chain::Bundle,
            version: self.version,
            previous: self.previous,
            issued: self.issued,
        }
    }
}

impl PolicyBundle {
    /// Checks the text by itself.
    pub(super) fn check(&self) -> Result<(), TextError> {
        let is_first = self.version == CharterVersion::new(1);
        if is_first == self.previous.is_some() {
            return Err(TextError::Shape {
                what: "a policy bundle names the version before it, and version 1 none",
            });
        }
        let days = self.effective_from.saturating_sub(self.issued) / DAY_SECONDS;
        if !is_first && days < BUNDLE_DAYS_MIN {
            return Err(TextError::TooSoon {
                days,
                min: BUNDLE_DAYS_MIN,
            });
        }
        Ok(())
    }
}
