//! A member: class, status, agreements, keys and address; and the card it applies with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use testudo_crypto::keys::KeyError;
use testudo_crypto::seal::Recipient;
use testudo_crypto::sign::composite::CompositeVerifyingKey;
use testudo_crypto::sign::{self, Signature};

use super::certificate::KeyCertificate;
use super::operational_keys::OperationalKeys;
use crate::id::{Hash, HubId};
use crate::label::{Class, Level};
use crate::realm::Realm;
use crate::vocabulary;

vocabulary! {
    /// Whether a member may send and receive.
    Status, "status", {
        /// In good standing.
        Active = "active",
        /// Held for 72 hours by an emergency act.
        Held = "held",
        /// Suspended by a majority of the others.
        Suspended = "suspended",
        /// Expelled by two thirds of the others.
        Expelled = "expelled",
        /// Left by its own act.
        Exited = "exited",
    }
}

/// A member's public keys of daily work, one for each purpose. Its votes have keys of their own, in the constitution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MemberKeys {
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
    /// age ML-KEM-768 with X25519: notices are sealed to it, which hold no content. Content is sealed to weekly
    /// keys.
    pub recipient: String,
    /// age X25519: content is sealed to it in suite 1.
    pub recipient_classical: String,
}

impl MemberKeys {
    /// The same as its root key certifies them.
    pub fn operational(&self) -> OperationalKeys {
        OperationalKeys {
            transport: self.transport,
            payload: self.payload,
            payload_pq: self.payload_pq.clone(),
            ledger: self.ledger,
            cosigning: self.cosigning,
            recipient: self.recipient.clone(),
            recipient_classical: self.recipient_classical.clone(),
        }
    }

    /// Both payload keys.
    ///
    /// # Errors
    /// [`KeyError`] if one is weak or malformed.
    pub fn payload_key(&self) -> Result<CompositeVerifyingKey, KeyError> {
        self.operational().payload_key()
    }

    /// Where to seal notices to; `None` if the text is no hybrid recipient.
    pub fn recipient(&self) -> Option<Recipient> {
        self.operational().recipient()
    }

    /// Where to seal content of suite 1 to; `None` if the text is no X25519 recipient.
    pub fn recipient_classical(&self) -> Option<Recipient> {
        self.operational().recipient_classical()
    }

    /// Every key that signs.
    pub fn all(&self) -> [Hash; 4] {
        [self.transport, self.payload, self.ledger, self.cosigning]
    }

    /// Whether every key is usable and no two purposes share one.
    pub fn are_sound(&self) -> bool {
        self.operational().are_sound()
    }
}

impl From<OperationalKeys> for MemberKeys {
    fn from(keys: OperationalKeys) -> Self {
        let OperationalKeys {
            transport,
            payload,
            payload_pq,
            ledger,
            cosigning,
            recipient,
            recipient_classical,
        } = keys;
        Self {
            transport,
            payload,
            payload_pq,
            ledger,
            cosigning,
            recipient,
            recipient_classical,
        }
    }
}

/// One member as the charter describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Member {
    /// Its code.
    pub code: HubId,
    /// Its class.
    pub class: Class,
    /// Whether it may send and receive.
    pub status: Status,
    /// Member state or institution of the European Union.
    pub eu_member: bool,
    /// Level its deployment is accredited for, 0 to 6.
    pub accredited_level: u8,
    /// Level up to which it has an agreement with the European Union, 0 to 6.
    pub soi_level: u8,
    /// Voters that sponsor it and until when, Unix seconds; empty for voters themselves.
    pub sponsors: BTreeMap<HubId, u64>,
    /// Whether there is a legal basis for sending it personal data.
    pub transfer_basis: bool,
    /// Communities of interest it is in.
    pub communities: BTreeSet<String>,
    /// Exercises it is enrolled in.
    pub exercises: BTreeSet<String>,
    /// Obligations its node can honour.
    pub caps: BTreeSet<String>,
    /// Bilateral agreements: originator and level.
    pub tags: BTreeMap<HubId, u8>,
    /// Its keys.
    pub keys: MemberKeys,
    /// Its root key, and what that says about the keys.
    pub certificate: KeyCertificate,
    /// Where its hub listens: QUIC on this UDP port, TLS on the TCP port of the same number.
    pub address: SocketAddr,
}

