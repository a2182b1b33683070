//! `testudo charter`: found, propose, sign, submit, look.
//!
//! Signing needs a file and a folder of keys, and neither network nor hub: what has to be read before it is signed
//! stands in the file.

mod file;
mod found;
mod look;
mod propose;
mod sign;

use std::path::PathBuf;

use clap::Subcommand;

pub(in crate::cli) use file::of_hub;

use super::arguments::At;
use super::outcome::{Answer, Failure};

/// What to do with a charter.
#[derive(Subcommand)]
pub(super) enum CharterCommand {
    /// Write the first versions, which every voter will sign, from the members' cards.
    Draft(found::Found),
    /// Write a change for the voters to sign.
    Propose(Box<propose::Propose>),
    /// Read what is proposed and sign it, with nothing but the file and the keys.
    Sign {
        /// The file; it is signed in place.
        file: PathBuf,
        /// The folder of governance keys.
        #[arg(long, value_name = "DIR", required_unless_present = "data")]
        keys: Option<PathBuf>,
        /// The hub's data folder, where its governance keys still lie.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Hand what has been signed to a running hub, which tells all others.
    Submit {
        /// The signed file.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Follow the charter that every voter has signed.
    Accept {
        /// The signed file.
        file: PathBuf,
        /// Its fingerprint, as another member read it out: in hexadecimal or in words.
        #[arg(long, value_name = "FINGERPRINT")]
        fingerprint: String,
        /// The hub's data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Who is in, and of what is proposed: what it changes, who has signed, who is missing, by when.
    Show(look::Source),
    /// How the charter stands at a running hub: versions, forks, heartbeats, what ends soon.
    Status {
        #[command(flatten)]
        at: At,
    },
    /// Who would be cut off by what is proposed.
    Simulate(look::Source),
    /// Everything that was ever agreed, with every vote; verified without a hub.
    Log(look::Source),
    /// Write everything that a hub knows into one file.
    Export {
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Follow one branch of a fork, at this hub alone.
    Choose {
        /// SHA-256 of the branch's text, as `status` lists it.
        branch: String,
        #[command(flatten)]
        at: At,
    },
}

impl CharterCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Draft(found) => found.run(),
            Self::Propose(propose) => propose.run().await,
            Self::Sign { file, keys, data } => sign::sign(file, keys.as_deref(), data.as_deref()),
            Self::Submit { file, at } => file::submit(file, at).await,
            Self::Accept {
                file,
                fingerprint,
                data,
            } => found::accept(file, fingerprint, data),
            Self::Show(source) => source.show().await,
            Self::Status { at } => look::status(at).await,
            Self::Simulate(source) => source.simulate().await,
            Self::Log(source) => source.log().await,
            Self::Export { out, at } => file::export(out, at).await,
            Self::Choose { branch, at } => file::choose(branch, at).await,
        }
    }
}
