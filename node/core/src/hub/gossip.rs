//! What came by gossip: taken over as what comes directly, and passed on only where the gate lets this hub.
//!
//! ```text
//! message --verify, open, store--> decision to pass it on --(durable)--> permit for the community --> Accept
//! ```
//!
//! The sender of an envelope is who signed its outer part; whoever passed it on answers for what it should have found
//! out itself. What does not open here is left to direct sending: it may have been sealed before this hub had a key.
//! An audience's key goes on with the item that it was made for, to whom that may go.

use std::collections::BTreeMap;

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::note::Note;
use testudo_policies::gate::{Answer, Question};
use testudo_policies::permit::CommunityPermit;
use testudo_policies::vocabulary::Action;
use testudo_protocol::community::Community;
use testudo_protocol::envelope::{Envelope, EnvelopeError, LogEntry, OuterFields, Verified};
use testudo_protocol::exchange::Control;
use testudo_protocol::gossip::{GossipMessage, Statement};
use testudo_protocol::id::{AudienceId, CommunityTag, HubId, ItemRef, Sequence, Timestamp};
use testudo_protocol::ledger::{Decision, DecisionAct, Entry, Outcome, SplitView};
use testudo_protocol::sync::Place;

use super::decide::Verdicts;
use super::release::put_verdicts;
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::input::GossipId;
use crate::output::Output;
use crate::publication::{Judgement, Onward};
use crate::records::{ItemRecord, ItemState};
use crate::refusal::Refusal;

/// Envelopes of one log that came before their turn: gossip keeps no order.
const EARLY_OF_LOG_MAX: usize = 64;

/// The same of all logs, at up to 64 KiB each.
const EARLY_MAX: usize = 256;

/// How long one may wait for what comes before it, and a key for its item, in milliseconds: what gossip has not brought
/// by then it does not bring.
const EARLY_MILLIS: u64 = 1_500;

/// A message by the name under which its judgement is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gossiped {
    pub(super) id: GossipId,
    pub(super) community: CommunityTag,
    pub(super) from: HubId,
}

/// What is known of gossip while this process runs.
#[derive(Default)]
pub(super) struct GossipDesk {
    early: BTreeMap<(HubId, AudienceId), BTreeMap<Sequence, Early>>,
    /// Key entries that were taken over, and wait for the item that they were made for.
    keys: BTreeMap<(HubId, AudienceId), HeldKey>,
    /// The newest checkpoint of each hub that was heard of.
    checkpoints: BTreeMap<HubId, Vec<u8>>,
}

struct Early {
    gossiped: Gossiped,
    bytes: Vec<u8>,
    since: Timestamp,
}

struct HeldKey {
    gossiped: Gossiped,
    sequence: Sequence,
    since: Timestamp,
}

/// An item that goes on to the other members, once the decision about it is durable.
pub(super) struct PassOn {
    messages: Vec<GossipId>,
    community: CommunityTag,
    item: ItemRef,
    decision: (u64, Vec<u8>),
}

impl Hub {
    pub(super) fn on_gossip(&mut self, gossiped: Gossiped, bytes: &[u8], out: &mut Vec<Output>) {
        let known = self.community(gossiped.community);
        let community = known
            .filter(|one| one.members().contains(&gossiped.from))
            .cloned();
        // A fenced hub takes nothing over, and neither does one without a key. A community that has changed meanwhile is nobody's fault.
        let Some(community) = community.filter(|_| self.may_gossip()) else {
            return judge(gossiped, Judgement::Ignore, out);
        };
        let done = match GossipMessage::decode(bytes) {
            Ok(GossipMessage::Envelope(bytes)) => self.on_published(gossiped, &community, &bytes, out),
            Ok(GossipMessage::Statement(statement)) => self.on_statement(gossiped, &statement, out),
            Err(error) => Err(PeerFault::of(&error)),
        };
        if let Err(fault) = done {
            judge(gossiped, Judgement::Reject, out);
            self.tell_of_fault(gossiped.from, format!("passed on by gossip: {}", fault.0), out);
        }
    }

