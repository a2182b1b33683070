//! Asking an originator for its consent to one onward disclosure, and being told no.
//!
//! A question grants nothing and needs no signature: it is taken from the peer on whose connection it came, and the
//! yes to it is a [`crate::consent::ConsentToken`]. What it names is ids, a purpose and a deadline, never content.

use serde::{Deserialize, Serialize};

use crate::consent::PURPOSE_BYTES_MAX;
use crate::id::{HubId, ItemRef, Timestamp};
use crate::wire;

/// A question of the peer that sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentQuestion {
    /// The item of the addressee.
    pub item: ItemRef,
    /// To whom the asking hub would give it.
    pub recipient: HubId,
    /// For what.
    pub purpose: String,
    /// When the asking hub stops waiting.
    pub deadline: Timestamp,
}

/// The originator does not consent. There is no reason: it would tell of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentDeclined {
    /// The item.
    pub item: ItemRef,
    /// To whom it was to go.
    pub recipient: HubId,
}

/// Bytes that are no question, or no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("question for consent, or the answer to one, is malformed")]
pub struct ConsentQuestionError;

impl ConsentQuestion {
    /// The encoded question.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Far below the codec's limit; empty bytes would be refused by the other side.
        wire::encode(self).unwrap_or_default()
    }

    /// Reads a question, to the last byte.
    ///
    /// # Errors
    /// [`ConsentQuestionError`] also where the purpose is over [`PURPOSE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ConsentQuestionError> {
        wire::decode(bytes)
            .ok()
            .filter(|question: &Self| question.purpose.len() <= PURPOSE_BYTES_MAX)
            .ok_or(ConsentQuestionError)
    }
}

impl ConsentDeclined {
    /// The encoded answer.
    pub fn to_bytes(self) -> Vec<u8> {
        // Far below the codec's limit; empty bytes would be refused by the other side.
        wire::encode(&self).unwrap_or_default()
    }

    /// Reads an answer, to the last byte.
    ///
    /// # Errors
    /// [`ConsentQuestionError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ConsentQuestionError> {
        wire::decode(bytes).map_err(|_| ConsentQuestionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ItemId, ItemVersion};

    fn question(purpose: String) -> ConsentQuestion {
        ConsentQuestion {
            item: ItemRef {
                item: ItemId::new([7; 16]),
                version: ItemVersion::new(2),
            },
            recipient: "EEAS".parse().unwrap(),
            purpose,
            deadline: Timestamp::from_seconds(1_798_286_400),
        }
    }

    #[test]
    fn questions_and_answers_come_back_whole_or_not_at_all() {
        let asked = question("joint analysis".to_owned());
        let bytes = asked.to_bytes();
        assert_eq!(ConsentQuestion::decode(&bytes), Ok(asked.clone()));
        assert!(ConsentQuestion::decode(&bytes[1..]).is_err());
        assert!(ConsentQuestion::decode(&[bytes, vec![0]].concat()).is_err());
        assert!(ConsentQuestion::decode(&question("x".repeat(PURPOSE_BYTES_MAX + 1)).to_bytes()).is_err());
        let declined = ConsentDeclined {
            item: asked.item,
            recipient: asked.recipient,
        };
        assert_eq!(ConsentDeclined::decode(&declined.to_bytes()), Ok(declined));
        assert!(ConsentDeclined::decode(&[]).is_err());
    }
}
