//! Writing and reading rows.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::{ColumnFamily, DB, IteratorMode, ReadOptions, WriteBatch, WriteOptions};
use testudo_crypto::vault::{StorageKey, VaultError};
use testudo_protocol::fault::Fault;
use testudo_protocol::week::Week;
use thiserror::Error;
use zeroize::Zeroizing;

use super::change::{Change, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::family::Family;
use super::lock::Lock;
use super::opening_keys::{Found, KeyName, OpeningKeyError, OpeningKeys};
use super::register::Register;
use super::{options, row};

#[cfg(all(feature = "unsynced", not(debug_assertions)))]
compile_error!("the feature `unsynced` gives up durability and is for the test of a loss of power alone");

/// The open database of one hub. Cheap to clone; all clones are one database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    // Order matters: the database is closed before the lock is given up.
    db: DB,
    key: StorageKey,
    openings: Mutex<OpeningKeys>,
    register: Mutex<Register>,
    folder: PathBuf,
    /// Set by the first failed write and never cleared.
    stopped: AtomicBool,
    #[cfg(feature = "unsynced")]
    unsynced: AtomicBool,
    _lock: Lock,
}

/// A plain key and its value, which is wiped when dropped.
pub type KeyValue = (Vec<u8>, Zeroizing<Vec<u8>>);

/// A row key, and what is sealed in its row.
pub(super) type SealedRow = (Box<[u8]>, Box<[u8]>);

/// Why a write did not happen.
///
/// [`WriteError::Storage`], [`WriteError::OpeningKeys`] and [`WriteError::Stopped`] are final: do not retry, acknowledge nothing more,
/// end the process. Whether the changes are on disk is not known before the next start; they are there
/// all or not at all. After the other variants nothing was written and the store works on.
#[derive(Debug, Error)]
pub enum WriteError {
    /// RocksDB failed: a full or broken disk.
    #[error("the database cannot be written, stop the hub, look at the disk and start again")]
    Storage(#[source] rocksdb::Error),
    /// A key for openings could not be made or destroyed.
    #[error("openings of the ledger cannot be sealed")]
    OpeningKeys(#[from] OpeningKeyError),
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
            WriteError::OpeningKeys(error) => error.fault(),
            WriteError::TooLong { .. } | WriteError::Seal { .. } | WriteError::NoFamily { .. } => Fault::Ours,
        }
    }

    /// Whether the process has to end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            WriteError::Storage(_) | WriteError::OpeningKeys(_) | WriteError::Stopped
        )
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
    /// The key that an opening was sealed under is not there, and no erasure has destroyed it.
    #[error("opening key `{}` is missing, restore it from its backup", path.display())]
    NoOpeningKey {
        /// The file that should hold it.
        path: PathBuf,
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
            ReadError::NoOpeningKey { .. } => Fault::Operator,
            ReadError::NoFamily { .. } => Fault::Ours,
        }
    }
}

