//! Several drafts or notes in one file: what is carried to the machine that signs, and back.
//!
//! ```text
//! testudo charter packet v1
//! object <bytes>
//! <that many bytes: a signed note, or a text that nobody has signed>
//! ...
//! ```

use super::draft::{Draft, DraftError};
use super::text::TEXT_BYTES_MAX;
use testudo_crypto::note::NOTE_BYTES_MAX;

const HEADING: &str = "testudo charter packet v1\n";

/// Largest packet, in bytes: some years of versions of a directory.
pub const PACKET_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most objects in one packet.
pub const PACKET_OBJECTS_MAX: usize = 10_000;

/// Drafts and notes in the order in which they can be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The objects.
    pub objects: Vec<Draft>,
}

/// Why a file is no packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Over a limit.
    #[error("charter packet has {bytes} bytes, at most {PACKET_BYTES_MAX} are read")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
    },
    /// More objects than one packet may hold.
    #[error("charter packet holds more than {PACKET_OBJECTS_MAX} objects")]
    TooMany,
    /// One object over its limit.
    #[error("object {at} of the charter packet has {bytes} bytes, at most {max} are read")]
    ObjectTooLarge {
        /// Which, from 1.
        at: usize,
        /// Bytes announced.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not of this format.
    #[error("file is not a charter packet, or cut off in object {at}; fetch it again")]
    Malformed {
        /// Where, from 1.
        at: usize,
    },
    /// An object that is neither text nor note.
    #[error("object {at} of the charter packet is refused")]
    Object {
        /// Which, from 1.
        at: usize,
        /// Why.
        #[source]
        source: DraftError,
    },
}

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`PacketError`] with the place in the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(PacketError::TooLarge { bytes: bytes.len() });
        }
        let malformed = |at| PacketError::Malformed { at };
        let mut rest = bytes.strip_prefix(HEADING.as_bytes()).ok_or(malformed(0))?;
        let mut objects = Vec::new();
        while !rest.is_empty() {
            let at = objects.len().saturating_add(1);
            if at > PACKET_OBJECTS_MAX {
                return Err(PacketError::TooMany);
            }
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or(malformed(at))?;
            let (line, after) = rest.split_at_checked(end).ok_or(malformed(at))?;
            let length = std::str::from_utf8(line)
                .ok()
                .and_then(|line| line.strip_prefix("object ")?.parse::<usize>().ok())
                .ok_or(malformed(at))?;
            if length > NOTE_BYTES_MAX {
                return Err(PacketError::ObjectTooLarge {
                    at,
                    bytes: length,
                    max: TEXT_BYTES_MAX,
                });
            }
            let after = after.get(1..).unwrap_or_default();
            let (object, after) = after.split_at_checked(length).ok_or(malformed(at))?;
            objects.push(Draft::parse(object).map_err(|source| PacketError::Object { at, source })?);
            rest = after;
        }
        Ok(Self { objects })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = HEADING.as_bytes().to_vec();
        for object in &self.objects {
            let object = object.to_bytes();
            bytes.extend_from_slice(format!("object {}\n", object.len()).as_bytes());
            bytes.extend_from_slice(&object);
        }
        bytes
    }

    /// The notes among the objects: what somebody has signed.
    pub fn notes(&self) -> Vec<Vec<u8>> {
        let signed = self.objects.iter().filter_map(Draft::note);
        signed.map(|note| note.to_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_and_a_cut_one_is_refused() {
        let packet = Packet {
            objects: vec![
                Draft::new("{}\n".to_owned()),
                Draft::new("{\"a\":1}\n".to_owned()),
            ],
        };
        let bytes = packet.to_bytes();
        assert_eq!(Packet::parse(&bytes), Ok(packet));
        for cut in HEADING.len() + 1..bytes.len() {
            let is_whole_object = cut == HEADING.len() + "object 3\n{}\n".len();
            assert_eq!(Packet::parse(&bytes[..cut]).is_ok(), is_whole_object, "{cut}");
        }
    }

    #[test]
    fn a_directory_of_100_mib_is_refused_before_it_is_read() {
        let announced = format!("{HEADING}object {}\n", 100 * 1024 * 1024);
        let refused = Packet::parse(announced.as_bytes()).unwrap_err();
        assert!(matches!(refused, PacketError::ObjectTooLarge { at: 1, bytes, .. } if bytes == 100 << 20));
        let large = vec![b' '; PACKET_BYTES_MAX + 1];
        assert!(matches!(Packet::parse(&large), Err(PacketError::TooLarge { .. })));
    }
}
