//! The attachments of items: their rows, what becomes of their files, and how they are shown.
//!
//! ```text
//! release:  file sealed and synced by the shell -> rows, in the step of the envelope
//! receive:  rows, in the step of the item; the file comes when somebody asks (`fetch.rs`)
//! destroy:  rows erased in the step that destroys the content -> files removed -> receipts
//! ```
//!
//! A file without a row is a leftover: of a release that was refused or never approved, of a crash before its step, of a
//! destruction that a crash cut short. The shell removes them at start, before anything is served.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::attachment::{CONTENT_BYTES_MAX, GROUP_BYTES};
use testudo_protocol::envelope::{AttachmentRef, SignedPart, check_names};
use testudo_protocol::id::{HubId, ItemId, ItemRef};
use testudo_protocol::wire::{self, Reader};

use super::Hub;
use super::fetch::Fetch;
use super::serve::{Budget, Serving, Told};
use super::step::{After, Step};
use crate::blob::{BlobDone, BlobId, BlobJobId, BlobPlace, BlobRecord, BlobState, DraftAttachment};
use crate::output::{Family, Output};
use crate::records::{BodyRow, ItemState, key};
use crate::refusal::Refusal;
use crate::views::AttachmentView;

/// All that a hub knows of attachments.
#[derive(Default)]
pub(super) struct AttachmentDesk {
    /// What there is, fetched or not.
    pub(super) records: BTreeMap<BlobPlace, BlobRecord>,
    /// What is being fetched.
    pub(super) fetches: BTreeMap<BlobPlace, Fetch>,
    /// What nobody gave us when it was last asked for.
    pub(super) nowhere: BTreeSet<BlobPlace>,
    /// Work on files that somebody waits for.
    pub(super) jobs: BTreeMap<BlobJobId, Work>,
    /// What each peer may still have from us.
    pub(super) budgets: BTreeMap<HubId, Budget>,
    /// Whose refusal the operator has been told of.
    pub(super) told: Told,
}

/// For what a file is being worked on.
pub(super) enum Work {
    /// One of our own fetches.
    Fetch(BlobPlace),
    /// A peer's question.
    Serve(Serving),
}

impl Hub {
    /// Checks the attachments of a draft; nothing is known of their content but what whoever read it says.
    pub(super) fn check_attachments(&self, draft: &[DraftAttachment]) -> Result<(), Refusal> {
        let names = draft
            .iter()
            .map(|one| (one.name.as_str(), one.media_type.as_str()));
        check_names(names).map_err(Refusal::Attachments)?;
        match (1..)
            .zip(draft)
            .find(|(_, one)| one.content_bytes > CONTENT_BYTES_MAX)
        {
            Some((number, one)) => Err(Refusal::AttachmentTooLong {
                number,
                bytes: one.content_bytes,
            }),
            None => Ok(()),
        }
    }

    /// What a header says of the attachments of a release: each has to lie sealed on stable storage by now.
    pub(super) fn check_staged(draft: &[DraftAttachment]) -> Result<(), Refusal> {
        let entries: Result<Vec<AttachmentRef>, Refusal> = (1..)
            .zip(draft)
            .map(|(number, one)| one.entry().ok_or(Refusal::NotStaged { number }))
            .collect();
        AttachmentRef::check_all(&entries?).map_err(Refusal::Attachments)
    }

    /// Stores the rows of our own attachments, whose files are whole, as part of the step that stores their item.
    pub(super) fn store_own_attachments(
        &mut self,
        step: &mut Step,
        item: ItemRef,
        attachments: &[DraftAttachment],
    ) -> Result<(), Refusal> {
        for (number, one) in (0..).zip(attachments) {
            let (Some(staged), Some(entry)) = (&one.staged, one.entry()) else {
                continue;
            };
            let record = record(item, number, &entry, staged.blob, BlobState::Whole);
            self.put_blob(step, record)?;
        }
        Ok(())
    }

    /// Stores the rows of attachments that came with an item; their files come later, if somebody asks.
    pub(super) fn store_foreign_attachments(
        &mut self,
        step: &mut Step,
        item: ItemRef,
        attachments: &[AttachmentRef],
    ) -> Result<(), Refusal> {
        for (number, entry) in (0..).zip(attachments) {
            let blob = BlobId::new(self.entropy.bytes16());
            let record = record(item, number, entry, blob, BlobState::Absent);
            self.put_blob(step, record)?;
        }
        Ok(())
    }

    pub(super) fn put_blob(&mut self, step: &mut Step, record: BlobRecord) -> Result<(), Refusal> {
        step.put(Family::Blob, key::blob(record.item, record.number), &record)?;
        self.attachments.records.insert(record.place(), record);
        Ok(())
    }

