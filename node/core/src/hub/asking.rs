//! Asking an originator for its consent, and answering those who ask us.
//!
//! ```text
//! holder: ask (durable) --question--> originator: keeps it (durable), a person grants or refuses --token or no--> holder
//! ```
//!
//! A question is repeated on every connection until it is answered or its deadline has passed, and so is a no: taking
//! either twice changes nothing. Nobody but a person grants, and nothing follows from silence.

use testudo_protocol::consent::PURPOSE_BYTES_MAX;
use testudo_protocol::consent_question::{ConsentDeclined, ConsentQuestion};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{HubId, ItemId, ItemRef, Timestamp};
use testudo_protocol::ledger::Entry;

use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::input::CommandId;
use crate::output::{Event, Family, Output};
use crate::records::{ConsentAsk, ConsentAskState, DeliveryState, ItemState, key};
use crate::refusal::Refusal;
use crate::views::{ConsentAskView, Reply};

/// Open questions that one peer may have here; more are not kept.
const QUESTIONS_MAX: usize = 256;

/// Which question: item, who would forward it, to whom.
pub(super) type AskPlace = (ItemRef, HubId, HubId);

impl ConsentAsk {
    pub(super) fn place(&self) -> AskPlace {
        (self.item, self.holder, self.recipient)
    }

    /// Whether an answer is still waited for.
    fn is_waiting(&self, now: Timestamp) -> bool {
        self.state == ConsentAskState::Open && now < self.deadline
    }
}

impl Hub {
    /// Asks the originator of an item whether it may go to one more hub.
    pub(super) fn ask_consent(
        &mut self,
        id: CommandId,
        item: ItemId,
        recipient: HubId,
        (purpose, deadline): (String, Timestamp),
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if self.gate.charter().member(recipient).is_none() || recipient == self.me {
            return Err(Refusal::NotAMember { hub: recipient });
        }
        if purpose.len() > PURPOSE_BYTES_MAX {
            return Err(Refusal::TooLong {
                field: "purpose",
                max: PURPOSE_BYTES_MAX,
            });
        }
        if deadline <= self.now {
            return Err(Refusal::DeadlinePassed);
        }
        let record = self.latest(item).ok_or(Refusal::NoSuchItem { item })?;
        if record.state == ItemState::Retracted {
            return Err(Refusal::Withdrawn { item });
        }
        let originator = record.originator;
        if originator == self.me {
            return Err(Refusal::OwnItem { item, to: recipient });
        }
        let ask = ConsentAsk {
            item: record.item,
            originator,
            holder: self.me,
            recipient,
            purpose,
            asked: self.now,
            deadline,
            state: ConsentAskState::Open,
        };
        let mut step = Step::default();
        step.then(After::Control(originator, Control::ConsentAsk(question(&ask))));
        step.then(After::Reply(
            id,
            Reply::ConsentAsked {
                item,
                originator,
                recipient,
                deadline: deadline.seconds(),
            },
        ));
        self.keep_ask(&mut step, ask)?;
        self.commit(step, out);
        Ok(())
    }

    /// Tells a holder that there will be no consent.
    pub(super) fn refuse_consent(
        &mut self,
        id: CommandId,
        item: ItemId,
        (holder, recipient): (HubId, HubId),
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let asked = self.asks.values().find(|ask| {
            ask.originator == self.me
                && (ask.item.item, ask.holder, ask.recipient) == (item, holder, recipient)
                && ask.state != ConsentAskState::Granted
        });
        let mut ask = asked.cloned().ok_or(Refusal::NoSuchQuestion { holder })?;
        ask.state = ConsentAskState::Refused;
        let mut step = Step::default();
        let entry = Entry::ConsentRefused {
            item: ask.item,
            holder,
            recipient,
        };
        self.enter(&mut step, entry)?;
        step.then(After::Control(holder, Control::ConsentDeclined(declined(&ask))));
        step.then(After::Reply(
            id,
            Reply::ConsentRefused {
                item,
                holder,
                recipient,
            },
        ));
        self.keep_ask(&mut step, ask)?;
        self.commit(step, out);
        Ok(())
    }

    /// Notes that a question has its yes, as part of the step that gives or takes the token.
    pub(super) fn settle_ask(&mut self, step: &mut Step, place: AskPlace) -> Result<(), Refusal> {
        match self.asks.get(&place).cloned() {
            Some(ask) if ask.state != ConsentAskState::Granted => {
                let state = ConsentAskState::Granted;
                self.keep_ask(step, ConsentAsk { state, ..ask })
            }
            _ => Ok(()),
        }
    }

    fn keep_ask(&mut self, step: &mut Step, ask: ConsentAsk) -> Result<(), Refusal> {
        let (item, holder, recipient) = ask.place();
        step.put(Family::Consent, key::consent_ask(item, holder, recipient), &ask)?;
        self.asks.insert(ask.place(), ask);
        Ok(())
    }

