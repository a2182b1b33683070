//! From a recorded decision to signed and sealed log entries: permits, header, key order, content order.
//!
//! What is made here is kept nowhere until [`super::store_release`] stores all of it in one step.

use testudo_crypto::digest::Digest;
use testudo_crypto::seal::SealError;
use testudo_policies::gate::Answer;
use testudo_policies::permit::{MintError, Permit};
use testudo_protocol::envelope::{
    AudienceKey, DecisionRef, Envelope, Header, Kind, LogEntry, Outer, OuterFields, SignedPart, key_tag,
    sealing_context,
};
use testudo_protocol::id::{AudienceId, HubId, ItemRef, ItemVersion, Timestamp};
use testudo_protocol::sync::Head;

use super::Hub;
use super::audience::{EpochPlan, Way, copy};
use super::release::Decided;
use crate::blob::DraftAttachment;
use crate::input::SealId;
use crate::output::Output;
use crate::refusal::Refusal;
use crate::seal_order::{SealOrder, SealTo};

/// An envelope that is being sealed.
pub(super) struct Sealing {
    composed: Box<Composed>,
    stage: Stage,
}

/// What has been decided and signed, and is to be sealed.
pub(super) struct Composed {
    pub(super) decided: Decided,
    pub(super) header: Header,
    pub(super) part: SignedPart,
    pub(super) previous: Head,
    pub(super) recipients: Vec<HubId>,
    pub(super) plan: EpochPlan,
}

/// What is being sealed for it.
enum Stage {
    /// The key of its audience; then the content.
    Key(SealOrder),
    /// The content, behind the entry of its key if that is new.
    Content(Option<Envelope>),
}

impl Hub {
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
        self.may_sign()?;
        let (index, opening) = &decided.decision;
        let recorded = self
            .ledger
            .recorded(*index, opening)
            .map_err(|_| internal("a decision is not recorded"))?;
        let mut permits = Vec::new();
        // One of them was withdrawn since the decision.
        let sources = self.sources(&decided.sources).ok_or(Refusal::PreviewChanged)?;
        let question = decided.question(self.me, &sources, self.now);
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
        let audience = self.log_for(&hubs, out);
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
            derived_from: decided.derived_from,
            licence: decided.licence.clone(),
            body_hash: Digest::of(&decided.body).into(),
            attachments: (decided.attachments.iter())
                .filter_map(DraftAttachment::entry)
                .collect(),
        }
    }

    pub(super) fn on_sealed(
        &mut self,
        id: SealId,
        result: Result<Vec<u8>, SealError>,
        out: &mut Vec<Output>,
    ) {
        if self.on_notice_sealed(id, &result, out)
            || self.on_resealed(id, &result, out)
            || self.on_parcel_sealed(id, &result, out)
        {
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

    /// Signs the outer part of the next entry of a log.
    pub(super) fn log_envelope(
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
