//! Which algorithms an envelope uses.

use serde::{Deserialize, Serialize};

/// A cipher suite. Its number stands in every header and outer part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Suite {
    /// 1: Ed25519 inside, age X25519 outside. Written only where the charter says so.
    Classical,
    /// 2: Ed25519 and ML-DSA-65 inside, ML-KEM-768 with X25519 outside.
    Hybrid,
}

/// A number that is no suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("suite {found} is unknown, 1 or 2 expected")]
pub struct SuiteError {
    /// The number.
    pub found: u8,
}

impl Suite {
    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Classical => 1,
            Self::Hybrid => 2,
        }
    }
}

impl TryFrom<u8> for Suite {
    type Error = SuiteError;

    fn try_from(found: u8) -> Result<Self, SuiteError> {
        match found {
            1 => Ok(Self::Classical),
            2 => Ok(Self::Hybrid),
            _ => Err(SuiteError { found }),
        }
    }
}

impl From<Suite> for u8 {
    fn from(suite: Suite) -> Self {
        suite.number()
    }
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number().fmt(f)
    }
}