    /// An envelope: a fault is one that whoever passed it on should have found.
    fn on_published(
        &mut self,
        gossiped: Gossiped,
        community: &Community,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let envelope = Envelope::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        let fields = *envelope.outer().fields();
        if !community.members().contains(&fields.sender) {
            return Err(PeerFault("an envelope of a hub outside the community".to_owned()));
        }
        let verified = match envelope.verify(self.gate.charter(), self.now) {
            Ok(verified) => verified,
            // Old news, or a charter that the other has and we have not.
            Err(EnvelopeError::Expired | EnvelopeError::Inactive) => {
                judge(gossiped, Judgement::Ignore, out);
                return Ok(());
            }
            Err(error) => return Err(PeerFault::of(&error)),
        };
        let place = self.head(&fields).place(&fields);
        match place {
            Place::Next if fields.sender != self.me => {
                self.take_published(gossiped, community, &verified, out)?
            }
            Place::Gap if fields.sender != self.me => self.hold_early(gossiped, &fields, bytes, out),
            Place::Fork if fields.sender != self.me => {
                judge(gossiped, Judgement::Ignore, out);
                if let Err(fault) = self.on_fork(fields.sender, bytes, out) {
                    self.blame(fields.sender, fault.0, out);
                }
            }
            // Our own, or something that came before: a copy that was late cannot be told from another history.
            _ => judge(gossiped, Judgement::Ignore, out),
        }
        Ok(())
    }

    /// The next entry of a log.
    fn take_published(
        &mut self,
        gossiped: Gossiped,
        community: &Community,
        verified: &Verified,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let fields = *verified.fields();
        let internal = |refusal: Refusal| PeerFault::of(&refusal);
        if fields.entry == LogEntry::AudienceKey {
            let Ok(key) = verified.open_key(&self.opener(&fields, &self.identities())) else {
                judge(gossiped, Judgement::Ignore, out);
                return Ok(());
            };
            self.keep_key_entry(verified, key, out).map_err(internal)?;
            let held = HeldKey {
                gossiped,
                sequence: fields.sequence,
                since: self.now,
            };
            let before = self.gossip.keys.insert((fields.sender, fields.audience), held);
            if let Some(before) = before {
                judge(before.gossiped, Judgement::Ignore, out);
            }
            return Ok(());
        }
        let Ok(opened) = verified.open(&self.opener(&fields, &self.identities())) else {
            judge(gossiped, Judgement::Ignore, out);
            return Ok(());
        };
        if !community.is(fields.sender, opened.recipients()) {
            return Err(PeerFault(
                "an envelope for others than the members of the community".to_owned(),
            ));
        }
        let item = opened.original().header().item;
        let outcome = self
            .store_opened(fields.sender, verified, &opened, out)
            .map_err(internal)?;
        let mut messages = self.key_before(&fields);
        messages.push(gossiped.id);
        if outcome == Outcome::Accepted && self.decide_onward(&messages, community, item, out).is_some() {
            return Ok(());
        }
        for id in messages {
            out.push(Output::Judge(id, Judgement::Ignore));
        }
        Ok(())
    }

    /// The key entry that stands right before an item, if it waits for it.
    fn key_before(&mut self, fields: &OuterFields) -> Vec<GossipId> {
        let log = (fields.sender, fields.audience);
        let is_before = |held: &&HeldKey| held.sequence.next() == fields.sequence;
        let held = self.gossip.keys.get(&log).filter(is_before);
        let id = held.map(|held| held.gossiped.id);
        if id.is_some() {
            self.gossip.keys.remove(&log);
        }
        id.into_iter().collect()
    }

