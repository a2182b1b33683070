//! The messages that two connected hubs exchange.
//!
//! A message is one frame of the transport: bincode behind a schema number and a version.
//! Content travels in [`Message::Content`], [`Message::Resealed`] and [`Message::Piece`] alone.

use serde::{Deserialize, Serialize};
use testudo_crypto::attachment::PIECE_BYTES_MAX;
use testudo_crypto::note::NOTE_BYTES_MAX;

use crate::charter::OwnHead;
use crate::id::{AudienceId, CharterVersion, EnvelopeHash, Hash, HubId, ItemRef, Sequence, Timestamp};
use crate::receipt::Act;
use crate::wire::{self, DecodeError};

const SCHEMA: u16 = 1;
const VERSION: u16 = 1;

/// Largest control message, in bytes: a token, a sealed notice, a proof with the cosignatures of a hundred hubs.
pub const CONTROL_BYTES_MAX: usize = 32 * 1024;

/// Most entries of [`Control::OwnHeads`]: as many as fit a control message; the rest follows in another.
pub const OWN_HEADS_MAX: usize = 128;

/// Largest message with a note of the charter, in bytes: a directory lists every member with its keys.
pub const CHARTER_BYTES_MAX: usize = NOTE_BYTES_MAX + 64;

/// A message between hubs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// An envelope.
    Content(Vec<u8>),
    /// An envelope whose signed part was sealed anew for the addressee, beside its original outer part.
    Resealed(Vec<u8>),
    /// Anything else.
    Control(Control),
    /// A piece of an attachment.
    Piece(Piece),
}

/// Some groups of a sealed attachment with the nodes that lead to them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// What it answers.
    pub ask: u64,
    /// The item.
    pub item: ItemRef,
    /// Which of its attachments, from 0.
    pub number: u32,
    /// The piece; at most [`PIECE_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

/// A question for a piece of an attachment: by the envelope in which the item came, not by the hash of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceAsk {
    /// Names the question until its answer; chosen by who asks.
    pub ask: u64,
    /// The envelope in which the addressee sent the item.
    pub envelope: EnvelopeHash,
    /// The item.
    pub item: ItemRef,
    /// Which of its attachments, from 0.
    pub number: u32,
    /// The first group.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// A message without content: no field here can hold any.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// First on every stream: which federation and realm, and under which charter.
    Hello {
        /// Tag of the realm; another realm ends the conversation.
        realm: Hash,
        /// Charter version of the sender.
        charter: CharterVersion,
    },
    /// The outer part of an envelope that is not served, so that the chain stays whole.
    OuterOnly(Vec<u8>),
    /// How far a log of the addressee has been taken over: send what follows.
    Expect {
        /// The log.
        audience: AudienceId,
        /// The first sequence wanted.
        next: Sequence,
    },
    /// A receipt.
    Receipt(Vec<u8>),
    /// A receipt has been noted and need not be repeated.
    Noted {
        /// For which envelope.
        envelope: EnvelopeHash,
        /// Which receipt.
        act: Act,
    },
    /// A notice, sealed to the hub it is for.
    Notice(Vec<u8>),
    /// A consent token for the hub it is sent to.
    Consent(Vec<u8>),
    /// The recipient key of the sender for this week.
    Announce(Vec<u8>),
    /// A question to an originator for its consent.
    ConsentAsk(Vec<u8>),
    /// The originator's no to such a question.
    ConsentDeclined(Vec<u8>),
    /// A checkpoint to cosign: the body of a C2SP tlog-witness request.
    AddCheckpoint(Vec<u8>),
    /// The answer to one.
    Cosigned {
        /// SHA-256 of the request.
        request: Hash,
        /// The HTTP status of the protocol.
        status: u16,
        /// The body of the answer.
        body: Vec<u8>,
    },
    /// Asks for the newest checkpoint of the asker's ledger that the addressee cosigned.
    LastCheckpointAsk,
    /// That checkpoint as a signed note; empty if there is none.
    LastCheckpoint(Vec<u8>),
    /// Evidence that a ledger shows two histories.
    Evidence(Vec<u8>),
    /// Answers a hello: both streams stand.
    Welcome,
    /// Asks for a piece of an attachment.
    PieceAsk(PieceAsk),
    /// There is nothing here for whoever asked: no such thing, not held, or not for them; they cannot tell which.
    NotHere {
        /// What this answers.
        ask: u64,
    },
    /// The newest of the members' own acts that the sender knows; at most [`OWN_HEADS_MAX`].
    OwnHeads(Vec<OwnHead>),
    /// Asks for a member's own acts.
    OwnActsWanted {
        /// Whose.
        member: HubId,
        /// From which place on.
        from: u64,
    },
    /// One act by which a member decides about itself.
    OwnAct(Vec<u8>),
    /// Asks how far the addressee has taken over the asker's logs.
    HeadsAsk,
    /// The last outer part of each of those logs, as the asker signed it.
    Heads {
        /// Outer parts, at most [`HEADS_MAX`].
        outers: Vec<Vec<u8>>,
        /// Whether no more follow.
        last: bool,
    },
    /// Asks for leaves of a ledger: its own from its owner, or the asker's own from whoever mirrors it.
    LeavesAsk {
        /// Whose ledger.
        owner: HubId,
        /// The first leaf wanted, at the start of a tile.
        from: u64,
    },
    /// One tile of leaves.
    Leaves {
        /// Whose ledger.
        owner: HubId,
        /// The first leaf.
        from: u64,
        /// The leaves; none where the sender has no more.
        tile: Vec<u8>,
        /// Size of the checkpoint that the proof leads to, or of what the mirror keeps.
        size: u64,
        /// From the owner: the tree up to the end of the tile is a prefix of that checkpoint.
        proof: Vec<Hash>,
    },
    /// Asks to be shown that the decision behind an envelope stands in the addressee's ledger.
    ProofAsk {
        /// The envelope, sent to the asker.
        envelope: EnvelopeHash,
        /// The entry that its header names.
        index: u64,
        /// The commitment that its header names.
        commitment: Hash,
    },
    /// That proof, a C2SP tlog-proof.
    Proof {
        /// For which envelope.
        envelope: EnvelopeHash,
        /// The proof.
        proof: Vec<u8>,
    },
    /// What time it is at the sender.
    Time(Timestamp),
    /// A proof that the sender's operators went on without asking peers, with the opening of that entry.
    Alone(Vec<u8>),
    /// Which notes of the charter the sender has, of those whose ids lie in a range: the addressee sends what is
    /// missing. The ranges of several messages cover all ids.
    CharterHave {
        /// The first id of the range.
        from: Hash,
        /// The first id behind it; none at the end.
        until: Option<Hash>,
        /// What the sender has there.
        known: Vec<Hash>,
    },
    /// A signed note of the charter: a version or an act.
    CharterNote(Vec<u8>),
    /// What a voter's hub states about the charter that it follows.
    Heartbeat(Vec<u8>),
    /// The sender follows another directory than it said in its hello.
    Follows {
        /// Its version.
        charter: CharterVersion,
    },
}

