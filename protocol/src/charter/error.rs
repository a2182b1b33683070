//! Why something is no part of the charter.

use testudo_crypto::note::NoteError;

use super::act::ActKind;
use super::kind::Chain;
use super::threshold::VoteError;
use crate::fault::Fault;
use crate::id::{Hash, HubId};

/// Codes for a sentence.
pub(super) fn list(codes: &[HubId]) -> String {
    if codes.is_empty() {
        return "nobody".to_owned();
    }
    codes.iter().map(HubId::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a text is not one that members could sign, whoever has signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Not the JSON that was announced.
    #[error("charter text is not as expected at line {line} column {column}")]
    Json {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// Larger than its kind may be.
    #[error(
        "charter text has {bytes} bytes, at most {max} are read; split what it lists or leave members out"
    )]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Of another federation or realm.
    #[error("charter text is for `{found}`, expected `{expected}`")]
    OtherRealm {
        /// As it says.
        found: String,
        /// Of this hub.
        expected: String,
    },
    /// A member's entry.
    #[error("charter entry of {code}: {what}")]
    Member {
        /// Which member.
        code: HubId,
        /// What is wrong.
        what: &'static str,
    },
    /// A voter's entry.
    #[error("voter {code} {what}")]
    Voter {
        /// Which voter.
        code: HubId,
        /// What is wrong.
        what: &'static str,
    },
    /// Something that is no entry of somebody.
    #[error("charter: {what}")]
    Shape {
        /// What is wrong.
        what: &'static str,
    },
    /// Valid for longer than its kind may be.
    #[error("{chain} would be valid for {days} days, at most {max} are allowed")]
    TooLong {
        /// Of which chain.
        chain: Chain,
        /// Days found.
        days: u64,
        /// Days allowed.
        max: u64,
    },
    /// In force sooner than its kind may be.
    #[error("policy bundle would be in force after {days} days, at least {min} are needed")]
    TooSoon {
        /// Days found.
        days: u64,
        /// Days needed.
        min: u64,
    },
}

/// Why a signed text is not taken. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// Not a signed note, or a known key's signature does not verify.
    #[error("charter object is not a signed note")]
    Note(#[from] NoteError),
    /// The text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The votes.
    #[error(transparent)]
    Votes(#[from] VoteError),
    /// Those whom a new constitution makes voters agree to it, and those who are voters now do not.
    #[error(
        "constitution {version} is signed by its new voters only; {found} of the {needed} votes of the present voters are there"
    )]
    NewVotersOnly {
        /// Which version.
        version: u32,
        /// Votes of present voters.
        found: usize,
        /// Votes of present voters needed.
        needed: usize,
    },
    /// A version between this one and ours is missing.
    #[error("{chain} {found} does not follow version {present}, which is the present one; get version {} first", .present + 1)]
    Skipped {
        /// In which chain.
        chain: Chain,
        /// The version offered.
        found: u32,
        /// The version here.
        present: u32,
    },
    /// An old version, or another text under its number that does not have the votes.
    #[error("{chain} {found} is older than version {present}, which is the present one")]
    Replayed {
        /// In which chain.
        chain: Chain,
        /// The version offered.
        found: u32,
        /// The version here.
        present: u32,
    },
    /// The right number behind another text.
    #[error(
        "{chain} {version} does not name the version before it as this hub has it; one of the two hubs follows another branch"
    )]
    Unlinked {
        /// In which chain.
        chain: Chain,
        /// The version offered.
        version: u32,
    },
    /// What a constitution builds upon is not here yet.
    #[error("constitution {version} builds upon a {chain} that this hub does not have yet")]
    Unsettled {
        /// Which version.
        version: u32,
        /// Which chain is behind.
        chain: Chain,
    },
    /// Made in the future.
    #[error("{what} was made {hours} hours ahead of this hub's clock; set the clock, or wait")]
    FromTheFuture {
        /// What.
        what: String,
        /// Hours ahead, rounded down.
        hours: u64,
    },
    /// A directory without a member that the one before had.
    #[error(
        "directory leaves out {code}; a member stays listed, as expelled or exited, so that what it signed can be verified"
    )]
    Removed {
        /// Who is missing.
        code: HubId,
    },
    /// A sponsor that cannot be one.
    #[error("{partner} cannot be sponsored by {sponsor}: {what}")]
    Sponsor {
        /// The partner.
        partner: HubId,
        /// The sponsor.
        sponsor: HubId,
        /// Why.
        what: &'static str,
    },
    /// Too few sponsors.
    #[error("{partner} has {found} sponsors, {needed} needed")]
    Sponsors {
        /// The partner.
        partner: HubId,
        /// How many.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// An act about somebody who is not a member.
    #[error("{act} names {code}, which is not a member")]
    NotAMember {
        /// What kind of act.
        act: ActKind,
        /// Whom it names.
        code: HubId,
    },
    /// An act that only a voter can make.
    #[error("{act} is an act of a voter, and {code} is none")]
    NotAVoter {
        /// What kind of act.
        act: ActKind,
        /// Whom it names.
        code: HubId,
    },
    /// A second emergency hold within 30 days.
    #[error("{target} was held less than 30 days ago; only a suspension can follow")]
    HeldAlready {
        /// Who.
        target: HubId,
    },
    /// A card that is not fit for admission.
    #[error("card of {code} cannot be admitted")]
    Card {
        /// Whose.
        code: HubId,
        /// Why.
        #[source]
        source: super::CardError,
    },
    /// A member that there is already.
    #[error("{code} is a member already; another card of it is a matter of the directory")]
    AlreadyIn {
        /// Who.
        code: HubId,
    },
    /// An objection to what this hub does not know.
    #[error("objection to {subject}, which is no open admission here")]
    NoSubject {
        /// To what.
        subject: Hash,
    },
    /// One voter has more acts open than it may.
    #[error("{code} has {max} acts of its own open already; the members have to settle them first")]
    TooManyActs {
        /// Who.
        code: HubId,
        /// How many it may have.
        max: usize,
    },
}

impl TakeError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Skipped { .. } | Self::Unsettled { .. } | Self::FromTheFuture { .. } => Fault::Environment,
            _ => Fault::Peer,
        }
    }

    /// Whether it could be taken later, once something else has come.
    pub fn is_early(&self) -> bool {
        matches!(
            self,
            Self::Skipped { .. }
                | Self::Unsettled { .. }
                | Self::FromTheFuture { .. }
                | Self::NoSubject { .. }
                | Self::NotAMember { .. }
                | Self::NotAVoter { .. }
                | Self::Votes(_)
                | Self::NewVotersOnly { .. }
                | Self::Unlinked { .. }
        )
    }
}
