//! The stable storage of one hub: what a crash leaves behind, and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_core::blob::BlobRecord;
use testudo_core::hub::{Anchor, Row};
use testudo_core::input::{BatchId, Input, LoadId};
use testudo_core::output::{Change, Family};
use testudo_core::records::{DeliveryRecord, GivenNotice, GivenReceipt, ItemRecord, key};
use testudo_protocol::consent::ConsentToken;
use testudo_protocol::id::{HubId, ItemId, ItemRef};
use testudo_protocol::ledger::{Entry, Leaf, Opening};
use testudo_protocol::wire;

/// Rows, the anchor, and what has been asked of the disk and not been done yet.
#[derive(Default)]
pub struct Disk {
    rows: BTreeMap<(Family, Vec<u8>), Vec<u8>>,
    waiting: VecDeque<Job>,
    anchors: Vec<Anchor>,
}

/// One thing asked of the disk; they are done in the order in which they come.
pub enum Job {
    /// A batch: all of it or nothing.
    Write(BatchId, Vec<Change>),
    /// A row.
    Read(LoadId, Family, Vec<u8>),
}

impl Disk {
    /// What a backup taken now would hold.
    pub fn copy(&self) -> Self {
        Self {
            rows: self.rows.clone(),
            waiting: VecDeque::new(),
            anchors: self.anchors.clone(),
        }
    }

    /// The same rows beside the anchors of another copy.
    pub fn with_anchors_of(mut self, other: &Self) -> Self {
        self.anchors.clone_from(&other.anchors);
        self
    }

    /// The same rows, and what another copy knows of erasures: that outlives a database.
    pub fn with_erasures_of(mut self, other: &Self) -> Self {
        let rows = other.family(Family::Notice);
        for (key, value) in rows.filter(|(key, _)| key::is_erasure(key)) {
            let row = (Family::Notice, key.to_vec());
            self.rows.insert(row, value.to_vec());
        }
        self
    }

