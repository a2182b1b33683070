//! Forwarding another hub's item, and consenting to that for our own.

use testudo_policies::explain::Language;
use testudo_policies::gate::{Answer, Question};
use testudo_policies::vocabulary::Action;
use testudo_protocol::consent::{
    ConsentError, ConsentFields, ConsentSubject, ConsentToken, PURPOSE_BYTES_MAX,
};
use testudo_protocol::envelope::{ForwardBody, Kind, SignedPart};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{HubId, ItemId, ItemRef, Timestamp};
use testudo_protocol::ledger::{DecisionAct, Entry};
use testudo_protocol::licence::Licence;
use testudo_protocol::wire::{self, Reader};

use super::decide::Verdicts;
use super::release::{Decided, Job};
use super::step::{After, Step};
use super::{Hub, Loading, PeerFault};
use crate::input::{CommandId, LoadId};
use crate::output::{Family, Output};
use crate::records::{BodyRow, DeliveryRecord, DeliveryState, ItemRecord, ItemState, key};
use crate::refusal::Refusal;
use crate::views::Reply;

/// A forward that waits for the item's body.
pub(super) struct ForwardRequest {
    pub(super) command: CommandId,
    item: ItemRef,
    to: HubId,
}

impl Hub {
    pub(super) fn ask_forward(
        &mut self,
        id: CommandId,
        item: ItemId,
        to: HubId,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if self.gate.charter().member(to).is_none() || to == self.me {
            return Err(Refusal::NotAMember { hub: to });
        }
        let record = self.latest(item).ok_or(Refusal::NoSuchItem { item })?;
        if matches!(record.state, ItemState::Retracted | ItemState::Expired) {
            return Err(Refusal::Withdrawn { item });
        }
        if record.originator == self.me {
            return Err(Refusal::OwnItem { item, to });
        }
        let originator = record.originator;
        if self.gate.charter().is_key_revoked(originator, record.key) {
            return Err(Refusal::InDoubt { item, originator });
        }
        if let Some(done) = self.forwarded(record.item, to) {
            let mut step = Step::default();
            step.then(After::Reply(id, done));
            self.commit(step, out);
            return Ok(());
        }
        let request = Box::new(ForwardRequest {
            command: id,
            item: record.item,
            to,
        });
        let row = key::item(record.item);
        let load = LoadId(self.next_id());
        self.loading.insert(load, Loading::Forward(request));
        out.push(Output::Load(load, Family::Body, row));
        Ok(())
    }

    /// The answer where the same was forwarded to the same hub before: it is not sent twice.
    fn forwarded(&self, item: ItemRef, to: HubId) -> Option<Reply> {
        let delivery = self.deliveries.get(&(item, to))?;
        let sent = matches!(delivery.state, DeliveryState::Queued | DeliveryState::Delivered);
        sent.then(|| Reply::Released {
            item: item.item,
            version: item.version,
            recipients: vec![to],
            denied: Vec::new(),
            decision: delivery.decision,
        })
    }

    pub(super) fn on_body_loaded(
        &mut self,
        request: ForwardRequest,
        row: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) {
        let (command, item) = (request.command, request.item.item);
        let queued = match row {
            Some(row) => self.enqueue(Job::Forward(Box::new(request), row), out),
            None => Err(Refusal::Withdrawn { item }),
        };
        if let Err(refusal) = queued {
            out.push(Output::Reply(command, Err(refusal)));
        }
    }

    /// To whom this hub has forwarded an item.
    pub(super) fn forwarded_to(&self, item: ItemRef) -> Vec<HubId> {
        let forwards = (self.deliveries.of_item(item.item))
            .filter(|delivery| delivery.item == item && delivery.act == DecisionAct::Forward);
        forwards.map(|delivery| delivery.receiver).collect()
    }

    /// Asks the gate for the one receiver, with the originator's consent if it is here.
    pub(super) fn decide_forward(
        &mut self,
        request: ForwardRequest,
        row: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        self.may_release()?;
        let item = request.item;
        // There is one delivery for each item and receiver. Another one would take the place of one
        // that is under way, and the receiver's chain would never be whole.
        let under_way = |delivery: &DeliveryRecord| {
            matches!(
                delivery.state,
                DeliveryState::Queued
                    | DeliveryState::Delivered
                    | DeliveryState::Withheld { settled: false, .. }
            )
        };
        if self.deliveries.get(&(item, request.to)).is_some_and(under_way) {
            return Err(Refusal::Busy { waiting: 1 });
        }
        let record = self
            .items
            .get(&item)
            .ok_or(Refusal::NoSuchItem { item: item.item })?;
        let consent = self.consents.get(&(item, self.me, request.to)).cloned();
        let question = Question {
            action: Action::Forward,
            sender: self.me,
            originator: record.originator,
            item,
            body_hash: record.body_hash,
            label: &record.label,
            licence: &record.licence,
            purpose: &record.purpose,
            consent: consent.as_ref(),
            sources: &[],
            created: record.created,
            now: self.now,
        };
        let verdicts = match self.gate.ask(&question, request.to) {
            Answer::Allowed(allowed) => Verdicts {
                allowed: vec![allowed.receiver()],
                grounds: [(allowed.receiver(), allowed.rules().to_vec())].into(),
                denied: Vec::new(),
            },
            Answer::Denied(denied) => {
                let rules = denied.rules().to_vec();
                return Err(Refusal::Denied {
                    receiver: request.to,
                    rules,
                });
            }
        };
        let body = forward_body(row, consent.as_ref())?;
        let decided = Decided {
            command: request.command,
            act: DecisionAct::Forward,
            kind: Kind::Forward,
            item,
            originator: record.originator,
            label: record.label.clone(),
            licence: record.licence.clone(),
            derived_from: record.derived_from,
            derived: None,
            approved: None,
            sources: Vec::new(),
            purpose: record.purpose.clone(),
            body,
            summary: None,
            attachments: Vec::new(),
            asked_hash: record.body_hash,
            created: record.created,
            consent,
            views: self.verdict_views(&verdicts, &record.label, Language::English),
            verdicts,
            decision: (0, Vec::new()),
        };
        self.record_decision(decided, out)
    }

