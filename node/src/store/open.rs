//! Opening a folder, and everything for which a folder is refused.
//!
//! ```text
//! folder/hub.lock   who has it open
//! folder/db         the database
//! folder/db.new     a database in the making, only after a crash during the first start
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rocksdb::{DB, ErrorKind, WriteBatch};
use testudo_crypto::vault::{StorageKey, VaultError};
use testudo_protocol::fault::Fault;
use testudo_protocol::week::Week;
use thiserror::Error;

use super::lock::{Lock, LockError};
use super::opening_keys::{OpeningKeyError, OpeningKeys};
use super::options;
use super::register::Register;
use super::rows::Store;
use super::wal;

/// The data format that this program writes, and the only one that it reads: there is nothing yet to migrate from.
/// Up to format 2 openings were sealed under the storage key alone.
pub const FORMAT: u32 = 3;

/// The database inside the folder.
const DATABASE: &str = "db";
/// The database until it is complete for the first time.
const DATABASE_NEW: &str = "db.new";
/// The file without which RocksDB takes a folder for a new one.
const CURRENT: &str = "CURRENT";

/// Name of the lock file in the folder.
const LOCK: &str = "hub.lock";

/// Row of the default family: the data format, 4 bytes LE, not sealed, because a newer format may seal
/// in another way and has to be recognised nevertheless.
const FORMAT_ROW: &[u8] = b"format";
/// Row of the default family: the code of the hub, sealed.
const HUB_ROW: &[u8] = b"hub";

/// Why a folder was not opened. Nothing in its database was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("`{}` is in use by {}, stop that hub first", folder.display(), process(*pid))]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// It cannot be created, locked or written.
    #[error("`{}` cannot be written, mount it for writing and give it to the user of the hub", folder.display())]
    NotWritable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It belongs to another hub.
    #[error("`{}` belongs to hub `{found}`, expected `{expected}`, mount the right folder", folder.display())]
    OtherHub {
        /// The folder.
        folder: PathBuf,
        /// The hub that is starting.
        expected: String,
        /// The hub whose folder it is.
        found: String,
    },
    /// It was written by a newer program.
    #[error(
        "`{}` has data format {found}, this binary knows up to {known}, install the newer version again",
        folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// It was written before the first release, by a program of another form.
    #[error(
        "`{}` has data format {found}, this binary knows {known} alone, use the version that wrote it",
        folder.display()
    )]
    Older {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// The format that is known here.
        known: u32,
    },
    /// The keys of openings cannot be used.
    #[error(transparent)]
    OpeningKeys(#[from] OpeningKeyError),
    /// Something in it is missing or altered.
    #[error(
        "the database in `{}` is damaged ({what}), restore it with `testudo restore`; nothing was changed",
        folder.display()
    )]
    Corrupt {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: &'static str,
        /// What RocksDB said, if it was RocksDB.
        source: Option<rocksdb::Error>,
    },
    /// The storage key does not fit.
    #[error(
        "the storage key does not open `{}`, put back the key that belongs to it or mount the right folder",
        folder.display()
    )]
    Key {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: VaultError,
    },
    /// A new database could not be sealed.
    #[error("a database for `{}` cannot be sealed", folder.display())]
    Seal {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: VaultError,
    },
    /// RocksDB could not work with the disk.
    #[error("the database in `{}` cannot be opened, look at the disk and start again", folder.display())]
    Storage {
        /// The folder.
        folder: PathBuf,
        /// What RocksDB said.
        source: rocksdb::Error,
    },
}

impl OpenError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            OpenError::InUse { .. }
            | OpenError::NotWritable { .. }
            | OpenError::OtherHub { .. }
            | OpenError::Newer { .. }
            | OpenError::Older { .. }
            | OpenError::Key { .. } => Fault::Operator,
            OpenError::OpeningKeys(error) => error.fault(),
            OpenError::Corrupt { .. } | OpenError::Seal { .. } | OpenError::Storage { .. } => {
                Fault::Environment
            }
        }
    }
}