/// Outer parts in one message: 191 bytes each.
pub const HEADS_MAX: usize = 64;

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Content(bytes) => write!(f, "Content({} bytes)", bytes.len()),
            Self::Resealed(bytes) => write!(f, "Resealed({} bytes)", bytes.len()),
            Self::Control(control) => control.fmt(f),
            Self::Piece(piece) => write!(f, "Piece({} bytes)", piece.bytes.len()),
        }
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hello { charter, .. } => write!(f, "Hello(charter {charter})"),
            Self::OuterOnly(bytes) => write!(f, "OuterOnly({} bytes)", bytes.len()),
            Self::Expect { audience, next } => write!(f, "Expect({audience} from {next})"),
            Self::Receipt(bytes) => write!(f, "Receipt({} bytes)", bytes.len()),
            Self::Noted { envelope, act } => write!(f, "Noted({envelope} {})", act.as_str()),
            Self::Notice(bytes) => write!(f, "Notice({} bytes)", bytes.len()),
            Self::Consent(bytes) => write!(f, "Consent({} bytes)", bytes.len()),
            Self::Announce(bytes) => write!(f, "Announce({} bytes)", bytes.len()),
            Self::ConsentAsk(bytes) => write!(f, "ConsentAsk({} bytes)", bytes.len()),
            Self::ConsentDeclined(bytes) => write!(f, "ConsentDeclined({} bytes)", bytes.len()),
            Self::AddCheckpoint(bytes) => write!(f, "AddCheckpoint({} bytes)", bytes.len()),
            Self::Cosigned { status, .. } => write!(f, "Cosigned({status})"),
            Self::LastCheckpointAsk => f.write_str("LastCheckpointAsk"),
            Self::LastCheckpoint(bytes) => write!(f, "LastCheckpoint({} bytes)", bytes.len()),
            Self::Evidence(bytes) => write!(f, "Evidence({} bytes)", bytes.len()),
            Self::Welcome => f.write_str("Welcome"),
            Self::PieceAsk(ask) => write!(f, "PieceAsk({} from group {})", ask.item, ask.first),
            Self::NotHere { .. } => f.write_str("NotHere"),
            Self::OwnHeads(heads) => write!(f, "OwnHeads({})", heads.len()),
            Self::OwnActsWanted { member, from } => write!(f, "OwnActsWanted({member} from {from})"),
            Self::OwnAct(bytes) => write!(f, "OwnAct({} bytes)", bytes.len()),
            Self::CharterHave { known, .. } => write!(f, "CharterHave({} notes)", known.len()),
            Self::CharterNote(bytes) => write!(f, "CharterNote({} bytes)", bytes.len()),
            Self::Heartbeat(bytes) => write!(f, "Heartbeat({} bytes)", bytes.len()),
            Self::Follows { charter } => write!(f, "Follows(charter {charter})"),
            Self::HeadsAsk => f.write_str("HeadsAsk"),
            Self::Heads { outers, last } => write!(f, "Heads({}, last {last})", outers.len()),
            Self::LeavesAsk { owner, from } => write!(f, "LeavesAsk({owner} from {from})"),
            Self::Leaves { owner, from, .. } => write!(f, "Leaves({owner} from {from})"),
            Self::ProofAsk { index, .. } => write!(f, "ProofAsk({index})"),
            Self::Proof { proof, .. } => write!(f, "Proof({} bytes)", proof.len()),
            Self::Time(_) => f.write_str("Time"),
            Self::Alone(bytes) => write!(f, "Alone({} bytes)", bytes.len()),
        }
    }
}

