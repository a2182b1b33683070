//! The closed vocabularies of a release decision.
//!
//! A word outside its vocabulary does not parse: the engine never guesses what an unknown marking
//! might have meant. Words are exact, in the standard's own spelling; correcting `TLP:WHITE` or
//! lower case is the work of whoever imports a label.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is not in its vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{word}`, expected one of {expected}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    expected: String,
}

/// Characters of a foreign word that an error repeats; the rest is cut off.
const WORD_SHOWN_CHARS_MAX: usize = 64;

/// Makes an enum whose variants are exactly the words of one vocabulary.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every word of the vocabulary, in its own order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word as it is written in requests and policies.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        what: $what,
                        word: word.chars().take(WORD_SHOWN_CHARS_MAX).collect(),
                        expected: [$($word),+].join(", "),
                    }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownWord;

            fn try_from(word: String) -> Result<Self, UnknownWord> {
                word.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// What is asked to be done with an item.
    Action, "action", {
        /// The originator gives the item to a peer.
        Release = "release",
        /// Anyone else gives the item to a peer.
        Forward = "forward",
        /// A hub serves another hub's item onward, inside its audience.
        Relay = "relay",
        /// The item goes to the public.
        Publish = "publish",
        /// The originator lowers the label.
        Downgrade = "downgrade",
    }
}

vocabulary! {
    /// The kind of membership that the charter gives a peer.
    Class, "class", {
        /// A member state of the European Union.
        MemberState = "member_state",
        /// An institution or body of the European Union.
        EuInstitution = "eu_institution",
        /// An associated partner, carried by sponsors.
        Associated = "associated",
        /// A like-minded partner.
        Likeminded = "likeminded",
        /// A stakeholder, connected through its host hub.
        Stakeholder = "stakeholder",
    }
}

vocabulary! {
    /// The standing of a peer in the directory.
    Status, "status", {
        /// Takes part.
        Active = "active",
        /// Stopped by an emergency hold.
        Held = "held",
        /// Suspended by vote.
        Suspended = "suspended",
        /// Expelled by vote.
        Expelled = "expelled",
        /// Has left by its own act.
        Exited = "exited",
    }
}

vocabulary! {
    /// Traffic Light Protocol 2.0, without the prefix, least restrictive first.
    Tlp, "tlp", {
        /// No limit.
        Clear = "CLEAR",
        /// Within the community.
        Green = "GREEN",
        /// Within the receiving organisation and its clients.
        Amber = "AMBER",
        /// Within the receiving organisation.
        AmberStrict = "AMBER+STRICT",
        /// The named receivers only.
        Red = "RED",
    }
}

vocabulary! {
    /// How the audience of an item is described.
    Scope, "scope", {
        /// Only the listed peers and classes; an empty list means nobody.
        List = "LIST",
        /// The community that the charter defines.
        Community = "COMMUNITY",
    }
}

vocabulary! {
    /// A caveat that narrows distribution further.
    Caveat, "caveat", {
        /// EU classified information.
        Euci = "EUCI",
        /// Council distribution marking.
        Limite = "LIMITE",
        /// Not outside the European Union.
        EuOnly = "EU-ONLY",
        /// Passed on only with the originator's consent.
        Orcon = "ORCON",
    }
}

vocabulary! {
    /// Personal data in an item.
    Personal, "personal", {
        /// None.
        None = "none",
        /// Pseudonyms that the receiver cannot resolve.
        Pseudonymised = "pseudonymised",
        /// Identified or identifiable persons.
        Identified = "identified",
        /// Special categories, such as political opinions.
        Special = "special",
    }
}

vocabulary! {
    /// The channel on which an item would move.
    Channel, "channel", {
        /// Real traffic.
        Live = "live",
        /// Exercise traffic.
        Exercise = "exercise",
    }
}

/// A level of protection: 0 PUBLIC, 1 NORMAL, 2 SENSITIVE NON-CLASSIFIED, 3 to 6 classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
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
    /// SENSITIVE NON-CLASSIFIED, the ceiling of a deployment without accreditation.
    pub const SENSITIVE: Self = Self(2);
    /// RESTREINT UE/EU RESTRICTED, the first classified level.
    pub const RESTRICTED: Self = Self(3);
    /// TRES SECRET UE/EU TOP SECRET, the highest level.
    pub const TOP_SECRET: Self = Self(6);

    /// The level as a number, 0 to 6.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact() {
        assert_eq!("AMBER+STRICT".parse(), Ok(Tlp::AmberStrict));
        for wrong in ["TLP:ORANGE", "TLP:GREEN", "green", "GREEN ", "WHITE", ""] {
            let error = wrong.parse::<Tlp>().expect_err(wrong).to_string();
            assert!(error.starts_with(&format!("unknown tlp `{wrong}`")), "{error}");
        }
    }

    #[test]
    fn every_word_survives_a_round_trip() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse(), Ok(*class));
        }
        for action in Action::ALL {
            assert_eq!(action.to_string().parse(), Ok(*action));
        }
    }

    #[test]
    fn levels_end_at_six() {
        assert_eq!(Level::try_from(6), Ok(Level::TOP_SECRET));
        assert_eq!(Level::try_from(7), Err(UnknownLevel(7)));
        assert_eq!(Level::try_from(-1), Err(UnknownLevel(-1)));
        assert_eq!(Level::try_from(256), Err(UnknownLevel(256)));
    }

    #[test]
    fn a_long_foreign_word_is_cut() {
        let error = "x".repeat(10_000).parse::<Class>().expect_err("not a class");
        assert!(error.to_string().len() < 200);
    }
}
