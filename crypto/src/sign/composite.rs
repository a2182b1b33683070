//! Composite signatures: Ed25519 and ML-DSA-65 over the same bytes, and both must verify.
//!
//! Whoever forges one has broken both: the first is old and well understood, the second withstands a
//! quantum computer. The halves are never taken apart: a composite key is one key with one id.
//!
//! Both sign `domain || 0x00 || message`. An Ed25519 half is therefore also a valid signature by the
//! classical key alone: a key that is half of a composite key must not sign the same domains by itself.
//!
//! Source: RFC 8032, FIPS 204 (hedged, empty context).

use std::fmt;

use zeroize::Zeroizing;

use super::mldsa::{self, MlDsaSigningKey};
use super::{Domain, SIGNATURE_BYTES, Signature, SignatureError, preimage, sign_bare, verify_bare};
use crate::digest::{Digest, hex};
use crate::entropy::Entropy;
use crate::keys::{KeyError, KeyId, SigningKey, VerifyingKey};

const KEY_ID_LABEL: &[u8] = b"testudo/composite-key-id/v1\0";

const CLASSICAL_KEY_BYTES: usize = 32;

/// A secret composite key. Wiped on drop; not `Clone`, so that copying one is a visible act.
pub struct CompositeSigningKey {
    seed: Zeroizing<[u8; 64]>,
    classical: SigningKey,
    lattice: MlDsaSigningKey,
    public: CompositeVerifyingKey,
}

/// A public composite key that has passed every check of its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct CompositeVerifyingKey {
    classical: VerifyingKey,
    lattice: Box<[u8; mldsa::KEY_BYTES]>,
}

/// A composite signature, not yet checked against anything.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CompositeSignature(Box<[u8; CompositeSignature::BYTES]>);

impl CompositeSigningKey {
    /// Makes the key of a 64-byte seed: the first half is Ed25519's, the second ML-DSA's xi.
    pub fn from_seed(seed: impl Into<Zeroizing<[u8; 64]>>) -> Self {
        let seed = seed.into();
        let mut halves = [Zeroizing::new([0; 32]), Zeroizing::new([0; 32])];
        for (half, bytes) in halves.iter_mut().zip(seed.chunks_exact(32)) {
            half.copy_from_slice(bytes);
        }
        let [first, second] = halves;
        let classical = SigningKey::from_seed(first);
        let (lattice, public) = MlDsaSigningKey::from_seed(&second);
        let public = CompositeVerifyingKey {
            classical: classical.verifying_key(),
            lattice: Box::new(public),
        };
        Self {
            seed,
            classical,
            lattice,
            public,
        }
    }

    /// Draws a fresh key.
    pub fn generate(entropy: &mut Entropy) -> Self {
        let mut seed = Zeroizing::new([0; 64]);
        entropy.fill(&mut *seed);
        Self::from_seed(seed)
    }

    /// The seed, for writing a key file. Whoever has it can sign.
    pub fn seed(&self) -> Zeroizing<[u8; 64]> {
        self.seed.clone()
    }

    /// The public half.
    pub fn verifying_key(&self) -> CompositeVerifyingKey {
        self.public.clone()
    }

    /// The Ed25519 part.
    pub const fn classical(&self) -> &SigningKey {
        &self.classical
    }
}

impl fmt::Debug for CompositeSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompositeSigningKey({})", self.public.id())
    }
}

impl CompositeVerifyingKey {
    /// Length of an encoded key, in bytes: 32 of Ed25519 and 1952 of ML-DSA-65.
    pub const BYTES: usize = CLASSICAL_KEY_BYTES + mldsa::KEY_BYTES;

