//! Values at rest: sealed under a storage key that lives outside the database.
//!
//! `format || nonce || XChaCha20-Poly1305(value)`, bound to the family and key that the value is
//! stored under, so that values cannot be swapped between rows. The nonce is drawn by the operating
//! system, 24 bytes, so that no counter has to survive a crash or a restored backup. Row keys are
//! pseudonyms: without the storage key a copy of the database shows how many rows there are, not of what.
//!
//! Not hidden: the length of a value. Not prevented: putting back an older value of the same row.
//!
//! Source: draft-irtf-cfrg-xchacha; HMAC-SHA256 as the expansion step of RFC 5869.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::{Entropy, EntropyError, fill_from_os};
use crate::mac::hmac_sha256;

/// What sealing adds to a value, in bytes: format, nonce and tag.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + 16;

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const VALUE_LABEL: &[u8] = b"testudo/vault/value/v1\0";
const ROW_LABEL: &[u8] = b"testudo/vault/row/v1\0";
const JOINT_LABEL: &[u8] = b"testudo/vault/joint/v1\0";

/// The key that a hub's database is sealed under. Wiped on drop; not `Clone`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StorageKey {
    secret: [u8; 32],
    value_key: [u8; 32],
    row_key: [u8; 32],
}

/// Why a value was not sealed or not opened.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// No nonce could be drawn. Nothing must be stored.
    #[error("no nonce for a value at rest")]
    Nonce(#[source] EntropyError),
    /// The value exceeds what the cipher takes, about 256 GiB.
    #[error("value of {bytes} bytes is too long to seal")]
    TooLong {
        /// Bytes of the value.
        bytes: usize,
    },
    /// Shorter than any sealed value.
    #[error("sealed value has {bytes} bytes, at least {OVERHEAD_BYTES} expected")]
    TooShort {
        /// Bytes found.
        bytes: usize,
    },
    /// Written by a later version, or not by a vault.
    #[error("sealed value has format {format}, expected {FORMAT}")]
    UnknownFormat {
        /// The format byte found.
        format: u8,
    },
    /// Another storage key, another row, or damage: these cannot be told apart.
    #[error("sealed value does not open under this key for this row")]
    Refused,
}

impl StorageKey {
    /// Takes the 32 bytes of a stored key, given as an array or as a [`Zeroizing`] one.
    pub fn from_bytes(bytes: impl Into<Zeroizing<[u8; 32]>>) -> Self {
        let secret = bytes.into();
        Self {
            value_key: hmac_sha256(&secret, &[VALUE_LABEL]),
            row_key: hmac_sha256(&secret, &[ROW_LABEL]),
            secret: *secret,
        }
    }

    /// Draws a fresh key.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::from_bytes(entropy.bytes32())
    }

    /// The key that takes both this one and `other` to make: what is sealed under it is lost with either.
    pub fn joined_with(&self, other: &[u8; 32]) -> Self {
        Self::from_bytes(hmac_sha256(&self.secret, &[JOINT_LABEL, other]))
    }

    /// The 32 bytes, for writing a key file. Whoever has them reads the database.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret)
    }

    /// Seals the value of one row.
    ///
    /// `family` and `key` name the row; they are bound to the value but not part of the result, which
    /// has [`OVERHEAD_BYTES`] more than `value`. Sealing one value twice gives different bytes.
    ///
    /// # Errors
    /// [`VaultError::Nonce`] if the operating system has no randomness. [`VaultError::TooLong`].
    pub fn seal(&self, family: &str, key: &[u8], value: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        fill_from_os(&mut nonce).map_err(VaultError::Nonce)?;
        let payload = Payload {
            msg: value,
            aad: &row_name(family, key),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| VaultError::TooLong { bytes: value.len() })?;
        Ok([&[FORMAT], nonce.as_slice(), &sealed].concat())
    }

    /// Opens the value of one row.
    ///
    /// # Errors
    /// [`VaultError::Refused`] if it was not sealed under this key for this row, or was changed since;
    /// [`VaultError::TooShort`] and [`VaultError::UnknownFormat`] if no vault wrote it.
    pub fn open(&self, family: &str, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        if sealed.len() < OVERHEAD_BYTES {
            return Err(VaultError::TooShort { bytes: sealed.len() });
        }
        let too_short = VaultError::TooShort { bytes: sealed.len() };
        let (format, rest) = sealed.split_first().ok_or(too_short)?;
        if *format != FORMAT {
            return Err(VaultError::UnknownFormat { format: *format });
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(too_short)?;
        let payload = Payload {
            msg: ciphertext,
            aad: &row_name(family, key),
        };
        self.cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Refused)
    }

    /// The pseudonym that a row is stored under: the same for the same family and key, and nothing to
    /// be learnt from it without the storage key.
    pub fn row_key(&self, family: &str, key: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.row_key, &[&row_name(family, key)])
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.value_key).into())
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageKey(redacted)")
    }
}

