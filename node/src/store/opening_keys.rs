//! The keys that openings of the ledger are sealed under: one for each week, in files outside the database.
//!
//! ```text
//! FOLDER/2960-1.key         the first key of week 2960: 32 bytes, for the owner alone
//! FOLDER/2960-1.destroyed   in its place, empty, since an erasure has destroyed it
//! FOLDER/2960-2.key         the key that what was kept of that week is sealed under since then
//! FOLDER/5e0c....erased     not a key: see `register`
//! ```
//!
//! A key is on stable storage before anything is sealed under it. It does not end with its week: an opening
//! stays readable until it is erased. An erasure seals what is kept of the week anew and destroys the key, so
//! that no copy of what was erased opens any more, wherever it lies: in blocks that a disk has set aside, in
//! a snapshot, in a backup of the database.
//!
//! Source: section 2.1 of the design note on the ledger; the reasons are in docs/adr/0008.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use testudo_crypto::entropy::{Entropy, EntropyError};
use testudo_crypto::vault::StorageKey;
use testudo_protocol::fault::Fault;
use testudo_protocol::week::Week;
use thiserror::Error;
use zeroize::Zeroizing;

use super::key_file::{ReadSecretError, WriteSecretError, read_secret, write_secret};
use super::register;

/// How the name of a key's file ends.
const KEY_SUFFIX: &str = ".key";
/// How the name of the mark ends that a key was destroyed.
const DESTROYED_SUFFIX: &str = ".destroyed";
/// How the name of a file ends that a crash has left unfinished.
const UNFINISHED_SUFFIX: &str = ".tmp";

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Bytes of a [`KeyName`] in front of a sealed row.
pub(super) const NAME_BYTES: usize = 8;

/// Names one key: its week, and which key of that week it is, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct KeyName {
    pub week: Week,
    pub turn: u32,
}

/// All keys of one hub.
pub(super) struct OpeningKeys {
    folder: PathBuf,
    /// What the storage key and the key of the file make together.
    keys: BTreeMap<KeyName, StorageKey>,
    destroyed: BTreeSet<KeyName>,
    week: Week,
}

/// Why the folder of opening keys cannot be used. Nothing may be sealed, and nothing that was is readable.
#[derive(Debug, Error)]
pub enum OpeningKeyError {
    /// The folder or one of its files cannot be read, written or removed.
    #[error("cannot use `{}` in the folder of opening keys, check its owner and the free space", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner can enter the folder.
    #[error("folder `{0}` of opening keys has mode {mode:04o}, others can enter it, run: chmod 700 {0}", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file has a name that no key has, or does not hold one.
    #[error("file `{}` in the folder of opening keys is no key, restore it from its backup or take it away", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A key cannot be read.
    #[error(transparent)]
    Read(#[from] ReadSecretError),
    /// A key cannot be written.
    #[error(transparent)]
    Write(#[from] WriteSecretError),
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl OpeningKeyError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            OpeningKeyError::Exposed { .. } | OpeningKeyError::Malformed { .. } => Fault::Operator,
            OpeningKeyError::Read(error) => error.fault(),
            OpeningKeyError::Write(error) => error.fault(),
            OpeningKeyError::Io { .. } | OpeningKeyError::Entropy(_) => Fault::Environment,
        }
    }
}

/// What is known about the key that a row names.
pub(super) enum Found<'a> {
    Key(&'a StorageKey),
    /// An erasure has destroyed it: the row is a copy of what was erased, and counts as none.
    Destroyed,
    /// It is not there, and nothing says why.
    Missing,
}

impl KeyName {
    /// As it stands in front of a sealed row.
    pub fn to_bytes(self) -> [u8; NAME_BYTES] {
        let [a, b, c, d] = self.week.get().to_le_bytes();
        let [e, f, g, h] = self.turn.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// Splits a row into the name of its key and what is sealed under that.
    pub fn split(row: &[u8]) -> Option<(KeyName, &[u8])> {
        let ([a, b, c, d, e, f, g, h], sealed) = row.split_first_chunk::<NAME_BYTES>()?;
        let week = Week::new(u32::from_le_bytes([*a, *b, *c, *d]));
        let turn = u32::from_le_bytes([*e, *f, *g, *h]);
        Some((KeyName { week, turn }, sealed))
    }

    fn parse(text: &str) -> Option<KeyName> {
        let (week, turn) = text.split_once('-')?;
        let name = KeyName {
            week: Week::new(week.parse().ok()?),
            turn: turn.parse().ok()?,
        };
        // `+1` and `01` are numbers too, and would be second names of one key.
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.week, self.turn)
    }
}