    /// Enters the decision to pass an item on; nothing if the gate denies it for one of the members.
    ///
    /// A crash behind it leaves a decision that nothing came of.
    fn decide_onward(
        &mut self,
        messages: &[GossipId],
        community: &Community,
        item: ItemRef,
        out: &mut Vec<Output>,
    ) -> Option<()> {
        let record = self.items.get(&item)?.clone();
        let allowed: Vec<HubId> = community.receivers(self.me, record.originator)?;
        self.ask_onward(&record, &allowed)?;
        let count = u32::try_from(allowed.len()).unwrap_or(u32::MAX);
        let verdicts = Verdicts {
            allowed,
            grounds: BTreeMap::new(),
            denied: Vec::new(),
        };
        let (verdicts_root, lines) = self.verdicts_root(&verdicts);
        let entry = Entry::Decision(Decision {
            act: DecisionAct::Relay,
            item,
            body_hash: record.body_hash,
            charter: self.gate.charter_version(),
            policies: self.gate.policies(),
            verdicts_root,
            allowed: count,
            denied: 0,
        });
        let mut step = Step::default();
        let decision = self.enter(&mut step, entry).ok()?;
        put_verdicts(&mut step, decision.0, &lines).ok()?;
        step.then(After::PassOn(Box::new(PassOn {
            messages: messages.to_vec(),
            community: community.tag(),
            item,
            decision,
        })));
        self.commit(step, out);
        Some(())
    }

    /// The gate's yes for every receiver: to what the originator does, and to what this hub does.
    fn ask_onward(
        &self,
        record: &ItemRecord,
        receivers: &[HubId],
    ) -> Option<Vec<testudo_policies::permit::Allowed>> {
        if matches!(record.state, ItemState::Retracted | ItemState::Expired) {
            return None;
        }
        let release = Question {
            sender: record.originator,
            ..self.question_again(record, &[])
        };
        let relay = Question {
            action: Action::Relay,
            sender: self.me,
            ..release.clone()
        };
        let yes = |answer| match answer {
            Answer::Allowed(allowed) => Some(allowed),
            Answer::Denied(_) => None,
        };
        let released = self.gate.verdicts(&release, receivers);
        if released.iter().any(Option::is_some) {
            return None;
        }
        self.gate
            .ask_each(&relay, receivers)
            .into_iter()
            .map(yes)
            .collect()
    }

    /// The decision is durable: spends a permit on each message.
    pub(super) fn pass_on(&mut self, pass_on: PassOn, out: &mut Vec<Output>) {
        for id in &pass_on.messages {
            let judgement = self.onward(&pass_on).map_or(Judgement::Ignore, Judgement::Accept);
            out.push(Output::Judge(*id, judgement));
        }
    }

    fn onward(&self, pass_on: &PassOn) -> Option<Onward> {
        let community = self.community(pass_on.community)?;
        let record = self.items.get(&pass_on.item)?;
        let receivers = community.receivers(self.me, record.originator)?;
        let allowed = self.ask_onward(record, &receivers)?;
        let (index, opening) = &pass_on.decision;
        let recorded = self.ledger.recorded(*index, opening).ok()?;
        let permit = CommunityPermit::mint(community, self.me, record.originator, allowed, &recorded).ok()?;
        Onward::content(permit, pass_on.item, community, &self.gate).ok()
    }

    fn on_statement(
        &mut self,
        gossiped: Gossiped,
        statement: &Statement,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let is_news = match statement {
            Statement::Evidence(bytes) => self.on_evidence(bytes, out).map(|()| true)?,
            Statement::Checkpoint(note) => self.on_published_checkpoint(note, out)?,
        };
        let judgement = if is_news {
            Judgement::Accept(Onward::statement(statement))
        } else {
            Judgement::Ignore
        };
        judge(gossiped, judgement, out);
        Ok(())
    }