    /// Repeats what a peer has not heard: our open questions to it, and our answers of no.
    pub(super) fn send_asks(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let questions = (self.asks.values())
            .filter(|ask| ask.holder == self.me && ask.originator == peer && ask.is_waiting(self.now))
            .map(|ask| Control::ConsentAsk(question(ask)));
        let answers = (self.asks.values())
            .filter(|ask| ask.originator == self.me && ask.holder == peer)
            .filter(|ask| ask.state == ConsentAskState::Refused && self.now < ask.deadline)
            .map(|ask| Control::ConsentDeclined(declined(ask)));
        for control in questions.chain(answers).collect::<Vec<_>>() {
            self.send_control(peer, control, out);
        }
    }

    /// Takes a question of a peer about an item of ours that it has, from us or by our consent; any other is not answered.
    pub(super) fn on_consent_ask(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let asked = ConsentQuestion::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        let place = (asked.item, peer, asked.recipient);
        let is_ours = (self.items.get(&asked.item))
            .is_some_and(|record| record.originator == self.me && record.state == ItemState::Released);
        let has_consent = |(item, _, recipient): &AskPlace| *item == asked.item && *recipient == peer;
        let is_held = (self.deliveries.get(&(asked.item, peer)))
            .is_some_and(|delivery| delivery.state == DeliveryState::Delivered)
            || self.consents.keys().any(has_consent);
        let is_member = self.gate.charter().member(asked.recipient).is_some();
        if !is_ours || !is_held || !is_member || self.now >= asked.deadline || self.asks.contains_key(&place)
        {
            return Ok(());
        }
        let open = |ask: &&ConsentAsk| ask.holder == peer && ask.is_waiting(self.now);
        if self.asks.values().filter(open).count() >= QUESTIONS_MAX {
            return Ok(());
        }
        let ask = ConsentAsk {
            item: asked.item,
            originator: self.me,
            holder: peer,
            recipient: asked.recipient,
            purpose: asked.purpose,
            asked: self.now,
            deadline: asked.deadline,
            state: ConsentAskState::Open,
        };
        let mut step = Step::default();
        step.then(After::Report(Event::ConsentAsked {
            item: ask.item,
            holder: peer,
            recipient: ask.recipient,
        }));
        self.keep_ask(&mut step, ask)
            .map_err(|error| PeerFault::of(&error))?;
        self.commit(step, out);
        Ok(())
    }

    /// Takes a no of the originator to a question of ours.
    pub(super) fn on_consent_declined(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let answer = ConsentDeclined::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        let place = (answer.item, self.me, answer.recipient);
        let open = (self.asks.get(&place))
            .filter(|ask| ask.originator == peer && ask.state == ConsentAskState::Open)
            .cloned();
        let Some(ask) = open else {
            return Ok(());
        };
        let mut step = Step::default();
        step.then(After::Report(Event::ConsentDeclined {
            item: ask.item,
            originator: peer,
            recipient: ask.recipient,
        }));
        let state = ConsentAskState::Refused;
        self.keep_ask(&mut step, ConsentAsk { state, ..ask })
            .map_err(|error| PeerFault::of(&error))?;
        self.commit(step, out);
        Ok(())
    }

    /// Every question for consent, asked here or of us, oldest first.
    pub fn consent_asks(&self) -> Vec<ConsentAskView> {
        let mut views: Vec<_> = self.asks.values().map(|ask| self.ask_view(ask)).collect();
        views.sort_by_key(|view| (view.asked, view.item, view.holder, view.recipient));
        views
    }

    fn ask_view(&self, ask: &ConsentAsk) -> ConsentAskView {
        let state = match ask.state {
            ConsentAskState::Open if self.now >= ask.deadline => "lapsed",
            ConsentAskState::Open => "open",
            ConsentAskState::Granted => "granted",
            ConsentAskState::Refused => "refused",
        };
        ConsentAskView {
            item: ask.item.item,
            version: ask.item.version,
            originator: ask.originator,
            holder: ask.holder,
            recipient: ask.recipient,
            purpose: ask.purpose.clone(),
            asked: ask.asked.seconds(),
            deadline: ask.deadline.seconds(),
            state: state.to_owned(),
        }
    }
}

fn question(ask: &ConsentAsk) -> Vec<u8> {
    let question = ConsentQuestion {
        item: ask.item,
        recipient: ask.recipient,
        purpose: ask.purpose.clone(),
        deadline: ask.deadline,
    };
    question.to_bytes()
}

fn declined(ask: &ConsentAsk) -> Vec<u8> {
    let answer = ConsentDeclined {
        item: ask.item,
        recipient: ask.recipient,
    };
    answer.to_bytes()
}
