//! The policy files of the three layers, as bytes with names.
//!
//! Whoever loads an engine reads the files; this crate never does. The defaults are compiled in,
//! so that a hub and the demonstration work without a policy folder.

use std::fmt;

use serde::Serialize;

/// One of the three policy sets that must all agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The federation's rules; their hash is in the charter.
    Baseline,
    /// What the acting hub's country restricts further.
    National,
    /// What the receiving hub takes in.
    Intake,
}

impl Layer {
    /// The word for this layer in answers and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::National => "national",
            Self::Intake => "intake",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One file: its name inside its layer, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Name without folder, such as `originator.cedar`.
    pub name: String,
    /// Content as read.
    pub bytes: Vec<u8>,
}

impl PolicyFile {
    /// A file of this name and content.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// What was found where a layer's files should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerSource {
    /// The `.cedar` files of the layer, in any order.
    Files(Vec<PolicyFile>),
    /// The files could not be read, for this reason: the layer denies everything and says so.
    Unreadable(String),
}

/// The schema, the marking tables and the files of all layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The Cedar schema that every layer is validated against.
    pub schema: PolicyFile,
    /// The marking tables, one file for each authority.
    pub labels: Vec<PolicyFile>,
    /// The federation's rules.
    pub baseline: LayerSource,
    /// The acting hub's national policy.
    pub national: LayerSource,
    /// The receiving hub's intake policy.
    pub intake: LayerSource,
}

/// The files of one compiled-in folder.
macro_rules! folder {
    ($folder:literal, [$($name:literal),+ $(,)?]) => {
        LayerSource::Files(vec![
            $(PolicyFile::new($name, include_bytes!(concat!("../cedar/", $folder, "/", $name)))),+
        ])
    };
}

/// The compiled-in marking tables, by code of the authority in lower case.
macro_rules! tables {
    [$($code:literal),+ $(,)?] => {
        vec![
            $(PolicyFile::new(
                concat!($code, ".toml"),
                include_bytes!(concat!("../labels/", $code, ".toml")),
            )),+
        ]
    };
}

impl Layers {
    /// The compiled-in defaults: the baseline, and national and intake layers that add nothing.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            schema: PolicyFile::new(
                "schema.cedarschema",
                include_bytes!("../cedar/schema.cedarschema"),
            ),
            labels: tables![
                "at", "be", "bg", "cy", "cz", "de", "dk", "ee", "el", "es", "eu", "fi", "fr", "hr", "hu",
                "ie", "it", "lt", "lu", "lv", "mt", "nl", "pl", "pt", "ro", "se", "si", "sk"
            ],
            baseline: folder!(
                "baseline",
                [
                    "audience.cedar",
                    "classification.cedar",
                    "exercise.cedar",
                    "label.cedar",
                    "obligations.cedar",
                    "originator.cedar",
                    "partners.cedar",
                    "permits.cedar",
                    "personal.cedar",
                    "status.cedar",
                    "time.cedar",
                ]
            ),
            national: folder!("national", ["default.cedar"]),
            intake: folder!("intake", ["default.cedar"]),
        }
    }

    /// The same, with another national policy.
    #[must_use]
    pub fn with_national(self, national: LayerSource) -> Self {
        Self { national, ..self }
    }

    /// The same, with another intake policy.
    #[must_use]
    pub fn with_intake(self, intake: LayerSource) -> Self {
        Self { intake, ..self }
    }

    /// Each layer with its source, in the order in which they are asked.
    pub(crate) fn sources(&self) -> [(Layer, &LayerSource); 3] {
        [
            (Layer::Baseline, &self.baseline),
            (Layer::National, &self.national),
            (Layer::Intake, &self.intake),
        ]
    }
}
