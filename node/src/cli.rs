//! The command line: standard output is the answer, standard error the progress.

mod act;
mod arguments;
mod attach;
mod charter;
mod client;
mod config;
mod consent;
mod courier;
mod doctor;
mod draft;
mod explain;
mod init;
mod key;
mod label;
mod ledger;
mod object;
mod outcome;
mod policy;
mod read;
mod serve;
mod statement;
mod status;

use std::process::ExitCode;

use clap::Parser;

pub use ledger::{LedgerDocument, stored_ledger};
pub use outcome::chain;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done if the terminal is gone.
            let _printed = error.print();
            return outcome::misused(&error, std::env::args_os().any(|word| word == "--json"));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(arguments.run());
            // Threads that still read a socket must not hold up the end.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            eprintln!("testudo: the system gives no threads: {error}");
            ExitCode::from(71)
        }
    }
}
