//! Files below a folder.

use std::io;
use std::path::{Path, PathBuf};

/// How many folders deep files are looked for.
const DEPTH_MAX: usize = 8;

/// Every file below `root` with this extension, sorted by path.
///
/// # Errors
/// The folder that cannot be read, and why.
pub(super) fn files(root: &Path, extension: &str) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut found = Vec::new();
    descend(root, extension, DEPTH_MAX, &mut found)?;
    found.sort();
    Ok(found)
}

fn descend(
    folder: &Path,
    extension: &str,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // A link could lead anywhere, also back here: it is not followed.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            descend(&path, extension, depth - 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(())
}
