//! Keeping the leaves of peers' ledgers, and giving them back.
//!
//! After each checkpoint of a ledger that this hub cosigned and mirrors, it asks the owner for the tiles that it
//! lacks, and keeps each one only under proof that it leads to that checkpoint. The owner can ask for them back.

use std::collections::BTreeMap;

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::merkle::TreeSize;
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{Hash, HubId};
use testudo_protocol::ledger::{Mirrored, TILE_LEAVES, mirrors};

use super::step::Step;
use super::{Hub, Loading, PeerFault};
use crate::input::LoadId;
use crate::output::{Family, Output};
use crate::records::key;

/// Tiles sent for one question: some 35 kB, so that nobody's queue fills with them.
pub(super) const TILES_AT_ONCE: u64 = 8;

/// Row of how far a peer's ledger is mirrored.
pub(super) fn mirrored_row(hub: HubId) -> Vec<u8> {
    [b"m".as_slice(), hub.as_bytes()].concat()
}

/// How far the ledgers of others are kept here.
#[derive(Default)]
pub(super) struct MirrorDesk {
    pub(super) kept: BTreeMap<HubId, Mirrored>,
}

/// Tiles that are being read for a peer.
pub(super) struct Giving {
    peer: HubId,
    from: u64,
    until: u64,
}

impl Hub {
    fn is_mirror_of(&self, owner: HubId) -> bool {
        let members = self.active_others().chain([self.me]);
        mirrors(owner, members).contains(&self.me)
    }

    fn kept_of(&self, owner: HubId) -> u64 {
        self.mirror.kept.get(&owner).map_or(0, Mirrored::size)
    }

    /// A checkpoint of a peer has been cosigned: asks for the leaves under it, if they are to be kept here.
    pub(super) fn mirror_on(&mut self, owner: HubId, out: &mut Vec<Output>) {
        let size = self.witness.held.get(&owner).map_or(0, |held| held.size);
        let from = self.kept_of(owner);
        if from.saturating_add(TILE_LEAVES) <= size && self.is_mirror_of(owner) {
            self.send_control(owner, Control::LeavesAsk { owner, from }, out);
        }
    }

    /// Somebody asks for leaves: of our ledger, or of its own.
    pub(super) fn on_leaves_ask(
        &mut self,
        peer: HubId,
        owner: HubId,
        from: u64,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        if !from.is_multiple_of(TILE_LEAVES) {
            return Err(PeerFault(
                "asked for leaves that do not begin at a tile".to_owned(),
            ));
        }
        let window = TILE_LEAVES.saturating_mul(TILES_AT_ONCE);
        // Windows lie at fixed places, so that both sides agree on which tile is the last of an answer.
        let until = (from / window).saturating_add(1).saturating_mul(window);
        if owner == self.me {
            self.give_leaves(Giving { peer, from, until }, out);
        } else if owner == peer {
            let giving = Giving { peer, from, until };
            self.give_back(giving, out);
        }
        // Of a third hub's ledger nothing is given: who has lost its leaves asks by itself.
        Ok(())
    }

    /// Reads the next tile of our own ledger for a peer, as far as the published checkpoint reaches.
    fn give_leaves(&mut self, giving: Giving, out: &mut Vec<Output>) {
        let end = giving.from.saturating_add(TILE_LEAVES);
        if giving.from >= giving.until || self.way_to_published(end).is_none() {
            return;
        }
        let load = LoadId(self.next_id());
        out.push(Output::LoadLeaves(load, giving.from..end));
        self.loading.insert(load, Loading::OwnLeaves(Box::new(giving)));
    }

    /// A tile of our own ledger has been read.
    pub(super) fn on_own_tile_loaded(
        &mut self,
        giving: Giving,
        tile: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) {
        let Giving { peer, from, until } = giving;
        let end = from.saturating_add(TILE_LEAVES);
        // Asked anew: a newer checkpoint may have been published while it was read.
        let (Some(tile), Some((size, proof))) = (tile, self.way_to_published(end)) else {
            return;
        };
        let leaves = Control::Leaves {
            owner: self.me,
            from,
            tile,
            size,
            proof,
        };
        self.send_control(peer, leaves, out);
        let from = end;
        self.give_leaves(Giving { peer, from, until }, out);
    }

    /// The size of the published checkpoint, and the proof that it goes on from our first `size` leaves; `None` if it
    /// does not cover them.
    fn way_to_published(&self, size: u64) -> Option<(u64, Vec<Hash>)> {
        let note = self.witness.published.as_ref().filter(|_| !self.is_fenced())?;
        let published = Checkpoint::parse(note.text()).ok()?.size;
        let proof = self.ledger.prove_consistency(TreeSize::new(size), published)?;
        Some((published.get(), proof.into_iter().map(Hash::from).collect()))
    }

    fn give_back(&mut self, giving: Giving, out: &mut Vec<Output>) {
        let Giving { peer, from, until } = giving;
        let kept = self.kept_of(peer);
        if from >= until {
            return;
        }
        if from >= kept {
            let nothing = Control::Leaves {
                owner: peer,
                from,
                tile: Vec::new(),
                size: kept,
                proof: Vec::new(),
            };
            self.send_control(peer, nothing, out);
            return;
        }
        let load = LoadId(self.next_id());
        self.loading
            .insert(load, Loading::Leaves(Box::new(Giving { peer, from, until })));
        out.push(Output::Load(load, Family::Mirror, key::tile(peer, from)));
    }

    /// A tile has been read for its owner.
    pub(super) fn on_tile_loaded(&mut self, giving: Giving, row: Option<Vec<u8>>, out: &mut Vec<Output>) {
        let Giving { peer, from, until } = giving;
        let leaves = Control::Leaves {
            owner: peer,
            from,
            tile: row.unwrap_or_default(),
            size: self.kept_of(peer),
            proof: Vec::new(),
        };
        self.send_control(peer, leaves, out);
        let from = from.saturating_add(TILE_LEAVES);
        self.give_back(Giving { peer, from, until }, out);
    }

    /// A tile has come: of our own ledger, or of the sender's.
    pub(super) fn on_leaves(
        &mut self,
        peer: HubId,
        control: Control,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let Control::Leaves {
            owner,
            from,
            tile,
            size,
            proof,
        } = control
        else {
            return Ok(());
        };
        if owner == self.me {
            return self.on_own_leaves(peer, from, &tile, out);
        }
        if owner != peer {
            return Err(PeerFault("sent leaves of another hub's ledger".to_owned()));
        }
        let Some(held) = self.witness.held.get(&owner).filter(|held| held.size == size) else {
            // A newer checkpoint has come in between: the leaves under it are asked for by itself.
            return Ok(());
        };
        let kept = self.mirror.kept.get(&owner).cloned().unwrap_or_default();
        if from != kept.size() || self.is_fenced() {
            return Ok(());
        }
        let kept = kept
            .with_tile(&tile, held, &proof)
            .map_err(|error| PeerFault::of(&error))?;
        let next = kept.size();
        let mut step = Step::default();
        step.put_bytes(Family::Mirror, key::tile(owner, from), tile);
        step.put(Family::Checkpoint, mirrored_row(owner), &kept)
            .map_err(|error| PeerFault::of(&error))?;
        // Tile and record in one step: a crash before it leaves neither, and the tile is asked for again.
        self.mirror.kept.insert(owner, kept);
        self.commit(step, out);
        if next.is_multiple_of(TILE_LEAVES.saturating_mul(TILES_AT_ONCE)) {
            self.mirror_on(owner, out);
        }
        Ok(())
    }
}
