//! The hub as a process: network, disk, clock, command line. The only crate that touches the world.
//!
//! It decides nothing about trust or policy: it turns packets and commands into inputs of the
//! core, and outputs of the core into calls.

#![allow(
    clippy::disallowed_methods,
    reason = "this crate is the shell: clock, disk and environment are its work"
)]

pub mod clock;
pub mod config;
pub mod telemetry;

pub mod blobs;
pub mod folder;
pub mod governance_keys;
pub mod store;
pub mod token;
pub mod transport;

pub mod process;

pub mod codes;
pub mod health;
pub mod notify;

pub mod api;
pub mod cli;
