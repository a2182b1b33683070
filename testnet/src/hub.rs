//! The three hubs of the demo.

use std::fmt;

use serde::Deserialize;

/// One of the three hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Hub {
    /// A member state.
    #[serde(rename = "FR")]
    Fr,
    /// An EU institution.
    #[serde(rename = "EEAS")]
    Eeas,
    /// An associated partner with two sponsors.
    #[serde(rename = "MD")]
    Md,
}

impl Hub {
    /// All of them, in the order of every table.
    pub const ALL: [Self; 3] = [Self::Fr, Self::Eeas, Self::Md];

    /// Those whose signature counts on the charter.
    pub const VOTERS: [Self; 2] = [Self::Fr, Self::Eeas];

    /// Its code in the charter.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fr => "FR",
            Self::Eeas => "EEAS",
            Self::Md => "MD",
        }
    }

    /// Its class in the charter.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Fr => "member_state",
            Self::Eeas => "eu_institution",
            Self::Md => "associated",
        }
    }

    /// Its class in words.
    pub const fn class_in_words(self) -> &'static str {
        match self {
            Self::Fr => "member state",
            Self::Eeas => "EU institution",
            Self::Md => "associated partner, sponsored by FR and EEAS",
        }
    }
}

impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// The codes of several hubs, for a sentence.
pub fn codes<'a>(hubs: impl IntoIterator<Item = &'a Hub>) -> String {
    let codes: Vec<&str> = hubs.into_iter().map(|hub| hub.code()).collect();
    if codes.is_empty() {
        "nobody".to_owned()
    } else {
        codes.join(", ")
    }
}
