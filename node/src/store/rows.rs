//! Writing and reading rows.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::{ColumnFamily, DB, IteratorMode, ReadOptions, WriteBatch};
use testudo_crypto::vault::{StorageKey, VaultError};
use testudo_protocol::fault::Fault;
use thiserror::Error;
use zeroize::Zeroizing;

use super::change::{Change, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::family::Family;
use super::lock::Lock;
use super::{options, row};

/// The open database of one hub. Cheap to clone; all clones are one database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    // Order matters: the database is closed before the lock is given up.
    db: DB,
    key: StorageKey,
    folder: PathBuf,
    /// Set by the first failed write and never cleared.
    stopped: AtomicBool,
    _lock: Lock,
}

/// A plain key and its value, which is wiped when dropped.
pub type KeyValue = (Vec<u8>, Zeroizing<Vec<u8>>);

/// Why a write did not happen.
///
/// [`WriteError::Storage`] and [`WriteError::Stopped`] are final: do not retry, acknowledge nothing more,
/// end the process. Whether the changes are on disk is not known before the next start; they are there
/// all or not at all. After the other variants nothing was written and the store works on.
#[derive(Debug, Error)]
pub enum WriteError {
    /// RocksDB failed: a full or broken disk.
    #[error("the database cannot be written, stop the hub, look at the disk and start again")]
    Storage(#[source] rocksdb::Error),
    /// An earlier write failed.
    #[error("an earlier write to the database failed, stop the hub, look at the disk and start again")]
    Stopped,
    /// A key or value is longer than allowed.
    #[error("a row of `{family}` has a {part} of {found} bytes, expected at most {max}")]
    TooLong {
        /// Name of the family.
        family: &'static str,
        /// `key` or `value`.
        part: &'static str,
        /// Length in bytes.
        found: usize,
        /// Limit in bytes.
        max: usize,
    },
    /// The value could not be sealed.
    #[error("a row of `{family}` cannot be sealed")]
    Seal {
        /// Name of the family.
        family: &'static str,
        /// Why.
        source: VaultError,
    },
    /// The database was opened without this family.
    #[error("the database has no family `{family}`")]
    NoFamily {
        /// Name of the family.
        family: &'static str,
    },
}

impl WriteError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            WriteError::Storage(_) | WriteError::Stopped => Fault::Environment,
            WriteError::TooLong { .. } | WriteError::Seal { .. } | WriteError::NoFamily { .. } => Fault::Ours,
        }
    }

    /// Whether the process has to end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, WriteError::Storage(_) | WriteError::Stopped)
    }
}

/// Why a row could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// RocksDB failed, or found a checksum that does not fit.
    #[error(
        "family `{family}` of the database cannot be read, look at the disk or restore with `testudo restore`"
    )]
    Storage {
        /// Name of the family.
        family: &'static str,
        /// What RocksDB said.
        source: rocksdb::Error,
    },
    /// The row does not open: altered, or sealed in another place or under another key. Nothing of it
    /// was given out. Whoever knows which item it is can fetch it again from its originator.
    #[error(
        "row {row} of `{family}` is damaged and does not open, fetch it again or restore with `testudo restore`"
    )]
    Damaged {
        /// Name of the family.
        family: &'static str,
        /// First half of the row key, in hexadecimal; a pseudonym.
        row: String,
    },
    /// The database was opened without this family.
    #[error("the database has no family `{family}`")]
    NoFamily {
        /// Name of the family.
        family: &'static str,
    },
}

impl ReadError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            ReadError::Storage { .. } | ReadError::Damaged { .. } => Fault::Environment,
            ReadError::NoFamily { .. } => Fault::Ours,
        }
    }
}

impl Store {
    pub(super) fn new(db: DB, key: StorageKey, folder: PathBuf, lock: Lock) -> Store {
        let inner = Inner {
            db,
            key,
            folder,
            stopped: AtomicBool::new(false),
            _lock: lock,
        };
        Store {
            inner: Arc::new(inner),
        }
    }

