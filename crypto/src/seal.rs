//! Sealing to recipients or to an audience, and opening again: age files.
//!
//! Recipients are hybrid (ML-KEM-768 and X25519, suite 2) or X25519 (suite 1), never both in one file: it
//! would be as weak as the weaker. An [audience](AudienceSecret) shares a secret instead.
//!
//! Binary files only: armor has many encodings of one file. Nothing here says who sealed: every
//! recipient can seal to the others, so that only a signature inside authenticates. Nothing is
//! handed out before the last byte has been authenticated.
//!
//! A file from outside passes [`prescan`] before the age library sees a byte: its header parser has
//! no limits of its own.
//!
//! Source: C2SP age, version 1.

use std::io::{self, BufRead, Read, Write};

use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use age_core::format::{FILE_KEY_BYTES, FileKey};
use zeroize::Zeroizing;

mod identity;
mod recipient;

mod curve;
mod text;

mod hpke;
mod hybrid;
mod xwing;

mod audience;
mod stream;

mod prescan;

pub use audience::{AudienceSecret, open_with_audience, seal_to_audience};
pub use identity::{Identity, IdentityError};
pub use prescan::{HEADER_BYTES_MAX, HeaderShape, LINE_BYTES_MAX, PrescanError, STANZAS_MAX, prescan};
pub use recipient::{Recipient, RecipientError};
pub use secrecy::{ExposeSecret, SecretString};
pub(crate) use stream::{
    OpenStreamError, STREAM_HEADER_BYTES_MAX, SealStreamError, open_stream, seal_stream,
};

/// Most recipients of one file.
pub const RECIPIENTS_MAX: usize = 100;

/// The nonce between header and chunks, in bytes.
const NONCE_BYTES: usize = 16;
/// A full encrypted chunk: 64 KiB and a tag, in bytes.
const CHUNK_BYTES: usize = (64 << 10) + TAG_BYTES;
const TAG_BYTES: usize = 16;

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The list of recipients is empty, which never means everybody.
    #[error("no recipients to seal to")]
    NoRecipients,
    /// More than [`RECIPIENTS_MAX`].
    #[error("{recipients} recipients to seal to, at most {RECIPIENTS_MAX} expected")]
    TooManyRecipients {
        /// Recipients given.
        recipients: usize,
    },
    /// Hybrid recipients beside X25519 ones: what a quantum computer opens for one is open for all.
    #[error("recipients of different types cannot share a file")]
    MixedTypes,
    /// The age library failed, which with valid recipients and memory to write to it does not.
    #[error("sealing failed")]
    Age(#[source] age::EncryptError),
}

/// Why a file did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The header was refused unread.
    #[error("sealed file is refused before it is read")]
    Prescan(#[from] PrescanError),
    /// The header does not parse, or a stanza of ours is malformed.
    #[error("sealed file has a malformed header")]
    Malformed,
    /// Well formed, and not for any identity that was tried.
    #[error("sealed file is for others")]
    NoMatch,
    /// For this identity, but its header was changed after sealing.
    #[error("sealed file has a header that was changed")]
    HeaderChanged,
    /// The content is damaged, truncated or continued.
    #[error("sealed file has damaged content")]
    Damaged,
    /// The content is longer than the caller takes. Nothing was decrypted.
    #[error("sealed file holds {bytes} bytes, at most {max} expected")]
    TooLong {
        /// Bytes of content.
        bytes: usize,
        /// The caller's limit.
        max: usize,
    },
}

/// Seals `content` to every recipient. Binary; each call gives different bytes.
///
/// Duplicates are sealed to once, and the stanzas are in the order of the recipients' texts, so that
/// the order given here does not show. How many they are does show.
///
/// Draws its randomness from the operating system: an effect, not for the pure core.
///
/// # Errors
/// [`SealError`] for an empty or too long list, or one of two types. Never a file for fewer than the recipients given.
pub fn seal(recipients: &[Recipient], content: &[u8]) -> Result<Vec<u8>, SealError> {
    if recipients.is_empty() {
        return Err(SealError::NoRecipients);
    }
    if recipients.len() > RECIPIENTS_MAX {
        return Err(SealError::TooManyRecipients {
            recipients: recipients.len(),
        });
    }
    let mut ordered: Vec<&Recipient> = recipients.iter().collect();
    ordered.sort();
    ordered.dedup();
    let keys: Vec<_> = ordered.iter().map(|recipient| recipient.age()).collect();
    seal_with(keys.iter().map(|key| &**key), content)
}

