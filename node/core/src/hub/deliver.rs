//! The outbox: what is queued for each peer, and how it leaves.
//!
//! Every sending asks the gate again and spends a fresh permit, the first as well as the
//! hundredth. Nothing about a peer is remembered across connections: what has no receipt is
//! sent again, in the order of its log.

use std::collections::BTreeSet;

use testudo_crypto::digest::Digest;
use testudo_policies::gate::{Answer, Question};
use testudo_policies::permit::{MintError, Permit};
use testudo_policies::vocabulary::Action;
use testudo_protocol::envelope::{Envelope, Outer};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{AudienceId, EnvelopeHash, HubId, ItemRef, Sequence};
use testudo_protocol::ledger::{Decision, DecisionAct, Entry};

use super::decide::Verdicts;
use super::delivery::give_up;
use super::release::put_verdicts;
use super::reseal::Row;
use super::step::{After, Step};
use super::{Hub, Loading, PeerFault};
use crate::input::LoadId;
use crate::outbound::Outbound;
use crate::output::{Event, Family, Output};
use crate::records::{DeliveryRecord, DeliveryState, ItemState, LogPlace, key};

/// Envelopes under way to one peer without a receipt.
pub(super) const FLIGHTS_MAX: usize = 32;

/// One delivery under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flight {
    pub(super) audience: AudienceId,
    sequence: Sequence,
    pub(super) item: ItemRef,
    pub(super) envelope: EnvelopeHash,
    /// The receiver cannot open the envelope: its signed part is sealed anew.
    again: bool,
}

/// A delivery whose rows are being read, in this order: envelope, key entry, signed part.
pub(super) struct Loaded {
    pub(super) flight: Flight,
    pub(super) peer: HubId,
    pub(super) key: Option<LogPlace>,
    pub(super) rows: Vec<Vec<u8>>,
}

/// Why a queued delivery is not sent now.
pub(super) enum NoPermit {
    /// The gate says no.
    Denied(Vec<String>),
    /// The gate says no for as long as the charter is stale or forked.
    NotNow,
    /// The gate says yes, but on other grounds than the recorded decision.
    OtherGrounds,
}

impl Hub {
    /// Stands for a rule id where the record of a decision cannot be found: nothing is sent without it.
    const NO_RECORD: &'static str = "no-recorded-decision";
    /// Rule id where an item that this one draws on is no longer held.
    const SOURCE_GONE: &'static str = "R-18";

    /// Reads what is queued for a connected peer, oldest first, up to the window.
    pub(super) fn push(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if self.is_fenced() || !self.is_ready(peer) {
            return;
        }
        let flights = self.next_flights(peer);
        let state = self.peers.entry(peer).or_default();
        let is_first = !std::mem::replace(&mut state.served, true);
        if is_first && self.deliveries.open(peer).next().is_some() {
            return self.enter_batch(peer, out);
        }
        for flight in flights {
            self.take_off(peer, flight, out);
        }
    }

    /// What can take off now: from each log in turn, so that a long one keeps none waiting.
    fn next_flights(&self, peer: HubId) -> Vec<Flight> {
        let none = BTreeSet::new();
        let under_way = self.peers.get(&peer).map_or(&none, |state| &state.flights);
        let free = FLIGHTS_MAX.saturating_sub(under_way.len());
        let packing = self.packing.as_ref().filter(|packing| packing.is_for(peer));
        let done = packing.map_or(&none, |packing| &packing.packed);
        let can_seal = self.sealable(peer).is_some();
        let mut logs: Vec<_> = (self.deliveries.open_logs(peer))
            .map(|log| {
                let here = log.filter(|delivery| !self.is_aloft(delivery.item, peer));
                let flights = here.map(|delivery| self.flight(delivery));
                ready(
                    flights.filter(|flight| !done.contains(flight)),
                    under_way,
                    can_seal,
                )
            })
            .collect();
        let mut chosen = Vec::new();
        while chosen.len() < free && !logs.is_empty() {
            logs.retain_mut(|log| match log.next() {
                Some(flight) if chosen.len() < free => {
                    chosen.push(flight);
                    true
                }
                _ => false,
            });
        }
        chosen
    }

