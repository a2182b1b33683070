//! The second durable step of a release: everything that it leaves behind, in one batch.
//!
//! A crash before it leaves the decision alone; after it the outbox sends on restart.

use testudo_crypto::commit::{Salt, salted_leaf};
use testudo_crypto::merkle::tree_root;
use testudo_protocol::envelope::{Envelope, Header, Kind, LogEntry, SignedPart};
use testudo_protocol::id::{EnvelopeHash, Hash, HubId, ItemRef, ItemVersion};
use testudo_protocol::ledger::{DecisionAct, Entry};
use testudo_protocol::notice::NoticeAct;
use testudo_protocol::sync::Head;

use super::Hub;
use super::audience::EpochPlan;
use super::compose::Composed;
use super::drafts::Approved;
use super::lane::Released;
use super::release::{Decided, Summary};
use super::step::{After, Step};
use crate::output::{Family, Output};
use crate::records::{Access, BodyRow, DeliveryRecord, DeliveryState, ItemRecord, ItemState, LogPlace, key};
use crate::refusal::Refusal;
use crate::views::Reply;

impl Hub {
    /// Second durable step: key entry, envelope, item, deliveries, head and release entry together.
    pub(super) fn release_sealed(
        &mut self,
        composed: Composed,
        key_entry: Option<Envelope>,
        cipher: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let item = composed.decided.item.item;
        self.may_sign()?;
        // Withdrawn while it was being sealed: the decision stands in the ledger, nothing is released.
        if self
            .latest(item)
            .is_some_and(|record| record.state == ItemState::Retracted)
        {
            return Err(Refusal::Withdrawn { item });
        }
        if self.is_erased(item) {
            return Err(Refusal::Erased { item });
        }
        let Composed {
            decided,
            header,
            part,
            previous,
            recipients,
            plan,
        } = composed;
        let before = (key_entry.as_ref()).map_or(previous, |entry| previous.advanced(entry.hash()));
        let envelope = self.log_envelope(&header, LogEntry::Content, before, cipher)?;
        let hash = envelope.hash();
        let mut step = Step::default();
        let key_place = match &key_entry {
            Some(entry) => Some(self.store_key_entry(&mut step, entry, &plan, &header, previous)?),
            None => None,
        };
        self.enter(
            &mut step,
            Entry::Release {
                item: decided.item,
                envelope: hash,
                audience: header.audience,
                sequence: header.sequence,
                decision: decided.decision.0,
                recipients_root: header.recipients_root,
            },
        )?;
        let bytes = envelope.to_bytes();
        step.put_bytes(Family::Envelope, key::envelope(hash), bytes.clone());
        let head = before.advanced(hash);
        step.put(Family::Log, key::log(self.me, header.audience), &head)?;
        self.heads.insert((self.me, header.audience), head);
        if decided.act == DecisionAct::Release {
            self.store_own(&mut step, &decided, &header, &part, hash)?;
        } else {
            for receiver in &recipients {
                let row = key::delivery(decided.item, *receiver);
                step.put_bytes(Family::Body, row, part.to_bytes());
            }
        }
        if let Some(approved) = &decided.approved {
            self.enter_derivation(&mut step, &decided, approved)?;
            self.forget_draft(&mut step, approved.draft);
        }
        self.store_deliveries(&mut step, &decided, &header, hash, &plan, key_place)?;
        self.begin_epoch(&mut step, header.audience, plan)?;
        self.openings
            .insert(decided.decision.0, decided.decision.1.clone());
        if decided.kind == Kind::Correction {
            self.supersede(&mut step, &decided, &recipients)?;
        }
        step.then(After::Reply(
            decided.command,
            Reply::Released {
                item: decided.item.item,
                version: decided.item.version,
                recipients: recipients.clone(),
                denied: decided
                    .views
                    .into_iter()
                    .filter(|view| view.decision == "deny")
                    .collect(),
                decision: decided.decision.0,
            },
        ));
        step.then(After::Send(Box::new(Released {
            item: decided.item,
            audience: header.audience,
            receivers: recipients,
            key_entry: key_entry.map(|entry| entry.to_bytes()),
            envelope: bytes,
        })));
        step.then(After::NextJob);
        self.commit(step, out);
        Ok(())
    }

    /// Enters what was cut and that two people saw it: ids and names under salts, in a row that is erased with the item.
    fn enter_derivation(
        &mut self,
        step: &mut Step,
        decided: &Decided,
        approved: &Approved,
    ) -> Result<(), Refusal> {
        let Some(derived) = &decided.derived else {
            return Ok(());
        };
        let mut leaves = Vec::new();
        let mut lines: Vec<(String, Hash)> = Vec::new();
        let people = [approved.maker.code(), approved.approver.code()];
        for said in derived.cut.iter().map(String::as_str).chain(people) {
            let salt = Salt::generate(&mut self.entropy);
            leaves.push(salted_leaf(&salt, said.as_bytes()));
            lines.push((said.to_owned(), Hash::new(*salt.as_bytes())));
        }
        let entry = Entry::Derived {
            item: decided.item,
            from: derived.from,
            cut: u32::try_from(derived.cut.len()).unwrap_or(u32::MAX),
            root: tree_root(&leaves).digest().into(),
        };
        let (index, _) = self.enter(step, entry)?;
        step.put(Family::Opening, key::derivation(index), &lines)
    }

