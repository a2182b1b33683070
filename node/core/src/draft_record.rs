//! A draft that is kept: who made it, how far it has come, and who has looked at it.
//!
//! States are those of the architecture: draft, in review, approved; released, it is an item and no draft any more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use testudo_protocol::id::{DraftId, Hash, ItemId, ItemRef, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::licence::Licence;

use crate::person::Person;

/// How far a draft has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DraftState {
    /// Its author works on it.
    Draft,
    /// It waits for a second person.
    InReview,
    /// A second person has approved what the preview showed.
    Approved,
    /// A second person has refused it.
    Refused,
}

impl DraftState {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InReview => "in review",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }
}

/// That a draft is cut down from one of our own items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// From which version.
    pub from: ItemRef,
    /// The ids of the objects that were cut.
    pub cut: BTreeSet<String>,
}

/// What a second person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Who.
    pub person: Person,
    /// When.
    pub time: Timestamp,
    /// To which preview; absent in a refusal.
    pub preview: Option<Hash>,
}

/// A draft without its bundle, which lies in a row of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftRecord {
    /// Which.
    pub id: DraftId,
    /// Who made it.
    pub maker: Person,
    /// When.
    pub made: Timestamp,
    /// How far it has come.
    pub state: DraftState,
    /// What a second person said last.
    pub verdict: Option<Verdict>,
    /// How it may be handled.
    pub label: Label,
    /// How it may be passed on, if its author says so.
    pub licence: Option<Licence>,
    /// For what it is to be released.
    pub purpose: String,
    /// The item that it is a new version of.
    pub corrects: Option<ItemId>,
    /// What it is cut down from.
    pub derived: Option<Derived>,
}
