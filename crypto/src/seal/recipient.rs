//! The public half of a sealing key, as text `age1pq1…` (hybrid, suite 2) or `age1…` (X25519, suite 1).
//!
//! A recipient key comes from other hubs, so it is checked for more than its checksum: one key has one
//! text, its parts are canonical, and its point is not of small order. The age library ends the process
//! when it is asked to seal to such a point.
//!
//! Source: C2SP age, "Native recipient types".

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::curve;
use super::hybrid::HybridRecipient;
use super::text::Prefix;
use super::xwing::{KEY_BYTES, PublicKey};

/// Longest text of a recipient, in characters: 1216 bytes in digits of five bits, with prefix and checksum.
const TEXT_CHARS_MAX: usize = "age1pq1".len() + (KEY_BYTES * 8).div_ceil(5) + 6;
/// How the text of a hybrid recipient begins. No text of an X25519 recipient does: `1` is no digit of Bech32.
const HYBRID_TEXT: &str = "age1pq1";
/// Characters of a hybrid recipient that its debug output shows.
const SHOWN_CHARS: usize = 20;

/// Who a file is sealed to. Ordered by its text.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: Kind,
}

#[derive(Clone)]
enum Kind {
    X25519(age::x25519::Recipient),
    Hybrid(PublicKey),
}

/// Why a text is not a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// Not the canonical text of a key of either type.
    #[error("recipient is not a canonical age recipient, neither hybrid nor X25519")]
    Malformed,
    /// The key is a second encoding of another one.
    #[error("recipient key is not in its canonical encoding")]
    NotCanonical,
    /// The key has small order: everybody could open what is sealed to it.
    #[error("recipient key has small order")]
    SmallOrder,
}

impl Recipient {
    pub(super) fn of_x25519(identity: &age::x25519::Identity) -> Self {
        let key = identity.to_public();
        Self {
            text: key.to_string(),
            key: Kind::X25519(key),
        }
    }

    pub(super) fn of_hybrid(key: &PublicKey) -> Self {
        Self {
            text: Prefix::HYBRID_RECIPIENT.encode(&key.to_bytes()).to_string(),
            key: Kind::Hybrid(key.clone()),
        }
    }

    /// The recipient as the age library takes it.
    pub(super) fn age(&self) -> Box<dyn age::Recipient + '_> {
        match &self.key {
            Kind::X25519(key) => Box::new(key.clone()),
            Kind::Hybrid(key) => Box::new(HybridRecipient(key)),
        }
    }

    /// Whether this is of suite 2.
    pub const fn is_hybrid(&self) -> bool {
        matches!(self.key, Kind::Hybrid(_))
    }

    /// The text, `age1…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(RecipientError::Malformed);
        }
        let key = if text.starts_with(HYBRID_TEXT) {
            let bytes = Prefix::HYBRID_RECIPIENT.decode(text);
            Kind::Hybrid(PublicKey::from_bytes(&bytes.ok_or(RecipientError::Malformed)?)?)
        } else {
            let bytes = Prefix::RECIPIENT.decode(text).ok_or(RecipientError::Malformed)?;
            let point = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| RecipientError::Malformed)?;
            curve::check(point)?;
            Kind::X25519(text.parse().map_err(|_| RecipientError::Malformed)?)
        };
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
        match (&self.key, self.text.get(..SHOWN_CHARS)) {
            (Kind::Hybrid(_), Some(start)) => write!(f, "Recipient({start}..)"),
            _ => write!(f, "Recipient({})", self.text),
        }
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

impl Hash for Recipient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
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

#[cfg(test)]
mod tests;