/// The format, family and key, each with its length in front: no two rows share a name.
fn row_name(family: &str, key: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| (bytes.len() as u64).to_be_bytes();
    [
        &[FORMAT],
        length(family.as_bytes()).as_slice(),
        family.as_bytes(),
        &length(key),
        key,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn storage_key(byte: u8) -> StorageKey {
        StorageKey::from_bytes([byte; 32])
    }

    fn is_refused(result: Result<Zeroizing<Vec<u8>>, VaultError>) -> bool {
        matches!(result, Err(VaultError::Refused))
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let vault = storage_key(1);
        let sealed = vault.seal("items", b"key", b"a value at rest").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let opened = vault.open("items", b"key", &changed);
            if bit < 8 {
                assert!(
                    matches!(opened, Err(VaultError::UnknownFormat { .. })),
                    "bit {bit}"
                );
            } else {
                assert!(is_refused(opened), "bit {bit}");
            }
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let vault = storage_key(1);
        let sealed = vault.seal("items", b"key", b"value").unwrap();
        assert_eq!(sealed.len(), b"value".len() + OVERHEAD_BYTES);
        for bytes in 0..sealed.len() {
            let opened = vault.open("items", b"key", &sealed[..bytes]);
            let expected = if bytes < OVERHEAD_BYTES {
                matches!(opened, Err(VaultError::TooShort { bytes: found }) if found == bytes)
            } else {
                is_refused(opened)
            };
            assert!(expected, "{bytes} bytes");
        }
    }

    #[test]
    fn a_value_opens_in_its_own_row_only() {
        let vault = storage_key(1);
        let sealed = vault.seal("ab", b"c", b"value").unwrap();
        assert!(is_refused(vault.open("a", b"bc", &sealed)));
        assert!(is_refused(vault.open("ab", b"d", &sealed)));
        assert!(is_refused(vault.open("abc", b"", &sealed)));
        assert!(is_refused(storage_key(2).open("ab", b"c", &sealed)));
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let vault = storage_key(1);
        let seal = || vault.seal("items", b"key", b"value").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn row_keys_repeat_for_one_row_and_differ_otherwise() {
        let vault = storage_key(1);
        assert_eq!(vault.row_key("ab", b"c"), vault.row_key("ab", b"c"));
        assert_ne!(vault.row_key("ab", b"c"), vault.row_key("a", b"bc"));
        assert_ne!(vault.row_key("ab", b"c"), storage_key(2).row_key("ab", b"c"));
    }

    #[test]
    fn a_kept_key_opens_what_it_sealed() {
        let key = StorageKey::generate(&mut Entropy::from_seed([3; 32]));
        let sealed = key.seal("items", b"key", b"value").unwrap();
        let kept = StorageKey::from_bytes(key.secret());
        assert_eq!(kept.open("items", b"key", &sealed).unwrap().as_slice(), b"value");
        assert_eq!(format!("{key:?}"), "StorageKey(redacted)");
    }

    proptest! {
        #[test]
        fn values_round_trip(family: String, key: Vec<u8>, value: Vec<u8>) {
            let vault = storage_key(1);
            let sealed = vault.seal(&family, &key, &value).unwrap();
            prop_assert_eq!(&*vault.open(&family, &key, &sealed).unwrap(), &value);
        }

        #[test]
        fn foreign_bytes_never_open(sealed: Vec<u8>) {
            prop_assert!(storage_key(1).open("items", b"key", &sealed).is_err());
        }
    }
}
