//! Erasures that a crash may interrupt: written down with the rows they remove, and repeated at the next start.
//!
//! Removing a row takes it from every reader at once; getting its bytes out of the files takes a while after
//! that. The list of rows lies in the database in between.

use testudo_protocol::wire;

use crate::store::{Change, Family, ReadError, Store, WriteError};

/// The row that holds the list.
const ROW: &[u8] = b"purge";

/// Why an interrupted erasure is not finished. The hub does not start: its promise would be broken.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The list cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The list is malformed.
    #[error("the list of rows to erase is malformed; restore the data folder from a backup")]
    List,
    /// The files cannot be rewritten.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The change that writes a list down; none for an empty one.
pub(super) fn note(rows: &[(Family, Vec<u8>)]) -> Option<Change> {
    let names: Vec<(&str, &[u8])> = rows.iter().map(|(of, key)| (of.name(), key.as_slice())).collect();
    // Keys are short, and one step erases the rows of one item: far below the codec's limit.
    let list = wire::encode(&names).ok().filter(|_| !rows.is_empty())?;
    Some(Change::put(Family::Meta, ROW, list))
}

/// Gets the bytes of rows out of the files, then forgets the list.
///
/// # Errors
/// [`WriteError`]; the list is still there then.
pub(super) fn purge(store: &Store, rows: &[(Family, Vec<u8>)]) -> Result<(), WriteError> {
    store.purge_all(rows)?;
    store.write(&[Change::delete(Family::Meta, ROW)])
}

/// Repeats what a crash interrupted; false if nothing did.
///
/// # Errors
/// [`FinishError`].
pub(super) fn finish(store: &Store) -> Result<bool, FinishError> {
    let Some(list) = store.get(Family::Meta, ROW)? else {
        return Ok(false);
    };
    let names: Vec<(String, Vec<u8>)> = wire::decode(&list).map_err(|_| FinishError::List)?;
    let family = |name: &str| Family::ALL.into_iter().find(|family| family.name() == name);
    let rows: Option<Vec<_>> = names
        .into_iter()
        .map(|(name, key)| Some((family(&name)?, key)))
        .collect();
    purge(store, &rows.ok_or(FinishError::List)?)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use testudo_crypto::vault::StorageKey;

    use super::*;

    #[test]
    fn an_interrupted_purge_is_repeated_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(folder.path(), StorageKey::from_bytes([7; 32]), "FR").unwrap();
        let store = open();
        let row = (Family::Body, b"item".to_vec());
        let canary = b"CANARY".repeat(400);
        store
            .write(&[Change::put(Family::Body, row.1.clone(), canary)])
            .unwrap();
        // The process ends between the write and the purge.
        let removal = Change::delete(Family::Body, row.1.clone());
        let list = note(std::slice::from_ref(&row));
        store
            .write(&[removal].into_iter().chain(list).collect::<Vec<_>>())
            .unwrap();
        drop(store);
        let store = open();
        let before = bytes(folder.path());
        assert!(finish(&store).unwrap());
        assert!(
            bytes(folder.path()) < before,
            "nothing was removed from the files"
        );
        assert!(!finish(&store).unwrap(), "it is done once");
        assert_eq!(note(&[]).map(|_| ()), None);
    }

    fn bytes(folder: &std::path::Path) -> u64 {
        let of = |entry: std::fs::DirEntry| {
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                bytes(&entry.path())
            } else {
                about.len()
            }
        };
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| of(entry.unwrap()))
            .sum()
    }
}
