//! What may be done with an item, as its originator signed it.
//!
//! A label is mandatory: there is no unlabelled state and no default. It is at least as
//! strict as every marking inside the item, which [`crate::bundle`] reads. Signed it has the shape of STANAG
//! 4774 ([`stanag`]). What a label
//! *permits* is decided in `testudo-policies`, not here.

mod word;

mod level;
mod tlp;

mod handling;
mod marking;
pub mod stanag;

pub use handling::{Caveat, Class, Label, LabelError, NationalMarking, Pap, Personal, Scope};
pub use level::{Level, UnknownLevel};
pub use marking::{MarkingFamily, known_marking, marking_of};
pub use tlp::{Tlp, TlpError};
pub use word::UnknownWord;

/// Most hubs, communities, caveats or obligations one label may list.
pub const LABEL_ENTRIES_MAX: usize = 1_000;
