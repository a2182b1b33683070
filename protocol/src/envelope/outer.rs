//! The outer part: order and rate control only, no label, laid out by hand.
//!
//! 191 bytes: version (1), suite (1), entry (1: 0 content, 1 audience key), sender (16), audience (16), epoch (4), sequence (8),
//! previous link (32), SHA-256 of the ciphertext (32), its length (8), expiry in
//! milliseconds (8), Ed25519 signature (64). Integers are big endian. The link is SHA-256
//! over the first 127 bytes; the signature covers the realm tag and the same bytes.

use testudo_crypto::digest::Digest;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::{self, Signature};

use super::suite::Suite;
use crate::charter::{Charter, KeyRefusal};
use crate::fault::Fault;
use crate::id::{AudienceId, EnvelopeHash, Hash, HubId, Sequence, Timestamp};
use crate::realm::Realm;
use crate::wire::Reader;

const VERSION: u8 = 1;
const UNSIGNED_BYTES: usize = 127;

/// What an entry of a log carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// An item.
    Content,
    /// The key under which the items after it are sealed.
    AudienceKey,
}

/// What the sender states about an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterFields {
    /// Cipher suite.
    pub suite: Suite,
    /// What it carries.
    pub entry: LogEntry,
    /// Who sends it and answers for its place in the log.
    pub sender: HubId,
    /// The audience.
    pub audience: AudienceId,
    /// Key epoch.
    pub epoch: u32,
    /// Position in the log, from 1.
    pub sequence: Sequence,
    /// Link of the envelope before it; zeros for the first.
    pub previous: EnvelopeHash,
    /// Hash of the ciphertext.
    pub cipher_hash: Hash,
    /// Length of the ciphertext in bytes.
    pub cipher_bytes: u64,
    /// End of life; zero for none.
    pub expires: Timestamp,
}

/// An outer part and its signature, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outer {
    fields: OuterFields,
    signature: Signature,
}

/// Why an outer part is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OuterError {
    /// Not 191 bytes of this layout.
    #[error("outer part is malformed")]
    Malformed,
    /// Another version or suite.
    #[error("outer version {version} suite {suite} is not one this hub reads")]
    Version {
        /// Version byte.
        version: u8,
        /// Suite byte.
        suite: u8,
    },
    /// The sender is no member.
    #[error("sender is not a member of charter version {ours}")]
    Sender {
        /// Our version.
        ours: u32,
    },
    /// The signature does not verify in this realm.
    #[error("outer signature does not verify")]
    Signature,
    /// Signed with a key that the sender has revoked.
    #[error("outer part is signed with a payload key that its sender has revoked")]
    Revoked,
}

impl OuterError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl Outer {
    /// Length of an encoded outer part.
    pub const BYTES: usize = UNSIGNED_BYTES + 64;

    /// Signs the fields for a realm.
    pub fn sign(fields: OuterFields, key: &SigningKey, realm: &Realm) -> Self {
        let signature = sign::sign(key, sign::Domain::OUTER, &realm.bind(&unsigned(&fields)));
        Self { fields, signature }
    }

    /// What the sender states.
    pub fn fields(&self) -> &OuterFields {
        &self.fields
    }

    /// The link that the next envelope names.
    pub fn link(&self) -> EnvelopeHash {
        EnvelopeHash::new(*Digest::of(&unsigned(&self.fields)).as_bytes())
    }

    /// The 191 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [unsigned(&self.fields), self.signature.to_bytes().to_vec()].concat()
    }

    /// Reads 191 bytes.
    ///
    /// # Errors
    /// [`OuterError::Malformed`] or [`OuterError::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OuterError> {
        if bytes.len() != Self::BYTES {
            return Err(OuterError::Malformed);
        }
        let mut reader = Reader::new(bytes);
        Self::read(&mut reader)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, OuterError> {
        let short = |_| OuterError::Malformed;
        let version = reader.u8().map_err(short)?;
        let suite = reader.u8().map_err(short)?;
        let refused = OuterError::Version { version, suite };
        let suite = Suite::try_from(suite).map_err(|_| refused.clone())?;
        if version != VERSION {
            return Err(refused);
        }
        let entry = match reader.u8().map_err(short)? {
            0 => LogEntry::Content,
            1 => LogEntry::AudienceKey,
            _ => return Err(OuterError::Malformed),
        };
        let sender = HubId::from_wire(reader.array().map_err(short)?).map_err(|_| OuterError::Malformed)?;
        let fields = OuterFields {
            suite,
            entry,
            sender,
            audience: AudienceId::new(reader.array().map_err(short)?),
            epoch: reader.u32().map_err(short)?,
            sequence: Sequence::new(reader.u64().map_err(short)?),
            previous: EnvelopeHash::new(reader.array().map_err(short)?),
            cipher_hash: Hash::new(reader.array().map_err(short)?),
            cipher_bytes: reader.u64().map_err(short)?,
            expires: Timestamp::from_millis(reader.u64().map_err(short)?),
        };
        let signature = Signature::from_bytes(reader.array().map_err(short)?);
        Ok(Self { fields, signature })
    }

    /// Checks sender and signature against the charter.
    ///
    /// # Errors
    /// [`OuterError::Sender`] or [`OuterError::Signature`].
    pub fn verify(&self, charter: &Charter) -> Result<(), OuterError> {
        let sender = self.fields.sender;
        if charter.member(sender).is_none() {
            return Err(OuterError::Sender {
                ours: charter.version().get(),
            });
        }
        let message = unsigned(&self.fields);
        let checked = charter.check_signature(sender, sign::Domain::OUTER, &message, &self.signature);
        checked.map_err(|refusal| match refusal {
            KeyRefusal::Revoked => OuterError::Revoked,
            KeyRefusal::Unknown | KeyRefusal::Over => OuterError::Signature,
        })
    }
}

fn unsigned(fields: &OuterFields) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(UNSIGNED_BYTES);
    let entry = match fields.entry {
        LogEntry::Content => 0,
        LogEntry::AudienceKey => 1,
    };
    bytes.extend_from_slice(&[VERSION, fields.suite.number(), entry]);
    bytes.extend_from_slice(fields.sender.as_bytes());
    bytes.extend_from_slice(fields.audience.as_bytes());
    bytes.extend_from_slice(&fields.epoch.to_be_bytes());
    bytes.extend_from_slice(&fields.sequence.get().to_be_bytes());
    bytes.extend_from_slice(fields.previous.as_bytes());
    bytes.extend_from_slice(fields.cipher_hash.as_bytes());
    bytes.extend_from_slice(&fields.cipher_bytes.to_be_bytes());
    bytes.extend_from_slice(&fields.expires.millis().to_be_bytes());
    bytes
}
