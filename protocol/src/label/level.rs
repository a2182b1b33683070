//! Levels of protection.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A level: 0 PUBLIC, 1 NORMAL, 2 SENSITIVE NON-CLASSIFIED, 3 RESTREINT UE/EU RESTRICTED, 4 CONFIDENTIEL
/// UE/EU CONFIDENTIAL, 5 SECRET UE/EU SECRET, 6 TRES SECRET UE/EU TOP SECRET.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// A number that is not a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown level {0}, expected 0 to 6")]
pub struct UnknownLevel(i64);

impl Level {
    /// PUBLIC.
    pub const PUBLIC: Self = Self(0);
    /// NORMAL.
    pub const NORMAL: Self = Self(1);
    /// SENSITIVE NON-CLASSIFIED.
    pub const SENSITIVE: Self = Self(2);
    /// RESTREINT UE/EU RESTRICTED, the first classified level.
    pub const RESTRICTED: Self = Self(3);
    /// TRES SECRET UE/EU TOP SECRET, the highest level.
    pub const TOP_SECRET: Self = Self(6);
    /// The highest level that a deployment without accreditation may handle (Council Decision
    /// 2013/488/EU, Article 10(4)).
    pub const UNACCREDITED_MAX: Self = Self::SENSITIVE;

    /// All of them, lowest first.
    pub const ALL: [Self; 7] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5), Self(6)];

    /// The number, 0 to 6.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is a level of classified information.
    #[must_use]
    pub const fn is_classified(self) -> bool {
        self.0 >= Self::RESTRICTED.0
    }

    /// The name, as the European Union writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "PUBLIC",
            1 => "NORMAL",
            2 => "SENSITIVE NON-CLASSIFIED",
            3 => "RESTREINT UE/EU RESTRICTED",
            4 => "CONFIDENTIEL UE/EU CONFIDENTIAL",
            5 => "SECRET UE/EU SECRET",
            _ => "TRES SECRET UE/EU TOP SECRET",
        }
    }

    /// The level of this exact name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl TryFrom<i64> for Level {
    type Error = UnknownLevel;

    fn try_from(number: i64) -> Result<Self, UnknownLevel> {
        match u8::try_from(number) {
            Ok(level) if level <= Self::TOP_SECRET.0 => Ok(Self(level)),
            _ => Err(UnknownLevel(number)),
        }
    }
}

impl From<Level> for i64 {
    fn from(level: Level) -> Self {
        Self::from(level.0)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // In text any whole number is read, so that the error can say which one is not a level.
        let number = if deserializer.is_human_readable() {
            i64::deserialize(deserializer)?
        } else {
            u8::deserialize(deserializer)?.into()
        };
        Self::try_from(number).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_end_at_six() {
        assert_eq!(Level::try_from(6), Ok(Level::TOP_SECRET));
        for wrong in [7, -1, 256, i64::MIN] {
            assert_eq!(Level::try_from(wrong), Err(UnknownLevel(wrong)));
        }
    }

    #[test]
    fn every_name_names_its_level() {
        for level in Level::ALL {
            assert_eq!(Level::of_name(level.name()), Some(level));
        }
        assert_eq!(Level::of_name("RESTRICTED"), None);
    }
}
