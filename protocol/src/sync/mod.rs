//! One hash-chained log for each originator and audience; the cursor is its height.
//!
//! First version: a receiver takes envelopes strictly in order and names the height it wants
//! next when something is missing. Nothing that the other side once said is remembered.

mod head;

pub use head::{Head, Place};
