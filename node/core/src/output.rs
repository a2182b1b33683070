//! What a hub wants done, in order.

use std::ops::Range;
use testudo_protocol::charter::{Chain, Status};
use testudo_protocol::community::Community;
use testudo_protocol::id::{CharterVersion, Hash, HubId, ItemRef};
use testudo_protocol::receipt::Act;
use zeroize::Zeroizing;

use crate::blob::{BlobId, BlobJob, BlobJobId};
use crate::input::{BatchId, CommandId, GossipId, LoadId, SealId};
use crate::outbound::Outbound;
use crate::publication::{Judgement, Publication};
use crate::refusal::Refusal;
use crate::seal_order::SealOrder;
use crate::views::Reply;

/// One effect. The shell carries them out in the order in which they come.
pub enum Output {
    /// Write all changes in one batch, flush it, then say [`crate::input::Input::Persisted`].
    /// A failed write ends the process: nothing after it may happen.
    Persist(BatchId, Vec<Change>),
    /// Read a row and answer with [`crate::input::Input::Loaded`].
    Load(LoadId, Family, Vec<u8>),
    /// Read leaves of this hub's own ledger and answer with [`crate::input::Input::Loaded`]: all of them, one behind the
    /// other, or nothing if one is not there.
    LoadLeaves(LoadId, Range<u64>),
    /// Seal and answer with [`crate::input::Input::Sealed`].
    Seal(SealId, SealOrder),
    /// Work on the file of an attachment and answer with [`crate::input::Input::Blob`]. In its own time: what comes after
    /// it does not wait.
    Blob(BlobJobId, BlobJob),
    /// Remove the files of attachments, also those that are not whole, and see to it that they stay removed: nothing after
    /// it may happen before. A failure ends the process.
    DestroyBlobs(Vec<BlobId>),
    /// Send to a connected peer. If it cannot be sent it is lost; the core sends again later.
    Transmit(HubId, Outbound),
    /// Members have other transport keys, or another standing: bring the list of peers into line.
    Peers,
    /// Publish to the members of a community. Whom it does not reach is sent to directly.
    Publish(Publication),
    /// Say what has become of a message that came by gossip.
    Judge(GossipId, Judgement),
    /// Gossip in these communities and in no other. What was published in one that is gone, or was gone in between, is
    /// out of reach when this is done, and nothing behind this may happen before.
    Communities(Vec<Community>),
    /// Close the connection: the peer broke the protocol.
    Disconnect(HubId),
    /// Replace the anchor outside the database, then publish.
    Anchor {
        /// Entries covered.
        size: u64,
        /// Root over them, in hexadecimal.
        root: String,
        /// The signed checkpoint.
        note: Vec<u8>,
    },
    /// Answer a command. What it reports is durable.
    Reply(CommandId, Result<Reply, Refusal>),
    /// Tell the operator.
    Report(Event),
}

/// A change to stable storage.
pub enum Change {
    /// Store a value.
    Put {
        /// Where.
        family: Family,
        /// Under which key.
        key: Vec<u8>,
        /// What; wiped when it goes, since some rows are keys.
        value: Zeroizing<Vec<u8>>,
    },
    /// Forget a value and see to it that its bytes are gone from the files too.
    Erase {
        /// Where.
        family: Family,
        /// Under which key.
        key: Vec<u8>,
    },
}

/// The kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Ledger leaves, by index.
    Leaf,
    /// Ledger openings, by index.
    Opening,
    /// The last signed checkpoint.
    Checkpoint,
    /// Items, by id and version.
    Item,
    /// Signed parts, by id and version: the content.
    Body,
    /// Envelopes that this hub made, by hash.
    Envelope,
    /// Heads of logs, own and foreign.
    Log,
    /// Deliveries, by item, version and receiver.
    Delivery,
    /// Receipts that this hub gave, by envelope and act.
    Receipt,
    /// Notices, given and taken.
    Notice,
    /// Consent tokens held.
    Consent,
    /// Evidence against peers.
    Evidence,
    /// Secret keys that are destroyed in time: weekly identities, audience keys.
    Key,
    /// Key epochs of our own audiences, without their secrets.
    Epoch,
    /// The weekly keys that peers have announced.
    Announcement,
    /// Attachments, by item, version and number.
    Blob,
    /// What members have decided about themselves, by member and place.
    OwnAct,
    /// Notes of the charter in the order in which they came, heartbeats, and branches that were chosen.
    Charter,
    /// Leaves of peers' ledgers, by owner and first leaf.
    Mirror,
    /// What was shown of decisions behind envelopes, by envelope.
    Proof,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Leaf,
        Self::Opening,
        Self::Checkpoint,
        Self::Item,
        Self::Body,
        Self::Envelope,
        Self::Log,
        Self::Delivery,
        Self::Receipt,
        Self::Notice,
        Self::Consent,
        Self::Evidence,
        Self::Key,
        Self::Epoch,
        Self::Announcement,
        Self::Blob,
        Self::OwnAct,
        Self::Charter,
        Self::Mirror,
        Self::Proof,
    ];
}

