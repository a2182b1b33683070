//! Giving pieces of attachments to hubs that have the item from here.
//!
//! Authorised by envelope, not by hash: whoever asks names the envelope in which this hub sent the item to it, and the gate
//! is asked for that receiver, before the file is read and again before the piece leaves, which uses up a fresh permit.
//! Whoever may not have it is told "not here", in the same words as whoever asks for what does not exist.

use std::collections::BTreeSet;

use testudo_crypto::attachment::Span;
use testudo_protocol::exchange::{Control, Piece, PieceAsk};
use testudo_protocol::id::{HubId, ItemRef, Timestamp};
use testudo_protocol::ledger::{Entry, RecordedError};

use super::Hub;
use super::attachment::Work;
use super::deliver::NoPermit;
use super::step::{After, Step};
use crate::blob::{BlobDone, BlobJob, BlobJobId, BlobRecord, BlobState};
use crate::outbound::Outbound;
use crate::output::{Event, Output};
use crate::records::DeliveryState;

/// Questions of one peer that are being answered at once: twice what a hub asks for at once, for those of a connection
/// that it has given up. More are left unanswered, and asked again.
const SERVING_MAX: usize = 8;

/// What one peer may have from here in an hour, in bytes: the largest attachment sixteen times. A hub that asks for more
/// than that is in a circle, or wears our disk and line out.
const HOUR_BYTES_MAX: u64 = 16 << 30;

/// The hour that a budget is for, in milliseconds.
const HOUR_MILLIS: u64 = 60 * 60 * 1_000;

/// Refusals that the operator is told of in an hour; a hub that asks for everything there is must not fill the log.
const TOLD_MAX: usize = 256;

/// A question that waits for the disk.
pub(super) struct Serving {
    peer: HubId,
    ask: PieceAsk,
}

/// Of whose refusals the operator has been told in this hour.
#[derive(Default)]
pub(super) struct Told {
    since: Timestamp,
    of: BTreeSet<(HubId, ItemRef)>,
}

/// What a peer has had in this hour.
#[derive(Default)]
pub(super) struct Budget {
    begun: Timestamp,
    bytes: u64,
}

impl Budget {
    /// Whether so many bytes may go; then they are spent.
    fn spend(&mut self, now: Timestamp, bytes: u64) -> bool {
        if self.begun.plus_millis(HOUR_MILLIS) <= now {
            *self = Self { begun: now, bytes: 0 };
        }
        let spent = self.bytes.saturating_add(bytes);
        let fits = spent <= HOUR_BYTES_MAX;
        if fits {
            self.bytes = spent;
        }
        fits
    }
}

/// Why a question gets no piece.
enum NotServed {
    /// There is nothing here for whoever asks; by these rules, if by rules.
    Nothing(Vec<String>),
    /// The decision was taken on other grounds: it has to be taken again first.
    OtherGrounds,
    /// The decision has been taken again, and is not durable yet.
    NotYet,
}

impl Hub {
    /// A hub asks for a piece.
    ///
    /// INVARIANT (durable before said): no piece is read before the decision and the entry that it rests on are durable.
    pub(super) fn on_piece_ask(&mut self, peer: HubId, ask: PieceAsk, out: &mut Vec<Output>) {
        match self.servable(peer, &ask) {
            Ok((record, span)) => {
                let now = self.now;
                let budget = self.attachments.budgets.entry(peer).or_default();
                if !budget.spend(now, span.bytes()) {
                    return self.refuse_piece(peer, &ask, Vec::new(), out);
                }
                if !record.served.contains(&peer) {
                    return self.enter_serving(record, peer, ask, out);
                }
                // Its entry may be in a step that is under way.
                match self.newest_pending() {
                    Some(newest) => newest.then(After::Serve(peer, ask)),
                    None => self.serve(peer, ask, out),
                }
            }
            Err(NotServed::Nothing(rules)) => self.refuse_piece(peer, &ask, rules, out),
            Err(NotServed::NotYet) => {
                if let Some(newest) = self.newest_pending() {
                    newest.then(After::AnswerAsk(peer, ask));
                }
            }
            Err(NotServed::OtherGrounds) => {
                if let Some(mut step) = self.decide_anew(ask.item, peer) {
                    step.then(After::AnswerAsk(peer, ask));
                    self.commit(step, out);
                }
            }
        }
    }

    /// What a question is about, if whoever asks has the item from here and may have it still.
    fn servable(&self, peer: HubId, ask: &PieceAsk) -> Result<(BlobRecord, Span), NotServed> {
        let nothing = || NotServed::Nothing(Vec::new());
        let delivery = self.deliveries.get(&(ask.item, peer)).ok_or_else(nothing)?;
        match &delivery.state {
            DeliveryState::Queued | DeliveryState::Delivered => {}
            DeliveryState::Refused { rules } | DeliveryState::Withheld { rules, .. } => {
                return Err(NotServed::Nothing(rules.clone()));
            }
            DeliveryState::Objected => return Err(nothing()),
        }
        if delivery.envelope != ask.envelope {
            return Err(nothing());
        }
        let record = self.attachments.records.get(&(ask.item, ask.number));
        let record = record
            .filter(|record| record.state == BlobState::Whole)
            .ok_or_else(nothing)?;
        let span = Span::new(record.sealed_bytes, ask.first, ask.count).ok_or_else(nothing)?;
        match self.permit(ask.item, peer) {
            // Only asked: the one that a piece is sent with is minted when it has been read.
            Ok(_asked) => Ok((record.clone(), span)),
            Err(NoPermit::Denied(_)) if self.is_being_written(delivery.decision) => Err(NotServed::NotYet),
            Err(NoPermit::Denied(rules)) => Err(NotServed::Nothing(rules)),
            // Whoever asks, asks again later.
            Err(NoPermit::NotNow) => Err(nothing()),
            Err(NoPermit::OtherGrounds) => Err(NotServed::OtherGrounds),
        }
    }

