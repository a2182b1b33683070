//! A public key with the name that it signs under, of one signature type.
//!
//! Source: C2SP signed-note, "Verifier keys".

use std::fmt;
use std::str::FromStr;

use super::{NoteError, NoteKeyId, is_name};
use crate::base64_text;
use crate::keys::VerifyingKey;

/// An Ed25519 key of signature type `TYPE` and its name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NamedKey<const TYPE: u8> {
    name: String,
    key: VerifyingKey,
}

impl<const TYPE: u8> NamedKey<TYPE> {
    /// Pairs a key with its name.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name is empty or holds a space, a plus or a control character.
    pub(crate) fn new(name: impl Into<String>, key: VerifyingKey) -> Result<Self, NoteError> {
        let name = name.into();
        if is_name(&name) {
            Ok(Self { name, key })
        } else {
            Err(NoteError::Name)
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The id that its lines carry.
    pub(crate) fn id(&self) -> NoteKeyId {
        NoteKeyId::of_type(&self.name, TYPE, &self.key.to_bytes())
    }
}

/// Writes `name+id+base64(type || key)`.
impl<const TYPE: u8> fmt::Display for NamedKey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = base64_text::encode(&[&[TYPE], self.key.to_bytes().as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, self.id())
    }
}

/// Reads `name+id+base64(type || key)`; the text of the result is the same again.
impl<const TYPE: u8> FromStr for NamedKey<TYPE> {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Base64 may hold a plus, a name and an id may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let decoded = base64_text::decode(encoded).map_err(|_| NoteError::VerifierKey)?;
        let key = match decoded.split_first() {
            Some((found, key)) if *found == TYPE => key,
            _ => return Err(NoteError::VerifierKey),
        };
        let key = key.try_into().map_err(|_| NoteError::VerifierKey)?;
        let named = Self::new(name, VerifyingKey::from_bytes(key)?)?;
        // Also settles whether the id is the right one.
        if named.to_string() == text {
            Ok(named)
        } else {
            Err(NoteError::VerifierKey)
        }
    }
}
