//! The root key of a hub, and its certificate over the keys that the hub works with.
//!
//! The root key lies offline and signs nothing but the hub's own acts. A certificate is such an act, written apart:
//! the keys stand in the card and the charter anyway.

use serde::{Deserialize, Serialize};
use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::Signature;

use super::member::MemberKeys;
use super::own_act::{OwnAct, OwnActFields, OwnDeed};
use crate::id::{Hash, HubId, Timestamp};
use crate::realm::Realm;

/// A root key and what it says about the keys beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyCertificate {
    /// Ed25519: certifies and revokes the hub's keys; kept offline.
    pub root: Hash,
    /// Which of the hub's own acts this is; 1 on a new card.
    pub counter: u64,
    /// SHA-256 of the own act before it; zeros before the first.
    pub previous: Hash,
    /// When it was made, Unix milliseconds.
    pub made: u64,
    /// Until when the keys sign, Unix seconds.
    pub valid_until: u64,
    /// Signature by the root key, in hexadecimal.
    pub signature: String,
}

impl KeyCertificate {
    /// Writes an act apart; `None` if it certifies no keys.
    pub fn of(act: &OwnAct, root: &VerifyingKey) -> Option<Self> {
        let OwnActFields {
            counter,
            previous,
            made,
            ..
        } = *act.fields();
        let OwnDeed::Certify { valid_until, .. } = act.fields().deed else {
            return None;
        };
        Some(Self {
            root: Hash::new(root.to_bytes()),
            counter,
            previous,
            made: made.millis(),
            valid_until,
            signature: hex(act.signature()?.as_bytes()),
        })
    }

    /// The act that this is, over these keys; `None` if the signature is no 64 bytes.
    pub fn act(&self, member: HubId, keys: &MemberKeys) -> Option<OwnAct> {
        let signature = unhex(&self.signature).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())?;
        let fields = OwnActFields {
            member,
            counter: self.counter,
            previous: self.previous,
            made: Timestamp::from_millis(self.made),
            deed: OwnDeed::Certify {
                keys: Box::new(keys.operational()),
                valid_until: self.valid_until,
            },
        };
        Some(OwnAct::join(fields, &Signature::from_bytes(signature)))
    }

    /// The root key; `None` if it is weak or malformed.
    pub fn root_key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(self.root.as_bytes()).ok()
    }

    /// The act, if the root key signed it over these keys in this realm, and is none of them.
    pub fn verified(&self, member: HubId, keys: &MemberKeys, realm: &Realm) -> Option<OwnAct> {
        let act = self.act(member, keys)?;
        let apart = !keys.all().contains(&self.root);
        (apart && self.counter > 0 && act.verify(&self.root_key()?, realm).is_ok()).then_some(act)
    }

    /// The bytes that a card's own signature covers.
    pub(super) fn preimage(&self) -> Vec<u8> {
        let mut bytes = self.root.as_bytes().to_vec();
        bytes.extend_from_slice(&self.counter.to_be_bytes());
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes.push(0);
        bytes
    }
}
