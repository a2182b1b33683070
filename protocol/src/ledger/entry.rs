//! What is entered. Ids, hashes and counts; never content, never names of people.

use serde::{Deserialize, Serialize};

use crate::id::{AudienceId, CharterVersion, EnvelopeHash, Hash, HubId, ItemRef, Sequence, Timestamp};
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

/// What has gone wrong in a way that somebody may have to prove later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentKind {
    /// A peer has signed two envelopes for one place of a log.
    Equivocation,
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
        }
    }
}
