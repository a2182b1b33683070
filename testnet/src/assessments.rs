//! The assessments of the demo, embedded so that it needs nothing lying around.

use std::path::Path;

use serde_json::Value;

use crate::fault::DemoError;

/// Longest title, so that a heading stays on its line.
const TITLE_CHARS_MAX: usize = 76;

/// A STIX 2.1 bundle of `testnet/assessments`.
#[derive(Clone, Copy, Debug)]
pub struct Assessment {
    /// Its file name.
    pub file: &'static str,
    text: &'static str,
}

macro_rules! assessment {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        pub const $name: Assessment =
            Assessment { file: $file, text: include_str!(concat!("../assessments/", $file)) };
    };
}

assessment!(
    /// Copied media sites; TLP:GREEN.
    DOPPELGAENGER,
    "doppelgaenger-rrn-2023.json"
);
assessment!(
    /// Portals that relay; TLP:AMBER.
    PORTAL_KOMBAT,
    "portal-kombat-2024.json"
);
assessment!(
    /// The same with a company named; TLP:AMBER.
    PORTAL_KOMBAT_CORRECTION,
    "portal-kombat-2024.correction.json"
);
assessment!(
    /// Forged ballot videos; TLP:RED.
    GERMAN_ELECTION,
    "german-election-2025.json"
);
assessment!(
    /// The election of 28 September 2025; TLP:AMBER.
    MOLDOVA_ELECTION,
    "moldova-parliamentary-2025.json"
);
assessment!(
    /// Forged reports sent to fact-checkers; TLP:GREEN.
    MATRIOCHKA,
    "matriochka-overload-2024.json"
);
assessment!(
    /// Invented witnesses; TLP:AMBER+STRICT. Not released: it is there to be tried out.
    STORM_1516,
    "storm-1516-2025.json"
);

/// All that the demo writes out for the binary to read.
const ALL: [Assessment; 7] = [
    DOPPELGAENGER,
    PORTAL_KOMBAT,
    PORTAL_KOMBAT_CORRECTION,
    GERMAN_ELECTION,
    MOLDOVA_ELECTION,
    MATRIOCHKA,
    STORM_1516,
];

impl Assessment {
    /// The name of its root object, or what stands for one.
    pub fn title(&self) -> String {
        let bundle = self.bundle();
        let root = bundle.pointer("/objects/0");
        let text = |field| root.and_then(|root| root.get(field)).and_then(Value::as_str);
        shortened(text("name").or_else(|| text("abstract")).unwrap_or(self.file))
    }

    /// The bundle as JSON; null would mean that the file is not JSON, which the conformance suite rules out.
    pub fn bundle(&self) -> Value {
        serde_json::from_str(self.text).unwrap_or(Value::Null)
    }
}

/// A text of at most [`TITLE_CHARS_MAX`] characters; where words are left out, three dots stand for them.
fn shortened(text: &str) -> String {
    if text.chars().count() <= TITLE_CHARS_MAX {
        return text.to_owned();
    }
    let mut title = String::new();
    for word in text.split_whitespace() {
        if title.chars().count() + word.chars().count() + 2 > TITLE_CHARS_MAX {
            break;
        }
        title.push_str(word);
        title.push(' ');
    }
    title.trim_end().to_owned() + "…"
}

/// Writes every assessment into this folder.
///
/// # Errors
/// [`DemoError::File`] if one cannot be written.
pub fn write_all(folder: &Path) -> Result<(), DemoError> {
    for assessment in ALL {
        let path = folder.join(assessment.file);
        std::fs::write(&path, assessment.text).map_err(|source| DemoError::File { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assessment_is_a_bundle_with_a_title() {
        for assessment in ALL {
            assert_eq!(assessment.bundle()["type"], "bundle", "{}", assessment.file);
            assert_ne!(assessment.title(), assessment.file);
        }
    }

    #[test]
    fn long_titles_end_between_words() {
        let title = shortened(&"word ".repeat(20));
        assert!(title.chars().count() <= TITLE_CHARS_MAX);
        assert!(title.ends_with("word…"), "{title}");
        assert_eq!(shortened("short"), "short");
    }
}
