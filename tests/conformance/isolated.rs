//! Suites that mount something: each runs in a child of this process with a mount namespace of its own, so that
//! nothing stays mounted however it ends.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::report::Report;

/// How the line of a case begins that a child prints.
const CASE: &str = "case ";

/// Runs this program again as `child`, and counts the cases that it prints.
///
/// # Errors
/// A sentence if the child does not come to its end, or prints another number of cases.
pub fn run(child: &str, arguments: &[&OsStr], cases: usize, report: &mut Report) -> Result<(), String> {
    let me = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    let about = fs::metadata("/proc/self").map_err(|error| error.to_string())?;
    if about.uid() != 0 {
        // Whoever is not root is root in there.
        command.args(["--user", "--map-root-user"]);
    }
    let output = command
        .arg(me)
        .arg(child)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run `unshare` (util-linux): {error}"))?;
    let found = take_cases(&String::from_utf8_lossy(&output.stdout), report);
    let errors = String::from_utf8_lossy(&output.stderr);
    eprint!("{errors}");
    if found == cases && output.status.success() {
        return Ok(());
    }
    let last = errors.lines().last().unwrap_or_default();
    Err(format!(
        "the child ended with {} after {found} of {cases} cases: {last}",
        output.status
    ))
}

/// Takes the cases over that a program has printed. Gives how many.
pub fn take_cases(said: &str, report: &mut Report) -> usize {
    let mut found = 0;
    for line in said.lines().filter_map(|line| line.strip_prefix(CASE)) {
        found += 1;
        match line.split_once(": ") {
            None => report.check(line, Ok(())),
            Some((case, seen)) => report.check(case, Err(seen.to_owned())),
        }
    }
    found
}

/// The child: one line for a case.
pub fn say(case: &str, outcome: Result<(), String>) {
    match outcome {
        Ok(()) => println!("{CASE}{case}"),
        Err(seen) => println!("{CASE}{case}: {}", seen.replace('\n', " ")),
    }
}
