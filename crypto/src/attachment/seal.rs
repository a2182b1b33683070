//! Sealing an attachment in one pass.

use std::io::{self, Read, Write};

use super::content_hash::{ContentHash, ContentReader};
use super::tree::TreeWriter;
use super::{Attachment, CONTENT_BYTES_MAX, SEED_BYTES};
use crate::entropy::Entropy;
use crate::seal::{Identity, SealError, SealStreamError, seal_stream};
use zeroize::Zeroizing;

/// What sealing gives besides the sealed bytes.
#[derive(Debug)]
pub struct SealedAttachment {
    /// For the signed header.
    pub attachment: Attachment,
    /// What the content is known by before it is sealed.
    pub content: ContentHash,
    /// The inner nodes of the tree. Not secret, and kept beside the sealed bytes: it verifies itself against the root.
    pub outboard: Vec<u8>,
}

/// Why an attachment was not sealed. What was written until then is to be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealAttachmentError {
    /// The content could not be read.
    #[error("content of an attachment could not be read")]
    Read(#[source] io::Error),
    /// The sealed bytes could not be written.
    #[error("sealed attachment could not be written")]
    Write(#[source] io::Error),
    /// More than [`CONTENT_BYTES_MAX`] bytes of content.
    #[error("attachment is longer than {CONTENT_BYTES_MAX} bytes")]
    TooLong,
    /// Sealing failed.
    #[error("attachment was not sealed")]
    Seal(#[source] SealError),
}

/// Seals all of `content` to a fresh identity, drawn from `entropy`, and writes it to `sealed`.
///
/// Flushes `sealed`; making it durable is up to the caller. The age library draws its own randomness from the
/// operating system: an effect, not for the pure core.
///
/// # Errors
/// [`SealAttachmentError`]; then `sealed` holds the beginning of a file that nobody can open.
pub fn seal_attachment(
    entropy: &mut Entropy,
    content: impl Read,
    sealed: impl Write,
) -> Result<SealedAttachment, SealAttachmentError> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    entropy.fill(&mut *seed);
    let identity = Identity::of_hybrid_seed(seed.clone());
    let mut writer = TreeWriter::new(sealed);
    let mut reader = ContentReader::new(content);
    let content_bytes = seal_stream(&identity.recipient(), &mut reader, CONTENT_BYTES_MAX, &mut writer)
        .map_err(|error| match error {
            SealStreamError::Read(error) => SealAttachmentError::Read(error),
            SealStreamError::Write(error) => SealAttachmentError::Write(error),
            SealStreamError::TooLong => SealAttachmentError::TooLong,
            SealStreamError::Seal(error) => SealAttachmentError::Seal(error),
        })?;
    let tree = writer.finish().map_err(SealAttachmentError::Write)?;
    Ok(SealedAttachment {
        attachment: Attachment {
            seed,
            root: tree.root,
            sealed_bytes: tree.bytes,
            content_bytes,
        },
        content: reader.finish(),
        outboard: tree.outboard,
    })
}
