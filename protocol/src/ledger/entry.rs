//! What is entered. Ids, hashes and counts; never content, never names of people.

use serde::{Deserialize, Serialize};

use crate::id::{
    AudienceId, CharterVersion, EnvelopeHash, Hash, HubId, ItemId, ItemRef, Sequence, Timestamp,
};
use crate::receipt::Act;
use crate::week::Week;

/// An entry and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, by this hub's clock.
    pub time: Timestamp,
    /// What.
    pub entry: Entry,
}

/// What a decision was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionAct {
    /// The first release of an item by its originator.
    Release,
    /// The onward disclosure of another hub's item.
    Forward,
    /// The same release asked again, because charter or policies have changed since.
    Resend,
    /// Another hub's item passed on inside its audience.
    Relay,
}

/// One decision over all receivers asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// About what act.
    pub act: DecisionAct,
    /// On which item.
    pub item: ItemRef,
    /// On which body.
    pub body_hash: Hash,
    /// Under which charter.
    pub charter: CharterVersion,
    /// Under which policies.
    pub policies: Hash,
    /// Salted root over (receiver, verdict, rules).
    pub verdicts_root: Hash,
    /// How many may receive it.
    pub allowed: u32,
    /// How many may not.
    pub denied: u32,
}

/// What became of an envelope that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Opened, verified and stored.
    Accepted,
    /// Refused by this hub's intake policy.
    Objected,
    /// Did not open, or did not verify.
    Unreadable,
    /// Of an item already withdrawn: its content was not stored.
    Withdrawn,
    /// Another copy of an item already held, by way of another hub.
    Repeated,
}

impl Outcome {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Objected => "objected",
            Self::Unreadable => "unreadable",
            Self::Withdrawn => "withdrawn",
            Self::Repeated => "repeated",
        }
    }
}

/// What has gone wrong in a way that somebody may have to prove later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentKind {
    /// A peer has signed two envelopes for one place of a log.
    Equivocation,
    /// A peer has signed two roots for one size of its ledger.
    SplitView,
    /// A member's root key has signed two acts for one place of its chain.
    SplitActs,
    /// A peer released an item and has not shown that the decision stands in its ledger.
    Unproven,
}

/// What happened to the charter at this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CharterEvent {
    /// A version was taken.
    Version,
    /// An act was taken.
    Act,
    /// A second successor of one version was taken, as evidence.
    Fork,
    /// The operator chose a branch for this hub alone.
    BranchChosen,
}

/// One checkpoint of another hub that this one cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// SHA-256 of its origin line.
    pub origin: Hash,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Longest code of a legal basis, in bytes.
pub const BASIS_BYTES_MAX: usize = 32;

/// The legal basis of an erasure, as a short code of the operator's own register.
///
/// Lower-case letters, digits, dots and hyphens: a code such as `gdpr-17.1.d`, and no room for a sentence that
/// could name a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Basis(String);

/// A text that is not such a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a basis is a code such as `gdpr-17.1.d`: 1 to {BASIS_BYTES_MAX} lower-case letters, digits, dots and hyphens"
)]
pub struct BasisError;

impl std::str::FromStr for Basis {
    type Err = BasisError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=BASIS_BYTES_MAX).contains(&text.len());
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        if fits && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BasisError)
        }
    }
}

