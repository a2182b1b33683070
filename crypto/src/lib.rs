//! Cryptography of Testudo: bytes in, bytes out.
//!
//! Keys, signatures, sealing, padding, the Merkle tree, signed notes and values at rest, each as
//! one small module over a published construction. This crate knows no hubs, no envelopes, no time
//! and no serialisation format; what is signed, sealed or logged is decided by its callers.
//!
//! Nothing here panics on bytes from outside, and nothing here prints a secret or content: `Debug`
//! of such types shows ids or lengths.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod digest;
mod mac;

pub mod entropy;
pub mod keys;
pub mod sign;

pub mod pad;
pub mod seal;

pub mod attachment;

pub mod merkle;

mod base64_text;
pub mod note;

pub mod checkpoint;
pub mod tlog;

pub mod commit;

pub mod vault;
