//! Erasing rows so that nothing that is left anywhere opens to them.
//!
//! ```text
//! make new opening keys -> one synced write: what is kept of their weeks sealed anew, the rows gone,
//!   a list of what is left to do -> clean the files -> destroy the old keys -> forget the list
//! ```
//!
//! With the write a row is gone for every reader. Getting its bytes out of the files and destroying the key of
//! an opening takes a while after that; the list lies in the database in between, and a start after a crash
//! goes on from it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rocksdb::WriteBatch;
use testudo_protocol::week::Week;
use testudo_protocol::wire;
use thiserror::Error;

use super::change::Change;
use super::family::Family;
use super::opening_keys::{Found, KeyName};
use super::rows::{ReadError, Store, WriteError};

/// The row that holds the list.
const ROW: &[u8] = b"purge";

/// The list: rows by family and key, then opening keys by week and turn.
type List = (Vec<(String, Vec<u8>)>, Vec<(u32, u32)>);

/// Why rows are not erased.
#[derive(Debug, Error)]
pub enum EraseError {
    /// What is kept beside them cannot be read. Nothing was written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The write or the cleaning failed: the process has to end, and the next start finishes what was begun.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The list of an erasure that was interrupted is malformed. The hub does not start: its promise would be
    /// broken.
    #[error("the list of rows to erase is malformed; restore the data folder from a backup")]
    List,
}

impl Store {
    /// Makes `changes`, which remove `rows`, and then gets the bytes of these rows out of the files.
    ///
    /// When it returns, no file in the folder holds them, under the conditions of [`Store::purge_all`]; and
    /// where they were openings, the key that they were sealed under is destroyed too. Slow: reads every
    /// opening once, and writes those anew that shared a key with one of the rows.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub fn erase(&self, changes: &[Change], rows: &[(Family, Vec<u8>)]) -> Result<(), EraseError> {
        let retired = self.begin_erasing(changes, rows)?;
        Ok(self.clean(rows, &retired)?)
    }

    /// The write that takes the rows from every reader, and the keys that are to be destroyed after it.
    pub(super) fn begin_erasing(
        &self,
        changes: &[Change],
        rows: &[(Family, Vec<u8>)],
    ) -> Result<BTreeSet<KeyName>, EraseError> {
        let retired = self.keys_of(rows)?;
        let mut batch = WriteBatch::default();
        // First what is kept: the changes stand behind it and prevail.
        self.seal_anew(&mut batch, &retired, rows)?;
        self.collect(&mut batch, changes)?;
        self.collect(&mut batch, &[list(rows, &retired)?])?;
        self.commit(batch)?;
        Ok(retired)
    }

    /// Goes on with an erasure that a crash interrupted; false if none was.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub fn finish_erasing(&self) -> Result<bool, EraseError> {
        let Some(list) = self.get(Family::Meta, ROW)? else {
            return Ok(false);
        };
        let (names, retired): List = wire::decode(&list).map_err(|_| EraseError::List)?;
        let family = |name: &str| Family::ALL.into_iter().find(|family| family.name() == name);
        let rows: Option<Vec<_>> = names
            .into_iter()
            .map(|(name, key)| Some((family(&name)?, key)))
            .collect();
        let key = |(week, turn)| KeyName {
            week: Week::new(week),
            turn,
        };
        let retired: BTreeSet<KeyName> = retired.into_iter().map(key).collect();
        self.clean(&rows.ok_or(EraseError::List)?, &retired)?;
        Ok(true)
    }

    fn clean(&self, rows: &[(Family, Vec<u8>)], retired: &BTreeSet<KeyName>) -> Result<(), WriteError> {
        self.purge_all(rows)?;
        for name in retired {
            self.openings().destroy(*name)?;
        }
        self.write(&[Change::delete(Family::Meta, ROW)])
    }

    /// The keys that the openings among these rows are sealed under.
    fn keys_of(&self, rows: &[(Family, Vec<u8>)]) -> Result<BTreeSet<KeyName>, ReadError> {
        let mut names = BTreeSet::new();
        for (_, key) in rows.iter().filter(|(family, _)| *family == Family::Opening) {
            let sealed = self.sealed_row(Family::Opening, key)?;
            names.extend(sealed.as_deref().and_then(KeyName::split).map(|(name, _)| name));
        }
        Ok(names)
    }

    /// Seals under new keys what is sealed under these and is not among `rows`.
    fn seal_anew(
        &self,
        batch: &mut WriteBatch,
        retired: &BTreeSet<KeyName>,
        rows: &[(Family, Vec<u8>)],
    ) -> Result<(), EraseError> {
        if retired.is_empty() {
            return Ok(());
        }
        let mut fresh = BTreeMap::new();
        for name in retired {
            if let Entry::Vacant(fresh) = fresh.entry(name.week) {
                let made = self.openings().make(name.week, self.storage_key());
                fresh.insert(made.map_err(WriteError::OpeningKeys)?);
            }
        }
        let erased: BTreeSet<[u8; 32]> = (rows.iter())
            .filter(|(family, _)| *family == Family::Opening)
            .map(|(_, key)| self.row_key(Family::Opening, key))
            .collect();
        let handle = self.handle_to_write(Family::Opening)?;
        for row in self.sealed_rows(Family::Opening)? {
            let (row_key, sealed) = row?;
            let name = KeyName::split(&sealed).map(|(name, _)| name);
            let Some(name) = name.filter(|name| retired.contains(name)) else {
                continue;
            };
            if <[u8; 32]>::try_from(&row_key[..]).is_ok_and(|key| erased.contains(&key)) {
                continue;
            }
            let opened = self.open_row(Family::Opening, &row_key, &sealed)?;
            let (Some((key, value)), Some(fresh)) = (opened, fresh.get(&name.week)) else {
                continue;
            };
            if let Found::Key(under) = self.openings().find(*fresh) {
                let row = self.seal_opening(*fresh, under, &key, &value)?;
                batch.put_cf(handle, row.key, row.sealed);
            }
        }
        Ok(())
    }
}

/// The change that writes the list down.
fn list(rows: &[(Family, Vec<u8>)], retired: &BTreeSet<KeyName>) -> Result<Change, EraseError> {
    let rows = rows.iter().map(|(of, key)| (of.name().to_owned(), key.clone()));
    let keys = retired.iter().map(|name| (name.week.get(), name.turn));
    let list: List = (rows.collect(), keys.collect());
    // Keys are short, and one step erases the rows of one item: far below the codec's limit.
    let list = wire::encode(&list).map_err(|_| EraseError::List)?;
    Ok(Change::put(Family::Meta, ROW, list))
}
