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

use testudo_crypto::commit::Salt;
use testudo_policies::explain::Language;
use testudo_policies::gate::{Denied, Question, Source};
use testudo_policies::vocabulary::Action;
use testudo_protocol::bundle::Bundle;
use testudo_protocol::envelope::{Kind, RECIPIENTS_MAX};
use testudo_protocol::id::{Hash, HubId, ItemId, ItemRef, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::{Decision, DecisionAct, Entry};
use testudo_protocol::licence::Licence;
use testudo_protocol::wire;

use super::consent::ForwardRequest;
use super::decide::{Proposed, VerdictLine, Verdicts};
use super::drafts::Approved;
use super::objects::{self, ObjectTag};
use super::step::{After, Step};
use super::{Hub, JOBS_MAX};
use crate::blob::DraftAttachment;
use crate::draft_record::Derived;
use crate::input::{CommandId, ReleaseCommand};
use crate::output::{Event, Family, Output};
use crate::records::key;
use crate::refusal::Refusal;
use crate::views::Verdict;

/// A release that waits for its turn.
pub(super) enum Job {
    /// One of our own items.
    Release(CommandId, Box<ReleaseCommand>, Option<Box<Approved>>),
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
    pub(super) licence: Licence,
    pub(super) derived_from: Option<ItemRef>,
    /// What was cut out of that, by this hub.
    pub(super) derived: Option<Derived>,
    /// The draft that it was, and the two people.
    pub(super) approved: Option<Box<Approved>>,
    /// The items of other hubs that it draws on.
    pub(super) sources: Vec<ItemRef>,
    pub(super) purpose: String,
    /// What the header names: the bundle, or the forward's body.
    pub(super) body: Vec<u8>,
    /// What is kept beside the body of an own item.
    pub(super) summary: Option<Summary>,
    /// What belongs to an own item, sealed and on stable storage.
    pub(super) attachments: Vec<DraftAttachment>,
    /// The hash that the gate was asked about.
    pub(super) asked_hash: Hash,
    pub(super) consent: Option<testudo_protocol::consent::ConsentToken>,
    /// When the originator made the item.
    pub(super) created: Timestamp,
    pub(super) verdicts: Verdicts,
    pub(super) views: Vec<Verdict>,
    pub(super) decision: (u64, Vec<u8>),
}

/// Title, number of objects, and the pseudonyms of those that are its own matter.
#[derive(Clone, Default)]
pub(super) struct Summary {
    pub(super) title: String,
    pub(super) objects: u32,
    pub(super) tags: Vec<ObjectTag>,
}

impl Summary {
    pub(super) fn of(bundle: &Bundle, secret: &Salt) -> Self {
        Self {
            title: bundle.title().to_owned(),
            objects: u32::try_from(bundle.object_count()).unwrap_or(u32::MAX),
            tags: objects::tags(secret, bundle),
        }
    }
}

impl Hub {
    pub(super) fn ask_release(
        &mut self,
        id: CommandId,
        command: Box<ReleaseCommand>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        self.enqueue(Job::Release(id, command, None), out)
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
                Job::Release(command, release, approved) => {
                    (command, self.decide_release(command, release, approved, out))
                }
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
        approved: Option<Box<Approved>>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        self.may_release()?;
        if release.draft.derived.is_some() && approved.is_none() {
            return Err(Refusal::NotApproved);
        }
        // An approval is for one release: with that the draft is gone, or with the item that it was made from.
        if let Some(approved) = &approved {
            self.draft(approved.draft)?;
        }
        let proposed = self.propose(release.draft)?;
        let verdicts = self.verdicts(&proposed);
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
        Self::check_staged(&proposed.draft.attachments)?;
        let Proposed {
            draft,
            bundle,
            item,
            body_hash,
            licence,
            drawn,
        } = proposed;
        let item = match draft.corrects {
            Some(_) => item,
            None => ItemRef {
                item: ItemId::new(self.entropy.bytes16()),
                version: item.version,
            },
        };
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
                licence,
                derived_from: draft.derived.as_ref().map(|derived| derived.from),
                derived: draft.derived,
                approved,
                sources: drawn.into_keys().collect(),
                purpose: draft.purpose,
                summary: Some(Summary::of(&bundle, &self.keys.audience)),
                body: bundle.bytes().to_vec(),
                attachments: draft.attachments,
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
}

impl Decided {
    /// What the gate is asked about this release.
    pub(super) fn question<'a>(
        &'a self,
        sender: HubId,
        sources: &'a [Source<'a>],
        now: Timestamp,
    ) -> Question<'a> {
        Question {
            action: match self.act {
                DecisionAct::Release | DecisionAct::Resend => Action::Release,
                DecisionAct::Forward => Action::Forward,
                DecisionAct::Relay => Action::Relay,
            },
            sender,
            originator: self.originator,
            item: self.item,
            body_hash: self.asked_hash,
            label: &self.label,
            licence: &self.licence,
            purpose: &self.purpose,
            consent: self.consent.as_ref(),
            sources,
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
