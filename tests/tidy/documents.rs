//! Decision records with one number each and the house form, a table of contents that lists every page of the book,
//! and links that lead somewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::File;

const BOOK: &str = "docs/";
const CONTENTS: &str = "docs/SUMMARY.md";
const RECORDS: &str = "docs/adr/";

/// What a decision record holds, in this order.
const RECORD_PARTS: [&str; 7] = [
    "\n- Status: ",
    "\n- Date: ",
    "\n## Context\n",
    "\n## Decision\n",
    "\n## Consequences\n",
    "\n## Rejected\n",
    "\n## Revisit when\n",
];

/// The files `docs/adr/NNNN-name-of-decision.md`.
fn records(files: &[File]) -> impl Iterator<Item = (&File, &str)> {
    files.iter().filter_map(|file| {
        let name = file.path.strip_prefix(RECORDS)?;
        (name != "README.md").then_some((file, name))
    })
}

/// One line for each record whose name has no number of four digits, or one that another has too.
fn wrong_numbers(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut taken = BTreeMap::new();
    for (file, name) in records(files) {
        let number = name.split('-').next().unwrap_or(name);
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) || !name.ends_with(".md") {
            findings.push(format!("{}: not of the form 0007-name-of-decision.md", file.path));
        } else if let Some(other) = taken.insert(number, &file.path) {
            findings.push(format!("{}: number {number} is taken by {other}", file.path));
        }
    }
    findings
}

/// One line for each record that lacks a part, or has it in the wrong place.
fn wrong_forms(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, _) in records(files) {
        let mut rest = file.text.as_str();
        for part in RECORD_PARTS {
            match rest.find(part) {
                // The last newline of one part may be the first of the next.
                Some(at) => rest = &rest[at + part.len() - 1..],
                None => findings.push(format!(
                    "{}: `{}` is missing or out of order",
                    file.path,
                    part.trim()
                )),
            }
        }
    }
    findings
}

/// A link out of a document: where it stands and what it names, as written.
struct Link<'a> {
    line: usize,
    target: &'a str,
}

/// The links of a Markdown text to other files or to headings; those to the web and those in code are left out.
fn links(markdown: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    for (line, text) in prose(markdown) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("](") {
            let target = after.split([')', ' ']).next().unwrap_or(after);
            // An odd number of backticks before it: inside a code span.
            let in_code = text[..text.len() - rest.len() + before.len()]
                .matches('`')
                .count()
                % 2
                == 1;
            if !in_code && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(Link { line, target });
            }
            rest = after;
        }
    }
    found
}

/// The numbered lines of a Markdown text outside of fenced code.
fn prose(markdown: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_fence = false;
    markdown.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        (!in_fence && !is_fence).then_some((at + 1, line))
    })
}

/// The anchors of a Markdown text, as hosts and mdBook make them from headings.
fn anchors(markdown: &str) -> BTreeSet<String> {
    prose(markdown)
        .filter_map(|(_, line)| line.strip_prefix('#'))
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The path that `target` names, seen from the file at `from`; nothing if it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// One line for each link whose file, folder or heading is not there, or that leads out of the book.
fn broken_links(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        for Link { line, target } in links(&file.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let named = if path.is_empty() {
                Some(file.path.clone())
            } else {
                resolve(&file.path, path)
            };
            let Some(named) = named else {
                findings.push(format!("{}:{line}: `{target}` leaves the repository", file.path));
                continue;
            };
            if file.path.starts_with(BOOK) && !named.starts_with(BOOK) {
                findings.push(format!("{}:{line}: `{target}` leaves the book", file.path));
            }
            let folder = format!("{named}/");
            match files.iter().find(|other| other.path == named) {
                Some(other) if !anchor.is_empty() && !anchors(&other.text).contains(anchor) => {
                    findings.push(format!("{}:{line}: `{target}` names no heading", file.path));
                }
                None if !files.iter().any(|other| other.path.starts_with(&folder)) => {
                    findings.push(format!("{}:{line}: `{target}` is not there", file.path));
                }
                _ => {}
            }
        }
    }
    findings
}

