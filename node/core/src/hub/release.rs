//! From an approved draft to an envelope that may be sent.
//!
//! ```text
//! ask_release --decision entry--> (durable) --permits--> Seal (key, then content) --> rows, entries --> (durable) --> push
//! ```
//!
//! One at a time, so that the sequence numbers of a log are given out in order. A crash before
//! the first durable step leaves nothing; between the two it leaves a decision that nobody was
//! told of, and the command was never answered; after the second the outbox sends on restart. The key of an
//! audience becomes durable with the envelope that it was made for: there is nothing between the two.

use std::collections::BTreeSet;

use testudo_crypto::digest::Digest;
use testudo_crypto::seal::SealError;
use testudo_policies::explain::Language;
use testudo_policies::gate::{Answer, Denied};
use testudo_policies::permit::{MintError, Permit};
use testudo_policies::vocabulary::Action;
use testudo_protocol::envelope::{
    AudienceKey, DecisionRef, Envelope, Header, Kind, Licence, LogEntry, Outer, OuterFields, RECIPIENTS_MAX,
    SignedPart, key_tag, sealing_context,
};
use testudo_protocol::id::{AudienceId, EnvelopeHash, Hash, HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::{Decision, DecisionAct, Entry};
use testudo_protocol::notice::NoticeAct;
use testudo_protocol::sync::Head;
use testudo_protocol::wire;

use super::audience::{EpochPlan, Way, copy};
use super::consent::ForwardRequest;
use super::decide::{Proposed, VerdictLine, Verdicts};
use super::step::{After, Step};
use super::{Hub, JOBS_MAX};
use crate::input::{CommandId, ReleaseCommand, SealId};
use crate::output::{Event, Family, Output};
use crate::records::{Access, BodyRow, DeliveryRecord, DeliveryState, ItemRecord, ItemState, LogPlace, key};
use crate::refusal::Refusal;
use crate::seal_order::{SealOrder, SealTo};
use crate::views::{Reply, Verdict};

/// A release that waits for its turn.
pub(super) enum Job {
    /// One of our own items.
    Release(CommandId, Box<ReleaseCommand>),
    /// Another hub's item, its body at hand.
    Forward(Box<ForwardRequest>, Vec<u8>),
}

/// What is to be sealed, once the decision about it is durable.
pub(super) struct Decided {
    pub(super) command: CommandId,
    pub(super) act: DecisionAct,
    pub(super) kind: Kind,
    pub(super) item: ItemRef,
    pub(super) originator: HubId,
    pub(super) label: Label,
    pub(super) purpose: String,
    /// What the header names: the bundle, or the forward's body.
    pub(super) body: Vec<u8>,
    /// Title and number of objects of an own item.
    pub(super) summary: Option<(String, u32)>,
    /// The hash that the gate was asked about.
    pub(super) asked_hash: Hash,
    pub(super) consent: Option<testudo_protocol::consent::ConsentToken>,
    /// When the originator made the item.
    pub(super) created: Timestamp,
    pub(super) verdicts: Verdicts,
    pub(super) views: Vec<Verdict>,
    pub(super) decision: (u64, Vec<u8>),
}

/// An envelope that is being sealed.
pub(super) struct Sealing {
    composed: Box<Composed>,
    stage: Stage,
}

/// What has been decided and signed, and is to be sealed.
struct Composed {
    decided: Decided,
    header: Header,
    part: SignedPart,
    previous: Head,
    recipients: Vec<HubId>,
    plan: EpochPlan,
}

/// What is being sealed for it.
enum Stage {
    /// The key of its audience; then the content.
    Key(SealOrder),
    /// The content, behind the entry of its key if that is new.
    Content(Option<Envelope>),
}

impl Hub {
    pub(super) fn ask_release(
        &mut self,
        id: CommandId,
        command: Box<ReleaseCommand>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        self.enqueue(Job::Release(id, command), out)
    }

    pub(super) fn enqueue(&mut self, job: Job, out: &mut Vec<Output>) -> Result<(), Refusal> {
        if self.jobs.len() >= JOBS_MAX {
            return Err(Refusal::Busy {
                waiting: self.jobs.len(),
            });
        }
        self.jobs.push_back(job);
        if !self.working {
            self.next_job(out);
        }
        Ok(())
    }

    /// Begins releases until one is under way; those that are refused are answered at once.
    pub(super) fn next_job(&mut self, out: &mut Vec<Output>) {
        self.working = false;
        while let Some(job) = self.jobs.pop_front() {
            let (command, begun) = match job {
                Job::Release(command, release) => (command, self.decide_release(command, release, out)),
                Job::Forward(request, row) => (request.command, self.decide_forward(*request, &row, out)),
            };
            match begun {
                Ok(()) => {
                    self.working = true;
                    return;
                }
                Err(refusal) => out.push(Output::Reply(command, Err(refusal))),
            }
        }
    }

    fn decide_release(
        &mut self,
        command: CommandId,
        release: Box<ReleaseCommand>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let proposed = self.propose(release.draft)?;
        let verdicts = self.ask_everyone(&self.question(&proposed));
        if self.preview_hash(&proposed, &verdicts)? != release.preview {
            return Err(Refusal::PreviewChanged);
        }
        if verdicts.allowed.is_empty() {
            return Err(Refusal::Nobody {
                rules: every_rule(&verdicts),
            });
        }
        let receivers = verdicts.allowed.len();
        if receivers > RECIPIENTS_MAX {
            return Err(Refusal::TooManyReceivers { receivers });
        }
        let Proposed {
            draft,
            bundle,
            item,
            body_hash,
        } = proposed;
        let item = match draft.corrects {
            Some(_) => item,
            None => ItemRef {
                item: ItemId::new(self.entropy.bytes16()),
                version: item.version,
            },
        };
        let objects = u32::try_from(bundle.object_count()).unwrap_or(u32::MAX);
        let views = self.verdict_views(&verdicts, &draft.label, Language::English);
        self.record_decision(
            Decided {
                command,
                act: DecisionAct::Release,
                kind: if draft.corrects.is_some() {
                    Kind::Correction
                } else {
                    Kind::Assessment
                },
                item,
                originator: self.me,
                label: draft.label,
                purpose: draft.purpose,
                summary: Some((bundle.title().to_owned(), objects)),
                body: bundle.bytes().to_vec(),
                asked_hash: body_hash,
                consent: None,
                created: self.now,
                views,
                verdicts,
                decision: (0, Vec::new()),
            },
            out,
        )
    }

    /// First durable step: the decision alone. Nothing is sealed before it is on disk.
    pub(super) fn record_decision(
        &mut self,
        mut decided: Decided,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let (verdicts_root, lines) = self.verdicts_root(&decided.verdicts);
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let entry = Entry::Decision(Decision {
            act: decided.act,
            item: decided.item,
            body_hash: decided.asked_hash,
            charter: self.gate.charter_version(),
            policies: self.gate.policies(),
            verdicts_root,
            allowed: count(decided.verdicts.allowed.len()),
            denied: count(decided.verdicts.denied.len()),
        });
        let mut step = Step::default();
        decided.decision = self.enter(&mut step, entry)?;
        put_verdicts(&mut step, decided.decision.0, &lines)?;
        step.then(After::Report(Event::Decided {
            item: decided.item,
            allowed: decided.verdicts.allowed.len(),
            denied: decided
                .verdicts
                .denied
                .iter()
                .map(|(hub, denied)| (*hub, denied.rules().to_vec()))
                .collect(),
        }));
        let policies = Self::failed_policies(&decided.verdicts);
        if !policies.is_empty() {
            step.then(After::Report(Event::PolicyFailed {
                item: decided.item,
                policies,
            }));
        }
        step.then(After::Decided(Box::new(decided)));
        self.commit(step, out);
        Ok(())
    }

    /// The decision is durable: mint one permit for each receiver and have it sealed to them.
    pub(super) fn on_decided(&mut self, decided: Decided, out: &mut Vec<Output>) {
        let command = decided.command;
        if let Err(refusal) = self.seal_content(decided, out) {
            out.push(Output::Reply(command, Err(refusal)));
            self.next_job(out);
        }
    }

    fn seal_content(&mut self, decided: Decided, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let internal = |what| Refusal::Internal { what };
        let (index, opening) = &decided.decision;
        let recorded = self
            .ledger
            .recorded(*index, opening)
            .map_err(|_| internal("a decision is not recorded"))?;
        let mut permits = Vec::new();
        let question = decided.question(self.me, self.now);
        for answer in self.gate.ask_each(&question, &decided.verdicts.allowed) {
            match answer {
                Answer::Allowed(allowed) => {
                    permits.push(Permit::mint(allowed, &recorded).map_err(|error| match error {
                        MintError::OtherItem => internal("a decision covers another item"),
                        // Policies were exchanged while the decision was being written.
                        MintError::OtherGrounds => Refusal::PreviewChanged,
                    })?);
                }
                // Time has passed since the decision, so an item can have expired in between.
                Answer::Denied(_) => return Err(Refusal::PreviewChanged),
            }
        }
        let hubs: Vec<HubId> = permits.iter().map(Permit::receiver).collect();
        let decision = recorded.at();
        let audience = self.keys.audience(self.gate.charter().realm(), &hubs);
        let previous = self
            .heads
            .get(&(self.me, audience))
            .copied()
            .unwrap_or(Head::EMPTY);
        let plan = self.plan(audience, &hubs)?;
        let header = self.header(&decided, audience, &plan, previous, decision);
        let hedge = self.entropy.bytes32();
        let part = SignedPart::sign(&header, decided.body.clone(), &self.keys.payload, hedge)
            .map_err(|_| internal("a header is over its limit"))?;
        let key_order = self.key_order(audience, &plan, previous, &permits)?;
        let content_order = content_order(permits, &header, &plan, &part)?;
        let (order, stage) = match key_order {
            Some(key_order) => (key_order, Stage::Key(content_order)),
            None => (content_order, Stage::Content(None)),
        };
        let seal = SealId(self.next_id());
        let composed = Box::new(Composed {
            decided,
            header,
            part,
            previous,
            recipients: hubs,
            plan,
        });
        self.sealing.insert(seal, Sealing { composed, stage });
        out.push(Output::Seal(seal, order));
        Ok(())
    }

    /// The order for the key that goes before the envelope, if a new one does.
    fn key_order(
        &mut self,
        audience: AudienceId,
        plan: &EpochPlan,
        previous: Head,
        permits: &[Permit],
    ) -> Result<Option<SealOrder>, Refusal> {
        let internal = |what| Refusal::Internal { what };
        let Way::Standing { secret, key_for } = &plan.way else {
            return Ok(None);
        };
        if key_for.is_empty() {
            return Ok(None);
        }
        let fields = self.audience_key_fields(audience, plan, previous.height.next());
        let hedge = self.entropy.bytes32();
        let plaintext = AudienceKey::plaintext(&fields, secret, &self.keys.payload, hedge)
            .map_err(|_| internal("a recipient list is over its limit"))?;
        SealOrder::audience_key(permits, key_for.clone(), plaintext)
            .map(Some)
            .map_err(|_| internal("a member would be sealed to without a permit"))
    }

    fn header(
        &self,
        decided: &Decided,
        audience: AudienceId,
        plan: &EpochPlan,
        previous: Head,
        decision: DecisionRef,
    ) -> Header {
        let sequence = if plan.has_key_entry() {
            previous.height.next().next()
        } else {
            previous.height.next()
        };
        let realm = self.gate.charter().realm();
        let supersedes = (decided.kind == Kind::Correction)
            .then(|| ItemVersion::new(decided.item.version.get().saturating_sub(1)))
            .map(|version| ItemRef {
                item: decided.item.item,
                version,
            });
        Header {
            suite: plan.suite,
            federation: realm.federation().to_owned(),
            realm: realm.name().to_owned(),
            item: decided.item,
            originator: self.me,
            key: key_tag(&self.keys.payload.verifying_key()),
            charter: self.gate.charter_version(),
            audience,
            epoch: plan.record.epoch,
            sequence,
            created: self.now,
            expires: Timestamp::from_seconds(decided.label.expires_at),
            decision,
            recipients_root: plan.record.recipients.root(),
            label: decided.label.clone(),
            purpose: decided.purpose.clone(),
            kind: decided.kind,
            supersedes,
            licence: Licence::ConsentOnly,
            body_hash: Digest::of(&decided.body).into(),
        }
    }

    pub(super) fn on_sealed(
        &mut self,
        id: SealId,
        result: Result<Vec<u8>, SealError>,
        out: &mut Vec<Output>,
    ) {
        if self.on_notice_sealed(id, &result, out) || self.on_resealed(id, &result, out) {
            return;
        }
        let Some(sealing) = self.sealing.remove(&id) else {
            return;
        };
        let command = sealing.composed.decided.command;
        let sealed = result.map_err(|_| Refusal::Internal {
            what: "sealing failed",
        });
        if let Err(refusal) = sealed.and_then(|cipher| self.go_on(sealing, cipher, out)) {
            out.push(Output::Reply(command, Err(refusal)));
            self.next_job(out);
        }
    }

    /// The key is sealed: seal the content. The content is sealed: release it.
    fn go_on(&mut self, sealing: Sealing, cipher: Vec<u8>, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let Sealing { composed, stage } = sealing;
        match stage {
            Stage::Key(content_order) => {
                let (header, previous) = (&composed.header, composed.previous);
                let entry = self.log_envelope(header, LogEntry::AudienceKey, previous, cipher)?;
                let seal = SealId(self.next_id());
                let stage = Stage::Content(Some(entry));
                self.sealing.insert(seal, Sealing { composed, stage });
                out.push(Output::Seal(seal, content_order));
                Ok(())
            }
            Stage::Content(key_entry) => self.release_sealed(*composed, key_entry, cipher, out),
        }
    }

    /// Second durable step: key entry, envelope, item, deliveries, head and release entry together.
    fn release_sealed(
        &mut self,
        composed: Composed,
        key_entry: Option<Envelope>,
        cipher: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let item = composed.decided.item.item;
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
        step.put_bytes(Family::Envelope, key::envelope(hash), envelope.to_bytes());
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
        for receiver in recipients {
            step.then(After::Push(receiver));
        }
        step.then(After::NextJob);
        self.commit(step, out);
        Ok(())
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

    /// Signs the outer part of the next entry of a log.
    fn log_envelope(
        &self,
        header: &Header,
        entry: LogEntry,
        previous: Head,
        cipher: Vec<u8>,
    ) -> Result<Envelope, Refusal> {
        let fields = OuterFields {
            suite: header.suite,
            entry,
            sender: self.me,
            audience: header.audience,
            epoch: header.epoch,
            sequence: previous.height.next(),
            previous: previous.link,
            cipher_hash: Digest::of(&cipher).into(),
            cipher_bytes: u64::try_from(cipher.len()).unwrap_or(u64::MAX),
            // The key of an audience outlives the item that it was made for.
            expires: match entry {
                LogEntry::Content => header.expires,
                LogEntry::AudienceKey => Timestamp::default(),
            },
        };
        let outer = Outer::sign(fields, self.keys.payload.classical(), self.gate.charter().realm());
        Envelope::new(outer, cipher).map_err(|_| Refusal::Internal {
            what: "an envelope is over its limit",
        })
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
            purpose: decided.purpose.clone(),
            body_hash: decided.asked_hash,
            created: header.created,
            stored: self.now,
            state: ItemState::Released,
            envelope,
            opened: None,
            acknowledged: None,
        };
        let (title, objects) = decided.summary.clone().unwrap_or_default();
        let body = BodyRow {
            title: title.clone(),
            objects,
            part: part.to_bytes(),
        };
        step.put(Family::Body, key::item(record.item), &body)?;
        step.put(Family::Item, key::item(record.item), &record)?;
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
            self.deliveries.insert((record.item, receiver), record);
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

/// The order for the content itself.
fn content_order(
    permits: Vec<Permit>,
    header: &Header,
    plan: &EpochPlan,
    part: &SignedPart,
) -> Result<SealOrder, Refusal> {
    let internal = |what| Refusal::Internal { what };
    let (to, plaintext) = match &plan.way {
        Way::Direct(hubs) => {
            let plaintext = part.plaintext(&plan.record.recipients);
            let plaintext = plaintext.map_err(|_| internal("a recipient list is over its limit"))?;
            (SealTo::Hubs(hubs.clone()), plaintext)
        }
        Way::Standing { secret, .. } => {
            let (secret, me) = (copy(secret), header.originator);
            let context = sealing_context(me, header.audience, header.epoch, header.sequence);
            (
                SealTo::Audience { secret, context },
                part.plaintext_for_audience(),
            )
        }
    };
    SealOrder::content(permits, to, plaintext)
        .map_err(|_| internal("a member would be sealed to without a permit"))
}

impl Decided {
    /// What the gate is asked about this release.
    pub(super) fn question(&self, sender: HubId, now: Timestamp) -> testudo_policies::gate::Question<'_> {
        testudo_policies::gate::Question {
            action: match self.act {
                DecisionAct::Release | DecisionAct::Resend => Action::Release,
                DecisionAct::Forward => Action::Forward,
            },
            sender,
            originator: self.originator,
            item: self.item,
            body_hash: self.asked_hash,
            label: &self.label,
            purpose: &self.purpose,
            consent: self.consent.as_ref(),
            created: self.created,
            now,
        }
    }
}

/// Stores the lines behind a decision's root as part of its step.
pub(super) fn put_verdicts(step: &mut Step, decision: u64, lines: &[VerdictLine]) -> Result<(), Refusal> {
    let row = key::verdicts(decision);
    let bytes = wire::encode(&lines).map_err(|_| Refusal::Internal {
        what: "verdicts are over their limit",
    })?;
    step.put_bytes(Family::Opening, row, bytes);
    Ok(())
}

/// Every rule that denies somebody, each once.
pub(super) fn every_rule(verdicts: &Verdicts) -> Vec<String> {
    let rules: BTreeSet<String> = verdicts
        .denied
        .iter()
        .flat_map(|(_, denied): &(HubId, Denied)| denied.rules().to_vec())
        .collect();
    rules.into_iter().collect()
}
