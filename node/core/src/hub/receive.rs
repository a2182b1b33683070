//! Taking over what a peer sends: in the order of its log, durable before it is receipted.

use std::collections::BTreeMap;

use testudo_crypto::digest::Digest;
use testudo_crypto::seal::Identity;
use testudo_policies::gate::Question;
use testudo_policies::vocabulary::Action;
use testudo_protocol::charter::KeyRefusal;
use testudo_protocol::consent::ConsentError;
use testudo_protocol::envelope::{
    AudienceKey, Envelope, EnvelopeError, Kind, LogEntry, OpenError, Opened, Opener, Outer, OuterFields,
    SignedPartError, Verified,
};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{AudienceId, EnvelopeHash, HubId, ItemId, ItemRef, ItemVersion};
use testudo_protocol::ledger::{Entry, IncidentKind, Outcome};
use testudo_protocol::receipt::{Act, Receipt, ReceiptFields};
use testudo_protocol::sync::{Head, Place};

use super::release::Summary;
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::input::CommandId;
use crate::output::{Event, Family, Output};
use crate::records::{BodyRow, GivenReceipt, ItemRecord, ItemState, key};
use crate::refusal::Refusal;
use crate::views::Reply;

/// Logs that one member may open here. Each is a row and a hundred bytes of memory for ever, and the set of hubs that a log
/// is for is the member's to choose: so many are ten new sets on each day of four years, and two megabytes.
pub const LOGS_MAX: usize = 16_384;

impl Hub {
    pub(super) fn on_envelope(
        &mut self,
        peer: HubId,
        envelope: Envelope,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let fields = *envelope.outer().fields();
        self.check_sender(peer, &fields)?;
        if self.is_one_log_too_many(peer, &fields, out) {
            return Ok(());
        }
        let verified = match envelope.verify(self.gate.charter(), self.now) {
            Ok(verified) => verified,
            // An expired envelope is the network's delay, not the peer's fault.
            Err(EnvelopeError::Expired) => return Ok(()),
            Err(error) => return Err(PeerFault::of(&error)),
        };
        let hash = verified.envelope().hash();
        match self.head(&fields).place(&fields) {
            Place::Next if fields.entry == LogEntry::AudienceKey => self.take_key_entry(peer, &verified, out),
            Place::Next => self.take_over(peer, &verified, out),
            Place::Past if fields.entry == LogEntry::AudienceKey => {
                self.on_repeated_key(peer, &fields, hash, bytes, out)
            }
            Place::Past => self.on_repeat(peer, hash, bytes, out),
            Place::Gap => {
                self.expect(peer, &fields, out);
                Ok(())
            }
            Place::Fork => self.on_fork(peer, bytes, out),
        }
    }

    /// An outer part without its ciphertext: the chain goes on, the content does not come.
    pub(super) fn on_outer_only(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let outer = Self::outer_of(bytes)?;
        let fields = *outer.fields();
        self.check_sender(peer, &fields)?;
        if self.is_one_log_too_many(peer, &fields, out) {
            return Ok(());
        }
        outer
            .verify(self.gate.charter())
            .map_err(|error| PeerFault::of(&error))?;
        match self.head(&fields).place(&fields) {
            Place::Next => {
                let mut step = Step::default();
                self.advance(&mut step, &outer)
                    .map_err(|error| PeerFault::of(&error))?;
                let (audience, next) = (fields.audience, fields.sequence.next());
                step.then(After::Control(peer, Control::Expect { audience, next }));
                self.commit(step, out);
                Ok(())
            }
            Place::Past | Place::Gap => {
                self.expect(peer, &fields, out);
                Ok(())
            }
            Place::Fork => self.on_fork(peer, bytes, out),
        }
    }

    fn check_sender(&self, peer: HubId, fields: &OuterFields) -> Result<(), PeerFault> {
        if fields.sender == peer {
            Ok(())
        } else {
            Err(PeerFault("sent an envelope of another hub".to_owned()))
        }
    }

