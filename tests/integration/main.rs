//! Real processes of the binary `testudo`, over real sockets of this machine.
//!
//! Each test makes its own hubs in a temporary folder, on UDP ports that the system gives it, and uses them as a
//! person would: through commands, their exit codes and what they print.

#![allow(
    clippy::disallowed_methods,
    reason = "these tests drive real processes and files"
)]

mod bundle;
mod contents;
mod federation;
mod hub;
mod program;
mod scene;
mod waiting;

mod attachments;
mod bad_input;
mod charter;
mod courier;
mod delivery;
mod disk;
mod erasure;
mod gate_off;
mod gossip;
mod health;
mod keys;
mod leaks;
mod ledger;
mod lifecycle;
mod operations;
mod policy;
mod second_person;
mod settings;
mod start_refusals;
mod stranger;
mod suites;
