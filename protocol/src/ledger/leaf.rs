//! A leaf, and the opening that gives it meaning.
//!
//! ```text
//! leaf    = 0x01 version || 0x01 suite || commitment (32)
//! commitment = HMAC-SHA256(salt, "testudo/ledger-leaf/v1\0" || SHA-256(origin) || index (8, big endian) || record)
//! opening = salt (32) || record
//! ```

use testudo_crypto::commit::{Commitment, Salt, commit};
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle;

use super::entry::Record;
use crate::id::Hash;
use crate::wire::{self, EncodeError};

/// Length of a leaf.
pub const LEAF_BYTES: usize = 34;

const VERSION: u8 = 1;
const SUITE: u8 = 1;
const LABEL: &str = "testudo/ledger-leaf/v1";

/// A leaf: 34 bytes that reveal neither type, time nor content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaf([u8; LEAF_BYTES]);

/// The salt and the record behind one leaf. Destroying it makes the leaf meaningless for ever.
pub struct Opening {
    salt: Salt,
    record: Record,
}

/// Why an opening does not fit its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The opening cannot be read.
    #[error("opening of leaf {index} cannot be read")]
    Malformed {
        /// Which leaf.
        index: u64,
    },
    /// The opening gives another commitment.
    #[error("opening of leaf {index} gives another commitment than the leaf holds")]
    Mismatch {
        /// Which leaf.
        index: u64,
    },
}

impl Leaf {
    fn of(commitment: &Commitment) -> Self {
        Self::committed(Hash::new(*commitment.as_bytes()))
    }

    /// The leaf with this commitment.
    pub fn committed(commitment: Hash) -> Self {
        let mut bytes = [0; LEAF_BYTES];
        let whole = [VERSION, SUITE].into_iter().chain(*commitment.as_bytes());
        for (slot, byte) in bytes.iter_mut().zip(whole) {
            *slot = byte;
        }
        Self(bytes)
    }

    /// The 34 bytes.
    pub fn as_bytes(&self) -> &[u8; LEAF_BYTES] {
        &self.0
    }

    /// Reads 34 bytes of a known version and suite.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; LEAF_BYTES]>::try_from(bytes).ok()?;
        bytes.starts_with(&[VERSION, SUITE]).then_some(Self(bytes))
    }

    /// The commitment in it.
    pub fn commitment(&self) -> Hash {
        let mut commitment = [0; 32];
        for (slot, byte) in commitment.iter_mut().zip(self.0.iter().skip(2)) {
            *slot = *byte;
        }
        Hash::new(commitment)
    }

    /// Its RFC 6962 leaf hash.
    pub fn hash(&self) -> Digest {
        merkle::leaf_hash(&self.0)
    }
}

impl Opening {
    /// Binds a record to a fresh salt.
    pub fn new(salt: Salt, record: Record) -> Self {
        Self { salt, record }
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The leaf at an index of the log of this origin.
    ///
    /// # Errors
    /// [`EncodeError`] if the record is over the limit.
    pub fn leaf(&self, origin: &str, index: u64) -> Result<Leaf, EncodeError> {
        let record = wire::encode(&self.record)?;
        let origin = Digest::of(origin.as_bytes());
        let parts = [origin.as_bytes().as_slice(), &index.to_be_bytes(), &record];
        Ok(Leaf::of(&commit(&self.salt, LABEL, &parts)))
    }

    /// The bytes to keep.
    ///
    /// # Errors
    /// [`EncodeError`] if the record is over the limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        Ok([self.salt.as_bytes().as_slice(), &wire::encode(&self.record)?].concat())
    }

    /// Reads an opening that has not been held against a leaf; `None` if it is malformed.
    ///
    /// It says nothing before [`Opening::leaf`] of it has been found in a ledger.
    pub fn unchecked(bytes: &[u8]) -> Option<Self> {
        let (salt, record) = bytes.split_first_chunk::<32>()?;
        Some(Self::new(Salt::from_bytes(*salt), wire::decode(record).ok()?))
    }

    /// Reads an opening and checks it against the leaf at its index.
    ///
    /// # Errors
    /// [`OpeningError`] names the leaf.
    pub fn read(bytes: &[u8], leaf: &Leaf, origin: &str, index: u64) -> Result<Self, OpeningError> {
        let (opening, _) = Self::fitting(bytes, origin, index, |computed| computed == leaf)?;
        Ok(opening)
    }

    /// The same where only the hash of the leaf is at hand; gives the leaf too.
    ///
    /// # Errors
    /// [`OpeningError`] names the leaf.
    pub fn read_hashed(
        bytes: &[u8],
        leaf_hash: &Digest,
        origin: &str,
        index: u64,
    ) -> Result<(Self, Leaf), OpeningError> {
        Self::fitting(bytes, origin, index, |computed| computed.hash() == *leaf_hash)
    }

    fn fitting(
        bytes: &[u8],
        origin: &str,
        index: u64,
        fits: impl Fn(&Leaf) -> bool,
    ) -> Result<(Self, Leaf), OpeningError> {
        let malformed = OpeningError::Malformed { index };
        let opening = Self::unchecked(bytes).ok_or(malformed)?;
        let computed = opening.leaf(origin, index).map_err(|_| malformed)?;
        if fits(&computed) {
            Ok((opening, computed))
        } else {
            Err(OpeningError::Mismatch { index })
        }
    }
}
