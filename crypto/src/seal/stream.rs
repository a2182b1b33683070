//! Sealing and opening without holding the content: for attachments.
//!
//! One recipient, and a header of few bytes. The caller must not use what it has read before the end was reached.

use std::io::{self, BufRead, Cursor, Read, Write};

use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use super::{HeaderAtOnce, Identity, OpenError, Recipient, SealError, header_error, prescan, seal_error};

/// Longest header of a streamed file, in bytes: one hybrid stanza and grease take less than half.
pub(crate) const STREAM_HEADER_BYTES_MAX: usize = 4 << 10;

/// Bytes that are encrypted together.
const BUFFER_BYTES: usize = 64 << 10;

/// Why a stream was not sealed.
pub(crate) enum SealStreamError {
    Read(io::Error),
    Write(io::Error),
    TooLong,
    Seal(SealError),
}

/// Why a stream did not open.
pub(crate) enum OpenStreamError {
    Read(io::Error),
    Open(OpenError),
}

/// Seals everything that `content` gives, and says how many bytes that were.
pub(crate) fn seal_stream(
    recipient: &Recipient,
    mut content: impl Read,
    content_bytes_max: u64,
    sealed: impl Write,
) -> Result<u64, SealStreamError> {
    let key = recipient.age();
    let encryptor = Encryptor::with_recipients(std::iter::once(&*key))
        .map_err(|error| SealStreamError::Seal(seal_error(error)))?;
    let mut writer = encryptor.wrap_output(sealed).map_err(SealStreamError::Write)?;
    let mut buffer = Zeroizing::new(vec![0; BUFFER_BYTES]);
    let mut bytes = 0u64;
    loop {
        let count = match content.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(SealStreamError::Read)?,
        };
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
            break;
        };
        bytes = bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if bytes > content_bytes_max {
            return Err(SealStreamError::TooLong);
        }
        writer.write_all(piece).map_err(SealStreamError::Write)?;
    }
    writer.finish().map_err(SealStreamError::Write)?;
    Ok(bytes)
}

/// Reads the header, and gives a reader of the content.
///
/// The reader ends in an error if a chunk does not authenticate, or if the last one is missing or followed by more.
pub(crate) fn open_stream(
    identity: &Identity,
    mut sealed: impl BufRead,
) -> Result<impl Read, OpenStreamError> {
    let mut head = Vec::with_capacity(STREAM_HEADER_BYTES_MAX);
    let limit = u64::try_from(STREAM_HEADER_BYTES_MAX).unwrap_or(u64::MAX);
    (&mut sealed)
        .take(limit)
        .read_to_end(&mut head)
        .map_err(OpenStreamError::Read)?;
    let shape = prescan(&head).map_err(|error| OpenStreamError::Open(OpenError::Prescan(error)))?;
    let decryptor = Decryptor::new_buffered(HeaderAtOnce {
        rest: Cursor::new(head).chain(sealed),
        header_bytes: shape.header_bytes,
    })
    .map_err(stream_error)?;
    let key = identity.age();
    decryptor.decrypt(std::iter::once(&*key)).map_err(stream_error)
}

fn stream_error(error: DecryptError) -> OpenStreamError {
    match error {
        DecryptError::Io(error) => OpenStreamError::Read(error),
        other => OpenStreamError::Open(header_error(other)),
    }
}