    /// Somebody's checkpoint, heard by way of others: two roots for one size are proof. True if it is the newest.
    fn on_published_checkpoint(&mut self, bytes: &[u8], out: &mut Vec<Output>) -> Result<bool, PeerFault> {
        let fault = |error: &dyn std::error::Error| PeerFault::of(error);
        let read = |bytes: &[u8]| {
            Note::parse(bytes)
                .ok()
                .and_then(|note| Checkpoint::parse(note.text()).ok())
        };
        let note = Note::parse(bytes).map_err(|error| fault(&error))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| fault(&error))?;
        let owner = self.owner(&checkpoint.origin);
        let Some((owner, key)) = owner.and_then(|owner| Some((owner, self.log_key(owner, &note)?))) else {
            return Err(PeerFault("a checkpoint of no member's ledger".to_owned()));
        };
        note.verify(&[key]).map_err(|error| fault(&error))?;
        let cosigned = self.witness.held.get(&owner).map(|held| held.note.clone());
        let heard = self.gossip.checkpoints.get(&owner).cloned();
        for known in cosigned.into_iter().chain(heard.clone()) {
            let differs = |known: &Checkpoint| known.size == checkpoint.size && known.root != checkpoint.root;
            if read(&known).as_ref().is_some_and(differs) {
                self.keep_evidence(owner, &SplitView::new(known, bytes.to_vec()), out);
                return Ok(true);
            }
        }
        let newest = heard.and_then(|heard| read(&heard)).map(|heard| heard.size);
        if newest.is_some_and(|newest| newest >= checkpoint.size) {
            return Ok(false);
        }
        self.gossip.checkpoints.insert(owner, bytes.to_vec());
        Ok(true)
    }

    /// Keeps an envelope that is ahead of its log for a moment.
    fn hold_early(&mut self, gossiped: Gossiped, fields: &OuterFields, bytes: &[u8], out: &mut Vec<Output>) {
        let held: usize = self.gossip.early.values().map(BTreeMap::len).sum();
        let since = self.now;
        let of_log = self
            .gossip
            .early
            .entry((fields.sender, fields.audience))
            .or_default();
        let is_full = held >= EARLY_MAX || of_log.len() >= EARLY_OF_LOG_MAX;
        if is_full || of_log.contains_key(&fields.sequence) {
            return judge(gossiped, Judgement::Ignore, out);
        }
        let bytes = bytes.to_vec();
        of_log.insert(
            fields.sequence,
            Early {
                gossiped,
                bytes,
                since,
            },
        );
    }

    /// Takes over what waited for something that has come by now, by whichever way.
    pub(super) fn take_early(&mut self, out: &mut Vec<Output>) {
        let logs: Vec<(HubId, AudienceId)> = self.gossip.early.keys().copied().collect();
        for log in logs {
            while let Some(early) = self.next_early(log) {
                let Some(community) = self.community(early.gossiped.community).cloned() else {
                    judge(early.gossiped, Judgement::Ignore, out);
                    continue;
                };
                // It was verified when it came; what is found now is the sender's doing.
                if self
                    .on_published(early.gossiped, &community, &early.bytes, out)
                    .is_err()
                {
                    judge(early.gossiped, Judgement::Reject, out);
                }
            }
        }
    }

    /// The oldest that waits in a log, if its turn has come or is past.
    fn next_early(&mut self, log: (HubId, AudienceId)) -> Option<Early> {
        let next = self
            .heads
            .get(&log)
            .map_or(Sequence::new(1), |head| head.height.next());
        let of_log = self.gossip.early.get_mut(&log)?;
        let first = of_log.first_entry().filter(|first| *first.key() <= next)?;
        let early = first.remove();
        if of_log.is_empty() {
            self.gossip.early.remove(&log);
        }
        Some(early)
    }

    /// Gives up what has waited too long, and asks for what is missing.
    pub(super) fn settle_gossip(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        let is_over = |since: Timestamp| now >= since.plus_millis(EARLY_MILLIS);
        let logs: Vec<(HubId, AudienceId)> = self.gossip.early.keys().copied().collect();
        for log in logs {
            let Some(of_log) = self.gossip.early.get_mut(&log) else {
                continue;
            };
            if !of_log.values().any(|early| is_over(early.since)) {
                continue;
            }
            let (sender, audience) = log;
            for early in self.gossip.early.remove(&log).unwrap_or_default().into_values() {
                judge(early.gossiped, Judgement::Ignore, out);
            }
            let next = self
                .heads
                .get(&log)
                .map_or(Sequence::new(1), |head| head.height.next());
            self.send_control(sender, Control::Expect { audience, next }, out);
        }
        let waiting = std::mem::take(&mut self.gossip.keys);
        let (over, waiting) = waiting
            .into_iter()
            .partition(|(_, held): &(_, HeldKey)| is_over(held.since));
        self.gossip.keys = waiting;
        let over: BTreeMap<_, HeldKey> = over;
        for held in over.into_values() {
            judge(held.gossiped, Judgement::Ignore, out);
        }
    }
}

fn judge(gossiped: Gossiped, judgement: Judgement, out: &mut Vec<Output>) {
    out.push(Output::Judge(gossiped.id, judgement));
}