/// What values are sealed under. None of it lies in the folder of the store.
pub struct StoreKeys {
    /// The key of the whole store.
    pub storage: StorageKey,
    /// The folder of the keys of openings, one for each week, and of the register of erasures; it need not exist yet.
    pub openings: PathBuf,
    /// Which week it is.
    pub week: Week,
}

/// A folder that no other process can open any more.
///
/// Apart from its lock file nothing was made in it: whoever has more to check before a database is made does
/// so now.
pub struct Claim {
    folder: PathBuf,
    lock: Lock,
}

impl Claim {
    /// Claims `folder`, and makes it, for its owner only, if there is none.
    ///
    /// # Errors
    /// [`OpenError::InUse`], [`OpenError::NotWritable`].
    pub fn take(folder: &Path) -> Result<Claim, OpenError> {
        let refused = |source| OpenError::NotWritable {
            folder: folder.into(),
            source,
        };
        make_folder(folder).map_err(refused)?;
        let lock = Lock::take(&folder.join(LOCK)).map_err(|error| match error {
            LockError::Taken(pid) => OpenError::InUse {
                folder: folder.into(),
                pid,
            },
            LockError::Io(source) => refused(source),
        })?;
        Ok(Claim {
            folder: folder.into(),
            lock,
        })
    }

    /// Whether there is no database yet, so that [`Store::open_claimed`] would make one.
    ///
    /// # Errors
    /// [`OpenError::NotWritable`] if the system cannot tell.
    pub fn is_empty(&self) -> Result<bool, OpenError> {
        let found = self.folder.join(DATABASE).try_exists();
        found
            .map(|exists| !exists)
            .map_err(|source| OpenError::NotWritable {
                folder: self.folder.clone(),
                source,
            })
    }
}

impl Store {
    /// Opens the store of `hub` in `folder`, and makes it if there is none.
    ///
    /// # Errors
    /// As [`Claim::take`] and [`Store::open_claimed`].
    pub fn open(folder: &Path, keys: StoreKeys, hub: &str) -> Result<Store, OpenError> {
        Self::open_claimed(Claim::take(folder)?, keys, hub)
    }

    /// Opens the store of `hub` in a claimed folder, and makes it if there is none.
    ///
    /// The folder should hold nothing else.
    ///
    /// # Errors
    /// See [`OpenError`]. A folder with a database that lacks its beginning is [`OpenError::Corrupt`] and
    /// never replaced by an empty one.
    pub fn open_claimed(claim: Claim, keys: StoreKeys, hub: &str) -> Result<Store, OpenError> {
        let StoreKeys {
            storage: key,
            openings,
            week,
        } = keys;
        let is_empty = claim.is_empty()?;
        let Claim { folder, lock } = claim;
        if is_empty {
            create(&folder, &key, hub)?;
        } else {
            check_logs(&folder)?;
            inspect(&folder, &key, hub)?;
        }
        let register = Register::open(&openings, &key)?;
        let openings = OpeningKeys::open(&openings, &key, week)?;
        let db = options::open(&folder.join(DATABASE), false).map_err(|source| unusable(&folder, source))?;
        Ok(Store::new(db, key, (openings, register), folder, lock))
    }
}

