//! The hub's own record: an append-only RFC 6962 tree of salted commitments.
//!
//! A leaf is 34 bytes that say nothing; its meaning lies in an opening, kept beside the tree,
//! which can be destroyed without breaking it. An act is entered before it takes effect:
//! [`Recorded`] is the proof that a decision stands in the tree *and* on stable storage, and
//! nothing is sent without one.

mod audit;
mod entry;
mod leaf;
mod tree;

pub use audit::{AuditError, AuditReport, audit};
pub use entry::{Decision, DecisionAct, Entry, IncidentKind, KeyAct, Outcome, Record};
pub use leaf::{LEAF_BYTES, Leaf, Opening, OpeningError};
pub use tree::{Appended, Ledger, Recorded, RecordedError, RestoreError};
