//! What is shown: read from memory, changing nothing.

use testudo_protocol::envelope::SignedPart;
use testudo_protocol::id::{HubId, ItemId, Timestamp};
use testudo_protocol::wire::{self, Reader};

use super::Hub;
use crate::records::{BodyRow, DeliveryRecord, DeliveryState, ItemRecord, ItemState, key};
use crate::views::{ApprovalView, DeliveryView, InboxEntry, PeerView, Status};

fn millis(time: Option<Timestamp>) -> Option<u64> {
    time.map(Timestamp::millis)
}

impl Hub {
    /// Every version of every item that came from another hub, oldest first.
    pub fn inbox(&self) -> Vec<InboxEntry> {
        self.entries(|record| record.originator != self.me)
    }

    /// Every version of every item of our own, oldest first.
    pub fn released(&self) -> Vec<InboxEntry> {
        self.entries(|record| record.originator == self.me)
    }

    fn entries(&self, wanted: impl Fn(&ItemRecord) -> bool) -> Vec<InboxEntry> {
        let mut entries: Vec<_> = self
            .items
            .values()
            .filter(|record| wanted(record))
            .map(|record| self.entry(record))
            .collect();
        entries.sort_by_key(|entry| (entry.stored, entry.item, entry.version));
        entries
    }

    fn entry(&self, record: &ItemRecord) -> InboxEntry {
        let state = match record.state {
            ItemState::Released => "released",
            ItemState::Corrected => "corrected",
            ItemState::Retracted => "retracted",
            ItemState::Expired => "expired",
        };
        InboxEntry {
            item: record.item.item,
            version: record.item.version,
            originator: record.originator,
            sender: record.sender,
            also_via: record.also_via.clone(),
            state: state.to_owned(),
            provenance_in_doubt: (self.gate.charter()).is_in_doubt(
                record.originator,
                record.key,
                record.created,
            ),
            label: record.label.clone(),
            purpose: record.purpose.clone(),
            licence: record.licence.clone(),
            derived_from: record.derived_from.map(|from| from.item),
            title: self.titles.get(&record.item).cloned(),
            created: record.created.millis(),
            ledger: self.proof_grade(record.envelope, record.sender),
            stored: record.stored.millis(),
            opened: millis(record.opened),
            acknowledged: millis(record.acknowledged),
        }
    }

    /// The latest version of one item and the key of its body; `None` if it is not here.
    pub fn item(&self, item: ItemId) -> Option<(InboxEntry, Vec<u8>)> {
        self.latest(item)
            .map(|record| (self.entry(record), key::item(record.item)))
    }

    /// What became of every receiver of every release, oldest item first.
    pub fn deliveries(&self, item: Option<ItemId>) -> Vec<DeliveryView> {
        let view = |record| self.delivery_view(record);
        match item {
            Some(item) => self.deliveries.of_item(item).map(view).collect(),
            None => self.deliveries.values().map(view).collect(),
        }
    }

    /// How the hub is.
    pub fn status(&self) -> Status {
        let charter = self.gate.charter();
        let peers = charter
            .members()
            .map(|member| member.code)
            .filter(|code| *code != self.me);
        Status {
            hub: self.me,
            realm: format!("{}/{}", charter.realm().federation(), charter.realm().name()),
            charter: charter.version().get(),
            charter_valid_until: charter.valid_until().seconds(),
            recipient_key_until: self.recipient_key_until(),
            approvals: self.approval_views(),
            policies: self.gate.policies(),
            fenced: self.is_fenced(),
            fence: self.fence_view(),
            storage_full: self.is_full(),
            ledger_entries: self.ledger.size().get(),
            ledger_root: self.ledger.root().digest().to_hex(),
            checkpoint: self.checkpoint_view(),
            peers: peers.map(|code| self.peer_view(code)).collect(),
        }
    }

    fn recipient_key_until(&self) -> Option<u64> {
        let (week, _) = self.weekly.last_key_value()?;
        Some(week.sealed_to_until().seconds())
    }

    fn approval_views(&self) -> Vec<ApprovalView> {
        let approvals = self.gate.approvals();
        let accreditation = (approvals.accreditation.iter()).map(|it| ("accreditation", it.valid_until()));
        let crypto = (approvals.crypto.iter()).map(|it| ("crypto-approval", it.valid_until()));
        let view = |(kind, until): (&str, Timestamp)| ApprovalView {
            kind: kind.to_owned(),
            valid_until: until.seconds(),
        };
        accreditation.chain(crypto).map(view).collect()
    }

    fn delivery_view(&self, record: &DeliveryRecord) -> DeliveryView {
        let (state, rules) = match &record.state {
            DeliveryState::Refused { rules } => ("not sent", rules.clone()),
            DeliveryState::Queued => ("queued", Vec::new()),
            DeliveryState::Delivered => ("delivered", Vec::new()),
            DeliveryState::Objected => ("objected", Vec::new()),
            DeliveryState::Withheld { rules, .. } => ("withheld", rules.clone()),
        };
        DeliveryView {
            item: record.item.item,
            version: record.item.version,
            receiver: record.receiver,
            state: state.to_owned(),
            rules,
            ledger: self.entry_grade(record.decision),
            delivered: millis(record.delivered),
            opened: millis(record.opened),
            acknowledged: millis(record.acknowledged),
            purged: millis(record.purged),
        }
    }

    fn peer_view(&self, hub: HubId) -> PeerView {
        let state = self.peers.get(&hub);
        let waits = |delivery: &&DeliveryRecord| delivery.state == DeliveryState::Queued;
        let waiting = || self.deliveries.open(hub).filter(waits);
        let since = |delivery: &DeliveryRecord| Some(self.items.get(&delivery.item)?.stored.millis());
        PeerView {
            hub,
            connected: state.is_some_and(|state| state.connected),
            waiting: waiting().count(),
            oldest_waiting: waiting().filter_map(since).min(),
            clock_ahead_seconds: state.and_then(|state| Some(state.ahead_millis? / 1_000)),
            key_ahead: state.is_some_and(|state| state.early.is_some()),
            fault: state.and_then(|state| state.fault.clone()),
            split_view: self.has_split(hub),
            unproven: self.unproven(hub),
            went_on_alone: self.peers_alone.get(&hub).map(|(_, time)| time.millis()),
        }
    }
}

/// The bundle inside a stored body row, to the byte.
pub fn bundle_of(row: &[u8]) -> Option<Vec<u8>> {
    let row: BodyRow = wire::decode(row).ok()?;
    let part = SignedPart::read(&mut Reader::new(&row.part)).ok()?;
    Some(part.into_body())
}
