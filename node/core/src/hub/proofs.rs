//! Proof that the decision behind an envelope stands in its sender's ledger.
//!
//! Every envelope names the leaf of its decision. Whoever takes one over waits for the sender's next checkpoint,
//! asks for the inclusion proof, and holds it against the checkpoint that it has itself cosigned: a proof under any
//! other one might lead into a history that nobody else sees. Time is counted in the sender's own checkpoints. When
//! a third has come, and over one connection two questions have had no answer, the sender may have released outside its
//! ledger: the operator is told. Who keeps breaking the connection gains a few checkpoints by it.
//!
//! The sender shows proofs of a decision to those alone who have its item.

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle::LeafIndex;
use testudo_crypto::note::Note;
use testudo_crypto::tlog::policy::Policy;
use testudo_crypto::tlog::proof::Proof;
use testudo_protocol::envelope::DecisionRef;
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{EnvelopeHash, Hash, HubId, ItemRef};
use testudo_protocol::ledger::{Entry, IncidentKind, Leaf, Ledger, SplitView, signed_alone};

use super::step::{After, Step};
use super::{Hub, Peer, PeerFault};
use crate::output::{Event, Family, Output};
use crate::records::{AwaitedProof, DecisionProof, DeliveryState, key};
use crate::refusal::Refusal;

/// Questions in vain, each with a checkpoint of the sender behind it, after which a proof is missing.
const MISSED_MAX: u8 = 2;

/// Checkpoints of the sender after which it is missing, however often the connection was lost.
const TICKS_MAX: u8 = 12;

/// From a checkpoint to the question about what it covers, in milliseconds: by then most witnesses have cosigned.
const ASK_MILLIS: u64 = 5_000;

/// Checkpoints of the sender within which a better proof is asked for, once one is there that no quorum cosigned.
const BETTER_TICKS_MAX: u8 = 6;

/// Proofs asked of one peer at once.
const ASKS_MAX: usize = 64;

impl Hub {
    /// Notes, as part of the step that takes an envelope over, that its decision is to be shown.
    pub(super) fn await_proof(
        &mut self,
        step: &mut Step,
        (sender, item): (HubId, ItemRef),
        envelope: EnvelopeHash,
        decision: DecisionRef,
    ) -> Result<(), Refusal> {
        let awaited = AwaitedProof {
            sender,
            item,
            decision,
            ticks: 0,
            missed: 0,
            asked: false,
            shown: None,
            missing: false,
        };
        let proof = DecisionProof::Awaited(Box::new(awaited));
        self.keep_proof(step, envelope, proof)
    }

    fn keep_proof(
        &mut self,
        step: &mut Step,
        envelope: EnvelopeHash,
        proof: DecisionProof,
    ) -> Result<(), Refusal> {
        step.put(Family::Proof, key::envelope(envelope), &proof)?;
        self.proofs.insert(envelope, proof);
        Ok(())
    }

    fn awaited_of(&self, sender: HubId) -> Vec<(EnvelopeHash, AwaitedProof)> {
        let awaited = |(envelope, proof): (&EnvelopeHash, &DecisionProof)| match proof {
            DecisionProof::Awaited(awaited) if awaited.sender == sender => {
                Some((*envelope, AwaitedProof::clone(awaited)))
            }
            _ => None,
        };
        let mut all: Vec<_> = self.proofs.iter().filter_map(awaited).collect();
        // In the order of entries: that of envelopes depends on what sealing drew.
        all.sort_by_key(|(_, awaited)| (awaited.decision.index, awaited.item));
        all
    }

    /// A new checkpoint of a peer has been cosigned: what was to be shown under one is asked for, or missed.
    pub(super) fn count_tick_of(&mut self, sender: HubId, out: &mut Vec<Output>) {
        let all = self.awaited_of(sender);
        if all.is_empty() {
            return;
        }
        let mut step = Step::default();
        for (envelope, mut awaited) in all {
            awaited.ticks = awaited.ticks.saturating_add(1);
            self.judge(&mut step, envelope, &mut awaited);
            let proof = match awaited.shown {
                Some(cosigned) if awaited.ticks > BETTER_TICKS_MAX => DecisionProof::Shown {
                    cosigned,
                    quorum: false,
                },
                _ => DecisionProof::Awaited(Box::new(awaited)),
            };
            // A record is far below the codec's limit.
            let _bounded = self.keep_proof(&mut step, envelope, proof);
        }
        self.commit(step, out);
        let due = self.now.plus_millis(ASK_MILLIS);
        if let Some(state) = self.peers.get_mut(&sender) {
            state.proofs_due = Some(due);
        }
    }

