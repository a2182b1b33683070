//! A growing tree, in little memory, that gives a root of any earlier size and any proof.
//!
//! It keeps the leaf hashes and every fourth level of subtrees above them; what lies between is computed from at
//! most 15 hashes when a proof wants it. That is 34.2 bytes for each leaf, where all levels would take 64, and
//! some 60 hashes more for a proof. Whoever only appends and asks for the latest root needs no more than a
//! [`Frontier`](super::Frontier).

use super::{Frontier, LeafIndex, Root, TreeSize, empty_root, node_hash};
use crate::digest::Digest;

/// From one level that is kept to the next.
const STRIDE: u32 = 4;

/// Nodes of one kept level under a node of the next.
const GROUP: usize = 1 << STRIDE;

/// Nodes in one piece of a level: 32 KiB, so that a level which grows neither copies what it has nor keeps up to
/// as much again in reserve.
const PIECE: usize = 1024;

/// A tree of leaf hashes, in memory.
///
/// INVARIANT (complete subtrees): node `i` of `levels[k]` is the root over the leaves from `i * 16^k` to
/// `(i + 1) * 16^k`, and the level holds one for each whole `16^k` leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    levels: Vec<Level>,
    edge: Frontier,
}

/// The nodes of one level, in pieces of which all but the last are full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Level {
    pieces: Vec<Vec<Digest>>,
    length: usize,
}

impl Level {
    fn push(&mut self, node: Digest) {
        match self.pieces.last_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push(node),
            None => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(node);
                self.pieces.push(piece);
            }
        }
        self.length = self.length.saturating_add(1);
    }

    fn get(&self, index: usize) -> Option<Digest> {
        let piece = self.pieces.get(index.checked_div(PIECE)?)?;
        piece.get(index.checked_rem(PIECE)?).copied()
    }
}

impl Tree {
    /// Starts with the empty tree.
    pub const fn new() -> Self {
        Self {
            levels: Vec::new(),
            edge: Frontier::new(),
        }
    }

    /// Appends one leaf, given as its leaf hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        self.edge.append(leaf_hash);
        let mut node = leaf_hash;
        for at in 0.. {
            if self.levels.len() == at {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(at) else {
                return;
            };
            level.push(node);
            // Every sixteenth node completes one of the level that is kept above.
            if level.length % GROUP != 0 {
                return;
            }
            let Some(above) = fold(level, level.length.saturating_sub(GROUP), STRIDE) else {
                return;
            };
            node = above;
        }
    }

    /// The number of leaves.
    pub fn size(&self) -> TreeSize {
        self.edge.size()
    }

    /// The right edge, from which a longer tree can be computed without changing this one.
    pub const fn edge(&self) -> &Frontier {
        &self.edge
    }

    /// The root over all leaves.
    pub fn root(&self) -> Root {
        self.edge.root()
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

    /// Bytes that it occupies, what is set aside for the next leaves included.
    pub fn bytes(&self) -> usize {
        let pieces = self.levels.iter().flat_map(|level| &level.pieces);
        pieces
            .map(|piece| piece.capacity().saturating_mul(size_of::<Digest>()))
            .fold(size_of::<Self>(), usize::saturating_add)
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
    pub fn nodes(&self, level: u32, start: u64, count: u16) -> Option<Vec<Digest>> {
        let end = start.checked_add(u64::from(count))?;
        (start..end).map(|index| self.node(level, index)).collect()
    }

    /// The root over the leaves from `index * 2^level` to `(index + 1) * 2^level`.
    fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let kept = self
            .levels
            .get(usize::try_from(level.checked_div(STRIDE)?).ok()?)?;
        let above = level.checked_rem(STRIDE)?;
        let start = usize::try_from(index).ok()?.checked_mul(1 << above)?;
        fold(kept, start, above)
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

/// The root over `2^levels` nodes of a kept level, from the one numbered `start`; at most 16 of them.
fn fold(level: &Level, start: usize, levels: u32) -> Option<Digest> {
    let Some(below) = levels.checked_sub(1) else {
        return level.get(start);
    };
    let left = fold(level, start, below)?;
    let right = fold(level, start.checked_add(1 << below)?, below)?;
    Some(node_hash(&left, &right))
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
        assert_eq!(
            tree.nodes(1, 34, 1),
            Some(vec![node_hash(&leaves[68], &leaves[69])])
        );
    }

    /// Across the borders of groups, of pieces, and of the levels that are kept.
    #[test]
    fn a_larger_tree_has_the_same_roots_and_proofs() {
        let leaves: Vec<Digest> = (0u32..5_000).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect();
        let mut tree = Tree::new();
        for leaf in &leaves {
            tree.append(*leaf);
        }
        assert_eq!(tree.edge().root(), tree_root(&leaves));
        for size in [
            1, 15, 16, 17, 255, 256, 257, 1_023, 1_024, 1_025, 4_095, 4_096, 4_097, 5_000,
        ] {
            let new = TreeSize::new(size);
            assert_eq!(tree.root_at(new), Some(tree_root(&leaves[..size as usize])));
            for other in [0, 1, 15, 16, 255, 256, 1_023, 1_024, 4_095, 4_096, 4_999] {
                let (index, old) = (LeafIndex::new(other), TreeSize::new(other));
                assert_eq!(
                    tree.prove_inclusion(index, new),
                    prove_inclusion(&leaves, index, new),
                    "{other} in {size}"
                );
                assert_eq!(
                    tree.prove_consistency(old, new),
                    prove_consistency(&leaves, old, new),
                    "{other} to {size}"
                );
            }
        }
    }

    #[test]
    fn a_leaf_costs_little_more_than_its_hash() {
        let mut tree = Tree::new();
        let leaf = leaf_hash(b"leaf");
        for _ in 0..300_000 {
            tree.append(leaf);
        }
        let each = tree.bytes() as f64 / 300_000.0;
        assert!((34.0..35.0).contains(&each), "{each} bytes a leaf");
    }
}
