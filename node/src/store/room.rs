//! Free space on the disk of the store.

use std::io;

use super::rows::Store;

/// Below this many free bytes no new work is taken: RocksDB itself must never meet a full disk.
///
/// The rest is for finishing what was begun, for withdrawals, erasures and ticks, and for what RocksDB does
/// with it: a log of 64 MiB, 32 MiB of rows that wait to be written out, and the largest files that it
/// rewrites before the old ones go.
pub const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;

impl Store {
    /// Bytes that this process may still write to the disk of the store.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(self.folder())?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether new work may begin. Ask before every act that is not the end of another; a disk that does
    /// not tell counts as full.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.free_bytes().is_ok_and(|free| free >= FREE_BYTES_MIN)
    }
}
