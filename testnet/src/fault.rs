//! Why the demo ends early.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What ended the demo. Its text is the one line that a person reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The folder of `--dir` is not empty; the operator names another one.
    #[error("{} is not empty; name a folder that does not exist yet, or empty this one", .folder.display())]
    FolderInUse {
        /// Which.
        folder: PathBuf,
    },
    /// There is no binary to run; the operator builds it.
    #[error("{} is not there; `make build` makes it", .path.display())]
    NoProgram {
        /// Where it should be.
        path: PathBuf,
    },
    /// Something that was promised did not happen.
    #[error("{0}")]
    NotHeld(String),
    /// A command failed that should have been carried out.
    #[error("`testudo {command}` failed: {sentence}")]
    Command {
        /// Its words.
        command: String,
        /// What it said.
        sentence: String,
    },
    /// A command answered something that cannot be read.
    #[error("the answer of `testudo {command}` is not what it should be: {source}")]
    Answer {
        /// Its words.
        command: String,
        /// Where it differs.
        source: serde_json::Error,
    },
    /// Something did not come in time.
    #[error("waited {} s in vain until {what}", .limit.as_secs())]
    TooLate {
        /// What was expected.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A file or folder cannot be used; the environment's fault.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine refused something other than a file.
    #[error("{what}: {source}")]
    Machine {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl DemoError {
    /// Whether nothing was started because the demo was called the wrong way.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::FolderInUse { .. } | Self::NoProgram { .. })
    }

    /// The text on one line, whatever a program put into it.
    pub fn one_line(&self) -> String {
        self.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
