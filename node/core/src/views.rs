//! What people and tools are shown: plain data, serialised by the shell.

mod charter;

use serde::{Deserialize, Serialize};
use testudo_protocol::id::{AudienceId, DraftId, Hash, HubId, ItemId, ItemVersion};
use testudo_protocol::label::{Label, Level, Tlp};
use testudo_protocol::licence::Licence;

pub use charter::{CharterView, ForkView, HeadView, HeartbeatView, RestrictionView};

/// The answer to a command that was carried out and is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "done")]
pub enum Reply {
    /// An item was released or forwarded.
    #[serde(rename_all = "camelCase")]
    Released {
        /// The item.
        item: ItemId,
        /// Its version.
        version: ItemVersion,
        /// Who gets it.
        recipients: Vec<HubId>,
        /// Who does not, and by which rules.
        denied: Vec<Verdict>,
        /// Index of the decision in the ledger.
        decision: u64,
    },
    /// A draft was kept, or has come further.
    #[serde(rename_all = "camelCase")]
    Drafted {
        /// Which.
        draft: DraftId,
        /// `draft`, `in review`, `approved`, `refused` or `discarded`.
        state: String,
    },
    /// A consent was given.
    #[serde(rename_all = "camelCase")]
    Consented {
        /// The item.
        item: ItemId,
        /// Who may forward it.
        holder: HubId,
        /// To whom.
        recipient: HubId,
    },
    /// An originator was asked for its consent.
    #[serde(rename_all = "camelCase")]
    ConsentAsked {
        /// The item.
        item: ItemId,
        /// Who is asked.
        originator: HubId,
        /// To whom it should go.
        recipient: HubId,
        /// When an answer is no longer waited for, Unix seconds.
        deadline: u64,
    },
    /// A hub that asked for consent was refused.
    #[serde(rename_all = "camelCase")]
    ConsentRefused {
        /// The item.
        item: ItemId,
        /// Who had asked.
        holder: HubId,
        /// To whom it should have gone.
        recipient: HubId,
    },
    /// An item was withdrawn.
    #[serde(rename_all = "camelCase")]
    Retracted {
        /// The item.
        item: ItemId,
        /// Who is told to destroy it.
        notified: Vec<HubId>,
    },
    /// An item was erased here.
    #[serde(rename_all = "camelCase")]
    Erased {
        /// Which.
        item: ItemId,
        /// How many entries lost their meaning.
        entries: usize,
        /// The entry that says so.
        entry: u64,
    },
    /// A ledger is cosigned again.
    #[serde(rename_all = "camelCase")]
    WitnessResumed {
        /// Whose.
        hub: HubId,
    },
    /// One person lets the hub go on alone; another one has to as well.
    #[serde(rename_all = "camelCase")]
    SecondPersonNeeded {
        /// Until when, Unix seconds.
        until: u64,
    },
    /// Two people let the hub go on alone.
    #[serde(rename_all = "camelCase")]
    ConfirmedAlone {
        /// The entry that says so.
        entry: u64,
    },
    /// A parcel was packed.
    #[serde(rename_all = "camelCase")]
    Packed {
        /// For whom.
        to: HubId,
        /// Items and withheld places in it.
        items: usize,
        /// What waits beside them: the parcel is full, or they cannot be sealed before the hub announces a key.
        left: usize,
        /// The parcel itself; not part of the document.
        #[serde(skip)]
        sealed: SealedParcel,
    },
    /// A parcel was taken in.
    #[serde(rename_all = "camelCase")]
    Unpacked {
        /// From whom.
        from: HubId,
        /// When it was packed, Unix seconds, by the sender's clock.
        packed: u64,
        /// Envelopes that were new here.
        taken: usize,
        /// Envelopes that were here.
        known: usize,
        /// Where something is missing.
        gaps: Vec<LogGap>,
        /// What was refused, without content.
        faults: Vec<String>,
    },
    /// An attachment is here, or being fetched.
    #[serde(rename_all = "camelCase")]
    Fetching {
        /// The item.
        item: ItemId,
        /// Which of its attachments, from 0.
        number: u32,
    },
    /// An act of this hub's own is durable, and told to the peers.
    #[serde(rename_all = "camelCase")]
    OwnActTaken {
        /// Its place in the hub's chain.
        counter: u64,
    },
    /// Notes of the charter were taken.
    #[serde(rename_all = "camelCase")]
    CharterTaken {
        /// SHA-256 of the texts that were new, or have more votes now.
        taken: Vec<Hash>,
    },
    /// A branch was chosen.
    #[serde(rename_all = "camelCase")]
    BranchChosen {
        /// SHA-256 of its text.
        branch: Hash,
    },
    /// An opening or acknowledgement was noted.
    #[serde(rename_all = "camelCase")]
    Noted {
        /// The item.
        item: ItemId,
    },
}

/// A sealed parcel, as it stands in a file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SealedParcel(pub Vec<u8>);

impl std::fmt::Debug for SealedParcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedParcel({} bytes)", self.0.len())
    }
}

/// A place of a log from which on envelopes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogGap {
    /// The log.
    pub log: AudienceId,
    /// The place that is wanted next.
    pub wanted: u64,
}

