//! Who may release what to whom, and the proof that it was asked.
//!
//! Three layers of Cedar policies, the federation's baseline, a hub's national policy and its
//! intake policy, are evaluated apart and joined by AND, so that a national layer can only
//! restrict. Any evaluation error is a denial, every rule has an id that appears in the answer, and
//! each rule has a sentence for people in English, French and German.
//!
//! This crate reads no file, opens no socket and knows no clock: policies, peers, item and time are
//! arguments. It does not verify labels, consent or signatures (what it is told has been checked
//! before), it does not choose a label, and it does not decide governance acts, which follow the
//! charter.
//!
//! The rules are in `cedar/`, written to be read by a lawyer; `cases/` says what they mean. `labels/` says
//! what the markings of each authority mean in levels of the European Union.

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

pub mod date;
pub mod request;
pub mod vocabulary;

pub mod layers;
pub mod marking_table;
pub mod policy_hash;
pub mod policy_set;

pub mod decision;
mod distinctions;
pub mod engine;
mod entities;
pub mod prepared;

pub mod answer;
pub mod case;
pub mod explain;

pub mod gate;
pub mod permit;

#[cfg(feature = "bare")]
pub mod bare;