    /// Asks for something.
    pub fn ask(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// The changes that come next, if a batch does.
    pub fn next_changes(&self) -> &[Change] {
        match self.waiting.front() {
            Some(Job::Write(_, changes)) => changes,
            _ => &[],
        }
    }

    /// Does what comes next and gives what the hub is told about it.
    pub fn work(&mut self) -> Option<Input> {
        match self.waiting.pop_front()? {
            Job::Write(batch, changes) => {
                changes.into_iter().for_each(|change| self.change(change));
                Some(Input::Persisted(batch))
            }
            Job::Read(load, family, key) => {
                let row = self.rows.get(&(family, key)).cloned();
                Some(Input::Loaded(load, row))
            }
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Put { family, key, value } => {
                self.rows.insert((family, key), value.to_vec());
            }
            Change::Erase { family, key } => {
                self.rows.remove(&(family, key));
            }
        }
    }

    /// The process is gone: what was not done will not be done.
    pub fn lose_power(&mut self) {
        self.waiting.clear();
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Replaces the anchor.
    pub fn set_anchor(&mut self, anchor: Anchor) {
        self.anchors.push(anchor);
    }

    /// Every anchor that was ever set, oldest first.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// Everything a restart reads.
    pub fn rows(&self) -> Vec<Row> {
        let row =
            |((family, key), value): (&(Family, Vec<u8>), &Vec<u8>)| (*family, key.clone(), value.clone());
        self.rows.iter().map(row).collect()
    }

    /// One row.
    pub fn row(&self, family: Family, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(&(family, key.to_vec())).map(Vec::as_slice)
    }

    /// Takes a row away behind the hub's back.
    pub fn tear_out(&mut self, family: Family, key: &[u8]) {
        self.rows.remove(&(family, key.to_vec()));
    }

    /// Puts a row there behind the hub's back.
    pub fn smuggle(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert((family, key), value);
    }

    /// The rows of one family, in the order of their keys.
    pub fn family(&self, family: Family) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows
            .range((family, Vec::new())..)
            .take_while(move |((found, _), _)| *found == family)
            .map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    fn records<T: Serialize + DeserializeOwned>(&self, family: Family) -> impl Iterator<Item = T> {
        self.family(family)
            .filter_map(|(_, value)| wire::decode(value).ok())
    }

    /// All versions of all items.
    pub fn items(&self) -> impl Iterator<Item = ItemRecord> {
        self.records(Family::Item)
    }

    /// One version of one item.
    pub fn item(&self, item: ItemRef) -> Option<ItemRecord> {
        wire::decode(self.row(Family::Item, &key::item(item))?).ok()
    }

    /// All versions of one item.
    pub fn versions(&self, item: ItemId) -> impl Iterator<Item = ItemRecord> {
        self.items().filter(move |record| record.item.item == item)
    }

    /// Whether the content of one version is here.
    pub fn has_body(&self, item: ItemRef) -> bool {
        self.row(Family::Body, &key::item(item)).is_some()
    }

    /// How many rows there are from which the content of one version could be had.
    pub fn content_rows(&self, item: ItemRef) -> usize {
        let bodies = (self.family(Family::Body)).filter(|(row, _)| row.starts_with(&key::item(item)));
        let sent = self.deliveries().filter(|sent| sent.item == item);
        let envelopes = sent.filter(|sent| {
            let row = self.row(Family::Envelope, &key::envelope(sent.envelope));
            row.is_some()
        });
        bodies.count() + envelopes.count()
    }

    /// All attachments.
    pub fn blobs(&self) -> impl Iterator<Item = BlobRecord> {
        self.records(Family::Blob)
    }

    /// All deliveries.
    pub fn deliveries(&self) -> impl Iterator<Item = DeliveryRecord> {
        self.records(Family::Delivery)
    }

    /// All deliveries to one receiver.
    pub fn deliveries_to(&self, receiver: HubId) -> impl Iterator<Item = DeliveryRecord> {
        self.family(Family::Delivery)
            .filter(move |(key, _)| key.ends_with(receiver.as_bytes()))
            .filter_map(|(_, value)| wire::decode(value).ok())
    }

    /// One delivery.
    pub fn delivery(&self, item: ItemRef, receiver: HubId) -> Option<DeliveryRecord> {
        wire::decode(self.row(Family::Delivery, &key::delivery(item, receiver))?).ok()
    }

    /// All receipts that this hub gave.
    pub fn receipts(&self) -> impl Iterator<Item = GivenReceipt> {
        self.records(Family::Receipt)
    }

    /// The notice that this hub gave about an item to an addressee.
    pub fn notice(&self, item: ItemId, addressee: HubId) -> Option<GivenNotice> {
        wire::decode(self.row(Family::Notice, &key::given_notice(item, addressee))?).ok()
    }

    /// All consents held here, given or taken.
    pub fn consents(&self) -> impl Iterator<Item = ConsentToken> {
        self.family(Family::Consent)
            .filter_map(|(_, value)| ConsentToken::decode(value).ok())
    }

    /// The leaves of the ledger, in order.
    pub fn leaves(&self) -> Vec<Vec<u8>> {
        self.family(Family::Leaf)
            .map(|(_, value)| value.to_vec())
            .collect()
    }

    /// These leaves, one behind the other, if all of them are there.
    pub fn leaves_in(&self, indices: Range<u64>) -> Option<Vec<u8>> {
        let leaves = indices.map(|index| self.row(Family::Leaf, &key::index(index)));
        Some(leaves.collect::<Option<Vec<&[u8]>>>()?.concat())
    }

    /// The openings of the ledger, by index.
    pub fn openings(&self) -> BTreeMap<u64, Vec<u8>> {
        let index = |key: &[u8]| <[u8; 8]>::try_from(key).ok().map(u64::from_be_bytes);
        self.family(Family::Opening)
            .filter_map(|(key, value)| Some((index(key)?, value.to_vec())))
            .collect()
    }

    /// One entry of the ledger whose origin line is given, if it is there and fits its leaf.
    pub fn entry(&self, origin: &str, index: u64) -> Option<Entry> {
        let leaf = Leaf::from_bytes(self.row(Family::Leaf, &key::index(index))?)?;
        let opening = self.row(Family::Opening, &key::index(index))?;
        let opening = Opening::read(opening, &leaf, origin, index).ok()?;
        Some(opening.record().entry.clone())
    }

    /// All entries of the ledger, in order.
    pub fn entries(&self, origin: &str) -> Vec<(u64, Entry)> {
        let indices = self.openings().into_keys();
        indices
            .filter_map(|index| Some((index, self.entry(origin, index)?)))
            .collect()
    }
}
