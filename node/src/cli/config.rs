//! `testudo config`: what the operator has decided, checked and shown. Needs no hub.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::arguments::environment;
use super::outcome::{Answer, Failure, exit};
use crate::config::{self, CONFIG_FORMAT, Config, FILE_NAME, Origin, Setting};
use crate::folder::FolderError;

/// What to do with a configuration.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Check all of it, and name every fault with its place. Exit 78 if there is one.
    Check(Which),
    /// Show the settings that the file and the environment give.
    Show {
        #[command(flatten)]
        which: Which,
        /// Show all settings that are in force, defaults included.
        #[arg(long)]
        effective: bool,
        /// Show where each value was given.
        #[arg(long)]
        origin: bool,
    },
    /// Print a JSON Schema of the file, for editors.
    Schema,
    /// Print a commented file with every setting and its default.
    Example,
    /// Bring a file of an older format up to date.
    Migrate(Which),
}

/// Which file.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder of a hub, with its `hub.toml`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Which {
    fn file(&self) -> Result<PathBuf, Failure> {
        match (&self.config, &self.data) {
            (Some(file), _) => Ok(file.clone()),
            (None, Some(data)) => Ok(data.join(FILE_NAME)),
            (None, None) => Err(Failure::new(
                exit::USAGE,
                "usage",
                "name a file with --config, or a hub with --data",
            )),
        }
    }

    fn load(&self) -> Result<(PathBuf, Config), Failure> {
        let file = self.file()?;
        let config = Config::load(&file, &environment()).map_err(FolderError::Config)?;
        Ok((file, config))
    }
}

impl ConfigCommand {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Check(which) => check(which),
            Self::Show {
                which,
                effective,
                origin,
            } => show(which, *effective, *origin),
            Self::Schema => {
                let schema = config::schema();
                let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
                Ok(Answer::Document(schema, text))
            }
            Self::Example => {
                let text = config::example();
                Ok(Answer::Document(
                    json!({"format": CONFIG_FORMAT, "text": text}),
                    text,
                ))
            }
            Self::Migrate(which) => migrate(which),
        }
    }
}

fn check(which: &Which) -> Result<Answer, Failure> {
    let (file, config) = which.load()?;
    let given = config
        .settings()
        .iter()
        .filter(|setting| setting.origin != Origin::Default)
        .count();
    let text = format!(
        "`{}` is in order: {given} settings given, the rest are defaults",
        file.display()
    );
    let document = json!({"ok": true, "file": file, "format": CONFIG_FORMAT, "given": given});
    Ok(Answer::Document(document, text))
}

/// No setting is a secret, because secrets are files: there is nothing to mask, and nothing of them is read here.
fn show(which: &Which, effective: bool, origin: bool) -> Result<Answer, Failure> {
    let (_, config) = which.load()?;
    let shown = |setting: &&Setting| effective || setting.origin != Origin::Default;
    let settings: Vec<&Setting> = config.settings().iter().filter(shown).collect();
    let document: Vec<Value> = settings
        .iter()
        .map(|setting| {
            let mut entry = json!({"key": setting.key, "value": setting.value});
            if origin {
                entry["origin"] = setting.origin.to_string().into();
            }
            entry
        })
        .collect();
    let mut text = String::new();
    for setting in settings {
        // As TOML would write it, so that a newline in a value does not look like another setting.
        text.push_str(&format!("{} = {:?}", setting.key, setting.value));
        if origin {
            text.push_str(&format!("    # {}", setting.origin));
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("nothing is given, all settings are defaults; --effective shows them");
    }
    Ok(Answer::of(&document, text))
}

/// There has been one format only, so there is nothing to bring up to date; a file with a fault is not called current.
fn migrate(which: &Which) -> Result<Answer, Failure> {
    let (file, _) = which.load()?;
    let text = format!(
        "nothing to migrate: `{}` has format {CONFIG_FORMAT}, the only one there has been",
        file.display()
    );
    Ok(Answer::Document(
        json!({"migrated": false, "file": file, "format": CONFIG_FORMAT}),
        text,
    ))
}