/// Something the operator should see. Ids and hub codes, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A decision has been recorded.
    Decided {
        /// On which item.
        item: ItemRef,
        /// How many may receive it.
        allowed: usize,
        /// Who may not, and by which rules.
        denied: Vec<(HubId, Vec<String>)>,
    },
    /// Policies could not be evaluated, which denies: somebody has to mend them.
    PolicyFailed {
        /// For which item.
        item: ItemRef,
        /// Which policies, by their rule ids.
        policies: Vec<String>,
    },
    /// Somebody asks for consent: a person has to answer.
    ConsentAsked {
        /// About which item.
        item: ItemRef,
        /// Who would forward it.
        holder: HubId,
        /// To whom.
        recipient: HubId,
    },
    /// An originator has refused its consent.
    ConsentDeclined {
        /// For which item.
        item: ItemRef,
        /// Who refused.
        originator: HubId,
        /// To whom it was to go.
        recipient: HubId,
    },
    /// Another version of the directory is followed.
    CharterFollowed {
        /// Which.
        version: CharterVersion,
    },
    /// Enough voters have stated again that there is nothing newer: what waited goes on.
    CharterFresh,
    /// The charter names policies that are not installed here: nothing but governance flows.
    CharterBlocked {
        /// What does not fit.
        what: String,
    },
    /// Two versions follow one: only TLP:CLEAR flows until a branch is chosen.
    CharterFork {
        /// In which chain.
        chain: Chain,
        /// Who has signed both.
        signers: Vec<HubId>,
    },
    /// A member's standing is another one.
    Standing {
        /// Whose.
        hub: HubId,
        /// Which.
        status: Status,
    },
    /// Other policies are in force from here on.
    PoliciesActivated {
        /// Their hash.
        policies: Hash,
    },
    /// An item has arrived and is stored.
    Arrived {
        /// Which.
        item: ItemRef,
        /// From whom.
        sender: HubId,
    },
    /// A receipt has come back.
    Receipted {
        /// For which item.
        item: ItemRef,
        /// From whom.
        receiver: HubId,
        /// What they state.
        act: Act,
    },
    /// Something that was queued may no longer be sent.
    Withheld {
        /// Which item.
        item: ItemRef,
        /// From whom it is withheld.
        receiver: HubId,
        /// By which rules.
        rules: Vec<String>,
    },
    /// A peer sent something that was refused.
    PeerFault {
        /// Who.
        peer: HubId,
        /// What was wrong, without content.
        what: String,
    },
    /// A peer's clock is so far ahead of ours that its recipient key cannot count yet: nothing is sent to it.
    ClockAhead {
        /// Whose.
        peer: HubId,
    },
    /// A peer opens more logs than a member may have here; what it sends in further ones is not taken.
    TooManyLogs {
        /// Who.
        peer: HubId,
    },
    /// A peer has signed two envelopes for one place of a log.
    Equivocation {
        /// Who.
        peer: HubId,
    },
    /// A ledger has shown two histories: two signed roots for one size.
    SplitView {
        /// Whose.
        peer: HubId,
    },
    /// A member's root key has signed two acts for one place: that member is held.
    SplitActs {
        /// Whose.
        member: HubId,
    },
    /// Members have decided about their own keys or standing, and this hub goes by it.
    OwnActsFollowed,
    /// This hub signs with other keys from here on.
    KeysChanged,
    /// Other keys lie in the folder than this hub's newest act certifies: it goes on with those it has.
    KeysNotCertified,
    /// A peer holds a checkpoint that this hub signed and has lost: its database is an old copy.
    Behind {
        /// Who.
        peer: HubId,
        /// Entries under that checkpoint.
        size: u64,
    },
    /// An attachment is here, whole and on stable storage.
    AttachmentFetched {
        /// Of which item.
        item: ItemRef,
        /// Which, from 0.
        number: u32,
    },
    /// Nobody who has the item gives this attachment: they have not fetched it, or may not give it to us.
    AttachmentNotHere {
        /// Of which item.
        item: ItemRef,
        /// Which, from 0.
        number: u32,
    },
    /// A hub asked for an attachment and was not given it. It is told "not here", and nothing of this.
    AttachmentRefused {
        /// Of which item.
        item: ItemRef,
        /// Who asked.
        receiver: HubId,
        /// By which rules; empty if the item never was for it, or the file is not here.
        rules: Vec<String>,
    },
    /// An attachment is not fetched any further: the disk is nearly full.
    AttachmentNoRoom {
        /// Of which item.
        item: ItemRef,
        /// Which, from 0.
        number: u32,
    },
    /// The file of an attachment does not agree with its root any more: the disk is bad, or somebody changed it.
    AttachmentDamaged {
        /// Of which item.
        item: ItemRef,
        /// Which, from 0.
        number: u32,
    },
    /// The disk has become too full for new work, or has room again.
    Room {
        /// Which of the two.
        has_room: bool,
    },
    /// The disk has no room for what a peer sent: it keeps that, and sends it again.
    TurnedAway {
        /// Who.
        peer: HubId,
    },
    /// Enough peers have answered, and all they hold of ours is here: the hub signs and releases again.
    Unfenced {
        /// How many had answered.
        heard: usize,
    },
    /// An older copy of the database held items that were erased since: they are destroyed again.
    ErasedAgain {
        /// How many.
        count: usize,
    },
    /// A peer has taken over more of one of our logs than we know of: they are begun anew.
    LogAhead {
        /// Who.
        peer: HubId,
    },
    /// A peer released an item and has not shown in time that its decision stands in its ledger.
    DecisionUnproven {
        /// Who.
        peer: HubId,
        /// Which item.
        item: ItemRef,
        /// The entry that its envelope names.
        index: u64,
    },
    /// Two people at a peer let it go on without asking anybody.
    PeerWentOnAlone {
        /// Who.
        peer: HubId,
        /// The entry of its ledger that says so.
        index: u64,
    },
    /// A peer's clock is more than five minutes from ours.
    ClockOff {
        /// Whose.
        peer: HubId,
        /// How far it is ahead, in seconds; below zero if it is behind.
        ahead_seconds: i64,
    },
    /// A checkpoint has been signed.
    Checkpoint {
        /// Entries covered.
        size: u64,
    },
}
