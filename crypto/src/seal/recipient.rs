//! The public half of a sealing key, as text `age1…`.
//!
//! A recipient key comes from other hubs, so it is checked for more than its checksum. Points of small
//! order give every sealer the same secret, known to all; the age library ends the process when it is
//! asked to seal to one.
//!
//! Source: C2SP age, "The X25519 recipient type"; RFC 7748 section 6.1.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Who a file is sealed to. Ordered by its text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    text: String,
    key: age::x25519::Recipient,
}

/// Why a text is not a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// Not the canonical `age1…` text of 32 bytes.
    #[error("recipient is not a canonical age X25519 recipient")]
    Malformed,
    /// The key is a second encoding of another one.
    #[error("recipient key is not in its canonical encoding")]
    NotCanonical,
    /// The key has small order: everybody could open what is sealed to it.
    #[error("recipient key has small order")]
    SmallOrder,
}

impl Recipient {
    pub(super) fn of(identity: &age::x25519::Identity) -> Self {
        let key = identity.to_public();
        Self {
            text: key.to_string(),
            key,
        }
    }

    /// The recipient as the age library takes it.
    pub(super) fn age(&self) -> &age::x25519::Recipient {
        &self.key
    }

    /// The text, `age1…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key: age::x25519::Recipient = text.parse().map_err(|_| RecipientError::Malformed)?;
        // Bech32 also comes in upper case: one key, one text.
        if key.to_string() != text {
            return Err(RecipientError::Malformed);
        }
        let point = point_of(text).ok_or(RecipientError::Malformed)?;
        if !is_reduced(&point) {
            return Err(RecipientError::NotCanonical);
        }
        if SMALL_ORDER.contains(&point) {
            return Err(RecipientError::SmallOrder);
        }
        Ok(Self {
            text: text.to_owned(),
            key,
        })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.text)
    }
}

impl Ord for Recipient {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl PartialOrd for Recipient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The reduced coordinates of every point of the curve and its twist whose order divides 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

/// Whether a little endian coordinate is below 2^255 - 19.
fn is_reduced(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    *high < 0x7f || (*high == 0x7f && (*low < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}

/// The 32 bytes behind the text of a recipient whose checksum the age library has checked.
fn point_of(text: &str) -> Option<[u8; 32]> {
    const DIGITS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const CHECKSUM_DIGITS: usize = 6;
    let data = text.strip_prefix("age1")?.as_bytes();
    let data = data.get(..data.len().checked_sub(CHECKSUM_DIGITS)?)?;
    let mut bytes = Vec::with_capacity(32);
    let (mut held, mut held_bits) = (0u32, 0u32);
    for digit in data {
        let value = DIGITS.iter().position(|known| known == digit)?;
        held = (held << 5 | u32::try_from(value).ok()?) & 0xfff;
        held_bits = held_bits.saturating_add(5);
        if held_bits >= 8 {
            held_bits = held_bits.saturating_sub(8);
            bytes.push(u8::try_from(held >> held_bits & 0xff).ok()?);
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
