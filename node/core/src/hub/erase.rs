//! Erasing by law: what an item said, and what the ledger says about it, destroyed here for ever.
//!
//! Destroyed are the content, the envelopes in which we sent it, the openings of every entry about it, and
//! the record of the item itself. What stays is the leaves, which say nothing; the outer parts of our
//! envelopes, so that the chains of receivers stay whole; an entry that says that it was done and on what
//! basis; and the id, which is refused from then on, however it comes back. The row that says so outlives the
//! database: what an older copy of that brings back is hidden at the start and destroyed again.
//!
//! Expiry destroys the content and the envelopes alike: at the instant that the originator's label names, every
//! holder does so, enters it, and tells whoever sent the item. The record stays and says that it expired, and so
//! does what the ledger says.

use std::collections::{BTreeMap, BTreeSet};

use testudo_protocol::consent::ConsentToken;
use testudo_protocol::envelope::Envelope;
use testudo_protocol::id::{EnvelopeHash, HubId, ItemId, ItemRef, Timestamp};
use testudo_protocol::ledger::{Basis, Entry, Opening};
use testudo_protocol::licence::Licence;
use testudo_protocol::notice::NoticeAct;
use testudo_protocol::receipt::Act;

use super::delivery::give_up;
use super::step::{After, Step};
use super::{Hub, Loading};
use crate::input::{CommandId, LoadId};
use crate::output::{Event, Family, Output};
use crate::records::{DeliveryState, ErasedRecord, ItemRecord, ItemState, key};
use crate::refusal::Refusal;
use crate::views::Reply;

/// Time between two looks for items whose time is over, in milliseconds.
const EXPIRY_MILLIS: u64 = 60 * 1_000;

/// Expired items that one look destroys; the next takes the rest.
const EXPIRED_MAX: usize = 64;

/// An erasure that is reading the envelopes it has to cut down to their outer parts.
pub(super) struct Erasure {
    cause: Cause,
    to_read: Vec<EnvelopeHash>,
    outers: Vec<(EnvelopeHash, Vec<u8>)>,
}

/// Why something is destroyed.
enum Cause {
    /// Somebody has ordered it, on a legal basis: the item in all versions. It may have been carried out before, and an
    /// older copy of the database have brought it back; then nobody waits for an answer.
    Law(Option<CommandId>, ErasedRecord),
    /// Its time is over: one version.
    Expired(ItemRef),
}

impl Hub {
    /// Notes which item an entry is about, so that an erasure finds it.
    pub(super) fn note_entry(&mut self, index: u64, entry: &Entry) {
        let item = match entry {
            Entry::Decision(decision) => Some(decision.item.item),
            Entry::Release { item, envelope, .. } => {
                self.envelope_items.insert(*envelope, item.item);
                Some(item.item)
            }
            Entry::Received { item, envelope, .. } => {
                if let Some(item) = item {
                    self.envelope_items.insert(*envelope, item.item);
                }
                item.map(|item| item.item)
            }
            Entry::Receipt { envelope, .. } => self.envelope_items.get(envelope).copied(),
            Entry::Retract { up_to, .. } | Entry::Purged { up_to, .. } => Some(up_to.item),
            // It names what was cut out of the one, and what became of it.
            Entry::Derived { item, from, .. } => {
                self.entries_about.entry(from.item).or_default().insert(index);
                Some(item.item)
            }
            Entry::Consent { item, .. } | Entry::Served { item, .. } => Some(item.item),
            _ => None,
        };
        if let Some(item) = item {
            self.entries_about.entry(item).or_default().insert(index);
        }
    }

    /// The same for an entry that is read back from its opening.
    pub(super) fn note_opening(&mut self, index: u64, opening: &[u8]) {
        if let Some(opening) = Opening::unchecked(opening) {
            self.note_entry(index, &opening.record().entry);
        }
    }

    /// Begins an erasure. Nothing is changed before every envelope has been read.
    pub(super) fn ask_erase(
        &mut self,
        command: CommandId,
        item: ItemId,
        basis: Basis,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if self.erased.contains_key(&item) {
            return Err(Refusal::Erased { item });
        }
        if !self.entries_about.contains_key(&item) {
            return Err(Refusal::NoSuchItem { item });
        }
        let record = ErasedRecord {
            item,
            time: self.now,
            basis,
        };
        self.begin_erasing(Some(command), record, out);
        Ok(())
    }

