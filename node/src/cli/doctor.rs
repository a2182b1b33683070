//! `testudo doctor`: everything around a hub that can be wrong, looked at, with what to do about it.
//!
//! It changes nothing but one file of its own, which it removes, and works on a hub that runs and on one that
//! is stopped. What a stopped hub's database says is read as every other command reads it.

mod folder;
mod hub;
mod machine;

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::arguments::{At, environment};
use super::charter;
use super::client::Client;
use super::outcome::{Answer, Failure, exit};
use crate::clock;
use crate::config::{ConfigError, FILE_NAME};
use crate::folder::{FolderError, HubFolder};
use crate::health::{Finding, Level};

/// Number of the shape of the document.
const SCHEMA: u32 = 1;

pub(super) async fn run(at: &At) -> Result<Answer, Failure> {
    let mut findings = vec![machine::clock(clock::now()), machine::file_limit()];
    match HubFolder::open(&at.data, &environment()) {
        Ok(folder) => {
            findings.push(Finding::ok(
                "configuration",
                format!("`{}` is in order", file(&at.data)),
            ));
            let running = Client::new(at)?.is_running().await;
            findings.push(hub::running(running, at));
            let known = charter::of_hub(at).await;
            findings.extend(folder::look(&folder, known, clock::now()));
            findings.push(machine::port(folder.config.listen, running));
            findings.extend(machine::disk(&folder.config));
            findings.extend(hub::look(at, &folder, running).await);
        }
        // Without a configuration nobody knows where to look for the rest.
        Err(error) => findings.extend(refused(&error, &at.data)),
    }
    let health = Finding::worst(&findings);
    let text: String = findings.iter().map(Finding::to_text).collect();
    let document = json!({"schema": SCHEMA, "health": health, "findings": findings});
    let code = match health {
        Level::Fail => ExitCode::from(exit::GENERAL),
        Level::Ok | Level::Warn => ExitCode::SUCCESS,
    };
    Ok(Answer::Decided(document, text, code))
}

fn file(data: &Path) -> String {
    data.join(FILE_NAME).display().to_string()
}

/// One finding for each fault of the configuration.
fn refused(error: &FolderError, data: &Path) -> Vec<Finding> {
    let fix = format!("mend it, then: testudo config check --config {}", file(data));
    match error {
        FolderError::Config(ConfigError::Missing { .. }) => {
            let fix = "name the data folder of a hub with --data DIR, or make one with `testudo init`";
            vec![Finding::fail("no-hub", error.to_string(), fix)]
        }
        FolderError::Config(config) if !config.problems().is_empty() => {
            let faults = config.problems().iter();
            faults
                .map(|fault| Finding::fail("configuration", fault.to_string(), fix.clone()))
                .collect()
        }
        other => vec![Finding::fail("configuration", super::chain(other), fix)],
    }
}
