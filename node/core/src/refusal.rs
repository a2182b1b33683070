//! Why a command is not carried out: one sentence, and what kind of refusal it is.

use std::collections::BTreeSet;

use testudo_crypto::attachment::CONTENT_BYTES_MAX;
use testudo_policies::marking_table::MarkingError;
use testudo_protocol::bundle::{BundleError, CutError};
use testudo_protocol::charter::{OwnTakeError, TakeError};
use testudo_protocol::courier::ParcelError;
use testudo_protocol::envelope::AttachmentRefError;
use testudo_protocol::id::{DraftId, Hash, HubId, ItemId};
use testudo_protocol::label::{Caveat, LabelError, Level, Tlp};
use testudo_protocol::licence::LicenceError;

/// A command that is refused. Nothing was stored and nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bundle is not one.
    #[error(transparent)]
    Bundle(BundleError),
    /// The label contradicts itself.
    #[error(transparent)]
    Label(LabelError),
    /// The licence contradicts itself or the label.
    #[error(transparent)]
    Licence(LicenceError),
    /// The draft holds objects of another hub's item, and is weaker than that.
    #[error("{0}")]
    SourceStricter(Box<Stricter>),
    /// Objects cannot be cut out of an item.
    #[error(transparent)]
    Cut(CutError),
    /// No such draft here.
    #[error("no draft {draft} here; `testudo drafts` lists those that are")]
    NoSuchDraft {
        /// Which.
        draft: DraftId,
    },
    /// A draft has not come that far, or further.
    #[error("draft is {state}, expected {wanted}; `testudo drafts` shows how each stands")]
    DraftState {
        /// How it stands.
        state: &'static str,
        /// How it has to stand.
        wanted: &'static str,
    },
    /// Nobody approves a draft of their own.
    #[error("nobody approves a draft of their own; a second person has to (R-21)")]
    OwnDraft,
    /// A version that is cut down from an item goes out by two people alone.
    #[error(
        "a version cut down from an item is released by two people; keep it as a draft and have it approved (R-21)"
    )]
    NotApproved,
    /// What is sealed to one release waits for no review.
    #[error("a draft that is kept has no attachments; release it with them without keeping it")]
    DraftAttachments,
    /// More drafts than are kept.
    #[error("{max} drafts are kept already; release or discard one")]
    TooManyDrafts {
        /// The limit.
        max: usize,
    },
    /// More sources than can be asked about.
    #[error("draft holds objects of {found} items of other hubs, at most {max} are allowed; split it (R-18)")]
    TooManySources {
        /// How many.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The label of our own item may not be lowered.
    #[error("label of item {item} may not be lowered: {}", .rules.join(", "))]
    NoDowngrade {
        /// Which.
        item: ItemId,
        /// By which rules.
        rules: Vec<String>,
    },
    /// The licence of our own item lets nobody pass it on.
    #[error("licence of item {item} is `nobody`; release a correction with another licence first (R-22)")]
    NoLicence {
        /// Which.
        item: ItemId,
    },
    /// The national marking has no level, or the label is below it.
    #[error(transparent)]
    Marking(MarkingError),
    /// A hub in the label is not in the charter.
    #[error(
        "label field `{field}` names {hub}, which is not a member; `testudo charter show` lists the members"
    )]
    UnknownRecipient {
        /// Which field.
        field: &'static str,
        /// Whom it names.
        hub: HubId,
    },
    /// The level is above the deployment's ceiling.
    #[error(
        "label field `level` is {level}, this deployment is not accredited above {ceiling}; use {channel}"
    )]
    Ceiling {
        /// The level asked for.
        level: u8,
        /// The highest level that may be handled here.
        ceiling: u8,
        /// Where to go instead.
        channel: String,
    },
    /// Nobody may receive it.
    #[error("nobody may receive this item; `testudo preview` shows each hub with its rules")]
    Nobody {
        /// Every rule that denies somebody.
        rules: Vec<String>,
    },
    /// The gate said no.
    #[error("{receiver} may not receive this item: {}", .rules.join(", "))]
    Denied {
        /// Who.
        receiver: HubId,
        /// By which rules.
        rules: Vec<String>,
    },
    /// The preview that was approved is no longer what would happen.
    #[error(
        "recipients or contents have changed since the preview; run `testudo preview` again and approve that"
    )]
    PreviewChanged,
    /// No such item here.
    #[error("no item {item} here; `testudo inbox` lists those that are")]
    NoSuchItem {
        /// Which.
        item: ItemId,
    },
    /// Only the originator may do this.
    #[error("item {item} is {originator}'s; only its originator may do this (R-21)")]
    NotOriginator {
        /// Which.
        item: ItemId,
        /// Whose it is.
        originator: HubId,
    },
    /// The item is withdrawn.
    #[error("item {item} is withdrawn")]
    Withdrawn {
        /// Which.
        item: ItemId,
    },
    /// A deadline that has passed already.
    #[error("deadline has passed already; give a later one")]
    DeadlinePassed,
    /// Nobody has asked for this consent.
    #[error("{holder} has not asked for this consent, or has it; `testudo consent list` shows who asks")]
    NoSuchQuestion {
        /// Who was named.
        holder: HubId,
    },
    /// The originator of an item does not forward it.
    #[error("item {item} is this hub's own; release a correction that names {to} instead")]
    OwnItem {
        /// Which.
        item: ItemId,
        /// To whom it was to go.
        to: HubId,
    },
    /// More receivers than one envelope has.
    #[error(
        "{receivers} hubs may receive this item, one envelope takes at most 100; name the hubs in `relTo`"
    )]
    TooManyReceivers {
        /// How many.
        receivers: usize,
    },
    /// A hub that is not a member was named.
    #[error("{hub} is not a member; `testudo charter show` lists the members")]
    NotAMember {
        /// Whom.
        hub: HubId,
    },
    /// Something is over its limit.
    #[error("{field} is over {max} bytes")]
    TooLong {
        /// What.
        field: &'static str,
        /// The limit.
        max: usize,
    },
    /// Too much is under way.
    #[error("{waiting} releases are already under way; try again in a moment")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// A parcel is not needed.
    #[error("{hub} is connected: what it is owed reaches it by itself, and needs no parcel")]
    Reachable {
        /// Who.
        hub: HubId,
    },
    /// A parcel that this hub cannot open.
    #[error("parcel is sealed to another hub, or was damaged on the way; have it copied or packed again")]
    ParcelNotOurs,
    /// A parcel that is refused whole.
    #[error(transparent)]
    Parcel(ParcelError),
    /// The item was erased here.
    #[error("item {item} was erased here; `testudo ledger show` says when and on what basis")]
    Erased {
        /// Which.
        item: ItemId,
    },
    /// The attachments of a draft are not ones.
    #[error(transparent)]
    Attachments(AttachmentRefError),
    /// An attachment is longer than one may be.
    #[error("attachment {number} has {bytes} bytes, at most {CONTENT_BYTES_MAX} are allowed")]
    AttachmentTooLong {
        /// Which, from 1.
        number: usize,
        /// Its length.
        bytes: u64,
    },
    /// An attachment of a release is not sealed yet.
    #[error("attachment {number} has not been handed over; `testudo release --attach` does that first")]
    NotStaged {
        /// Which, from 1.
        number: usize,
    },
    /// The item has no such attachment.
    #[error("item {item} has {count} attachments; `testudo show` lists them with their numbers")]
    NoSuchAttachment {
        /// Which item.
        item: ItemId,
        /// How many it has.
        count: usize,
    },
    /// Too many attachments are being fetched.
    #[error("{under_way} attachments are being fetched already; ask again when some are here")]
    TooManyFetches {
        /// How many.
        under_way: usize,
    },
    /// A note of the charter is not taken.
    #[error(transparent)]
    Charter(Box<TakeError>),
    /// There is no such branch.
    #[error("{branch} is no branch of a fork; `testudo charter status` lists them")]
    NoSuchBranch {
        /// What was named.
        branch: Hash,
    },
    /// Nothing speaks against that ledger.
    #[error("there is no open evidence against the ledger of {hub}; `testudo status` shows where there is")]
    NoEvidence {
        /// Whose ledger.
        hub: HubId,
    },
    /// It may have forgotten what it has signed.
    #[error("hub is fenced: {}", .why.sentence())]
    Fenced {
        /// Why.
        why: FencedWhy,
    },
    /// The hub is not fenced.
    #[error("hub is not fenced; nothing has to be confirmed")]
    NotFenced,
    /// A person has to give a code, not a name.
    #[error(
        "a person is named by a code of the duty roster: 1 to 32 lower-case letters, digits, dots and hyphens"
    )]
    PersonCode,
    /// The second of two people gave the code of the first.
    #[error("the same person has confirmed this already; it takes two")]
    SamePerson,
    /// The clocks of peers say another time.
    #[error(
        "clock of this hub is {seconds} seconds {} the median of its peers; set it before releasing",
        if *.ahead { "ahead of" } else { "behind" }
    )]
    ClockOff {
        /// How far.
        seconds: u64,
        /// Whether ours is ahead of theirs.
        ahead: bool,
    },
    /// An act of this hub's own does not count.
    #[error("own act is refused: {0}")]
    OwnAct(#[source] OwnTakeError),
    /// A key that this hub works with was revoked.
    #[error("a key of this hub is revoked; give it new ones with `testudo key rotate`")]
    KeyRevoked,
    /// The key that signed the item was revoked by its originator.
    #[error("item {item} was signed with a key that {originator} has revoked; no hub would take it")]
    InDoubt {
        /// Which.
        item: ItemId,
        /// Whose.
        originator: HubId,
    },
    /// The disk is too full for new work.
    #[error(
        "the disk of this hub is nearly full, nothing new is released or taken; make room, it goes on by itself"
    )]
    StorageFull,
    /// Sealing failed, or a structure is over the limit: ours to mend.
    #[error("{what}; this is a defect, please report it")]
    Internal {
        /// What failed.
        what: &'static str,
    },
}