    fn begin_erasing(&mut self, command: Option<CommandId>, record: ErasedRecord, out: &mut Vec<Output>) {
        let erasure = Erasure {
            to_read: self.envelopes_of(record.item, |_| true),
            cause: Cause::Law(command, record),
            outers: Vec::new(),
        };
        self.go_on_erasing(erasure, out);
    }

    /// Finds what an older copy of the database has brought back of erased items: content is destroyed at once, and
    /// nothing is shown or served. The rest follows with the end of the fence, because it is entered and told to others.
    ///
    /// A crash before that leaves the records, and the next start finds them again.
    pub(super) fn hide_what_is_erased(&mut self, out: &mut Vec<Output>) {
        let is_back = |version: &ItemRef| self.erased.contains_key(&version.item);
        let back: Vec<ItemRef> = self.items.keys().copied().filter(is_back).collect();
        if back.is_empty() {
            return;
        }
        let mut step = Step::default();
        for version in back {
            step.erase(Family::Body, key::item(version));
            for receiver in self.forwarded_to(version) {
                step.erase(Family::Body, key::delivery(version, receiver));
            }
            self.forget_drafts_of(&mut step, version.item);
            self.titles.remove(&version);
            self.objects.forget(version);
            if let Some(record) = self.items.remove(&version) {
                let hidden = self.fence.erased_again.entry(version.item).or_default();
                hidden.push(record);
            }
        }
        let count = self.fence.erased_again.len();
        step.then(After::Report(Event::ErasedAgain { count }));
        self.commit(step, out);
    }

    /// An older copy of the database has none of the openings of a week that a later erasure sealed anew, because their
    /// key is destroyed. The entry that ends the fence names the gap; without an erasure that the copy does not know,
    /// a missing opening has no such excuse.
    pub(super) fn note_destroyed_openings(&mut self, openings: &BTreeMap<u64, Vec<u8>>) {
        if self.erased.is_empty() {
            return;
        }
        let mut known: BTreeSet<ItemId> = BTreeSet::new();
        let mut explained: BTreeSet<u64> = BTreeSet::new();
        for opening in openings
            .values()
            .filter_map(|opening| Opening::unchecked(opening))
        {
            match &opening.record().entry {
                Entry::Erased { item, entries, .. } => {
                    known.insert(*item);
                    explained.extend(entries);
                }
                Entry::Recovered { from, to } => explained.extend(*from..*to),
                _ => {}
            }
        }
        if self.erased.keys().all(|item| known.contains(item)) {
            return;
        }
        let missing = |index: &u64| !openings.contains_key(index) && !explained.contains(index);
        if let Some(first) = (0..self.ledger.size().get()).find(missing) {
            let lost_from = self.fence.lost_from.map_or(first, |lost| lost.min(first));
            self.fence.lost_from = Some(lost_from);
        }
    }

    /// Destroys what is left of them, enters it, and tells whoever may hold them.
    pub(super) fn erase_again(&mut self, out: &mut Vec<Output>) {
        let hidden = self.fence.erased_again.keys();
        let again: Vec<ErasedRecord> = hidden.filter_map(|item| self.erased.get(item).cloned()).collect();
        for record in again {
            self.begin_erasing(None, record, out);
        }
    }

    /// The envelopes in which we sent items, each once.
    fn envelopes_of(&self, item: ItemId, wanted: impl Fn(&ItemRef) -> bool) -> Vec<EnvelopeHash> {
        let sent = self.deliveries.of_item(item).filter(|sent| wanted(&sent.item));
        let made: BTreeSet<EnvelopeHash> = sent.map(|delivery| delivery.envelope).collect();
        made.into_iter().collect()
    }

