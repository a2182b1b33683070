//! The outbox: what is queued for each peer, and what came back.
//!
//! Every sending asks the gate again and spends a fresh permit, the first as well as the
//! hundredth. Nothing about a peer is remembered across connections: what has no receipt is
//! sent again, in the order of its log.

use testudo_policies::gate::{Answer, Question};
use testudo_policies::permit::{MintError, Permit};
use testudo_policies::vocabulary::Action;
use testudo_protocol::envelope::{Envelope, Outer};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{AudienceId, EnvelopeHash, HubId, ItemRef, Sequence};
use testudo_protocol::ledger::{Decision, DecisionAct, Entry};
use testudo_protocol::receipt::{Act, Receipt};

use super::decide::Verdicts;
use super::release::put_verdicts;
use super::step::{After, Step};
use super::{Hub, Loading, PeerFault};
use crate::input::LoadId;
use crate::outbound::Outbound;
use crate::output::{Event, Family, Output};
use crate::records::{DeliveryState, ItemState, key};

/// Envelopes under way to one peer without a receipt.
const FLIGHTS_MAX: usize = 32;

/// One delivery under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flight {
    audience: AudienceId,
    sequence: Sequence,
    item: ItemRef,
    envelope: EnvelopeHash,
}

/// Why a queued delivery is not sent now.
enum NoPermit {
    /// The gate says no.
    Denied(Vec<String>),
    /// The gate says yes, but on other grounds than the recorded decision.
    OtherGrounds,
}

impl Hub {
    /// Stands for a rule id where the record of a decision cannot be found: nothing is sent without it.
    const NO_RECORD: &'static str = "no-recorded-decision";

    /// Reads what is queued for a connected peer, oldest first, up to the window.
    pub(super) fn push(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if self.fenced || !self.is_connected(peer) {
            return;
        }
        let under_way = self
            .peers
            .get(&peer)
            .map(|state| state.flights.clone())
            .unwrap_or_default();
        let mut waiting: Vec<Flight> = (self.deliveries.values())
            .filter(|delivery| delivery.receiver == peer)
            .filter(|delivery| match &delivery.state {
                DeliveryState::Queued => true,
                DeliveryState::Withheld { settled, .. } => !settled,
                _ => false,
            })
            .map(|delivery| Flight {
                audience: delivery.audience,
                sequence: delivery.sequence,
                item: delivery.item,
                envelope: delivery.envelope,
            })
            .filter(|flight| !under_way.contains(flight))
            .collect();
        waiting.sort();
        waiting.truncate(FLIGHTS_MAX.saturating_sub(under_way.len()));
        for flight in waiting {
            self.take_off(peer, flight, out);
        }
    }

    fn take_off(&mut self, peer: HubId, flight: Flight, out: &mut Vec<Output>) {
        self.peers.entry(peer).or_default().flights.insert(flight);
        let load = LoadId(self.next_id());
        self.loading.insert(load, Loading::Envelope(flight, peer));
        out.push(Output::Load(
            load,
            Family::Envelope,
            key::envelope(flight.envelope),
        ));
    }

    pub(super) fn on_loaded(&mut self, id: LoadId, row: Option<Vec<u8>>, out: &mut Vec<Output>) {
        match self.loading.remove(&id) {
            Some(Loading::Envelope(flight, peer)) => self.send_envelope(flight, peer, row, out),
            Some(Loading::Forward(request)) => self.on_body_loaded(*request, row, out),
            None => {}
        }
    }

    /// Asks the gate and spends one permit, or sends the outer part alone.
    fn send_envelope(&mut self, flight: Flight, peer: HubId, row: Option<Vec<u8>>, out: &mut Vec<Output>) {
        let queued = (self.deliveries.get(&(flight.item, peer)))
            .is_some_and(|delivery| matches!(delivery.state, DeliveryState::Queued));
        let Some(bytes) = row.filter(|_| self.is_connected(peer)) else {
            return;
        };
        let outer = Envelope::decode(&bytes)
            .map(|envelope| envelope.outer().to_bytes())
            .unwrap_or_default();
        // An outer part is read from disk and keeps its place among the envelopes of its log: it does
        // not wait for what is under way.
        if queued {
            match self.permit(flight.item, peer) {
                // A permit minted in this very call cannot be stale or for another item.
                Ok(permit) => out.extend(
                    Outbound::content(permit, flight.item, bytes, &self.gate)
                        .map(|outbound| Output::Transmit(peer, outbound)),
                ),
                Err(NoPermit::OtherGrounds) => self.decide_again(flight, peer, out),
                Err(NoPermit::Denied(rules)) => {
                    self.withhold(flight.item, peer, rules, out);
                    self.transmit_control(peer, Control::OuterOnly(outer), out);
                }
            }
        } else {
            self.transmit_control(peer, Control::OuterOnly(outer), out);
        }
    }

