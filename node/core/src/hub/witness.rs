//! Witnessing between peers: each shows the others its checkpoints, and cosigns theirs.
//!
//! What is remembered of a peer's ledger is replaced in the very step in which it was compared, and the
//! cosignature leaves only when that step is durable. Two roots of one ledger for one size are proof: both
//! notes are kept, entered, and told to everybody, and nothing of that ledger is cosigned until a person
//! decides.
//!
//! What peers cosigned of our own ledger is also what we are held against: a peer that has a checkpoint
//! which we signed and do not have any more shows that our database is an old copy, and fences this hub.

use std::collections::BTreeMap;

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::digest::Digest;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::merkle::TreeSize;
use testudo_crypto::note::{Note, NoteSignature, NoteVerifier};
use testudo_crypto::tlog::add_checkpoint::{AddCheckpoint, AddCheckpointReply};
use testudo_crypto::tlog::cosignature::{Cosigner, CosignerKey};
use testudo_protocol::exchange::Control;
use testudo_protocol::gossip::Statement;
use testudo_protocol::id::{Hash, HubId};
use testudo_protocol::ledger::{
    Entry, IncidentKind, Ledger, SplitView, Verdict, Witnessed, consider, unreadable,
};
use testudo_protocol::wire;

use super::step::{After, Step};
use super::tick::PUBLISHED_ROW;
use super::{Hub, PeerFault};
use crate::input::CommandId;
use crate::output::{Event, Family, Output};
use crate::refusal::Refusal;
use crate::views::Reply;

/// How far a cosignature's time may be from ours, in seconds.
const CLOCK_SECONDS_MAX: u64 = 5 * 60;

/// How often one checkpoint is shown to one peer over one connection: once to learn its size, once with
/// the proof from there, and once more.
const OFFERS_MAX: u8 = 3;

/// What this hub knows as a witness, and of its witnesses.
#[derive(Default)]
pub(super) struct WitnessDesk {
    /// The ledgers of others.
    pub held: BTreeMap<HubId, Witnessed>,
    /// Evidence against them, as it is told to others.
    pub evidence: BTreeMap<HubId, Vec<u8>>,
    /// Our own newest published checkpoint, with the cosignatures that came.
    pub published: Option<Note>,
    /// Who cosigned that, by which key and at which Unix second: verified when it came, and not at each look.
    pub cosigned: BTreeMap<HubId, (VerifyingKey, u64)>,
    /// Requests under way.
    offers: BTreeMap<HubId, Offer>,
    /// The size that a peer last cosigned of ours.
    sizes: BTreeMap<HubId, TreeSize>,
}

struct Offer {
    request: Hash,
    text: String,
    tries: u8,
}

/// Row of what is held of a peer's ledger.
pub(super) fn held_row(hub: HubId) -> Vec<u8> {
    [b"w".as_slice(), hub.as_bytes()].concat()
}

/// Row of the evidence against a peer's ledger.
pub(super) fn evidence_row(hub: HubId) -> Vec<u8> {
    [b"e".as_slice(), hub.as_bytes()].concat()
}

impl Hub {
    /// The key with which a ledger signed this note, or the one with which it signs now.
    pub(super) fn log_key(&self, hub: HubId, note: &Note) -> Option<NoteVerifier> {
        let signed = |key: &NoteVerifier| {
            let mut lines = note.signatures().iter();
            lines.any(|line| line.name() == key.name() && line.id() == key.id())
        };
        let keys = self.named(hub, self.gate.charter().ledger_keys(hub));
        keys.iter().find(|key| signed(key)).or(keys.first()).cloned()
    }

    /// Every key that a ledger has had: what it signed with one that was revoked since is proof still.
    pub(super) fn log_keys_ever(&self, hub: HubId) -> Vec<NoteVerifier> {
        self.named(hub, self.gate.charter().ledger_keys_ever(hub).iter())
    }