    fn go_on_erasing(&mut self, erasure: Erasure, out: &mut Vec<Output>) {
        if let Some(envelope) = erasure.to_read.last().copied() {
            let load = LoadId(self.next_id());
            self.loading.insert(load, Loading::Erasure(Box::new(erasure)));
            out.push(Output::Load(load, Family::Envelope, key::envelope(envelope)));
            return;
        }
        let Erasure { cause, outers, .. } = erasure;
        let mut step = Step::default();
        for (envelope, outer) in outers {
            step.put_bytes(Family::Envelope, key::outer(envelope), outer);
            step.erase(Family::Envelope, key::envelope(envelope));
        }
        match cause {
            Cause::Law(command, record) => {
                let refused = self.erase(step, command, record, out).err();
                out.extend(
                    command
                        .zip(refused)
                        .map(|(id, refusal)| Output::Reply(id, Err(refusal))),
                );
            }
            // A record is far below the codec's limit.
            Cause::Expired(item) => {
                let _bounded = self.expire_one(step, item, out);
            }
        }
    }

    /// An envelope has been read: its outer part is kept.
    pub(super) fn on_erasure_loaded(
        &mut self,
        mut erasure: Erasure,
        row: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) {
        let envelope = erasure.to_read.pop();
        let decoded = row.and_then(|row| Envelope::decode(&row).ok());
        if let (Some(envelope), Some(decoded)) = (envelope, decoded) {
            erasure.outers.push((envelope, decoded.outer().to_bytes()));
        }
        self.go_on_erasing(erasure, out);
    }

    /// Everything in one step: a crash leaves all of it or nothing, and files that still hold erased bytes
    /// are cleaned again at the next start.
    fn erase(
        &mut self,
        mut step: Step,
        command: Option<CommandId>,
        record: ErasedRecord,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let (item, basis) = (record.item, record.basis.clone());
        let hidden = self.fence.erased_again.remove(&item).unwrap_or_default();
        self.items
            .extend(hidden.into_iter().map(|record| (record.item, record)));
        self.tell_holders(&mut step, item)?;
        let entries: Vec<u64> = self
            .entries_about
            .remove(&item)
            .unwrap_or_default()
            .into_iter()
            .collect();
        for index in &entries {
            step.erase(Family::Opening, key::index(*index));
            step.erase(Family::Opening, key::verdicts(*index));
            step.erase(Family::Opening, key::derivation(*index));
            self.openings.remove(index);
        }
        self.forget_item(&mut step, item)?;
        self.forget_drafts_of(&mut step, item);
        step.put(Family::Notice, key::erased(item), &record)?;
        self.erased.insert(item, record);
        let count = entries.len();
        let (entry, _) = self.enter(&mut step, Entry::Erased { item, entries, basis })?;
        if let Some(command) = command {
            let reply = Reply::Erased {
                item,
                entries: count,
                entry,
            };
            step.then(After::Reply(command, reply));
        }
        self.commit(step, out);
        Ok(())
    }

    /// Asks everyone who may hold one of our own items to destroy it too.
    fn tell_holders(&mut self, step: &mut Step, item: ItemId) -> Result<(), Refusal> {
        let Ok(version) = self.own(item) else {
            return Ok(());
        };
        let up_to = ItemRef { item, version };
        for holder in self.holders(item) {
            if !self.given_notices.contains_key(&(item, holder)) {
                self.give_notice(step, NoticeAct::Retracted, holder, up_to)?;
            }
        }
        Ok(())
    }

    /// Everyone who may have a version: by our sending, or onward by our consent or licence.
    pub(super) fn holders(&self, item: ItemId) -> Vec<HubId> {
        let onward = (self.consents.values())
            .map(ConsentToken::fields)
            .filter(|consent| consent.originator == self.me && consent.item.item == item)
            .map(|consent| consent.recipient)
            .filter(|recipient| *recipient != self.me);
        let licensed = (self.items.values())
            .filter(|record| record.item.item == item && record.originator == self.me)
            .flat_map(|record| self.licensed(&record.licence));
        let mut holders: Vec<HubId> = (self.deliveries.of_item(item))
            .filter(|delivery| delivery.may_have_left())
            .map(|delivery| delivery.receiver)
            .chain(onward)
            .chain(licensed)
            .collect();
        holders.sort();
        holders.dedup();
        holders
    }

    /// Whom a licence lets others give an item to without telling us.
    fn licensed(&self, licence: &Licence) -> Vec<HubId> {
        let Licence::Named { hubs, classes, .. } = licence else {
            return Vec::new();
        };
        let members = self.gate.charter().members();
        members
            .filter(|member| hubs.contains(&member.code) || classes.contains(&member.class))
            .map(|member| member.code)
            .filter(|code| *code != self.me)
            .collect()
    }

