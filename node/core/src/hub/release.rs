//! From an approved draft to an envelope that may be sent.
//!
//! ```text
//! ask_release --decision entry--> (durable) --permits--> Seal --> envelope, rows, release entry --> (durable) --> push
//! ```
//!
//! One at a time, so that the sequence numbers of a log are given out in order. A crash before
//! the first durable step leaves nothing; between the two it leaves a decision that nobody was
//! told of, and the command was never answered; after the second the outbox sends on restart.

use std::collections::BTreeSet;

use testudo_crypto::commit::Salt;
use testudo_crypto::digest::Digest;
use testudo_crypto::seal::SealError;
use testudo_policies::explain::Language;
use testudo_policies::gate::{Answer, Denied};
use testudo_policies::permit::{MintError, Permit};
use testudo_policies::vocabulary::Action;
use testudo_protocol::envelope::{
    Envelope, Header, Kind, Licence, Outer, OuterFields, RecipientEntry, Recipients, SUITE, SignedPart,
    key_tag,
};
use testudo_protocol::id::{AudienceId, Hash, HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::{Decision, DecisionAct, Entry};
use testudo_protocol::notice::NoticeAct;
use testudo_protocol::sync::Head;
use testudo_protocol::wire;

use super::consent::ForwardRequest;
use super::decide::{Proposed, VerdictLine, Verdicts};
use super::step::{After, Step};
use super::{Hub, JOBS_MAX};
use crate::input::{CommandId, ReleaseCommand, SealId};
use crate::output::{Event, Family, Output};
use crate::records::{BodyRow, DeliveryRecord, DeliveryState, ItemRecord, ItemState, key};
use crate::refusal::Refusal;
use crate::seal_order::SealOrder;
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
    decided: Decided,
    header: Header,
    part: SignedPart,
    previous: Head,
    recipients: Vec<HubId>,
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
        let recipients = Recipients::new(hubs.iter().map(|hub| self.recipient_entry(*hub)).collect());
        let audience = self.keys.audience(self.gate.charter().realm(), &hubs);
        let previous = self
            .heads
            .get(&(self.me, audience))
            .copied()
            .unwrap_or(Head::EMPTY);
        let header = self.header(&decided, audience, &recipients, previous, recorded.at());
        let part = SignedPart::sign(&header, decided.body.clone(), &self.keys.payload)
            .map_err(|_| internal("a header is over its limit"))?;
        let plaintext = part
            .plaintext(&recipients)
            .map_err(|_| internal("a recipient list is over its limit"))?;
        let order = SealOrder::content(permits, self.gate.charter(), plaintext)
            .map_err(|_| internal("a member has no usable recipient key"))?;
        let seal = SealId(self.next_id());
        self.sealing.insert(
            seal,
            Sealing {
                decided,
                header,
                part,
                previous,
                recipients: hubs,
            },
        );
        out.push(Output::Seal(seal, order));
        Ok(())
    }

    fn recipient_entry(&mut self, hub: HubId) -> RecipientEntry {
        RecipientEntry {
            hub,
            salt: Hash::new(*Salt::generate(&mut self.entropy).as_bytes()),
        }
    }

    fn header(
        &self,
        decided: &Decided,
        audience: AudienceId,
        recipients: &Recipients,
        previous: Head,
        decision: testudo_protocol::envelope::DecisionRef,
    ) -> Header {
        let realm = self.gate.charter().realm();
        let supersedes = (decided.kind == Kind::Correction)
            .then(|| ItemVersion::new(decided.item.version.get().saturating_sub(1)))
            .map(|version| ItemRef {
                item: decided.item.item,
                version,
            });
        Header {
            suite: SUITE,
            federation: realm.federation().to_owned(),
            realm: realm.name().to_owned(),
            item: decided.item,
            originator: self.me,
            key: key_tag(&self.keys.payload.verifying_key()),
            charter: self.gate.charter_version(),
            audience,
            epoch: 0,
            sequence: previous.height.next(),
            created: self.now,
            expires: Timestamp::from_seconds(decided.label.expires_at),
            decision,
            recipients_root: recipients.root(),
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
        if self.on_notice_sealed(id, &result, out) {
            return;
        }
        let Some(sealing) = self.sealing.remove(&id) else {
            return;
        };
        let command = sealing.decided.command;
        let sealed = result.map_err(|_| Refusal::Internal {
            what: "sealing failed",
        });
        if let Err(refusal) = sealed.and_then(|cipher| self.release_sealed(sealing, cipher, out)) {
            out.push(Output::Reply(command, Err(refusal)));
            self.next_job(out);
        }
    }

    /// Second durable step: envelope, item, deliveries, head and release entry together.
    fn release_sealed(
        &mut self,
        sealing: Sealing,
        cipher: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let item = sealing.decided.item.item;
        // Withdrawn while it was being sealed: the decision stands in the ledger, nothing is released.
        if self
            .latest(item)
            .is_some_and(|record| record.state == ItemState::Retracted)
        {
            return Err(Refusal::Withdrawn { item });
        }
        let envelope = self.envelope(&sealing, cipher)?;
        let Sealing {
            decided,
            header,
            part,
            previous,
            recipients,
        } = sealing;
        let hash = envelope.hash();
        let mut step = Step::default();
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
        let head = previous.advanced(hash);
        step.put(Family::Log, key::log(self.me, header.audience), &head)?;
        self.heads.insert((self.me, header.audience), head);
        if decided.act == DecisionAct::Release {
            self.store_own(&mut step, &decided, &header, &part, hash)?;
        }
        self.store_deliveries(&mut step, &decided, &header, hash)?;
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

    fn envelope(&self, sealing: &Sealing, cipher: Vec<u8>) -> Result<Envelope, Refusal> {
        let header = &sealing.header;
        let fields = OuterFields {
            sender: self.me,
            audience: header.audience,
            epoch: header.epoch,
            sequence: header.sequence,
            previous: sealing.previous.link,
            cipher_hash: Digest::of(&cipher).into(),
            cipher_bytes: u64::try_from(cipher.len()).unwrap_or(u64::MAX),
            expires: header.expires,
        };
        let outer = Outer::sign(fields, &self.keys.payload, self.gate.charter().realm());
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
        envelope: testudo_protocol::id::EnvelopeHash,
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
        envelope: testudo_protocol::id::EnvelopeHash,
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
            if let Some(record) = self.items.get_mut(&item) {
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
    let row = [key::index(decision), b"v".to_vec()].concat();
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