/// One line for each page of the book that the table of contents does not list.
fn unlisted_pages(files: &[File]) -> Vec<String> {
    let contents = files.iter().find(|file| file.path == CONTENTS);
    let Some(contents) = contents else {
        return vec![format!("{CONTENTS} is missing")];
    };
    let listed: BTreeSet<String> = links(&contents.text)
        .iter()
        .filter_map(|link| resolve(CONTENTS, link.target))
        .collect();
    let is_page =
        |file: &&File| file.path.starts_with(BOOK) && file.has_extension("md") && file.path != CONTENTS;
    files
        .iter()
        .filter(is_page)
        .filter(|file| !listed.contains(&file.path))
        .map(|file| format!("{} is not listed in {CONTENTS}", file.path))
        .collect()
}

#[test]
fn adr_numbers_are_unique() {
    crate::assert_tidy("decision records", wrong_numbers(&crate::repository::files()));
}

#[test]
fn adrs_have_the_house_form() {
    crate::assert_tidy("decision records", wrong_forms(&crate::repository::files()));
}

#[test]
fn summary_lists_every_page() {
    crate::assert_tidy("the book", unlisted_pages(&crate::repository::files()));
}

#[test]
fn documents_have_no_broken_links() {
    crate::assert_tidy("links", broken_links(&crate::repository::files()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_taken_twice_fails() {
        let files = [
            File::new("docs/adr/0001-one.md", ""),
            File::new("docs/adr/0001-two.md", ""),
            File::new("docs/adr/3-three.md", ""),
            File::new("docs/adr/README.md", ""),
        ];
        assert_eq!(
            wrong_numbers(&files),
            [
                "docs/adr/0001-two.md: number 0001 is taken by docs/adr/0001-one.md",
                "docs/adr/3-three.md: not of the form 0007-name-of-decision.md",
            ]
        );
    }

    #[test]
    fn a_record_without_its_parts_fails() {
        let whole = "# ADR\n\n- Status: accepted\n- Date: 2026-11-22\n\n## Context\n\nx\n\n## Decision\n\nx\n\n\
                     ## Consequences\n\nx\n\n## Rejected\n\nx\n\n## Revisit when\n\nx\n";
        assert!(wrong_forms(&[File::new("docs/adr/0001-a.md", whole)]).is_empty());
        let without = whole.replace("## Rejected\n", "");
        assert_eq!(
            wrong_forms(&[File::new("docs/adr/0001-a.md", &without)]),
            ["docs/adr/0001-a.md: `## Rejected` is missing or out of order"]
        );
    }

    #[test]
    fn a_broken_link_fails() {
        let files = [
            File::new(
                "README.md",
                "[a](docs/a.md#the-first-part) [b](docs) [c](docs/c.md) [d](#none)\n# Top",
            ),
            File::new(
                "docs/a.md",
                "# The *first* part\n`[x](y)` [r](../README.md) [w](https://example.org/x)\n```\n[z](z)\n```",
            ),
            File::new("docs/adr/e.md", "[up](../a.md) [away](../../../x)"),
        ];
        assert_eq!(
            broken_links(&files),
            [
                "README.md:1: `docs/c.md` is not there",
                "README.md:1: `#none` names no heading",
                "docs/a.md:2: `../README.md` leaves the book",
                "docs/adr/e.md:1: `../../../x` leaves the repository",
            ]
        );
    }

    #[test]
    fn a_page_that_is_not_listed_fails() {
        let files = [
            File::new(CONTENTS, "- [A](a.md)\n- [B](b/README.md)"),
            File::new("docs/a.md", ""),
            File::new("docs/b/README.md", ""),
            File::new("docs/c.md", ""),
        ];
        assert_eq!(
            unlisted_pages(&files),
            ["docs/c.md is not listed in docs/SUMMARY.md"]
        );
        assert_eq!(unlisted_pages(&files[1..]), ["docs/SUMMARY.md is missing"]);
    }
}
