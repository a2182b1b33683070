//! The codec: the only module that knows bincode, and the reader for hand-laid bytes.
//!
//! Structures that only hubs read are bincode 2 in its `legacy` form (little endian, fixed
//! integers, 32-bit enum tags, 64-bit lengths), which has one encoding for each value.
//! Anything that must be verifiable in twenty years is laid out by hand instead: outer parts,
//! receipts, notices, tokens, leaves. See `docs/adr/0001-bincode-behind-one-module.md`.

mod codec;
mod reader;

pub use codec::{DecodeError, EncodeError, MESSAGE_BYTES_MAX, decode, decode_secret, encode, encode_secret};
pub use reader::{Reader, TruncatedError, prefixed};
