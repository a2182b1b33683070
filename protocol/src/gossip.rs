//! What the members of a community gossip: envelopes of that very audience, and what is signed by itself.
//!
//! A message may come from anyone who passes it on. It speaks for itself or not at all: an envelope by the signature of
//! its outer part, a checkpoint by the ledger key, evidence by what it proves.

use serde::{Deserialize, Serialize};

use crate::wire::{self, DecodeError};

/// Tells these from the frames of [`crate::exchange`], which have schema 1.
const SCHEMA: u16 = 2;
const VERSION: u16 = 1;

/// A message to all members of a community.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GossipMessage {
    /// An envelope, of content or of an audience key.
    Envelope(Vec<u8>),
    /// What needs no permit.
    Statement(Statement),
}

/// What hubs state about ledgers: no field here can hold content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Statement {
    /// The newest checkpoint of the hub that published it, as a signed note.
    Checkpoint(Vec<u8>),
    /// Evidence that a ledger shows two histories.
    Evidence(Vec<u8>),
}

/// Largest statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024;

impl GossipMessage {
    /// The bytes to publish.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = SCHEMA.to_be_bytes().to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        // Every variant is bounded by the constructors of its parts, so encoding cannot fail; an empty body would be
        // refused by the others.
        bytes.extend_from_slice(&wire::encode(self).unwrap_or_default());
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] if schema, version or body is not ours, or a statement is too large.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let malformed = DecodeError::Malformed { bytes: bytes.len() };
        let (schema, rest) = bytes.split_first_chunk::<2>().ok_or(malformed.clone())?;
        let (version, body) = rest.split_first_chunk::<2>().ok_or(malformed.clone())?;
        if u16::from_be_bytes(*schema) != SCHEMA || u16::from_be_bytes(*version) != VERSION {
            return Err(malformed);
        }
        let message: Self = wire::decode(body)?;
        let is_statement = matches!(message, Self::Statement(_));
        if is_statement && body.len() > STATEMENT_BYTES_MAX {
            Err(malformed)
        } else {
            Ok(message)
        }
    }
}

impl std::fmt::Debug for GossipMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Envelope(bytes) => write!(f, "Envelope({} bytes)", bytes.len()),
            Self::Statement(statement) => statement.fmt(f),
        }
    }
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint(bytes) => write!(f, "Checkpoint({} bytes)", bytes.len()),
            Self::Evidence(bytes) => write!(f, "Evidence({} bytes)", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Message;

    #[test]
    fn messages_come_back_and_never_print_their_bytes() {
        let message = GossipMessage::Envelope(b"secret".to_vec());
        assert_eq!(GossipMessage::decode(&message.to_bytes()).unwrap(), message);
        assert_eq!(format!("{message:?}"), "Envelope(6 bytes)");
    }

    #[test]
    fn frames_of_a_stream_and_oversized_statements_are_refused() {
        let frame = Message::Content(b"secret".to_vec()).to_frame();
        assert!(GossipMessage::decode(&frame).is_err());
        let published = GossipMessage::Envelope(b"secret".to_vec()).to_bytes();
        assert!(Message::decode(&published).is_err());
        let oversized = GossipMessage::Statement(Statement::Evidence(vec![0; STATEMENT_BYTES_MAX]));
        assert!(GossipMessage::decode(&oversized.to_bytes()).is_err());
        assert!(GossipMessage::decode(&[]).is_err());
    }
}
