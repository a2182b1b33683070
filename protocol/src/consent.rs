//! Consent of an originator to one onward disclosure.
//!
//! Article 4(1)(c) of the agreement of 25 May 2011 (OJ C 202, 8.7.2011, p. 13) asks for prior
//! written consent of the originator; this token is that writing. It binds the item and
//! version, the body's hash, the hub that may forward, the recipient, the purpose and an end.
//!
//! Layout, integers big endian: version (1), originator (16), item (16), item version (4),
//! body hash (32), holder (16), recipient (16), until in milliseconds (8), purpose behind its
//! length (4), Ed25519 signature (64) over the realm tag and all before it.

use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::{self, Signature};

use crate::charter::Charter;
use crate::envelope::Header;
use crate::fault::Fault;
use crate::id::{Hash, HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use crate::realm::Realm;
use crate::wire::{Reader, prefixed};

const VERSION: u8 = 1;

/// Longest purpose, in bytes.
pub const PURPOSE_BYTES_MAX: usize = 128;

/// What an originator consents to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentFields {
    /// Who consents.
    pub originator: HubId,
    /// To the disclosure of what.
    pub item: ItemRef,
    /// The body's hash.
    pub body_hash: Hash,
    /// Who may forward it.
    pub holder: HubId,
    /// To whom.
    pub recipient: HubId,
    /// Until when.
    pub until: Timestamp,
    /// For what.
    pub purpose: String,
}

/// The item that a consent has to be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentSubject {
    /// Its originator.
    pub originator: HubId,
    /// Item and version.
    pub item: ItemRef,
    /// The body's hash.
    pub body_hash: Hash,
}

impl From<&Header> for ConsentSubject {
    fn from(header: &Header) -> Self {
        Self {
            originator: header.originator,
            item: header.item,
            body_hash: header.body_hash,
        }
    }
}

/// A signed consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentToken {
    fields: ConsentFields,
    signature: Signature,
}

/// Why a token does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// Not of this layout.
    #[error("consent token is malformed")]
    Malformed,
    /// For another item, version, body or originator.
    #[error("consent token is for another item")]
    OtherItem,
    /// For another recipient.
    #[error("consent token is for {found}, not for {wanted}")]
    OtherRecipient {
        /// Named in the token.
        found: HubId,
        /// Who was to receive.
        wanted: HubId,
    },
    /// Past its end.
    #[error("consent token has expired")]
    Expired,
    /// Not signed by the originator, or in another realm.
    #[error("consent token is not signed by the originator")]
    Signature,
}

impl ConsentError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl ConsentToken {
    /// Signs a consent.
    pub fn sign(fields: ConsentFields, key: &SigningKey, realm: &Realm) -> Self {
        let signature = sign::sign(key, sign::Domain::CONSENT, &realm.bind(&unsigned(&fields)));
        Self { fields, signature }
    }

    /// What it says.
    pub fn fields(&self) -> &ConsentFields {
        &self.fields
    }

    /// The encoded token.
    pub fn to_bytes(&self) -> Vec<u8> {
        [unsigned(&self.fields), self.signature.to_bytes().to_vec()].concat()
    }

    /// Reads a token, to the last byte.
    ///
    /// # Errors
    /// [`ConsentError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ConsentError> {
        Self::read(bytes).ok_or(ConsentError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let originator = HubId::from_wire(reader.array().ok()?).ok()?;
        let item = ItemId::new(reader.array().ok()?);
        let version = ItemVersion::new(reader.u32().ok()?);
        let body_hash = Hash::new(reader.array().ok()?);
        let holder = HubId::from_wire(reader.array().ok()?).ok()?;
        let recipient = HubId::from_wire(reader.array().ok()?).ok()?;
        let until = Timestamp::from_millis(reader.u64().ok()?);
        let purpose = reader
            .prefixed()
            .ok()
            .filter(|text| text.len() <= PURPOSE_BYTES_MAX)?;
        let purpose = String::from_utf8(purpose.to_vec()).ok()?;
        let signature = Signature::from_bytes(reader.array().ok()?);
        let item = ItemRef { item, version };
        let fields = ConsentFields {
            originator,
            item,
            body_hash,
            holder,
            recipient,
            until,
            purpose,
        };
        reader.rest().is_empty().then_some(Self { fields, signature })
    }

    /// Checks that it is the originator's consent to give this item to this recipient now.
    ///
    /// # Errors
    /// [`ConsentError`], one for each check.
    pub fn verify(
        &self,
        charter: &Charter,
        subject: &ConsentSubject,
        recipient: HubId,
        now: Timestamp,
    ) -> Result<(), ConsentError> {
        let message = unsigned(&self.fields);
        if !charter.verifies(
            self.fields.originator,
            sign::Domain::CONSENT,
            &message,
            &self.signature,
        ) {
            return Err(ConsentError::Signature);
        }
        let (item, body_hash) = (self.fields.item, self.fields.body_hash);
        if *subject
            != (ConsentSubject {
                originator: self.fields.originator,
                item,
                body_hash,
            })
        {
            return Err(ConsentError::OtherItem);
        }
        if self.fields.recipient != recipient {
            return Err(ConsentError::OtherRecipient {
                found: self.fields.recipient,
                wanted: recipient,
            });
        }
        if now >= self.fields.until {
            Err(ConsentError::Expired)
        } else {
            Ok(())
        }
    }
}

