//! Keeps the house in order: what the workspace says about itself, checked as ordinary tests.
//!
//! Each check is a pure function over what was read from the tree, with the table it enforces at the top of its
//! file, and beside it a test that shows it failing on something wrong. Nothing here needs a network.
//!
//! - [`edges`]: which crate may use which.
//! - [`homes`]: the one folder of each heavy dependency, and what a crate must not know.
//! - [`codes`]: every code that is printed stands in the one table of codes.
//! - [`dependencies`]: why each dependency is there, and its version in one place.
//! - [`documents`]: decision records, the book's table of contents, links.
//! - [`domains`]: the register of what hashes and signatures are for.
//! - [`sources`]: paths of machines, file length, unfinished work, calls to the outside.

#![allow(
    clippy::disallowed_methods,
    reason = "reads the tree that it checks, and asks cargo and git about it"
)]

mod repository;
mod tokens;

mod edges;
mod homes;

mod codes;
mod dependencies;
mod documents;
mod domains;
mod sources;

/// Fails with one line for each finding.
#[track_caller]
fn assert_tidy(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