impl OpeningKeys {
    /// Reads the keys in `folder`, which need not exist yet.
    pub fn open(folder: &Path, storage: &StorageKey, week: Week) -> Result<OpeningKeys, OpeningKeyError> {
        let mut keys = OpeningKeys {
            folder: folder.into(),
            keys: BTreeMap::new(),
            destroyed: BTreeSet::new(),
            week,
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(keys),
            entries => entries.map_err(|source| keys.failed(folder, source))?,
        };
        check_mode(folder)?;
        for entry in entries {
            let path = entry.map_err(|source| keys.failed(folder, source))?.path();
            keys.take_file(path, storage)?;
        }
        // A crash between the two steps of a destruction has left them.
        for name in keys.destroyed.clone() {
            if keys.keys.contains_key(&name) {
                keys.destroy(name)?;
            }
        }
        Ok(keys)
    }

    fn take_file(&mut self, path: PathBuf, storage: &StorageKey) -> Result<(), OpeningKeyError> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(UNFINISHED_SUFFIX) {
            // Left by a crash before anything was sealed under it; it may be a secret, so it does not stay.
            return fs::remove_file(&path).map_err(|source| self.failed(&path, source));
        }
        if name.ends_with(register::SUFFIX) {
            return Ok(());
        }
        if let Some(name) = name.strip_suffix(DESTROYED_SUFFIX).and_then(KeyName::parse) {
            self.destroyed.insert(name);
            return Ok(());
        }
        let Some(name) = name.strip_suffix(KEY_SUFFIX).and_then(KeyName::parse) else {
            return Err(OpeningKeyError::Malformed { path });
        };
        let secret = read_secret(&path)?;
        let Ok(secret) = <[u8; 32]>::try_from(secret.as_slice()).map(Zeroizing::new) else {
            return Err(OpeningKeyError::Malformed { path });
        };
        self.keys.insert(name, storage.joined_with(&secret));
        Ok(())
    }

    /// States which week it is.
    pub fn begin_week(&mut self, week: Week) {
        self.week = week;
    }

    /// The key that what is written now is sealed under. It is made, and on stable storage, if there is none.
    pub fn current(&mut self, storage: &StorageKey) -> Result<(KeyName, &StorageKey), OpeningKeyError> {
        let week = self.week;
        let newest = self.newest(week);
        let name = match newest.filter(|name| self.keys.contains_key(name)) {
            Some(newest) => newest,
            None => self.make(week, storage)?,
        };
        // Just found or just made.
        let key = self.keys.get(&name).ok_or_else(|| OpeningKeyError::Malformed {
            path: self.path(name, KEY_SUFFIX),
        })?;
        Ok((name, key))
    }

    /// Makes the next key of a week. When it returns, the key survives a loss of power.
    ///
    /// A crash after it leaves a key that nothing is sealed under; it serves what is written next.
    pub fn make(&mut self, week: Week, storage: &StorageKey) -> Result<KeyName, OpeningKeyError> {
        make_folder(&self.folder).map_err(|source| self.failed(&self.folder, source))?;
        check_mode(&self.folder)?;
        let turn = self.newest(week).map_or(0, |name| name.turn).saturating_add(1);
        let name = KeyName { week, turn };
        let secret = Zeroizing::new(Entropy::from_os()?.bytes32());
        write_secret(&self.path(name, KEY_SUFFIX), &*secret)?;
        self.keys.insert(name, storage.joined_with(&secret));
        Ok(name)
    }

    /// The newest key that a week has or had.
    fn newest(&self, week: Week) -> Option<KeyName> {
        let of_week = |name: &&KeyName| name.week == week;
        self.keys
            .keys()
            .chain(&self.destroyed)
            .filter(of_week)
            .max()
            .copied()
    }

    pub fn find(&self, name: KeyName) -> Found<'_> {
        match self.keys.get(&name) {
            Some(key) => Found::Key(key),
            None if self.destroyed.contains(&name) => Found::Destroyed,
            None => Found::Missing,
        }
    }

    /// Destroys a key: overwritten, synced, and its name taken away. Nothing may be sealed under it any more.
    ///
    /// The mark comes first: a crash after it leaves a key whose name says that it is destroyed, and the next
    /// start finishes this. A disk that writes elsewhere than it is told keeps the old bytes for a while;
    /// there, the folder belongs on a device that can really erase, or on a memory that is encrypted itself.
    pub fn destroy(&mut self, name: KeyName) -> Result<(), OpeningKeyError> {
        let mark = self.path(name, DESTROYED_SUFFIX);
        write_secret(&mark, b"")?;
        self.destroyed.insert(name);
        self.keys.remove(&name);
        let path = self.path(name, KEY_SUFFIX);
        overwrite(&path)
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|source| self.failed(&path, source))
    }

    /// Where the file of a key lies.
    pub fn key_path(&self, name: KeyName) -> PathBuf {
        self.path(name, KEY_SUFFIX)
    }

    fn path(&self, name: KeyName, suffix: &str) -> PathBuf {
        self.folder.join(format!("{name}{suffix}"))
    }

    fn failed(&self, path: &Path, source: io::Error) -> OpeningKeyError {
        OpeningKeyError::Io {
            path: path.into(),
            source,
        }
    }
}

