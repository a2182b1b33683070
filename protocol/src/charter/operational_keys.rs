//! The keys with which a hub works from day to day, one for each purpose: all that its root key certifies.
//!
//! Not the governance keys: they vote, and only the other members can give a member new ones.

use std::collections::BTreeSet;

use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::keys::{KeyError, VerifyingKey};
use testudo_crypto::seal::Recipient;
use testudo_crypto::sign::composite::CompositeVerifyingKey;

use super::own_act::{KeyKind, OwnActError};
use crate::id::Hash;
use crate::wire::{Reader, prefixed};

/// A hub's public keys of daily work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationalKeys {
    /// Ed25519: proves who is at the other end of a connection.
    pub transport: Hash,
    /// Ed25519: signs envelopes, receipts, notices and tokens.
    pub payload: Hash,
    /// ML-DSA-65: signs headers and recipient keys as well; 1,952 bytes in hexadecimal.
    pub payload_pq: String,
    /// Ed25519: signs the ledger's checkpoints.
    pub ledger: Hash,
    /// Ed25519: cosigns the checkpoints of others.
    pub cosigning: Hash,
    /// age ML-KEM-768 with X25519: notices are sealed to it.
    pub recipient: String,
    /// age X25519: content is sealed to it in suite 1.
    pub recipient_classical: String,
}

impl OperationalKeys {
    /// Both payload keys.
    ///
    /// # Errors
    /// [`KeyError`] if one is weak or malformed.
    pub fn payload_key(&self) -> Result<CompositeVerifyingKey, KeyError> {
        let post_quantum = unhex(&self.payload_pq).unwrap_or_default();
        CompositeVerifyingKey::from_bytes(&[self.payload.as_bytes().as_slice(), &post_quantum].concat())
    }

    /// Where to seal notices to; `None` if the text is no hybrid recipient.
    pub fn recipient(&self) -> Option<Recipient> {
        self.recipient.parse().ok().filter(Recipient::is_hybrid)
    }

    /// Where to seal content of suite 1 to; `None` if the text is no X25519 recipient.
    pub fn recipient_classical(&self) -> Option<Recipient> {
        let recipient: Option<Recipient> = self.recipient_classical.parse().ok();
        recipient.filter(|recipient| !recipient.is_hybrid())
    }

    /// The key of one kind; of the payload keys the Ed25519 half.
    pub const fn signing(&self, kind: KeyKind) -> Hash {
        match kind {
            KeyKind::Transport => self.transport,
            KeyKind::Payload => self.payload,
            KeyKind::Ledger => self.ledger,
            KeyKind::Cosigning => self.cosigning,
        }
    }

    /// Every key that signs.
    pub fn all_signing(&self) -> [Hash; 4] {
        [self.transport, self.payload, self.ledger, self.cosigning]
    }

    /// Whether every key is usable and no two purposes share one.
    pub fn are_sound(&self) -> bool {
        let keys = self.all_signing();
        let distinct: BTreeSet<_> = keys.iter().collect();
        distinct.len() == keys.len()
            && keys
                .iter()
                .all(|key| VerifyingKey::from_bytes(key.as_bytes()).is_ok())
            && self.payload_key().is_ok()
            && self.recipient().is_some()
            && self.recipient_classical().is_some()
    }

    /// The bytes that a root key certifies.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for key in self.all_signing() {
            bytes.extend_from_slice(key.as_bytes());
        }
        bytes.extend_from_slice(&prefixed(&unhex(&self.payload_pq).unwrap_or_default()));
        bytes.extend_from_slice(&prefixed(self.recipient.as_bytes()));
        bytes.extend_from_slice(&prefixed(self.recipient_classical.as_bytes()));
        bytes
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, OwnActError> {
        let (transport, payload) = (reader.array()?, reader.array()?);
        let (ledger, cosigning) = (reader.array()?, reader.array()?);
        let payload_pq = hex(reader.prefixed()?);
        let mut text = || {
            let bytes = reader.prefixed()?.to_vec();
            String::from_utf8(bytes).map_err(|_| OwnActError::Malformed)
        };
        Ok(Self {
            transport: Hash::new(transport),
            payload: Hash::new(payload),
            payload_pq,
            ledger: Hash::new(ledger),
            cosigning: Hash::new(cosigning),
            recipient: text()?,
            recipient_classical: text()?,
        })
    }
}
