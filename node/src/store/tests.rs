use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Options};
use testudo_crypto::vault::StorageKey;
use testudo_protocol::week::Week;

use super::*;

mod durability;
mod erasing;
mod refusal;
mod rows;
mod secrecy;

fn key() -> StorageKey {
    StorageKey::from_bytes([7; 32])
}

/// The keys of openings lie in the folder too, so that they go with it; a hub has them elsewhere.
fn keys(folder: &Path, storage: StorageKey) -> StoreKeys {
    StoreKeys {
        storage,
        openings: openings(folder),
        week: Week::new(2960),
    }
}

fn openings(folder: &Path) -> PathBuf {
    folder.join("openings")
}

fn open(folder: &Path) -> Store {
    Store::open(folder, keys(folder, key()), "se").unwrap()
}

fn refused(folder: &Path, storage: StorageKey, hub: &str) -> OpenError {
    let error = Store::open(folder, keys(folder, storage), hub).expect_err("should have been refused");
    let message = error.to_string();
    assert!(
        message.contains(&folder.display().to_string()) && !message.contains('\n'),
        "{message}"
    );
    error
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

/// The names of the files that hold `bytes`.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        fs::read(path)
            .unwrap()
            .windows(bytes.len())
            .any(|window| window == bytes)
    };
    files(folder).into_iter().filter(holds).collect()
}

/// All files with their content, the lock file left out: it names the last process that tried.
fn image(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_data = |path: &PathBuf| !path.ends_with("hub.lock");
    files(folder)
        .into_iter()
        .filter(is_data)
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// What a crash at this moment would leave.
fn crash_image(store: &Store) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for path in files(store.folder()) {
        let target = copy.path().join(path.strip_prefix(store.folder()).unwrap());
        let mut maker = fs::DirBuilder::new();
        maker.recursive(true).mode(0o700);
        maker.create(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
    copy
}

/// The write-ahead log that was written last.
fn newest_log(folder: &Path) -> PathBuf {
    files(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "log"))
        .max()
        .unwrap()
}

fn value(store: &Store, family: Family, key: &[u8]) -> Option<Vec<u8>> {
    store.get(family, key).unwrap().map(|value| value.to_vec())
}
