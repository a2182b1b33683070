//! What a hub keeps about items, deliveries and notices: ids, hashes, states and times.
//!
//! Content lies in [`crate::output::Family::Body`] alone, so that destroying it is one step.

use serde::{Deserialize, Serialize};
use testudo_protocol::envelope::{DecisionRef, Kind, Recipients};
use testudo_protocol::id::{
    AudienceId, EnvelopeHash, Hash, HubId, ItemId, ItemRef, ItemVersion, KeyTag, Sequence, Timestamp,
};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::{Basis, DecisionAct};
use testudo_protocol::licence::Licence;
use testudo_protocol::notice::NoticeAct;
use testudo_protocol::week::Week;
use zeroize::Zeroize as _;

/// Where an item stands at this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemState {
    /// Valid.
    Released,
    /// A later version replaces it.
    Corrected,
    /// Withdrawn by its originator; its content is destroyed.
    Retracted,
    /// Its time is over; its content is destroyed.
    Expired,
}

/// One version of one item, own or received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// Which.
    pub item: ItemRef,
    /// Who signed it.
    pub originator: HubId,
    /// Who sent it here; the originator itself unless it was forwarded.
    pub sender: HubId,
    /// Who else sent another copy.
    pub also_via: Vec<HubId>,
    /// Assessment or correction.
    pub kind: Kind,
    /// How it may be handled.
    pub label: Label,
    /// How it may be passed on.
    pub licence: Licence,
    /// The item of its originator that it was cut down from.
    pub derived_from: Option<ItemRef>,
    /// The items of other hubs that it draws on, of our own items alone.
    pub sources: Vec<ItemRef>,
    /// For what it was released.
    pub purpose: String,
    /// SHA-256 of the bundle.
    pub body_hash: Hash,
    /// Which of the originator's keys signed it.
    pub key: KeyTag,
    /// When the originator made it.
    pub created: Timestamp,
    /// When it was stored here.
    pub stored: Timestamp,
    /// Where it stands.
    pub state: ItemState,
    /// The envelope in which it left or came.
    pub envelope: EnvelopeHash,
    /// When a person first opened it.
    pub opened: Option<Timestamp>,
    /// When a person acknowledged it.
    pub acknowledged: Option<Timestamp>,
}

/// What became of one receiver of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryState {
    /// The decision denied it.
    Refused {
        /// By which rules.
        rules: Vec<String>,
    },
    /// To be sent.
    Queued,
    /// The receiver's signed receipt is here.
    Delivered,
    /// The receiver's intake refused it, without reason.
    Objected,
    /// It was queued, and may no longer be sent.
    Withheld {
        /// By which rules; empty if it was withdrawn first.
        rules: Vec<String>,
        /// Whether the receiver has taken the outer part, so that its chain is whole.
        settled: bool,
    },
}

/// How a receiver gets at the content of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// It was sealed to the key in the charter, as suite 1 does.
    LongTerm,
    /// It was sealed to a weekly key, or under an audience key that was.
    Weekly(WeeklyKeyRef),
    /// It was sealed to nothing that the receiver has: it is owed a copy sealed anew.
    Owed,
}

/// One weekly key of one hub, without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyKeyRef {
    /// Its week.
    pub week: Week,
    /// When it was made.
    pub made: Timestamp,
}

/// A place in a log, and what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The place.
    pub sequence: Sequence,
    /// The envelope.
    pub envelope: EnvelopeHash,
}

/// One key epoch of one of our own audiences; the secret is kept elsewhere, for a shorter time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counts the epochs of the audience, from 1.
    pub epoch: u32,
    /// Its week.
    pub week: Week,
    /// The audience under its salted root.
    pub recipients: Recipients,
    /// Who was sealed to, with which key; the others are owed. In the order of the audience.
    pub sealed_to: Vec<(HubId, WeeklyKeyRef)>,
}

