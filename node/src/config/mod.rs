//! What the operator has decided, read from one TOML file and the environment.
//!
//! The order is: defaults, file, environment (`TESTUDO__SECTION__KEY`); what comes later wins.
//! [`Config`] holds parsed and checked values and is the only type for the rest of the process;
//! a configuration with one fault in it gives no `Config` at all, and an error that names every
//! fault with file, line and column.
//!
//! Absent on purpose: interpolation (a `${..}` in a value is those four characters and more),
//! includes, secrets (only paths to them), and any look at the environment of the process: the
//! caller hands it in.

mod check;
mod document;
mod environment;
mod error;
mod example;
mod health;
mod keys;
mod lane;
mod layer;
mod raw;
mod reload;
mod schema;
mod secret;
mod suggest;
mod tick;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use testudo_core::hub::CommunityLane;
use testudo_crypto::note::NoteVerifier;

use crate::telemetry::{Filter, LogFormat};
use crate::token::TokenConfig;

pub use error::{ConfigError, Origin, PROBLEMS_MAX, Problem, Problems};
pub use example::example;
pub use health::{HealthListen, HealthListenError};
pub use reload::{Current, ReloadReport, Reloaded};
pub use schema::{CONFIG_FORMAT, schema};
pub use tick::{Tick, TickError};

/// Name of the configuration file in the data folder.
pub const FILE_NAME: &str = "hub.toml";

/// Longest configuration file that is read, in bytes: many times the commented example.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Name of the database folder inside the data folder.
const STORE_FOLDER: &str = "store";

/// Name of the folder of attachments inside the data folder.
const BLOBS_FOLDER: &str = "blobs";

/// The checked configuration of one hub.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of this hub's state.
    pub data: PathBuf,
    /// Address on which peers connect.
    pub listen: SocketAddr,
    /// Folder of the charter: constitution, directory and policy bundle.
    pub charter: PathBuf,
    /// Folder of the secret files.
    pub keys: PathBuf,
    /// The anchor file, which knows how far the ledger had come.
    pub anchor: PathBuf,
    /// How envelopes leave whose receivers are exactly a community.
    pub community_lane: CommunityLane,
    /// Folder of the national policies; none means that only the federation's apply.
    pub national_policies: Option<PathBuf>,
    /// Folder of the intake policies; none means that only the federation's apply.
    pub intake_policies: Option<PathBuf>,
    /// What the authorities have approved.
    pub approvals: ApprovalFiles,
    /// A PKCS#11 token that holds keys of this hub.
    pub token: Option<TokenKeys>,
    /// Time between two checkpoints of the ledger.
    pub tick: Tick,
    /// How to log.
    pub log: Log,
    /// Where a test build writes down what it sends; always none in other builds.
    pub tap: Option<PathBuf>,
    /// Unix socket on which the command line reaches the running hub.
    pub control_socket: PathBuf,
    /// Where machines that watch the hub are answered; none means nowhere.
    pub health: Option<HealthListen>,
    settings: Vec<Setting>,
}

/// Where the statements of the authority lie.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFiles {
    /// The authority's public key; there is one if there is a statement.
    pub authority: Option<NoteVerifier>,
    /// The accreditation of this hub.
    pub accreditation: Option<PathBuf>,
    /// The approval of the cipher suite.
    pub crypto: Option<PathBuf>,
    /// Where to go with what is higher.
    pub channel: Option<String>,
}

/// A token, and which of this hub's keys it holds.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    /// The token.
    pub token: TokenConfig,
    /// Label of the key that signs the checkpoints; none means that it is a file.
    pub ledger: Option<String>,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Shape of a line.
    pub format: LogFormat,
    /// Which lines.
    pub filter: Filter,
}

/// One setting in force, for `testudo config check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Section and name, as in `log.filter`.
    pub key: &'static str,
    /// The text as it was given. No setting is a secret; secrets are files.
    pub value: String,
    /// Where it was given.
    pub origin: Origin,
}

impl Config {
    /// Reads and checks `file`, with `environment` on top.
    ///
    /// Relative paths, in the environment too, are relative to the folder of `file`.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] and [`ConfigError::Read`] if there is nothing to read,
    /// [`ConfigError::TooLarge`] above [`FILE_BYTES_MAX`], [`ConfigError::Invalid`] with every
    /// fault that was found.
    pub fn load(file: &Path, environment: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        Config::parse(&read(file)?, file, environment)
    }

    /// Checks `text` as if it had been read from `file`. Touches no file.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every fault that was found.
    pub fn parse(
        text: &str,
        file: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Config, ConfigError> {
        let (written, mut problems) = document::read(text, file);
        let (exported, unknown) = environment::read(environment);
        problems.extend(unknown);

        let origins = layer::origins(&written, &exported);
        let folder = file.parent().unwrap_or(Path::new(""));
        match raw::merge(written, exported) {
            Ok(raw) => match check::check(raw, folder, origins) {
                Ok(config) if problems.is_empty() => return Ok(config),
                Ok(_) => {}
                Err(found) => problems.extend(found),
            },
            Err(error) => problems.push(Problem::unplaced(file, &error)),
        }
        Err(ConfigError::Invalid {
            problems: Problems::new(problems),
        })
    }

    /// The folder that holds the database and nothing else.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.data.join(STORE_FOLDER)
    }

    /// The folder that holds the sealed files of attachments and nothing else.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.data.join(BLOBS_FOLDER)
    }

    /// Every setting in force and where it was given, in the order of the example file.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ConfigError::Missing { file: file.into() },
        _ => ConfigError::Read {
            file: file.into(),
            source,
        },
    };
    let mut text = String::new();
    let read = File::open(file)
        .map_err(failed)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text);
    let bytes = read.map_err(failed)?;
    // One byte more than allowed was asked for, so that "exactly the limit" and "cut off" differ.
    if bytes as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge { file: file.into() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
