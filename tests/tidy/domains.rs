//! Every domain that the source separates signatures, hashes and commitments by is in the register of `docs/spec`.

use std::collections::BTreeSet;

use crate::repository::File;
use crate::tokens::{self, Kind};

const REGISTER: &str = "docs/spec/README.md";

/// What all our domains begin with.
const PROJECT: &str = "testudo/";

/// `testudo/<purpose>/v<n>` at the start of a text; nothing for other texts that begin alike.
fn domain(text: &str) -> Option<&str> {
    let is_in_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '/' | '-');
    let end = text.find(|c| !is_in_domain(c)).unwrap_or(text.len());
    let (purpose, version) = text[..end].rsplit_once("/v")?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    (is_version && purpose.len() > PROJECT.len()).then_some(&text[..end])
}

/// The domains in the strings of the crates' own source, tests left out.
fn used(files: &[File]) -> BTreeSet<&str> {
    let is_test =
        |path: &str| path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let mut found = BTreeSet::new();
    for file in files
        .iter()
        .filter(|file| file.has_extension("rs") && !is_test(&file.path))
    {
        for token in tokens::tokens(&file.text)
            .iter()
            .filter(|token| token.kind == Kind::Quoted)
        {
            let text = token.text.trim_start_matches(['b', 'c', 'r', '#', '"']);
            found.extend(text.starts_with(PROJECT).then(|| domain(text)).flatten());
        }
    }
    found
}

/// The domains with a row in the register: a line that begins with the domain in a table's first cell.
fn registered(register: &str) -> BTreeSet<&str> {
    register
        .lines()
        .filter_map(|line| domain(line.strip_prefix("| `")?))
        .collect()
}

fn unregistered(files: &[File]) -> Vec<String> {
    let register = files.iter().find(|file| file.path == REGISTER);
    let Some(register) = register else {
        return vec![format!("{REGISTER} is missing")];
    };
    let registered = registered(&register.text);
    used(files)
        .into_iter()
        .filter(|domain| !registered.contains(domain))
        .map(|domain| format!("`{domain}` is not registered"))
        .collect()
}

#[test]
fn every_domain_is_registered() {
    crate::assert_tidy(REGISTER, unregistered(&crate::repository::files()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_not_registered_fails() {
        let source = "const A: &[u8] = b\"testudo/one/v1\\0\"; // testudo/comment/v1\n\
                      const B: &str = \"testudo/two/v2\"; f(\"testudo/three\");";
        let files = [
            File::new(REGISTER, "| `testudo/one/v1` | x |\ntestudo/two/v2 in passing\n"),
            File::new("crypto/src/a.rs", source),
            File::new("tests/simulation/a.rs", "const C: &str = \"testudo/other/v1\";"),
        ];
        assert_eq!(unregistered(&files), ["`testudo/two/v2` is not registered"]);
    }
}