/// Opens a file with the first of `identities` that it is sealed to.
///
/// They are tried in order, each on every stanza of its type: one decapsulation or key agreement each.
///
/// The content takes at most `plaintext_bytes_max` bytes of memory, known before any is used. All of
/// it is authenticated, or none is returned.
///
/// # Errors
/// [`OpenError::NoMatch`] if the file is for others; every other error is the fault of the sealer or
/// of the way here.
pub fn open(
    identities: &[&Identity],
    sealed: &[u8],
    plaintext_bytes_max: usize,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let keys: Vec<_> = identities.iter().map(|identity| identity.age()).collect();
    open_with(keys.iter().map(|key| &**key), sealed, plaintext_bytes_max)
}

fn seal_with<'a>(
    keys: impl Iterator<Item = &'a dyn age::Recipient>,
    content: &[u8],
) -> Result<Vec<u8>, SealError> {
    let encryptor = Encryptor::with_recipients(keys).map_err(seal_error)?;
    let mut sealed = Vec::new();
    write_sealed(encryptor, content, &mut sealed).map_err(|error| SealError::Age(error.into()))?;
    Ok(sealed)
}

fn seal_error(error: EncryptError) -> SealError {
    match error {
        EncryptError::IncompatibleRecipients { .. } => SealError::MixedTypes,
        other => SealError::Age(other),
    }
}

fn open_with<'a>(
    keys: impl Iterator<Item = &'a dyn age::Identity>,
    sealed: &[u8],
    plaintext_bytes_max: usize,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let shape = prescan(sealed)?;
    let bytes = content_len(sealed.len(), shape.header_bytes);
    if bytes > plaintext_bytes_max {
        return Err(OpenError::TooLong {
            bytes,
            max: plaintext_bytes_max,
        });
    }
    let decryptor = Decryptor::new_buffered(HeaderAtOnce {
        rest: sealed,
        header_bytes: shape.header_bytes,
    })
    .map_err(header_error)?;
    let mut reader = decryptor.decrypt(keys).map_err(header_error)?;
    let mut content = Zeroizing::new(vec![0; bytes]);
    reader.read_exact(&mut content).map_err(|_| OpenError::Damaged)?;
    // The end is authenticated by reading up to it: a file that was cut after a full chunk has no
    // last chunk, and one that was continued has more.
    match reader.read(&mut [0]) {
        Ok(0) => Ok(content),
        _ => Err(OpenError::Damaged),
    }
}

fn write_sealed(encryptor: Encryptor, content: &[u8], sealed: &mut Vec<u8>) -> io::Result<()> {
    let mut writer = encryptor.wrap_output(sealed)?;
    writer.write_all(content)?;
    writer.finish()?;
    Ok(())
}

/// The length of the content, from that of the file; too small rather than too large if it is cut.
fn content_len(file_bytes: usize, header_bytes: usize) -> usize {
    let chunks_bytes = file_bytes
        .saturating_sub(header_bytes)
        .saturating_sub(NONCE_BYTES);
    let tags = chunks_bytes.div_ceil(CHUNK_BYTES);
    chunks_bytes.saturating_sub(tags.saturating_mul(TAG_BYTES))
}

/// The length of `bytes` of plaintext under ChaCha20-Poly1305.
const fn wrapped_len(bytes: usize) -> usize {
    bytes.saturating_add(TAG_BYTES)
}

/// A file key of the right length.
fn file_key(bytes: &[u8]) -> Option<FileKey> {
    let bytes = <&[u8; FILE_KEY_BYTES]>::try_from(bytes).ok()?;
    Some(FileKey::init_with_mut(|key| key.copy_from_slice(bytes)))
}

fn header_error(error: DecryptError) -> OpenError {
    match error {
        DecryptError::NoMatchingKeys => OpenError::NoMatch,
        DecryptError::InvalidMac => OpenError::HeaderChanged,
        _ => OpenError::Malformed,
    }
}

/// Hands the age library its header in one piece.
///
/// It asks for one line at a time and parses again from the first byte each time, which is quadratic
/// in the header. The pre-scan has found where the header ends, so the first "line" can be all of it.
struct HeaderAtOnce<R> {
    rest: R,
    header_bytes: usize,
}

impl<R: BufRead> Read for HeaderAtOnce<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.header_bytes = 0;
        self.rest.read(target)
    }
}

impl<R: BufRead> BufRead for HeaderAtOnce<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.rest.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.header_bytes = 0;
        self.rest.consume(amount);
    }

    fn read_until(&mut self, delimiter: u8, target: &mut Vec<u8>) -> io::Result<usize> {
        match std::mem::take(&mut self.header_bytes) {
            0 => self.rest.read_until(delimiter, target),
            header_bytes => {
                let limit = u64::try_from(header_bytes).unwrap_or(u64::MAX);
                (&mut self.rest).take(limit).read_to_end(target)
            }
        }
    }
}

#[cfg(test)]
mod tests;
