//! Secret files: read and written for their owner only.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testudo_protocol::fault::Fault;
use thiserror::Error;
use zeroize::Zeroizing;

use super::replace::replace;

/// Longest secret file, in bytes: several times the largest post-quantum key.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Why a secret was not written. The old file is still there, or the new one is, whole.
#[derive(Debug, Error)]
pub enum WriteSecretError {
    /// The system refused.
    #[error("cannot write secret file `{}`, check its folder and the free space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It would not be read back.
    #[error("secret file `{}` would have {found} bytes, expected at most {SECRET_BYTES_MAX}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
}

impl WriteSecretError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            WriteSecretError::Io { .. } => Fault::Environment,
            WriteSecretError::TooLong { .. } => Fault::Ours,
        }
    }
}

/// Why a secret was not read.
#[derive(Debug, Error)]
pub enum ReadSecretError {
    /// There is no such file.
    #[error("secret file `{}` does not exist, restore it from its backup", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read or change it.
    #[error("secret file `{0}` has mode {mode:04o}, others can reach it, run: chmod 600 {0}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is a folder, a pipe or a device.
    #[error("secret file `{}` is not a regular file, name the file itself", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It is longer than any secret.
    #[error("secret file `{}` has {found} bytes, expected at most {SECRET_BYTES_MAX}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
    },
    /// The system refused.
    #[error("cannot read secret file `{}`, check that it belongs to the user of the hub", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ReadSecretError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Operator
    }
}

/// Writes a secret file with mode 0600, in place of the one that is there.
///
/// When it returns, the file survives a loss of power. A crash in the middle leaves the old file, and
/// perhaps an unfinished `.tmp` beside it, which the next call removes.
///
/// # Errors
/// [`WriteSecretError`].
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), WriteSecretError> {
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(WriteSecretError::TooLong {
            path: path.into(),
            found: bytes.len(),
        });
    }
    replace(path, bytes).map_err(|source| WriteSecretError::Io {
        path: path.into(),
        source,
    })
}

/// Reads a secret file that only its owner can reach.
///
/// A symbolic link is followed; what counts are the permissions of the file at its end.
///
/// # Errors
/// [`ReadSecretError`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadSecretError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadSecretError::Missing { path: path.into() },
        _ => ReadSecretError::Io {
            path: path.into(),
            source,
        },
    };
    // Asked by name first, because opening a pipe waits for somebody at its other end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReadSecretError::NotAFile { path: path.into() });
    }
    let mut file = File::open(path).map_err(failed)?;
    // Of the open file and not of the name again, which may lead elsewhere by now.
    let about = file.metadata().map_err(failed)?;
    let mode = about.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(ReadSecretError::Exposed {
            path: path.into(),
            mode,
        });
    }
    if about.len() > SECRET_BYTES_MAX {
        return Err(ReadSecretError::TooLong {
            path: path.into(),
            found: about.len(),
        });
    }
    // The whole length at once: a buffer that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(vec![0; about.len() as usize]);
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn secrets_are_read_as_written_and_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storage.key");
        for secret in [&b"first"[..], b"", &[0; SECRET_BYTES_MAX as usize]] {
            write_secret(&path, secret).unwrap();
            assert_eq!(read_secret(&path).unwrap().as_slice(), secret);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(read_secret(&link).is_ok());
    }

    #[test]
    fn an_exposed_secret_is_refused_with_the_line_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storage.key");
        for mode in [0o640, 0o604, 0o660, 0o777, 0o610, 0o602] {
            write_secret(&path, b"CANARY").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read_secret(&path).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, ReadSecretError::Exposed { .. }), "{error:?}");
            assert!(
                message.ends_with(&format!("chmod 600 {}", path.display())),
                "{message}"
            );
            assert!(
                message.contains(&format!("{mode:04o}")) && !message.contains("CANARY"),
                "{message}"
            );
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(read_secret(&path).is_ok());
        }
    }

    #[test]
    fn what_is_no_secret_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storage.key");
        assert!(matches!(read_secret(&path), Err(ReadSecretError::Missing { .. })));
        assert!(matches!(
            read_secret(folder.path()),
            Err(ReadSecretError::NotAFile { .. })
        ));
        let long = vec![0; SECRET_BYTES_MAX as usize + 1];
        assert!(matches!(
            write_secret(&path, &long),
            Err(WriteSecretError::TooLong { .. })
        ));
        assert!(!path.exists());
        replace(&path, &long).unwrap();
        assert!(matches!(read_secret(&path), Err(ReadSecretError::TooLong { .. })));
        let nowhere = folder.path().join("no/folder/key");
        assert!(matches!(
            write_secret(&nowhere, b"x"),
            Err(WriteSecretError::Io { .. })
        ));
    }
}
