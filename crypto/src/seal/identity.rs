//! The secret half of a sealing key, as text `AGE-SECRET-KEY-PQ-1…` or `AGE-SECRET-KEY-1…`.
//!
//! Source: C2SP age, "The MLKEM768-X25519 (i.e. X-Wing) hybrid post-quantum recipient type" and "The
//! X25519 recipient type".

use std::fmt;
use std::str::FromStr as _;

use secrecy::SecretString;
use zeroize::{Zeroize as _, Zeroizing};

use super::Recipient;
use super::hybrid::HybridIdentity;
use super::text::Prefix;
use super::xwing::{SEED_BYTES, SecretKey};
use crate::entropy::Entropy;

/// How the text of a hybrid identity begins.
const HYBRID_TEXT: &str = "AGE-SECRET-KEY-PQ-1";

/// What opens files. Wiped on drop; not `Clone`, so that destroying it destroys it.
pub struct Identity(Kind);

enum Kind {
    X25519(age::x25519::Identity),
    Hybrid(SecretKey),
}

/// A text that is not an identity. Says nothing of the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("identity is not an age secret key, neither hybrid nor X25519")]
pub struct IdentityError;

impl Identity {
    /// Draws a fresh hybrid identity (suite 2).
    pub fn generate_hybrid(entropy: &mut Entropy) -> Self {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        entropy.fill(&mut *seed);
        Self(Kind::Hybrid(SecretKey::from_seed(seed)))
    }

    /// The hybrid identity of a seed that is kept elsewhere than in its text.
    pub(crate) fn of_hybrid_seed(seed: Zeroizing<[u8; SEED_BYTES]>) -> Self {
        Self(Kind::Hybrid(SecretKey::from_seed(seed)))
    }

    /// Draws a fresh X25519 identity (suite 1) from the operating system.
    pub fn x25519_generate() -> Self {
        Self(Kind::X25519(age::x25519::Identity::generate()))
    }

    /// Reads an identity from its text, without surrounding whitespace.
    ///
    /// # Errors
    /// [`IdentityError`] for anything else, also for identities of other age recipient types.
    pub fn from_secret(text: &str) -> Result<Self, IdentityError> {
        if text.starts_with(HYBRID_TEXT) {
            return hybrid_of(text)
                .map(|key| Self(Kind::Hybrid(key)))
                .ok_or(IdentityError);
        }
        age::x25519::Identity::from_str(text)
            .map(|identity| Self(Kind::X25519(identity)))
            .map_err(|_| IdentityError)
    }

    /// The text, for writing a key file. Whoever has it opens everything sealed to the recipient.
    pub fn to_secret(&self) -> SecretString {
        match &self.0 {
            Kind::X25519(identity) => identity.to_string(),
            Kind::Hybrid(key) => {
                let text = Prefix::HYBRID_IDENTITY.encode(key.seed().as_slice());
                SecretString::from(text.to_uppercase())
            }
        }
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        match &self.0 {
            Kind::X25519(identity) => Recipient::of_x25519(identity),
            Kind::Hybrid(key) => Recipient::of_hybrid(key.public()),
        }
    }

    /// Whether this is of suite 2.
    pub const fn is_hybrid(&self) -> bool {
        matches!(self.0, Kind::Hybrid(_))
    }

    /// The identity as the age library takes it.
    pub(super) fn age(&self) -> Box<dyn age::Identity + '_> {
        match &self.0 {
            Kind::X25519(identity) => Box::new(X25519Identity(identity)),
            Kind::Hybrid(key) => Box::new(HybridIdentity(key)),
        }
    }
}

/// Reads an upper-case text.
fn hybrid_of(text: &str) -> Option<SecretKey> {
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let bytes = Prefix::HYBRID_IDENTITY.decode(&lower)?;
    let mut seed = <[u8; SEED_BYTES]>::try_from(bytes.as_slice()).ok()?;
    let key = SecretKey::from_seed(Zeroizing::new(seed));
    seed.zeroize();
    Some(key)
}

/// An X25519 identity behind a reference.
struct X25519Identity<'a>(&'a age::x25519::Identity);

impl age::Identity for X25519Identity<'_> {
    fn unwrap_stanza(
        &self,
        stanza: &age_core::format::Stanza,
    ) -> Option<Result<age_core::format::FileKey, age::DecryptError>> {
        self.0.unwrap_stanza(stanza)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.recipient())
    }
}
