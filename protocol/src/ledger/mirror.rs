//! Mirrors: who keeps the leaves of whose ledger, and how a piece of them is checked.
//!
//! A leaf says nothing, so that peers can keep each other's. A hub that has lost its database gets its leaves
//! back from them; what they mean is lost with the disk, unless there is a backup.
//!
//! A machine without effects. A mirror takes tiles of [`TILE_LEAVES`] leaves in order, each with a proof that the
//! tree up to its end is a prefix of the checkpoint that this hub cosigned: nothing is kept that the ledger has
//! not signed.

use serde::{Deserialize, Serialize};
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle::{ConsistencyError, Frontier, Root, TreeSize, verify_consistency};

use super::leaf::{LEAF_BYTES, Leaf};
use super::tree::TICK_ENTRIES;
use super::witness::Witnessed;
use crate::id::{Hash, HubId};

/// Leaves in one tile: what the smallest tick adds.
pub const TILE_LEAVES: u64 = TICK_ENTRIES;

/// Length of a tile in bytes.
pub const TILE_BYTES: usize = TILE_LEAVES as usize * LEAF_BYTES;

/// Hubs that mirror one ledger: with three, two disks may be lost beside the hub's own.
///
/// More would cost each hub more than it gives: a ledger grows by some 76 MB of leaves in a year.
pub const MIRRORS: usize = 3;

const DOMAIN: &[u8] = b"testudo/ledger-mirror/v1\0";

/// How far a ledger is mirrored here: the right edge of its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrored {
    size: u64,
    edge: Vec<Hash>,
}

/// Why a tile is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Not a whole number of leaves, or one of them is malformed.
    #[error("tile of a mirrored ledger has {bytes} bytes, {TILE_BYTES} bytes of well-formed leaves expected")]
    Tile {
        /// Bytes found.
        bytes: usize,
    },
    /// It does not lead to the checkpoint that was cosigned.
    #[error("leaves {from} to {to} of a mirrored ledger are not under its cosigned checkpoint of {size}")]
    Proof {
        /// First leaf.
        from: u64,
        /// Behind the last.
        to: u64,
        /// Size of the checkpoint.
        size: u64,
        /// What is wrong.
        source: ConsistencyError,
    },
    /// The record of the mirror is not one.
    #[error("record of a mirrored ledger of {size} leaves is damaged")]
    Record {
        /// The size it names.
        size: u64,
    },
}

/// Those who mirror a ledger: every active member has the same answer, and one who joins or leaves changes few.
///
/// `members` are the active ones; the owner itself is left out.
pub fn mirrors(owner: HubId, members: impl Iterator<Item = HubId>) -> Vec<HubId> {
    let rank = |hub: HubId| {
        let preimage = [DOMAIN, owner.as_bytes(), hub.as_bytes()].concat();
        (*Digest::of(&preimage).as_bytes(), hub)
    };
    let mut ranked: Vec<_> = members.filter(|hub| *hub != owner).map(rank).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(MIRRORS).map(|(_, hub)| hub).collect()
}

/// The leaves of a tile.
///
/// # Errors
/// [`MirrorError::Tile`].
pub fn read_tile(bytes: &[u8]) -> Result<Vec<Leaf>, MirrorError> {
    let malformed = MirrorError::Tile { bytes: bytes.len() };
    if bytes.len() != TILE_BYTES {
        return Err(malformed);
    }
    let leaves: Option<Vec<Leaf>> = bytes.chunks(LEAF_BYTES).map(Leaf::from_bytes).collect();
    leaves.ok_or(malformed)
}

impl Mirrored {
    /// How many leaves are kept.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is kept once a tile has been added, if it belongs under a checkpoint that this hub cosigned.
    ///
    /// `proof` shows that the tree up to the end of the tile is a prefix of that checkpoint.
    ///
    /// # Errors
    /// [`MirrorError`]; nothing of the tile is kept.
    pub fn with_tile(&self, tile: &[u8], held: &Witnessed, proof: &[Hash]) -> Result<Self, MirrorError> {
        let leaves = read_tile(tile)?;
        let edge = self.edge.iter().map(|hash| Digest::from_bytes(*hash.as_bytes()));
        let mut frontier = Frontier::from_subtrees(TreeSize::new(self.size), edge.collect())
            .ok_or(MirrorError::Record { size: self.size })?;
        for leaf in &leaves {
            frontier.append(leaf.hash());
        }
        let (to, size) = (frontier.size(), TreeSize::new(held.size));
        let proof: Vec<Digest> = proof
            .iter()
            .map(|hash| Digest::from_bytes(*hash.as_bytes()))
            .collect();
        let root = Root::from_bytes(*held.root.as_bytes());
        verify_consistency(to, frontier.root(), size, root, &proof).map_err(|source| MirrorError::Proof {
            from: self.size,
            to: to.get(),
            size: held.size,
            source,
        })?;
        Ok(Self {
            size: to.get(),
            edge: frontier.subtrees().iter().map(|hash| (*hash).into()).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