/// One receiver of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Which item.
    pub item: ItemRef,
    /// To whom.
    pub receiver: HubId,
    /// Release or forward.
    pub act: DecisionAct,
    /// Index of the decision that it rests on.
    pub decision: u64,
    /// In which envelope; zeros where none was made for it.
    pub envelope: EnvelopeHash,
    /// In which log.
    pub audience: AudienceId,
    /// At which place.
    pub sequence: Sequence,
    /// In which key epoch of the log; zero in suite 1.
    pub epoch: u32,
    /// The key entry that was made for this item and stands before it, if one was.
    pub key: Option<LogPlace>,
    /// How the receiver gets at the content.
    pub access: Access,
    /// What became of it.
    pub state: DeliveryState,
    /// When the receiver had it on stable storage.
    pub delivered: Option<Timestamp>,
    /// When a person there opened it.
    pub opened: Option<Timestamp>,
    /// When a person there acknowledged it.
    pub acknowledged: Option<Timestamp>,
    /// When its content was destroyed there.
    pub purged: Option<Timestamp>,
}

impl DeliveryRecord {
    /// Whether any byte of it may have reached the receiver: also of what is withheld by now.
    pub fn may_have_left(&self) -> bool {
        !matches!(self.state, DeliveryState::Refused { .. })
    }
}

/// What has been shown of the decision behind an envelope that came here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionProof {
    /// It is to be shown, or to be shown better.
    Awaited(Box<AwaitedProof>),
    /// It stands in the sender's ledger.
    Shown {
        /// How many other full members had cosigned the checkpoint.
        cosigned: u16,
        /// Whether they were a quorum.
        quorum: bool,
    },
    /// It was not shown, and a person here has taken note.
    Unproven,
}

/// A decision that is to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedProof {
    /// Who sent the envelope, and shows its decision.
    pub sender: HubId,
    /// Which item it brought.
    pub item: ItemRef,
    /// The leaf that its header names.
    pub decision: DecisionRef,
    /// Checkpoints of the sender that have come since.
    pub ticks: u8,
    /// Questions about it that had no answer while the connection stood.
    pub missed: u8,
    /// Whether it was asked for over this connection.
    #[serde(skip)]
    pub asked: bool,
    /// How many full members had cosigned the checkpoint under which it was shown, if it was.
    pub shown: Option<u16>,
    /// Whether it was not shown in time.
    pub missing: bool,
}

/// A notice that this hub gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenNotice {
    /// What was asked.
    pub act: NoticeAct,
    /// Of whom.
    pub addressee: HubId,
    /// Up to which version.
    pub up_to: ItemRef,
    /// When.
    pub time: Timestamp,
    /// When the addressee's purge receipt came.
    pub answered: Option<Timestamp>,
}

/// What an originator has withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenNotice {
    /// Whose item.
    pub originator: HubId,
    /// Which.
    pub item: ItemId,
    /// Up to which version.
    pub up_to: ItemVersion,
    /// When, by the originator's clock.
    pub time: Timestamp,
}

/// How a question for consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsentAskState {
    /// Not answered.
    Open,
    /// The originator has signed a token.
    Granted,
    /// The originator has said no.
    Refused,
}

/// A question for consent, at the hub that asked and at the one that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentAsk {
    /// About which item.
    pub item: ItemRef,
    /// Who is asked.
    pub originator: HubId,
    /// Who asks, and would forward.
    pub holder: HubId,
    /// To whom.
    pub recipient: HubId,
    /// For what.
    pub purpose: String,
    /// When it was asked, or arrived.
    pub asked: Timestamp,
    /// When nobody waits for an answer any more.
    pub deadline: Timestamp,
    /// How it stands.
    pub state: ConsentAskState,
}

/// An item that was erased here by law: refused from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedRecord {
    /// Which.
    pub item: ItemId,
    /// When.
    pub time: Timestamp,
    /// On what basis.
    pub basis: Basis,
}

