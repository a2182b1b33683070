//! The tree and the one way to prove that a decision stands in it, durably.

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::commit::Salt;
use testudo_crypto::digest::Digest;
use testudo_crypto::entropy::Entropy;
use testudo_crypto::merkle::{LeafIndex, Root, Tree, TreeSize};
use testudo_crypto::note::{Note, NoteError, NoteSigner};

use super::entry::{Decision, Entry, Record};
use super::leaf::{Leaf, Opening, OpeningError};
use crate::envelope::DecisionRef;
use crate::id::{Hash, HubId};
use crate::realm::Realm;
use crate::wire::EncodeError;

/// Entries between two published checkpoints, or a multiple: what others see of a tick.
pub const TICK_ENTRIES: u64 = 64;

/// The ledger of one hub in one realm.
///
/// INVARIANT (durable prefix): the first `durable` leaves are on stable storage. It is raised
/// only by [`Ledger::mark_durable`], which the core calls when a synced write has returned.
#[derive(Debug)]
pub struct Ledger {
    origin: String,
    tree: Tree,
    durable: u64,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Leaf({})", self.commitment())
    }
}

/// What has to be stored for a new entry, in one batch with the act it describes.
pub struct Appended {
    /// Its index.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
    /// The encoded opening: secret, erasable.
    pub opening: Vec<u8>,
}

/// Proof that a decision is entered and flushed. Made only by [`Ledger::recorded`].
///
/// ```compile_fail
/// # use testudo_protocol::ledger::Recorded;
/// let forged = Recorded { decision: unreachable!(), at: unreachable!() };
/// ```
///
/// It cannot be copied either:
///
/// ```compile_fail
/// # use testudo_protocol::ledger::Recorded;
/// fn twice(proof: &Recorded) -> Recorded { proof.clone() }
/// ```
#[derive(Debug)]
pub struct Recorded {
    decision: Decision,
    at: DecisionRef,
}

/// Why there is no such proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// The entry has not been flushed yet.
    #[error("entry {index} is not durable yet: {durable} entries are")]
    NotDurable {
        /// Which entry.
        index: u64,
        /// How many are.
        durable: u64,
    },
    /// The opening does not fit the leaf.
    #[error("opening is refused")]
    Opening(#[from] OpeningError),
    /// The entry is something else.
    #[error("entry {index} is not a decision")]
    NotADecision {
        /// Which entry.
        index: u64,
    },
}

/// Why stored leaves are not a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// An index is missing.
    #[error("leaf {index} is missing")]
    Missing {
        /// Which one.
        index: u64,
    },
    /// A leaf is not 34 bytes of a known version.
    #[error("leaf {index} is malformed")]
    Malformed {
        /// Which one.
        index: u64,
    },
}

impl Ledger {
    /// An empty ledger.
    pub fn new(realm: &Realm, hub: HubId) -> Self {
        let origin = Self::origin_of(realm, hub);
        Self {
            origin,
            tree: Tree::new(),
            durable: 0,
        }
    }

    /// The origin line of a hub's checkpoints.
    pub fn origin_of(realm: &Realm, hub: HubId) -> String {
        format!("{}/{}/ledger/{hub}", realm.federation(), realm.name())
    }

    /// The name under which a hub cosigns the checkpoints of others.
    pub fn cosigner_of(realm: &Realm, hub: HubId) -> String {
        format!("{}/{}/witness/{hub}", realm.federation(), realm.name())
    }

    /// Rebuilds the tree from leaves read back from stable storage, in order of index.
    ///
    /// # Errors
    /// [`RestoreError`] names the first leaf that is missing or malformed.
    pub fn restore<'a>(
        realm: &Realm,
        hub: HubId,
        leaves: impl Iterator<Item = (u64, &'a [u8])>,
    ) -> Result<Self, RestoreError> {
        let mut ledger = Self::new(realm, hub);
        for (found, bytes) in leaves {
            let index = ledger.size().get();
            if found != index {
                return Err(RestoreError::Missing { index });
            }
            let leaf = Leaf::from_bytes(bytes).ok_or(RestoreError::Malformed { index })?;
            ledger.tree.append(leaf.hash());
        }
        ledger.durable = ledger.size().get();
        Ok(ledger)
    }

    /// The origin line.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries there are, durable or not.
    pub fn size(&self) -> TreeSize {
        self.tree.size()
    }

