//! Every code that a refusal, an error or a finding carries, with what it means and what to do.
//!
//! The one table: `testudo explain` prints it without a hub, and `docs/operator/errors.md` is made from it.
//! A code is a promise to scripts: it is never reused, and its meaning does not change. `tests/tidy` finds the
//! codes in the source and fails if one is not here.

mod commands;
mod findings;
mod refusals;

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, in lower case with hyphens.
    pub name: &'static str,
    /// What it means, as a sentence.
    pub meaning: &'static str,
    /// What to do, as a sentence.
    pub remedy: &'static str,
}

/// An entry of the table.
const fn code(name: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code {
        name,
        meaning,
        remedy,
    }
}

/// The table in its three parts, each with a title.
#[must_use]
pub fn parts() -> [(&'static str, &'static [Code]); 3] {
    [
        ("Commands that do not succeed", commands::CODES),
        ("Acts that a hub refuses", refusals::CODES),
        ("What status and doctor find", findings::CODES),
    ]
}

/// All codes.
pub fn all() -> impl Iterator<Item = &'static Code> {
    parts().into_iter().flat_map(|(_, codes)| codes)
}

/// The code of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Code> {
    all().find(|code| code.name == name)
}

/// The error index of the book, in Markdown.
#[must_use]
pub fn index() -> String {
    let mut text = HEAD.to_owned();
    for (title, codes) in parts() {
        text.push_str(&format!("\n## {title}\n"));
        for Code {
            name,
            meaning,
            remedy,
        } in codes
        {
            text.push_str(&format!(
                "\n### `{name}`\n\n{meaning}\n\n**What to do.** {remedy}\n"
            ));
        }
    }
    text
}

const HEAD: &str = "\
# Error index

Every refusal, error and finding of `testudo` carries a stable code: under `--json` as `error.code` or in `problems`, and
in `testudo doctor` in the second column. `testudo explain CODE` prints the same as this page, without a hub and without a network.
The page is made from the table in `node/src/codes`.
";

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operator/errors.md");

    #[test]
    fn names_are_unique_and_entries_are_sentences() {
        let mut seen = std::collections::BTreeSet::new();
        for code in all() {
            assert!(seen.insert(code.name), "`{}` is there twice", code.name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(code.name.chars().all(plain), "{}", code.name);
            for sentence in [code.meaning, code.remedy] {
                assert!(
                    sentence.ends_with('.') && sentence.len() > 10,
                    "{}: {sentence}",
                    code.name
                );
            }
        }
    }

    #[test]
    fn the_error_index_of_the_book_is_current() {
        if std::env::var_os("TESTUDO_WRITE_GOLDEN").is_some() {
            std::fs::write(PAGE, index()).unwrap();
        }
        let page = std::fs::read_to_string(PAGE).unwrap();
        assert!(
            page == index(),
            "docs/operator/errors.md is old: run this test with TESTUDO_WRITE_GOLDEN=1"
        );
    }
}
