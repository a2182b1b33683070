//! The command `testudo`.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo::cli::main()
}
