//! Checking proofs against roots that somebody signed.
//!
//! An inclusion proof that fails says nothing about the log. Of the consistency errors two do, see
//! [`ConsistencyError`].

use super::{LeafIndex, PROOF_HASHES_MAX, Root, TreeSize, empty_root, node_hash};
use crate::digest::Digest;

/// Why a leaf is not shown to be in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    /// The index is not below the size: there is nothing to prove.
    #[error("leaf index {index} is outside of a tree of size {size}")]
    OutOfRange {
        /// The index asked about.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// More hashes than any tree is deep.
    #[error("inclusion proof has {hashes} hashes, at most {PROOF_HASHES_MAX} expected")]
    TooLong {
        /// Hashes found.
        hashes: usize,
    },
    /// The proof does not lead from the leaf to the root.
    #[error("inclusion proof for leaf {index} does not lead to the root of size {size}")]
    ProofInvalid {
        /// The index asked about.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
}

/// Why one tree is not shown to be a prefix of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    /// The newer tree has fewer leaves. Signed by one log in this order, it is evidence against it.
    #[error("tree shrank from size {old} to {new}")]
    Shrunk {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// One size with two roots: evidence against whoever signed both, keep both.
    #[error("two roots for size {size}: {old} and {new}")]
    SplitView {
        /// The size that both name.
        size: TreeSize,
        /// The older root.
        old: Root,
        /// The newer root.
        new: Root,
    },
    /// The proof does not connect the roots. Says nothing about the log, only about the proof.
    #[error("consistency proof does not connect size {old} to {new}")]
    ProofInvalid {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// More hashes than any tree is deep.
    #[error("consistency proof has {hashes} hashes, at most {PROOF_HASHES_MAX} expected")]
    TooLong {
        /// Hashes found.
        hashes: usize,
    },
}

/// Checks that a leaf is in a tree.
///
/// `proof` holds at most [`PROOF_HASHES_MAX`] hashes, the one next to the leaf first; it is empty
/// if the tree has one leaf. No leaf is in a tree of size 0.
///
/// # Errors
/// [`InclusionError`] if it is not shown; ask for another proof.
///
/// Source: RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(
    leaf_hash: Digest,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Digest],
    root: Root,
) -> Result<(), InclusionError> {
    if proof.len() > PROOF_HASHES_MAX {
        return Err(InclusionError::TooLong { hashes: proof.len() });
    }
    if index.get() >= size.get() {
        return Err(InclusionError::OutOfRange { index, size });
    }
    let mut position = index.get();
    let mut last = size.get().saturating_sub(1);
    let invalid = InclusionError::ProofInvalid { index, size };
    let mut node = leaf_hash;
    for sibling in proof {
        if last == 0 {
            return Err(invalid);
        }
        if is_right(position) || position == last {
            node = node_hash(sibling, &node);
            skip_missing_levels(&mut position, &mut last);
        } else {
            node = node_hash(&node, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 && Root::new(node) == root {
        Ok(())
    } else {
        Err(invalid)
    }
}

/// Checks that the old tree is a prefix of the new one.
///
/// `proof` holds at most [`PROOF_HASHES_MAX`] hashes, deepest first. It is empty if the sizes are
/// equal, and if the old size is 0: the empty tree is a prefix of every tree.
///
/// # Errors
/// [`ConsistencyError::Shrunk`] if the new tree has fewer leaves. [`ConsistencyError::SplitView`] if
/// both have one size and two roots: evidence against the signer, keep both.
/// [`ConsistencyError::ProofInvalid`] says nothing about the log, only about the proof; also given
/// for a size of 0 without the [`empty_root`]. [`ConsistencyError::TooLong`] before anything is hashed.
///
/// Source: RFC 9162 section 2.1.4.2; size 0 as in C2SP tlog-witness.
pub fn verify_consistency(
    old_size: TreeSize,
    old_root: Root,
    new_size: TreeSize,
    new_root: Root,
    proof: &[Digest],
) -> Result<(), ConsistencyError> {
    let (old, new) = (old_size, new_size);
    if proof.len() > PROOF_HASHES_MAX {
        return Err(ConsistencyError::TooLong { hashes: proof.len() });
    }
    if new < old {
        return Err(ConsistencyError::Shrunk { old, new });
    }
    if new == old && new_root != old_root {
        return Err(ConsistencyError::SplitView {
            size: old,
            old: old_root,
            new: new_root,
        });
    }
    let connected = if old.get() == 0 {
        proof.is_empty() && old_root == empty_root()
    } else if new == old {
        proof.is_empty()
    } else {
        connects(old.get(), old_root, new.get(), new_root, proof)
    };
    if connected {
        Ok(())
    } else {
        Err(ConsistencyError::ProofInvalid { old, new })
    }
}

/// Climbs from the last subtree of the old tree to both roots at once; `0 < old < new`.
fn connects(old: u64, old_root: Root, new: u64, new_root: Root, proof: &[Digest]) -> bool {
    let mut position = old.saturating_sub(1);
    let mut last = new.saturating_sub(1);
    while is_right(position) {
        position >>= 1;
        last >>= 1;
    }
    // A complete old tree is itself the subtree to start from, and the proof does not repeat it.
    let (start, rest) = if old.is_power_of_two() {
        (old_root.digest(), proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut old_node, mut new_node) = (start, start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if is_right(position) || position == last {
            old_node = node_hash(sibling, &old_node);
            new_node = node_hash(sibling, &new_node);
            skip_missing_levels(&mut position, &mut last);
        } else {
            new_node = node_hash(&new_node, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && Root::new(old_node) == old_root && Root::new(new_node) == new_root
}

const fn is_right(position: u64) -> bool {
    position & 1 == 1
}

/// Climbs the levels on which the last node of an incomplete tree has no sibling.
const fn skip_missing_levels(position: &mut u64, last: &mut u64) {
    while !is_right(*position) && *position != 0 {
        *position >>= 1;
        *last >>= 1;
    }
}
