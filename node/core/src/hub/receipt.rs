//! What came back for what was sent: receipts, and where a peer's copy of a log ends.

use testudo_protocol::exchange::Control;
use testudo_protocol::id::{AudienceId, HubId, Sequence};
use testudo_protocol::ledger::Entry;
use testudo_protocol::receipt::{Act, Receipt, ReceiptFields};

use super::delivery::{note, settle};
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::output::{Event, Family, Output};
use crate::records::{DeliveryState, key};

impl Hub {
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
        let mut again = false;
        for item in self.deliveries.in_log(peer, audience) {
            let mut changed = false;
            let delivery = self.deliveries.update(&(item, peer), |delivery| {
                let had = delivery.state == DeliveryState::Delivered;
                changed = settle(delivery, next);
                again |= had && changed;
            });
            if let Some(delivery) = delivery.filter(|_| changed) {
                // A delivery record is far below the codec's limit.
                let _bounded = step.put(Family::Delivery, key::delivery(item, peer), delivery);
            }
        }
        self.wait_no_longer(audience, peer);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.flights.retain(|flight| flight.audience != audience);
            state.served &= !again;
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
        if !known && self.may_have_forgotten(peer) {
            return self.note_forgotten(peer, fields, out);
        }
        if !known {
            return Err(PeerFault(
                "sent a receipt for an envelope that was not sent to it".to_owned(),
            ));
        }
        let mut step = Step::default();
        let noted = self
            .note_receipt(&mut step, peer, fields)
            .map_err(|error| PeerFault::of(&error))?;
        self.has_landed(fields.item, peer);
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

    /// Whether an envelope to a peer may have been lost here with an older database: then its receipt is no lie.
    fn may_have_forgotten(&self, peer: HubId) -> bool {
        self.generation > 0 || !self.fence.heard.contains(&peer)
    }

    /// A receipt for what was forgotten: the peer need not repeat it, once it is certain that it was.
    fn note_forgotten(
        &mut self,
        peer: HubId,
        fields: ReceiptFields,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        if self.generation > 0 {
            let (envelope, act) = (fields.envelope, fields.act);
            self.send_control(peer, Control::Noted { envelope, act }, out);
        }
        Ok(())
    }

    /// Stores what a receipt says; false if it was known already.
    fn note_receipt(
        &mut self,
        step: &mut Step,
        peer: HubId,
        fields: ReceiptFields,
    ) -> Result<bool, crate::refusal::Refusal> {
        let mut fresh = false;
        let delivery = self.deliveries.update(&(fields.item, peer), |delivery| {
            fresh = note(delivery, fields.act, fields.time);
        });
        let Some(delivery) = delivery else {
            return Ok(false);
        };
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
}
