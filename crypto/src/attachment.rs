//! Attachments: large files, each sealed to a key of its own, and verified piece by piece.
//!
//! An attachment travels apart from its envelope and through any authorised holder. Its sealed form is an
//! age file to a one-off hybrid identity; that identity stands in the signed header of the envelope, so
//! whoever opens the envelope opens the attachment, and nobody else does. The header also names the root of
//! a BLAKE3 tree over the sealed bytes: every group of 16 KiB is checked against it before it is decrypted,
//! so that a holder without the key can check what it passes on, and a receiver uses no byte that the
//! originator did not sign for.
//!
//! It travels in pieces: some groups in a row, with the nodes that lead to them from the root ([`cut_piece`],
//! [`verify_piece`]).
//!
//! Memory is flat: a few buffers of 64 KiB, and the inner nodes of the tree (4 MiB for 1 GiB).
//!
//! Source: C2SP age; BLAKE3 with the outboard encoding of bao in groups of 16 KiB (`docs/spec/sealing.md`).

use std::fmt;

use zeroize::Zeroizing;

use crate::digest::hex;
use crate::seal::{Identity, STREAM_HEADER_BYTES_MAX};

mod content_hash;
mod open;
mod piece;
mod seal;
mod tree;

pub use content_hash::{ContentHash, ContentReader, hash_content};
pub use open::{OpenAttachmentError, open_attachment, verified_groups, verify_attachment};
pub use piece::{
    PIECE_BYTES_MAX, PIECE_GROUPS_MAX, PieceError, ReadAt, Span, VerifiedPiece, cut_piece, verify_piece,
};
pub use seal::{SealAttachmentError, SealedAttachment, seal_attachment};
pub use tree::{GROUP_BYTES, groups, outboard_bytes};

/// Most bytes of content of one attachment: 1 GiB.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;

/// Most bytes of a sealed attachment: content, a tag for each 64 KiB of it, and the header with its nonce.
pub const SEALED_BYTES_MAX: u64 =
    CONTENT_BYTES_MAX + CONTENT_BYTES_MAX.div_ceil(64 << 10) * 16 + STREAM_HEADER_BYTES_MAX as u64 + 16;

const SEED_BYTES: usize = 32;
const ROOT_BYTES: usize = 32;
const LENGTH_BYTES: usize = 8;

/// What the signed header of an envelope says of an attachment. Holds its key: wiped on drop, not `Clone`.
pub struct Attachment {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    root: [u8; ROOT_BYTES],
    sealed_bytes: u64,
    content_bytes: u64,
}

/// Why bytes do not describe an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// Not [`Attachment::BYTES`] bytes.
    #[error("attachment entry has {bytes} bytes, {expected} expected", expected = Attachment::BYTES)]
    Length {
        /// Bytes given.
        bytes: usize,
    },
    /// More than [`CONTENT_BYTES_MAX`] bytes of content.
    #[error("attachment of {bytes} bytes, at most {CONTENT_BYTES_MAX} expected")]
    TooLong {
        /// Bytes of content.
        bytes: u64,
    },
    /// No age file with so much content has so many bytes.
    #[error("attachment of {content_bytes} bytes cannot be {sealed_bytes} bytes when sealed")]
    Lengths {
        /// Bytes of content.
        content_bytes: u64,
        /// Bytes when sealed.
        sealed_bytes: u64,
    },
}

impl Attachment {
    /// Length of the encoding, in bytes.
    pub const BYTES: usize = SEED_BYTES + ROOT_BYTES + 2 * LENGTH_BYTES;

    /// Puts the parts of an entry together.
    ///
    /// # Errors
    /// [`AttachmentError`] for lengths that do not fit each other.
    pub fn new(
        seed: Zeroizing<[u8; SEED_BYTES]>,
        root: [u8; ROOT_BYTES],
        sealed_bytes: u64,
        content_bytes: u64,
    ) -> Result<Self, AttachmentError> {
        check_lengths(sealed_bytes, content_bytes)?;
        Ok(Self {
            seed,
            root,
            sealed_bytes,
            content_bytes,
        })
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`AttachmentError`] for another length, or lengths that do not fit each other.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AttachmentError> {
        let wrong = AttachmentError::Length { bytes: bytes.len() };
        let (seed, rest) = bytes.split_first_chunk::<SEED_BYTES>().ok_or(wrong)?;
        let (root, rest) = rest.split_first_chunk::<ROOT_BYTES>().ok_or(wrong)?;
        let (sealed, rest) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or(wrong)?;
        let content = <[u8; LENGTH_BYTES]>::try_from(rest).map_err(|_| wrong)?;
        let (sealed_bytes, content_bytes) = (u64::from_be_bytes(*sealed), u64::from_be_bytes(content));
        Self::new(Zeroizing::new(*seed), *root, sealed_bytes, content_bytes)
    }

    /// Seed of the identity, root, length when sealed, length of the content; lengths big endian.
    ///
    /// Whoever has these bytes reads the attachment: they belong inside a sealed envelope only.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::BYTES));
        bytes.extend_from_slice(&*self.seed);
        bytes.extend_from_slice(&self.root);
        bytes.extend_from_slice(&self.sealed_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.content_bytes.to_be_bytes());
        bytes
    }

    /// The seed of the identity: whoever has it reads the attachment.
    pub fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }

    /// The root of the tree over the sealed bytes, which is their BLAKE3 hash. Names the attachment to holders.
    pub const fn root(&self) -> &[u8; ROOT_BYTES] {
        &self.root
    }

    /// Length when sealed, in bytes.
    pub const fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    /// Length of the content, in bytes.
    pub const fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    fn identity(&self) -> Identity {
        Identity::of_hybrid_seed(self.seed.clone())
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.root;
        write!(
            f,
            "Attachment({}.., {} bytes)",
            hex(&[a, b, c, d]),
            self.content_bytes
        )
    }
}

/// Whether `sealed_bytes` can hold `content_bytes`: the header may have any length up to its limit.
fn check_lengths(sealed_bytes: u64, content_bytes: u64) -> Result<(), AttachmentError> {
    if content_bytes > CONTENT_BYTES_MAX {
        return Err(AttachmentError::TooLong { bytes: content_bytes });
    }
    let chunks = content_bytes.div_ceil(64 << 10).max(1);
    let payload = content_bytes
        .saturating_add(chunks.saturating_mul(16))
        .saturating_add(16);
    match sealed_bytes.checked_sub(payload) {
        Some(1..=STREAM_HEADER_BYTES_MAX_U64) => Ok(()),
        _ => Err(AttachmentError::Lengths {
            content_bytes,
            sealed_bytes,
        }),
    }
}

const STREAM_HEADER_BYTES_MAX_U64: u64 = STREAM_HEADER_BYTES_MAX as u64;

#[cfg(test)]
mod tests;
