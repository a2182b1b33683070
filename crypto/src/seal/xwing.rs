//! X-Wing: ML-KEM-768 and X25519 as one key encapsulation, as strong as the stronger of the two.
//!
//! Keys and shares are checked where they are read: every coefficient of a public key is reduced, its
//! point is canonical and not of small order, and a share whose point contributes nothing is refused.
//! X-Wing itself asks for neither; without them a file could be made that many identities open.
//!
//! Source: draft-connolly-cfrg-xwing-kem (MLKEM768-X25519 of draft-ietf-hpke-pq and filippo.io/hpke-pq),
//! FIPS 203, RFC 7748.

use std::ops::IndexMut as _;

use libcrux_ml_kem::mlkem768::{self, MlKem768Ciphertext, MlKem768PrivateKey, MlKem768PublicKey};
use x25519_dalek::{PublicKey as Point, StaticSecret as Scalar};
use zeroize::{Zeroize, Zeroizing};

use super::{RecipientError, curve};

/// Length of the seed that a secret key is, in bytes.
pub(super) const SEED_BYTES: usize = 32;
/// Length of a public key, in bytes: ML-KEM-768 first.
pub(super) const KEY_BYTES: usize = LATTICE_KEY_BYTES + POINT_BYTES;
/// Length of an encapsulated share, in bytes: ML-KEM-768 first.
pub(super) const SHARE_BYTES: usize = LATTICE_SHARE_BYTES + POINT_BYTES;
/// Randomness for one encapsulation, in bytes.
pub(super) const RANDOMNESS_BYTES: usize = 64;

const LATTICE_KEY_BYTES: usize = 1184;
const LATTICE_SECRET_BYTES: usize = 2400;
const LATTICE_SHARE_BYTES: usize = 1088;
const POINT_BYTES: usize = 32;

/// Ends the hashed bytes of the combiner: a picture of the wings.
const LABEL: &[u8; 6] = br"\.//^\";

/// A public key that has passed every check of this module.
#[derive(Clone)]
pub(super) struct PublicKey {
    lattice: Box<MlKem768PublicKey>,
    point: [u8; POINT_BYTES],
}

/// A secret key, expanded so that opening does not begin with it. Wiped on drop.
pub(super) struct SecretKey {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    lattice: Box<MlKem768PrivateKey>,
    scalar: Scalar,
    public: PublicKey,
}

/// What an encapsulation gives.
pub(super) struct Encapsulated {
    /// For the owner of the secret key.
    pub(super) share: Box<[u8; SHARE_BYTES]>,
    /// What both sides have then.
    pub(super) secret: Zeroizing<[u8; 32]>,
}

/// A share whose point contributes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LowOrderShare;

impl PublicKey {
    /// Checks and accepts an encoded key.
    ///
    /// # Errors
    /// [`RecipientError`] for another length, coefficients or a coordinate that are not reduced, and small order.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, RecipientError> {
        let (lattice, point) = bytes
            .split_first_chunk::<LATTICE_KEY_BYTES>()
            .ok_or(RecipientError::Malformed)?;
        let point = <[u8; POINT_BYTES]>::try_from(point).map_err(|_| RecipientError::Malformed)?;
        curve::check(&point)?;
        let lattice = Box::new(MlKem768PublicKey::from(lattice));
        if !mlkem768::validate_public_key(&lattice) {
            return Err(RecipientError::NotCanonical);
        }
        Ok(Self { lattice, point })
    }

    /// The encoding, [`KEY_BYTES`] bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.lattice.as_slice().as_slice(), &self.point].concat()
    }

    /// Makes a share and its secret. `randomness` is used once and never again.
    ///
    /// # Errors
    /// [`LowOrderShare`] does not happen: the key's point has been checked.
    pub(super) fn encapsulate(
        &self,
        randomness: &Zeroizing<[u8; RANDOMNESS_BYTES]>,
    ) -> Result<Encapsulated, LowOrderShare> {
        let mut halves = [Zeroizing::new([0; 32]), Zeroizing::new([0; 32])];
        for (half, bytes) in halves.iter_mut().zip(randomness.chunks_exact(32)) {
            half.copy_from_slice(bytes);
        }
        let [message, ephemeral] = halves;
        let (lattice_share, lattice_secret) = mlkem768::encapsulate(&self.lattice, *message);
        let lattice_secret = Zeroizing::new(lattice_secret);
        let ephemeral = Scalar::from(*ephemeral);
        let point_share = Point::from(&ephemeral);
        let point_secret = ephemeral.diffie_hellman(&Point::from(self.point));
        if !point_secret.was_contributory() {
            return Err(LowOrderShare);
        }
        let mut share = Box::new([0; SHARE_BYTES]);
        let halves = lattice_share.as_slice().iter().chain(point_share.as_bytes());
        for (slot, byte) in share.iter_mut().zip(halves) {
            *slot = *byte;
        }
        let secret = combine(
            &lattice_secret,
            point_secret.as_bytes(),
            point_share.as_bytes(),
            &self.point,
        );
        Ok(Encapsulated { share, secret })
    }
}

