//! Replaces a small file as a whole: whoever reads it sees the old or the new one, also after a crash.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is added to the name of a file while its next version is written.
const SUFFIX: &str = ".tmp";

/// Puts `bytes` in place of the file at `path`, readable and writable by the owner only.
///
/// When it returns, the new file survives a loss of power. After an error the old or the new one is
/// there, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    // Left by a crash: it may be cut off, so it is never used, and it may be a secret, so it does not stay.
    match fs::remove_file(&temporary) {
        Ok(()) => tracing::warn!("removed the unfinished file `{}`", temporary.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }

    let written = write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Nothing more can be done if this fails too; the next call removes it.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // A crash before this leaves the old or the new file, and after it the new one.
    File::open(folder(path))?.sync_all()
}

fn write(temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(bytes)?;
    // Before the rename: otherwise a loss of power could leave the new name on an empty file.
    file.sync_all()
}

fn temporary(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|it| !it.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_and_nothing_else_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_leftover_is_removed_and_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(temporary(&path), b"half a key").unwrap();
        replace(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(!temporary(&path).exists());
    }

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert!(path.join("in the way").exists());
        assert!(!temporary(&path).exists());
        assert!(replace(&folder.path().join("no/such/folder"), b"new").is_err());
    }
}