    /// What waited for a connection, or is wanted again, is entered before any of it is sent.
    ///
    /// A crash after this leaves an entry for a batch that was not sent, and another one for the batch that is.
    fn enter_batch(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let hashes: Vec<[u8; 32]> = (self.deliveries.open(peer))
            .map(|delivery| *delivery.envelope.as_bytes())
            .collect();
        let entry = Entry::ServedBatch {
            peer,
            envelopes: u32::try_from(hashes.len()).unwrap_or(u32::MAX),
            digest: Digest::of(&hashes.concat()).into(),
        };
        let mut step = Step::default();
        // An entry is far below the codec's limit.
        let _bounded = self.enter(&mut step, entry);
        step.then(After::Push(peer));
        self.commit(step, out);
    }

    fn flight(&self, delivery: &DeliveryRecord) -> Flight {
        Flight {
            audience: delivery.audience,
            sequence: delivery.sequence,
            item: delivery.item,
            envelope: delivery.envelope,
            again: delivery.state == DeliveryState::Queued && self.is_owed(delivery),
        }
    }

    fn take_off(&mut self, peer: HubId, flight: Flight, out: &mut Vec<Output>) {
        self.peers.entry(peer).or_default().flights.insert(flight);
        let delivery = self.deliveries.get(&(flight.item, peer));
        let loaded = Loaded {
            flight,
            peer,
            key: delivery.and_then(|delivery| delivery.key),
            rows: Vec::new(),
        };
        self.load_next(Box::new(loaded), out);
    }

    /// Reads the next row that a delivery needs; sends it once all are there.
    fn load_next(&mut self, loaded: Box<Loaded>, out: &mut Vec<Output>) {
        let Some((family, row)) = self.next_row(&loaded) else {
            return self.send_envelope(*loaded, out);
        };
        let load = LoadId(self.next_id());
        self.loading.insert(load, Loading::Flight(loaded));
        out.push(Output::Load(load, family, row));
    }

    fn next_row(&self, loaded: &Loaded) -> Option<Row> {
        let Loaded {
            flight, peer, key, ..
        } = loaded;
        let entry = key.map(|place| (Family::Envelope, key::envelope(place.envelope)));
        let is_left = flight.again && !self.is_erased(flight.item.item);
        let part = is_left.then(|| self.part_row(flight.item, *peer));
        let envelope = (Family::Envelope, key::envelope(flight.envelope));
        [Some(envelope), entry, part]
            .into_iter()
            .flatten()
            .nth(loaded.rows.len())
    }

    pub(super) fn on_loaded(&mut self, id: LoadId, row: Option<Vec<u8>>, out: &mut Vec<Output>) {
        match self.loading.remove(&id) {
            // A row that is gone was destroyed: so is the item. Of an erased envelope the outer part is left, which
            // keeps the receiver's chain whole.
            Some(Loading::Flight(loaded)) if row.is_none() && loaded.rows.is_empty() => {
                let load = LoadId(self.next_id());
                let outer = key::outer(loaded.flight.envelope);
                self.loading.insert(load, Loading::Outer(loaded));
                out.push(Output::Load(load, Family::Envelope, outer));
            }
            Some(Loading::Flight(mut loaded) | Loading::Outer(mut loaded)) => {
                if let Some(row) = row {
                    loaded.rows.push(row);
                    self.load_next(loaded, out);
                }
            }
            Some(Loading::Forward(request)) => self.on_body_loaded(*request, row, out),
            Some(Loading::Draft(request)) => self.on_draft_loaded(*request, row, out),
            Some(Loading::Erasure(erasure)) => self.on_erasure_loaded(*erasure, row, out),
            Some(Loading::Leaves(giving)) => self.on_tile_loaded(*giving, row, out),
            Some(Loading::OwnLeaves(giving)) => self.on_own_tile_loaded(*giving, row, out),
            None => {}
        }
    }