/// A receipt that this hub gave and may have to repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenReceipt {
    /// To whom.
    pub to: HubId,
    /// The signed receipt.
    pub bytes: Vec<u8>,
    /// Whether the addressee has said that it noted it.
    pub noted: bool,
}

/// The content of one item: its title for lists, and what its originator signed.
#[derive(Serialize, Deserialize)]
pub struct BodyRow {
    /// The name of the root object.
    pub title: String,
    /// How many STIX objects it holds.
    pub objects: u32,
    /// The pseudonyms of those that it holds as its own matter.
    pub tags: Vec<[u8; 16]>,
    /// The signed part, to the byte.
    pub part: Vec<u8>,
}

/// A secret key as it is stored: a weekly identity, or the key of an audience.
#[derive(Serialize, Deserialize)]
pub enum KeyRow {
    /// The identity of one week.
    Weekly {
        /// Its week.
        week: Week,
        /// When it was made.
        made: Timestamp,
        /// The identity as text.
        identity: String,
    },
    /// The key of an audience, ours or a peer's.
    Audience {
        /// Whose audience.
        originator: HubId,
        /// Which.
        audience: AudienceId,
        /// Counts the epochs.
        epoch: u32,
        /// Its week.
        week: Week,
        /// The log entry in which it came; absent for our own.
        entry: Option<EnvelopeHash>,
        /// The audience.
        recipients: Recipients,
        /// The secret.
        secret: [u8; 32],
    },
}

impl Drop for KeyRow {
    fn drop(&mut self) {
        match self {
            Self::Weekly { identity, .. } => identity.zeroize(),
            Self::Audience { secret, .. } => secret.zeroize(),
        }
    }
}

/// Keys of rows.
pub mod key {
    use super::{AudienceId, EnvelopeHash, HubId, ItemId, ItemRef, Week};
    use testudo_protocol::id::DraftId;
    use testudo_protocol::receipt::Act;

    /// Of an entry of the ledger.
    pub fn index(index: u64) -> Vec<u8> {
        index.to_be_bytes().to_vec()
    }

    /// Of the verdicts behind a decision, beside its opening.
    pub fn verdicts(decision: u64) -> Vec<u8> {
        [index(decision).as_slice(), b"v"].concat()
    }

    /// Of the outer part that is left of an erased envelope.
    pub fn outer(hash: EnvelopeHash) -> Vec<u8> {
        [hash.as_bytes().as_slice(), b"o"].concat()
    }

    /// Of an erasure.
    pub fn erased(item: ItemId) -> Vec<u8> {
        [b"x".as_slice(), item.as_bytes()].concat()
    }

    /// Whether a row of the family of notices is that of an erasure. Such rows outlive the database.
    pub fn is_erasure(key: &[u8]) -> bool {
        key.starts_with(b"x")
    }

    /// Of one version of an item, and of its body.
    pub fn item(item: ItemRef) -> Vec<u8> {
        [item.item.as_bytes().as_slice(), &item.version.get().to_be_bytes()].concat()
    }

    /// Length of [`draft`]: shorter than that of an item's body, so that no row of one kind is read as the other.
    pub const DRAFT_KEY_BYTES: usize = 1 + 16;

    /// Of a draft.
    pub fn draft(draft: DraftId) -> Vec<u8> {
        [b"d".as_slice(), draft.as_bytes()].concat()
    }

    /// Length of [`draft_bundle`].
    pub const DRAFT_BUNDLE_KEY_BYTES: usize = DRAFT_KEY_BYTES + 1;

    /// Of the bundle of a draft.
    pub fn draft_bundle(draft: DraftId) -> Vec<u8> {
        [self::draft(draft).as_slice(), b"b"].concat()
    }

    /// Of what was cut out of an item, and by whom, beside the opening of the entry that says so.
    pub fn derivation(entry: u64) -> Vec<u8> {
        [index(entry).as_slice(), b"c"].concat()
    }

