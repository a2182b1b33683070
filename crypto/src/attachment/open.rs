//! Opening an attachment, or checking it without its key.

use std::io::{self, BufReader, Read, Write};

use zeroize::Zeroizing;

use super::tree::{Fault, GROUP_BYTES, VerifiedReader, everything, groups, outboard_bytes};
use super::{Attachment, SEALED_BYTES_MAX};
use crate::seal::{OpenError, OpenStreamError, open_stream};

/// Bytes that are decrypted, checked and written together.
const BUFFER_BYTES: usize = 64 << 10;

/// Why an attachment did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAttachmentError {
    /// The outboard has another length than the sealed bytes need. The fault of the holder.
    #[error("outboard has {bytes} bytes, {expected} expected")]
    Outboard {
        /// Bytes given.
        bytes: usize,
        /// Bytes needed.
        expected: u64,
    },
    /// More than [`SEALED_BYTES_MAX`] bytes are announced. Nothing was read.
    #[error("sealed attachment of {bytes} bytes, at most {SEALED_BYTES_MAX} expected")]
    TooLong {
        /// Bytes announced.
        bytes: u64,
    },
    /// Sealed bytes or outboard are not those that were signed for. The fault of the holder.
    #[error("sealed attachment differs from what was signed")]
    Differs,
    /// The sealed bytes end early.
    #[error("sealed attachment ends early")]
    Ends,
    /// The bytes are those that were signed for and do not open. The fault of the originator.
    #[error("attachment does not open")]
    Open(#[source] OpenError),
    /// The content has another length than was signed for. The fault of the originator.
    #[error("attachment holds another number of bytes than the {expected} that were signed")]
    Length {
        /// Bytes of content that the header names.
        expected: u64,
    },
    /// The sealed bytes could not be read.
    #[error("sealed attachment could not be read")]
    Read(#[source] io::Error),
    /// The content could not be written.
    #[error("content of an attachment could not be written")]
    Write(#[source] io::Error),
}

/// Opens an attachment from its sealed bytes and outboard, and writes the content to `content`.
///
/// Each piece is checked against the signed root, then decrypted, then written: no byte leaves here that the
/// originator did not sign for. After an error `content` holds a genuine beginning; it is to be discarded, for an
/// attachment is used whole or not at all. Reads at most the announced number of bytes from `sealed`, and flushes `content`.
///
/// # Errors
/// [`OpenAttachmentError`], which says whether the holder or the originator is at fault.
pub fn open_attachment(
    attachment: &Attachment,
    outboard: &[u8],
    sealed: impl Read,
    mut content: impl Write,
) -> Result<(), OpenAttachmentError> {
    check_lengths(attachment.sealed_bytes, outboard)?;
    let everything = everything();
    let verified = VerifiedReader::new(
        &attachment.root,
        attachment.sealed_bytes,
        outboard,
        sealed,
        &everything,
    );
    let identity = attachment.identity();
    let mut opened = open_stream(&identity, BufReader::new(verified)).map_err(|error| match error {
        OpenStreamError::Open(error) => OpenAttachmentError::Open(error),
        OpenStreamError::Read(error) => read_error(error),
    })?;
    let mut buffer = Zeroizing::new(vec![0; BUFFER_BYTES]);
    let mut left = attachment.content_bytes;
    loop {
        let count = opened.read(&mut buffer).map_err(read_error)?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
            break;
        };
        let wrong = OpenAttachmentError::Length {
            expected: attachment.content_bytes,
        };
        let taken = u64::try_from(count)
            .ok()
            .and_then(|count| left.checked_sub(count));
        left = taken.ok_or(wrong)?;
        content.write_all(piece).map_err(OpenAttachmentError::Write)?;
    }
    if left != 0 {
        return Err(OpenAttachmentError::Length {
            expected: attachment.content_bytes,
        });
    }
    content.flush().map_err(OpenAttachmentError::Write)
}

/// Checks sealed bytes and outboard against a root, without the key: for holders that pass them on.
///
/// # Errors
/// [`OpenAttachmentError::Outboard`], [`TooLong`](OpenAttachmentError::TooLong), [`Differs`](OpenAttachmentError::Differs),
/// [`Ends`](OpenAttachmentError::Ends) or [`Read`](OpenAttachmentError::Read).
pub fn verify_attachment(
    root: &[u8; 32],
    sealed_bytes: u64,
    outboard: &[u8],
    sealed: impl Read,
) -> Result<(), OpenAttachmentError> {
    check_lengths(sealed_bytes, outboard)?;
    let everything = everything();
    let mut verified = VerifiedReader::new(root, sealed_bytes, outboard, sealed, &everything);
    io::copy(&mut verified, &mut io::sink())
        .map(drop)
        .map_err(read_error)
}

/// How many groups from the first on agree with a root, of a file that is not whole yet.
///
/// `outboard` may lack nodes, which then are zeros. What cannot be read counts as not there.
pub fn verified_groups(root: &[u8; 32], sealed_bytes: u64, outboard: &[u8], sealed: impl Read) -> u64 {
    if check_lengths(sealed_bytes, outboard).is_err() {
        return 0;
    }
    let everything = everything();
    let mut verified = VerifiedReader::new(root, sealed_bytes, outboard, sealed, &everything);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes: u64 = 0;
    while let Ok(count) = verified.read(&mut buffer) {
        if count == 0 {
            break;
        }
        bytes = bytes.saturating_add(u64::try_from(count).unwrap_or(0));
    }
    if bytes == sealed_bytes {
        groups(sealed_bytes)
    } else {
        bytes / GROUP_BYTES
    }
}

fn check_lengths(sealed_bytes: u64, outboard: &[u8]) -> Result<(), OpenAttachmentError> {
    if sealed_bytes > SEALED_BYTES_MAX {
        return Err(OpenAttachmentError::TooLong { bytes: sealed_bytes });
    }
    let expected = outboard_bytes(sealed_bytes);
    if u64::try_from(outboard.len()) != Ok(expected) {
        return Err(OpenAttachmentError::Outboard {
            bytes: outboard.len(),
            expected,
        });
    }
    Ok(())
}

/// An error of a reader over sealed bytes: one of ours, or one of the age library, which speaks of its own chunks.
fn read_error(error: io::Error) -> OpenAttachmentError {
    match Fault::of(error) {
        Ok(Fault::Differs) => OpenAttachmentError::Differs,
        Ok(Fault::Ends) => OpenAttachmentError::Ends,
        Ok(Fault::Source(error)) => OpenAttachmentError::Read(error),
        Err(_) => OpenAttachmentError::Open(OpenError::Damaged),
    }
}
