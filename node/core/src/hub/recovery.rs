//! Getting lost leaves back from those who mirror our ledger.
//!
//! A fenced hub that is behind asks one peer after another for the tiles that it lacks. They are kept in memory
//! until they lead to the checkpoint that this hub itself once signed, and only then stored: a mirror that lies
//! costs a while and changes nothing. What the entries mean is not on any mirror.

use std::collections::BTreeSet;

use testudo_crypto::checkpoint::Checkpoint;
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::ledger::{Leaf, TILE_LEAVES, read_tile};
use testudo_protocol::wire;

use super::fence::Fence;
use super::mirror::TILES_AT_ONCE;
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::output::{Family, Output};
use crate::records::key;

/// Row of the first entry that came back without its meaning: kept until an entry says so.
pub(super) const RECOVERING_ROW: &[u8] = b"recovering";

/// How long a mirror may take for one answer, in milliseconds: then another one is asked.
const PATIENCE_MILLIS: u64 = 10_000;

/// Leaves stored in one batch: some 600 kB.
const BATCH_LEAVES: usize = 16 * 1024;

/// The value of that row; nothing once the entry has been made.
pub(super) fn recovering_row(first: Option<u64>) -> Vec<u8> {
    // A number is far below the codec's limit.
    wire::encode(&first).unwrap_or_default()
}

/// Leaves that are on their way back.
pub(super) struct Recovery {
    target: Checkpoint,
    /// Where they begin: the start of the tile in which our own leaves end.
    from: u64,
    leaves: Vec<Leaf>,
    asked: Option<(HubId, Timestamp)>,
    /// Those who had nothing, or nothing that led to the checkpoint.
    tried: BTreeSet<HubId>,
    /// Whether the leaves are being stored.
    storing: bool,
}

impl Recovery {
    fn next(&self) -> u64 {
        self.from.saturating_add(self.leaves.len() as u64)
    }
}

impl Hub {
    /// Asks the next mirror, if leaves are missing and nobody has been asked.
    pub(super) fn go_on_recovering(&mut self, out: &mut Vec<Output>) {
        let target = match (&self.fence.standing, &self.fence.ahead) {
            (Some(Fence::Behind), Some(ahead)) => ahead.clone(),
            _ => {
                self.fence.recovery = None;
                return;
            }
        };
        let from = self.ledger.size().get() / TILE_LEAVES * TILE_LEAVES;
        let fresh = || Recovery {
            target: target.clone(),
            from,
            leaves: Vec::new(),
            asked: None,
            tried: BTreeSet::new(),
            storing: false,
        };
        let connected: Vec<HubId> = (self.peers.iter())
            .filter(|(_, state)| state.connected)
            .map(|(peer, _)| *peer)
            .collect();
        let recovery = self.fence.recovery.get_or_insert_with(fresh);
        if recovery.storing {
            return;
        }
        if recovery.target != target {
            *recovery = fresh();
        }
        if recovery.asked.is_some() {
            return;
        }
        let Some(mirror) = connected.into_iter().find(|peer| !recovery.tried.contains(peer)) else {
            return;
        };
        recovery.asked = Some((mirror, self.now));
        let ask = Control::LeavesAsk {
            owner: self.me,
            from: recovery.next(),
        };
        self.send_control(mirror, ask, out);
    }

    /// Time has passed, or a peer has come back: whoever was silent may be asked again later.
    pub(super) fn press_on_recovering(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        let Some(recovery) = self.fence.recovery.as_mut() else {
            return;
        };
        let late = |since: Timestamp| since.plus_millis(PATIENCE_MILLIS) <= now;
        if let Some((silent, _)) = recovery.asked.filter(|(_, since)| late(*since)) {
            recovery.asked = None;
            recovery.tried.insert(silent);
        }
        self.go_on_recovering(out);
    }

    /// A peer is connected anew, or gone.
    pub(super) fn recovery_peer_changed(&mut self, peer: HubId) {
        if let Some(recovery) = self.fence.recovery.as_mut() {
            recovery.tried.remove(&peer);
            if recovery.asked.is_some_and(|(asked, _)| asked == peer) {
                recovery.asked = None;
            }
        }
    }

    /// A tile of our own ledger, from whoever was asked.
    pub(super) fn on_own_leaves(
        &mut self,
        peer: HubId,
        from: u64,
        tile: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let Some(recovery) = self.fence.recovery.as_mut() else {
            return Ok(());
        };
        let was_asked = recovery.asked.is_some_and(|(asked, _)| asked == peer);
        if !was_asked || from != recovery.next() || recovery.storing {
            return Ok(());
        }
        if tile.is_empty() {
            recovery.asked = None;
            recovery.tried.insert(peer);
            self.go_on_recovering(out);
            return Ok(());
        }
        let leaves = read_tile(tile).map_err(|error| PeerFault::of(&error))?;
        recovery.leaves.extend(leaves);
        recovery.asked = Some((peer, self.now));
        let (next, size) = (recovery.next(), recovery.target.size.get());
        if next >= size {
            self.finish_recovery(peer, out);
        } else if next.is_multiple_of(TILE_LEAVES * TILES_AT_ONCE) {
            let owner = self.me;
            self.send_control(peer, Control::LeavesAsk { owner, from: next }, out);
        }
        Ok(())
    }

    /// Every leaf is here: do they lead to what this hub signed?
    fn finish_recovery(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let Some(recovery) = self.fence.recovery.as_mut() else {
            return;
        };
        let own = self.ledger.size().get();
        let count = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let (known, wanted) = (
            count(own.saturating_sub(recovery.from)),
            count(recovery.target.size.get().saturating_sub(recovery.from)),
        );
        let leaves = std::mem::take(&mut recovery.leaves);
        let lost = leaves.get(known..wanted).unwrap_or_default();
        // Those before `known` are our own: the root says whether the mirror has the same.
        if self.ledger.root_with(lost) != recovery.target.root {
            recovery.asked = None;
            recovery.tried.insert(peer);
            self.go_on_recovering(out);
            return;
        }
        recovery.storing = true;
        self.store_recovered(own, lost, out);
    }

    /// Stores leaves in order. A crash in between leaves a longer tree that is still behind, and the row from
    /// which the entry is made that names the gap.
    fn store_recovered(&mut self, own: u64, lost: &[Leaf], out: &mut Vec<Output>) {
        let first = *self.fence.lost_from.get_or_insert(own);
        let mut index = own;
        for batch in lost.chunks(BATCH_LEAVES) {
            let mut step = Step::default();
            step.put_bytes(
                Family::Checkpoint,
                RECOVERING_ROW.to_vec(),
                recovering_row(Some(first)),
            );
            self.ledger.recover(batch);
            for leaf in batch {
                step.put_bytes(Family::Leaf, key::index(index), leaf.as_bytes().to_vec());
                index = index.saturating_add(1);
            }
            if index == self.ledger_end(own, lost) {
                step.then(After::Recovered);
            }
            self.commit(step, out);
        }
    }

    fn ledger_end(&self, own: u64, lost: &[Leaf]) -> u64 {
        own.saturating_add(lost.len() as u64)
    }

    /// The leaves are on disk.
    pub(super) fn on_recovered(&mut self, out: &mut Vec<Output>) {
        self.fence.recovery = None;
        self.reconsider(out);
    }
}
