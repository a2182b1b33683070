//! How a command ends: one document or one sentence, and an exit code.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::api::{ErrorBody, Problem};
use crate::config::ConfigError;
use crate::folder::FolderError;
use crate::process::StartError;
use crate::store::{HoldAnchorError, OpenError, ReadError, ReadSecretError};
use crate::transport;

/// Exit codes, as in sysexits where there is one.
pub(super) mod exit {
    /// Something else.
    pub const GENERAL: u8 = 1;
    /// The command was called wrongly.
    pub const USAGE: u8 = 2;
    /// There is no such thing.
    pub const NOT_FOUND: u8 = 3;
    /// A rule forbids it.
    pub const POLICY: u8 = 4;
    /// Data is malformed or damaged.
    pub const DATA: u8 = 65;
    /// The hub does not run.
    pub const UNAVAILABLE: u8 = 69;
    /// A file cannot be written.
    pub const CANNOT_CREATE: u8 = 73;
    /// Input or output failed.
    pub const IO: u8 = 74;
    /// Not now.
    pub const LATER: u8 = 75;
    /// A file may be read by others.
    pub const PERMISSION: u8 = 77;
    /// The configuration is refused.
    pub const CONFIG: u8 = 78;
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure(pub(super) Problem);

impl Failure {
    pub(super) fn new(exit: u8, code: &str, sentence: impl Into<String>) -> Self {
        Self(Problem {
            code: code.to_owned(),
            sentence: sentence.into(),
            rules: Vec::new(),
            exit,
        })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let (exit, code) = match &error {
            FolderError::Config(ConfigError::Missing { .. }) => (exit::CONFIG, "no-hub"),
            FolderError::Config(_) => (exit::CONFIG, "configuration"),
            FolderError::Secret(ReadSecretError::Missing { .. }) => (exit::CONFIG, "secret-missing"),
            FolderError::Secret(_) => (exit::PERMISSION, "secret"),
            FolderError::WriteSecret(_) | FolderError::Io { .. } => (exit::CANNOT_CREATE, "file"),
            FolderError::Exists { .. } => (exit::CANNOT_CREATE, "folder-not-empty"),
            FolderError::Malformed { .. } | FolderError::Card { .. } => (exit::DATA, "file-malformed"),
            FolderError::RootInside { .. } => (exit::USAGE, "root-key-inside"),
            FolderError::RootExists { .. } => (exit::CANNOT_CREATE, "root-key-exists"),
            FolderError::Token(_) => (exit::CONFIG, "token"),
            FolderError::Signer(_) => (exit::UNAVAILABLE, "signer"),
            FolderError::NoCharter => (exit::CONFIG, "no-charter"),
            FolderError::Charter(_) | FolderError::Packet(_) => (exit::DATA, "charter"),
            FolderError::Entropy(_) => (exit::GENERAL, "entropy"),
        };
        Self::new(exit, code, chain(&error))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let (exit, code) = match error {
            StartError::Folder(error) => return error.into(),
            StartError::Open(OpenError::InUse { .. }) => (exit::LATER, "folder-in-use"),
            StartError::HoldAnchor(HoldAnchorError::InUse { .. }) => (exit::LATER, "anchor-in-use"),
            StartError::HoldAnchor(_) => (exit::CANNOT_CREATE, "anchor-lock"),
            StartError::Open(OpenError::NotWritable { .. }) => (exit::CANNOT_CREATE, "folder-not-writable"),
            StartError::Open(OpenError::OpeningKeys(_)) => (exit::PERMISSION, "opening-keys"),
            StartError::Read(ReadError::NoOpeningKey { .. }) => (exit::CONFIG, "opening-key-missing"),
            StartError::Open(_) | StartError::Read(_) | StartError::Anchor(_) | StartError::Unfinished(_) => {
                (exit::DATA, "database")
            }
            StartError::Blobs(_) => (exit::CANNOT_CREATE, "folder-not-writable"),
            StartError::Policies(_) | StartError::Gate(_) | StartError::Restore(_) => (exit::CONFIG, "start"),
            StartError::Approval { .. } | StartError::ReadApproval { .. } => (exit::CONFIG, "approval"),
            StartError::Transport(transport::StartError::KeyLog) => (exit::CONFIG, "key-log"),
            StartError::Transport(_) => (exit::UNAVAILABLE, "network"),
            _ => (exit::GENERAL, "start"),
        };
        Self::new(exit, code, chain(&error))
    }
}

/// An error and its causes on one line, none of them twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Libraries add lines and full stops.
        let cause_text = cause.to_string();
        let words: Vec<&str> = cause_text.split_whitespace().collect();
        let cause_text = words.join(" ").trim_end_matches('.').to_owned();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// What a command answers.
pub(super) enum Answer {
    /// A document, and its text for people.
    Document(serde_json::Value, String),
    /// A decision, which is an answer also where it denies.
    Decided(serde_json::Value, String, ExitCode),
    /// Nothing to say.
    Silent,
}

impl Answer {
    pub(super) fn of<T: Serialize>(value: &T, text: impl Into<String>) -> Self {
        Self::Document(serde_json::to_value(value).unwrap_or_default(), text.into())
    }

    /// What it says to people.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Document(_, text) | Self::Decided(_, text, _) => text,
            Self::Silent => String::new(),
        }
    }
}

/// Prints the outcome and gives the exit code.
pub(super) fn finish(outcome: Result<Answer, Failure>, json: bool) -> ExitCode {
    match outcome {
        Ok(Answer::Silent) => ExitCode::SUCCESS,
        Ok(Answer::Document(document, text)) => print(&document, &text, json, ExitCode::SUCCESS),
        Ok(Answer::Decided(document, text, code)) => print(&document, &text, json, code),
        Err(Failure(problem)) => {
            let exit = problem.exit;
            let _closed = writeln!(std::io::stderr(), "testudo: {}", problem.sentence);
            if json {
                print_problem(problem);
            }
            ExitCode::from(exit)
        }
    }
}

/// The end of a command that was not understood, after the explanation on standard error.
pub(super) fn misused(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if json {
        let words = error.to_string();
        let words = words.trim_start_matches("error: ");
        let sentence = words.split("\n\n").next().unwrap_or_default();
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let Failure(problem) = Failure::new(exit::USAGE, "usage", sentence);
        print_problem(problem);
    }
    ExitCode::from(exit::USAGE)
}

fn print_problem(problem: Problem) {
    let document = serde_json::to_value(ErrorBody { error: problem }).unwrap_or_default();
    let _closed = writeln!(std::io::stdout(), "{document}");
}

fn print(document: &serde_json::Value, text: &str, json: bool, code: ExitCode) -> ExitCode {
    let line = if json {
        document.to_string()
    } else {
        text.trim_end().to_owned()
    };
    // A reader that has seen enough closes the pipe; that is its right, and no error of ours.
    let _closed = writeln!(std::io::stdout(), "{line}");
    code
}
