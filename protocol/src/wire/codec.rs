//! Bounded, canonical bincode.

use std::ops::Deref;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::enc::write::SizeWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Largest encoded structure, in bytes: a bundle of the largest size and its header.
pub const MESSAGE_BYTES_MAX: usize = 6 * 1024 * 1024;

type Wire = Configuration<LittleEndian, Fixint, Limit<MESSAGE_BYTES_MAX>>;

const fn wire() -> Wire {
    bincode::config::legacy().with_limit::<MESSAGE_BYTES_MAX>()
}

/// A value that could not be encoded: it is over [`MESSAGE_BYTES_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("structure is over the limit of {MESSAGE_BYTES_MAX} bytes")]
pub struct EncodeError;

/// Bytes that are not the one encoding of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Over the limit, truncated, or of another shape.
    #[error("{bytes} bytes do not decode")]
    Malformed {
        /// How many bytes there were.
        bytes: usize,
    },
    /// Something follows the value.
    #[error("{bytes} bytes follow the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The value has another encoding than these bytes.
    #[error("bytes are not the canonical encoding")]
    NotCanonical,
}

/// Encodes a value in its one form.
///
/// # Errors
/// [`EncodeError`] if it would be over [`MESSAGE_BYTES_MAX`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let bytes = bincode::serde::encode_to_vec(value, wire()).map_err(|_| EncodeError)?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        Err(EncodeError)
    } else {
        Ok(bytes)
    }
}

/// Encodes a value that holds a secret: into one buffer of the right size, which is wiped.
///
/// A buffer that grows leaves copies behind.
///
/// # Errors
/// As [`encode`].
pub fn encode_secret<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let mut size = SizeWriter::default();
    bincode::serde::encode_into_writer(value, &mut size, wire()).map_err(|_| EncodeError)?;
    if size.bytes_written > MESSAGE_BYTES_MAX {
        return Err(EncodeError);
    }
    let mut bytes = Zeroizing::new(vec![0; size.bytes_written]);
    bincode::serde::encode_into_slice(value, &mut bytes, wire()).map_err(|_| EncodeError)?;
    Ok(bytes)
}

/// Decodes a value that holds a secret, and wipes what the check of its encoding takes.
///
/// # Errors
/// As [`decode`].
pub fn decode_secret<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_with(bytes, encode_secret)
}

/// Decodes a value; allocates no more than the bytes at hand can fill.
///
/// # Errors
/// [`DecodeError`] unless the bytes are the one encoding of a value, to the last byte.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_with(bytes, encode)
}

fn decode_with<T, B>(bytes: &[u8], encode: fn(&T) -> Result<B, EncodeError>) -> Result<T, DecodeError>
where
    T: DeserializeOwned,
    B: Deref<Target: AsRef<[u8]>>,
{
    let malformed = || DecodeError::Malformed { bytes: bytes.len() };
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(malformed());
    }
    let (value, read): (T, usize) =
        bincode::serde::decode_from_slice(bytes, wire()).map_err(|_| malformed())?;
    if read != bytes.len() {
        return Err(DecodeError::Trailing {
            bytes: bytes.len().saturating_sub(read),
        });
    }
    // Sets and maps accept any order on the way in; only the sorted one is ours.
    let again = encode(&value).map_err(|_| malformed())?;
    if (*again).as_ref() == bytes {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, wincode::SchemaWrite)]
    struct Sample {
        small: u8,
        wide: u64,
        text: String,
        list: Vec<u32>,
        choice: Option<u16>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, wincode::SchemaWrite)]
    enum Kind {
        First,
        Second(u32),
    }

    fn sample(wide: u64, text: String, list: Vec<u32>, second: Option<u32>) -> Sample {
        let kind = second.map_or(Kind::First, Kind::Second);
        Sample {
            small: 3,
            wide,
            text,
            list,
            choice: second.map(|n| n as u16),
            kind,
        }
    }

    #[test]
    fn a_secret_has_the_same_encoding_in_a_buffer_of_the_right_size() {
        let value = sample(7, "secret".to_owned(), vec![1, 2, 3], Some(9));
        let bytes = encode_secret(&value).unwrap();
        assert_eq!(*bytes, encode(&value).unwrap());
        assert_eq!(bytes.capacity(), bytes.len());
        assert_eq!(decode_secret::<Sample>(&bytes).unwrap(), value);
        assert!(decode_secret::<Sample>(&bytes[1..]).is_err());
        let large = vec![0u8; MESSAGE_BYTES_MAX];
        assert!(encode_secret(&large).is_err());
    }

    proptest! {
        #[test]
        fn a_maintained_crate_writes_the_same_bytes(
            wide: u64, text: String, list: Vec<u32>, second: Option<u32>
        ) {
            let value = sample(wide, text, list, second);
            prop_assert_eq!(encode(&value).unwrap(), wincode::serialize(&value).unwrap());
        }

        #[test]
        fn values_come_back_whole(wide: u64, text: String, list: Vec<u32>, second: Option<u32>) {
            let value = sample(wide, text, list, second);
            prop_assert_eq!(decode::<Sample>(&encode(&value).unwrap()).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = decode::<Sample>(&bytes);
            let _ = decode::<BTreeSet<String>>(&bytes);
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u32).unwrap();
        bytes.push(0);
        assert_eq!(decode::<u32>(&bytes), Err(DecodeError::Trailing { bytes: 1 }));
    }

    #[test]
    fn a_set_in_another_order_is_refused() {
        let swapped = encode(&vec!["b".to_owned(), "a".to_owned()]).unwrap();
        assert_eq!(
            decode::<BTreeSet<String>>(&swapped),
            Err(DecodeError::NotCanonical)
        );
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut bytes = (4u64 << 30).to_le_bytes().to_vec();
        bytes.push(1);
        assert_eq!(
            decode::<Vec<u8>>(&bytes),
            Err(DecodeError::Malformed { bytes: 9 })
        );
    }
}
