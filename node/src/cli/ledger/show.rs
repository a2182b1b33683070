//! `testudo ledger show`: every entry, in ids and hashes, and what was erased, when and on what basis.

use std::collections::BTreeMap;

use serde::Serialize;
use testudo_protocol::ledger::Entry;

use super::document::StoredLedger;
use crate::cli::outcome::Answer;

/// One entry for people and tools.
#[derive(Serialize)]
struct Line {
    index: u64,
    kind: &'static str,
    /// When, in milliseconds since 1970; absent where only the leaf is left.
    time: Option<u64>,
    /// How many members stand behind it: `quorum`, how many of how many, or `ledger-pending`.
    grade: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<Erasure>,
}

/// What a later entry says about one that cannot be read any more.
#[derive(Clone, Serialize)]
struct Erasure {
    /// When, in milliseconds since 1970.
    time: u64,
    /// By which hub's operators.
    by: String,
    /// The code that was given.
    basis: String,
    /// The entry that says so.
    entry: u64,
}

pub(super) fn show(ledger: &StoredLedger, all: bool) -> Answer {
    let entries: BTreeMap<u64, (u64, Entry)> = ledger
        .entries()
        .map(|(index, time, entry)| (index, (time, entry)))
        .collect();
    let by = ledger.vkey.name().rsplit('/').next().unwrap_or_default();
    let mut erasures = BTreeMap::new();
    for (at, (time, entry)) in &entries {
        if let Entry::Erased { entries, basis, .. } = entry {
            let erasure = Erasure {
                time: *time,
                by: by.to_owned(),
                basis: basis.to_string(),
                entry: *at,
            };
            erasures.extend(entries.iter().map(|index| (*index, erasure.clone())));
        }
    }
    let lines: Vec<Line> = (0..ledger.leaves.len() as u64)
        .map(|index| match entries.get(&index) {
            Some((time, entry)) => Line {
                index,
                kind: entry.kind(),
                time: Some(*time),
                grade: ledger.grade_of(index),
                entry: Some(entry.clone()),
                erased: None,
            },
            None => {
                let erased = erasures.get(&index).cloned();
                let kind = if erased.is_some() {
                    "(erased)"
                } else {
                    "(unreadable)"
                };
                Line {
                    index,
                    kind,
                    time: None,
                    grade: ledger.grade_of(index),
                    entry: None,
                    erased,
                }
            }
        })
        .filter(|line| all || line.kind != "filler")
        .collect();
    let text: String = lines.iter().map(line_text).collect();
    Answer::of(&lines, text)
}

fn line_text(line: &Line) -> String {
    let mut text = format!("{:>8} {:<14} {:<14}", line.index, line.grade, line.kind);
    if let Some(time) = line.time {
        text.push_str(&format!(" {time}"));
    }
    if let Some(entry) = &line.entry {
        let said = serde_json::to_string(entry).unwrap_or_default();
        text.push_str(&format!(" {said}"));
    }
    if let Some(Erasure {
        time,
        by,
        basis,
        entry,
    }) = &line.erased
    {
        text.push_str(&format!(" at {time} by {by}, basis {basis}, says entry {entry}"));
    }
    text.push('\n');
    text
}
