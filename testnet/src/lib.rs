//! Many hubs on one machine, driven from the outside.
//!
//! The demo starts three hubs as operating-system processes and uses them as a person would: through the binary
//! `testudo` and its answers in JSON. It links nothing of the node, so what it finds is what the product does. It
//! says beforehand who must receive what, and believes neither a preview nor a receipt without that.

#![allow(clippy::disallowed_methods, reason = "the demo drives processes and folders")]
#![deny(missing_docs)]

pub mod demo;

pub mod assessments;
pub mod hub;

pub mod desk;
pub mod federation;
pub mod folder;
pub mod hub_process;

pub mod kill;
pub mod ledgers;
pub mod scenario;
pub mod stage;

pub mod canary;
pub mod expectations;
pub mod window_search;

pub mod answers;
pub mod fault;
pub mod program;
pub mod report;
pub mod waiting;
