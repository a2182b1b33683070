//! What hubs say to each other, and when they may say it.
//!
//! Everything here is a function of its inputs: no clock, no disk, no network, no
//! randomness that was not handed in. What may be *released* is decided in
//! `testudo-policies`; who is connected is known only to the process.
//!
//! The ladder that every received byte climbs, one function for each arrow and the
//! only constructor of its result:
//!
//! ```text
//! bytes --decode--> Envelope --verify--> Verified --open--> Opened
//! ```
//!
//! and the ladder that every sent byte climbs, which ends in two other crates:
//!
//! ```text
//! Release --decide--> Allowed --(entry durable: Recorded)--> Permit --> Outbound
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod fault;
pub mod id;
pub mod realm;
pub mod week;
pub mod wire;

pub mod bundle;
pub mod label;
pub mod licence;

pub mod charter;
pub mod community;
pub mod statement;

pub mod envelope;
pub mod sync;

pub mod announcement;
pub mod consent;
pub mod consent_question;
pub mod notice;
pub mod receipt;

pub mod courier;
pub mod exchange;
pub mod gossip;
pub mod ledger;

#[cfg(test)]
mod fixture;
