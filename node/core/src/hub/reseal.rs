//! Sealing an item anew for one receiver that cannot open its envelope.
//!
//! A member without a key at the release, one that was away until its key had come to its end, one that lost its disk:
//! each gets the untouched signed part under a stanza of its own, beside the original outer part. The gate is asked
//! before sealing and again before sending.

use testudo_crypto::seal::SealError;
use testudo_policies::permit::Permit;
use testudo_protocol::envelope::{Envelope, Outer, SignedPart};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{HubId, ItemRef};
use testudo_protocol::ledger::DecisionAct;
use testudo_protocol::wire::{self, Reader};

use super::Hub;
use super::deliver::{Flight, Loaded};
use crate::input::SealId;
use crate::outbound::Outbound;
use crate::output::{Family, Output};
use crate::records::{BodyRow, key};
use crate::seal_order::{SealOrder, SealTo};

/// A row: its family and its key.
pub(super) type Row = (Family, Vec<u8>);

/// A delivery that is being sealed anew.
pub(super) struct Resealing {
    flight: Flight,
    peer: HubId,
    outer: Outer,
    /// The outer part of the key entry that stands before it, sent alone.
    entry: Option<Outer>,
}

impl Hub {
    /// Where the signed part of a delivery lies.
    pub(super) fn part_row(&self, item: ItemRef, receiver: HubId) -> Row {
        let is_forward = (self.deliveries.get(&(item, receiver)))
            .is_some_and(|delivery| delivery.act == DecisionAct::Forward);
        let row = if is_forward {
            key::delivery(item, receiver)
        } else {
            key::item(item)
        };
        (Family::Body, row)
    }

    /// Spends a permit on sealing the signed part to the receiver's key of this week.
    pub(super) fn seal_again(&mut self, permit: Permit, loaded: Loaded, out: &mut Vec<Output>) {
        let (flight, peer) = (loaded.flight, loaded.peer);
        let Some(order) = self.resealing_order(permit, &loaded) else {
            return;
        };
        let mut outers = (loaded.rows.iter())
            .filter_map(|row| Envelope::decode(row).ok())
            .map(|envelope| envelope.outer().clone());
        let Some(outer) = outers.next() else {
            return;
        };
        let entry = loaded.key.and_then(|_| outers.next());
        let seal = SealId(self.next_id());
        let resealing = Resealing {
            flight,
            peer,
            outer,
            entry,
        };
        self.resealing.insert(seal, resealing);
        out.push(Output::Seal(seal, order));
    }

    fn resealing_order(&self, permit: Permit, loaded: &Loaded) -> Option<SealOrder> {
        let (item, peer) = (loaded.flight.item, loaded.peer);
        let delivery = self.deliveries.get(&(item, peer))?;
        let record = self.epochs.get(&(delivery.audience, delivery.epoch))?;
        let row = loaded.rows.last()?;
        let part = match delivery.act {
            DecisionAct::Forward => SignedPart::read(&mut Reader::new(row)).ok()?,
            DecisionAct::Release | DecisionAct::Resend | DecisionAct::Relay => {
                let row: BodyRow = wire::decode(row).ok()?;
                SignedPart::read(&mut Reader::new(&row.part)).ok()?
            }
        };
        let plaintext = part.plaintext(&record.recipients).ok()?;
        let (_, recipient) = self.sealable(peer)?;
        let to = SealTo::Hubs(vec![(peer, recipient)]);
        SealOrder::content(vec![permit], to, plaintext).ok()
    }

    /// Whether something is being sealed anew for this hub.
    pub(super) fn is_resealing_for(&self, hub: HubId) -> bool {
        self.resealing.values().any(|resealing| resealing.peer == hub)
    }

    /// Sends what was sealed anew; false if the sealing was something else.
    pub(super) fn on_resealed(
        &mut self,
        id: SealId,
        result: &Result<Vec<u8>, SealError>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(resealing) = self.resealing.remove(&id) else {
            return false;
        };
        let Resealing {
            flight,
            peer,
            outer,
            entry,
        } = resealing;
        let still_flies = self.is_ready(peer)
            && (self.peers.get(&peer)).is_some_and(|state| state.flights.contains(&flight));
        let envelope = result
            .as_ref()
            .ok()
            .and_then(|cipher| Envelope::resealed(outer, cipher.clone()).ok());
        let (true, Some(envelope)) = (still_flies, envelope) else {
            return true;
        };
        // Asked again: what the gate said before the sealing may no longer stand. A denial is dealt with when the
        // delivery comes up again.
        let Ok(permit) = self.permit(flight.item, peer) else {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.flights.remove(&flight);
            }
            self.push(peer, out);
            return true;
        };
        if let Some(entry) = entry {
            self.transmit_control(peer, Control::OuterOnly(entry.to_bytes()), out);
        }
        out.extend(
            Outbound::resealed(permit, flight.item, envelope.to_bytes(), &self.gate)
                .map(|outbound| Output::Transmit(peer, outbound)),
        );
        true
    }
}
