//! Keys of signed notes: a name, a key, and the short id that both give.
//!
//! Source: C2SP signed-note, "Signature types" and "Verifier keys".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::NoteError;
use super::named_key::NamedKey;
use crate::digest::{Digest, hex};
use crate::keys::{SigningKey, VerifyingKey};
use crate::sign::{Signature, Signer, SignerError, sign_checked};

/// The signature type for plain Ed25519.
const TYPE_ED25519: u8 = 0x01;

/// The id of a key under one name: `SHA-256(name || 0x0A || type || key)`, the first four bytes.
///
/// It only tells lines apart. Whoever wants to can make another key with the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId([u8; 4]);

/// A public key and the name it signs under.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteVerifier(NamedKey<TYPE_ED25519>);

/// A secret key, here or in a token, and the name it signs under.
pub struct NoteSigner {
    verifier: NoteVerifier,
    key: Arc<dyn Signer>,
}

impl NoteKeyId {
    /// Computes the id of an Ed25519 key under `name`.
    pub fn of(name: &str, key: &VerifyingKey) -> Self {
        Self::of_type(name, TYPE_ED25519, &key.to_bytes())
    }

    /// Computes the id of a key of any signature type, given in the encoding of that type.
    pub fn of_type(name: &str, signature_type: u8, key: &[u8]) -> Self {
        let digest = Digest::of_parts(&[name.as_bytes(), b"\n", &[signature_type], key]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self([a, b, c, d])
    }

    /// Wraps an id read from a signature line.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The id as bytes, big endian.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKeyId({self})")
    }
}

impl NoteVerifier {
    /// Pairs a key with its name.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name is empty or holds a space, a plus or a control character.
    pub fn new(name: impl Into<String>, key: VerifyingKey) -> Result<Self, NoteError> {
        NamedKey::new(name, key).map(Self)
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The public key.
    pub fn key(&self) -> VerifyingKey {
        *self.0.key()
    }

    /// The id that its signature lines carry.
    pub fn id(&self) -> NoteKeyId {
        self.0.id()
    }
}

/// Writes `name+id+base64(type || key)`, as it is exchanged and pinned.
impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteVerifier({}, {})", self.name(), self.id())
    }
}

/// Reads `name+id+base64(type || key)`; the text of the result is the same again.
impl FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl NoteSigner {
    /// Pairs a copy of a key with its name. The key is to sign nothing but notes.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name is empty or holds a space, a plus or a control character.
    pub fn new(name: impl Into<String>, key: &SigningKey) -> Result<Self, NoteError> {
        Self::with(name, Arc::new(SigningKey::from_seed(key.seed())))
    }

    /// Pairs a key that may lie elsewhere with its name. It is to sign nothing but notes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(name: impl Into<String>, key: Arc<dyn Signer>) -> Result<Self, NoteError> {
        Ok(Self {
            verifier: NoteVerifier::new(name, key.verifying_key())?,
            key,
        })
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The id that its signature lines carry.
    pub fn id(&self) -> NoteKeyId {
        self.verifier.id()
    }

    /// The public half.
    pub fn verifier(&self) -> NoteVerifier {
        self.verifier.clone()
    }

    /// Signs the text of a note: as the format says, without a domain.
    pub(super) fn sign(&self, text: &[u8]) -> Result<Signature, SignerError> {
        sign_checked(&*self.key, text)
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({}, {})", self.name(), self.id())
    }
}