    /// Whether an entry would open one log more than its sender may have here. It is not taken, and gets no answer; the
    /// operator is told once for each connection. Logs that are open go on.
    fn is_one_log_too_many(&mut self, peer: HubId, fields: &OuterFields, out: &mut Vec<Output>) -> bool {
        if self.heads.contains_key(&(peer, fields.audience)) {
            return false;
        }
        let (first, last) = (AudienceId::new([0; 16]), AudienceId::new([0xff; 16]));
        if self.heads.range((peer, first)..=(peer, last)).count() < LOGS_MAX {
            return false;
        }
        let state = self.peers.entry(peer).or_default();
        if !std::mem::replace(&mut state.told_of_logs, true) {
            out.push(Output::Report(Event::TooManyLogs { peer }));
        }
        true
    }

    pub(super) fn head(&self, fields: &OuterFields) -> Head {
        self.heads
            .get(&(fields.sender, fields.audience))
            .copied()
            .unwrap_or(Head::EMPTY)
    }

    fn expect(&mut self, peer: HubId, fields: &OuterFields, out: &mut Vec<Output>) {
        let next = self.head(fields).height.next();
        self.send_control(
            peer,
            Control::Expect {
                audience: fields.audience,
                next,
            },
            out,
        );
    }

    fn advance(&mut self, step: &mut Step, outer: &Outer) -> Result<(), Refusal> {
        let fields = outer.fields();
        let head = self.head(fields).advanced(outer.link());
        self.keep_outer(step, outer);
        step.put(Family::Log, key::log(fields.sender, fields.audience), &head)?;
        self.heads.insert((fields.sender, fields.audience), head);
        Ok(())
    }

    /// Something at or below our height: repeat the receipt, or keep evidence of two histories.
    fn on_repeat(
        &mut self,
        peer: HubId,
        hash: EnvelopeHash,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let given: Vec<Vec<u8>> = (Act::ALL.iter())
            .filter_map(|act| self.given_receipts.get(&(hash, *act)))
            .filter(|receipt| receipt.to == peer)
            .map(|receipt| receipt.bytes.clone())
            .collect();
        if given.is_empty() {
            return self.on_fork(peer, bytes, out);
        }
        for receipt in given {
            self.send_control(peer, Control::Receipt(receipt), out);
        }
        Ok(())
    }

    /// Two envelopes for one place of a log: keep the evidence, tell the operator, take neither.
    pub(super) fn on_fork(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let evidence = Digest::of(bytes);
        let mut step = Step::default();
        step.put_bytes(Family::Evidence, evidence.as_bytes().to_vec(), bytes.to_vec());
        let entry = Entry::Incident {
            kind: IncidentKind::Equivocation,
            peer,
            evidence: evidence.into(),
        };
        self.enter(&mut step, entry)
            .map_err(|error| PeerFault::of(&error))?;
        step.then(After::Report(Event::Equivocation { peer }));
        self.commit(step, out);
        Err(PeerFault(
            "has signed two envelopes for one place of its log".to_owned(),
        ))
    }

    /// The next envelope of a log: open it, ask intake, store, and receipt once that is durable.
    fn take_over(
        &mut self,
        peer: HubId,
        verified: &Verified,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        match verified.open(&self.opener(verified.fields(), &self.identities())) {
            Ok(opened) => self
                .store_opened(peer, verified, &opened, out)
                .map(|_| ())
                .map_err(|error| PeerFault::of(&error)),
            // Ours to catch up with: the peer sends it again after the charter has arrived.
            Err(OpenError::NewerCharter { .. }) => Ok(()),
            // The same: the originator of a forwarded item has a key of which we have not heard yet.
            Err(OpenError::Signed(SignedPartError::Key(KeyRefusal::Unknown))) => Ok(()),
            // The network's delay: the peer's own gate denies it the next time.
            Err(OpenError::Consent(ConsentError::Expired)) => Ok(()),
            Err(error) => {
                let fault = PeerFault::of(&error);
                self.store_unreadable(peer, verified, out)
                    .map_err(|error| PeerFault::of(&error))?;
                Err(fault)
            }
        }
    }