impl TryFrom<String> for Basis {
    type Error = BasisError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Basis> for String {
    fn from(basis: Basis) -> Self {
        basis.0
    }
}

impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened to a recipient key of this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyAct {
    /// Made, and announced to peers.
    Announced,
    /// Destroyed, with its secret half.
    Destroyed,
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The first entry: under which charter this ledger began.
    Genesis {
        /// Its fingerprint.
        charter: Hash,
    },
    /// Who may receive what; before anything is sent.
    Decision(Decision),
    /// An envelope was made and may be sent.
    Release {
        /// The item.
        item: ItemRef,
        /// The envelope.
        envelope: EnvelopeHash,
        /// Its log.
        audience: AudienceId,
        /// Its place there.
        sequence: Sequence,
        /// Index of the decision it rests on.
        decision: u64,
        /// Salted root over the recipients.
        recipients_root: Hash,
    },
    /// An envelope arrived.
    Received {
        /// The item; absent where it could not be read.
        item: Option<ItemRef>,
        /// The envelope.
        envelope: EnvelopeHash,
        /// From whom.
        sender: HubId,
        /// What became of it.
        outcome: Outcome,
    },
    /// A receipt came back.
    Receipt {
        /// For which envelope.
        envelope: EnvelopeHash,
        /// From whom.
        receiver: HubId,
        /// What they state.
        act: Act,
    },
    /// This hub withdrew its own item.
    Retract {
        /// Up to which version.
        up_to: ItemRef,
        /// How many hubs were told.
        notices: u32,
    },
    /// Content was destroyed here.
    Purged {
        /// Up to which version.
        up_to: ItemRef,
        /// At whose request.
        originator: HubId,
    },
    /// This hub consented to an onward disclosure of its item.
    Consent {
        /// Which item.
        item: ItemRef,
        /// By whom it may be forwarded.
        holder: HubId,
        /// To whom.
        recipient: HubId,
        /// Until when.
        until: Timestamp,
    },
    /// Something went wrong that may have to be proven.
    Incident {
        /// What.
        kind: IncidentKind,
        /// By whom.
        peer: HubId,
        /// Hash of the evidence.
        evidence: Hash,
    },
    /// A weekly recipient key of this hub.
    RecipientKey {
        /// What happened to it.
        act: KeyAct,
        /// Its week.
        week: Week,
        /// SHA-256 of the recipient's text.
        key: Hash,
    },
    /// A key for an audience was made and put into its log.
    AudienceKey {
        /// The audience.
        audience: AudienceId,
        /// Counts the keys of the audience.
        epoch: u32,
        /// The log entry.
        envelope: EnvelopeHash,
        /// Its place.
        sequence: Sequence,
        /// Salted root over the members.
        recipients_root: Hash,
        /// How many members it was sealed to; the others are owed.
        sealed_to: u32,
    },
    /// Nothing happened: fills the tree up, so that its size does not say how much did.
    Filler,
    /// This hub witnessed the ledgers of others since its last checkpoint.
    Cosigned {
        /// What it cosigned.
        checkpoints: Vec<Seen>,
    },
    /// The content of an item, and what earlier entries mean, was destroyed here by law.
    Erased {
        /// Which item, in all versions.
        item: ItemId,
        /// The entries whose openings were destroyed.
        entries: Vec<u64>,
        /// On what basis.
        basis: Basis,
    },
    /// A person decided about evidence against a ledger; it is cosigned again.
    WitnessResumed {
        /// Whose ledger.
        peer: HubId,
        /// Hash of the evidence.
        evidence: Hash,
    },
    /// A receiver of an item began to fetch one of its attachments from here.
    Served {
        /// The item.
        item: ItemRef,
        /// Which of its attachments, from 0.
        attachment: u32,
        /// Who.
        receiver: HubId,
        /// Index of the decision it rests on.
        decision: u64,
    },
    /// A member decided about its own keys or standing, and this hub follows it.
    OwnAct {
        /// Whose act.
        member: HubId,
        /// Its place in the member's chain.
        counter: u64,
        /// SHA-256 of the act.
        act: Hash,
    },
    /// This hub had lost entries and has their leaves back from peers; what they mean is lost.
    Recovered {
        /// The first of them.
        from: u64,
        /// Behind the last.
        to: u64,
    },
    /// Two people went on without what peers hold of this ledger.
    ConfirmedAlone {
        /// Entries that there were.
        size: u64,
        /// Entries that the anchor speaks of; more than there were if some are lost for good.
        anchored: u64,
        /// How many peers had answered.
        heard: u32,
        /// How many should have.
        needed: u32,
        /// Hashes of the codes of the two on their duty roster.
        people: [Hash; 2],
    },
    /// Envelopes that were released before are sent to a peer again or at last; before any of them is.
    ServedBatch {
        /// To whom.
        peer: HubId,
        /// How many.
        envelopes: u32,
        /// SHA-256 over their hashes, in the order of sending.
        digest: Hash,
    },
    /// The charter under which this hub acts from here on.
    Charter {
        /// Its version.
        version: CharterVersion,
        /// Its fingerprint.
        charter: Hash,
        /// Its members.
        members: u32,
    },
    /// The policies under which this hub acts from here on.
    PoliciesActivated {
        /// Their hash.
        policies: Hash,
    },
    /// This hub refused its consent to an onward disclosure.
    ConsentRefused {
        /// Which item.
        item: ItemRef,
        /// Who would have forwarded it.
        holder: HubId,
        /// To whom.
        recipient: HubId,
    },
    /// The operators did something that no other entry says.
    Operator {
        /// What.
        act: OperatorAct,
    },
    /// An item was released that two people had cut down from another one of this hub.
    Derived {
        /// The new item.
        item: ItemRef,
        /// From which version.
        from: ItemRef,
        /// How many objects were cut.
        cut: u32,
        /// Salted root over the ids of those, then the names of maker and approver.
        root: Hash,
    },
    /// A note of the charter was taken, or a branch of a fork chosen here.
    CharterNote {
        /// What happened.
        event: CharterEvent,
        /// SHA-256 of the text.
        subject: Hash,
    },
}

/// What operators do to a hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorAct {
    /// Started it.
    Started {
        /// The version of the program.
        version: String,
    },
}

impl Entry {
    /// The word for people.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::Decision(_) => "decision",
            Self::Release { .. } => "release",
            Self::Received { .. } => "received",
            Self::Receipt { .. } => "receipt",
            Self::Retract { .. } => "retract",
            Self::Purged { .. } => "purged",
            Self::Consent { .. } => "consent",
            Self::Incident { .. } => "incident",
            Self::RecipientKey { .. } => "recipient-key",
            Self::AudienceKey { .. } => "audience-key",
            Self::Filler => "filler",
            Self::Cosigned { .. } => "cosigned",
            Self::Erased { .. } => "erased",
            Self::CharterNote { .. } => "charter-note",
            Self::Derived { .. } => "derived",
            Self::WitnessResumed { .. } => "witness-resumed",
            Self::Served { .. } => "served",
            Self::OwnAct { .. } => "own-act",
            Self::Recovered { .. } => "recovered",
            Self::ConfirmedAlone { .. } => "confirmed-alone",
            Self::ServedBatch { .. } => "served-batch",
            Self::Charter { .. } => "charter",
            Self::PoliciesActivated { .. } => "policies-activated",
            Self::ConsentRefused { .. } => "consent-refused",
            Self::Operator { .. } => "operator",
        }
    }
}