    /// Asks those whose checkpoints have come to rest; notes first what was asked in vain.
    pub(super) fn press_for_proofs(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        let is_due = |state: &Peer| state.connected && state.proofs_due.is_some_and(|due| due <= now);
        let due: Vec<(HubId, bool)> = (self.peers.iter_mut())
            .filter(|(_, state)| is_due(state))
            .map(|(peer, state)| {
                state.proofs_due = None;
                (*peer, std::mem::replace(&mut state.proofs_asked, true))
            })
            .collect();
        if self.is_fenced() {
            return;
        }
        for (peer, asked_before) in due {
            if asked_before {
                self.count_missed(peer, out);
            }
            self.ask_for_proofs(peer, out);
        }
    }

    fn count_missed(&mut self, sender: HubId, out: &mut Vec<Output>) {
        let silent: Vec<_> = (self.awaited_of(sender).into_iter())
            .filter(|(_, awaited)| awaited.asked && awaited.shown.is_none() && !awaited.missing)
            .collect();
        if silent.is_empty() {
            return;
        }
        let mut step = Step::default();
        for (envelope, mut awaited) in silent {
            awaited.missed = awaited.missed.saturating_add(1);
            self.judge(&mut step, envelope, &mut awaited);
            let proof = DecisionProof::Awaited(Box::new(awaited));
            // A record is far below the codec's limit.
            let _bounded = self.keep_proof(&mut step, envelope, proof);
        }
        self.commit(step, out);
    }

    /// A connection is gone, and with it whatever was under way: nobody is blamed for that.
    pub(super) fn forget_asking(&mut self, peer: HubId) {
        for proof in self.proofs.values_mut() {
            match proof {
                DecisionProof::Awaited(awaited) if awaited.sender == peer => awaited.asked = false,
                _ => {}
            }
        }
    }

    fn judge(&mut self, step: &mut Step, envelope: EnvelopeHash, awaited: &mut AwaitedProof) {
        let late = awaited.missed >= MISSED_MAX || awaited.ticks > TICKS_MAX;
        if late && awaited.shown.is_none() && !awaited.missing {
            awaited.missing = true;
            self.report_missing(step, envelope, awaited);
        }
    }

    fn report_missing(&mut self, step: &mut Step, envelope: EnvelopeHash, awaited: &AwaitedProof) {
        let (peer, item, index) = (awaited.sender, awaited.item, awaited.decision.index);
        let entry = Entry::Incident {
            kind: IncidentKind::Unproven,
            peer,
            evidence: Hash::new(*envelope.as_bytes()),
        };
        // An entry is far below the codec's limit.
        let _bounded = self.enter(step, entry);
        step.then(After::Report(Event::DecisionUnproven { peer, item, index }));
    }

    /// Asks a peer to show what its newest checkpoint here must cover.
    pub(super) fn ask_for_proofs(&mut self, sender: HubId, out: &mut Vec<Output>) {
        let covered = self.witness.held.get(&sender).map_or(0, |held| held.size);
        let due = self.awaited_of(sender).into_iter();
        for (envelope, mut awaited) in due
            .filter(|(_, awaited)| awaited.decision.index < covered)
            .take(ASKS_MAX)
        {
            let ask = Control::ProofAsk {
                envelope,
                index: awaited.decision.index,
                commitment: awaited.decision.commitment,
            };
            self.send_control(sender, ask, out);
            awaited.asked = true;
            let proof = DecisionProof::Awaited(Box::new(awaited));
            // That it was asked counts for this connection alone, and is not stored.
            self.proofs.insert(envelope, proof);
        }
    }

    /// A peer asks for a proof. Who has not received the item learns nothing, not even that.
    pub(super) fn on_proof_ask(
        &mut self,
        peer: HubId,
        envelope: EnvelopeHash,
        index: u64,
        commitment: Hash,
        out: &mut Vec<Output>,
    ) {
        let received = self.has_received(peer, envelope);
        let is_named = self.ledger.leaf_hash(index) == Some(Leaf::committed(commitment).hash());
        if !received || !is_named {
            return;
        }
        if let Some(proof) = self.proof_of(index, None) {
            self.send_control(peer, Control::Proof { envelope, proof }, out);
        }
    }

    fn has_received(&self, peer: HubId, envelope: EnvelopeHash) -> bool {
        let Some(item) = self.envelope_items.get(&envelope).copied() else {
            return false;
        };
        self.deliveries
            .of_item(item)
            .filter(|delivery| delivery.receiver == peer)
            .any(|delivery| {
                // Not by its envelope: an item that was forwarded twice has had two, and the record names the last.
                // Its receipt may have been lost: what it asks with stands inside the envelope alone.
                matches!(
                    delivery.state,
                    DeliveryState::Queued | DeliveryState::Delivered | DeliveryState::Objected
                )
            })
    }