    /// Signs a consent, enters it, and sends it to the holder.
    pub(super) fn give_consent(
        &mut self,
        id: CommandId,
        item: ItemId,
        (holder, recipient): (HubId, HubId),
        until: Timestamp,
        purpose: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if let Some(hub) = [holder, recipient]
            .into_iter()
            .find(|hub| self.gate.charter().member(*hub).is_none())
        {
            return Err(Refusal::NotAMember { hub });
        }
        if purpose.len() > PURPOSE_BYTES_MAX {
            return Err(Refusal::TooLong {
                field: "purpose",
                max: PURPOSE_BYTES_MAX,
            });
        }
        let of = ItemRef {
            item,
            version: self.own(item)?,
        };
        let record = self.items.get(&of).ok_or(Refusal::NoSuchItem { item })?;
        if record.licence == Licence::Nobody {
            return Err(Refusal::NoLicence { item });
        }
        self.sources_go_to(record, recipient)?;
        let body_hash = record.body_hash;
        let fields = ConsentFields {
            originator: self.me,
            item: of,
            body_hash,
            holder,
            recipient,
            until,
            purpose,
        };
        let token = ConsentToken::sign(fields, self.keys.payload.classical(), self.gate.charter().realm());
        let mut step = Step::default();
        self.enter(
            &mut step,
            Entry::Consent {
                item: of,
                holder,
                recipient,
                until,
            },
        )?;
        step.put_bytes(
            Family::Consent,
            key::consent(of, holder, recipient),
            token.to_bytes(),
        );
        step.then(After::Control(holder, Control::Consent(token.to_bytes())));
        step.then(After::Reply(
            id,
            Reply::Consented {
                item,
                holder,
                recipient,
            },
        ));
        self.settle_ask(&mut step, (of, holder, recipient))?;
        self.consents.insert((of, holder, recipient), token);
        self.commit(step, out);
        Ok(())
    }

    /// Repeats the consents that a peer holds from us; taking one twice changes nothing.
    pub(super) fn send_consents(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let tokens: Vec<Vec<u8>> = (self.consents.values())
            .filter(|token| token.fields().originator == self.me && token.fields().holder == peer)
            .filter(|token| self.now < token.fields().until)
            .map(ConsentToken::to_bytes)
            .collect();
        for token in tokens {
            self.send_control(peer, Control::Consent(token), out);
        }
    }

    /// Takes a consent of the peer for an item of its that is held here.
    pub(super) fn on_consent(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let token = ConsentToken::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        let fields = token.fields().clone();
        if fields.originator != peer || fields.holder != self.me {
            return Err(PeerFault(
                "sent a consent that is not its own, or not for this hub".to_owned(),
            ));
        }
        let subject = ConsentSubject {
            originator: peer,
            item: fields.item,
            body_hash: fields.body_hash,
        };
        match token.verify(self.gate.charter(), &subject, fields.recipient, self.now) {
            Ok(()) => {}
            // An expired token is the network's delay, not the peer's fault.
            Err(ConsentError::Expired) => return Ok(()),
            Err(error) => return Err(PeerFault::of(&error)),
        }
        let place = (fields.item, fields.holder, fields.recipient);
        if self.consents.get(&place) == Some(&token) {
            return Ok(());
        }
        let mut step = Step::default();
        step.put_bytes(
            Family::Consent,
            key::consent(place.0, place.1, place.2),
            bytes.to_vec(),
        );
        self.settle_ask(&mut step, place)
            .map_err(|error| PeerFault::of(&error))?;
        self.consents.insert(place, token);
        self.commit(step, out);
        Ok(())
    }
}

impl Hub {
    /// Whether what an own item draws on may go to one more hub: consent to the one is no consent to the other.
    fn sources_go_to(&self, record: &ItemRecord, receiver: HubId) -> Result<(), Refusal> {
        let sources = self.sources(&record.sources);
        let question = sources.as_ref().map(|sources| Question {
            action: Action::Release,
            sender: self.me,
            originator: self.me,
            item: record.item,
            body_hash: record.body_hash,
            label: &record.label,
            licence: &record.licence,
            purpose: &record.purpose,
            consent: None,
            sources,
            created: record.created,
            now: self.now,
        });
        let is_free = question.is_some_and(|question| self.gate.sources_go_to(&question, receiver));
        if is_free {
            return Ok(());
        }
        Err(Refusal::Denied {
            receiver,
            rules: vec!["R-18".to_owned()],
        })
    }
}

fn forward_body(row: &[u8], consent: Option<&ConsentToken>) -> Result<Vec<u8>, Refusal> {
    let unreadable = || Refusal::Internal {
        what: "a stored body cannot be read",
    };
    let row: BodyRow = wire::decode(row).map_err(|_| unreadable())?;
    let original = SignedPart::read(&mut Reader::new(&row.part)).map_err(|_| unreadable())?;
    let token = consent.map(ConsentToken::to_bytes).unwrap_or_default();
    Ok(ForwardBody { token, original }.to_bytes())
}
