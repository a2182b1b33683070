//! What a receiving hub states about an envelope, signed and bound to its hash.
//!
//! Layout, 154 bytes, integers big endian: version (1), act (1), envelope (32), item (16),
//! item version (4), receiver (16), time in milliseconds (8), filler (12 zeros), Ed25519
//! signature (64) over the realm tag and all before it. Receipts name hubs, never people.

use serde::{Deserialize, Serialize};
use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::{self, Signature};

use crate::charter::Charter;
use crate::fault::Fault;
use crate::id::{EnvelopeHash, HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use crate::realm::Realm;
use crate::wire::Reader;

const VERSION: u8 = 1;

/// What happened at the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Verified and flushed to stable storage.
    Delivered,
    /// Refused by the receiver, without reason.
    Objected,
    /// Read by a person.
    Opened,
    /// Acknowledged by a person.
    Acknowledged,
    /// Content destroyed at the originator's request.
    Purged,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Delivered,
        Self::Objected,
        Self::Opened,
        Self::Acknowledged,
        Self::Purged,
    ];

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Objected => "objected",
            Self::Opened => "opened",
            Self::Acknowledged => "acknowledged",
            Self::Purged => "purged",
        }
    }
}

/// The statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptFields {
    /// What happened.
    pub act: Act,
    /// To which envelope.
    pub envelope: EnvelopeHash,
    /// Carrying which item.
    pub item: ItemRef,
    /// At which hub.
    pub receiver: HubId,
    /// When, by the receiver's clock.
    pub time: Timestamp,
}

/// A signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    fields: ReceiptFields,
    signature: Signature,
}

/// Why a receipt does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not of this layout.
    #[error("receipt is malformed")]
    Malformed,
    /// The receiver is no member, or did not sign it.
    #[error("receipt is not signed by {receiver}")]
    Signature {
        /// Whom it names.
        receiver: HubId,
    },
}

impl ReceiptError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl Receipt {
    /// Signs a statement.
    pub fn sign(fields: ReceiptFields, key: &SigningKey, realm: &Realm) -> Self {
        let signature = sign::sign(key, sign::Domain::RECEIPT, &realm.bind(&unsigned(&fields)));
        Self { fields, signature }
    }

    /// The statement. Believe it only after [`Self::verify`].
    pub fn fields(&self) -> &ReceiptFields {
        &self.fields
    }

    /// The encoded receipt.
    pub fn to_bytes(&self) -> Vec<u8> {
        [unsigned(&self.fields), self.signature.to_bytes().to_vec()].concat()
    }

    /// Reads a receipt, to the last byte.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        Self::read(bytes).ok_or(ReceiptError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let act = *Act::ALL.get(usize::from(reader.u8().ok()?))?;
        let envelope = EnvelopeHash::new(reader.array().ok()?);
        let item = ItemId::new(reader.array().ok()?);
        let version = ItemVersion::new(reader.u32().ok()?);
        let receiver = HubId::from_wire(reader.array().ok()?).ok()?;
        let time = Timestamp::from_millis(reader.u64().ok()?);
        let filler: [u8; 12] = reader.array().ok()?;
        let signature = Signature::from_bytes(reader.array().ok()?);
        let fields = ReceiptFields {
            act,
            envelope,
            item: ItemRef { item, version },
            receiver,
            time,
        };
        (filler == [0; 12] && reader.rest().is_empty()).then_some(Self { fields, signature })
    }

    /// Checks the receiver's signature.
    ///
    /// # Errors
    /// [`ReceiptError::Signature`].
    pub fn verify(&self, charter: &Charter) -> Result<(), ReceiptError> {
        let receiver = self.fields.receiver;
        let message = unsigned(&self.fields);
        if charter.verifies(receiver, sign::Domain::RECEIPT, &message, &self.signature) {
            Ok(())
        } else {
            Err(ReceiptError::Signature { receiver })
        }
    }
}

fn unsigned(fields: &ReceiptFields) -> Vec<u8> {
    let mut bytes = vec![VERSION, fields.act as u8];
    bytes.extend_from_slice(fields.envelope.as_bytes());
    bytes.extend_from_slice(fields.item.item.as_bytes());
    bytes.extend_from_slice(&fields.item.version.get().to_be_bytes());
    bytes.extend_from_slice(fields.receiver.as_bytes());
    bytes.extend_from_slice(&fields.time.millis().to_be_bytes());
    bytes.extend_from_slice(&[0; 12]);
    bytes
}
