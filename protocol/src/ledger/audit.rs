//! The offline audit of one ledger: tree, checkpoint, openings and the order of acts.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::merkle::{Frontier, Root};
use testudo_crypto::note::{Note, NoteVerifier};

use super::entry::Entry;
use super::leaf::{Leaf, Opening, OpeningError};

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
        .map(|(note, key)| read_checkpoint(origin, note, key))
        .transpose()?;
    let mut frontier = Frontier::new();
    let mut state = StateRules::default();
    let mut report = AuditReport {
        entries: 0,
        root: frontier.root(),
        covered: 0,
        opened: 0,
        kinds: BTreeMap::new(),
    };
    for (index, bytes) in (0u64..).zip(leaves) {
        let leaf = Leaf::from_bytes(bytes).ok_or(AuditError::Leaf { index })?;
        frontier.append(leaf.hash());
        if let Some(opening) = openings.get(&index) {
            let opening = Opening::read(opening, &leaf, origin, index)?;
            state.check(index, &opening.record().entry)?;
            report.opened = report.opened.saturating_add(1);
            let count = report.kinds.entry(opening.record().entry.kind()).or_insert(0);
            *count = count.saturating_add(1);
        }
        if let Some(signed) = signed.as_ref().filter(|signed| signed.size == frontier.size()) {
            check_root(signed, frontier.root())?;
            report.covered = signed.size.get();
        }
    }
    report.entries = frontier.size().get();
    report.root = frontier.root();
    match signed {
        Some(signed) if signed.size.get() > report.entries => Err(AuditError::Shrunk {
            expected: signed.size.get(),
            found: report.entries,
        }),
        _ => Ok(report),
    }
}

fn read_checkpoint(origin: &str, note: &[u8], key: &NoteVerifier) -> Result<Checkpoint, AuditError> {
    let verified = Note::parse(note).and_then(|note| note.verify(std::slice::from_ref(key)));
    let verified = verified.map_err(|_| AuditError::Checkpoint)?;
    let checkpoint = Checkpoint::parse(verified.text()).map_err(|_| AuditError::Checkpoint)?;
    if checkpoint.origin == origin {
        Ok(checkpoint)
    } else {
        Err(AuditError::Origin {
            expected: origin.to_owned(),
            found: checkpoint.origin,
        })
    }
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
#[derive(Default)]
struct StateRules {
    decided: BTreeSet<u64>,
    released: BTreeSet<crate::id::EnvelopeHash>,
}

impl StateRules {
    fn check(&mut self, index: u64, entry: &Entry) -> Result<(), AuditError> {
        match entry {
            Entry::Decision(_) => {
                self.decided.insert(index);
            }
            Entry::Release {
                envelope, decision, ..
            } => {
                if !self.decided.contains(decision) {
                    return Err(AuditError::Undecided { index });
                }
                self.released.insert(*envelope);
            }
            Entry::Receipt { envelope, .. } if !self.released.contains(envelope) => {
                return Err(AuditError::ReceiptWithoutRelease { index });
            }
            _ => {}
        }
        Ok(())
    }
}
