//! The register of erasures: rows that outlive the database.
//!
//! What was erased by law must not come back with an older copy of the database. So the row that says that it was
//! lies here too, in the folder of the opening keys, which has a backup of its own:
//!
//! ```text
//! FOLDER/<pseudonym of the row, in hexadecimal>.erased   the row as it lies in the database
//! ```
//!
//! A row is here before the database is touched: a crash in between leaves it here alone, and the next start finds
//! that the erasure is still to be carried out.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::vault::StorageKey;
use zeroize::Zeroizing;

use super::family::Family;
use super::key_file::{read_secret, write_secret};
use super::opening_keys::{OpeningKeyError, make_folder};
use super::row::{self, Keys};
use super::rows::{KeyValue, Store, WriteError, unsealed};

/// How the name of a row's file ends.
pub(super) const SUFFIX: &str = ".erased";

/// The family that the rows belong to.
const FAMILY: Family = Family::Notice;

/// All rows of the register, by their plain keys.
pub(super) struct Register {
    folder: PathBuf,
    rows: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
}

impl Register {
    /// Reads the register in `folder`, which need not exist yet.
    ///
    /// # Errors
    /// [`OpeningKeyError::Io`], [`OpeningKeyError::Read`]; [`OpeningKeyError::Malformed`] for a row that was not sealed
    /// under this storage key for its place.
    pub fn open(folder: &Path, storage: &StorageKey) -> Result<Self, OpeningKeyError> {
        let mut register = Self {
            folder: folder.into(),
            rows: BTreeMap::new(),
        };
        let failed = |source| OpeningKeyError::Io {
            path: folder.into(),
            source,
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(register),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.and_then(|name| name.strip_suffix(SUFFIX)) {
                let sealed = read_secret(&path)?;
                let row_key = unhex(name).unwrap_or_default();
                let opened = row::open(keys(storage), FAMILY, &row_key, &sealed);
                let (key, value) = opened.map_err(|_| OpeningKeyError::Malformed { path })?;
                register.rows.insert(key, value);
            }
        }
        Ok(register)
    }

    /// Takes a row in, unless it is here. When it returns, the row survives a loss of power.
    ///
    /// # Errors
    /// [`WriteError::Seal`], [`WriteError::OpeningKeys`].
    pub fn note(&mut self, storage: &StorageKey, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
        if self.rows.contains_key(key) {
            return Ok(());
        }
        let row = row::seal(keys(storage), FAMILY, key, value).map_err(|source| unsealed(FAMILY, source))?;
        make_folder(&self.folder).map_err(|source| OpeningKeyError::Io {
            path: self.folder.clone(),
            source,
        })?;
        let path = self.folder.join(format!("{}{SUFFIX}", hex(&row.key)));
        write_secret(&path, &row.sealed).map_err(OpeningKeyError::from)?;
        self.rows.insert(key.to_vec(), Zeroizing::new(value.to_vec()));
        Ok(())
    }

    /// Every row, by its plain key.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

impl Store {
    /// Takes the rows of erasures into the register, before the database is touched. When it returns, they survive a
    /// loss of power.
    ///
    /// # Errors
    /// [`WriteError::Seal`]; [`WriteError::OpeningKeys`], which is final.
    pub fn register_erasures<'a>(
        &self,
        rows: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), WriteError> {
        let mut register = self.register();
        rows.into_iter()
            .try_for_each(|(key, value)| register.note(self.storage_key(), key, value))
    }

    /// The rows of all erasures that this hub ever carried out, whatever the database knows of them.
    #[must_use]
    pub fn registered_erasures(&self) -> Vec<KeyValue> {
        let register = self.register();
        let rows = register.rows();
        rows.map(|(key, value)| (key.to_vec(), Zeroizing::new(value.to_vec())))
            .collect()
    }
}

fn keys(storage: &StorageKey) -> Keys<'_> {
    Keys {
        storage,
        value: storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> StorageKey {
        StorageKey::from_bytes([7; 32])
    }

    fn found(register: &Register) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = register.rows();
        rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    #[test]
    fn rows_outlive_the_process_and_do_not_name_what_they_are_about() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = Register::open(&folder.path().join("none yet"), &storage()).unwrap();
        assert_eq!(found(&register), []);
        register.folder = folder.path().into();
        register.note(&storage(), b"xCANARY", b"BASIS").unwrap();
        register.note(&storage(), b"xCANARY", b"another").unwrap();
        let expected = [(b"xCANARY".to_vec(), b"BASIS".to_vec())];
        assert_eq!(found(&register), expected);
        assert_eq!(
            found(&Register::open(folder.path(), &storage()).unwrap()),
            expected
        );
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mut bytes = entry.file_name().into_encoded_bytes();
            bytes.extend(fs::read(entry.path()).unwrap());
            assert!(
                !bytes
                    .windows(5)
                    .any(|window| window == b"CANAR" || window == b"BASIS")
            );
        }
    }

    #[test]
    fn a_row_that_is_altered_moved_or_of_another_hub_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = Register::open(folder.path(), &storage()).unwrap();
        register.note(&storage(), b"x1", b"one").unwrap();
        let refused = |key: &StorageKey| {
            let refused = Register::open(folder.path(), key).map(|_| ()).unwrap_err();
            matches!(refused, OpeningKeyError::Malformed { .. })
        };
        assert!(refused(&StorageKey::from_bytes([8; 32])));
        let path = fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let whole = fs::read(&path).unwrap();
        let mut altered = whole.clone();
        altered[30] ^= 1;
        fs::write(&path, &altered).unwrap();
        assert!(refused(&storage()));
        fs::write(&path, &whole).unwrap();
        assert!(!refuses(folder.path()));
        fs::rename(&path, folder.path().join(format!("{}{SUFFIX}", "00".repeat(32)))).unwrap();
        assert!(refused(&storage()));
    }

    fn refuses(folder: &Path) -> bool {
        Register::open(folder, &storage()).is_err()
    }
}
