//! Sealing under a secret that the members of an audience share.
//!
//! The file is an age file with exactly one stanza of ours, `testudo-audience`, whose length does not
//! depend on how many members there are. A secret says who can read, never who wrote: every member has
//! it. A `context` of the caller (which log, which place in it) is part of every key derivation, so that
//! a file does not open in another place.
//!
//! Other stanzas besides the age library's grease are refused on both sides: nobody outside the audience
//! can have been named in a file that opens here.
//!
//! Source: `docs/spec/sealing.md`; C2SP age for the file around it.

use std::collections::HashSet;
use std::fmt;
use std::io;

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{OpenError, SealError, file_key, open_with, seal_with, wrapped_len};
use crate::entropy::{Entropy, fill_from_os};

const TAG: &str = "testudo-audience";
const INFO: &[u8] = b"testudo/audience-stanza/v1\0";
/// What the tag of a stanza of grease ends in.
const GREASE: &str = "-grease";
const SALT_BYTES: usize = 16;

/// What the members of an audience share for a while. Wiped on drop; not `Clone`, so that destroying it destroys it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct AudienceSecret([u8; 32]);

impl AudienceSecret {
    /// Draws a fresh secret.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes32())
    }

    /// Takes a secret that was received or kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret, for sealing it to a member or writing it to a store.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// The cipher that wraps the file key of one file.
    fn cipher(&self, salt: &[u8; SALT_BYTES], context: &[u8]) -> Option<ChaCha20Poly1305> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), &self.0)
            .expand_multi_info(&[INFO, context], &mut *key)
            .ok()?;
        Some(ChaCha20Poly1305::new(&Key::from(*key)))
    }
}

impl fmt::Debug for AudienceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AudienceSecret(redacted)")
    }
}

/// Seals `content` to whoever has the secret, for one place.
///
/// Draws its randomness from the operating system: an effect, not for the pure core.
///
/// # Errors
/// [`SealError::Age`] if the operating system has no randomness.
pub fn seal_to_audience(
    secret: &AudienceSecret,
    context: &[u8],
    content: &[u8],
) -> Result<Vec<u8>, SealError> {
    let place = Place { secret, context };
    seal_with(std::iter::once(&place as &dyn age::Recipient), content)
}

/// Opens what [`seal_to_audience`] made with the same secret and context.
///
/// The content takes at most `plaintext_bytes_max` bytes of memory, known before any is used. All of it is
/// authenticated, or none is returned.
///
/// # Errors
/// [`OpenError::NoMatch`] for another secret, another context, or a file that is not for an audience.
/// [`OpenError::Malformed`] also for a file with a second stanza, whatever its type.
pub fn open_with_audience(
    secret: &AudienceSecret,
    context: &[u8],
    sealed: &[u8],
    plaintext_bytes_max: usize,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let place = Place { secret, context };
    open_with(
        std::iter::once(&place as &dyn age::Identity),
        sealed,
        plaintext_bytes_max,
    )
}

/// A secret for one place.
struct Place<'a> {
    secret: &'a AudienceSecret,
    context: &'a [u8],
}

impl Place<'_> {
    fn wrap(&self, salt: &[u8; SALT_BYTES], file_key: &[u8; FILE_KEY_BYTES]) -> Option<Vec<u8>> {
        // The nonce is zero because the key is new: no salt is drawn twice.
        let cipher = self.secret.cipher(salt, self.context)?;
        cipher.encrypt(&Nonce::default(), file_key.as_slice()).ok()
    }

    fn unwrap(&self, salt: &[u8; SALT_BYTES], body: &[u8]) -> Option<FileKey> {
        let cipher = self.secret.cipher(salt, self.context)?;
        let key = cipher.decrypt(&Nonce::default(), body).ok().map(Zeroizing::new)?;
        file_key(&key)
    }
}

impl age::Recipient for Place<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let mut salt = [0; SALT_BYTES];
        fill_from_os(&mut salt).map_err(|error| EncryptError::Io(io::Error::other(error)))?;
        let body = self
            .wrap(&salt, file_key.expose_secret())
            .ok_or_else(|| EncryptError::Io(io::Error::other("the file key was not wrapped")))?;
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: vec![BASE64_STANDARD_NO_PAD.encode(salt)],
            body,
        };
        // A label of its own: the age library refuses every other recipient beside this one.
        Ok((vec![stanza], HashSet::from([TAG.to_owned()])))
    }
}

impl age::Identity for Place<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != TAG {
            return None;
        }
        match salt_of(stanza) {
            Some(salt) => self.unwrap(&salt, &stanza.body).map(Ok),
            None => Some(Err(DecryptError::InvalidHeader)),
        }
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let ours = stanzas.iter().find(|stanza| stanza.tag == TAG)?;
        let is_alone = stanzas
            .iter()
            .all(|stanza| std::ptr::eq(stanza, ours) || stanza.tag.ends_with(GREASE));
        if !is_alone {
            return Some(Err(DecryptError::InvalidHeader));
        }
        self.unwrap_stanza(ours)
    }
}

/// The salt of a well-formed stanza.
fn salt_of(stanza: &Stanza) -> Option<[u8; SALT_BYTES]> {
    let [argument] = stanza.args.as_slice() else {
        return None;
    };
    if stanza.body.len() != wrapped_len(FILE_KEY_BYTES) {
        return None;
    }
    BASE64_STANDARD_NO_PAD.decode(argument).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
