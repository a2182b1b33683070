//! One thing that somebody looked at, and how it was.

use serde::{Deserialize, Serialize};

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The hub works; somebody should look before it does not.
    Warn,
    /// The hub does not do its work, or cannot be trusted to.
    Fail,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A finding: never content, titles or keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// A stable code that `testudo explain` knows.
    pub code: String,
    /// One sentence: what was found, and what was expected.
    pub sentence: String,
    /// What to do; absent where nothing has to be done.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(code: &str, sentence: impl Into<String>) -> Self {
        Self::new(Level::Ok, code, sentence.into(), None)
    }

    /// Somebody should look.
    pub fn warn(code: &str, sentence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Level::Warn, code, sentence.into(), Some(fix.into()))
    }

    /// It does not work.
    pub fn fail(code: &str, sentence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Level::Fail, code, sentence.into(), Some(fix.into()))
    }

    fn new(level: Level, code: &str, sentence: String, fix: Option<String>) -> Self {
        Self {
            level,
            code: code.to_owned(),
            sentence,
            fix,
        }
    }

    /// The finding for people: a line, and one more for what to do.
    #[must_use]
    pub fn to_text(&self) -> String {
        let head = format!("{:<4} {:<16} {}\n", self.level.as_str(), self.code, self.sentence);
        match &self.fix {
            Some(fix) => format!("{head}{:22}fix: {fix}\n", ""),
            None => head,
        }
    }

    /// The worst level among findings; of none, that all is well.
    pub fn worst<'a>(findings: impl IntoIterator<Item = &'a Self>) -> Level {
        let levels = findings.into_iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let ok = Finding::ok("clock", "as it should be");
        let warn = Finding::warn("disk", "nearly full", "make room");
        let fail = Finding::fail("fenced", "behind", "restore");
        assert_eq!(Finding::worst([]), Level::Ok);
        assert_eq!(Finding::worst([&ok, &warn]), Level::Warn);
        assert_eq!(Finding::worst([&warn, &fail, &ok]), Level::Fail);
        assert!(warn.to_text().contains("fix: make room"));
        assert_eq!(ok.to_text().lines().count(), 1);
    }
}
