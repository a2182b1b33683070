//! How fast we are beside a reference that is measured in the same run.
//!
//! Absolute times are not stable between machines; ratios nearly are. Each area has one module with one function,
//! which adds a row for each goal of the architecture. `make bench` prints the table and writes
//! `<target>/bench/summary.json`; `make bench ONLY=name` runs the areas whose name contains the word.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures time and writes the summary"
)]

mod delivery;
mod ledger;
mod policy;
mod report;
mod sealing;

use std::process::ExitCode;

use report::Report;

/// An area: its name, and what measures it.
type Area = (&'static str, fn(&mut Report));

const AREAS: [Area; 4] = [
    ("ledger", ledger::run),
    ("policy", policy::run),
    ("sealing", sealing::run),
    ("delivery", delivery::run),
];

fn main() -> ExitCode {
    let only = std::env::args().nth(1).filter(|word| !word.is_empty());
    if only.as_deref() == Some(sealing::CHILD) {
        sealing::child();
        return ExitCode::SUCCESS;
    }
    let mut report = Report::default();
    for (name, run) in AREAS {
        if only.as_ref().is_none_or(|word| name.contains(word.as_str())) {
            run(&mut report);
        }
    }
    report.print();
    match report.write() {
        Ok(file) => {
            println!("written to {}", file.display());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("bench: {problem}");
            ExitCode::FAILURE
        }
    }
}
