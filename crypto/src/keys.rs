//! Ed25519 keys: which bytes are one, and how a key is named.
//!
//! A public key is accepted only if it is one that an honest generator can produce. Keys of small
//! order verify signatures that nobody made; non-canonical and mixed-order ones give one key two
//! names or one signature two verdicts. Refusing them here, once, spares every later check.
//!
//! Source: RFC 8032 section 5.1; the criteria of "Taming the Many EdDSAs" (2020).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

use crate::digest::{Digest, hex};
use crate::entropy::Entropy;

const KEY_ID_LABEL: &[u8] = b"testudo/key-id/v1\0";

/// A secret signing key. Wiped on drop; not `Clone`, so that copying one is a visible act.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key that has passed every check of this module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

/// The short name of a public key: the first eight bytes of its labelled hash.
///
/// For people, logs and look-up. Eight bytes do not authenticate: compare keys where it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

/// Why bytes are no acceptable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes do not decode to a point of the curve.
    #[error("public key is not a point of the curve")]
    NotAPoint,
    /// The bytes are a second encoding of a point.
    #[error("public key is not in its canonical encoding")]
    NotCanonical,
    /// The point has small order: signatures under it prove nothing.
    #[error("public key has small order")]
    SmallOrder,
    /// The point has a component of small order, which no honest generator leaves.
    #[error("public key has mixed order")]
    MixedOrder,
    /// A composite key of another length.
    #[error("public key has {bytes} bytes, {expected} expected")]
    Length {
        /// Bytes given.
        bytes: usize,
        /// Bytes of a key.
        expected: usize,
    },
    /// The ML-DSA part of a composite key is empty: anybody could sign under it.
    #[error("public key has no ML-DSA part")]
    Degenerate,
}

impl SigningKey {
    /// Makes the key of a 32-byte seed, given as an array or as a [`Zeroizing`] one.
    pub fn from_seed(seed: impl Into<Zeroizing<[u8; 32]>>) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed.into()))
    }

    /// Draws a fresh key.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::from_seed(entropy.bytes32())
    }

    /// The seed, for writing a key file. Whoever has it can sign.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    pub(crate) fn inner(&self) -> &ed25519_dalek::SigningKey {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying_key().id())
    }
}

impl VerifyingKey {
    /// Checks and accepts the RFC 8032 encoding of a public key.
    ///
    /// # Errors
    /// [`KeyError`] for bytes that no honest key generation produces. The fault lies with whoever
    /// supplied them; such a key is never to be enrolled.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::MixedOrder);
        }
        Ok(Self(key))
    }

    /// The RFC 8032 encoding, 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The short name of this key.
    pub fn id(&self) -> KeyId {
        let digest = Digest::of_parts(&[KEY_ID_LABEL, self.0.as_bytes()]);
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        KeyId([a, b, c, d, e, f, g, h])
    }

    pub(crate) fn inner(&self) -> &ed25519_dalek::VerifyingKey {
        &self.0
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.id())
    }
}

impl Hash for VerifyingKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl Ord for VerifyingKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

impl PartialOrd for VerifyingKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl KeyId {
    /// Wraps an id read from elsewhere.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The id as bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests;
