//! All deliveries, and the order in which those that still have to be sent go to each receiver.
//!
//! A receipt moves one delivery and looks at the next few: what is indexed here keeps that as quick with a hundred
//! thousand deliveries as with ten.

use std::collections::{BTreeMap, BTreeSet};

use testudo_protocol::id::{AudienceId, HubId, ItemId, ItemRef, ItemVersion, Sequence};

use crate::records::{DeliveryRecord, DeliveryState};

/// The deliveries of one log to one receiver, in their order.
type Log = BTreeSet<(Sequence, ItemRef)>;

/// The logs of each receiver.
type Logs = BTreeMap<HubId, BTreeMap<AudienceId, Log>>;

/// Every delivery of every item. A record changes by [`Self::update`] alone.
#[derive(Default)]
pub(super) struct Deliveries {
    records: BTreeMap<ItemRef, BTreeMap<HubId, DeliveryRecord>>,
    logs: Logs,
    /// INVARIANT (open is what is due): exactly the deliveries that are [`is_open`], and no empty log.
    open: Logs,
}

/// Whether something of it has yet to be sent: the envelope, or its outer part where it is withheld.
fn is_open(record: &DeliveryRecord) -> bool {
    match &record.state {
        DeliveryState::Queued => true,
        DeliveryState::Withheld { settled, .. } => !settled,
        _ => false,
    }
}

fn put(logs: &mut Logs, record: &DeliveryRecord) {
    let log = logs.entry(record.receiver).or_default();
    let log = log.entry(record.audience).or_default();
    log.insert((record.sequence, record.item));
}

fn take(logs: &mut Logs, record: &DeliveryRecord) {
    let Some(of_receiver) = logs.get_mut(&record.receiver) else {
        return;
    };
    if let Some(log) = of_receiver.get_mut(&record.audience) {
        log.remove(&(record.sequence, record.item));
        if log.is_empty() {
            of_receiver.remove(&record.audience);
        }
    }
}

impl Deliveries {
    /// One delivery.
    pub(super) fn get(&self, of: &(ItemRef, HubId)) -> Option<&DeliveryRecord> {
        self.records.get(&of.0)?.get(&of.1)
    }

    /// All of them, by item and receiver.
    pub(super) fn values(&self) -> impl Iterator<Item = &DeliveryRecord> {
        self.records.values().flat_map(BTreeMap::values)
    }

    /// Those of an item, in all versions.
    pub(super) fn of_item(&self, item: ItemId) -> impl Iterator<Item = &DeliveryRecord> {
        let version = |version| ItemRef {
            item,
            version: ItemVersion::new(version),
        };
        self.records
            .range(version(0)..=version(u32::MAX))
            .flat_map(|(_, receivers)| receivers.values())
    }

    /// Those to a receiver of which something has yet to be sent, in the order of its logs.
    pub(super) fn open(&self, receiver: HubId) -> impl Iterator<Item = &DeliveryRecord> {
        self.open_logs(receiver).flatten()
    }

    /// The same, each log by itself.
    pub(super) fn open_logs(
        &self,
        receiver: HubId,
    ) -> impl Iterator<Item = impl Iterator<Item = &DeliveryRecord>> {
        let logs = self.open.get(&receiver).into_iter().flat_map(BTreeMap::values);
        logs.map(move |log| {
            log.iter()
                .filter_map(move |(_, item)| self.get(&(*item, receiver)))
        })
    }

    /// The items of one log that a receiver gets or does not get, in its order.
    pub(super) fn in_log(&self, receiver: HubId, audience: AudienceId) -> Vec<ItemRef> {
        let log = (self.logs.get(&receiver)).and_then(|logs| logs.get(&audience));
        log.into_iter().flatten().map(|(_, item)| *item).collect()
    }

    /// Adds a delivery, or replaces the one of the same item and receiver.
    pub(super) fn insert(&mut self, record: DeliveryRecord) {
        let (item, receiver) = (record.item, record.receiver);
        let before = (self.records.get_mut(&item)).and_then(|receivers| receivers.remove(&receiver));
        if let Some(before) = before {
            take(&mut self.logs, &before);
            take(&mut self.open, &before);
        }
        put(&mut self.logs, &record);
        self.index(&record);
        self.records.entry(item).or_default().insert(receiver, record);
    }