/// Makes the folder for its owner alone, if there is none; it survives a loss of power.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.try_exists()? {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(folder)?;
    // A loss of power must not take the folder back with the keys in it.
    let parent = folder.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn check_mode(folder: &Path) -> Result<(), OpeningKeyError> {
    let about = fs::metadata(folder).map_err(|source| OpeningKeyError::Io {
        path: folder.into(),
        source,
    })?;
    let mode = about.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(OpeningKeyError::Exposed {
            path: folder.into(),
            mode,
        });
    }
    Ok(())
}

/// Writes zeros over a file and removes it; none is as good as one that was removed.
fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn storage() -> StorageKey {
        StorageKey::from_bytes([7; 32])
    }

    fn keys(folder: &Path) -> OpeningKeys {
        OpeningKeys::open(folder, &storage(), Week::new(2960)).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_week_has_one_key_until_it_is_destroyed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("openings");
        let mut open = keys(&folder);
        assert!(!folder.exists(), "nothing is made before it is needed");
        let (first, _) = open.current(&storage()).unwrap();
        assert_eq!((first.week.get(), first.turn), (2960, 1));
        assert_eq!(open.current(&storage()).unwrap().0, first);
        assert_eq!(
            keys(&folder).current(&storage()).unwrap().0,
            first,
            "after a restart"
        );
        assert_eq!(
            fs::metadata(&folder).unwrap().permissions().mode() & 0o7777,
            0o700
        );
        open.begin_week(Week::new(2961));
        assert_eq!(open.current(&storage()).unwrap().0.to_string(), "2961-1");

        let second = open.make(first.week, &storage()).unwrap();
        assert_eq!(second.turn, 2);
        open.destroy(first).unwrap();
        open.destroy(first).expect("a second time changes nothing");
        for keys in [open, keys(&folder)] {
            assert!(matches!(keys.find(first), Found::Destroyed));
            assert!(matches!(keys.find(second), Found::Key(_)));
            let other = KeyName {
                week: first.week,
                turn: 3,
            };
            assert!(matches!(keys.find(other), Found::Missing));
        }
        assert_eq!(names(&folder), ["2960-1.destroyed", "2960-2.key", "2961-1.key"]);
    }

    #[test]
    fn the_name_of_a_destroyed_key_is_never_given_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("openings");
        let (name, _) = keys(&folder).current(&storage()).unwrap();
        keys(&folder).destroy(name).unwrap();
        assert_eq!(keys(&folder).current(&storage()).unwrap().0.turn, name.turn + 1);
    }

    #[test]
    fn what_others_can_reach_or_nobody_can_read_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("openings");
        keys(&folder).current(&storage()).unwrap();
        let open = || OpeningKeys::open(&folder, &storage(), Week::new(2960)).map(|_| ());
        let path = folder.join("2960-1.key");

        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        let error = open().unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(&format!("chmod 700 {}", folder.display())),
            "{error}"
        );
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            open(),
            Err(OpeningKeyError::Read(ReadSecretError::Exposed { .. }))
        ));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for name in ["2960-01.key", "2960-+2.key", "key", "2960.key"] {
            fs::write(folder.join(name), [0; 32]).unwrap();
            assert!(matches!(open(), Err(OpeningKeyError::Malformed { .. })), "{name}");
            fs::remove_file(folder.join(name)).unwrap();
        }
        fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(open(), Err(OpeningKeyError::Malformed { .. })));
    }

    #[test]
    fn an_unfinished_key_does_not_stay() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("openings");
        keys(&folder).current(&storage()).unwrap();
        fs::write(folder.join("2960-2.key.tmp"), [1; 16]).unwrap();
        keys(&folder);
        assert_eq!(names(&folder), ["2960-1.key"]);
    }
}