    /// Whether a decision is in a step that is under way.
    fn is_being_written(&self, decision: u64) -> bool {
        let opening = self
            .openings
            .get(&decision)
            .map(Vec::as_slice)
            .unwrap_or_default();
        matches!(
            self.ledger.recorded(decision, opening),
            Err(RecordedError::NotDurable { .. })
        )
    }

    /// The first piece of an attachment for a peer: that it begins to fetch is in the ledger before anything leaves.
    fn enter_serving(&mut self, mut record: BlobRecord, peer: HubId, ask: PieceAsk, out: &mut Vec<Output>) {
        let Some(delivery) = self.deliveries.get(&(ask.item, peer)) else {
            return;
        };
        let entry = Entry::Served {
            item: ask.item,
            attachment: ask.number,
            receiver: peer,
            decision: delivery.decision,
        };
        record.served.push(peer);
        let mut step = Step::default();
        // Both are far below the codec's limit.
        let stored = self
            .enter(&mut step, entry)
            .and_then(|_| self.put_blob(&mut step, record));
        if stored.is_ok() {
            step.then(After::Serve(peer, ask));
            self.commit(step, out);
        }
    }

    /// Has a piece read. Everything that it rests on is durable.
    pub(super) fn serve(&mut self, peer: HubId, ask: PieceAsk, out: &mut Vec<Output>) {
        let of_peer = |work: &&Work| matches!(work, Work::Serve(serving) if serving.peer == peer);
        if self.attachments.jobs.values().filter(of_peer).count() >= SERVING_MAX {
            return;
        }
        let Some(record) = self.attachments.records.get(&(ask.item, ask.number)) else {
            return self.refuse_piece(peer, &ask, Vec::new(), out);
        };
        let Some(span) = Span::new(record.sealed_bytes, ask.first, ask.count) else {
            return;
        };
        let job = BlobJob::Cut {
            blob: record.blob,
            root: record.root,
            span,
        };
        let id = BlobJobId(self.next_id());
        self.attachments
            .jobs
            .insert(id, Work::Serve(Serving { peer, ask }));
        out.push(Output::Blob(id, job));
    }

    /// The piece has been read: asks the gate again, and spends a permit on it.
    pub(super) fn on_cut(&mut self, serving: Serving, done: BlobDone, out: &mut Vec<Output>) {
        let Serving { peer, ask } = serving;
        if !self.is_connected(peer) {
            return;
        }
        let BlobDone::Cut(cut) = done else {
            return;
        };
        let Some(bytes) = cut else {
            let (item, number) = (ask.item, ask.number);
            if self.attachments.records.contains_key(&(item, number)) {
                out.push(Output::Report(Event::AttachmentDamaged { item, number }));
            }
            return self.refuse_piece(peer, &ask, Vec::new(), out);
        };
        let (Ok(_), Ok(permit)) = (self.servable(peer, &ask), self.permit(ask.item, peer)) else {
            // What has changed in between decides, once it is durable.
            return self.on_piece_ask(peer, ask, out);
        };
        let piece = Piece {
            ask: ask.ask,
            item: ask.item,
            number: ask.number,
            bytes,
        };
        // A permit minted in this very call cannot be stale or for another item.
        out.extend(
            Outbound::piece(permit, piece, &self.gate).map(|outbound| Output::Transmit(peer, outbound)),
        );
    }

    /// Says "not here" to whoever asked, and why to the operator, once for each item and hour.
    fn refuse_piece(&mut self, peer: HubId, ask: &PieceAsk, rules: Vec<String>, out: &mut Vec<Output>) {
        let told = &mut self.attachments.told;
        if told.since.plus_millis(HOUR_MILLIS) <= self.now {
            *told = Told {
                since: self.now,
                of: BTreeSet::new(),
            };
        }
        if told.of.len() < TOLD_MAX && told.of.insert((peer, ask.item)) {
            out.push(Output::Report(Event::AttachmentRefused {
                item: ask.item,
                receiver: peer,
                rules,
            }));
        }
        self.transmit_control(peer, Control::NotHere { ask: ask.ask }, out);
    }

    /// The connection is gone: nobody waits for what is being read.
    pub(super) fn drop_serving(&mut self, peer: HubId) {
        let of_others = |work: &Work| !matches!(work, Work::Serve(serving) if serving.peer == peer);
        self.attachments.jobs.retain(|_, work| of_others(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_once_and_comes_back_with_the_hour() {
        let mut budget = Budget::default();
        let now = Timestamp::from_seconds(1_800_000_000);
        assert!(budget.spend(now, HOUR_BYTES_MAX - 1));
        assert!(!budget.spend(now, 2), "more than there is");
        assert!(budget.spend(now, 1));
        assert!(!budget.spend(now.plus_millis(HOUR_MILLIS - 1), 1));
        assert!(budget.spend(now.plus_millis(HOUR_MILLIS), HOUR_BYTES_MAX));
    }
}