    /// A fresh permit for one queued delivery.
    fn permit(&self, item: ItemRef, receiver: HubId) -> Result<Permit, NoPermit> {
        let lost = || NoPermit::Denied(vec![Self::NO_RECORD.to_owned()]);
        let delivery = self.deliveries.get(&(item, receiver)).ok_or_else(lost)?;
        let record = self.items.get(&item).ok_or_else(lost)?;
        if record.state == ItemState::Retracted {
            return Err(NoPermit::Denied(Vec::new()));
        }
        let consent = self.consents.get(&(item, self.me, receiver));
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
            purpose: &record.purpose,
            consent,
            created: record.created,
            now: self.now,
        };
        let allowed = match self.gate.ask(&question, receiver) {
            Answer::Allowed(allowed) => allowed,
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
        let verdicts = Verdicts {
            allowed: vec![receiver],
            grounds: Default::default(),
            denied: Vec::new(),
        };
        let (verdicts_root, lines) = self.verdicts_root(&verdicts);
        let Some(record) = self.items.get(&flight.item) else {
            return;
        };
        let Some(delivery) = self.deliveries.get(&(flight.item, receiver)) else {
            return;
        };
        let forward = delivery.act == DecisionAct::Forward;
        let entry = Entry::Decision(Decision {
            act: if forward {
                DecisionAct::Forward
            } else {
                DecisionAct::Resend
            },
            item: flight.item,
            body_hash: record.body_hash,
            charter: self.gate.charter_version(),
            policies: self.gate.policies(),
            verdicts_root,
            allowed: 1,
            denied: 0,
        });
        let mut step = Step::default();
        let entered = self.enter(&mut step, entry).and_then(|decision| {
            put_verdicts(&mut step, decision.0, &lines)?;
            Ok(decision)
        });
        let Ok((index, opening)) = entered else { return };
        self.openings.insert(index, opening);
        if let Some(delivery) = self.deliveries.get_mut(&(flight.item, receiver)) {
            delivery.decision = index;
            // A delivery record is far below the codec's limit.
            let _bounded = step.put(Family::Delivery, key::delivery(flight.item, receiver), delivery);
        }
        self.peers.entry(receiver).or_default().flights.remove(&flight);
        step.then(After::Push(receiver));
        self.commit(step, out);
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
        let Some(delivery) = self.deliveries.get_mut(&(item, receiver)) else {
            return;
        };
        delivery.state = DeliveryState::Withheld {
            rules: rules.clone(),
            settled: false,
        };
        let mut step = Step::default();
        if step
            .put(Family::Delivery, key::delivery(item, receiver), delivery)
            .is_ok()
        {
            step.then(After::Report(Event::Withheld {
                item,
                receiver,
                rules,
            }));
            self.commit(step, out);
        }
    }

    /// The peer says where one of our logs continues for it: what lies before is settled, what
    /// lies behind is sent again.
    pub(super) fn on_expect(
        &mut self,
        peer: HubId,
        audience: AudienceId,
        next: Sequence,
        out: &mut Vec<Output>,
    ) {
        let mut step = Step::default();
        for delivery in self.deliveries.values_mut() {
            if delivery.receiver != peer || delivery.audience != audience {
                continue;
            }
            let passed = delivery.sequence < next;
            let changed = match &mut delivery.state {
                DeliveryState::Withheld { settled, .. } if passed && !*settled => {
                    *settled = true;
                    true
                }
                // A receiver that lost its disk asks for what it once had.
                DeliveryState::Withheld { settled, .. } if !passed && *settled => {
                    *settled = false;
                    true
                }
                DeliveryState::Delivered if !passed => {
                    delivery.state = DeliveryState::Queued;
                    true
                }
                _ => false,
            };
            if changed {
                let row = key::delivery(delivery.item, peer);
                // A delivery record is far below the codec's limit.
                let _bounded = step.put(Family::Delivery, row, delivery);
            }
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.flights.retain(|flight| flight.audience != audience);
        }
        step.then(After::Push(peer));
        self.commit(step, out);
    }

