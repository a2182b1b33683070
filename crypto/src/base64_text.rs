//! Base64 with one text for each value.
//!
//! Standard alphabet, padding required, no stray bits in the last character. The two ways of being wrong
//! are told apart: a text that is not base64 at all, and one that says in another way what has a shorter,
//! canonical form. Formats that are signed or hashed as text must refuse the second too.
//!
//! Source: RFC 4648 sections 3.5 and 4.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};

use crate::digest::Digest;

/// Why a text is not the base64 that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base64Error {
    /// A character outside of the alphabet, missing padding, or a length that cannot be.
    #[error("text is not padded standard base64")]
    Malformed,
    /// The last character has bits that no byte takes: another text stands for the same bytes.
    #[error("base64 is not minimal: its last character has stray bits")]
    NotMinimal,
    /// A hash has 32 bytes.
    #[error("base64 holds {bytes} bytes, a hash has 32")]
    NotAHash {
        /// Bytes found.
        bytes: usize,
    },
}

/// Writes bytes as base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64; [`encode`] of the result is `text` again.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    STANDARD.decode(text).map_err(|error| match error {
        DecodeError::InvalidLastSymbol(..) => Base64Error::NotMinimal,
        _ => Base64Error::Malformed,
    })
}

/// Reads one hash of 32 bytes.
pub(crate) fn decode_hash(text: &str) -> Result<Digest, Base64Error> {
    let bytes = decode(text)?;
    let found = bytes.len();
    bytes
        .try_into()
        .map(Digest::from_bytes)
        .map_err(|_| Base64Error::NotAHash { bytes: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_being_wrong_has_its_error() {
        assert_eq!(decode("AA=="), Ok(vec![0]));
        assert_eq!(decode("AB=="), Err(Base64Error::NotMinimal));
        for text in ["AA", "AA=", "A", "A A=", "AA==\n", "A_==", "===="] {
            assert_eq!(decode(text), Err(Base64Error::Malformed), "{text:?}");
        }
        assert_eq!(decode_hash("AA=="), Err(Base64Error::NotAHash { bytes: 1 }));
        let hash = Digest::of(b"x");
        assert_eq!(decode_hash(&encode(hash.as_bytes())), Ok(hash));
    }
}
