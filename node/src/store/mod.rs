//! The database of one hub: sealed rows in RocksDB, and the files that must stay outside it.
//!
//! - Every value is sealed under the storage key before RocksDB sees it, with its place as
//!   associated data; row keys are pseudonyms. What lies in the folder tells how many rows there are
//!   and how long, and nothing else.
//! - One step of the hub is one [`Store::write`]: all of its changes or none, on stable storage
//!   before the call returns.
//! - An error while writing is final. RocksDB cannot be trusted to go on after a failed fsync, so
//!   the store refuses every later write and the process has to end.
//!
//! - Openings of the ledger are sealed under the key of their week, which lies in a file of its own, and an
//!   erasure destroys it. What was erased is also registered there, so that no older copy of the database
//!   brings it back.
//!
//! Secret files ([`write_secret`], [`read_secret`]) and the [`Anchor`] live elsewhere on purpose:
//! losing or copying the database must not lose or copy them.
//!
//! This is the only folder that knows RocksDB. It does not know what the values mean.

mod anchor;
#[cfg(feature = "bare")]
mod bare;
mod change;
mod erase;
mod family;
mod key_file;
mod lock;
mod open;
mod opening_keys;
mod options;
mod purge;
mod register;
mod replace;
mod room;
mod row;
mod rows;
mod wal;

pub use anchor::{
    Anchor, Anchored, HoldAnchorError, Mark, NOTE_BYTES_MAX, ReadAnchorError, ReplaceAnchorError,
};
#[cfg(feature = "bare")]
pub use bare::Bare;
pub use change::{Change, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use erase::EraseError;
pub use family::Family;
pub use key_file::{ReadSecretError, SECRET_BYTES_MAX, WriteSecretError, read_secret, write_secret};
pub use open::{Claim, FORMAT, OpenError, StoreKeys};
pub use opening_keys::OpeningKeyError;
pub(crate) use replace::replace as replace_file;
pub use room::FREE_BYTES_MIN;
pub use rows::{KeyValue, ReadError, Store, WriteError};

#[cfg(test)]
mod tests;