    /// Takes a receipt: signed by the peer itself, for an envelope that was sent to it.
    pub(super) fn on_receipt(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let receipt = Receipt::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        receipt
            .verify(self.gate.charter())
            .map_err(|error| PeerFault::of(&error))?;
        let fields = *receipt.fields();
        if fields.receiver != peer {
            return Err(PeerFault("sent a receipt of another hub".to_owned()));
        }
        let known = (self.deliveries.get(&(fields.item, peer)))
            .is_some_and(|delivery| delivery.envelope == fields.envelope && delivery.may_have_left());
        if !known {
            return Err(PeerFault(
                "sent a receipt for an envelope that was not sent to it".to_owned(),
            ));
        }
        let mut step = Step::default();
        let noted = self
            .note_receipt(&mut step, peer, fields)
            .map_err(|error| PeerFault::of(&error))?;
        if let Some(state) = self.peers.get_mut(&peer) {
            state.flights.retain(|flight| flight.envelope != fields.envelope);
        }
        step.then(After::Control(
            peer,
            Control::Noted {
                envelope: fields.envelope,
                act: fields.act,
            },
        ));
        if noted {
            let act = fields.act;
            step.then(After::Report(Event::Receipted {
                item: fields.item,
                receiver: peer,
                act,
            }));
        }
        step.then(After::Push(peer));
        self.commit(step, out);
        Ok(())
    }

    /// Stores what a receipt says; false if it was known already.
    fn note_receipt(
        &mut self,
        step: &mut Step,
        peer: HubId,
        fields: testudo_protocol::receipt::ReceiptFields,
    ) -> Result<bool, crate::refusal::Refusal> {
        let Some(delivery) = self.deliveries.get_mut(&(fields.item, peer)) else {
            return Ok(false);
        };
        let time = Some(fields.time);
        let fresh = match fields.act {
            Act::Delivered => delivery.delivered.is_none(),
            Act::Objected => delivery.state != DeliveryState::Objected,
            Act::Opened => delivery.opened.is_none(),
            Act::Acknowledged => delivery.acknowledged.is_none(),
            Act::Purged => delivery.purged.is_none(),
        };
        match fields.act {
            Act::Delivered => {
                delivery.delivered = delivery.delivered.or(time);
                delivery.state = DeliveryState::Delivered;
            }
            Act::Objected => delivery.state = DeliveryState::Objected,
            Act::Opened => delivery.opened = delivery.opened.or(time),
            Act::Acknowledged => delivery.acknowledged = delivery.acknowledged.or(time),
            Act::Purged => {
                delivery.purged = delivery.purged.or(time);
                delivery.state = DeliveryState::Delivered;
            }
        }
        step.put(Family::Delivery, key::delivery(fields.item, peer), delivery)?;
        if fields.act == Act::Purged {
            self.answer_notice(step, fields.item, peer, fields.time)?;
        }
        if fresh {
            let (envelope, act) = (fields.envelope, fields.act);
            self.enter(
                step,
                Entry::Receipt {
                    envelope,
                    receiver: peer,
                    act,
                },
            )?;
        }
        Ok(fresh)
    }

    /// Gives up deliveries of a withdrawn item that have not been receipted.
    pub(super) fn withdraw_queued(
        &mut self,
        step: &mut Step,
        item: ItemRef,
    ) -> Result<(), crate::refusal::Refusal> {
        for delivery in self.deliveries.values_mut() {
            if delivery.item == item && delivery.state == DeliveryState::Queued {
                delivery.state = DeliveryState::Withheld {
                    rules: Vec::new(),
                    settled: false,
                };
                step.put(Family::Delivery, key::delivery(item, delivery.receiver), delivery)?;
            }
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