/// What the gate says about one hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The hub.
    pub hub: HubId,
    /// `permit` or `deny`.
    pub decision: String,
    /// The rules that permit, or those that deny.
    pub rules: Vec<String>,
    /// A sentence for each.
    pub reasons: Vec<String>,
    /// The obligations that it takes on with the item.
    pub obligations: Vec<String>,
    /// What it would not get.
    pub withheld: Withheld,
}

/// What a hub would not get of an item. There is nothing in between: an item is never cut in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Withheld {
    /// It gets the item whole.
    Nothing,
    /// It gets no part of it, and does not learn that there is one.
    Everything,
}

/// Who would get a draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// What to approve: names contents, label, charter, policies and every verdict.
    pub hash: Hash,
    /// Every other member.
    pub verdicts: Vec<Verdict>,
    /// Who had the version before and would not get this one.
    pub narrowed: Vec<HubId>,
    /// Who had no version before and would get this one; empty for a first version.
    pub widened: Vec<HubId>,
    /// How it could be passed on.
    pub licence: Licence,
    /// The items of other hubs that it draws on.
    pub sources: Vec<SourceView>,
}

/// An item of another hub that a draft draws on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceView {
    /// The item.
    pub item: ItemId,
    /// Its version.
    pub version: ItemVersion,
    /// Whose it is.
    pub originator: HubId,
    /// Its level: the draft's is at least as high.
    pub level: Level,
    /// Its TLP label: the draft's is at least as strict.
    pub tlp: Tlp,
    /// The ids in the draft that stand in it.
    pub objects: Vec<String>,
}

/// A draft that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DraftView {
    /// Which.
    pub draft: DraftId,
    /// `draft`, `in review`, `approved` or `refused`.
    pub state: String,
    /// When it was made, milliseconds since 1970.
    pub made: u64,
    /// Who made it.
    pub maker: String,
    /// Who approved or refused it.
    pub second: Option<String>,
    /// The preview that was approved.
    pub preview: Option<Hash>,
    /// How it may be handled.
    pub label: Label,
    /// The item that it is a new version of.
    pub corrects: Option<ItemId>,
    /// The item that it is cut down from.
    pub derived_from: Option<ItemId>,
    /// The objects that were cut.
    pub cut: Vec<String>,
}

/// What other policies would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDiff {
    /// Hash of the active policies.
    pub active: Hash,
    /// Hash of the other ones; what an activation names.
    pub proposed: Hash,
    /// Items looked at: valid ones of our own.
    pub items: usize,
    /// Answers compared: items times members.
    pub answers: usize,
    /// The answers that would change.
    pub differences: Vec<PolicyDifference>,
}

/// One answer that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDifference {
    /// The item.
    pub item: ItemId,
    /// Its version.
    pub version: ItemVersion,
    /// For which hub.
    pub hub: HubId,
    /// `permit` or `deny`, by the active policies.
    pub before: String,
    /// `permit` or `deny`, by the other ones.
    pub after: String,
    /// The rules of the side that denies.
    pub rules: Vec<String>,
}

/// One question for consent, asked here or of us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentAskView {
    /// The item.
    pub item: ItemId,
    /// Its version.
    pub version: ItemVersion,
    /// Who is asked.
    pub originator: HubId,
    /// Who asks.
    pub holder: HubId,
    /// To whom it should go.
    pub recipient: HubId,
    /// For what.
    pub purpose: String,
    /// When it was asked, or arrived here; Unix seconds.
    pub asked: u64,
    /// When nobody waits for an answer any more; Unix seconds.
    pub deadline: u64,
    /// `open`, `granted`, `refused` or `lapsed`.
    pub state: String,
}

/// One line of the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxEntry {
    /// The item.
    pub item: ItemId,
    /// Its version.
    pub version: ItemVersion,
    /// Whose it is.
    pub originator: HubId,
    /// Who sent it.
    pub sender: HubId,
    /// Who else sent a copy.
    pub also_via: Vec<HubId>,
    /// `released`, `corrected`, `retracted` or `expired`.
    pub state: String,
    /// Whether the key that signed it was revoked as of a day before it was made: it may be somebody else's.
    pub provenance_in_doubt: bool,
    /// How it may be handled.
    pub label: Label,
    /// For what it was released.
    pub purpose: String,
    /// How it may be passed on.
    pub licence: Licence,
    /// The item that it was cut down from, if it was.
    pub derived_from: Option<ItemId>,
    /// The title; absent once the content is destroyed.
    pub title: Option<String>,
    /// When it was made, milliseconds since 1970.
    pub created: u64,
    /// How its decision stands in the sender's ledger: `ledger-pending`, how many of how many members cosigned,
    /// `quorum`, or `unproven`; absent for our own items.
    pub ledger: Option<String>,
    /// When it was stored here.
    pub stored: u64,
    /// When a person here opened it.
    pub opened: Option<u64>,
    /// When a person here acknowledged it.
    pub acknowledged: Option<u64>,
}

