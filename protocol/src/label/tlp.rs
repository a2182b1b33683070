//! Traffic Light Protocol 2.0 (FIRST, August 2022).

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::word::shown;

/// A TLP 2.0 label, from the weakest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tlp {
    /// No limit.
    Clear,
    /// The community, not by public channels.
    Green,
    /// The receiving organisation and those it serves.
    Amber,
    /// The receiving organisation alone.
    AmberStrict,
    /// The eyes of named recipients alone.
    Red,
}

/// A text that is not exactly one of the five labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlpError {
    /// Right but for letter case, spaces or the prefix.
    #[error("tlp must be written `{correct}`")]
    Spelling {
        /// The correct form.
        correct: &'static str,
    },
    /// The TLP 1 name of CLEAR; read on import only.
    #[error("TLP:WHITE is the TLP 1 name of `CLEAR`; write `CLEAR`")]
    White,
    /// Nothing we know.
    #[error("unknown tlp `{found}`, expected CLEAR, GREEN, AMBER, AMBER+STRICT or RED")]
    Unknown {
        /// What was given, cut to a bound.
        found: String,
    },
}

impl Tlp {
    /// All five, weakest first.
    pub const ALL: [Self; 5] = [
        Self::Clear,
        Self::Green,
        Self::Amber,
        Self::AmberStrict,
        Self::Red,
    ];

    /// The exact text, without the `TLP:` prefix.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "CLEAR",
            Self::Green => "GREEN",
            Self::Amber => "AMBER",
            Self::AmberStrict => "AMBER+STRICT",
            Self::Red => "RED",
        }
    }
}

impl FromStr for Tlp {
    type Err = TlpError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(exact) = Self::ALL.into_iter().find(|tlp| tlp.as_str() == text) {
            return Ok(exact);
        }
        let folded: String = text.to_uppercase().split_whitespace().collect();
        let folded = folded.strip_prefix("TLP:").unwrap_or(&folded);
        if folded == "WHITE" {
            return Err(TlpError::White);
        }
        match Self::ALL.into_iter().find(|tlp| tlp.as_str() == folded) {
            Some(meant) => Err(TlpError::Spelling {
                correct: meant.as_str(),
            }),
            None => Err(TlpError::Unknown { found: shown(text) }),
        }
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Tlp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.as_str())
        } else {
            (*self as u8).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Tlp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?
                .parse()
                .map_err(D::Error::custom);
        }
        let rank = usize::from(u8::deserialize(deserializer)?);
        Self::ALL
            .get(rank)
            .copied()
            .ok_or_else(|| D::Error::custom("unknown TLP rank"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_exact() {
        assert_eq!("AMBER+STRICT".parse(), Ok(Tlp::AmberStrict));
        for (text, correct) in [
            ("amber", "AMBER"),
            ("RED ", "RED"),
            ("TLP:GREEN", "GREEN"),
            ("AMBER + STRICT", "AMBER+STRICT"),
        ] {
            assert_eq!(text.parse::<Tlp>(), Err(TlpError::Spelling { correct }), "{text}");
        }
        assert_eq!("TLP:WHITE".parse::<Tlp>(), Err(TlpError::White));
        assert!(matches!("ORANGE".parse::<Tlp>(), Err(TlpError::Unknown { .. })));
    }

    #[test]
    fn strict_is_between_amber_and_red() {
        assert!(Tlp::Amber < Tlp::AmberStrict && Tlp::AmberStrict < Tlp::Red);
    }
}
