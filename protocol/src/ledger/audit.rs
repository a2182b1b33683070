//! The offline audit of one ledger: tree, checkpoints, openings and the order of acts.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::merkle::{Frontier, Root};
use testudo_crypto::note::{Note, NoteVerifier};

use super::entry::Entry;
use super::leaf::{Leaf, Opening, OpeningError};
use crate::id::EnvelopeHash;

/// How much of what the leaves mean is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What somebody chose to disclose: a gap says nothing.
    Disclosed,
    /// Everything that the hub has: each gap needs an entry that says why.
    Whole,
}

/// What is to be audited.
#[derive(Clone, Copy)]
pub struct Audit<'a> {
    /// The origin line of the ledger.
    pub origin: &'a str,
    /// The leaves in order of index, as they are published.
    pub leaves: &'a [Vec<u8>],
    /// Openings by index; those present must fit.
    pub openings: &'a BTreeMap<u64, Vec<u8>>,
    /// Whether that is all of them.
    pub extent: Extent,
    /// The last checkpoint, its signatures checked by the caller; none for a ledger that never signed.
    pub checkpoint: Option<&'a Checkpoint>,
    /// A checkpoint that somebody kept from earlier, checked likewise.
    pub since: Option<&'a Checkpoint>,
}

/// What an audit found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Entries in the tree.
    pub entries: u64,
    /// Root over them.
    pub root: Root,
    /// Entries that the signed checkpoint covers; the rest is newer than it.
    pub covered: u64,
    /// Openings that were there and fit.
    pub opened: u64,
    /// Openings that were destroyed, as a later entry says.
    pub erased: u64,
    /// Entries of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A leaf is malformed.
    #[error("leaf {index} is malformed")]
    Leaf {
        /// Which one.
        index: u64,
    },
    /// The checkpoint is not signed by this hub's ledger key, or not a checkpoint.
    #[error("checkpoint is not one that this hub signed")]
    Checkpoint,
    /// The checkpoint names another origin.
    #[error("checkpoint is of `{found}`, expected `{expected}`")]
    Origin {
        /// Expected.
        expected: String,
        /// Found.
        found: String,
    },
    /// The tree is shorter than the checkpoint says.
    #[error("tree has {found} entries, its checkpoint says {expected}: entries are missing")]
    Shrunk {
        /// The checkpoint's size.
        expected: u64,
        /// The tree's size.
        found: u64,
    },
    /// The tree has another root than the checkpoint says.
    #[error("root over {size} entries is {found}, its checkpoint says {expected}: an entry was changed")]
    Root {
        /// At which size.
        size: u64,
        /// The checkpoint's root.
        expected: String,
        /// The tree's root.
        found: String,
    },
    /// An opening does not fit.
    #[error("opening is refused")]
    Opening(#[from] OpeningError),
    /// A release without an earlier decision on the same item.
    #[error("entry {index} releases an item that no earlier decision covers")]
    Undecided {
        /// Which entry.
        index: u64,
    },
    /// A receipt for an envelope that was never released.
    #[error("entry {index} holds a receipt for an envelope that was never released here")]
    ReceiptWithoutRelease {
        /// Which entry.
        index: u64,
    },
    /// An opening is missing and nothing says why.
    #[error("entry {index} has no opening, and no entry says that it was erased or lost")]
    Unexplained {
        /// Which entry.
        index: u64,
    },
    /// An opening is there that an entry says was destroyed.
    #[error("entry {index} still has the opening that an erasure destroyed")]
    NotErased {
        /// Which entry.
        index: u64,
    },
}

impl AuditError {
    /// The first offending entry, where one entry can be named.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Leaf { index }
            | Self::Opening(OpeningError::Malformed { index } | OpeningError::Mismatch { index })
            | Self::Undecided { index }
            | Self::ReceiptWithoutRelease { index }
            | Self::Unexplained { index }
            | Self::NotErased { index } => Some(*index),
            Self::Shrunk { found, .. } => Some(*found),
            Self::Checkpoint | Self::Origin { .. } | Self::Root { .. } => None,
        }
    }
}

/// Audits leaves in order of index against their openings and the last checkpoint.
///
/// `openings` may lack some (they are erasable); those present must fit. `checkpoint` is a
/// signed note and absent only for a ledger that never signed one.
///
/// # Errors
/// [`AuditError`] names the first offending entry.
pub fn audit(
    origin: &str,
    leaves: &[Vec<u8>],
    openings: &BTreeMap<u64, Vec<u8>>,
    checkpoint: Option<(&[u8], &NoteVerifier)>,
) -> Result<AuditReport, AuditError> {
    let signed = checkpoint
        .map(|(note, key)| read_checkpoint(note, key))
        .transpose()?;
    let audit = Audit {
        origin,
        leaves,
        openings,
        extent: Extent::Whole,
        checkpoint: signed.as_ref(),
        since: None,
    };
    audit.run()
}

