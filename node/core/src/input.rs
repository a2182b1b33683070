//! What a hub is told.

use std::collections::BTreeSet;

use testudo_crypto::seal::SealError;
use testudo_policies::gate::Gate;
use testudo_protocol::id::{CommunityTag, DraftId, Hash, HubId, ItemId, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::Basis;
use testudo_protocol::licence::Licence;

use crate::blob::{BlobDone, BlobJobId, DraftAttachment};
use crate::draft_record::Derived;
use crate::keys::HubKeys;
use crate::person::Person;

/// Names one command until its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// Names one batch until it is on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// Names one sealing until its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealId(pub u64);

/// Names one reading until its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadId(pub u64);

/// Names one message that came by gossip until it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GossipId(pub u64);

/// One input.
pub enum Input {
    /// A person or a tool asks for something.
    Command(CommandId, Command),
    /// A stream to a listed peer is open for sending.
    Connected(HubId),
    /// That stream is gone; whatever was under way may be lost.
    Disconnected(HubId),
    /// A frame from a listed peer.
    Frame(HubId, Vec<u8>),
    /// A message from members of a community; each is answered by one judgement.
    Gossip {
        /// What to call it by.
        id: GossipId,
        /// Among whose members.
        community: CommunityTag,
        /// The listed peer that passed it on.
        from: HubId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A batch and all before it are on stable storage.
    Persisted(BatchId),
    /// A row has been read; `None` if there is none.
    Loaded(LoadId, Option<Vec<u8>>),
    /// A sealing has been carried out.
    Sealed(SealId, Result<Vec<u8>, SealError>),
    /// Work on the file of an attachment has been done.
    Blob(BlobJobId, BlobDone),
    /// Whether the disk has room for new work.
    Room(bool),
    /// Other policies under the same charter are put in force.
    Policies(Box<Gate>),
    /// Other keys of this hub are in place, and its newest act certifies them.
    Keys(Box<HubKeys>),
    /// Time has passed.
    Tick,
    /// The process is about to end: sign what there is.
    Stop,
}

/// What a person or a tool asks for.
pub enum Command {
    /// Release a draft to everyone whom the gate allows.
    Release(Box<ReleaseCommand>),
    /// Keep a draft for a second person.
    KeepDraft(Box<KeepDraft>),
    /// Put a draft up for review.
    ReviewDraft {
        /// Which.
        draft: DraftId,
        /// By whom.
        person: Person,
    },
    /// Approve what a preview of a draft showed.
    ApproveDraft {
        /// Which.
        draft: DraftId,
        /// The hash that the preview printed.
        preview: Hash,
        /// By whom; not by its maker.
        person: Person,
    },
    /// Refuse a draft that is in review.
    RefuseDraft {
        /// Which.
        draft: DraftId,
        /// By whom.
        person: Person,
    },
    /// Throw a draft away.
    DiscardDraft {
        /// Which.
        draft: DraftId,
    },
    /// Release an approved draft.
    ReleaseDraft {
        /// Which.
        draft: DraftId,
        /// The preview that was approved.
        preview: Hash,
    },
    /// Give another hub's item to one more hub.
    Forward {
        /// The item, in its latest version here.
        item: ItemId,
        /// To whom.
        to: HubId,
    },
    /// Consent to the onward disclosure of one of our own items.
    Consent {
        /// The item, in its latest version.
        item: ItemId,
        /// Who may forward it.
        holder: HubId,
        /// To whom.
        recipient: HubId,
        /// Until when.
        until: Timestamp,
        /// For what.
        purpose: String,
    },
    /// Ask the originator of an item for its consent to one onward disclosure.
    AskConsent {
        /// The item, in its latest version here.
        item: ItemId,
        /// To whom it should go.
        recipient: HubId,
        /// For what.
        purpose: String,
        /// When an answer is no longer waited for.
        deadline: Timestamp,
    },
    /// Refuse a hub that has asked for our consent.
    RefuseConsent {
        /// The item.
        item: ItemId,
        /// Who has asked.
        holder: HubId,
        /// To whom it should have gone.
        recipient: HubId,
    },
    /// Withdraw one of our own items in all versions.
    Retract {
        /// The item.
        item: ItemId,
    },
    /// Destroy an item here by law, in all versions, and what the ledger says about it.
    Erase {
        /// Which.
        item: ItemId,
        /// On what legal basis.
        basis: Basis,
    },
    /// Pack what a hub is owed into a parcel that is carried to it.
    PackParcel {
        /// For whom.
        to: HubId,
    },
    /// Take in a parcel that was carried here.
    TakeParcel {
        /// As it was found in the file.
        sealed: Vec<u8>,
    },
    /// Take notes of the charter that voters have signed.
    SubmitCharter {
        /// The notes, each before those that rest on it.
        notes: Vec<Vec<u8>>,
    },
    /// Follow one branch of a fork, at this hub alone.
    ChooseBranch {
        /// SHA-256 of the branch's text.
        branch: Hash,
    },
    /// Cosign a ledger again, after somebody has looked at the evidence against it.
    ResumeWitness {
        /// Whose ledger.
        hub: HubId,
    },
    /// Follow an act of this hub's own, signed with its root key.
    OwnAct(Vec<u8>),
    /// One of two people lets a fenced hub go on without what its peers hold.
    ConfirmAlone {
        /// Who.
        person: Person,
    },
    /// A person has opened an item.
    Open {
        /// The item, in its latest version here.
        item: ItemId,
    },
    /// A person acknowledges an item.
    Acknowledge {
        /// The item, in its latest version here.
        item: ItemId,
    },
    /// Fetch an attachment from whoever sent the item. It goes on by itself, also after a restart.
    Fetch {
        /// The item, in its latest version here.
        item: ItemId,
        /// Which of its attachments, from 0.
        number: u32,
    },
}

/// A draft: what is to be released, before anyone has been asked.
#[derive(Clone)]
pub struct Draft {
    /// A STIX 2.1 bundle as text.
    pub bundle: Vec<u8>,
    /// How it may be handled.
    pub label: Label,
    /// How it may be passed on; by default as its label says, and what draws on items of other hubs by consent alone.
    pub licence: Option<Licence>,
    /// For what it is released.
    pub purpose: String,
    /// The item that this is a new version of.
    pub corrects: Option<ItemId>,
    /// What it is cut down from; such a draft is released by two people alone.
    pub derived: Option<Derived>,
    /// What belongs to it and is fetched apart.
    pub attachments: Vec<DraftAttachment>,
}

/// A draft to be kept, and who made it. It has no attachments: what is sealed to one release waits for no review.
pub struct KeepDraft {
    /// The draft; its bundle is left empty where it is made from an item.
    pub draft: Draft,
    /// The item of our own that it is made from.
    pub from: Option<DeriveFrom>,
    /// Who makes it.
    pub person: Person,
}

/// From which item, and without which objects.
pub struct DeriveFrom {
    /// The item, in its latest version.
    pub item: ItemId,
    /// The ids of the objects to cut.
    pub cut: BTreeSet<String>,
}

/// A draft and the preview that was approved.
pub struct ReleaseCommand {
    /// The draft.
    pub draft: Draft,
    /// The hash that the preview printed; the release stops if it would differ now.
    pub preview: Hash,
}