impl Message {
    /// The frame.
    pub fn to_frame(&self) -> Vec<u8> {
        let mut frame = SCHEMA.to_be_bytes().to_vec();
        frame.extend_from_slice(&VERSION.to_be_bytes());
        // Every variant is bounded by the constructors of its parts, so encoding cannot fail;
        // an empty body would be refused by the other side.
        frame.extend_from_slice(&wire::encode(self).unwrap_or_default());
        frame
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`DecodeError`] if schema, version or body is not ours, or a control message or a piece is too large.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let malformed = DecodeError::Malformed { bytes: frame.len() };
        let (schema, rest) = frame.split_first_chunk::<2>().ok_or(malformed.clone())?;
        let (version, body) = rest.split_first_chunk::<2>().ok_or(malformed.clone())?;
        if u16::from_be_bytes(*schema) != SCHEMA || u16::from_be_bytes(*version) != VERSION {
            return Err(malformed);
        }
        let message: Self = wire::decode(body)?;
        let too_large = match &message {
            Self::Control(Control::CharterNote(_)) => body.len() > CHARTER_BYTES_MAX,
            Self::Control(_) => body.len() > CONTROL_BYTES_MAX,
            Self::Piece(piece) => u64::try_from(piece.bytes.len()).is_ok_and(|bytes| bytes > PIECE_BYTES_MAX),
            // Bounded where the envelope is read.
            Self::Content(_) | Self::Resealed(_) => false,
        };
        if too_large { Err(malformed) } else { Ok(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_never_print_their_bytes() {
        let message = Message::Content(b"secret".to_vec());
        assert_eq!(Message::decode(&message.to_frame()).unwrap(), message);
        assert_eq!(format!("{message:?}"), "Content(6 bytes)");
    }

    #[test]
    fn another_version_and_an_oversized_control_message_are_refused() {
        let mut frame = Message::Control(Control::Notice(vec![0; 10])).to_frame();
        frame[3] = 9;
        assert!(Message::decode(&frame).is_err());
        let oversized = Message::Control(Control::Notice(vec![0; CONTROL_BYTES_MAX]));
        assert!(Message::decode(&oversized.to_frame()).is_err());
        let piece = |bytes: u64| {
            let piece = Piece {
                ask: 1,
                item: ItemRef {
                    item: crate::id::ItemId::new([1; 16]),
                    version: crate::id::ItemVersion::new(1),
                },
                number: 0,
                bytes: vec![0; usize::try_from(bytes).unwrap()],
            };
            Message::decode(&Message::Piece(piece).to_frame())
        };
        assert!(piece(PIECE_BYTES_MAX).is_ok());
        assert!(piece(PIECE_BYTES_MAX + 1).is_err());
        assert!(Message::decode(&[]).is_err());
    }
}
