//! Ticks: a checkpoint at regular times, over a number of entries that says little.
//!
//! At each tick the ledger is filled up to a multiple of [`TICK_ENTRIES`], signed, anchored, and only then
//! shown to witnesses. A tick at which nothing happened looks like any other. Delivery waits for none of
//! this.
//!
//! [`TICK_ENTRIES`]: testudo_protocol::ledger::TICK_ENTRIES

use testudo_crypto::merkle::TreeSize;
use testudo_crypto::note::Note;
use testudo_protocol::id::Hash;
use testudo_protocol::ledger::{Entry, Seen};

use super::Hub;
use super::step::{After, Step};
use crate::output::{Family, Output};

/// Row of the newest checkpoint, signed at a tick or a stop.
pub const NEWEST_ROW: &[u8] = b"own";

/// Row of the newest checkpoint that was shown to witnesses, with the cosignatures that came.
pub const PUBLISHED_ROW: &[u8] = b"published";

impl Hub {
    pub(super) fn on_tick(&mut self, out: &mut Vec<Output>) {
        self.expire(out);
        if self.now < self.checkpoint_due || self.is_fenced() {
            return;
        }
        self.checkpoint_due = self.now.plus_millis(self.tick_millis);
        let mut step = Step::default();
        let seen = self.seen_since_last_tick(&mut step);
        let fillers = |hub: &Self| hub.ledger.padding(TreeSize::new(hub.checkpoint_size));
        // An entry is far below the codec's limit.
        if !seen.is_empty() {
            let _bounded = self.enter(&mut step, Entry::Cosigned { checkpoints: seen });
        }
        for _ in 0..fillers(self) {
            let _bounded = self.enter(&mut step, Entry::Filler);
        }
        if let Some(note) = self.sign_into(&mut step) {
            step.put_bytes(Family::Checkpoint, PUBLISHED_ROW.to_vec(), note.to_bytes());
            step.then(After::Publish(note));
        }
        self.commit(step, out);
    }

    /// Signs what there is, without filling it up, for the anchor alone: the process is about to end, and
    /// nobody is shown this checkpoint.
    pub(super) fn on_stop(&mut self, out: &mut Vec<Output>) {
        // Not below an anchor either whose last entries are lost: it names another root there.
        if self.is_fenced() || self.ledger.size().get() <= self.checkpoint_size {
            return;
        }
        let mut step = Step::default();
        let _note = self.sign_into(&mut step);
        self.commit(step, out);
    }

    /// Signs the tree as it will stand after a step, as part of that step; the anchor is replaced once it
    /// is durable.
    ///
    /// The note goes into the batch with or behind its entries. A crash before the anchor is replaced
    /// leaves an older anchor, which the longer tree contains.
    fn sign_into(&mut self, step: &mut Step) -> Option<Note> {
        let note = self.ledger.checkpoint(&self.signer).ok()?;
        let size = self.ledger.size().get();
        let root = self.ledger.root().digest().to_hex();
        self.checkpoint_size = size;
        let bytes = note.to_bytes();
        step.put_bytes(Family::Checkpoint, NEWEST_ROW.to_vec(), bytes.clone());
        step.then(After::Anchor {
            size,
            root,
            note: bytes,
        });
        Some(note)
    }

    /// What this hub cosigned and has not entered yet; marks it as entered.
    fn seen_since_last_tick(&mut self, step: &mut Step) -> Vec<Seen> {
        let realm = self.gate.charter().realm().clone();
        let mut seen = Vec::new();
        for (hub, held) in &mut self.witness.held {
            if held.entered {
                continue;
            }
            held.entered = true;
            let origin = testudo_protocol::ledger::Ledger::origin_of(&realm, *hub);
            let origin = Hash::from(testudo_crypto::digest::Digest::of(origin.as_bytes()));
            seen.push(held.seen(origin));
            // A record of one note is far below the codec's limit.
            let _bounded = step.put(Family::Checkpoint, super::witness::held_row(*hub), held);
        }
        seen
    }
}
