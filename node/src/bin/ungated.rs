//! The command `testudo` with its gate off, for the test of the canary check.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo::cli::main()
}
