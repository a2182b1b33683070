//! Sealed attachments on this hub's disk: how they are called there, what is known of each, and what is done with them.
//!
//! A file is named by a pseudonym that says nothing of what is in it. What is in it is known from the row alone, so a file
//! that no row names is a leftover, and removed.

use serde::{Deserialize, Serialize};
use testudo_crypto::attachment::{Span, VerifiedPiece};
use testudo_crypto::digest::{hex, unhex};
use testudo_protocol::envelope::{AttachmentKey, AttachmentRef};
use testudo_protocol::id::{Hash, HubId, ItemRef};

/// The pseudonym of one sealed attachment on this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobId([u8; 16]);

impl BlobId {
    /// Wraps bytes that were drawn for it.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the text of [`Self::fmt`](std::fmt::Display).
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Whether a sealed attachment is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobState {
    /// Nobody has asked for it.
    Absent,
    /// It is being fetched, also after a restart.
    Wanted,
    /// All of it is on stable storage.
    Whole,
}

/// What is known of one attachment of one item. Neither name nor key: those are content, and lie with the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRecord {
    /// Of which item.
    pub item: ItemRef,
    /// Which of its attachments, from 0.
    pub number: u32,
    /// What its file is called.
    pub blob: BlobId,
    /// The root of its tree.
    pub root: Hash,
    /// Length when sealed, in bytes.
    pub sealed_bytes: u64,
    /// Length of the content, in bytes.
    pub content_bytes: u64,
    /// Whether it is here.
    pub state: BlobState,
    /// Who has begun to fetch it from here.
    pub served: Vec<HubId>,
}

/// One attachment of one item.
pub type BlobPlace = (ItemRef, u32);

impl BlobRecord {
    /// Which attachment of which item.
    pub fn place(&self) -> BlobPlace {
        (self.item, self.number)
    }
}

/// An attachment of a draft: what a preview shows, and where its sealed file lies once it does.
#[derive(Clone)]
pub struct DraftAttachment {
    /// Its name, as people see it.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// Length of its content, in bytes.
    pub content_bytes: u64,
    /// Hash of its content: what an approval names.
    pub content_hash: Hash,
    /// The sealed file; a preview needs none.
    pub staged: Option<StagedBlob>,
}

/// A sealed file that is on stable storage and belongs to no item yet.
#[derive(Clone)]
pub struct StagedBlob {
    /// What it is called.
    pub blob: BlobId,
    /// Length when sealed, in bytes.
    pub sealed_bytes: u64,
    /// The root of its tree.
    pub root: Hash,
    /// The seed of the identity that it is sealed to.
    pub key: AttachmentKey,
}

impl DraftAttachment {
    /// What the signed header says of it; `None` while it is not sealed.
    pub(crate) fn entry(&self) -> Option<AttachmentRef> {
        let staged = self.staged.as_ref()?;
        Some(AttachmentRef {
            name: self.name.clone(),
            media_type: self.media_type.clone(),
            content_bytes: self.content_bytes,
            sealed_bytes: staged.sealed_bytes,
            root: staged.root,
            key: staged.key.clone(),
        })
    }
}

/// Names one piece of work on a file until its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobJobId(pub u64);

/// Work on the file of one attachment. Work on one file is done in the order in which it was asked for.
#[derive(Debug)]
pub enum BlobJob {
    /// Find how many groups from the first on are there and agree with the root.
    Check {
        /// Which file; it need not be there.
        blob: BlobId,
        /// The root.
        root: Hash,
        /// Length when whole.
        sealed_bytes: u64,
    },
    /// Write a piece where it belongs, behind what was checked or written before.
    Keep {
        /// Which file; it is made if it is not there.
        blob: BlobId,
        /// What was verified.
        piece: VerifiedPiece,
    },
    /// Bring all that was written to stable storage.
    Sync {
        /// Which file.
        blob: BlobId,
    },
    /// Read a piece.
    Cut {
        /// Which file.
        blob: BlobId,
        /// The root.
        root: Hash,
        /// Which groups.
        span: Span,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum BlobDone {
    /// So many groups from the first on are there.
    Agrees(u64),
    /// The piece is written, and not synced yet.
    Kept,
    /// The piece is not written: the disk is nearly full.
    NoRoom,
    /// Everything written is on stable storage.
    Synced,
    /// The piece; `None` if the file is damaged or gone.
    Cut(Option<Vec<u8>>),
}