    /// Checks and accepts the encoding of a public key: Ed25519 first.
    ///
    /// # Errors
    /// [`KeyError`] for bytes that no honest key generation produces. The fault lies with whoever
    /// supplied them; such a key is never to be enrolled.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let wrong_length = KeyError::Length {
            bytes: bytes.len(),
            expected: Self::BYTES,
        };
        let (classical, lattice) = bytes
            .split_first_chunk::<CLASSICAL_KEY_BYTES>()
            .ok_or(wrong_length)?;
        let lattice = <&[u8; mldsa::KEY_BYTES]>::try_from(lattice).map_err(|_| wrong_length)?;
        if mldsa::is_degenerate(lattice) {
            return Err(KeyError::Degenerate);
        }
        Ok(Self {
            classical: VerifyingKey::from_bytes(classical)?,
            lattice: Box::new(*lattice),
        })
    }

    /// The encoding, [`Self::BYTES`] bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.classical.to_bytes().as_slice(), self.lattice.as_slice()].concat()
    }

    /// The Ed25519 part.
    pub const fn classical(&self) -> &VerifyingKey {
        &self.classical
    }

    /// The short name of this key, over all of its bytes.
    pub fn id(&self) -> KeyId {
        let digest = Digest::of_parts(&[KEY_ID_LABEL, &self.classical.to_bytes(), self.lattice.as_slice()]);
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        KeyId::from_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for CompositeVerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompositeVerifyingKey({})", self.id())
    }
}

impl CompositeSignature {
    /// Length of a signature, in bytes: 64 of Ed25519 and 3309 of ML-DSA-65.
    pub const BYTES: usize = SIGNATURE_BYTES + mldsa::SIGNATURE_BYTES;

    /// Takes [`Self::BYTES`] bytes; `None` for any other number. Whether they are a signature shows in [`verify`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <&[u8; Self::BYTES]>::try_from(bytes)
            .ok()
            .map(|bytes| Self(Box::new(*bytes)))
    }

    /// The signature as bytes, Ed25519 first.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn of_halves(classical: &Signature, lattice: &[u8; mldsa::SIGNATURE_BYTES]) -> Self {
        let mut bytes = Box::new([0; Self::BYTES]);
        let halves = classical.as_bytes().iter().chain(lattice);
        for (slot, byte) in bytes.iter_mut().zip(halves) {
            *slot = *byte;
        }
        Self(bytes)
    }

    /// The two signatures that it consists of.
    fn halves(&self) -> Option<(Signature, &[u8; mldsa::SIGNATURE_BYTES])> {
        let (classical, lattice) = self.0.split_first_chunk::<SIGNATURE_BYTES>()?;
        Some((Signature::from_bytes(*classical), lattice.try_into().ok()?))
    }
}

impl fmt::Debug for CompositeSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = *self.0;
        write!(f, "CompositeSignature({}..)", hex(&[a, b, c, d]))
    }
}

/// Signs `message` for one purpose, with both halves.
///
/// `hedge` is fresh randomness for ML-DSA: with it, a fault or a side channel in one signature says little about the
/// next. A repeated value costs that protection and nothing else.
pub fn sign(
    key: &CompositeSigningKey,
    domain: Domain,
    message: &[u8],
    hedge: [u8; 32],
) -> CompositeSignature {
    let preimage = preimage(domain, message);
    CompositeSignature::of_halves(
        &sign_bare(&key.classical, &preimage),
        &key.lattice.sign(&preimage, hedge),
    )
}

/// Checks a signature made by [`sign`]: both halves, or nothing.
///
/// # Errors
/// [`SignatureError`] if either does not verify; which one is not said.
pub fn verify(
    key: &CompositeVerifyingKey,
    domain: Domain,
    message: &[u8],
    signature: &CompositeSignature,
) -> Result<(), SignatureError> {
    let preimage = preimage(domain, message);
    let refused = SignatureError { domain };
    let (classical, lattice) = signature.halves().ok_or(refused)?;
    verify_bare(&key.classical, &preimage, &classical).map_err(|_| refused)?;
    mldsa::verify(&key.lattice, &preimage, &[], lattice).map_err(|_| refused)
}

#[cfg(test)]
mod tests;