    fn named<'a>(&self, hub: HubId, keys: impl Iterator<Item = &'a VerifyingKey>) -> Vec<NoteVerifier> {
        let origin = Ledger::origin_of(self.gate.charter().realm(), hub);
        keys.filter_map(|key| NoteVerifier::new(origin.clone(), *key).ok())
            .collect()
    }

    /// The keys with which a peer cosigns, the newest first.
    pub(super) fn cosigner_keys(&self, hub: HubId) -> Vec<CosignerKey> {
        let charter = self.gate.charter();
        let name = Ledger::cosigner_of(charter.realm(), hub);
        let keys = charter.cosigning_keys(hub);
        keys.filter_map(|key| CosignerKey::new(name.clone(), *key).ok())
            .collect()
    }

    /// The member whose ledger has this origin.
    pub(super) fn owner(&self, origin: &str) -> Option<HubId> {
        let charter = self.gate.charter();
        let mut codes = charter.members().map(|member| member.code);
        codes.find(|code| Ledger::origin_of(charter.realm(), *code) == origin)
    }

    /// Begins a connection: shows the peer our checkpoint, and tells it what is known against others.
    pub(super) fn meet_witness(&mut self, peer: HubId, out: &mut Vec<Output>) {
        self.witness.offers.remove(&peer);
        let evidence: Vec<Vec<u8>> = self.witness.evidence.values().cloned().collect();
        for evidence in evidence {
            self.send_control(peer, Control::Evidence(evidence), out);
        }
        self.offer(peer, 1, out);
    }

    /// Shows a new checkpoint to everybody who is connected.
    pub(super) fn publish(&mut self, note: Note, out: &mut Vec<Output>) {
        self.state_to_all(Statement::Checkpoint(note.to_bytes()), out);
        self.witness.published = Some(note);
        self.witness.cosigned.clear();
        let peers: Vec<HubId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.offer(peer, 1, out);
        }
    }

    /// Shows a peer the published checkpoint. If that has to wait for a step, it shows the one that stands published
    /// then: an older one behind a newer one would look as if the ledger had shrunk.
    fn offer(&mut self, peer: HubId, tries: u8, out: &mut Vec<Output>) {
        match self.newest_pending() {
            Some(newest) => newest.then(After::Offer(peer, tries)),
            None => self.show_published(peer, tries, out),
        }
    }

    pub(super) fn show_published(&mut self, peer: HubId, tries: u8, out: &mut Vec<Output>) {
        let Some(published) = self.witness.published.as_ref().filter(|_| !self.is_fenced()) else {
            return;
        };
        let Ok(checkpoint) = Checkpoint::parse(published.text()) else {
            return;
        };
        if !self.is_connected(peer) {
            return;
        }
        let text = published.text().to_owned();
        let old = self.witness.sizes.get(&peer).copied().unwrap_or_default();
        if old > checkpoint.size {
            // It is ahead of a checkpoint from before a loss: the next one is for it.
            return;
        }
        let proof = self.ledger.prove_consistency(old, checkpoint.size);
        // What the other witnesses said is no business of this one.
        let request = proof.and_then(|proof| {
            let note = Note::sign(text.clone(), &[&self.signer]).ok()?;
            AddCheckpoint::new(old, proof, note).ok()
        });
        let Some(request) = request else { return };
        let bytes = request.to_bytes();
        let offer = Offer {
            request: Digest::of(&bytes).into(),
            text,
            tries,
        };
        self.witness.offers.insert(peer, offer);
        self.transmit_control(peer, Control::AddCheckpoint(bytes), out);
    }

    /// A peer asks this hub to cosign.
    pub(super) fn on_add_checkpoint(&mut self, peer: HubId, bytes: &[u8], out: &mut Vec<Output>) {
        let request = Hash::from(Digest::of(bytes));
        if let Some(reply) = self.witness_request(peer, request, bytes, out) {
            self.send_control(peer, answer(request, &reply), out);
        }
    }

    /// The answer to a request, unless it waits for a step to be durable.
    fn witness_request(
        &mut self,
        peer: HubId,
        hash: Hash,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Option<AddCheckpointReply> {
        let request = match AddCheckpoint::parse(bytes) {
            Ok(request) => request,
            Err(error) => {
                self.note_fault(peer, PeerFault::of(&error).0, out);
                return Some(unreadable(&error));
            }
        };
        let owner = self
            .owner(&request.checkpoint().origin)
            .filter(|owner| *owner != self.me);
        let key = |owner| Some((owner, self.log_key(owner, request.note())?));
        let Some((owner, key)) = owner.and_then(key) else {
            let what = "asks to cosign a checkpoint whose origin is no other member's ledger";
            self.note_fault(peer, what.to_owned(), out);
            return Some(AddCheckpointReply::UnknownOrigin);
        };
        match consider(self.witness.held.get(&owner), &request, &key) {
            Verdict::Refuse(reply) => {
                if let Some(what) = self.told_of_refusal(owner, &request, &reply) {
                    self.note_fault(peer, what, out);
                }
                Some(reply)
            }
            Verdict::SplitView(evidence) => {
                self.keep_evidence(owner, &evidence, out);
                Some(AddCheckpointReply::Unprocessable)
            }
            Verdict::Cosign(held) => {
                let seconds = self.now.millis() / 1_000;
                let name = Ledger::cosigner_of(self.gate.charter().realm(), self.me);
                let line = Cosigner::new(name, &self.keys.cosigning).ok()?;
                let line = line.cosign(request.note().text(), seconds).ok()?;
                let mut step = Step::default();
                step.put(Family::Checkpoint, held_row(owner), &held).ok()?;
                let size = held.size;
                let before = self.witness.held.get(&owner).map(|held| held.size);
                // Compared and replaced in one step of one thread. A crash before it is durable leaves the
                // older record, and nothing that was said.
                self.witness.held.insert(owner, held);
                let reply = AddCheckpointReply::Cosigned(vec![line]);
                step.then(After::Control(peer, answer(hash, &reply)));
                let grew = before.is_none_or(|before| before < size);
                self.commit(step, out);
                if grew && owner == peer {
                    self.mirror_on(owner, out);
                    self.count_tick_of(owner, out);
                }
                None
            }
        }
    }

    /// What the operator is told about a request that is refused: nothing where the log only has to say it
    /// differently, or where there is evidence already.
    fn told_of_refusal(
        &self,
        owner: HubId,
        request: &AddCheckpoint,
        reply: &AddCheckpointReply,
    ) -> Option<String> {
        let held = self.witness.held.get(&owner);
        let (shown, known) = (request.checkpoint().size.get(), held.map_or(0, |held| held.size));
        if held.is_some_and(|held| held.stopped.is_some()) {
            return None;
        }
        match reply {
            AddCheckpointReply::Forbidden => Some(format!(
                "asks to cosign a checkpoint of {shown} entries that its ledger key has not signed"
            )),
            _ if shown < known => Some(format!(
                "asks to cosign a checkpoint of {shown} entries after one of {known}: size went back"
            )),
            AddCheckpointReply::Unprocessable => Some(format!(
                "asks to cosign a checkpoint of {shown} entries with a proof that does not lead there from {known}"
            )),
            _ => None,
        }
    }

    /// A witness has answered.
    pub(super) fn on_cosigned(
        &mut self,
        peer: HubId,
        request: Hash,
        (status, body): (u16, &[u8]),
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let ours = |offer: &Offer| offer.request == request;
        // An answer to a request of an earlier tick or connection; the newer one waits for its own.
        if !self.witness.offers.get(&peer).is_some_and(ours) {
            return Ok(());
        }
        let Some(offer) = self.witness.offers.remove(&peer) else {
            return Ok(());
        };
        let reply = AddCheckpointReply::parse(status, body).map_err(|error| PeerFault::of(&error))?;
        match reply {
            AddCheckpointReply::Cosigned(lines) => {
                let own_name = Ledger::cosigner_of(self.gate.charter().realm(), peer);
                if !lines.iter().any(|line| line.name() == own_name) {
                    return Err(PeerFault("cosigned under another name than its own".to_owned()));
                }
                let keys = self.cosigner_keys(peer);
                for line in lines {
                    // Where its acts are held, its newest key is not known here.
                    let Some(key) = keys.iter().find(|key| key.claims(&line)) else {
                        continue;
                    };
                    let time = key
                        .verify_line(&offer.text, &line)
                        .map_err(|error| PeerFault::of(&error))?;
                    let off = time.abs_diff(self.now.seconds());
                    if off > CLOCK_SECONDS_MAX {
                        let what = format!(
                            "cosigned at a time {off} seconds from ours, at most {CLOCK_SECONDS_MAX} allowed"
                        );
                        self.note_fault(peer, what, out);
                        return Ok(());
                    }
                    self.take_cosignature(peer, &offer.text, line, out);
                }
                Ok(())
            }
            AddCheckpointReply::Conflict(size) => {
                let newest = TreeSize::new(self.checkpoint_size);
                if size <= newest && offer.tries < OFFERS_MAX {
                    self.witness.sizes.insert(peer, size);
                    self.offer(peer, offer.tries.saturating_add(1), out);
                } else {
                    self.send_control(peer, Control::LastCheckpointAsk, out);
                }
                Ok(())
            }
            // It may hold another root than we have for what we signed.
            AddCheckpointReply::Unprocessable => {
                self.send_control(peer, Control::LastCheckpointAsk, out);
                Ok(())
            }
            other => {
                let what = format!("does not cosign our ledger: status {}", other.status());
                self.note_fault(peer, what, out);
                Ok(())
            }
        }
    }

    fn take_cosignature(&mut self, peer: HubId, text: &str, line: NoteSignature, out: &mut Vec<Output>) {
        let Some(published) = self.witness.published.as_mut().filter(|note| note.text() == text) else {
            return;
        };
        if published.attach(line).is_err() {
            return;
        }
        let published = published.clone();
        self.count_cosignature(peer, &published);
        if let Ok(checkpoint) = Checkpoint::parse(text) {
            self.witness.sizes.insert(peer, checkpoint.size);
        }
        let mut step = Step::default();
        // A newer one may be on its way to the disk: it is not to be replaced by this one, which would be shown
        // after it at the next start.
        let is_newest = Checkpoint::parse(text).is_ok_and(|it| it.size.get() >= self.checkpoint_size);
        if is_newest {
            step.put_bytes(Family::Checkpoint, PUBLISHED_ROW.to_vec(), published.to_bytes());
        }
        self.note_quorum(&mut step, &published);
        self.commit(step, out);
        self.show_alone(peer, out);
    }

    /// Tells the operator without ending the connection.
    fn note_fault(&mut self, peer: HubId, what: String, out: &mut Vec<Output>) {
        self.tell_of_fault(peer, what, out);
    }

    /// A peer asks for the newest checkpoint of its own ledger that we cosigned.
    pub(super) fn on_last_checkpoint_ask(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let note = self.witness.held.get(&peer).map(|held| held.note.clone());
        // What was not cosigned durably was not cosigned: this waits for every step so far.
        self.send_control(peer, Control::LastCheckpoint(note.unwrap_or_default()), out);
    }

    /// What a peer has of our own ledger. A note that we signed and cannot account for fences this hub.
    pub(super) fn on_last_checkpoint(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        if bytes.is_empty() {
            self.on_answer_about_ledger(peer, None, out);
            return Ok(());
        }
        let Some(checkpoint) = self.signed_by_us(bytes) else {
            return Err(PeerFault(
                "has a checkpoint of ours that we did not sign".to_owned(),
            ));
        };
        if self.ledger.root_at(checkpoint.size) == Some(checkpoint.root) {
            self.witness.sizes.insert(peer, checkpoint.size);
            self.on_answer_about_ledger(peer, None, out);
            return Ok(());
        }
        if !self.is_our_word(bytes) {
            // Signed with a key that we have revoked: it may be a thief's, and must not stop us.
            self.on_answer_about_ledger(peer, None, out);
            return Ok(());
        }
        self.on_answer_about_ledger(peer, Some((checkpoint, bytes.to_vec())), out);
        Ok(())
    }

    pub(super) fn signed_by_us(&self, bytes: &[u8]) -> Option<Checkpoint> {
        let verified = Note::parse(bytes)
            .and_then(|note| note.verify(&self.log_keys_ever(self.me)))
            .ok()?;
        let checkpoint = Checkpoint::parse(verified.text()).ok()?;
        (checkpoint.origin == self.ledger.origin()).then_some(checkpoint)
    }

    /// Whether a key of ours that counts has signed this note.
    fn is_our_word(&self, bytes: &[u8]) -> bool {
        let keys = self.named(self.me, self.gate.charter().ledger_keys(self.me));
        Note::parse(bytes).is_ok_and(|note| note.verify(&keys).is_ok())
    }

    /// Whether evidence names our own ledger; it has not been checked.
    pub(super) fn is_about_us(&self, bytes: &[u8]) -> bool {
        let evidence: Option<SplitView> = wire::decode(bytes).ok();
        let note = evidence.and_then(|evidence| Note::parse(&evidence.one).ok());
        let checkpoint = note.and_then(|note| Checkpoint::parse(note.text()).ok());
        checkpoint.is_some_and(|checkpoint| checkpoint.origin == self.ledger.origin())
    }

    /// Somebody shows evidence against a ledger. It counts by itself, whoever brings it.
    pub(super) fn on_evidence(&mut self, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), PeerFault> {
        let evidence: SplitView = wire::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        let named = Note::parse(&evidence.one).ok();
        let named = named.and_then(|note| self.owner(&Checkpoint::parse(note.text()).ok()?.origin));
        let proof = |hub: &HubId| evidence.is_proof_against(&self.log_keys_ever(*hub));
        match named.filter(proof) {
            Some(hub) => {
                self.keep_evidence(hub, &evidence, out);
                Ok(())
            }
            None => Err(PeerFault("sent evidence that proves nothing".to_owned())),
        }
    }

    /// Keeps evidence, enters the incident, stops cosigning, and tells everybody. Once for each ledger.
    pub(super) fn keep_evidence(&mut self, hub: HubId, evidence: &SplitView, out: &mut Vec<Output>) {
        let Ok(bytes) = wire::encode(evidence) else { return };
        let hash = Hash::from(Digest::of(&bytes));
        let held = self.witness.held.get(&hub).cloned();
        let known = held
            .as_ref()
            .is_some_and(|held| held.stopped.is_some() || held.decided == Some(hash));
        if known {
            return;
        }
        let mut held = held.unwrap_or_else(|| Witnessed::nothing(evidence.one.clone()));
        held.stopped = Some(hash);
        let mut step = Step::default();
        step.put_bytes(Family::Evidence, hash.as_bytes().to_vec(), bytes.clone());
        step.put_bytes(Family::Checkpoint, evidence_row(hub), bytes.clone());
        let entry = Entry::Incident {
            kind: IncidentKind::SplitView,
            peer: hub,
            evidence: hash,
        };
        let mut kept = step.put(Family::Checkpoint, held_row(hub), &held).is_ok();
        // Against us it enters nothing: this ledger has come to its end.
        if hub == self.me {
            self.fence_for_good();
        } else {
            kept &= self.enter(&mut step, entry).is_ok();
        }
        if !kept {
            return;
        }
        self.witness.held.insert(hub, held);
        self.witness.evidence.insert(hub, bytes.clone());
        step.then(After::Report(Event::SplitView { peer: hub }));
        let peers: Vec<HubId> = self.peers.keys().copied().collect();
        for peer in peers {
            step.then(After::Control(peer, Control::Evidence(bytes.clone())));
        }
        step.then(After::State(Statement::Evidence(bytes)));
        self.commit(step, out);
    }

    /// A person has decided about evidence: this hub cosigns that ledger again, from where it stood.
    pub(super) fn resume_witness(
        &mut self,
        id: CommandId,
        hub: HubId,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let mut step = Step::default();
        let dismissed = self.dismiss_unproven(&mut step, hub)?;
        let held = self.witness.held.get(&hub).cloned();
        let Some(mut held) = held.filter(|held| held.stopped.is_some()) else {
            if dismissed == 0 {
                return Err(Refusal::NoEvidence { hub });
            }
            step.then(After::Reply(id, Reply::WitnessResumed { hub }));
            self.commit(step, out);
            return Ok(());
        };
        let evidence = held.stopped.take();
        held.decided = evidence;
        step.put(Family::Checkpoint, held_row(hub), &held)?;
        step.erase(Family::Checkpoint, evidence_row(hub));
        let evidence = evidence.unwrap_or(Hash::new([0; 32]));
        self.enter(&mut step, Entry::WitnessResumed { peer: hub, evidence })?;
        self.witness.held.insert(hub, held);
        self.witness.evidence.remove(&hub);
        step.then(After::Reply(id, Reply::WitnessResumed { hub }));
        self.commit(step, out);
        Ok(())
    }

    /// Those whose ledger showed two histories, and about whom nobody has decided.
    pub(super) fn has_split(&self, hub: HubId) -> bool {
        self.witness
            .held
            .get(&hub)
            .is_some_and(|held| held.stopped.is_some())
    }
}

fn answer(request: Hash, reply: &AddCheckpointReply) -> Control {
    Control::Cosigned {
        request,
        status: reply.status(),
        body: reply.body().into_bytes(),
    }
}
