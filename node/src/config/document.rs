//! Reads the TOML file with its positions, and finds what is unknown or of the wrong type in it.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{Origin, Problem};
use super::keys::{self, KEYS};
use super::layer::Layer;
use super::secret;
use super::suggest::did_you_mean;

/// The known settings in `text`, and everything that is wrong with the rest.
///
/// Faults of syntax come alone: after one, the parser guesses, and its guesses would be reported
/// as unknown keys.
pub(super) fn read(text: &str, file: &Path) -> (Layer, Vec<Problem>) {
    let place = Place { text, file };
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        let problem = |fault: &toml::de::Error| {
            Problem::new(
                place.of(fault.span().unwrap_or_default()),
                fault.message().replace('\n', ", "),
            )
        };
        return (Layer::default(), faults.iter().map(problem).collect());
    }

    let (mut layer, mut problems) = (Layer::default(), Vec::new());
    for (name, value) in document.get_ref() {
        let section = name.get_ref().as_ref();
        match value.get_ref() {
            DeValue::Table(table) if keys::is_section(section) => {
                read_section(section, table, &place, &mut layer, &mut problems);
            }
            other if keys::is_section(section) => problems.push(Problem::new(
                place.of(value.span()),
                format!(
                    "`{section}` is a section: expected `[{section}]`, found {}",
                    other.type_str()
                ),
            )),
            _ => problems.push(Problem::new(place.of(name.span()), unknown(section))),
        }
    }
    // The table of the parser is sorted by name; a person reads from top to bottom.
    problems.sort_by(|one, other| one.origin.cmp(&other.origin));
    (layer, problems)
}

fn read_section(
    section: &str,
    table: &DeTable<'_>,
    place: &Place<'_>,
    layer: &mut Layer,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let Some(key) = keys::find(section, name.get_ref()) else {
            let path = format!("{section}.{}", name.get_ref());
            problems.push(Problem::new(place.of(name.span()), unknown(&path)));
            continue;
        };
        match value.get_ref() {
            DeValue::String(text) if secret::is_one(text) => {
                problems.push(Problem::new(place.of(value.span()), secret::refusal(key.path)));
            }
            DeValue::String(text) => layer.put(key, text, place.of(value.span())),
            other => problems.push(Problem::new(
                place.of(value.span()),
                format!(
                    "`{}`: expected a string such as \"{}\", found {}",
                    key.path,
                    key.sample,
                    other.type_str()
                ),
            )),
        }
    }
}

/// What to say about a key that does not exist. The value beside it is not repeated: somebody may
/// have written a secret there.
fn unknown(path: &str) -> String {
    let sections = KEYS
        .iter()
        .map(|key| (key.section().to_owned(), format!("[{}]", key.section())));
    let paths = KEYS.iter().map(|key| (key.path.to_owned(), key.path.to_owned()));
    let names = KEYS
        .iter()
        .map(|key| (key.name().to_owned(), key.path.to_owned()));
    let guess = match path.split_once('.') {
        // In a section: first a name of the same section, then the same name in another section.
        Some((_, name)) => did_you_mean(path, paths).or_else(|| did_you_mean(name, names)),
        None => did_you_mean(path, sections).or_else(|| did_you_mean(path, names)),
    };
    super::error::unknown("key", path, guess)
}

/// Turns a range of bytes into line and column.
struct Place<'a> {
    text: &'a str,
    file: &'a Path,
}

impl Place<'_> {
    fn of(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.chars().count()
                - before.get(..line_start).map_or(0, |lines| lines.chars().count())
                + 1,
        }
    }
}
