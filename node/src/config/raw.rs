//! The mirror of the file, before anything in it has been checked.

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError};
use serde::Deserialize;

use super::keys::KEYS;
use super::layer::Layer;

/// All settings as text, layers already merged. Leaves this folder only as a [`super::Config`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub hub: RawHub,
    pub network: RawNetwork,
    pub delivery: RawDelivery,
    #[serde(default)]
    pub policies: RawPolicies,
    #[serde(default)]
    pub approvals: RawApprovals,
    #[serde(default)]
    pub token: RawToken,
    pub ledger: RawLedger,
    pub control: RawControl,
    #[serde(default)]
    pub health: RawHealth,
    pub log: RawLog,
    #[serde(default)]
    pub test: RawTest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHub {
    pub data: String,
    pub charter: String,
    pub keys: String,
    pub anchor: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetwork {
    pub listen: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDelivery {
    pub communities: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicies {
    pub national: Option<String>,
    pub intake: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawApprovals {
    pub authority: Option<String>,
    pub accreditation: Option<String>,
    pub crypto: Option<String>,
    pub channel: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    pub module: Option<String>,
    pub place: Option<String>,
    pub pin: Option<String>,
    pub ledger: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLedger {
    pub tick: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawControl {
    pub socket: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHealth {
    pub listen: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    pub format: String,
    pub filter: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTest {
    pub tap: Option<String>,
}

/// Puts defaults, file and environment on top of each other.
///
/// # Errors
/// Only if the table of keys and [`RawConfig`] have come apart; both layers hold known keys only.
pub(super) fn merge(file: Layer, environment: Layer) -> Result<RawConfig, ConfigError> {
    let mut builder: ConfigBuilder<DefaultState> = Config::builder();
    for key in KEYS {
        if let Some(default) = key.default {
            builder = builder.set_default(key.path, default)?;
        }
    }
    builder
        .add_source(file)
        .add_source(environment)
        .build()?
        .try_deserialize()
}