impl SecretKey {
    /// Expands a seed.
    pub(super) fn from_seed(seed: Zeroizing<[u8; SEED_BYTES]>) -> Self {
        let expanded: Zeroizing<[u8; 96]> = Zeroizing::new(libcrux_sha3::shake256(&*seed));
        let mut lattice_seed = Zeroizing::new([0; 64]);
        let mut scalar = Zeroizing::new([0; 32]);
        let slots = lattice_seed.iter_mut().chain(scalar.iter_mut());
        for (slot, byte) in slots.zip(expanded.iter()) {
            *slot = *byte;
        }
        let (mut secret, public) = mlkem768::generate_key_pair(*lattice_seed).into_parts();
        let lattice = Box::new(secret.clone());
        wipe(&mut secret);
        let scalar = Scalar::from(*scalar);
        let point = Point::from(&scalar).to_bytes();
        Self {
            seed,
            lattice,
            scalar,
            public: PublicKey {
                lattice: Box::new(public),
                point,
            },
        }
    }

    /// The seed. Whoever has it opens everything sealed to the public key.
    pub(super) fn seed(&self) -> &Zeroizing<[u8; SEED_BYTES]> {
        &self.seed
    }

    /// The public half.
    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret of a share. A share that was made for another key, or damaged, gives a secret that nobody has.
    ///
    /// # Errors
    /// [`LowOrderShare`] if its point contributes nothing.
    pub(super) fn decapsulate(
        &self,
        share: &[u8; SHARE_BYTES],
    ) -> Result<Zeroizing<[u8; 32]>, LowOrderShare> {
        let (lattice_share, point_share) = split(share).ok_or(LowOrderShare)?;
        let point_secret = self.scalar.diffie_hellman(&Point::from(*point_share));
        if !point_secret.was_contributory() {
            return Err(LowOrderShare);
        }
        let lattice_share = MlKem768Ciphertext::from(lattice_share);
        let lattice_secret = Zeroizing::new(mlkem768::decapsulate(&self.lattice, &lattice_share));
        Ok(combine(
            &lattice_secret,
            point_secret.as_bytes(),
            point_share,
            &self.public.point,
        ))
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        wipe(&mut self.lattice);
    }
}

fn wipe(key: &mut MlKem768PrivateKey) {
    key.index_mut(0..LATTICE_SECRET_BYTES).zeroize();
}

fn split(share: &[u8; SHARE_BYTES]) -> Option<(&[u8; LATTICE_SHARE_BYTES], &[u8; POINT_BYTES])> {
    let (lattice, point) = share.split_first_chunk::<LATTICE_SHARE_BYTES>()?;
    Some((lattice, point.try_into().ok()?))
}

/// Hashes both secrets, bound to this share and key. ML-KEM binds its own share and key by itself.
fn combine(lattice: &[u8; 32], point: &[u8; 32], share: &[u8; 32], key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut input = Zeroizing::new([0; 4 * 32 + LABEL.len()]);
    let parts = lattice.iter().chain(point).chain(share).chain(key).chain(LABEL);
    for (slot, byte) in input.iter_mut().zip(parts) {
        *slot = *byte;
    }
    Zeroizing::new(libcrux_sha3::sha256(&*input))
}