/// What a draft would have to be for what it draws on.
#[derive(Debug)]
pub struct Stricter {
    /// The item that it draws on; there may be more.
    pub item: ItemId,
    /// Whose that is.
    pub originator: HubId,
    /// The level that it needs.
    pub level: Level,
    /// The TLP label that it needs.
    pub tlp: Tlp,
    /// The caveats that it needs.
    pub caveats: BTreeSet<Caveat>,
    /// Whether it has to name its receivers.
    pub by_name: bool,
    /// Whether it may be passed on by consent alone.
    pub by_consent: bool,
    /// What to cut instead: the ids in the draft that stand in such an item.
    pub cut: BTreeSet<String>,
}

/// Ids that the sentence of a refusal names; whoever cuts these is told the next ones.
const CUT_SHOWN_MAX: usize = 20;

impl std::fmt::Display for Stricter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { item, originator, .. } = self;
        write!(
            f,
            "draft holds objects of item {item} of {originator} (R-18); label it "
        )?;
        write!(f, "--tlp {} --level {}", self.tlp, self.level.get())?;
        if !self.caveats.is_empty() {
            let caveats: Vec<&str> = self.caveats.iter().map(|caveat| caveat.as_str()).collect();
            write!(f, " --caveat {}", caveats.join(","))?;
        }
        if self.by_name {
            write!(f, " --rel-to HUB,... in place of --community")?;
        }
        if self.by_consent {
            write!(f, " --licence consent")?;
        }
        let shown: Vec<&str> = self.cut.iter().take(CUT_SHOWN_MAX).map(String::as_str).collect();
        write!(f, ", or cut {}", shown.join(", "))?;
        match self.cut.len().saturating_sub(CUT_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Why a hub is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FencedWhy {
    /// Too few peers have answered since the start.
    Asking,
    /// Entries are missing that its anchor or a peer speaks of.
    Behind,
    /// It has signed two histories.
    TwoHistories,
}

impl FencedWhy {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Asking => {
                "too few peers have said since the start what they hold of its ledger; it goes on when they have"
            }
            Self::Behind => {
                "its anchor or a peer speaks of entries that it has lost; it goes on when they are back from peers"
            }
            Self::TwoHistories => "it has signed two histories; its ledger has come to its end",
        }
    }
}

