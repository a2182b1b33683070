//! One hub as a pure machine: protocol and policies put together.
//!
//! [`Hub::handle`](hub::Hub::handle) takes the time and one input and returns what should
//! happen, in order. There is no `async`, no clock, no disk and no randomness here: seeds and
//! time are arguments, sealing is an effect that the shell carries out, and whatever must be
//! durable before something else becomes visible is separated from it by an
//! [`Input::Persisted`](input::Input::Persisted).
//!
//! ```text
//! command or frame --handle--> Persist --(synced)--> Persisted --handle--> Seal, Transmit, Reply
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

pub mod input;
pub mod output;

pub mod blob;
pub mod outbound;
pub mod person;
pub mod publication;
pub mod seal_order;

pub mod draft_record;
pub mod keys;
pub mod records;
pub mod refusal;
pub mod views;

pub mod hub;
