//! A folder of vectors of which every file must be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::report::{Report, Setting};

/// Files beside the vectors that say where they come from.
const PAPERS: [&str; 3] = ["LICENSE", "SOURCE.txt", "README.upstream.md"];

/// A folder below `vectors/`, and which of its files nobody has read yet.
pub struct Vectors {
    folder: PathBuf,
    unread: BTreeSet<String>,
}

impl Vectors {
    /// Lists a folder.
    pub fn open(setting: &Setting, name: &str) -> Result<Self, String> {
        let folder = setting.shared.join("vectors").join(name);
        let mut unread = BTreeSet::new();
        list(&folder, "", &mut unread)?;
        unread.retain(|file| !PAPERS.contains(&file.as_str()));
        Ok(Self { folder, unread })
    }

    /// Fails the suite if the folder does not hold all the files that its source has.
    pub fn expect_files(&self, report: &mut Report, files: usize) {
        if self.unread.len() != files {
            report.fail(format!("{} files found, {files} expected", self.unread.len()));
        }
    }

    /// The unread files below `prefix`, in order; names are relative to the folder.
    pub fn below(&self, prefix: &str) -> Vec<String> {
        self.unread
            .iter()
            .filter(|file| file.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Reads one file.
    pub fn read(&mut self, file: &str) -> Result<Vec<u8>, String> {
        self.unread.remove(file);
        fs::read(self.folder.join(file)).map_err(|error| format!("{file}: {error}"))
    }

    /// Reads one file as JSON.
    pub fn read_json(&mut self, file: &str) -> Result<Value, String> {
        let bytes = self.read(file)?;
        serde_json::from_slice(&bytes).map_err(|error| format!("{file}: {error}"))
    }

    /// Passes over a file that is no vector, such as a server's own state.
    pub fn pass_over(&mut self, file: &str) {
        self.unread.remove(file);
    }

    /// Lists vectors that are not run, each with the reason.
    pub fn set_aside(&mut self, report: &mut Report, files: &[(&str, &str)]) {
        for (file, reason) in files {
            let was_there = self.unread.remove(*file);
            report.deviate(*file, reason, was_there);
        }
    }

    /// Fails the suite for each file that was neither read nor set aside.
    pub fn finish(self, report: &mut Report) {
        for file in self.unread {
            report.fail(format!("{file}: was not read"));
        }
    }
}

fn list(folder: &Path, prefix: &str, files: &mut BTreeSet<String>) -> Result<(), String> {
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(problem)? {
        let entry = entry.map_err(problem)?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| format!("{name:?}: not UTF-8"))?;
        let name = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        if entry.file_type().map_err(problem)?.is_dir() {
            list(&entry.path(), &name, files)?;
        } else {
            files.insert(name);
        }
    }
    Ok(())
}