    /// Asks the gate and spends a permit on each envelope, or sends the outer parts alone.
    fn send_envelope(&mut self, loaded: Loaded, out: &mut Vec<Output>) {
        let (flight, peer) = (loaded.flight, loaded.peer);
        if !self.is_ready(peer) {
            return;
        }
        let Some(delivery) = self.deliveries.get(&(flight.item, peer)) else {
            return;
        };
        let queued = delivery.state == DeliveryState::Queued;
        // A key may have come to its end while the rows were read.
        if queued && self.is_owed(delivery) != flight.again {
            self.peers.entry(peer).or_default().flights.remove(&flight);
            return self.push(peer, out);
        }
        let permit = queued.then(|| {
            // What carries another hub's item is signed by us, and may be signed with a key that is lost.
            if loaded.rows.iter().take(1).any(|entry| self.is_disowned(entry)) {
                return Err(NoPermit::Denied(vec![Self::KEY_REVOKED.to_owned()]));
            }
            self.permit(flight.item, peer)
        });
        match permit {
            Some(Ok(permit)) if flight.again => self.seal_again(permit, loaded, out),
            Some(Ok(permit)) => self.send_together(permit, loaded, out),
            Some(Err(NoPermit::OtherGrounds)) => self.decide_again(flight, peer, out),
            Some(Err(NoPermit::NotNow)) => {
                // Asked again when the charter changes, or the peer comes back; a parcel goes without it.
                if !self.packing.as_ref().is_some_and(|packing| packing.is_for(peer)) {
                    self.peers.entry(peer).or_default().flights.remove(&flight);
                }
            }
            Some(Err(NoPermit::Denied(rules))) => {
                self.withhold(flight.item, peer, rules, out);
                self.send_outers(&loaded, out);
            }
            None => self.send_outers(&loaded, out),
        }
    }

    /// Sends the envelope, the key that was made for it first.
    fn send_together(&mut self, permit: Permit, loaded: Loaded, out: &mut Vec<Output>) {
        let (item, peer) = (loaded.flight.item, loaded.peer);
        let mut rows = loaded.rows.into_iter();
        let envelope = rows.next().unwrap_or_default();
        // Permits minted in this very call cannot be stale or for another item.
        if let Some(entry) = rows.next() {
            let Ok(for_key) = self.permit(item, peer) else {
                return;
            };
            out.extend(
                Outbound::content(for_key, item, entry, &self.gate)
                    .map(|outbound| Output::Transmit(peer, outbound)),
            );
        }
        out.extend(
            Outbound::content(permit, item, envelope, &self.gate)
                .map(|outbound| Output::Transmit(peer, outbound)),
        );
    }

    /// Sends outer parts alone, so that the receiver's chain stays whole. They are read from disk and keep their
    /// place among the envelopes of their log: they do not wait for what is under way.
    fn send_outers(&mut self, loaded: &Loaded, out: &mut Vec<Output>) {
        let peer = loaded.peer;
        let entry = loaded.key.and_then(|_| loaded.rows.get(1));
        for row in entry.into_iter().chain(loaded.rows.first()) {
            let outer = match Envelope::decode(row) {
                Ok(envelope) => envelope.outer().clone(),
                // All that an erasure left.
                Err(_) => match Outer::decode(row) {
                    Ok(outer) => outer,
                    Err(_) => continue,
                },
            };
            let outer = self.countersigned(outer).to_bytes();
            self.transmit_control(peer, Control::OuterOnly(outer), out);
        }
    }

