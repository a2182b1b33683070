//! The command `testudo-testnet`: many hubs on one machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testudo_testnet::demo::{self, Options};
use testudo_testnet::report::Screen;

/// Something that was promised did not hold.
const EXIT_NOT_HELD: u8 = 1;

/// The command was called the wrong way; nothing was started.
const EXIT_USAGE: u8 = 2;

#[derive(Parser)]
#[command(name = "testudo-testnet", about = "Many hubs on one machine")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Three hubs share assessments: who gets what, who does not, what survives a kill, what went over the wire
    Demo {
        /// The binary `testudo`, built with the feature `tap`
        #[arg(long, value_name = "PATH")]
        testudo: PathBuf,
        /// Leave the hubs running and print five commands to try next
        #[arg(long)]
        keep: bool,
        /// Leave the data in this folder, which must be empty or not there yet
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// Note verdicts that are wrong and go on: shows that the later checks find it too
        #[arg(long, hide = true)]
        continue_past_verdicts: bool,
    },
}

fn main() -> ExitCode {
    let Command::Demo {
        testudo,
        keep,
        dir,
        continue_past_verdicts,
    } = Arguments::parse().command;
    let (exit, last_line) = match demo::run(&Options {
        testudo,
        keep,
        dir,
        continue_past_verdicts,
    }) {
        Ok(()) => (ExitCode::SUCCESS, "demo: all of it held".to_owned()),
        Err(error) if error.is_usage() => {
            eprintln!("demo: {}", error.one_line());
            return ExitCode::from(EXIT_USAGE);
        }
        Err(error) => (
            ExitCode::from(EXIT_NOT_HELD),
            format!("demo: NOT held: {}", error.one_line()),
        ),
    };
    Screen::default().line(&last_line);
    exit
}
