//! The configuration in force, and what becomes of a changed file while the hub runs.
//!
//! A reload reads the file again, checks all of it, and only then takes over what can change under a running
//! hub ([`Key::live`](super::keys::Key)). One fault in the file and the old configuration stays whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use testudo_protocol::id::Timestamp;

use super::error::ConfigError;
use super::keys::KEYS;
use super::{Config, Log};

/// What the last reload came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadReport {
    /// Whether it was taken over; true while there was none.
    pub last_reload_ok: bool,
    /// When it was tried, Unix seconds.
    pub last_reload: Option<u64>,
    /// Why it was refused.
    pub error: Option<String>,
    /// Settings whose new value counts only after a restart.
    pub needs_restart: Vec<String>,
}

impl Default for ReloadReport {
    fn default() -> Self {
        Self {
            last_reload_ok: true,
            last_reload: None,
            error: None,
            needs_restart: Vec::new(),
        }
    }
}

/// What a running hub has to do after a reload that was accepted.
#[derive(Debug)]
pub struct Reloaded {
    /// The log settings that hold from now on.
    pub log: Log,
    /// Settings that have a new value and are in force.
    pub changed: Vec<&'static str>,
    /// Settings that have a new value and wait for a restart.
    pub needs_restart: Vec<&'static str>,
}

/// The configuration that a running hub was started with, and where it came from.
pub struct Current {
    file: PathBuf,
    environment: BTreeMap<String, String>,
    started_with: Config,
    state: Mutex<State>,
}

struct State {
    /// The newest configuration that was accepted.
    accepted: Config,
    report: ReloadReport,
}

impl Current {
    /// The configuration that was read from `file` with `environment` on top.
    #[must_use]
    pub fn new(config: Config, file: &Path, environment: BTreeMap<String, String>) -> Self {
        Self {
            file: file.to_owned(),
            environment,
            started_with: config.clone(),
            state: Mutex::new(State {
                accepted: config,
                report: ReloadReport::default(),
            }),
        }
    }

    /// What the hub was started with: most settings hold until it ends.
    #[must_use]
    pub fn started_with(&self) -> &Config {
        &self.started_with
    }

    /// What the last reload came to.
    #[must_use]
    pub fn report(&self) -> ReloadReport {
        self.state().report.clone()
    }

    /// Reads the file again. After an error the configuration before it is in force, whole.
    ///
    /// # Errors
    /// As [`Config::load`]; the report keeps the sentence.
    pub fn reload(&self, now: Timestamp) -> Result<Reloaded, ConfigError> {
        let loaded = Config::load(&self.file, &self.environment);
        let mut state = self.state();
        state.report.last_reload = Some(now.seconds());
        state.report.last_reload_ok = loaded.is_ok();
        match loaded {
            Ok(config) => {
                let reloaded = self.compare(&state.accepted, &config);
                state.report.error = None;
                state.report.needs_restart = reloaded
                    .needs_restart
                    .iter()
                    .map(|key| (*key).to_owned())
                    .collect();
                state.accepted = config;
                Ok(reloaded)
            }
            Err(error) => {
                state.report.error = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Settings that wait are compared with what the hub was started with: a change that is taken back needs
    /// no restart any more.
    fn compare(&self, before: &Config, now: &Config) -> Reloaded {
        let live = |key: &str| KEYS.iter().any(|it| it.path == key && it.live);
        Reloaded {
            log: now.log.clone(),
            changed: changed(before, now).into_iter().filter(|key| live(key)).collect(),
            needs_restart: changed(&self.started_with, now)
                .into_iter()
                .filter(|key| !live(key))
                .collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left a whole configuration behind: fields are replaced, never half.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The settings whose text differs, those that are off in one of the two included.
fn changed(one: &Config, other: &Config) -> Vec<&'static str> {
    let value = |config: &Config, key: &str| {
        let mut settings = config.settings().iter();
        settings
            .find(|setting| setting.key == key)
            .map(|setting| setting.value.clone())
    };
    KEYS.iter()
        .map(|key| key.path)
        .filter(|key| value(one, key) != value(other, key))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// A running hub's configuration, and the file that somebody edits.
    fn current(text: &str) -> (tempfile::TempDir, PathBuf, Current) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(super::super::FILE_NAME);
        fs::write(&file, text).unwrap();
        let config = Config::load(&file, &BTreeMap::new()).unwrap();
        let current = Current::new(config, &file, BTreeMap::new());
        (folder, file, current)
    }

    #[test]
    fn what_can_change_does_and_the_rest_waits() {
        let (_folder, file, current) = current("[log]\nfilter = \"info\"\n");
        assert_eq!(current.report(), ReloadReport::default());
        fs::write(
            &file,
            "[log]\nfilter = \"debug\"\n[network]\nlisten = \"127.0.0.1:9\"\n",
        )
        .unwrap();
        let reloaded = current.reload(at(5)).unwrap();
        assert_eq!(reloaded.changed, ["log.filter"]);
        assert_eq!(reloaded.needs_restart, ["network.listen"]);
        assert_eq!(reloaded.log.filter.to_string(), "debug");
        assert_eq!(current.report().needs_restart, ["network.listen"]);
        assert_eq!(current.report().last_reload, Some(5));
        assert_eq!(current.started_with().log.filter.to_string(), "info");

        fs::write(&file, "[policies]\nnational = \"p\"\n").unwrap();
        let reloaded = current.reload(at(6)).unwrap();
        assert_eq!(reloaded.changed, ["log.filter"], "back to the default");
        assert_eq!(
            reloaded.needs_restart,
            ["policies.national"],
            "the port was taken back"
        );
    }

    #[test]
    fn a_fault_keeps_the_old_configuration() {
        let (_folder, file, current) = current("");
        for text in ["[log]\nfilter = \"loud\"\n", "[log\n", "[hub]\nkeyes = \"x\"\n"] {
            fs::write(&file, text).unwrap();
            assert!(current.reload(at(5)).is_err(), "{text}");
            let report = current.report();
            assert!(!report.last_reload_ok);
            assert!(report.error.unwrap().contains("hub.toml"), "{text}");
        }
        fs::remove_file(&file).unwrap();
        assert!(current.reload(at(6)).is_err());
        fs::write(&file, "[log]\nfilter = \"warn\"\n").unwrap();
        assert_eq!(current.reload(at(7)).unwrap().changed, ["log.filter"]);
        assert_eq!(current.report().error, None);
        assert!(current.report().last_reload_ok);
    }
}
