//! The secret half of a sealing key, as text `AGE-SECRET-KEY-1…`.
//!
//! Source: C2SP age, "The X25519 recipient type".

use std::fmt;
use std::str::FromStr as _;

use secrecy::SecretString;

use super::Recipient;

/// What opens files. Wiped on drop; not `Clone`, so that destroying it destroys it.
pub struct Identity(age::x25519::Identity);

/// A text that is not an identity. Says nothing of the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("identity is not an age X25519 secret key")]
pub struct IdentityError;

impl Identity {
    /// Draws a fresh identity from the operating system.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads an identity from its text, without surrounding whitespace.
    ///
    /// # Errors
    /// [`IdentityError`] for anything else, also for identities of other age recipient types.
    pub fn from_secret(text: &str) -> Result<Self, IdentityError> {
        age::x25519::Identity::from_str(text)
            .map(Self)
            .map_err(|_| IdentityError)
    }

    /// The text, for writing a key file. Whoever has it opens everything sealed to the recipient.
    pub fn to_secret(&self) -> SecretString {
        self.0.to_string()
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient::of(&self.0)
    }

    /// The identity as the age library takes it.
    pub(super) fn age(&self) -> &age::x25519::Identity {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}