fn unsigned(fields: &ConsentFields) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(fields.originator.as_bytes());
    bytes.extend_from_slice(fields.item.item.as_bytes());
    bytes.extend_from_slice(&fields.item.version.get().to_be_bytes());
    bytes.extend_from_slice(fields.body_hash.as_bytes());
    bytes.extend_from_slice(fields.holder.as_bytes());
    bytes.extend_from_slice(fields.recipient.as_bytes());
    bytes.extend_from_slice(&fields.until.millis().to_be_bytes());
    bytes.extend_from_slice(&prefixed(fields.purpose.as_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Secrets, charter, hub};

    const UNTIL: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const BEFORE: Timestamp = Timestamp::from_millis(1_799_999_999_999);

    fn fields() -> ConsentFields {
        ConsentFields {
            originator: hub("FR"),
            item: ItemRef {
                item: ItemId::new([1; 16]),
                version: ItemVersion::new(2),
            },
            body_hash: Hash::new([3; 32]),
            holder: hub("EEAS"),
            recipient: hub("MD"),
            until: UNTIL,
            purpose: "onward".to_owned(),
        }
    }

    fn subject() -> ConsentSubject {
        let fields = fields();
        ConsentSubject {
            originator: fields.originator,
            item: fields.item,
            body_hash: fields.body_hash,
        }
    }

    fn signed(charter: &Charter, by: &Secrets) -> ConsentToken {
        ConsentToken::sign(fields(), by.payload.classical(), charter.realm())
    }

    #[test]
    fn a_token_of_the_originator_serves_for_its_item_and_recipient_before_its_end() {
        let (charter, [fr, ..]) = charter();
        let token = signed(&charter, &fr);
        assert_eq!(token.verify(&charter, &subject(), hub("MD"), BEFORE), Ok(()));
        assert_eq!(ConsentToken::decode(&token.to_bytes()), Ok(token));
    }

    #[test]
    fn a_token_for_another_item_version_or_body_is_refused() {
        let (charter, [fr, ..]) = charter();
        let token = signed(&charter, &fr);
        let mut others = [subject(); 4];
        others[0].item.item = ItemId::new([9; 16]);
        others[1].item.version = ItemVersion::new(3);
        others[2].body_hash = Hash::new([9; 32]);
        others[3].originator = hub("EEAS");
        for other in others {
            let refused = token.verify(&charter, &other, hub("MD"), BEFORE);
            assert_eq!(refused, Err(ConsentError::OtherItem), "{other:?}");
        }
    }

    #[test]
    fn a_token_is_refused_from_the_instant_of_its_end() {
        let (charter, [fr, ..]) = charter();
        let refused = signed(&charter, &fr).verify(&charter, &subject(), hub("MD"), UNTIL);
        assert_eq!(refused, Err(ConsentError::Expired));
    }

    #[test]
    fn a_token_signed_by_another_hub_is_refused() {
        let (charter, [_, eeas, md]) = charter();
        for other in [eeas, md] {
            let refused = signed(&charter, &other).verify(&charter, &subject(), hub("MD"), BEFORE);
            assert_eq!(refused, Err(ConsentError::Signature));
        }
    }

    #[test]
    fn a_token_of_another_realm_is_refused() {
        let (charter, [fr, ..]) = charter();
        let exercise = Realm::new("test", "ex27").unwrap();
        let token = ConsentToken::sign(fields(), fr.payload.classical(), &exercise);
        let refused = token.verify(&charter, &subject(), hub("MD"), BEFORE);
        assert_eq!(refused, Err(ConsentError::Signature));
    }

    #[test]
    fn a_token_for_another_recipient_is_refused() {
        let (charter, [fr, ..]) = charter();
        let refused = signed(&charter, &fr).verify(&charter, &subject(), hub("FR"), BEFORE);
        assert!(matches!(refused, Err(ConsentError::OtherRecipient { .. })));
    }

    #[test]
    fn no_byte_of_a_token_can_be_another() {
        let (charter, [fr, ..]) = charter();
        let good = signed(&charter, &fr).to_bytes();
        for at in 0..good.len() {
            let mut bent = good.clone();
            bent[at] ^= 1;
            let refused = ConsentToken::decode(&bent)
                .and_then(|token| token.verify(&charter, &subject(), hub("MD"), BEFORE));
            assert!(refused.is_err(), "byte {at}");
        }
        for length in 0..good.len() {
            assert_eq!(
                ConsentToken::decode(&good[..length]),
                Err(ConsentError::Malformed)
            );
        }
    }
}