    /// Forgets the attachments of one version, as part of the step that destroys its content; the files go as soon as that
    /// step is durable, and before anything that waits for it behind this call.
    ///
    /// A crash in between leaves files that no row names, which are removed at the next start.
    pub(super) fn destroy_attachments(&mut self, step: &mut Step, item: ItemRef) {
        let places: Vec<BlobPlace> = self.blobs_of(item).map(BlobRecord::place).collect();
        let mut blobs = Vec::new();
        for place in places {
            step.erase(Family::Blob, key::blob(place.0, place.1));
            blobs.extend(self.attachments.records.remove(&place).map(|record| record.blob));
            self.attachments.fetches.remove(&place);
            self.attachments.nowhere.remove(&place);
        }
        if !blobs.is_empty() {
            step.then(After::DestroyBlobs(blobs));
        }
    }

    pub(super) fn blobs_of(&self, item: ItemRef) -> impl Iterator<Item = &BlobRecord> {
        let records = self.attachments.records.range((item, 0)..=(item, u32::MAX));
        records.map(|(_, record)| record)
    }

    /// Work on a file is done.
    pub(super) fn on_blob(&mut self, id: BlobJobId, done: BlobDone, out: &mut Vec<Output>) {
        match self.attachments.jobs.remove(&id) {
            Some(Work::Fetch(place)) => self.on_fetch_work(place, done, out),
            Some(Work::Serve(serving)) => self.on_cut(serving, done, out),
            // Of something that was destroyed, or for a connection that is gone.
            None => {}
        }
    }

    /// A row that a restart reads.
    pub(super) fn take_blob_row(&mut self, value: &[u8]) -> Option<()> {
        let record: BlobRecord = wire::decode(value).ok()?;
        self.attachments.records.insert(record.place(), record);
        Some(())
    }

    /// What every file of an attachment is called: all others are leftovers.
    pub fn blobs(&self) -> BTreeSet<BlobId> {
        self.attachments
            .records
            .values()
            .map(|record| record.blob)
            .collect()
    }

    /// The attachments of the latest version of an item, in their order; nothing if it is not here.
    pub fn attachments(&self, item: ItemId) -> Vec<AttachmentView> {
        let Some(record) = self.latest(item) else {
            return Vec::new();
        };
        self.blobs_of(record.item)
            .map(|blob| self.attachment_view(blob))
            .collect()
    }

    fn attachment_view(&self, record: &BlobRecord) -> AttachmentView {
        let fetch = self.attachments.fetches.get(&record.place());
        let kept = match (fetch, record.state) {
            (Some(fetch), _) => fetch.kept().saturating_mul(GROUP_BYTES),
            (None, BlobState::Whole) => record.sealed_bytes,
            (None, BlobState::Absent | BlobState::Wanted) => 0,
        };
        let state = match (fetch, record.state) {
            (Some(_), _) | (None, BlobState::Wanted) => "fetching",
            (None, BlobState::Whole) => "fetched",
            (None, BlobState::Absent) if self.attachments.nowhere.contains(&record.place()) => "not here",
            (None, BlobState::Absent) => "not fetched",
        };
        AttachmentView {
            number: record.number.saturating_add(1),
            bytes: record.content_bytes,
            state: state.to_owned(),
            fetched: kept.min(record.sealed_bytes),
            sealed: record.sealed_bytes,
            from: fetch.and_then(Fetch::from),
        }
    }

    /// The file of one attachment of the latest version of an item, if all of it is here and the item stands.
    pub fn whole_blob(&self, item: ItemId, number: u32) -> Option<&BlobRecord> {
        let latest = self.latest(item)?;
        let stands = !matches!(latest.state, ItemState::Retracted | ItemState::Expired);
        let record = self.attachments.records.get(&(latest.item, number))?;
        let is_whole =
            record.state == BlobState::Whole && !self.attachments.fetches.contains_key(&record.place());
        (stands && is_whole).then_some(record)
    }
}

/// What a stored body says of its attachments: their names, what they are, and their keys.
pub fn attachments_of(row: &[u8]) -> Option<Vec<AttachmentRef>> {
    let row: BodyRow = wire::decode(row).ok()?;
    let part = SignedPart::read(&mut Reader::new(&row.part)).ok()?;
    Some(part.stored_header()?.attachments)
}

fn record(item: ItemRef, number: u32, entry: &AttachmentRef, blob: BlobId, state: BlobState) -> BlobRecord {
    BlobRecord {
        item,
        number,
        blob,
        root: entry.root,
        sealed_bytes: entry.sealed_bytes,
        content_bytes: entry.content_bytes,
        state,
        served: Vec::new(),
    }
}
