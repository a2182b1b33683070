//! A growing tree that keeps every complete subtree, so that a root of any earlier size and any proof
//! take time in proportion to its depth.
//!
//! Costs about 64 bytes for each leaf. Whoever only appends and asks for the latest root needs no more
//! than a [`Frontier`](super::Frontier).

use super::{LeafIndex, Root, TreeSize, empty_root, node_hash};
use crate::digest::Digest;

/// A tree of leaf hashes, in memory.
///
/// INVARIANT (complete subtrees): `levels[k][i]` is the root over the leaves from `i * 2^k` to
/// `(i + 1) * 2^k`, and level `k` holds one for each whole `2^k` leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Starts with the empty tree.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Appends one leaf, given as its leaf hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        let mut node = leaf_hash;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else {
                return;
            };
            let left = nodes.last().copied().filter(|_| nodes.len() % 2 == 1);
            nodes.push(node);
            // Every second node completes a subtree of the level above.
            let Some(left) = left else { return };
            node = node_hash(&left, &node);
        }
    }

    /// The number of leaves.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.levels.first().map_or(0, |leaves| leaves.len() as u64))
    }

    /// The root over all leaves.
    pub fn root(&self) -> Root {
        self.root_at(self.size()).unwrap_or_else(empty_root)
    }

    /// The root over the first `size` leaves; `None` if there are fewer.
    pub fn root_at(&self, size: TreeSize) -> Option<Root> {
        match size.get() {
            0 => Some(empty_root()),
            size => self.range(0, size).map(Root::new),
        }
    }

    /// The hash of one leaf.
    pub fn leaf(&self, index: LeafIndex) -> Option<Digest> {
        self.node(0, index.get())
    }

    /// Proves that the leaf at `index` is in the tree of the first `size` leaves.
    ///
    /// `None` if there are fewer, or if the index is not below the size. The proof starts next to the
    /// leaf and ends below the root.
    ///
    /// Source: RFC 6962 section 2.1.1.
    pub fn prove_inclusion(&self, index: LeafIndex, size: TreeSize) -> Option<Vec<Digest>> {
        let index = index.get();
        let (mut low, mut high) = (0u64, size.get());
        if size > self.size() || index >= high {
            return None;
        }
        let mut proof = Vec::new();
        while high.checked_sub(low)? > 1 {
            let middle = low.checked_add(left_len(high.checked_sub(low)?))?;
            if index < middle {
                proof.push(self.range(middle, high)?);
                high = middle;
            } else {
                proof.push(self.range(low, middle)?);
                low = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// Proves that the tree of the first `old` leaves is a prefix of the tree of the first `new`.
    ///
    /// `None` if there are fewer than `new`, or if `old` is larger. The proof is empty if the sizes are
    /// equal or `old` is 0.
    ///
    /// Source: RFC 6962 section 2.1.2.
    pub fn prove_consistency(&self, old: TreeSize, new: TreeSize) -> Option<Vec<Digest>> {
        if new > self.size() || old > new {
            return None;
        }
        let old = old.get();
        let (mut low, mut high) = (0u64, new.get());
        let mut proof = Vec::new();
        if old == 0 {
            return Some(proof);
        }
        while old < high {
            let middle = low.checked_add(left_len(high.checked_sub(low)?))?;
            if old <= middle {
                proof.push(self.range(middle, high)?);
                high = middle;
            } else {
                proof.push(self.range(low, middle)?);
                low = middle;
            }
        }
        // If only left turns were taken, the old tree is a subtree whose root the verifier has.
        if low > 0 {
            proof.push(self.range(low, high)?);
        }
        proof.reverse();
        Some(proof)
    }

    /// Roots of `count` neighbouring subtrees of `2^level` leaves each, from the one numbered `start`;
    /// `None` unless all are complete.
    pub fn nodes(&self, level: u32, start: u64, count: usize) -> Option<&[Digest]> {
        let nodes = self.levels.get(usize::try_from(level).ok()?)?;
        let start = usize::try_from(start).ok()?;
        nodes.get(start..start.checked_add(count)?)
    }

    fn node(&self, level: u32, index: u64) -> Option<Digest> {
        self.nodes(level, index, 1)?.first().copied()
    }

    /// The root over the leaves from `low` to `high`, a range at which a subtree of some tree ends.
    fn range(&self, low: u64, high: u64) -> Option<Digest> {
        let mut right_end: Vec<Digest> = Vec::new();
        let (mut low, mut length) = (low, high.checked_sub(low)?);
        while length > 0 {
            let whole = if length.is_power_of_two() {
                length
            } else {
                left_len(length)
            };
            let level = whole.checked_ilog2()?;
            right_end.push(self.node(level, low.checked_shr(level)?)?);
            low = low.checked_add(whole)?;
            length = length.checked_sub(whole)?;
        }
        right_end
            .into_iter()
            .rev()
            .reduce(|right, left| node_hash(&left, &right))
    }
}

/// Leaves in the left subtree: the largest power of two below `length`, which is at least 2.
fn left_len(length: u64) -> u64 {
    length
        .saturating_sub(1)
        .checked_ilog2()
        .map_or(0, |exponent| 1 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{leaf_hash, prove_consistency, prove_inclusion, tree_root};

    #[test]
    fn every_root_and_proof_is_that_of_the_plain_algorithms() {
        let leaves: Vec<Digest> = (0u8..70).map(|leaf| leaf_hash(&[leaf])).collect();
        let mut tree = Tree::new();
        assert_eq!(tree.root(), empty_root());
        for leaf in &leaves {
            tree.append(*leaf);
        }
        for new in 0..=70u64 {
            let size = TreeSize::new(new);
            assert_eq!(tree.root_at(size), Some(tree_root(&leaves[..new as usize])));
            for other in 0..=70 {
                let index = LeafIndex::new(other);
                assert_eq!(
                    tree.prove_inclusion(index, size),
                    prove_inclusion(&leaves, index, size)
                );
                let old = TreeSize::new(other);
                assert_eq!(
                    tree.prove_consistency(old, size),
                    prove_consistency(&leaves, old, size)
                );
            }
        }
        assert_eq!(tree.leaf(LeafIndex::new(69)), Some(leaves[69]));
        assert_eq!(tree.root_at(TreeSize::new(71)), None);
        assert_eq!(tree.prove_inclusion(LeafIndex::new(0), TreeSize::new(71)), None);
        assert_eq!(tree.prove_consistency(TreeSize::new(0), TreeSize::new(71)), None);
        assert_eq!(tree.nodes(1, 34, 2), None);
    }
}