impl Audit<'_> {
    /// Rebuilds the tree and checks everything that was handed in.
    ///
    /// # Errors
    /// [`AuditError`] names the first offending entry.
    pub fn run(&self) -> Result<AuditReport, AuditError> {
        for checkpoint in self.checkpoint.iter().chain(&self.since) {
            self.check_extent(checkpoint)?;
        }
        let mut frontier = Frontier::new();
        let mut state = StateRules::new(self.extent);
        let mut report = AuditReport {
            entries: 0,
            root: frontier.root(),
            covered: self.checkpoint.map_or(0, |signed| signed.size.get()),
            opened: 0,
            erased: 0,
            kinds: BTreeMap::new(),
        };
        for (index, bytes) in (0u64..).zip(self.leaves) {
            let leaf = Leaf::from_bytes(bytes).ok_or(AuditError::Leaf { index })?;
            frontier.append(leaf.hash());
            match self.openings.get(&index) {
                Some(opening) => {
                    let opening = Opening::read(opening, &leaf, self.origin, index)?;
                    let entry = &opening.record().entry;
                    state.take(index, entry)?;
                    report.opened = report.opened.saturating_add(1);
                    let count = report.kinds.entry(entry.kind()).or_insert(0);
                    *count = count.saturating_add(1);
                }
                None => state.miss(index),
            }
            let due = |signed: &&&Checkpoint| signed.size == frontier.size();
            for signed in self.checkpoint.iter().chain(&self.since).filter(due) {
                check_root(signed, frontier.root())?;
            }
        }
        report.erased = state.finish(self.openings)?;
        report.entries = frontier.size().get();
        report.root = frontier.root();
        Ok(report)
    }

    fn check_extent(&self, checkpoint: &Checkpoint) -> Result<(), AuditError> {
        if checkpoint.origin != self.origin {
            return Err(AuditError::Origin {
                expected: self.origin.to_owned(),
                found: checkpoint.origin.clone(),
            });
        }
        let found = self.leaves.len() as u64;
        if checkpoint.size.get() > found {
            return Err(AuditError::Shrunk {
                expected: checkpoint.size.get(),
                found,
            });
        }
        Ok(())
    }
}

fn read_checkpoint(note: &[u8], key: &NoteVerifier) -> Result<Checkpoint, AuditError> {
    let verified = Note::parse(note).and_then(|note| note.verify(std::slice::from_ref(key)));
    let verified = verified.map_err(|_| AuditError::Checkpoint)?;
    Checkpoint::parse(verified.text()).map_err(|_| AuditError::Checkpoint)
}

fn check_root(signed: &Checkpoint, found: Root) -> Result<(), AuditError> {
    if signed.root == found {
        return Ok(());
    }
    Err(AuditError::Root {
        size: signed.size.get(),
        expected: signed.root.digest().to_hex(),
        found: found.digest().to_hex(),
    })
}

/// The order of acts that every ledger must show.
struct StateRules {
    extent: Extent,
    decided: BTreeSet<u64>,
    released: BTreeSet<EnvelopeHash>,
    missing: BTreeSet<u64>,
    erased: BTreeSet<u64>,
    recovered: BTreeSet<u64>,
}

impl StateRules {
    fn new(extent: Extent) -> Self {
        Self {
            extent,
            decided: BTreeSet::new(),
            released: BTreeSet::new(),
            missing: BTreeSet::new(),
            erased: BTreeSet::new(),
            recovered: BTreeSet::new(),
        }
    }

    fn take(&mut self, index: u64, entry: &Entry) -> Result<(), AuditError> {
        match entry {
            Entry::Decision(_) => {
                self.decided.insert(index);
            }
            Entry::Release {
                envelope, decision, ..
            } => {
                // A decision whose opening is not at hand may be one: its own gap is judged elsewhere.
                let covered = self.decided.contains(decision) || self.missing.contains(decision);
                if !covered {
                    return Err(AuditError::Undecided { index });
                }
                self.released.insert(*envelope);
            }
            Entry::Receipt { envelope, .. } if !self.released.contains(envelope) => {
                // Its release may be among those that were erased.
                let first = || self.missing.first().is_some();
                if self.extent == Extent::Whole && !first() {
                    return Err(AuditError::ReceiptWithoutRelease { index });
                }
            }
            Entry::Erased { entries, .. } => self.erased.extend(entries),
            // The meaning of these went with a disk; only gaps before the entry that says so count.
            Entry::Recovered { from, to } => {
                let lost = self.missing.range(*from..(*to).min(index).max(*from));
                self.recovered.extend(lost);
            }
            _ => {}
        }
        Ok(())
    }

    fn miss(&mut self, index: u64) {
        self.missing.insert(index);
    }

    /// Every gap has its reason, and nothing that was erased is there. Returns how many gaps there are.
    fn finish(&self, openings: &BTreeMap<u64, Vec<u8>>) -> Result<u64, AuditError> {
        if self.extent == Extent::Disclosed {
            return Ok(0);
        }
        let explained = |index: &&u64| self.erased.contains(index) || self.recovered.contains(index);
        if let Some(index) = self.missing.iter().find(|index| !explained(index)) {
            return Err(AuditError::Unexplained { index: *index });
        }
        match self.erased.iter().find(|index| openings.contains_key(index)) {
            Some(index) => Err(AuditError::NotErased { index: *index }),
            None => Ok(self.missing.len() as u64),
        }
    }
}
