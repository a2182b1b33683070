//! The document of `testudo status`: health first, then what the core says.

use serde::{Deserialize, Serialize};
use testudo_core::views::Status;

use super::disk::Disk;
use super::finding::{Finding, Level};
use super::judge::{self, Circumstances};
use crate::config::ReloadReport;
use crate::store::FORMAT;

/// Number of the shape of the document; a tool can rely on the fields that it knows while this stays.
pub const SCHEMA: u32 = 1;

/// How a running hub is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDocument {
    /// Number of the shape of this document.
    pub schema: u32,
    /// The worst of the problems; `ok` if there are none.
    pub health: Level,
    /// What `testudo status` ends with.
    pub exit: u8,
    /// What is not as it should be, the worst first.
    pub problems: Vec<Finding>,
    /// Version of the program.
    pub program: String,
    /// Number of the data format that it writes.
    pub data_format: u32,
    /// Seconds since 1970, by this machine's clock.
    pub time: u64,
    /// Whether the hub has been told to end.
    pub stopping: bool,
    /// The disk of the database, if the system tells.
    pub disk: Option<Disk>,
    /// What the last reload of the configuration came to.
    pub config: ReloadReport,
    /// What the core says.
    #[serde(flatten)]
    pub hub: Status,
}

impl StatusDocument {
    /// Puts words to what was found.
    #[must_use]
    pub fn new(hub: Status, around: Circumstances) -> Self {
        let problems = judge::problems(&hub, &around);
        Self {
            schema: SCHEMA,
            health: Finding::worst(&problems),
            exit: judge::exit(&problems),
            problems,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            data_format: FORMAT,
            time: around.now.seconds(),
            stopping: around.stopping,
            disk: around.disk,
            config: around.config,
            hub,
        }
    }

    /// Whether new work is taken: nothing fails, and nobody has asked the hub to end.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.health != Level::Fail && !self.stopping
    }
}
