//! What a write does to a row.

use std::fmt;

use zeroize::Zeroizing;

use super::family::Family;

/// Longest plain key, in bytes. Keys are ids and positions.
pub const KEY_BYTES_MAX: usize = 1024;

/// Longest value, in bytes. Attachments are larger, and are not rows.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One change to one row.
#[derive(Clone)]
pub enum Change {
    /// Writes a row, whether or not there is one.
    Put {
        /// Which kind of row.
        family: Family,
        /// At most [`KEY_BYTES_MAX`].
        key: Vec<u8>,
        /// At most [`VALUE_BYTES_MAX`].
        value: Zeroizing<Vec<u8>>,
    },
    /// Removes a row, if there is one. Its old value stays in files for a while: see [`Store::purge`](super::Store::purge).
    Delete {
        /// Which kind of row.
        family: Family,
        /// At most [`KEY_BYTES_MAX`].
        key: Vec<u8>,
    },
}

impl Change {
    /// Writes a row.
    #[must_use]
    pub fn put(family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Change {
        Change::Put {
            family,
            key: key.into(),
            value: Zeroizing::new(value.into()),
        }
    }

    /// Removes a row.
    #[must_use]
    pub fn delete(family: Family, key: impl Into<Vec<u8>>) -> Change {
        Change::Delete {
            family,
            key: key.into(),
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Put { family, key, value } => {
                write!(
                    f,
                    "Put({}, key of {}b, value of {}b)",
                    family.name(),
                    key.len(),
                    value.len()
                )
            }
            Change::Delete { family, key } => write!(f, "Delete({}, key of {}b)", family.name(), key.len()),
        }
    }
}