    fn store_key_entry(
        &mut self,
        step: &mut Step,
        entry: &Envelope,
        plan: &EpochPlan,
        header: &Header,
        previous: Head,
    ) -> Result<LogPlace, Refusal> {
        let (envelope, sequence) = (entry.hash(), previous.height.next());
        let made = Entry::AudienceKey {
            audience: header.audience,
            epoch: plan.record.epoch,
            envelope,
            sequence,
            recipients_root: header.recipients_root,
            sealed_to: u32::try_from(plan.record.sealed_to.len()).unwrap_or(u32::MAX),
        };
        self.enter(step, made)?;
        step.put_bytes(Family::Envelope, key::envelope(envelope), entry.to_bytes());
        Ok(LogPlace { sequence, envelope })
    }

    fn store_own(
        &mut self,
        step: &mut Step,
        decided: &Decided,
        header: &Header,
        part: &SignedPart,
        envelope: EnvelopeHash,
    ) -> Result<(), Refusal> {
        let record = ItemRecord {
            item: decided.item,
            originator: decided.originator,
            sender: self.me,
            also_via: Vec::new(),
            kind: decided.kind,
            label: decided.label.clone(),
            licence: decided.licence.clone(),
            derived_from: decided.derived_from,
            sources: decided.sources.clone(),
            purpose: decided.purpose.clone(),
            body_hash: decided.asked_hash,
            key: header.key,
            created: header.created,
            stored: self.now,
            state: ItemState::Released,
            envelope,
            opened: None,
            acknowledged: None,
        };
        let Summary { title, objects, tags } = decided.summary.clone().unwrap_or_default();
        self.objects.insert(record.item, tags.clone());
        let body = BodyRow {
            title: title.clone(),
            objects,
            tags,
            part: part.to_bytes(),
        };
        step.put(Family::Body, key::item(record.item), &body)?;
        step.put(Family::Item, key::item(record.item), &record)?;
        self.store_own_attachments(step, record.item, &decided.attachments)?;
        self.titles.insert(record.item, title);
        self.items.insert(record.item, record);
        Ok(())
    }

    fn store_deliveries(
        &mut self,
        step: &mut Step,
        decided: &Decided,
        header: &Header,
        envelope: EnvelopeHash,
        plan: &EpochPlan,
        key_place: Option<LogPlace>,
    ) -> Result<(), Refusal> {
        let queued = decided
            .verdicts
            .allowed
            .iter()
            .map(|hub| (*hub, DeliveryState::Queued));
        let refused = decided
            .verdicts
            .denied
            .iter()
            .map(|(hub, denied)| (*hub, Self::refused(denied)));
        for (receiver, state) in queued.chain(refused) {
            let record = DeliveryRecord {
                item: decided.item,
                receiver,
                act: decided.act,
                decision: decided.decision.0,
                envelope,
                audience: header.audience,
                sequence: header.sequence,
                epoch: header.epoch,
                key: key_place,
                access: match state {
                    DeliveryState::Queued => plan.access(receiver),
                    _ => Access::Owed,
                },
                state,
                delivered: None,
                opened: None,
                acknowledged: None,
                purged: None,
            };
            step.put(Family::Delivery, key::delivery(record.item, receiver), &record)?;
            self.deliveries.insert(record);
        }
        Ok(())
    }

    /// Marks earlier versions as corrected; tells those who had one and do not get this one.
    fn supersede(&mut self, step: &mut Step, decided: &Decided, recipients: &[HubId]) -> Result<(), Refusal> {
        let earlier: Vec<ItemRef> = (self.items.keys())
            .filter(|item| item.item == decided.item.item && item.version < decided.item.version)
            .copied()
            .collect();
        for item in earlier {
            let standing = |record: &&mut ItemRecord| record.state != ItemState::Expired;
            if let Some(record) = self.items.get_mut(&item).filter(standing) {
                record.state = ItemState::Corrected;
                step.put(Family::Item, key::item(item), record)?;
            }
        }
        let previous = ItemVersion::new(decided.item.version.get().saturating_sub(1));
        let up_to = ItemRef {
            item: decided.item.item,
            version: previous,
        };
        for addressee in self.narrowed(decided.item, recipients) {
            self.give_notice(step, NoticeAct::Narrowed, addressee, up_to)?;
        }
        Ok(())
    }
}
