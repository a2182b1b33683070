//! Names for things that could be swapped: hubs, items, audiences, hashes, times.
//!
//! Ids are bytes on the wire and text for people; both forms are parsed strictly.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testudo_crypto::digest::{hex, unhex};

/// Longest hub code, in bytes.
pub const HUB_CODE_BYTES_MAX: usize = 16;

/// The code of a hub in the charter, such as `FR`, `EEAS` or `MD`.
///
/// 2 to 16 characters of `A`–`Z`, `0`–`9` and `-`; on the wire 16 bytes, filled with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId([u8; HUB_CODE_BYTES_MAX]);

/// A hub code that is not of the form above.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hub code must be 2 to 16 characters of A-Z, 0-9 and -")]
pub struct HubCodeError;

impl HubId {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(HUB_CODE_BYTES_MAX);
        self.0
            .get(..end)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or("")
    }

    /// The fixed wire form.
    pub fn as_bytes(&self) -> &[u8; HUB_CODE_BYTES_MAX] {
        &self.0
    }

    /// Reads the fixed wire form.
    ///
    /// # Errors
    /// [`HubCodeError`] if the text is malformed or anything but zeros follows it.
    pub fn from_wire(bytes: [u8; HUB_CODE_BYTES_MAX]) -> Result<Self, HubCodeError> {
        let candidate = Self(bytes);
        let parsed = candidate.as_str().parse::<Self>()?;
        if parsed == candidate {
            Ok(parsed)
        } else {
            Err(HubCodeError)
        }
    }
}

impl FromStr for HubId {
    type Err = HubCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'-';
        let bytes = text.as_bytes();
        if bytes.len() < 2 || bytes.len() > HUB_CODE_BYTES_MAX || !bytes.iter().all(allowed) {
            return Err(HubCodeError);
        }
        let mut code = [0; HUB_CODE_BYTES_MAX];
        for (slot, byte) in code.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        Ok(Self(code))
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for HubId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.as_str())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for HubId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(D::Error::custom)
        } else {
            Self::from_wire(<[u8; HUB_CODE_BYTES_MAX]>::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

/// Text that is not the hexadecimal form of an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} lower-case hexadecimal digits")]
pub struct HexIdError {
    expected: usize,
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps raw bytes.
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = HexIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                unhex(text)
                    .and_then(|bytes| <[u8; $bytes]>::try_from(bytes).ok())
                    .map(Self)
                    .ok_or(HexIdError { expected: 2 * $bytes })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(&hex(&self.0))
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                } else {
                    <[u8; $bytes]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

byte_id!(
    /// An item for life, over all its versions. Random, never reused.
    ItemId,
    16
);
byte_id!(
    /// A draft inside one hub. Random; it becomes nothing else, the item has an id of its own.
    DraftId,
    16
);
byte_id!(
    /// The opaque name of one audience of one originator: a keyed hash of its hubs, so that
    /// the name alone tells nobody who is in it.
    AudienceId,
    16
);
byte_id!(
    /// The hash of an envelope's outer part without its signature; it covers the ciphertext.
    /// The next envelope of the same log names it as its previous link.
    EnvelopeHash,
    32
);
byte_id!(
    /// The opaque name of one community under one charter: a keyed hash of its name and its members.
    CommunityTag,
    32
);
byte_id!(
    /// A SHA-256 value inside a signed structure.
    Hash,
    32
);
byte_id!(
    /// The first eight bytes of the hash of a public key.
    KeyTag,
    8
);

impl From<testudo_crypto::digest::Digest> for Hash {
    fn from(digest: testudo_crypto::digest::Digest) -> Self {
        Self(*digest.as_bytes())
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The number.
            pub const fn get(self) -> $inner {
                self.0
            }

            /// The number after this one; stays at the maximum.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// The version of an item, from 1, set by its originator alone.
    ItemVersion,
    u32
);
counter!(
    /// The position of an envelope in its log, from 1. The height of a log is its last one.
    Sequence,
    u64
);
counter!(
    /// The version of the charter.
    CharterVersion,
    u32
);

/// One version of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemRef {
    /// The item.
    pub item: ItemId,
    /// Its version.
    pub version: ItemVersion,
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.item, self.version)
    }
}

/// A moment, in milliseconds since 1970-01-01 UTC. Zero means "none" where a field says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// In milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// In whole seconds, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// The moment so many milliseconds later.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_code_has_one_wire_form() {
        let code: HubId = "EEAS".parse().unwrap();
        assert_eq!(code.as_str(), "EEAS");
        assert_eq!(HubId::from_wire(*code.as_bytes()), Ok(code));

        let mut padded = *code.as_bytes();
        padded[10] = b'X';
        assert_eq!(HubId::from_wire(padded), Err(HubCodeError));
        for bad in ["", "F", "fr", "FR ", "ÉS", "ABCDEFGHIJKLMNOPQ"] {
            assert!(bad.parse::<HubId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = ItemId::new([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("07".parse::<ItemId>().is_err());
        assert!(
            id.to_string()
                .to_uppercase()
                .replace('7', "A")
                .parse::<ItemId>()
                .is_err()
        );
    }
}
