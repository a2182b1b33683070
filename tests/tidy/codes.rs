//! Every code that a refusal, an error or a finding is given in the source stands in the table of codes, and
//! every code of the table is given somewhere: `testudo explain` knows all of them and promises no other.

use std::collections::BTreeMap;

use crate::repository::File;
use crate::tokens::{self, Kind, Token};

/// The table. Its entries are calls of `code` with the name first.
const TABLE: &str = "node/src/codes/";

/// Where codes are given.
const SHELL: &str = "node/src/";

/// Where problems are answered over HTTP.
const API: &str = "node/src/api/";

/// Functions `fn code` of these files give the codes of refusals.
const REFUSALS: [&str; 2] = ["node/core/src/refusal.rs", "policies/src/marking_table.rs"];

/// Tokens without comments.
fn code_tokens(source: &str) -> Vec<Token<'_>> {
    tokens::tokens(source)
        .into_iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect()
}

/// What is in the quotes of a text.
fn quoted<'a>(token: Option<&Token<'a>>) -> Option<&'a str> {
    let token = token.filter(|token| token.kind == Kind::Quoted)?;
    token.text.strip_prefix('"')?.strip_suffix('"')
}

/// The names in the table.
fn table(files: &[File]) -> Vec<&str> {
    let mut names = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with(TABLE)) {
        let tokens = code_tokens(&file.text);
        for at in 0..tokens.len() {
            if tokens::starts_with(&tokens[at..], &["code", "("]) {
                names.extend(quoted(tokens.get(at + 2)));
            }
        }
    }
    names
}

/// Every code that is given in the source, with the first place where it is.
fn given(files: &[File]) -> BTreeMap<&str, String> {
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        let tokens = code_tokens(&file.text);
        let codes = if REFUSALS.contains(&file.path.as_str()) {
            of_refusals(&tokens)
        } else if file.path.starts_with(SHELL) && !file.path.starts_with(TABLE) {
            of_shell(&tokens, file.path.starts_with(API))
        } else {
            Vec::new()
        };
        for (line, code) in codes {
            found
                .entry(code)
                .or_insert_with(|| format!("{}:{line}", file.path));
        }
    }
    found
}

/// The texts in the body of `fn code`.
fn of_refusals<'a>(tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let start = (0..tokens.len()).find(|at| tokens::starts_with(&tokens[*at..], &["fn", "code", "("]));
    let function = start.map_or(&[][..], |start| &tokens[start..]);
    let mut depth = 0_usize;
    let closes = |token: &Token<'_>| {
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        token.text == "}" && depth == 0
    };
    let end = function.iter().position(closes).unwrap_or(function.len());
    let texts = function[..end].iter();
    texts
        .filter_map(|token| Some((token.line, quoted(Some(token))?)))
        .collect()
}

/// `exit::X, "code"` of failures, `Finding::x("code"`, `expiry("code"`, and in the API the `code:` of a problem and
/// a code beside the number of its exit.
fn of_shell<'a>(tokens: &[Token<'a>], is_api: bool) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let ahead = &tokens[at..];
        let begins = |pattern: &[&str]| tokens::starts_with(ahead, pattern);
        let text = |at: usize| ahead.get(at).map_or("", |token| token.text);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let place = if begins(&["exit", "::"]) && text(3) == "," || begins(&["Finding", "::"]) {
            4
        } else if begins(&["expiry", "("]) || is_api && begins(&["code", ":"]) {
            2
        } else if is_api && begins(&["("]) && text(2) == "," && is_number(text(3)) {
            1
        } else {
            continue;
        };
        if let Some(code) = quoted(ahead.get(place)) {
            found.push((token.line, code));
        }
    }
    found
}

/// One line for each code that the table lacks, and one for each that it has in vain.
fn findings(files: &[File]) -> Vec<String> {
    let (table, given) = (table(files), given(files));
    let lacks = given
        .iter()
        .filter(|(code, _)| !table.contains(code))
        .map(|(code, place)| format!("{place}: code `{code}` is not in {TABLE}"));
    let vain = table
        .iter()
        .filter(|code| !given.contains_key(**code))
        .map(|code| format!("{TABLE}: code `{code}` is given nowhere"));
    lacks.chain(vain).collect()
}

#[test]
fn every_code_is_in_the_table_and_no_other() {
    let files = crate::repository::files();
    assert!(table(&files).len() > 50, "the table is not found");
    crate::assert_tidy(
        "a code without an entry in the table of codes (node/src/codes)",
        findings(&files),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_an_entry_fails_and_an_entry_without_a_code_too() {
        let files = [
            File::new(
                "node/src/codes/commands.rs",
                "const C: &[Code] = &[code(\"usage\", \"m\", \"r\"), code(\"vain\", \"m\", \"r\")];",
            ),
            File::new(
                "node/src/cli/a.rs",
                "Failure::new(exit::USAGE, \"usage\", s); (exit::DATA, \"lost\"); // exit::X, \"comment\"\n\
                 Finding::warn(\"seen\", s, f); expiry(\"ends\", w); Peer { code: \"FR\".into() }",
            ),
            File::new(
                "node/src/api/b.rs",
                "Problem { code: \"told\".to_owned() }; (\"paired\", 75)",
            ),
            File::new(
                "node/core/src/refusal.rs",
                "fn code(&self) { match self { A => { \"refused\" } } } enum E { #[error(\"no code\")] B }",
            ),
            File::new("node/core/src/other.rs", "fn code(&self) { \"elsewhere\" }"),
        ];
        assert_eq!(
            findings(&files),
            [
                "node/src/cli/a.rs:2: code `ends` is not in node/src/codes/",
                "node/src/cli/a.rs:1: code `lost` is not in node/src/codes/",
                "node/src/api/b.rs:1: code `paired` is not in node/src/codes/",
                "node/core/src/refusal.rs:1: code `refused` is not in node/src/codes/",
                "node/src/cli/a.rs:2: code `seen` is not in node/src/codes/",
                "node/src/api/b.rs:1: code `told` is not in node/src/codes/",
                "node/src/codes/: code `vain` is given nowhere",
            ]
        );
    }
}
