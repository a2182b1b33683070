//! The commented default file, made from the table of keys.

use super::keys::{KEYS, Key};

const HEAD: &str = "\
# Configuration of one hub. Every value below is the default; a line may be left out.
# Relative paths are relative to the folder of this file. Nothing is interpolated.
# The environment variable TESTUDO__SECTION__KEY overrides a line, as in TESTUDO__LOG__FILTER=debug.
# Check a change with `testudo config check`.
";

/// The text of a commented `hub.toml` that says what would hold without it.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push_str(&entry(key));
    }
    text
}

fn entry(key: &Key) -> String {
    let about: String = key.about.lines().map(|line| format!("# {line}\n")).collect();
    // A setting without a default is off; its line shows how it would look.
    match key.default {
        Some(default) => format!("{about}{} = \"{default}\"\n", key.name()),
        None => format!("{about}# {} = \"{}\"\n", key.name(), key.sample),
    }
}