/// How one attachment stands here. Its name is content and comes with the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentView {
    /// Which of the item's attachments, from 1.
    pub number: u32,
    /// Length of the content, in bytes.
    pub bytes: u64,
    /// `not fetched`, `fetching`, `fetched`, or `not here` if nobody who was asked has it for us.
    pub state: String,
    /// Bytes of the sealed file that are here.
    pub fetched: u64,
    /// Length of the sealed file, in bytes.
    pub sealed: u64,
    /// From whom it is being fetched; absent while none of those who have it is connected.
    pub from: Option<HubId>,
}

/// What became of one receiver of one of our releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// The item.
    pub item: ItemId,
    /// Its version.
    pub version: ItemVersion,
    /// The receiver.
    pub receiver: HubId,
    /// `queued`, `delivered`, `objected`, `withheld` or `not sent`.
    pub state: String,
    /// The rules, where it was not sent.
    pub rules: Vec<String>,
    /// How the decision stands in our ledger: `ledger-pending`, how many of how many members cosigned, or
    /// `quorum`.
    pub ledger: String,
    /// When it was on the receiver's stable storage.
    pub delivered: Option<u64>,
    /// When a person there opened it.
    pub opened: Option<u64>,
    /// When a person there acknowledged it.
    pub acknowledged: Option<u64>,
    /// When its content was destroyed there.
    pub purged: Option<u64>,
}

/// How the hub is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// This hub.
    pub hub: HubId,
    /// Federation and realm.
    pub realm: String,
    /// Version of the charter.
    pub charter: u32,
    /// Until when the charter is valid, Unix seconds.
    pub charter_valid_until: u64,
    /// Until when peers may seal to this hub's newest recipient key, Unix seconds; it is renewed every week.
    pub recipient_key_until: Option<u64>,
    /// Statements of the authority, and until when each holds.
    pub approvals: Vec<ApprovalView>,
    /// Hash of the policies.
    pub policies: Hash,
    /// Whether it may not sign or release.
    pub fenced: bool,
    /// Whether its disk is so full that nothing new is released or taken.
    pub storage_full: bool,
    /// Why, and what is missing.
    pub fence: Option<FenceView>,
    /// Entries in the ledger.
    pub ledger_entries: u64,
    /// Root over them, in hexadecimal.
    pub ledger_root: String,
    /// The newest checkpoint that was shown to witnesses.
    pub checkpoint: Option<CheckpointView>,
    /// Peers.
    pub peers: Vec<PeerView>,
}

/// What this hub has decided about its own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnKeysView {
    /// The root key that certifies the others.
    pub root: Hash,
    /// The place of the newest act.
    pub counter: u64,
    /// Its hash.
    pub newest: Hash,
    /// Until when the keys sign, Unix seconds.
    pub valid_until: u64,
    /// The kinds of keys that were revoked and not replaced.
    pub revoked: Vec<String>,
    /// Whether the member has left.
    pub has_left: bool,
}
/// Why a hub is fenced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FenceView {
    /// `asking`, `behind` or `two-histories`.
    pub why: String,
    /// Peers that have answered since the start.
    pub heard: usize,
    /// Peers that have to.
    pub needed: usize,
    /// Entries that are here.
    pub entries: u64,
    /// Entries that a peer has shown to be ours, if they are more or others.
    pub held_by_peers: Option<u64>,
    /// Entries that the anchor speaks of, if they are more or others.
    pub anchored: Option<u64>,
}

/// How a checkpoint stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointView {
    /// Entries under it.
    pub size: u64,
    /// Who cosigned it.
    pub cosigned: Vec<HubId>,
    /// How many other full members there are.
    pub full_members: usize,
    /// How many full members make a quorum.
    pub quorum: usize,
    /// `quorum`, or how many of how many full members cosigned.
    pub grade: String,
    /// Entries under the newest checkpoint that a quorum cosigned.
    pub quorum_size: u64,
    /// When the latest cosignature was given, by the witness's clock; Unix seconds.
    pub cosigned_at: Option<u64>,
}

/// One statement of the authority that pins how high this hub may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// `accreditation` or `crypto-approval`.
    pub kind: String,
    /// Until when it holds, Unix seconds.
    pub valid_until: u64,
}

/// One peer as this hub sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// The peer.
    pub hub: HubId,
    /// Whether a stream to it is open.
    pub connected: bool,
    /// Deliveries waiting for its receipt.
    pub waiting: usize,
    /// When the oldest of them was released here, Unix milliseconds.
    pub oldest_waiting: Option<u64>,
    /// How far its clock is ahead of ours, in seconds, as it last said; negative if it is behind.
    pub clock_ahead_seconds: Option<i64>,
    /// Whether it has announced a key that is not valid yet by our clock: one of the two clocks is wrong.
    pub key_ahead: bool,
    /// What it last did wrong, if anything.
    pub fault: Option<String>,
    /// Whether its ledger has shown two histories and nobody has decided yet.
    pub split_view: bool,
    /// Releases whose decision it has not shown in time, and nobody has decided yet.
    pub unproven: usize,
    /// When two people there let it go on without asking anybody, in milliseconds since 1970.
    pub went_on_alone: Option<u64>,
}