    /// Changes a delivery and returns it; `None` if there is none.
    pub(super) fn update(
        &mut self,
        of: &(ItemRef, HubId),
        change: impl FnOnce(&mut DeliveryRecord),
    ) -> Option<&DeliveryRecord> {
        let mut record = self.records.get_mut(&of.0)?.remove(&of.1)?;
        change(&mut record);
        self.index(&record);
        let receivers = self.records.entry(of.0).or_default();
        Some(receivers.entry(of.1).insert_entry(record).into_mut())
    }

    fn index(&mut self, record: &DeliveryRecord) {
        if is_open(record) {
            put(&mut self.open, record);
        } else {
            take(&mut self.open, record);
        }
    }
}

#[cfg(test)]
mod tests {
    use testudo_protocol::id::EnvelopeHash;
    use testudo_protocol::ledger::DecisionAct;

    use super::*;
    use crate::records::Access;

    fn record(item: u8, sequence: u64, receiver: &str) -> DeliveryRecord {
        DeliveryRecord {
            item: ItemRef {
                item: ItemId::new([item; 16]),
                version: ItemVersion::new(1),
            },
            receiver: receiver.parse().unwrap(),
            act: DecisionAct::Release,
            decision: 0,
            envelope: EnvelopeHash::new([item; 32]),
            audience: AudienceId::new([1; 16]),
            sequence: Sequence::new(sequence),
            epoch: 0,
            key: None,
            access: Access::LongTerm,
            state: DeliveryState::Queued,
            delivered: None,
            opened: None,
            acknowledged: None,
            purged: None,
        }
    }

    fn open(deliveries: &Deliveries, receiver: &str) -> Vec<u64> {
        let open = deliveries.open(receiver.parse().unwrap());
        open.map(|record| record.sequence.get()).collect()
    }

    #[test]
    fn what_is_open_follows_every_change_in_the_order_of_the_log() {
        let mut deliveries = Deliveries::default();
        for (item, sequence) in [(9, 1), (1, 3), (5, 2)] {
            deliveries.insert(record(item, sequence, "EEAS"));
        }
        deliveries.insert(record(9, 1, "MD"));
        assert_eq!(open(&deliveries, "EEAS"), [1, 2, 3]);

        let first = record(9, 1, "EEAS");
        let of = (first.item, first.receiver);
        let state = |state: DeliveryState| move |record: &mut DeliveryRecord| record.state = state;
        deliveries.update(&of, state(DeliveryState::Delivered)).unwrap();
        assert_eq!(open(&deliveries, "EEAS"), [2, 3]);
        let withheld = |settled| DeliveryState::Withheld {
            rules: Vec::new(),
            settled,
        };
        deliveries.update(&of, state(withheld(false))).unwrap();
        assert_eq!(open(&deliveries, "EEAS"), [1, 2, 3]);
        deliveries.update(&of, state(withheld(true))).unwrap();
        assert_eq!(open(&deliveries, "EEAS"), [2, 3]);
        assert_eq!(open(&deliveries, "MD"), [1]);
        assert_eq!(deliveries.in_log(of.1, AudienceId::new([1; 16])).len(), 3);
        assert_eq!(deliveries.of_item(of.0.item).count(), 2);
    }

    #[test]
    fn a_delivery_that_is_made_anew_leaves_its_old_place() {
        let mut deliveries = Deliveries::default();
        deliveries.insert(record(1, 1, "EEAS"));
        deliveries.insert(record(1, 7, "EEAS"));
        assert_eq!(open(&deliveries, "EEAS"), [7]);
        assert_eq!(deliveries.values().count(), 1);
        let absent = (record(1, 1, "EEAS").item, "MD".parse().unwrap());
        assert!(deliveries.update(&absent, |_| ()).is_none());
    }
}
