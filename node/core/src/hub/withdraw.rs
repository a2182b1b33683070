//! Withdrawing: notices to everyone who may hold a version, and destruction here.

use std::collections::BTreeSet;

use testudo_crypto::seal::{self, SealError};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use testudo_protocol::ledger::Entry;
use testudo_protocol::notice::{Notice, NoticeAct, NoticeFields};
use testudo_protocol::receipt::{Act, Receipt};

use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::input::{CommandId, SealId};
use crate::output::{Family, Output};
use crate::records::{GivenNotice, ItemState, TakenNotice, key};
use crate::refusal::Refusal;
use crate::seal_order::SealOrder;
use crate::views::Reply;

/// Longest sealed notice that is opened, in bytes.
const NOTICE_BYTES_MAX: usize = 1024;

impl Hub {
    /// Withdraws one of our own items in all versions.
    ///
    /// The entry, the notices and the end of every queued delivery become durable together; a
    /// crash right after leaves notices that are sent on the next connection.
    pub(super) fn retract(
        &mut self,
        id: CommandId,
        item: ItemId,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let up_to = ItemRef {
            item,
            version: self.own(item)?,
        };
        let holders = self.holders(item);
        let mut step = Step::default();
        let notices = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        self.enter(&mut step, Entry::Retract { up_to, notices })?;
        for addressee in &holders {
            self.give_notice(&mut step, NoticeAct::Retracted, *addressee, up_to)?;
        }
        let versions: Vec<ItemRef> = self
            .items
            .keys()
            .filter(|known| known.item == item)
            .copied()
            .collect();
        for version in versions {
            self.withdraw_queued(&mut step, version)?;
            // What was fetched from here is fetched no more; the bundle stays in our own record.
            self.destroy_attachments(&mut step, version);
        }
        for peer in &holders {
            step.then(After::Push(*peer));
        }
        step.then(After::Reply(
            id,
            Reply::Retracted {
                item,
                notified: holders,
            },
        ));
        self.commit(step, out);
        Ok(())
    }

    /// Stores a notice as part of a step and has it sent afterwards.
    pub(super) fn give_notice(
        &mut self,
        step: &mut Step,
        act: NoticeAct,
        addressee: HubId,
        up_to: ItemRef,
    ) -> Result<(), Refusal> {
        let notice = GivenNotice {
            act,
            addressee,
            up_to,
            time: self.now,
            answered: None,
        };
        step.put(Family::Notice, key::given_notice(up_to.item, addressee), &notice)?;
        self.given_notices.insert((up_to.item, addressee), notice);
        step.then(After::Notices(addressee));
        Ok(())
    }

    /// Has every unanswered notice for a peer sealed to it; they go out as they are sealed.
    pub(super) fn send_notices(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if !self.is_connected(peer) {
            return;
        }
        let open: Vec<NoticeFields> = (self.given_notices.values())
            .filter(|notice| notice.addressee == peer && notice.answered.is_none())
            .map(|notice| NoticeFields {
                act: notice.act,
                originator: self.me,
                addressee: peer,
                up_to: notice.up_to,
                time: notice.time,
            })
            .collect();
        for fields in open {
            let notice = Notice::sign(fields, self.keys.payload.classical(), self.gate.charter().realm());
            let Ok(order) = SealOrder::notice(&notice, self.gate.charter()) else {
                continue;
            };
            let seal = SealId(self.next_id());
            self.sealing_notices.insert(seal, peer);
            out.push(Output::Seal(seal, order));
        }
    }

    /// Sends a notice that has been sealed; false if the sealing was something else.
    pub(super) fn on_notice_sealed(
        &mut self,
        id: SealId,
        result: &Result<Vec<u8>, SealError>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(peer) = self.sealing_notices.remove(&id) else {
            return false;
        };
        if let Ok(sealed) = result {
            self.send_control(peer, Control::Notice(sealed.clone()), out);
        }
        true
    }

    /// The addressee has destroyed what it was asked to.
    pub(super) fn answer_notice(
        &mut self,
        step: &mut Step,
        item: ItemRef,
        peer: HubId,
        time: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(notice) = self.given_notices.get_mut(&(item.item, peer)) {
            notice.answered = notice.answered.or(Some(time));
            step.put(Family::Notice, key::given_notice(item.item, peer), notice)?;
        }
        Ok(())
    }

    /// Takes a notice: destroys the content, durably, then answers with receipts.
    ///
    /// Only the originator's signature counts; its standing, the item's expiry and the age of
    /// the charter do not.
    pub(super) fn on_notice(&mut self, sealed: &[u8], out: &mut Vec<Output>) -> Result<(), PeerFault> {
        let bytes = seal::open(&[&self.keys.identity], sealed, NOTICE_BYTES_MAX)
            .map_err(|error| PeerFault::of(&error))?;
        let notice = Notice::decode(&bytes).map_err(|error| PeerFault::of(&error))?;
        notice
            .verify(self.gate.charter())
            .map_err(|error| PeerFault::of(&error))?;
        let fields = *notice.fields();
        if fields.addressee != self.me {
            return Err(PeerFault("sent a notice that is for another hub".to_owned()));
        }
        self.destroy(fields, out).map_err(|error| PeerFault::of(&error))
    }

    fn destroy(&mut self, fields: NoticeFields, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let NoticeFields {
            originator,
            up_to,
            time,
            ..
        } = fields;
        let foreign = self
            .latest(up_to.item)
            .is_some_and(|known| known.originator != originator);
        if foreign {
            // Signed by somebody, but not by whoever signed the item: it has no say over it.
            return Ok(());
        }
        let mut step = Step::default();
        let taken = TakenNotice {
            originator,
            item: up_to.item,
            up_to: up_to.version,
            time,
        };
        let higher = self
            .taken_notices
            .get(&up_to.item)
            .is_none_or(|known| known.up_to < up_to.version);
        if higher {
            step.put(Family::Notice, key::taken_notice(up_to.item), &taken)?;
            self.taken_notices.insert(up_to.item, taken);
            self.enter(&mut step, Entry::Purged { up_to, originator })?;
        }
        self.destroy_versions(&mut step, up_to)?;
        self.commit(step, out);
        Ok(())
    }

    fn destroy_versions(&mut self, step: &mut Step, up_to: ItemRef) -> Result<(), Refusal> {
        let first = ItemRef {
            item: up_to.item,
            version: ItemVersion::new(0),
        };
        let mut versions: BTreeSet<ItemRef> =
            self.items.range(first..=up_to).map(|(item, _)| *item).collect();
        let receipted = (self.given_receipts.values())
            .filter_map(|given| Receipt::decode(&given.bytes).ok())
            .map(|receipt| receipt.fields().item);
        versions.extend(receipted.filter(|item| (first..=up_to).contains(item)));
        for item in versions {
            if let Some(record) = self.items.get_mut(&item) {
                record.state = ItemState::Retracted;
                step.put(Family::Item, key::item(item), record)?;
                step.erase(Family::Body, key::item(item));
                for receiver in self.forwarded_to(item) {
                    step.erase(Family::Body, key::delivery(item, receiver));
                }
                self.titles.remove(&item);
                self.objects.forget(item);
            }
            // Before the receipts, which say that it is done.
            self.destroy_attachments(step, item);
            for (carrier, envelope) in self.carriers(item) {
                self.give_receipt(step, carrier, Act::Purged, envelope, item)?;
            }
        }
        Ok(())
    }
}
