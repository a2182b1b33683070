//! The formats of transparency logs, as public tools write and read them.
//!
//! - [`cosignature`]: a witness states, with a time, that it saw a checkpoint and no other history.
//! - [`add_checkpoint`]: what a log asks of a witness, and the witness's answers.
//! - [`tiles`]: the folder in which a log is published, as files that never change.
//! - [`proof`]: one file that shows that an entry is in a log, offline.
//! - [`policy`]: whose cosignatures are enough.
//!
//! Each reads only the canonical form and writes it back alike. Nothing here keeps state or asks for
//! the time: who witnesses what, and when, is settled in `testudo-protocol`.
//!
//! Source: C2SP tlog-cosignature, tlog-witness, tlog-tiles, tlog-proof, tlog-policy.

pub mod add_checkpoint;
pub mod cosignature;
pub mod policy;
pub mod proof;
pub mod tiles;

/// Reads a decimal number with one text: digits alone, no leading zero, at most 64 bits.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    // The standard parser also takes a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits {
        text.parse().ok()
    } else {
        None
    }
}
