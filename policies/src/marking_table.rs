//! What the markings of an authority mean: (authority, exact text, date of the item) to a level.
//!
//! The mapping is a claim with a source; the marking is the fact, and stays beside the level. An
//! unknown text, another authority's text, or a marking that was not valid on the day is refused
//! and never guessed. Spelling is exact: what differs in letter case or spaces alone is refused
//! with the correct form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use testudo_protocol::label::{Label, Level};

use crate::date::Date;
use crate::layers::PolicyFile;

/// The tables of all authorities.
#[derive(Clone, Debug)]
pub struct MarkingTables {
    tables: BTreeMap<String, Table>,
}

/// One authority's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    authority: String,
    name: String,
    version: u32,
    #[serde(default)]
    marking: Vec<Marking>,
    #[serde(default)]
    no_classification: Vec<NoClassification>,
}

/// A text that is a classification.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marking {
    text: String,
    level: Level,
    valid_from: Option<Date>,
    valid_until: Option<Date>,
    status: RowStatus,
    source: String,
    note: Option<String>,
}

/// A text that looks like a classification and deliberately is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoClassification {
    text: String,
    valid_from: Option<Date>,
    valid_until: Option<Date>,
    because: String,
    source: String,
}

/// How sure the table is of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RowStatus {
    /// Read in the table of 2021 in the Official Journal, or in the decision itself.
    #[serde(rename = "verified")]
    Verified,
    /// Read in the annex of 2011 alone.
    #[serde(rename = "verified-2011")]
    Verified2011,
    /// From a secondary list; not verified.
    #[serde(rename = "secondary")]
    Secondary,
    /// Supplied by a partner in a policy bundle.
    #[serde(rename = "supplied by partner", alias = "partner")]
    Partner,
}

/// What a marking means on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meaning {
    /// Code of the authority.
    pub authority: String,
    /// The marking, to the letter.
    pub text: String,
    /// The level that it maps to.
    pub level: Level,
    /// The name of that level.
    pub level_name: &'static str,
    /// How sure the table is.
    pub status: RowStatus,
    /// Where the row was read.
    pub source: String,
    /// Edition of the authority's table.
    pub table_version: u32,
    /// What a reader should know besides.
    pub note: Option<String>,
}

/// Why a marking has no level. Markings are not content; texts are cut to a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkingError {
    /// No table of this authority.
    #[error("unknown authority `{authority}`, expected one of {known}")]
    UnknownAuthority {
        /// As given.
        authority: String,
        /// The codes that have a table.
        known: String,
    },
    /// The right letters in another case, or with other spaces.
    #[error("marking of {authority} must be written `{correct}`")]
    Spelling {
        /// Whose.
        authority: String,
        /// The correct form.
        correct: String,
    },
    /// In the table, but not on that day.
    #[error(
        "marking `{text}` of {authority} was not valid on {date}: {span}; ask {authority} how it is marked today"
    )]
    NotValid {
        /// Whose.
        authority: String,
        /// The marking.
        text: String,
        /// The day asked about.
        date: Date,
        /// When it was valid.
        span: String,
    },
    /// Deliberately no classification.
    #[error("`{text}` of {authority} is no classification: {because}")]
    NoClassification {
        /// Whose.
        authority: String,
        /// The marking.
        text: String,
        /// What it is instead.
        because: String,
    },
    /// In no row of the authority's table.
    #[error(
        "unknown marking `{text}` of {authority}; nothing is guessed: ask {authority}, or correct the text"
    )]
    Unknown {
        /// Whose.
        authority: String,
        /// As given.
        text: String,
    },
    /// The label claims less than its own national marking says.
    #[error(
        "label field `level` is {level}, but the marking `{text}` of {authority} is {marked}; the level follows the marking"
    )]
    LabelBelow {
        /// Whose.
        authority: String,
        /// The marking.
        text: String,
        /// The level in the label.
        level: u8,
        /// The level of the marking.
        marked: u8,
    },
}

impl MarkingError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownAuthority { .. } => "unknown-authority",
            Self::Spelling { .. } => "marking-spelling",
            Self::NotValid { .. } => "marking-not-valid",
            Self::NoClassification { .. } => "no-classification",
            Self::Unknown { .. } => "unknown-marking",
            Self::LabelBelow { .. } => "label-below-marking",
        }
    }
}

