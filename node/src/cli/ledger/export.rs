//! `testudo ledger export`: the ledger as a folder of files that public tools read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use testudo_protocol::ledger::{self, CHECKPOINT_FILE, ExportedFile, write_openings};

use super::document::StoredLedger;
use crate::cli::outcome::{Answer, Failure, chain, exit};

/// What was written.
#[derive(Serialize)]
struct Exported {
    /// Entries under the checkpoint.
    entries: u64,
    /// Files written, the openings not counted.
    files: usize,
    /// Openings written.
    openings: usize,
}

/// Writes the folder, and the openings to a file of their own if asked.
pub(super) fn export(
    ledger: &StoredLedger,
    folder: &Path,
    openings: Option<&Path>,
) -> Result<Answer, Failure> {
    let note = ledger.to_hand_out().ok_or_else(super::no_checkpoint)?;
    let checkpoint = super::document::checkpoint_by(note, &ledger.vkey)
        .map_err(|sentence| Failure::new(exit::DATA, "ledger", sentence))?;
    let files = ledger::export(&ledger.leaves, note, &ledger.vkey, &ledger.cosigners)
        .map_err(|error| Failure::new(exit::DATA, "ledger", chain(&error)))?;
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let sentence = format!(
            "`{}` is not empty; choose an empty folder or a new one",
            folder.display()
        );
        return Err(Failure::new(exit::CANNOT_CREATE, "folder-not-empty", sentence));
    }
    write_files(folder, &files).map_err(|(path, error)| unwritable(&path, &error))?;
    let covered = checkpoint.size.get();
    let shown: std::collections::BTreeMap<u64, Vec<u8>> = ledger
        .openings
        .range(..covered)
        .map(|(index, opening)| (*index, opening.clone()))
        .collect();
    if let Some(path) = openings {
        write_private(path, write_openings(&shown).as_bytes()).map_err(|error| unwritable(path, &error))?;
    }
    let exported = Exported {
        entries: covered,
        files: files.len(),
        openings: if openings.is_some() { shown.len() } else { 0 },
    };
    let text = format!("{} entries in {} files", exported.entries, exported.files);
    Ok(Answer::of(&exported, text))
}

/// The checkpoint comes last: a folder that has one is whole.
fn write_files(folder: &Path, files: &[ExportedFile]) -> Result<(), (PathBuf, std::io::Error)> {
    let (last, first): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path == CHECKPOINT_FILE);
    for (path, bytes) in first.into_iter().chain(last) {
        let path = folder.join(path);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(&path, bytes)
        };
        write().map_err(|error| (path.clone(), error))?;
    }
    Ok(())
}

/// Openings say what the hub did: a file for its owner only, never written over another.
pub(in crate::cli) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(in crate::cli) fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let sentence = format!("`{}` cannot be written: {error}", path.display());
    Failure::new(exit::CANNOT_CREATE, "file", sentence)
}