    /// The folder that was opened.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Makes all changes or none, in order; they are on stable storage when this returns.
    ///
    /// A crash during the call leaves all or none; whoever waits for the result has acknowledged nothing.
    ///
    /// # Errors
    /// See [`WriteError`] for which of them end the process.
    pub fn write(&self, changes: &[Change]) -> Result<(), WriteError> {
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put { family, key, value } => {
                    check_length(*family, "key", key.len(), KEY_BYTES_MAX)?;
                    check_length(*family, "value", value.len(), VALUE_BYTES_MAX)?;
                    let row = row::seal(&self.inner.key, *family, key, value).map_err(|source| {
                        WriteError::Seal {
                            family: family.name(),
                            source,
                        }
                    })?;
                    batch.put_cf(self.handle_to_write(*family)?, row.key, row.sealed);
                }
                Change::Delete { family, key } => {
                    check_length(*family, "key", key.len(), KEY_BYTES_MAX)?;
                    batch.delete_cf(self.handle_to_write(*family)?, self.row_key(*family, key));
                }
            }
        }
        self.stop_on_error(|db| db.write_opt(batch, &options::durable()))
    }

    /// The value of one row, or none if there is no such row.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
        let row_key = self.row_key(family, key);
        let found = self.inner.db.get_pinned_cf(self.handle(family)?, row_key);
        match found.map_err(|source| unreadable(family, source))? {
            Some(sealed) => self
                .open_row(family, &row_key, &sealed)
                .map(|(_, value)| Some(value)),
            None => Ok(None),
        }
    }

    /// All rows of a family, sorted by plain key. Holds all of them in memory: for small families.
    ///
    /// # Errors
    /// [`ReadError`]; one damaged row is enough.
    pub fn scan(&self, family: Family) -> Result<Vec<KeyValue>, ReadError> {
        let mut rows = Vec::new();
        self.visit(family, |key, value| {
            rows.push((key, value));
            ControlFlow::Continue(())
        })?;
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(rows)
    }

    /// Shows every row of a family to `act`, one at a time and in no useful order, until it breaks off.
    ///
    /// Sees the rows of one moment. Old values stay on disk at least as long as this runs.
    ///
    /// # Errors
    /// [`ReadError`]; rows before it have been shown.
    pub fn visit(
        &self,
        family: Family,
        mut act: impl FnMut(Vec<u8>, Zeroizing<Vec<u8>>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        for found in self
            .inner
            .db
            .iterator_cf_opt(self.handle(family)?, passing(), IteratorMode::Start)
        {
            let (row_key, sealed) = found.map_err(|source| unreadable(family, source))?;
            let (key, value) = self.open_row(family, &row_key, &sealed)?;
            if act(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The exact number of rows of a family. Takes time in proportion to it, and opens none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn count(&self, family: Family) -> Result<u64, ReadError> {
        let mut count = 0;
        for found in self
            .inner
            .db
            .iterator_cf_opt(self.handle(family)?, passing(), IteratorMode::Start)
        {
            found.map_err(|source| unreadable(family, source))?;
            count += 1;
        }
        Ok(count)
    }

    /// Does something that changes files, unless an earlier one failed. A failure is the last.
    pub(super) fn stop_on_error(
        &self,
        act: impl FnOnce(&DB) -> Result<(), rocksdb::Error>,
    ) -> Result<(), WriteError> {
        if self.inner.stopped.load(Ordering::SeqCst) {
            return Err(WriteError::Stopped);
        }
        act(&self.inner.db).map_err(|error| {
            // No second try: after a failed fsync the kernel may have dropped the pages and report success.
            self.inner.stopped.store(true, Ordering::SeqCst);
            WriteError::Storage(error)
        })
    }

    pub(super) fn row_key(&self, family: Family, key: &[u8]) -> [u8; 32] {
        self.inner.key.row_key(family.name(), key)
    }

    pub(super) fn handle_to_write(&self, family: Family) -> Result<&ColumnFamily, WriteError> {
        self.inner
            .db
            .cf_handle(family.name())
            .ok_or(WriteError::NoFamily {
                family: family.name(),
            })
    }

    fn handle(&self, family: Family) -> Result<&ColumnFamily, ReadError> {
        self.inner.db.cf_handle(family.name()).ok_or(ReadError::NoFamily {
            family: family.name(),
        })
    }

    fn open_row(&self, family: Family, row_key: &[u8], sealed: &[u8]) -> Result<KeyValue, ReadError> {
        row::open(&self.inner.key, family, row_key, sealed).map_err(|row::Damaged| ReadError::Damaged {
            family: family.name(),
            row: row_key
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.inner.folder.display())
    }
}

pub(super) fn check_length(
    family: Family,
    part: &'static str,
    found: usize,
    max: usize,
) -> Result<(), WriteError> {
    if found > max {
        return Err(WriteError::TooLong {
            family: family.name(),
            part,
            found,
            max,
        });
    }
    Ok(())
}

fn unreadable(family: Family, source: rocksdb::Error) -> ReadError {
    ReadError::Storage {
        family: family.name(),
        source,
    }
}

/// For reading a whole family: it should not push everything else out of the cache.
fn passing() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options
}

#[cfg(test)]
impl Store {
    pub(super) fn db(&self) -> &DB {
        &self.inner.db
    }
}
