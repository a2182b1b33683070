//! What a person at one hub can do: commands and their answers.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use crate::answers::{Audit, Delivery, InboxEntry, Shown, Status};
use crate::fault::DemoError;
use crate::hub::Hub;
use crate::program::{Answer, Program, words};

/// The command line of one hub.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Whose it is.
    pub hub: Hub,
    /// The hub's data folder.
    pub data: PathBuf,
    /// The binary.
    pub program: Program,
}

impl Desk {
    /// Runs a command that has to succeed.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn run<T: DeserializeOwned>(&self, words: Vec<OsString>) -> Result<T, DemoError> {
        self.program.run(&self.addressed(words))
    }

    /// Runs a command that may be refused.
    ///
    /// # Errors
    /// As [`Program::ask`].
    pub fn ask<T: DeserializeOwned>(&self, words: Vec<OsString>) -> Result<Answer<T>, DemoError> {
        self.program.ask(&self.addressed(words))
    }

    /// A command with the data folder that it is about.
    pub fn addressed(&self, mut words: Vec<OsString>) -> Vec<OsString> {
        words.extend(words!["--data", self.data]);
        words
    }

    /// How the hub is.
    ///
    /// # Errors
    /// As [`Program::look`].
    pub fn status(&self) -> Result<Status, DemoError> {
        let words = self.addressed(words!["status"]);
        self.program.look(&words)?.done(&words)
    }

    /// What came in, whether the hub runs or not.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn inbox(&self) -> Result<Vec<InboxEntry>, DemoError> {
        self.run(words!["inbox"])
    }

    /// Every version of one item that came in.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn inbox_of(&self, item: &str) -> Result<Vec<InboxEntry>, DemoError> {
        let mut entries = self.inbox()?;
        entries.retain(|entry| entry.item == item);
        Ok(entries)
    }

    /// Opens an item, which the originator learns.
    ///
    /// # Errors
    /// As [`Program::ask`].
    pub fn show(&self, item: &str) -> Result<Answer<Shown>, DemoError> {
        self.ask(words!["show", item])
    }

    /// What became of all releases of the hub.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn holdings(&self) -> Result<Vec<Delivery>, DemoError> {
        self.run(words!["status", "holdings"])
    }

    /// What became of one item of the hub.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn holdings_of(&self, item: &str) -> Result<Vec<Delivery>, DemoError> {
        self.run(words!["status", "holdings", item])
    }

    /// The audit of the hub's ledger, whether it runs or not.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn audit(&self) -> Result<Audit, DemoError> {
        self.run(words!["ledger", "verify"])
    }
}