    /// The outer part under a key that counts: a link of a log does not cover the signature, so that a log whose key
    /// was lost goes on under another one.
    fn countersigned(&self, outer: Outer) -> Outer {
        let charter = self.gate.charter();
        if charter.has_revoked_payload_key(self.me) && outer.verify(charter).is_err() {
            return Outer::sign(*outer.fields(), self.keys.payload.classical(), charter.realm());
        }
        outer
    }

    /// A fresh permit for one queued delivery.
    pub(super) fn permit(&self, item: ItemRef, receiver: HubId) -> Result<Permit, NoPermit> {
        let lost = || NoPermit::Denied(vec![Self::NO_RECORD.to_owned()]);
        let delivery = self.deliveries.get(&(item, receiver)).ok_or_else(lost)?;
        let record = self.items.get(&item).ok_or_else(lost)?;
        if matches!(record.state, ItemState::Retracted | ItemState::Expired) {
            return Err(NoPermit::Denied(Vec::new()));
        }
        if self.gate.charter().is_key_revoked(record.originator, record.key) {
            return Err(NoPermit::Denied(vec![Self::KEY_REVOKED.to_owned()]));
        }
        let consent = self.consents.get(&(item, self.me, receiver));
        // What it draws on may have been withdrawn since, or its originator's consent may have ended.
        let sources = self
            .sources(&record.sources)
            .ok_or_else(|| NoPermit::Denied(vec![Self::SOURCE_GONE.to_owned()]))?;
        let question = Question {
            action: if delivery.act == DecisionAct::Forward {
                Action::Forward
            } else {
                Action::Release
            },
            sender: self.me,
            originator: record.originator,
            item,
            body_hash: record.body_hash,
            label: &record.label,
            licence: &record.licence,
            purpose: &record.purpose,
            consent,
            sources: &sources,
            created: record.created,
            now: self.now,
        };
        let allowed = match self.gate.ask(&question, receiver) {
            Answer::Allowed(allowed) => allowed,
            Answer::Denied(denied) if denied.is_of_the_charter_alone() => return Err(NoPermit::NotNow),
            Answer::Denied(denied) => return Err(NoPermit::Denied(denied.rules().to_vec())),
        };
        let opening = self.openings.get(&delivery.decision).ok_or_else(lost)?;
        let recorded = self
            .ledger
            .recorded(delivery.decision, opening)
            .map_err(|_| lost())?;
        Permit::mint(allowed, &recorded).map_err(|error| match error {
            MintError::OtherGrounds => NoPermit::OtherGrounds,
            MintError::OtherItem => lost(),
        })
    }

    /// Charter or policies have changed since the decision, and the gate still says yes: enters
    /// a new decision for this receiver, and sends once that is durable.
    fn decide_again(&mut self, flight: Flight, receiver: HubId, out: &mut Vec<Output>) {
        let Some(mut step) = self.decide_anew(flight.item, receiver) else {
            return;
        };
        self.peers.entry(receiver).or_default().flights.remove(&flight);
        step.then(After::Push(receiver));
        self.commit(step, out);
    }

    /// The step that enters a new decision for one receiver of an item, and has its delivery rest on that.
    pub(super) fn decide_anew(&mut self, item: ItemRef, receiver: HubId) -> Option<Step> {
        let verdicts = Verdicts {
            allowed: vec![receiver],
            grounds: Default::default(),
            denied: Vec::new(),
        };
        let (verdicts_root, lines) = self.verdicts_root(&verdicts);
        let record = self.items.get(&item)?;
        let delivery = self.deliveries.get(&(item, receiver))?;
        let forward = delivery.act == DecisionAct::Forward;
        let entry = Entry::Decision(Decision {
            act: if forward {
                DecisionAct::Forward
            } else {
                DecisionAct::Resend
            },
            item,
            body_hash: record.body_hash,
            charter: self.gate.charter_version(),
            policies: self.gate.policies(),
            verdicts_root,
            allowed: 1,
            denied: 0,
        });
        let mut step = Step::default();
        let (index, opening) = self.enter(&mut step, entry).ok()?;
        put_verdicts(&mut step, index, &lines).ok()?;
        self.openings.insert(index, opening);
        let of = (item, receiver);
        if let Some(delivery) = self.deliveries.update(&of, |delivery| delivery.decision = index) {
            // A delivery record is far below the codec's limit.
            let _bounded = step.put(Family::Delivery, key::delivery(item, receiver), delivery);
        }
        Some(step)
    }