/// Makes the folder, for its owner only, if there is none.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.try_exists()? {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Otherwise a loss of power could take the folder back, with everything acknowledged in it.
    sync_folder(
        folder
            .parent()
            .filter(|it| !it.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
    )
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a database that already says whose it is.
fn create(folder: &Path, key: &StorageKey, hub: &str) -> Result<(), OpenError> {
    let refused = |source| OpenError::NotWritable {
        folder: folder.into(),
        source,
    };
    let failed = |source| unusable(folder, source);
    let (unfinished, finished) = (folder.join(DATABASE_NEW), folder.join(DATABASE));
    // Left by a crash below, before anything could have been written to it or acknowledged.
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        _ => {}
    }

    let family = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
    let sealed_hub = key
        .seal(family, HUB_ROW, hub.as_bytes())
        .map_err(|source| OpenError::Seal {
            folder: folder.into(),
            source,
        })?;
    let mut batch = WriteBatch::default();
    batch.put(FORMAT_ROW, FORMAT.to_le_bytes());
    batch.put(HUB_ROW, sealed_hub);
    let db = options::open(&unfinished, true).map_err(failed)?;
    db.write_opt(batch, &options::durable()).map_err(failed)?;
    drop(db);

    // A crash before this leaves `db.new`, which the next start removes. A crash after it leaves a complete
    // and empty database; the line below makes the rename itself survive a loss of power.
    fs::rename(&unfinished, &finished).map_err(refused)?;
    sync_folder(folder).map_err(refused)
}

/// Refuses a log in which acknowledged writes stand behind an altered one: RocksDB would drop them in silence.
fn check_logs(folder: &Path) -> Result<(), OpenError> {
    let altered = wal::altered_log(&folder.join(DATABASE));
    match altered.map_err(|source| OpenError::NotWritable {
        folder: folder.into(),
        source,
    })? {
        Some(_) => Err(OpenError::Corrupt {
            folder: folder.into(),
            what: "a record in its log is altered, and whole ones stand behind it",
            source: None,
        }),
        None => Ok(()),
    }
}

/// Looks into a database without changing it.
fn inspect(folder: &Path, key: &StorageKey, hub: &str) -> Result<(), OpenError> {
    let corrupt = |what| OpenError::Corrupt {
        folder: folder.into(),
        what,
        source: None,
    };
    let failed = |source| unusable(folder, source);
    let database = folder.join(DATABASE);
    if !database.join(CURRENT).is_file() {
        return Err(corrupt("its file CURRENT is missing"));
    }

    let db: DB = options::inspect(&database).map_err(failed)?;
    let format = db
        .get(FORMAT_ROW)
        .map_err(failed)?
        .ok_or(corrupt("its data format is missing"))?;
    let format: [u8; 4] = format
        .try_into()
        .map_err(|_| corrupt("its data format is not a number"))?;
    let found = u32::from_le_bytes(format);
    if found > FORMAT {
        return Err(OpenError::Newer {
            folder: folder.into(),
            found,
            known: FORMAT,
        });
    }
    if found < FORMAT {
        return Err(OpenError::Older {
            folder: folder.into(),
            found,
            known: FORMAT,
        });
    }

    let sealed = db
        .get(HUB_ROW)
        .map_err(failed)?
        .ok_or(corrupt("the code of its hub is missing"))?;
    let found = key
        .open(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, HUB_ROW, &sealed)
        .map_err(|source| OpenError::Key {
            folder: folder.into(),
            source,
        })?;
    if found.as_slice() != hub.as_bytes() {
        let found = String::from_utf8_lossy(&found).into_owned();
        return Err(OpenError::OtherHub {
            folder: folder.into(),
            expected: hub.into(),
            found,
        });
    }
    Ok(())
}

/// What an error of RocksDB means for the operator.
fn unusable(folder: &Path, source: rocksdb::Error) -> OpenError {
    let folder = folder.into();
    let what = match source.kind() {
        // RocksDB has a lock of its own. Whoever holds it without ours is not a hub, but is inside.
        ErrorKind::IOError if source.as_ref().contains("LOCK: ") => {
            return OpenError::InUse { folder, pid: None };
        }
        ErrorKind::IOError if source.as_ref().contains("No such file") => "a file is missing",
        ErrorKind::Corruption => "a file is altered, cut off or missing",
        ErrorKind::InvalidArgument | ErrorKind::NotFound | ErrorKind::NotSupported => {
            "its files do not fit together"
        }
        _ => return OpenError::Storage { folder, source },
    };
    OpenError::Corrupt {
        folder,
        what,
        source: Some(source),
    }
}

pub(super) fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