    /// Removes records, content and tokens, and gives up what was still to be sent.
    fn forget_item(&mut self, step: &mut Step, item: ItemId) -> Result<(), Refusal> {
        let queued: Vec<(ItemRef, HubId)> = (self.deliveries.of_item(item))
            .filter(|delivery| delivery.state == DeliveryState::Queued)
            .map(|delivery| (delivery.item, delivery.receiver))
            .collect();
        for of in queued {
            if let Some(delivery) = self.deliveries.update(&of, give_up) {
                step.put(Family::Delivery, key::delivery(of.0, of.1), delivery)?;
            }
        }
        let versions: Vec<ItemRef> = self
            .items
            .keys()
            .filter(|known| known.item == item)
            .copied()
            .collect();
        for version in versions {
            self.destroy_attachments(step, version);
            for (carrier, envelope) in self.carriers(version) {
                self.give_receipt(step, carrier, Act::Purged, envelope, version)?;
            }
            step.erase(Family::Item, key::item(version));
            step.erase(Family::Body, key::item(version));
            for receiver in self.forwarded_to(version) {
                step.erase(Family::Body, key::delivery(version, receiver));
            }
            self.items.remove(&version);
            self.titles.remove(&version);
            self.objects.forget(version);
        }
        let tokens: Vec<_> = self
            .consents
            .keys()
            .filter(|(of, ..)| of.item == item)
            .copied()
            .collect();
        for (of, holder, recipient) in tokens {
            step.erase(Family::Consent, key::consent(of, holder, recipient));
            self.consents.remove(&(of, holder, recipient));
        }
        let asked: Vec<_> = self
            .asks
            .keys()
            .filter(|(of, ..)| of.item == item)
            .copied()
            .collect();
        for (of, holder, recipient) in asked {
            step.erase(Family::Consent, key::consent_ask(of, holder, recipient));
            self.asks.remove(&(of, holder, recipient));
        }
        Ok(())
    }

    /// Begins to destroy the content of items whose time is over. Their records stay and say so.
    pub(super) fn expire(&mut self, out: &mut Vec<Output>) {
        if self.is_fenced() || self.now < self.expiry_due {
            return;
        }
        self.expiry_due = self.now.plus_millis(EXPIRY_MILLIS);
        let over = |at: u64| at > 0 && Timestamp::from_seconds(at) <= self.now;
        let due: Vec<ItemRef> = (self.items.values())
            .filter(|record| matches!(record.state, ItemState::Released | ItemState::Corrected))
            .filter(|record| over(record.label.expires_at))
            .map(|record| record.item)
            .take(EXPIRED_MAX)
            .collect();
        for item in due {
            let erasure = Erasure {
                cause: Cause::Expired(item),
                to_read: self.envelopes_of(item.item, |sent| *sent == item),
                outers: Vec::new(),
            };
            self.go_on_erasing(erasure, out);
        }
    }

    /// In one step, like an erasure. Its receipts follow once it is durable.
    fn expire_one(&mut self, mut step: Step, item: ItemRef, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let live =
            |record: &&mut ItemRecord| matches!(record.state, ItemState::Released | ItemState::Corrected);
        // It may have been withdrawn or erased while its envelopes were read.
        let Some(record) = self.items.get_mut(&item).filter(live) else {
            return Ok(());
        };
        let originator = record.originator;
        record.state = ItemState::Expired;
        step.put(Family::Item, key::item(item), record)?;
        step.erase(Family::Body, key::item(item));
        for receiver in self.forwarded_to(item) {
            step.erase(Family::Body, key::delivery(item, receiver));
        }
        self.titles.remove(&item);
        self.destroy_attachments(&mut step, item);
        self.objects.forget(item);
        let entry = Entry::Purged {
            up_to: item,
            originator,
        };
        self.enter(&mut step, entry)?;
        for (carrier, envelope) in self.carriers(item) {
            self.give_receipt(&mut step, carrier, Act::Purged, envelope, item)?;
        }
        self.commit(step, out);
        Ok(())
    }

    /// Whether an item of this id was erased here: it is refused, however it comes.
    pub(super) fn is_erased(&self, item: ItemId) -> bool {
        self.erased.contains_key(&item)
    }
}
