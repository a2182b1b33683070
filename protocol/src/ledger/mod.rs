//! The hub's own record: an append-only RFC 6962 tree of salted commitments.
//!
//! A leaf is 34 bytes that say nothing; its meaning lies in an opening, kept beside the tree,
//! which can be destroyed without breaking it. An act is entered before it takes effect:
//! [`Recorded`] is the proof that a decision stands in the tree *and* on stable storage, and
//! nothing is sent without one.

mod audit;
mod crossmatch;
mod disclosure;
mod entry;
mod export;
mod leaf;
mod mirror;
mod tree;
mod witness;

pub use audit::{Audit, AuditError, AuditReport, Extent, audit};
pub use crossmatch::{MatchError, Matched, Mismatch, Side, cross_match};
pub use disclosure::{DisclosureError, ProofExtra, read_openings, write_openings};
pub use entry::{
    BASIS_BYTES_MAX, Basis, BasisError, CharterEvent, Decision, DecisionAct, Entry, IncidentKind, KeyAct,
    OperatorAct, Outcome, Record, Seen,
};
pub use export::{
    CHECKPOINT_FILE, COSIGNERS_FILE, ExportError, ExportedFile, Published, PublishedError, VKEY_FILE, export,
};
pub use leaf::{LEAF_BYTES, Leaf, Opening, OpeningError};
pub use mirror::{MIRRORS, MirrorError, Mirrored, TILE_BYTES, TILE_LEAVES, mirrors, read_tile};
pub use tree::{Appended, Ledger, Recorded, RecordedError, RestoreError, TICK_ENTRIES};
pub use witness::{SplitView, Verdict, Witnessed, consider, quorum, signed_alone, unreadable};
