//! One row: its pseudonym, and what is sealed in it.
//!
//! ```text
//! row key = pseudonym of the plain key under the storage key, 32 bytes
//! sealed  = seal(family, row key, value || plain key || length of the plain key, 4 bytes LE)
//! opening = week of its key, 4 bytes LE || which key of that week, 4 bytes LE || sealed
//! ```
//!
//! All but openings are sealed under the storage key, and openings under what it and their
//! [key](super::opening_keys) make together.
//!
//! The plain key is inside so that a scan can return it. It stands behind the value, so that opening a
//! row takes no second copy of the value.

use testudo_crypto::vault::{StorageKey, VaultError};
use zeroize::Zeroizing;

use super::family::Family;

/// Bytes of the length at the end.
const LENGTH_BYTES: usize = 4;

/// A row that does not open: altered, moved from another place, or sealed under another key.
#[derive(Debug)]
pub(super) struct Damaged;

/// A row as it lies in the database.
pub(super) struct Row {
    pub key: [u8; 32],
    pub sealed: Vec<u8>,
}

/// The keys that a row is written and read with.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    /// Names the row.
    pub storage: &'a StorageKey,
    /// Seals its value.
    pub value: &'a StorageKey,
}

/// Seals `value` for its place.
pub(super) fn seal(keys: Keys<'_>, family: Family, key: &[u8], value: &[u8]) -> Result<Row, VaultError> {
    let row_key = keys.storage.row_key(family.name(), key);
    // The whole capacity at once: a buffer that grows leaves copies of the value behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(value.len() + key.len() + LENGTH_BYTES));
    plain.extend_from_slice(value);
    plain.extend_from_slice(key);
    // The caller has checked the length of the key against a limit far below `u32::MAX`.
    plain.extend_from_slice(&(key.len() as u32).to_le_bytes());
    let sealed = keys.value.seal(family.name(), &row_key, &plain)?;
    Ok(Row { key: row_key, sealed })
}

/// Opens a row found at `row_key`: the plain key and the value.
pub(super) fn open(
    keys: Keys<'_>,
    family: Family,
    row_key: &[u8],
    sealed: &[u8],
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), Damaged> {
    let mut plain = (keys.value)
        .open(family.name(), row_key, sealed)
        .map_err(|_| Damaged)?;
    let length_at = plain.len().checked_sub(LENGTH_BYTES).ok_or(Damaged)?;
    let length: [u8; LENGTH_BYTES] = plain
        .get(length_at..)
        .and_then(|it| it.try_into().ok())
        .ok_or(Damaged)?;
    let key_at = length_at
        .checked_sub(u32::from_le_bytes(length) as usize)
        .ok_or(Damaged)?;
    let key = plain.get(key_at..length_at).ok_or(Damaged)?.to_vec();
    if keys.storage.row_key(family.name(), &key) != row_key {
        return Err(Damaged);
    }
    plain.truncate(key_at);
    Ok((key, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StorageKey {
        StorageKey::from_bytes([7; 32])
    }

    fn keys(key: &StorageKey) -> Keys<'_> {
        Keys {
            storage: key,
            value: key,
        }
    }

    #[test]
    fn rows_open_to_what_was_sealed() {
        for (name, value) in [
            (&b"k"[..], &b"v"[..]),
            (b"", b""),
            (b"", b"v"),
            (b"k", b""),
            (&[0; 300], &[9; 70_000]),
        ] {
            let row = seal(keys(&key()), Family::Item, name, value).unwrap();
            let (found_key, found) = open(keys(&key()), Family::Item, &row.key, &row.sealed).unwrap();
            assert_eq!((found_key.as_slice(), found.as_slice()), (name, value));
        }
    }

    #[test]
    fn a_row_opens_only_in_its_place_and_unaltered() {
        let row = seal(keys(&key()), Family::Item, b"k", b"v").unwrap();
        let other = seal(keys(&key()), Family::Item, b"other", b"v").unwrap();
        assert!(open(keys(&key()), Family::Body, &row.key, &row.sealed).is_err());
        assert!(open(keys(&key()), Family::Item, &other.key, &row.sealed).is_err());
        assert!(
            open(
                keys(&StorageKey::from_bytes([8; 32])),
                Family::Item,
                &row.key,
                &row.sealed
            )
            .is_err()
        );
        for at in 0..row.sealed.len() {
            let mut altered = row.sealed.clone();
            altered[at] ^= 1;
            assert!(
                open(keys(&key()), Family::Item, &row.key, &altered).is_err(),
                "{at}"
            );
            assert!(
                open(keys(&key()), Family::Item, &row.key, &row.sealed[..at]).is_err(),
                "{at}"
            );
        }
    }

    #[test]
    fn a_lying_length_is_refused() {
        let storage_key = key();
        for plain in [&b""[..], b"abc", &[0xff; 4], &[9, 0, 0, 0], b"vk\x02\x00\x00\x00"] {
            let row_key = storage_key.row_key(Family::Item.name(), b"k");
            let sealed = storage_key.seal(Family::Item.name(), &row_key, plain).unwrap();
            assert!(
                open(keys(&storage_key), Family::Item, &row_key, &sealed).is_err(),
                "{plain:?}"
            );
        }
    }
}
