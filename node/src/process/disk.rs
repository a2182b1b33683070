//! What a hub has on disk, and the order in which it is written.
//!
//! ```text
//! rows in one synced write -> the core signs -> anchor: temporary file, synced, renamed, folder synced -> published
//! ```
//!
//! A crash between two of these steps leaves what the last one left; the core repeats the rest at the next start.
//! An error in any of them is final: the process ends, and nothing is tried a second time.

use std::ops::Range;
use std::time::Instant;

use testudo_core::output::{Change, Family};
use testudo_core::records::key;
use testudo_crypto::digest::unhex;
use testudo_protocol::id::Timestamp;
use testudo_protocol::week::Week;

use super::rows;
use crate::store::{Anchor, Mark, Store};
use crate::telemetry::{Timing, count_timing};

/// The database and the anchor of one hub.
pub struct Disk {
    store: Store,
    anchor: Anchor,
    /// Where the anchor stands; zero before the first.
    anchored: u64,
}

/// An effect that must not be retried has failed: the process must end.
#[derive(Debug, thiserror::Error)]
#[error("{what}; the hub stops so that nothing is acknowledged that is not on disk")]
pub struct Fatal {
    what: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Fatal {
    pub(super) fn because<E: std::error::Error + Send + Sync + 'static>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self {
            what,
            source: Box::new(source),
        }
    }
}

impl Disk {
    /// An open store and its anchor, which stands at a size of `anchored`.
    #[must_use]
    pub fn new(store: Store, anchor: Anchor, anchored: u64) -> Self {
        Self {
            store,
            anchor,
            anchored,
        }
    }

    /// The database, for reading.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// States the time, by which openings get the key of their week.
    pub fn begin_week(&self, now: Timestamp) {
        self.store.begin_week(Week::of(now));
    }

    /// One synced write; a crash before it returns leaves all of it or nothing.
    ///
    /// Rows that have to be gone are gone from every file too when it returns. A crash before that leaves a
    /// list of them, and the next start goes on from it.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn write(&self, changes: Vec<Change>) -> Result<(), Fatal> {
        if changes.is_empty() {
            return Ok(());
        }
        let erasures = rows::erasures(&changes);
        if !erasures.is_empty() {
            // A crash behind this leaves an erasure that the next start carries out.
            let rows = erasures
                .iter()
                .map(|(key, value)| (key.as_slice(), value.as_slice()));
            let registered = self.store.register_erasures(rows);
            registered.map_err(Fatal::because("an erasure cannot be registered"))?;
        }
        let (write, erased) = rows::changes(changes);
        if erased.is_empty() {
            let began = Instant::now();
            let written = self.store.write(&write);
            count_timing(Timing::Write, began.elapsed());
            return written.map_err(Fatal::because("the database cannot be written"));
        }
        self.store
            .erase(&write, &erased)
            .map_err(Fatal::because("content cannot be erased"))
    }

    /// One row.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn read(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Fatal> {
        let row = self.store.get(rows::family(family), key);
        let row = row.map_err(Fatal::because("the database cannot be read"))?;
        Ok(row.map(|row| row.to_vec()))
    }

    /// Leaves of the hub's own ledger, one behind the other; none if one of them is not there.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn read_leaves(&self, indices: Range<u64>) -> Result<Option<Vec<u8>>, Fatal> {
        let leaves = indices.map(|index| self.read(Family::Leaf, &key::index(index)));
        let leaves: Option<Vec<Vec<u8>>> = leaves.collect::<Result<_, Fatal>>()?;
        Ok(leaves.map(|leaves| leaves.concat()))
    }

    /// Lets the anchor name a checkpoint; the rows behind it are on disk.
    ///
    /// # Errors
    /// [`Fatal`], also if something else has moved the anchor.
    pub fn replace_anchor(&mut self, size: u64, root: &str, note: Vec<u8>) -> Result<(), Fatal> {
        let root = unhex(root).and_then(|root| <[u8; 32]>::try_from(root).ok());
        let mark = Mark {
            size,
            root: root.unwrap_or_default(),
            note: String::from_utf8(note).unwrap_or_default(),
        };
        self.anchor
            .replace(self.anchored, mark)
            .map_err(Fatal::because("the anchor cannot be replaced"))?;
        self.anchored = size;
        Ok(())
    }
}
