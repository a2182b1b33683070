//! The kinds of texts that members sign.

use crate::id::{CharterVersion, Hash};
use crate::vocabulary;

/// One day, in seconds.
pub const DAY_SECONDS: u64 = 24 * 60 * 60;

vocabulary! {
    /// What a text is.
    Kind, "kind", {
        /// Who votes, with which keys and thresholds.
        Constitution = "constitution",
        /// Who is in.
        Directory = "directory",
        /// Which policies are agreed.
        Bundle = "policy-bundle",
        /// One act that takes effect by itself.
        Act = "act",
        /// That a member would sign a version, should enough others say the same.
        Intent = "intent",
    }
}

vocabulary! {
    /// A chain of versions.
    Chain, "chain", {
        /// Of constitutions.
        Constitution = "constitution",
        /// Of directories.
        Directory = "directory",
        /// Of policy bundles.
        Bundle = "policy-bundle",
    }
}

/// The place of a version in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which chain.
    pub chain: Chain,
    /// Which version, from 1.
    pub version: CharterVersion,
    /// SHA-256 of the text before it; nothing before version 1.
    pub previous: Option<Hash>,
    /// When it was drafted, Unix seconds.
    pub issued: u64,
}

/// A text that stands in a chain of versions.
pub(super) trait Versioned {
    /// Where it stands.
    fn place(&self) -> Place;
}
