//! The Merkle tree of the ledger: hashes, growth, and proofs in both directions.
//!
//! A tree is named by its size and root. An [inclusion proof](verify_inclusion) shows that a leaf is
//! in it; a [consistency proof](verify_consistency) shows that a smaller tree is a prefix of it.
//! Proofs work on leaf hashes, so that whoever checks one needs no leaf but his own.
//!
//! Size 0, where libraries differ, is settled here: the empty tree has the root [`empty_root`], no
//! leaf is in it, and it is a prefix of every tree, shown by an empty proof (tlog-witness asks for
//! that, so that a witness can start). A tree of size 0 with another root is nobody's prefix.
//!
//! Not here: storage, tiles, signatures (see [`checkpoint`](crate::checkpoint)).
//!
//! Source: RFC 6962 section 2.1; algorithms of RFC 9162 sections 2.1.3 and 2.1.4.

use std::fmt;

use crate::digest::Digest;

mod prove;
mod tree;
mod verify;

pub use prove::{prove_consistency, prove_inclusion};
pub use tree::Tree;
pub use verify::{ConsistencyError, InclusionError, verify_consistency, verify_inclusion};

/// Most hashes in a proof: the depth of a tree of 2^64 leaves.
pub const PROOF_HASHES_MAX: usize = 64;

/// The position of a leaf, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(u64);

/// The number of leaves in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSize(u64);

/// The hash that names a tree, together with its size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(Digest);

impl LeafIndex {
    /// Wraps a position.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The position as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TreeSize {
    /// Wraps a number of leaves.
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// The number of leaves.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Root {
    /// Wraps a root hash.
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// Wraps a root hash given as bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// The root hash.
    pub const fn digest(&self) -> Digest {
        self.0
    }

    /// The root hash as bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({})", self.0)
    }
}

/// Hashes a leaf: `SHA-256(0x00 || leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of_parts(&[&[0x00], leaf])
}

/// Hashes two neighbouring subtrees: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without leaves: the hash of nothing.
pub fn empty_root() -> Root {
    Root(Digest::of(b""))
}

/// The root of the tree over `leaves`, given as leaf hashes.
pub fn tree_root(leaves: &[Digest]) -> Root {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.append(*leaf);
    }
    frontier.root()
}

/// The right edge of a growing tree: enough to append and to know the root.
///
/// INVARIANT (frontier shape): `subtrees` holds one root for each set bit of `size`, the largest
/// subtree first. At most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Digest>,
}

impl Frontier {
    /// Starts with the empty tree.
    pub const fn new() -> Self {
        Self {
            size: 0,
            subtrees: Vec::new(),
        }
    }

    /// The edge of a tree of this size, from what [`Frontier::subtrees`] gave; `None` if the number of hashes is
    /// not that of such an edge. Whether they are those of the tree shows in its root alone.
    pub fn from_subtrees(size: TreeSize, subtrees: Vec<Digest>) -> Option<Self> {
        let fits = subtrees.len() as u64 == u64::from(size.get().count_ones());
        fits.then_some(Self {
            size: size.get(),
            subtrees,
        })
    }

    /// The roots of the complete subtrees along the edge, the largest first.
    pub fn subtrees(&self) -> &[Digest] {
        &self.subtrees
    }

    /// Appends one leaf, given as its leaf hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        let mut node = leaf_hash;
        // Each trailing set bit of the size is a complete subtree as large as the new node (frontier
        // shape), so the two become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.subtrees.push(node);
        // A tree does not reach 2^64 leaves.
        self.size = self.size.saturating_add(1);
    }

    /// The number of leaves appended.
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// The root of the tree so far.
    pub fn root(&self) -> Root {
        self.subtrees
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .map_or_else(empty_root, Root)
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