impl Member {
    /// A member in good standing, as it is first entered: nothing beyond its class.
    pub fn admitted(card: &Card, sponsors: BTreeMap<HubId, u64>) -> Self {
        let european = matches!(card.class, Class::MemberState | Class::EuInstitution);
        Self {
            code: card.code,
            class: card.class,
            status: Status::Active,
            eu_member: european,
            accredited_level: Level::UNACCREDITED_MAX.get(),
            soi_level: Level::UNACCREDITED_MAX.get(),
            sponsors,
            transfer_basis: european,
            communities: BTreeSet::new(),
            exercises: BTreeSet::new(),
            caps: ["expiry".to_owned()].into(),
            tags: BTreeMap::new(),
            keys: card.keys.clone(),
            certificate: card.certificate.clone(),
            address: card.address,
        }
    }

    /// A stakeholder, for which its host answers without an end.
    pub(super) fn hosted(card: &Card, host: HubId) -> Self {
        Self {
            accredited_level: 1,
            soi_level: 0,
            ..Self::admitted(card, [(host, u64::MAX)].into())
        }
    }
}

/// A hub's application: who it is, its keys and address, signed with its own payload key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its code.
    pub code: HubId,
    /// The class it applies as.
    pub class: Class,
    /// Federation it applies to.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// Its keys.
    pub keys: MemberKeys,
    /// Its root key, and what that says about the keys.
    pub certificate: KeyCertificate,
    /// Where it will listen.
    pub address: SocketAddr,
    /// Signature by the payload key over all of the above, in hexadecimal.
    pub signature: String,
}

/// A card that cannot be admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// A key is weak, malformed or used for two purposes.
    #[error("card of {code}: a key is weak, malformed or used twice; the hub must make new keys")]
    Keys {
        /// Whose card.
        code: HubId,
    },
    /// The hub's root key does not stand behind these keys.
    #[error(
        "card of {code}: its root key does not certify its keys; the hub must rotate them or make a new card"
    )]
    Certificate {
        /// Whose card.
        code: HubId,
    },
    /// The signature does not verify.
    #[error("card of {code}: signature does not verify; fetch the card again from the hub")]
    Signature {
        /// Whose card.
        code: HubId,
    },
}

impl Card {
    /// The bytes that the card's signature covers.
    pub fn preimage(&self, realm: &Realm) -> Vec<u8> {
        let mut bytes = self.code.as_bytes().to_vec();
        bytes.extend_from_slice(self.class.as_str().as_bytes());
        bytes.push(0);
        for key in self.keys.all() {
            bytes.extend_from_slice(key.as_bytes());
        }
        for text in [
            &self.keys.payload_pq,
            &self.keys.recipient,
            &self.keys.recipient_classical,
        ] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(&self.certificate.preimage());
        bytes.extend_from_slice(self.address.to_string().as_bytes());
        realm.bind(&bytes)
    }

    /// Checks keys, certificate and signature.
    ///
    /// # Errors
    /// [`CardError`] names the hub and what it must do.
    pub fn verify(&self, realm: &Realm) -> Result<(), CardError> {
        let code = self.code;
        if !self.keys.are_sound() {
            return Err(CardError::Keys { code });
        }
        if self.certificate.verified(code, &self.keys, realm).is_none() {
            return Err(CardError::Certificate { code });
        }
        let refused = || CardError::Signature { code };
        let key = self.keys.payload_key().map_err(|_| CardError::Keys { code })?;
        let bytes =
            testudo_crypto::digest::unhex(&self.signature).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        let signature = Signature::from_bytes(bytes.ok_or_else(refused)?);
        sign::verify(
            key.classical(),
            sign::Domain::CARD,
            &self.preimage(realm),
            &signature,
        )
        .map_err(|_| refused())
    }
}