    /// How many entries are on stable storage.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The root over all entries.
    pub fn root(&self) -> Root {
        self.tree.root()
    }

    /// The root over the first `size` entries; `None` if there are fewer.
    pub fn root_at(&self, size: TreeSize) -> Option<Root> {
        self.tree.root_at(size)
    }

    /// The hash of the leaf at an index.
    pub fn leaf_hash(&self, index: u64) -> Option<Digest> {
        self.tree.leaf(LeafIndex::new(index))
    }

    /// Proves that an entry is among the first `size`; `None` if it is not.
    pub fn prove_inclusion(&self, index: u64, size: TreeSize) -> Option<Vec<Digest>> {
        self.tree.prove_inclusion(LeafIndex::new(index), size)
    }

    /// Proves that the first `old` entries are a prefix of the first `new`; `None` if they are not.
    pub fn prove_consistency(&self, old: TreeSize, new: TreeSize) -> Option<Vec<Digest>> {
        self.tree.prove_consistency(old, new)
    }

    /// How many fillers a tick adds, so that a checkpoint after `signed` entries stands at a multiple of
    /// [`TICK_ENTRIES`] above them, and an empty tick looks like any other.
    pub fn padding(&self, signed: TreeSize) -> u64 {
        let size = self.size().get();
        let least = size.max(signed.get().saturating_add(1));
        let up_to = least.div_ceil(TICK_ENTRIES).saturating_mul(TICK_ENTRIES);
        up_to.saturating_sub(size)
    }

    /// Adds an entry under a fresh salt. It counts for nothing until it is durable.
    ///
    /// # Errors
    /// [`EncodeError`] if the record is over the limit; the tree is unchanged.
    pub fn append(&mut self, record: Record, entropy: &mut Entropy) -> Result<Appended, EncodeError> {
        let index = self.size().get();
        let opening = Opening::new(Salt::generate(entropy), record);
        let leaf = opening.leaf(&self.origin, index)?;
        let opening = opening.to_bytes()?;
        self.tree.append(leaf.hash());
        Ok(Appended { index, leaf, opening })
    }

    /// Takes over leaves that this hub once entered and has lost. They count for nothing until they are durable.
    ///
    /// The caller has held them against a checkpoint that this hub signed: see [`Ledger::root_with`].
    pub fn recover(&mut self, leaves: &[Leaf]) {
        for leaf in leaves {
            self.tree.append(leaf.hash());
        }
    }

    /// The root that the tree would have with these leaves behind its own.
    pub fn root_with(&self, leaves: &[Leaf]) -> Root {
        let mut edge = self.tree.edge().clone();
        for leaf in leaves {
            edge.append(leaf.hash());
        }
        edge.root()
    }

    /// States that the first `size` entries have been flushed to stable storage.
    pub fn mark_durable(&mut self, size: u64) {
        self.durable = self.durable.max(size.min(self.size().get()));
    }

    /// Proves that the decision behind an opening stands in this tree, durably.
    ///
    /// # Errors
    /// [`RecordedError`] if it is not durable, not a decision, or another entry's opening.
    pub fn recorded(&self, index: u64, opening: &[u8]) -> Result<Recorded, RecordedError> {
        let durable = self.durable;
        let hash = self.leaf_hash(index).filter(|_| index < durable);
        let hash = hash.ok_or(RecordedError::NotDurable { index, durable })?;
        let (opening, leaf) = Opening::read_hashed(opening, &hash, &self.origin, index)?;
        let Entry::Decision(decision) = opening.record().entry.clone() else {
            return Err(RecordedError::NotADecision { index });
        };
        let origin = Hash::from(Digest::of(self.origin.as_bytes()));
        let at = DecisionRef {
            origin,
            index,
            commitment: leaf.commitment(),
        };
        Ok(Recorded { decision, at })
    }

    /// The signed statement of size and root, in the C2SP checkpoint form.
    ///
    /// # Errors
    /// [`NoteError`] if the signer's name does not fit the form.
    pub fn checkpoint(&self, signer: &NoteSigner) -> Result<Note, NoteError> {
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: self.size(),
            root: self.root(),
        };
        Note::sign(checkpoint.to_text(), &[signer])
    }
}

impl Recorded {
    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Where it stands, for the envelope's header.
    pub fn at(&self) -> DecisionRef {
        self.at
    }
}

#[cfg(test)]
mod tests;