    /// Of a delivery.
    pub fn delivery(of: ItemRef, receiver: HubId) -> Vec<u8> {
        [item(of).as_slice(), receiver.as_bytes()].concat()
    }

    /// Of an envelope.
    pub fn envelope(hash: EnvelopeHash) -> Vec<u8> {
        hash.as_bytes().to_vec()
    }

    /// Of the head of a log.
    pub fn log(author: HubId, audience: AudienceId) -> Vec<u8> {
        [author.as_bytes().as_slice(), audience.as_bytes()].concat()
    }

    /// Of the last outer part of a log of a peer, beside its head.
    pub fn last_outer(author: HubId, audience: AudienceId) -> Vec<u8> {
        [log(author, audience).as_slice(), b"o"].concat()
    }

    /// Of a tile of a mirrored ledger, by its first leaf.
    pub fn tile(owner: HubId, from: u64) -> Vec<u8> {
        [owner.as_bytes().as_slice(), &from.to_be_bytes()].concat()
    }

    /// Of a key epoch of one of our audiences.
    pub fn epoch(audience: AudienceId, epoch: u32) -> Vec<u8> {
        [audience.as_bytes().as_slice(), &epoch.to_be_bytes()].concat()
    }

    /// Of a weekly identity.
    pub fn weekly_key(week: Week) -> Vec<u8> {
        [b"w".as_slice(), &week.get().to_be_bytes()].concat()
    }

    /// Of the key of an audience.
    pub fn audience_key(originator: HubId, audience: AudienceId, epoch: u32) -> Vec<u8> {
        [
            b"a".as_slice(),
            originator.as_bytes(),
            audience.as_bytes(),
            &epoch.to_be_bytes(),
        ]
        .concat()
    }

    /// Of one of a member's own acts.
    pub fn own_act(member: HubId, counter: u64) -> Vec<u8> {
        [member.as_bytes().as_slice(), &counter.to_be_bytes()].concat()
    }

    /// Of the act that contradicts a member's others: read behind them.
    pub fn split_act(member: HubId) -> Vec<u8> {
        [member.as_bytes().as_slice(), &u64::MAX.to_be_bytes(), b"x"].concat()
    }

    /// Of what a hub has announced.
    pub fn announcement(hub: HubId) -> Vec<u8> {
        hub.as_bytes().to_vec()
    }

    /// Of an attachment.
    pub fn blob(of: ItemRef, number: u32) -> Vec<u8> {
        [item(of).as_slice(), &number.to_be_bytes()].concat()
    }

    /// Of a receipt given.
    pub fn receipt(hash: EnvelopeHash, act: Act) -> Vec<u8> {
        [hash.as_bytes().as_slice(), &[act as u8]].concat()
    }

    /// Of a notice given.
    pub fn given_notice(item: ItemId, addressee: HubId) -> Vec<u8> {
        [b"g".as_slice(), item.as_bytes(), addressee.as_bytes()].concat()
    }

    /// Of a notice taken.
    pub fn taken_notice(item: ItemId) -> Vec<u8> {
        [b"t".as_slice(), item.as_bytes()].concat()
    }

    /// Length of [`consent_ask`]: one more than a token's, so that no row of one kind is read as the other.
    pub const CONSENT_ASK_KEY_BYTES: usize = 1 + 16 + 4 + 16 + 16;

    /// Of a question for consent.
    pub fn consent_ask(of: ItemRef, holder: HubId, recipient: HubId) -> Vec<u8> {
        [b"a".as_slice(), &consent(of, holder, recipient)].concat()
    }

    /// Of a consent token.
    pub fn consent(of: ItemRef, holder: HubId, recipient: HubId) -> Vec<u8> {
        [item(of).as_slice(), holder.as_bytes(), recipient.as_bytes()].concat()
    }
}