/// Why a file is not a marking table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not UTF-8 text.
    #[error("read marking table `{file}`: it is not UTF-8 text")]
    NotText {
        /// Name of the file.
        file: String,
    },
    /// Not the fields of a table.
    #[error("read marking table `{file}`")]
    Shape {
        /// Name of the file.
        file: String,
        /// What the parser found.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Two files of one authority.
    #[error("marking tables of `{authority}` are in two files, the second is `{file}`")]
    Duplicate {
        /// Whose.
        authority: String,
        /// The second file.
        file: String,
    },
    /// A row that contradicts another one or itself.
    #[error("marking table `{file}`: row `{text}` {what}")]
    Row {
        /// Name of the file.
        file: String,
        /// Its text.
        text: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Characters of a foreign text that an error repeats.
const TEXT_SHOWN_CHARS_MAX: usize = 64;

impl MarkingTables {
    /// Reads the tables, one file for each authority.
    ///
    /// # Errors
    /// [`TableError`] names the file; nothing of the load is then used.
    pub fn load(files: &[PolicyFile]) -> Result<Self, TableError> {
        let mut tables = BTreeMap::new();
        for file in files {
            let table = read(file)?;
            let authority = table.authority.clone();
            if tables.insert(authority.clone(), table).is_some() {
                return Err(TableError::Duplicate {
                    authority,
                    file: file.name.clone(),
                });
            }
        }
        Ok(Self { tables })
    }

    /// The codes of the authorities that have a table, sorted.
    pub fn authorities(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// What a marking means for an item of that day.
    ///
    /// # Errors
    /// [`MarkingError`] says what is wrong, and what to do; there is no level then.
    pub fn meaning(&self, authority: &str, text: &str, date: Date) -> Result<Meaning, MarkingError> {
        let Some(table) = self.tables.get(authority) else {
            return Err(MarkingError::UnknownAuthority {
                authority: shown(authority),
                known: self.authorities().collect::<Vec<_>>().join(", "),
            });
        };
        table.meaning(text, date)
    }

    /// Checks that a label is at least as high as its own national marking says.
    ///
    /// # Errors
    /// [`MarkingError`] if the marking has no level on that day, or a higher one than the label.
    pub fn check(&self, label: &Label, date: Date) -> Result<(), MarkingError> {
        let Some(national) = &label.national else {
            return Ok(());
        };
        let meaning = self.meaning(national.authority.as_str(), &national.text, date)?;
        if meaning.level > label.level {
            return Err(MarkingError::LabelBelow {
                authority: meaning.authority,
                text: meaning.text,
                level: label.level.get(),
                marked: meaning.level.get(),
            });
        }
        Ok(())
    }
}

impl Table {
    fn meaning(&self, text: &str, date: Date) -> Result<Meaning, MarkingError> {
        let rows = || self.marking.iter().filter(|row| row.text == text);
        if let Some(row) = rows().find(|row| is_within(date, row.valid_from, row.valid_until)) {
            return Ok(self.meaning_of(row));
        }
        let deliberate = (self.no_classification.iter())
            .find(|row| row.text == text && is_within(date, row.valid_from, row.valid_until));
        if let Some(row) = deliberate {
            return Err(MarkingError::NoClassification {
                authority: self.authority.clone(),
                text: row.text.clone(),
                because: format!("{} ({})", row.because, row.source),
            });
        }
        if let Some(row) = rows().next() {
            return Err(MarkingError::NotValid {
                authority: self.authority.clone(),
                text: row.text.clone(),
                date,
                span: span(row.valid_from, row.valid_until),
            });
        }
        Err(self.unknown(text))
    }

    fn meaning_of(&self, row: &Marking) -> Meaning {
        Meaning {
            authority: self.authority.clone(),
            text: row.text.clone(),
            level: row.level,
            level_name: row.level.name(),
            status: row.status,
            source: row.source.clone(),
            table_version: self.version,
            note: row.note.clone(),
        }
    }

    /// A text that differs in letter case or spaces alone is told its correct form.
    fn unknown(&self, text: &str) -> MarkingError {
        let folded = folded(text);
        let known = (self.marking.iter().map(|row| &row.text))
            .chain(self.no_classification.iter().map(|row| &row.text));
        let authority = self.authority.clone();
        match known.into_iter().find(|known| self::folded(known) == folded) {
            Some(correct) => MarkingError::Spelling {
                authority,
                correct: correct.clone(),
            },
            None => MarkingError::Unknown {
                authority,
                text: shown(text),
            },
        }
    }
}

fn read(file: &PolicyFile) -> Result<Table, TableError> {
    let name = || file.name.clone();
    let text = std::str::from_utf8(&file.bytes).map_err(|_| TableError::NotText { file: name() })?;
    let table: Table = toml::from_str(text).map_err(|source| TableError::Shape {
        file: name(),
        source: Box::new(source),
    })?;
    let row = |text: &str, what| TableError::Row {
        file: name(),
        text: shown(text),
        what,
    };
    if table.name.is_empty() || table.authority.is_empty() || table.version == 0 {
        return Err(row(
            &table.authority,
            "needs an authority, a name and a version from 1",
        ));
    }
    for (index, marking) in table.marking.iter().enumerate() {
        if !marking.level.is_classified() {
            return Err(row(&marking.text, "has no classified level, expected 3 to 6"));
        }
        let clash = (table.marking.iter().take(index)).any(|other| {
            other.text == marking.text
                && overlap(
                    (other.valid_from, other.valid_until),
                    (marking.valid_from, marking.valid_until),
                )
        });
        if clash {
            return Err(row(&marking.text, "stands there twice for one day"));
        }
    }
    for deliberate in &table.no_classification {
        let clash = table.marking.iter().any(|other| {
            other.text == deliberate.text
                && overlap(
                    (other.valid_from, other.valid_until),
                    (deliberate.valid_from, deliberate.valid_until),
                )
        });
        if clash {
            return Err(row(
                &deliberate.text,
                "is a classification and is none on one day",
            ));
        }
    }
    Ok(table)
}

type Span = (Option<Date>, Option<Date>);

/// Both ends are included; an absent end is open.
fn is_within(date: Date, from: Option<Date>, until: Option<Date>) -> bool {
    from.is_none_or(|from| from <= date) && until.is_none_or(|until| date <= until)
}

fn overlap(one: Span, other: Span) -> bool {
    let begins_in_time = |begin: Option<Date>, end: Option<Date>| match (begin, end) {
        (Some(begin), Some(end)) => begin <= end,
        _ => true,
    };
    begins_in_time(one.0, other.1) && begins_in_time(other.0, one.1)
}

fn span(from: Option<Date>, until: Option<Date>) -> String {
    match (from, until) {
        (Some(from), Some(until)) => format!("valid from {from} to {until}"),
        (Some(from), None) => format!("valid from {from}"),
        (None, Some(until)) => format!("valid until {until}"),
        (None, None) => "valid on every day".to_owned(),
    }
}

fn folded(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

fn shown(text: &str) -> String {
    text.chars().take(TEXT_SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
