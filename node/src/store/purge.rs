//! Removing a row so that its bytes are no longer in the files of the store.

use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DEFAULT_COLUMN_FAMILY_NAME, FlushOptions,
    WaitForCompactOptions, WriteBatch,
};

use super::change::KEY_BYTES_MAX;
use super::family::Family;
use super::options;
use super::rows::{Store, WriteError, check_length};

impl Store {
    /// Removes one row and its old values. See [`Store::purge_all`].
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn purge(&self, family: Family, key: &[u8]) -> Result<(), WriteError> {
        self.purge_all(&[(family, key.to_vec())])
    }

    /// Removes rows, then rewrites every file of the store that still holds one of their values.
    ///
    /// When it returns, no file in the folder holds the sealed bytes of these rows, provided that no
    /// [`Store::visit`] or [`Store::scan`] was running. It is slow: every family is flushed once, and for
    /// each row the files around it are rewritten. Purging many rows at once costs one flush.
    ///
    /// What it cannot do: overwrite the blocks that the removed files occupied, on a disk that copies
    /// on write or levels wear; reach backups, snapshots of the disk and swap. There the value remains
    /// what it always was, sealed under the storage key.
    ///
    /// A crash after the first step leaves rows that are gone for every reader and bytes that are still in
    /// files; the caller purges again at the next start, which also works on rows that do not exist.
    ///
    /// # Errors
    /// As [`Store::write`]. After a final one the rows are gone at the next start or were never removed.
    pub fn purge_all(&self, rows: &[(Family, Vec<u8>)]) -> Result<(), WriteError> {
        let mut batch = WriteBatch::default();
        let mut places = Vec::with_capacity(rows.len());
        for (family, key) in rows {
            check_length(*family, "key", key.len(), KEY_BYTES_MAX)?;
            let (handle, row_key) = (self.handle_to_write(*family)?, self.row_key(*family, key));
            batch.delete_cf(handle, row_key);
            places.push((handle, row_key));
        }
        self.stop_on_error(|db| db.write_opt(batch, &options::durable()))?;

        // All families, not only those of the rows: a log file goes away only when nothing in it is needed.
        self.stop_on_error(|db| {
            let names = Family::ALL
                .iter()
                .map(|it| it.name())
                .chain([DEFAULT_COLUMN_FAMILY_NAME]);
            let handles: Vec<&ColumnFamily> = names.filter_map(|name| db.cf_handle(name)).collect();
            let handles: Vec<&&ColumnFamily> = handles.iter().collect();
            db.flush_cfs_opt(&handles, &FlushOptions::default())
        })?;

        self.stop_on_error(|db| {
            let mut options = CompactOptions::default();
            // The lowest level too, which is left alone by default: there the oldest values lie.
            options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
            for (handle, row_key) in &places {
                db.compact_range_cf_opt(*handle, Some(row_key), Some(row_key), &options);
            }
            // Rewriting reports no error by itself, and the old files are removed a little after it.
            db.wait_for_compact(&WaitForCompactOptions::default())
        })
    }
}
