//! Making proofs from leaf hashes.
//!
//! Each proof reads every leaf hash below the size once: linear, and exact. Reading tiles instead is
//! the concern of whoever stores them.

use super::{LeafIndex, TreeSize, tree_root};
use crate::digest::Digest;

/// Proves that the leaf at `index` is in the tree of the first `size` of `leaves`.
///
/// `leaves` are leaf hashes in order. `None` if there are fewer than `size`, or if the index is not
/// below the size. The proof starts next to the leaf and ends below the root.
///
/// Source: RFC 6962 section 2.1.1.
pub fn prove_inclusion(leaves: &[Digest], index: LeafIndex, size: TreeSize) -> Option<Vec<Digest>> {
    let mut tree = first(leaves, size)?;
    let mut index = usize::try_from(index.get()).ok()?;
    if index >= tree.len() {
        return None;
    }
    let mut proof = Vec::new();
    while tree.len() > 1 {
        let (left, right) = tree.split_at_checked(left_len(tree.len()))?;
        if index < left.len() {
            proof.push(tree_root(right).digest());
            tree = left;
        } else {
            proof.push(tree_root(left).digest());
            index = index.checked_sub(left.len())?;
            tree = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Proves that the tree of the first `old` of `leaves` is a prefix of the tree of the first `new`.
///
/// `leaves` are leaf hashes in order. `None` if there are fewer than `new`, or if `old` is larger.
/// The proof is empty if the sizes are equal or `old` is 0.
///
/// Source: RFC 6962 section 2.1.2.
pub fn prove_consistency(leaves: &[Digest], old: TreeSize, new: TreeSize) -> Option<Vec<Digest>> {
    let mut tree = first(leaves, new)?;
    let mut old = usize::try_from(old.get()).ok()?;
    if old > tree.len() {
        return None;
    }
    if old == 0 {
        return Some(Vec::new());
    }
    let mut proof = Vec::new();
    // While only left turns were taken, the old tree is a subtree whose root the verifier has.
    let mut root_is_known = true;
    while old < tree.len() {
        let (left, right) = tree.split_at_checked(left_len(tree.len()))?;
        if old <= left.len() {
            proof.push(tree_root(right).digest());
            tree = left;
        } else {
            proof.push(tree_root(left).digest());
            old = old.checked_sub(left.len())?;
            tree = right;
            root_is_known = false;
        }
    }
    if !root_is_known {
        proof.push(tree_root(tree).digest());
    }
    proof.reverse();
    Some(proof)
}

fn first(leaves: &[Digest], size: TreeSize) -> Option<&[Digest]> {
    leaves.get(..usize::try_from(size.get()).ok()?)
}

/// Leaves in the left subtree: the largest power of two below `len`, which is at least 2.
fn left_len(len: usize) -> usize {
    len.saturating_sub(1)
        .checked_ilog2()
        .map_or(0, |exponent| 1 << exponent)
}