    /// Proves an entry under our newest published checkpoint; `None` if that does not cover it.
    pub(super) fn proof_of(&self, index: u64, extra: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let note = self.witness.published.as_ref().filter(|_| !self.is_fenced())?;
        let size = Checkpoint::parse(note.text()).ok()?.size;
        let hashes = self.ledger.prove_inclusion(index, size)?;
        let proof = Proof::new(extra, LeafIndex::new(index), hashes, note.clone()).ok()?;
        Some(proof.to_bytes())
    }

    /// A peer shows a decision.
    pub(super) fn on_proof(
        &mut self,
        peer: HubId,
        envelope: EnvelopeHash,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let mut awaited = match self.proofs.get(&envelope) {
            Some(DecisionProof::Awaited(awaited)) if awaited.sender == peer => AwaitedProof::clone(awaited),
            // Answered twice, or not asked.
            _ => return Ok(()),
        };
        let proof = Proof::parse(bytes).map_err(|error| PeerFault::of(&error))?;
        if let Some(evidence) = self.other_history(peer, proof.note()) {
            self.keep_evidence(peer, &evidence, out);
            return Ok(());
        }
        self.check_proof(peer, &awaited, &proof)?;
        let covers = |size: u64| self.witness.held.get(&peer).is_some_and(|held| held.size == size);
        let checkpoint = Checkpoint::parse(proof.note().text()).map_err(|error| PeerFault::of(&error))?;
        if !covers(checkpoint.size.get()) {
            // Under a checkpoint that this hub has not cosigned yet, or not any more: asked again under the next. It was
            // not asked in vain, for the sender has signed a history that holds the decision: if it shows another to
            // its witnesses, that signature convicts it.
            awaited.asked = false;
            self.proofs
                .insert(envelope, DecisionProof::Awaited(Box::new(awaited)));
            return Ok(());
        }
        let (_, grade) = self.grade(peer, proof.note());
        let cosigned = u16::try_from(grade.cosigned).unwrap_or(u16::MAX);
        awaited.shown = Some(cosigned);
        awaited.missing = false;
        let kept = if grade.is_quorum() {
            DecisionProof::Shown {
                cosigned,
                quorum: true,
            }
        } else {
            DecisionProof::Awaited(Box::new(awaited))
        };
        let mut step = Step::default();
        self.keep_proof(&mut step, envelope, kept)
            .map_err(|error| PeerFault::of(&error))?;
        self.commit(step, out);
        Ok(())
    }

    /// Whether the proof shows the very leaf that the envelope names, in the sender's own ledger.
    fn check_proof(&self, peer: HubId, awaited: &AwaitedProof, proof: &Proof) -> Result<(), PeerFault> {
        let origin = Ledger::origin_of(self.gate.charter().realm(), peer);
        let named = awaited.decision;
        let is_named =
            proof.index().get() == named.index && named.origin == Hash::from(Digest::of(origin.as_bytes()));
        let log = self.log_key(peer, proof.note()).filter(|_| is_named);
        let log = log.ok_or_else(|| PeerFault("shows another entry than its envelope names".to_owned()))?;
        let leaf = Leaf::committed(named.commitment);
        proof
            .verify(leaf.hash(), &Policy::unwitnessed(), Some(&log))
            .map(|_| ())
            .map_err(|error| PeerFault::of(&error))
    }

    /// Evidence, if a signed note says another root than the checkpoint of that size that this hub cosigned.
    fn other_history(&self, peer: HubId, note: &Note) -> Option<SplitView> {
        let held = self.witness.held.get(&peer)?;
        let log = self.log_key(peer, note)?;
        let alone = signed_alone(note, &log)?;
        let evidence = SplitView::new(held.note.clone(), alone);
        evidence
            .is_proof_against(&self.log_keys_ever(peer))
            .then_some(evidence)
    }

    /// How many decisions of a peer were not shown in time, and nobody has decided about.
    pub(super) fn unproven(&self, peer: HubId) -> usize {
        let missing = |proof: &&DecisionProof| match proof {
            DecisionProof::Awaited(awaited) => awaited.sender == peer && awaited.missing,
            _ => false,
        };
        self.proofs.values().filter(missing).count()
    }

    /// A person has looked at decisions that were not shown: they are not asked for any more.
    pub(super) fn dismiss_unproven(&mut self, step: &mut Step, peer: HubId) -> Result<usize, Refusal> {
        let missing: Vec<EnvelopeHash> = (self.awaited_of(peer).into_iter())
            .filter(|(_, awaited)| awaited.missing)
            .map(|(envelope, _)| envelope)
            .collect();
        for envelope in &missing {
            self.keep_proof(step, *envelope, DecisionProof::Unproven)?;
        }
        Ok(missing.len())
    }
}