    pub(super) fn opener<'a>(&'a self, fields: &OuterFields, identities: &'a [&'a Identity]) -> Opener<'a> {
        let kept = self.peer_keys.get(&(fields.sender, fields.audience));
        Opener {
            me: self.me,
            identities,
            audience: kept.map(|kept| &kept.key),
            charter: self.gate.charter(),
            now: self.now,
        }
    }

    /// The key of an audience that this hub is in. It is durable before anything under it is receipted.
    fn take_key_entry(
        &mut self,
        peer: HubId,
        verified: &Verified,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let fields = *verified.fields();
        let key = match verified.open_key(&self.opener(&fields, &self.identities())) {
            Ok(key) => key,
            Err(error) => {
                let fault = PeerFault::of(&error);
                self.store_unreadable(peer, verified, out)
                    .map_err(|error| PeerFault::of(&error))?;
                return Err(fault);
            }
        };
        self.keep_key_entry(verified, key, out)
            .map_err(|error| PeerFault::of(&error))
    }

    /// Stores an audience's key with its place in the log.
    pub(super) fn keep_key_entry(
        &mut self,
        verified: &Verified,
        key: AudienceKey,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let fields = *verified.fields();
        let link = verified.envelope().hash();
        let mut step = Step::default();
        self.advance(&mut step, verified.envelope().outer())?;
        self.keep_peer_key(&mut step, fields.sender, fields.audience, link, key)?;
        self.commit(step, out);
        Ok(())
    }

    /// A key entry at or below our height: the one we have, one before it, or evidence of two histories.
    fn on_repeated_key(
        &mut self,
        peer: HubId,
        fields: &OuterFields,
        hash: EnvelopeHash,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let kept = self.peer_keys.get(&(peer, fields.audience));
        let is_another = kept.is_some_and(|kept| kept.key.epoch() == fields.epoch && kept.entry != hash);
        if is_another {
            return self.on_fork(peer, bytes, out);
        }
        Ok(())
    }

    fn store_unreadable(
        &mut self,
        peer: HubId,
        verified: &Verified,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let envelope = verified.envelope().hash();
        let mut step = Step::default();
        self.advance(&mut step, verified.envelope().outer())?;
        self.enter(
            &mut step,
            Entry::Received {
                item: None,
                envelope,
                sender: peer,
                outcome: Outcome::Unreadable,
            },
        )?;
        self.commit(step, out);
        Ok(())
    }

    pub(super) fn store_opened(
        &mut self,
        peer: HubId,
        verified: &Verified,
        opened: &Opened,
        out: &mut Vec<Output>,
    ) -> Result<Outcome, Refusal> {
        let header = opened.original().header();
        let (item, envelope) = (header.item, verified.envelope().hash());
        let outcome = self.outcome(peer, opened);
        let mut step = Step::default();
        self.advance(&mut step, verified.envelope().outer())?;
        self.enter(
            &mut step,
            Entry::Received {
                item: Some(item),
                envelope,
                sender: peer,
                outcome,
            },
        )?;
        match outcome {
            Outcome::Accepted => self.store_item(&mut step, peer, opened, envelope)?,
            Outcome::Repeated => self.note_other_way(&mut step, item, peer)?,
            Outcome::Objected | Outcome::Unreadable | Outcome::Withdrawn => {}
        }
        let decision = opened.carrier().header().decision;
        if matches!(outcome, Outcome::Accepted | Outcome::Repeated) {
            self.await_proof(&mut step, (peer, item), envelope, decision)?;
        }
        let act = match outcome {
            Outcome::Accepted | Outcome::Repeated => Act::Delivered,
            Outcome::Withdrawn => Act::Purged,
            Outcome::Objected | Outcome::Unreadable => Act::Objected,
        };
        self.give_receipt(&mut step, peer, act, envelope, item)?;
        if outcome == Outcome::Accepted {
            step.then(After::Report(Event::Arrived { item, sender: peer }));
        }
        self.commit(step, out);
        Ok(outcome)
    }

    /// What is to become of an item that has been opened.
    fn outcome(&self, peer: HubId, opened: &Opened) -> Outcome {
        let header = opened.original().header();
        let forwarded = opened.carrier().header().kind == Kind::Forward;
        let withdrawn = self.taken_notices.get(&header.item.item).is_some_and(|notice| {
            notice.originator == header.originator && notice.up_to >= header.item.version
        });
        if withdrawn || self.is_erased(header.item.item) {
            return Outcome::Withdrawn;
        }
        // What this deployment is not accredited for it does not store, whoever sent it.
        if header.label.level > self.gate.ceiling(self.now) {
            return Outcome::Objected;
        }
        // An item id belongs to whoever signed it first: nobody else can add versions to it.
        if self
            .latest(header.item.item)
            .is_some_and(|known| known.originator != header.originator)
        {
            return Outcome::Objected;
        }
        // Only the originator derives from its own item.
        let source = header.derived_from.and_then(|source| self.latest(source.item));
        if source.is_some_and(|known| known.originator != header.originator) {
            return Outcome::Objected;
        }
        let question = Question {
            action: if forwarded {
                Action::Forward
            } else {
                Action::Release
            },
            sender: peer,
            originator: header.originator,
            item: header.item,
            body_hash: header.body_hash,
            label: &header.label,
            licence: &header.licence,
            purpose: &header.purpose,
            consent: opened.consent(),
            sources: &[],
            created: header.created,
            now: self.now,
        };
        // The originator's rules bind the forwarder: a hub that broke them finds no reader here.
        let unlawful = forwarded
            && matches!(
                self.gate.ask(&question, self.me),
                testudo_policies::gate::Answer::Denied(_)
            );
        if unlawful || self.gate.ask_intake(&question, self.me).is_err() {
            return Outcome::Objected;
        }
        if self.items.contains_key(&header.item) {
            Outcome::Repeated
        } else {
            Outcome::Accepted
        }
    }

    fn store_item(
        &mut self,
        step: &mut Step,
        peer: HubId,
        opened: &Opened,
        envelope: EnvelopeHash,
    ) -> Result<(), Refusal> {
        let header = opened.original().header();
        let newer = self
            .latest(header.item.item)
            .is_some_and(|latest| latest.item.version > header.item.version);
        let record = ItemRecord {
            item: header.item,
            originator: header.originator,
            sender: peer,
            also_via: Vec::new(),
            kind: header.kind,
            label: header.label.clone(),
            licence: header.licence.clone(),
            derived_from: header.derived_from,
            sources: Vec::new(),
            purpose: header.purpose.clone(),
            body_hash: header.body_hash,
            key: header.key,
            created: header.created,
            stored: self.now,
            state: if newer {
                ItemState::Corrected
            } else {
                ItemState::Released
            },
            envelope,
            opened: None,
            acknowledged: None,
        };
        self.correct_earlier(step, header.item)?;
        let Summary { title, objects, tags } = Summary::of(opened.bundle(), &self.keys.audience);
        self.objects.insert(record.item, tags.clone());
        let body = BodyRow {
            title: title.clone(),
            objects,
            tags,
            part: opened.original().part().to_bytes(),
        };
        step.put(Family::Body, key::item(record.item), &body)?;
        step.put(Family::Item, key::item(record.item), &record)?;
        self.store_foreign_attachments(step, record.item, &header.attachments)?;
        self.titles.insert(record.item, title);
        self.items.insert(record.item, record);
        Ok(())
    }

    fn correct_earlier(&mut self, step: &mut Step, item: ItemRef) -> Result<(), Refusal> {
        let first = ItemRef {
            item: item.item,
            version: ItemVersion::new(0),
        };
        for (_, record) in self.items.range_mut(first..item) {
            if record.state == ItemState::Released {
                record.state = ItemState::Corrected;
                step.put(Family::Item, key::item(record.item), record)?;
            }
        }
        Ok(())
    }

    fn note_other_way(&mut self, step: &mut Step, item: ItemRef, peer: HubId) -> Result<(), Refusal> {
        if let Some(record) = self.items.get_mut(&item) {
            if record.sender != peer && !record.also_via.contains(&peer) {
                record.also_via.push(peer);
            }
            step.put(Family::Item, key::item(item), record)?;
        }
        Ok(())
    }

    /// Signs a receipt as part of a step; it is sent once the step is durable.
    pub(super) fn give_receipt(
        &mut self,
        step: &mut Step,
        to: HubId,
        act: Act,
        envelope: EnvelopeHash,
        item: ItemRef,
    ) -> Result<(), Refusal> {
        let fields = ReceiptFields {
            act,
            envelope,
            item,
            receiver: self.me,
            time: self.now,
        };
        let receipt = Receipt::sign(fields, self.keys.payload.classical(), self.gate.charter().realm());
        let given = GivenReceipt {
            to,
            bytes: receipt.to_bytes(),
            noted: false,
        };
        step.put(Family::Receipt, key::receipt(envelope, act), &given)?;
        step.then(After::Control(to, Control::Receipt(given.bytes.clone())));
        self.given_receipts.insert((envelope, act), given);
        Ok(())
    }

    /// Repeats every receipt that the peer has not noted.
    ///
    /// In the order of items: that of envelopes depends on what sealing drew, and a simulation
    /// could not repeat itself.
    pub(super) fn repeat_receipts(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let mut owed: Vec<(ItemRef, Act, Vec<u8>)> = (self.given_receipts.values())
            .filter(|given| given.to == peer && !given.noted)
            .filter_map(|given| Some((Receipt::decode(&given.bytes).ok()?, &given.bytes)))
            .map(|(receipt, bytes)| (receipt.fields().item, receipt.fields().act, bytes.clone()))
            .collect();
        owed.sort();
        for (_, _, receipt) in owed {
            self.send_control(peer, Control::Receipt(receipt), out);
        }
    }

    /// Everyone who brought an item here, with the envelope in which it came: a forwarder and the
    /// originator may both have, and what came after its withdrawal was not even stored.
    pub(super) fn carriers(&self, item: ItemRef) -> BTreeMap<HubId, EnvelopeHash> {
        (self.given_receipts.iter())
            .filter(|((_, act), _)| matches!(act, Act::Delivered | Act::Purged))
            .filter_map(|((envelope, _), given)| {
                Some((*envelope, Receipt::decode(&given.bytes).ok()?, given.to))
            })
            .filter(|(_, receipt, _)| receipt.fields().item == item)
            .map(|(envelope, _, to)| (to, envelope))
            .collect()
    }

    pub(super) fn on_noted(&mut self, peer: HubId, envelope: EnvelopeHash, act: Act, out: &mut Vec<Output>) {
        let Some(receipt) = self.given_receipts.get_mut(&(envelope, act)) else {
            return;
        };
        if receipt.to != peer || receipt.noted {
            return;
        }
        receipt.noted = true;
        let mut step = Step::default();
        if step
            .put(Family::Receipt, key::receipt(envelope, act), receipt)
            .is_ok()
        {
            self.commit(step, out);
        }
    }

    /// A person has opened or acknowledged the latest version of an item.
    pub(super) fn note_reading(
        &mut self,
        id: CommandId,
        item: ItemId,
        act: Act,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let latest = self.latest(item).ok_or(Refusal::NoSuchItem { item })?;
        if matches!(latest.state, ItemState::Retracted | ItemState::Expired) {
            return Err(Refusal::Withdrawn { item });
        }
        let of = latest.item;
        let now = Some(self.now);
        let mut step = Step::default();
        let Some(record) = self.items.get_mut(&of) else {
            return Err(Refusal::NoSuchItem { item });
        };
        let time = if act == Act::Acknowledged {
            &mut record.acknowledged
        } else {
            &mut record.opened
        };
        let first = time.is_none();
        if first {
            *time = now;
            step.put(Family::Item, key::item(of), record)?;
        }
        for (carrier, envelope) in self.carriers(of) {
            if first {
                self.give_receipt(&mut step, carrier, act, envelope, of)?;
            }
        }
        step.then(After::Reply(id, Reply::Noted { item }));
        self.commit(step, out);
        Ok(())
    }
}