/// What kind of refusal it is, for exit codes and HTTP statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request itself is wrong.
    Usage,
    /// The data given is malformed.
    Data,
    /// There is no such thing.
    NotFound,
    /// A rule forbids it.
    Policy,
    /// Not now.
    Later,
    /// Our fault.
    Internal,
}

impl Refusal {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle(BundleError::LabelTooWeak { .. }) => "label-too-weak",
            Self::Bundle(_) => "bundle-malformed",
            Self::Label(_) => "label-malformed",
            Self::Licence(_) => "licence-malformed",
            Self::SourceStricter(_) => "source-stricter",
            Self::TooManySources { .. } => "too-many-sources",
            Self::Cut(_) => "cannot-cut",
            Self::NoSuchDraft { .. } => "no-such-draft",
            Self::DraftState { .. } => "draft-state",
            Self::OwnDraft => "own-draft",
            Self::NotApproved => "not-approved",
            Self::TooManyDrafts { .. } => "too-many-drafts",
            Self::DraftAttachments => "draft-attachments",
            Self::NoDowngrade { .. } => "no-downgrade",
            Self::NoLicence { .. } => "no-licence",
            Self::Marking(_) => "marking",
            Self::UnknownRecipient { .. } => "unknown-recipient",
            Self::Ceiling { .. } => "above-ceiling",
            Self::Nobody { .. } => "nobody-permitted",
            Self::Denied { .. } => "denied",
            Self::PreviewChanged => "preview-changed",
            Self::NoSuchItem { .. } => "no-such-item",
            Self::NotOriginator { .. } => "not-originator",
            Self::Withdrawn { .. } => "withdrawn",
            Self::DeadlinePassed => "deadline-passed",
            Self::NoSuchQuestion { .. } => "no-such-question",
            Self::OwnItem { .. } => "own-item",
            Self::TooManyReceivers { .. } => "too-many-receivers",
            Self::NotAMember { .. } => "not-a-member",
            Self::TooLong { .. } => "too-long",
            Self::Busy { .. } => "busy",
            Self::Reachable { .. } => "reachable",
            Self::ParcelNotOurs => "parcel-not-ours",
            Self::Parcel(_) => "parcel",
            Self::Erased { .. } => "erased",
            Self::Attachments(_) | Self::AttachmentTooLong { .. } => "attachment-malformed",
            Self::NotStaged { .. } => "attachment-not-staged",
            Self::NoSuchAttachment { .. } => "no-such-attachment",
            Self::TooManyFetches { .. } => "busy",
            Self::NoEvidence { .. } => "no-evidence",
            Self::Charter(error) => match **error {
                TakeError::Skipped { .. } => "charter-skipped",
                TakeError::Replayed { .. } => "charter-replayed",
                TakeError::Unlinked { .. } => "charter-unlinked",
                TakeError::Votes(_) | TakeError::NewVotersOnly { .. } => "charter-votes",
                _ => "charter",
            },
            Self::NoSuchBranch { .. } => "no-such-branch",
            Self::Fenced { .. } => "fenced",
            Self::NotFenced => "not-fenced",
            Self::PersonCode => "person-code",
            Self::SamePerson => "same-person",
            Self::ClockOff { .. } => "clock-off",
            Self::OwnAct(_) => "own-act",
            Self::KeyRevoked => "key-revoked",
            Self::InDoubt { .. } => "in-doubt",
            Self::StorageFull => "storage-full",
            Self::Internal { .. } => "internal",
        }
    }

    /// What kind it is.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Bundle(BundleError::LabelTooWeak { .. })
            | Self::Marking(_)
            | Self::SourceStricter(_)
            | Self::NoDowngrade { .. }
            | Self::NoLicence { .. }
            | Self::OwnDraft
            | Self::NotApproved
            | Self::Ceiling { .. }
            | Self::Nobody { .. }
            | Self::Denied { .. }
            | Self::PreviewChanged
            | Self::NotOriginator { .. }
            | Self::InDoubt { .. }
            | Self::Withdrawn { .. } => RefusalKind::Policy,
            Self::Bundle(_) | Self::ParcelNotOurs | Self::Parcel(_) | Self::OwnAct(_) | Self::Charter(_) => {
                RefusalKind::Data
            }
            Self::Label(_)
            | Self::Licence(_)
            | Self::TooManySources { .. }
            | Self::Cut(_)
            | Self::DraftState { .. }
            | Self::DraftAttachments
            | Self::UnknownRecipient { .. }
            | Self::OwnItem { .. }
            | Self::TooManyReceivers { .. }
            | Self::DeadlinePassed
            | Self::NotFenced
            | Self::PersonCode
            | Self::SamePerson
            | Self::NotAMember { .. }
            | Self::Attachments(_)
            | Self::AttachmentTooLong { .. }
            | Self::NotStaged { .. }
            | Self::TooLong { .. }
            | Self::Reachable { .. } => RefusalKind::Usage,
            Self::NoSuchItem { .. }
            | Self::NoSuchAttachment { .. }
            | Self::NoSuchQuestion { .. }
            | Self::NoSuchDraft { .. }
            | Self::Erased { .. }
            | Self::NoEvidence { .. }
            | Self::NoSuchBranch { .. } => RefusalKind::NotFound,
            Self::Busy { .. }
            | Self::TooManyFetches { .. }
            | Self::Fenced { .. }
            | Self::ClockOff { .. }
            | Self::KeyRevoked
            | Self::StorageFull
            | Self::TooManyDrafts { .. } => RefusalKind::Later,
            Self::Internal { .. } => RefusalKind::Internal,
        }
    }

    /// The rule ids behind it, if rules are.
    pub fn rules(&self) -> Vec<String> {
        match self {
            Self::Nobody { rules } | Self::Denied { rules, .. } | Self::NoDowngrade { rules, .. } => {
                rules.clone()
            }
            Self::Bundle(BundleError::LabelTooWeak { .. })
            | Self::SourceStricter(_)
            | Self::TooManySources { .. } => vec!["R-18".to_owned()],
            Self::NoLicence { .. } => vec!["R-22".to_owned()],
            Self::Marking(_) => vec!["R-02".to_owned()],
            Self::NotOriginator { .. } | Self::OwnDraft | Self::NotApproved => vec!["R-21".to_owned()],
            _ => Vec::new(),
        }
    }
}
