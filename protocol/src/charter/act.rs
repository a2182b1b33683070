//! Acts that take effect by themselves, on receipt: they take away, or they speak for one voter.
//!
//! What widens anything is a version of the directory instead. The one exception is a stakeholder, which its host
//! admits, and answers for.

use serde::{Deserialize, Serialize};

use super::error::TextError;
use super::kind::Kind;
use super::member::Card;
use crate::id::{Hash, HubId};
use crate::vocabulary;

/// How long an emergency hold lasts unless a majority confirms it, in seconds.
pub const HOLD_SECONDS: u64 = 72 * 60 * 60;

/// Time between two emergency holds of one member, in seconds.
pub const HOLD_AGAIN_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Time for objections to a stakeholder, in seconds.
pub const OBJECTION_SECONDS: u64 = 14 * 24 * 60 * 60;

/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;

vocabulary! {
    /// What is done.
    ActKind, "act", {
        /// Nothing new to or from the target, until it is resumed.
        Suspend = "suspend",
        /// The same for good.
        Expel = "expel",
        /// The same for 72 hours.
        Hold = "hold",
        /// A sponsor does not answer for the target any more.
        Unsponsor = "withdraw-sponsorship",
        /// A host admits a stakeholder.
        Host = "admit-stakeholder",
        /// A voter objects to a stakeholder.
        Object = "object",
    }
}

/// An act as readable JSON; its exact text is what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// `act`.
    pub kind: Kind,
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// What is done.
    pub act: ActKind,
    /// To whom.
    pub target: HubId,
    /// By whom, where it is the act of one voter.
    pub by: Option<HubId>,
    /// When it was drafted, Unix seconds.
    pub made: u64,
    /// Why, for every member to read.
    pub reason: String,
    /// The stakeholder's card, where one is admitted.
    pub card: Option<Card>,
    /// SHA-256 of the act that is objected to.
    pub subject: Option<Hash>,
}

impl Act {
    /// Checks the text by itself.
    pub(super) fn check(&self) -> Result<(), TextError> {
        let shape = |what| Err(TextError::Shape { what });
        let is_of_one = matches!(self.act, ActKind::Unsponsor | ActKind::Host | ActKind::Object);
        if is_of_one != self.by.is_some() {
            return shape("an act of one voter names that voter, and no other does");
        }
        if (self.act == ActKind::Host) != self.card.is_some() {
            return shape("the admission of a stakeholder holds its card, and no other act does");
        }
        if (self.act == ActKind::Object) != self.subject.is_some() {
            return shape("an objection names what it is to, and no other act does");
        }
        if self.reason.len() > REASON_BYTES_MAX || self.reason.chars().any(char::is_control) {
            return shape("a reason is one line of at most 500 bytes");
        }
        Ok(())
    }

    /// Whether it restricts its target.
    pub fn is_restriction(&self) -> bool {
        matches!(self.act, ActKind::Suspend | ActKind::Expel | ActKind::Hold)
    }
}
