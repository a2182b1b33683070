//! ML-DSA-65, the half of a composite signature that a quantum computer does not break.
//!
//! Not signed with by itself: see [`composite`](super::composite). Verification is public, so that the
//! published vectors can be run against what the composite uses.
//!
//! Source: FIPS 204, hedged signing, pure (not pre-hashed); `libcrux-ml-dsa` (ADR 0004).

use libcrux_ml_dsa::ml_dsa_65::{self, MLDSA65Signature, MLDSA65SigningKey, MLDSA65VerificationKey};
use zeroize::{Zeroize, Zeroizing};

use super::BareSignatureError;
use crate::digest::Digest;

/// Length of a verification key, in bytes.
pub const KEY_BYTES: usize = 1952;
/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 3309;
/// Where the encoded polynomials of a verification key begin, after the seed of its matrix.
const POLYNOMIALS_AT: usize = 32;

/// The expanded signing key. Wiped on drop.
pub(super) struct MlDsaSigningKey(Box<MLDSA65SigningKey>);

impl MlDsaSigningKey {
    /// Expands the 32-byte seed xi of FIPS 204, and gives the verification key with it.
    pub(super) fn from_seed(seed: &[u8; 32]) -> (Self, [u8; KEY_BYTES]) {
        let mut pair = ml_dsa_65::generate_key_pair(*seed);
        let mut key = Box::new(MLDSA65SigningKey::zero());
        *key.as_ref_mut() = *pair.signing_key.as_ref();
        pair.signing_key.as_ref_mut().zeroize();
        (Self(key), *pair.verification_key.as_ref())
    }

    /// Signs with an empty context and the given randomness.
    pub(super) fn sign(&self, message: &[u8], hedge: [u8; 32]) -> [u8; SIGNATURE_BYTES] {
        let mut hedge = Zeroizing::new(hedge);
        loop {
            match ml_dsa_65::sign(&self.0, message, &[], *hedge) {
                Ok(signature) => return *signature.as_ref(),
                // With an empty context the one possible error is that rejection sampling gave up, which FIPS 204
                // (appendix C) puts below 2^-256. Other randomness gives another signature.
                Err(_) => *hedge = *Digest::of(&*hedge).as_bytes(),
            }
        }
    }
}

impl Drop for MlDsaSigningKey {
    fn drop(&mut self) {
        self.0.as_ref_mut().zeroize();
    }
}

/// Whether a verification key has polynomials at all. Under one without, anybody can sign: the part of the equation
/// that only the owner can solve is zero. No honest key generation gives it.
pub(super) fn is_degenerate(key: &[u8; KEY_BYTES]) -> bool {
    key.iter().skip(POLYNOMIALS_AT).all(|byte| *byte == 0)
}

/// Checks a signature over `message` under `context`.
///
/// # Errors
/// [`BareSignatureError`] if it does not verify, also for a context of more than 255 bytes.
///
/// Source: FIPS 204, algorithm 3.
pub fn verify(
    key: &[u8; KEY_BYTES],
    message: &[u8],
    context: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), BareSignatureError> {
    let key = MLDSA65VerificationKey::new(*key);
    let signature = MLDSA65Signature::new(*signature);
    ml_dsa_65::verify(&key, message, context, &signature).map_err(|_| BareSignatureError)
}
