//! Notices: ids and act only, no content, signed by the originator.
//!
//! A notice bypasses the release policy and reaches every hub that ever received a version,
//! whatever its status, because it can only take away. It travels sealed to the one hub it
//! is for.
//!
//! Layout, 138 bytes, integers big endian: version (1), act (1), originator (16), addressee
//! (16), item (16), up to item version (4), time in milliseconds (8), filler (12 zeros),
//! Ed25519 signature (64) over the realm tag and all before it.

use serde::{Deserialize, Serialize};
use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::{self, Signature};

use crate::charter::Charter;
use crate::fault::Fault;
use crate::id::{HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use crate::realm::Realm;
use crate::wire::Reader;

const VERSION: u8 = 1;

/// What the originator asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeAct {
    /// The item is withdrawn, in all versions up to the one named: destroy its content.
    Retracted,
    /// A correction no longer goes to this hub: destroy the versions up to the one named.
    Narrowed,
}

impl NoticeAct {
    const ALL: [Self; 2] = [Self::Retracted, Self::Narrowed];
}

/// The statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeFields {
    /// What is asked.
    pub act: NoticeAct,
    /// By whom.
    pub originator: HubId,
    /// Of whom.
    pub addressee: HubId,
    /// For which item, up to which version.
    pub up_to: ItemRef,
    /// When.
    pub time: Timestamp,
}

/// A signed notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    fields: NoticeFields,
    signature: Signature,
}

/// Why a notice is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// Not of this layout.
    #[error("notice is malformed")]
    Malformed,
    /// The originator is no member, or did not sign it.
    #[error("notice is not signed by {originator}")]
    Signature {
        /// Whom it names.
        originator: HubId,
    },
}

impl NoticeError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl Notice {
    /// Signs a notice.
    pub fn sign(fields: NoticeFields, key: &SigningKey, realm: &Realm) -> Self {
        let signature = sign::sign(key, sign::Domain::NOTICE, &realm.bind(&unsigned(&fields)));
        Self { fields, signature }
    }

    /// The statement. Believe it only after [`Self::verify`].
    pub fn fields(&self) -> &NoticeFields {
        &self.fields
    }

    /// The encoded notice.
    pub fn to_bytes(&self) -> Vec<u8> {
        [unsigned(&self.fields), self.signature.to_bytes().to_vec()].concat()
    }

    /// Reads a notice, to the last byte.
    ///
    /// # Errors
    /// [`NoticeError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NoticeError> {
        Self::read(bytes).ok_or(NoticeError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let act = *NoticeAct::ALL.get(usize::from(reader.u8().ok()?))?;
        let originator = HubId::from_wire(reader.array().ok()?).ok()?;
        let addressee = HubId::from_wire(reader.array().ok()?).ok()?;
        let item = ItemId::new(reader.array().ok()?);
        let version = ItemVersion::new(reader.u32().ok()?);
        let time = Timestamp::from_millis(reader.u64().ok()?);
        let filler: [u8; 12] = reader.array().ok()?;
        let signature = Signature::from_bytes(reader.array().ok()?);
        let fields = NoticeFields {
            act,
            originator,
            addressee,
            up_to: ItemRef { item, version },
            time,
        };
        (filler == [0; 12] && reader.rest().is_empty()).then_some(Self { fields, signature })
    }

    /// Checks the originator's signature; standing, expiry and charter freshness do not matter.
    ///
    /// # Errors
    /// [`NoticeError::Signature`].
    pub fn verify(&self, charter: &Charter) -> Result<(), NoticeError> {
        let originator = self.fields.originator;
        let message = unsigned(&self.fields);
        if charter.verifies(originator, sign::Domain::NOTICE, &message, &self.signature) {
            Ok(())
        } else {
            Err(NoticeError::Signature { originator })
        }
    }
}

fn unsigned(fields: &NoticeFields) -> Vec<u8> {
    let mut bytes = vec![VERSION, fields.act as u8];
    bytes.extend_from_slice(fields.originator.as_bytes());
    bytes.extend_from_slice(fields.addressee.as_bytes());
    bytes.extend_from_slice(fields.up_to.item.as_bytes());
    bytes.extend_from_slice(&fields.up_to.version.get().to_be_bytes());
    bytes.extend_from_slice(&fields.time.millis().to_be_bytes());
    bytes.extend_from_slice(&[0; 12]);
    bytes
}
