//! RocksDB with the same settings and nothing of ours on top: what the ledger is measured beside.

use std::path::Path;

use rocksdb::{DB, Error, WriteBatch};

use super::family::Family;
use super::options;

/// A database whose rows are written as they come.
pub struct Bare(DB);

impl Bare {
    /// Makes a database in an empty folder.
    ///
    /// # Errors
    /// What RocksDB says.
    pub fn create(folder: &Path) -> Result<Bare, Error> {
        options::open(folder, true).map(Bare)
    }

    /// One synced write of rows: family, key, value.
    ///
    /// # Errors
    /// What RocksDB says.
    pub fn write(&self, rows: &[(Family, Vec<u8>, Vec<u8>)]) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for (family, key, value) in rows {
            if let Some(handle) = self.0.cf_handle(family.name()) {
                batch.put_cf(handle, key, value);
            }
        }
        self.0.write_opt(batch, &options::durable())
    }
}