impl Store {
    pub(super) fn new(
        db: DB,
        key: StorageKey,
        (openings, register): (OpeningKeys, Register),
        folder: PathBuf,
        lock: Lock,
    ) -> Store {
        let inner = Inner {
            db,
            key,
            openings: Mutex::new(openings),
            register: Mutex::new(register),
            folder,
            stopped: AtomicBool::new(false),
            #[cfg(feature = "unsynced")]
            unsynced: AtomicBool::new(false),
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

    /// States which week it is: openings that are written from now on are sealed under its key.
    pub fn begin_week(&self, week: Week) {
        self.openings().begin_week(week);
    }

    /// Makes all changes or none, in order; they are on stable storage when this returns.
    ///
    /// A crash during the call leaves all or none; whoever waits for the result has acknowledged nothing.
    ///
    /// # Errors
    /// See [`WriteError`] for which of them end the process.
    pub fn write(&self, changes: &[Change]) -> Result<(), WriteError> {
        let mut batch = WriteBatch::default();
        self.collect(&mut batch, changes)?;
        self.commit(batch)
    }

    /// Seals changes into a batch. What they are sealed under is on stable storage when this returns.
    pub(super) fn collect(&self, batch: &mut WriteBatch, changes: &[Change]) -> Result<(), WriteError> {
        for change in changes {
            match change {
                Change::Put { family, key, value } => {
                    check_length(*family, "key", key.len(), KEY_BYTES_MAX)?;
                    check_length(*family, "value", value.len(), VALUE_BYTES_MAX)?;
                    let row = self.seal_row(*family, key, value)?;
                    batch.put_cf(self.handle_to_write(*family)?, row.key, row.sealed);
                }
                Change::Delete { family, key } => {
                    check_length(*family, "key", key.len(), KEY_BYTES_MAX)?;
                    batch.delete_cf(self.handle_to_write(*family)?, self.row_key(*family, key));
                }
            }
        }
        Ok(())
    }

    /// Writes a batch; it is on stable storage when this returns.
    pub(super) fn commit(&self, batch: WriteBatch) -> Result<(), WriteError> {
        self.stop_on_error(|db| db.write_opt(batch, &self.write_options()))
    }

    fn write_options(&self) -> WriteOptions {
        #[cfg(feature = "unsynced")]
        if self.inner.unsynced.load(Ordering::SeqCst) {
            return WriteOptions::default();
        }
        options::durable()
    }

    /// The same store, whose writes do not wait for the disk from now on: the control of the test that takes
    /// its power away.
    #[cfg(feature = "unsynced")]
    #[must_use]
    pub fn unsynced(self) -> Store {
        self.inner.unsynced.store(true, Ordering::SeqCst);
        self
    }

    fn seal_row(&self, family: Family, key: &[u8], value: &[u8]) -> Result<row::Row, WriteError> {
        let storage = &self.inner.key;
        if family != Family::Opening {
            let keys = row::Keys {
                storage,
                value: storage,
            };
            return row::seal(keys, family, key, value).map_err(|source| unsealed(family, source));
        }
        let mut openings = self.openings();
        let (name, value_key) = openings.current(storage)?;
        self.seal_opening(name, value_key, key, value)
    }

    /// The row of an opening, sealed under the key of this name.
    pub(super) fn seal_opening(
        &self,
        name: KeyName,
        value_key: &StorageKey,
        key: &[u8],
        value: &[u8],
    ) -> Result<row::Row, WriteError> {
        let keys = row::Keys {
            storage: &self.inner.key,
            value: value_key,
        };
        let mut row = row::seal(keys, Family::Opening, key, value)
            .map_err(|source| unsealed(Family::Opening, source))?;
        row.sealed = [name.to_bytes().as_slice(), &row.sealed].concat();
        Ok(row)
    }

    /// The keys of openings. Their state is whole also after a panic: each change of it is one step.
    pub(super) fn openings(&self) -> MutexGuard<'_, OpeningKeys> {
        self.inner.openings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The register of erasures. A row is in it only once its file is.
    pub(super) fn register(&self) -> MutexGuard<'_, Register> {
        self.inner.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn storage_key(&self) -> &StorageKey {
        &self.inner.key
    }

    /// The value of one row, or none if there is no such row. A row whose key an erasure has destroyed is a
    /// copy of what was erased, and counts as none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
        let row_key = self.row_key(family, key);
        let found = self.inner.db.get_pinned_cf(self.handle(family)?, row_key);
        match found.map_err(|source| unreadable(family, source))? {
            Some(sealed) => {
                let opened = self.open_row(family, &row_key, &sealed)?;
                Ok(opened.map(|(_, value)| value))
            }
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
            let Some((key, value)) = self.open_row(family, &row_key, &sealed)? else {
                continue;
            };
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

    /// Opens a row; none if an erasure has destroyed the key that it was sealed under.
    pub(super) fn open_row(
        &self,
        family: Family,
        row_key: &[u8],
        sealed: &[u8],
    ) -> Result<Option<KeyValue>, ReadError> {
        let storage = &self.inner.key;
        let open = |value: &StorageKey, sealed: &[u8]| {
            row::open(row::Keys { storage, value }, family, row_key, sealed)
                .map_err(|row::Damaged| damaged(family, row_key))
        };
        if family != Family::Opening {
            return open(storage, sealed).map(Some);
        }
        let (name, sealed) = KeyName::split(sealed).ok_or_else(|| damaged(family, row_key))?;
        let openings = self.openings();
        match openings.find(name) {
            Found::Key(key) => open(key, sealed).map(Some),
            Found::Destroyed => Ok(None),
            Found::Missing => Err(ReadError::NoOpeningKey {
                path: openings.key_path(name),
            }),
        }
    }

    /// The sealed rows of a family as they lie in the database, with their row keys.
    pub(super) fn sealed_rows(
        &self,
        family: Family,
    ) -> Result<impl Iterator<Item = Result<SealedRow, ReadError>>, ReadError> {
        let rows = self
            .inner
            .db
            .iterator_cf_opt(self.handle(family)?, passing(), IteratorMode::Start);
        Ok(rows.map(move |row| row.map_err(|source| unreadable(family, source))))
    }

    /// One sealed row as it lies in the database.
    pub(super) fn sealed_row(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let found = self
            .inner
            .db
            .get_cf(self.handle(family)?, self.row_key(family, key));
        found.map_err(|source| unreadable(family, source))
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

pub(super) fn unsealed(family: Family, source: VaultError) -> WriteError {
    WriteError::Seal {
        family: family.name(),
        source,
    }
}

fn damaged(family: Family, row_key: &[u8]) -> ReadError {
    let start = row_key.iter().take(16);
    ReadError::Damaged {
        family: family.name(),
        row: start.map(|byte| format!("{byte:02x}")).collect(),
    }
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