    /// Marks a queued delivery as no longer permitted. The outer part alone is sent, so that the
    /// receiver's chain stays whole.
    pub(super) fn withhold(
        &mut self,
        item: ItemRef,
        receiver: HubId,
        rules: Vec<String>,
        out: &mut Vec<Output>,
    ) {
        let withheld = DeliveryState::Withheld {
            rules: rules.clone(),
            settled: false,
        };
        let of = (item, receiver);
        let Some(delivery) = self.deliveries.update(&of, |delivery| delivery.state = withheld) else {
            return;
        };
        let passed = delivery.key.map(|_| (delivery.audience, delivery.epoch));
        let mut step = Step::default();
        let stored = step
            .put(Family::Delivery, key::delivery(item, receiver), delivery)
            .and_then(|()| match passed {
                Some((audience, epoch)) => self.pass_over(&mut step, audience, epoch, receiver),
                None => Ok(()),
            });
        if stored.is_ok() {
            step.then(After::Report(Event::Withheld {
                item,
                receiver,
                rules,
            }));
            self.commit(step, out);
        }
    }

    /// Gives up deliveries of a withdrawn item that have not been receipted.
    pub(super) fn withdraw_queued(
        &mut self,
        step: &mut Step,
        item: ItemRef,
    ) -> Result<(), crate::refusal::Refusal> {
        let mut passed = Vec::new();
        let queued: Vec<HubId> = (self.deliveries.of_item(item.item))
            .filter(|delivery| delivery.item == item && delivery.state == DeliveryState::Queued)
            .map(|delivery| delivery.receiver)
            .collect();
        for receiver in queued {
            let Some(delivery) = self.deliveries.update(&(item, receiver), give_up) else {
                continue;
            };
            step.put(Family::Delivery, key::delivery(item, receiver), delivery)?;
            if delivery.key.is_some() {
                passed.push((delivery.audience, delivery.epoch, receiver));
            }
        }
        for (audience, epoch, receiver) in passed {
            self.pass_over(step, audience, epoch, receiver)?;
        }
        if let Some(record) = self.items.get_mut(&item) {
            record.state = ItemState::Retracted;
            step.put(Family::Item, key::item(item), record)?;
        }
        Ok(())
    }

    /// The bytes of an outer part that a peer sent alone.
    pub(super) fn outer_of(bytes: &[u8]) -> Result<Outer, PeerFault> {
        Outer::decode(bytes).map_err(|error| PeerFault::of(&error))
    }
}

/// The flights of one log that can take off, in its order. What is sealed anew takes its time: it flies alone in its
/// log, so that everything arrives in order.
fn ready<'a>(
    flights: impl Iterator<Item = Flight> + 'a,
    under_way: &'a BTreeSet<Flight>,
    can_seal: bool,
) -> impl Iterator<Item = Flight> + 'a {
    let mut busy = false;
    let mut closed = false;
    let may_fly = move |flight: &Flight| {
        if under_way.contains(flight) {
            busy = true;
            closed |= flight.again;
            return Some(false);
        }
        if closed || flight.again && (busy || !can_seal) {
            return None;
        }
        busy = true;
        closed = flight.again;
        Some(true)
    };
    flights
        .scan(may_fly, |may_fly, flight| {
            may_fly(&flight).map(|flies| flies.then_some(flight))
        })
        .flatten()
}
