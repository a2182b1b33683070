//! What can be wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use testudo_protocol::fault::Fault;
use thiserror::Error;

/// Most problems that one error carries. Nobody corrects more at one go, and a file that is not a
/// configuration at all would otherwise give one for every line.
pub const PROBLEMS_MAX: usize = 32;

/// Most characters of a foreign text that a message repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// Why there is no configuration. The process must not start with it, or must keep the one it has.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("configuration `{}` does not exist, make one with `testudo init` or name another with --config", file.display())]
    Missing {
        /// The file that was asked for.
        file: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("cannot read configuration `{}`", file.display())]
    Read {
        /// The file that was asked for.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("`{}` has more than {} bytes, it is not a configuration", file.display(), super::FILE_BYTES_MAX)]
    TooLarge {
        /// The file that was asked for.
        file: PathBuf,
    },
    /// The file or the environment holds at least one fault.
    #[error("{problems}")]
    Invalid {
        /// Every fault that was found.
        problems: Problems,
    },
}

impl ConfigError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            ConfigError::Missing { .. } | ConfigError::TooLarge { .. } | ConfigError::Invalid { .. } => {
                Fault::Operator
            }
            ConfigError::Read { .. } => Fault::Environment,
        }
    }

    /// The single faults, for an output with one on each line; empty for the other variants.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            ConfigError::Invalid { problems } => &problems.all,
            _ => &[],
        }
    }
}

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nowhere: the built-in value.
    Default,
    /// In the file.
    File {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Origin::Environment { name } => write!(f, "environment variable {}", shown(name)),
        }
    }
}

/// One fault: the place, and what was expected and found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub origin: Origin,
    /// What it is, on one line.
    pub message: String,
}

impl Problem {
    pub(super) fn new(origin: Origin, message: String) -> Problem {
        Problem { origin, message }
    }

    /// A fault without a line: the layers could not be merged, although each was checked.
    pub(super) fn unplaced(file: &Path, error: &config::ConfigError) -> Problem {
        let origin = Origin::File {
            file: file.to_owned(),
            line: 1,
            column: 1,
        };
        Problem::new(origin, shown(&error.to_string()))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// At least one fault; at most [`PROBLEMS_MAX`] are kept.
#[derive(Clone, Debug)]
pub struct Problems {
    all: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    pub(super) fn new(mut all: Vec<Problem>) -> Problems {
        let left_out = all.len().saturating_sub(PROBLEMS_MAX);
        all.truncate(PROBLEMS_MAX);
        Problems { all, left_out }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.all.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "; " })?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What to say about a key or variable that does not exist.
pub(super) fn unknown(what: &str, name: &str, guess: Option<String>) -> String {
    match guess {
        Some(guess) => format!("unknown {what} `{}`, did you mean `{guess}`", shown(name)),
        None => format!(
            "unknown {what} `{}`, remove it (`testudo config example` prints all)",
            shown(name)
        ),
    }
}

/// A foreign text for a message: on one line, without control characters, shortened.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        short.push_str("..");
    }
    short
}
