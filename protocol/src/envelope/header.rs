//! The signed header: what the item is, for whom, on whose decision.

use serde::{Deserialize, Serialize};

use crate::id::{AudienceId, CharterVersion, Hash, HubId, ItemRef, KeyTag, Sequence, Timestamp};
use crate::label::Label;
use crate::licence::Licence;

use super::attachment_ref::AttachmentRef;
use super::suite::Suite;

/// What the envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The first version of an item.
    Assessment,
    /// A later version of an item by its originator.
    Correction,
    /// Somebody else's item, untouched, inside an envelope of the forwarder.
    Forward,
}

/// The ledger leaf of the release decision, which the recipient can ask to see proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRef {
    /// Hash of the ledger's origin line.
    pub origin: Hash,
    /// Index of the leaf.
    pub index: u64,
    /// The salted commitment in it.
    pub commitment: Hash,
}

/// The header, inside the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Cipher suite.
    pub suite: Suite,
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// Item and version.
    pub item: ItemRef,
    /// Who signs and answers for it.
    pub originator: HubId,
    /// Which of the originator's keys signed.
    pub key: KeyTag,
    /// The charter under which the decision was taken.
    pub charter: CharterVersion,
    /// The audience, opaque.
    pub audience: AudienceId,
    /// Key epoch of the audience.
    pub epoch: u32,
    /// Position in the log of this originator and audience.
    pub sequence: Sequence,
    /// When it was made.
    pub created: Timestamp,
    /// End of life; zero for none.
    pub expires: Timestamp,
    /// The decision's leaf.
    pub decision: DecisionRef,
    /// Salted Merkle root over the recipients.
    pub recipients_root: Hash,
    /// Handling, in the shape of STANAG 4774.
    #[serde(with = "crate::label::stanag")]
    pub label: Label,
    /// Purpose of the release.
    pub purpose: String,
    /// What this is.
    pub kind: Kind,
    /// The version that this one replaces.
    pub supersedes: Option<ItemRef>,
    /// The originator's own item that this one was cut down from, by two people.
    pub derived_from: Option<ItemRef>,
    /// What may be done onward.
    pub licence: Licence,
    /// SHA-256 of the body.
    pub body_hash: Hash,
    /// What belongs to the item and is fetched apart; empty in a forward, whose original names its own.
    pub attachments: Vec<AttachmentRef>,
}
