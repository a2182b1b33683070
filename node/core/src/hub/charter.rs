//! The charter while the hub runs: notes are taken, made durable, and only then followed.
//!
//! ```text
//! note --take--> journal row --(synced)--> view --> gate, connections, queues, gossip
//! ```
//!
//! Every hub enforces on its own. Nothing here decides who is in: that follows from the notes
//! (`testudo_protocol::charter`) and is asked of them anew whenever one comes or its time does.

use serde::{Deserialize, Serialize};
use testudo_policies::gate::GateError;
use testudo_protocol::charter::{
    Charter, Governance, Heartbeat, HeartbeatError, Member, Status, TakeError, Taken,
};
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{Hash, HubId, Timestamp};
use testudo_protocol::ledger::{CharterEvent, Entry};
use testudo_protocol::wire;

use super::step::{After, Step};
use super::{Hub, PeerFault, RestoreError, Row};
use crate::input::CommandId;
use crate::output::{Event, Family, Output};
use crate::records::DeliveryState;
use crate::refusal::Refusal;
use crate::views::Reply;

/// Begins the key of a note in the journal; its number follows.
const NOTE_ROW: u8 = b'n';
/// Begins the key of a voter's newest heartbeat; its code follows.
const HEARTBEAT_ROW: u8 = b'h';
/// Begins the key of a branch that the operator chose; the hash follows.
const CHOICE_ROW: u8 = b'c';

/// One note as it came. The journal is read in its order, so that the same notes are taken for the same reasons.
#[derive(Serialize, Deserialize)]
struct NoteRow {
    received: Timestamp,
    note: Vec<u8>,
}

/// What this hub knows of the charter beyond what the gate asks.
pub(super) struct CharterDesk {
    pub(super) governance: Governance,
    /// Notes in the journal.
    journal: u64,
    /// When the view changes although nothing has come.
    due: Option<Timestamp>,
    /// When this hub states again what it follows, if it votes.
    beat_due: Timestamp,
}

impl CharterDesk {
    pub(super) fn new(governance: Governance, rows: &[Row], now: Timestamp) -> Self {
        let is_note = |(family, key, _): &&Row| *family == Family::Charter && key.first() == Some(&NOTE_ROW);
        let journal = rows.iter().filter(is_note).count();
        let due = governance.next_change(now);
        Self {
            governance,
            journal: u64::try_from(journal).unwrap_or(u64::MAX),
            due,
            beat_due: now,
        }
    }
}

/// Takes again what a hub has taken since it accepted the first versions.
///
/// # Errors
/// [`RestoreError::Row`] if a row is damaged, or holds what is not taken any more.
pub fn restore_governance(mut governance: Governance, rows: &[Row]) -> Result<Governance, RestoreError> {
    let damaged = || RestoreError::Row {
        family: Family::Charter,
    };
    let of = |kind: u8| {
        let is_of = move |(family, key, _): &&Row| *family == Family::Charter && key.first() == Some(&kind);
        rows.iter().filter(is_of)
    };
    let mut notes: Vec<&Row> = of(NOTE_ROW).collect();
    notes.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
    for (_, _, value) in notes {
        let row: NoteRow = wire::decode(value).map_err(|_| damaged())?;
        governance.take(&row.note, row.received).map_err(|_| damaged())?;
    }
    for (_, key, _) in of(CHOICE_ROW) {
        let hash = key
            .get(1..)
            .and_then(|hash| hash.try_into().ok())
            .ok_or_else(damaged)?;
        governance.choose(Hash::new(hash));
    }
    Ok(governance)
}

/// Takes again what voters have stated last; `charter` is seen through the members' own acts, whose keys signed.
///
/// # Errors
/// [`RestoreError::Row`] if a row is damaged.
pub(super) fn restore_heartbeats(
    mut governance: Governance,
    charter: &Charter,
    rows: &[Row],
) -> Result<Governance, RestoreError> {
    let is_beat = |(family, key, _): &&Row| *family == Family::Charter && key.first() == Some(&HEARTBEAT_ROW);
    for (_, _, value) in rows.iter().filter(is_beat) {
        let beat = Heartbeat::decode(value).map_err(|_| RestoreError::Row {
            family: Family::Charter,
        })?;
        let time = beat.time;
        // One of a member that does not vote any more, or has revoked its key, says nothing.
        let _forgotten = governance.take_heartbeat(beat, charter, time);
    }
    Ok(governance)
}

impl Hub {
    /// The notes that this hub holds.
    pub fn governance(&self) -> &Governance {
        &self.charter.governance
    }

    /// Takes notes that a person brings: each is durable before the command is answered.
    pub(super) fn submit_charter(
        &mut self,
        id: CommandId,
        notes: Vec<Vec<u8>>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let mut step = Step::default();
        let mut taken = Vec::new();
        let mut refused = None;
        for note in notes {
            match self.take_note(&mut step, &note, None) {
                Ok(Taken::Known) => {}
                Ok(Taken::Merged { hash } | Taken::Version { hash, .. } | Taken::Act { hash }) => {
                    taken.push(hash)
                }
                Ok(Taken::Fork { hash, .. }) => taken.push(hash),
                Err(error) => {
                    refused = Some(Refusal::Charter(Box::new(error)));
                    break;
                }
            }
        }
        step.then(match refused {
            // What came before the one that is refused stands by itself and is kept.
            Some(refusal) => After::Refuse(id, Box::new(refusal)),
            None => After::Reply(id, Reply::CharterTaken { taken }),
        });
        self.commit(step, out);
        Ok(())
    }

    /// Follows one branch of a fork: the decision of this hub's operator for this hub alone, and recorded as such.
    pub(super) fn choose_branch(
        &mut self,
        id: CommandId,
        branch: Hash,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if !self.charter.governance.choose(branch) {
            return Err(Refusal::NoSuchBranch { branch });
        }
        let mut step = Step::default();
        let row = [[CHOICE_ROW].as_slice(), branch.as_bytes()].concat();
        step.put_bytes(Family::Charter, row, Vec::new());
        self.enter(
            &mut step,
            Entry::CharterNote {
                event: CharterEvent::BranchChosen,
                subject: branch,
            },
        )?;
        step.then(After::Charter);
        step.then(After::Reply(id, Reply::BranchChosen { branch }));
        self.commit(step, out);
        Ok(())
    }

    /// A note from a peer.
    ///
    /// Only what nobody could hold in good faith ends the connection. A note that is refused for what else is known
    /// here comes from a hub that knows something else, and the two must be able to go on talking.
    pub(super) fn on_charter_note(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let mut step = Step::default();
        match self.take_note(&mut step, bytes, Some(peer)) {
            Ok(Taken::Known) => Ok(()),
            Ok(_) => {
                self.commit(step, out);
                Ok(())
            }
            Err(error @ (TakeError::Note(_) | TakeError::Text(_))) => Err(PeerFault::of(&error)),
            Err(error) => {
                let state = self.peers.entry(peer).or_default();
                state.early_notes |= error.is_early();
                state.fault = Some(PeerFault::of(&error).0);
                Ok(())
            }
        }
    }

    /// Takes a note as part of a step. A crash before the step is durable forgets it, and whoever sent it has it still.
    fn take_note(&mut self, step: &mut Step, note: &[u8], from: Option<HubId>) -> Result<Taken, TakeError> {
        let taken = self.charter.governance.take(note, self.now)?;
        let (hash, event) = match &taken {
            Taken::Known => return Ok(taken),
            Taken::Merged { hash } => (*hash, None),
            Taken::Version { hash, .. } => (*hash, Some(CharterEvent::Version)),
            Taken::Act { hash } => (*hash, Some(CharterEvent::Act)),
            Taken::Fork { chain, hash, signers } => {
                let (chain, signers) = (*chain, signers.clone());
                step.then(After::Report(Event::CharterFork { chain, signers }));
                (*hash, Some(CharterEvent::Fork))
            }
        };
        let row = NoteRow {
            received: self.now,
            note: note.to_vec(),
        };
        // Bounded as every note is, far below the limit of the codec.
        let key = [[NOTE_ROW].as_slice(), &self.charter.journal.to_be_bytes()].concat();
        let _bounded = step.put(Family::Charter, key, &row);
        self.charter.journal = self.charter.journal.saturating_add(1);
        if let Some(event) = event {
            self.enter_charter_note(step, event, hash);
        }
        step.then(After::Charter);
        step.then(After::TellNote(hash, from));
        Ok(taken)
    }

    /// Enters that a note was taken. A fenced hub enters nothing and follows the note all the same: the entry waits for
    /// the end of the fence, and after a crash before that stands only in the entry that names the charter.
    fn enter_charter_note(&mut self, step: &mut Step, event: CharterEvent, subject: Hash) {
        if self.is_fenced() {
            self.fence.charter_notes.push((event, subject));
            return;
        }
        // An entry is far below the codec's limit.
        let _bounded = self.enter(step, Entry::CharterNote { event, subject });
    }

    /// Enters what was taken while the hub was fenced.
    pub(super) fn enter_charter_notes(&mut self, step: &mut Step) {
        for (event, subject) in std::mem::take(&mut self.fence.charter_notes) {
            self.enter_charter_note(step, event, subject);
        }
    }

    /// A voter's statement, passed on if it is new.
    pub(super) fn on_heartbeat(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let beat = Heartbeat::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        match self.take_heartbeat(beat.clone()) {
            Ok(true) => {
                self.keep_heartbeat(&beat, Some(peer), out);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error @ HeartbeatError::Malformed) => Err(PeerFault::of(&error)),
            // Passed on in good faith by somebody who knows another directory, or has another clock.
            Err(HeartbeatError::Signature { .. } | HeartbeatError::Ahead { .. }) => Ok(()),
        }
    }

    fn keep_heartbeat(&mut self, beat: &Heartbeat, from: Option<HubId>, out: &mut Vec<Output>) {
        let mut step = Step::default();
        let row = [[HEARTBEAT_ROW].as_slice(), beat.hub.as_bytes()].concat();
        step.put_bytes(Family::Charter, row, beat.to_bytes());
        step.then(After::Charter);
        let bytes = beat.to_bytes();
        for peer in self.connected().filter(|peer| Some(*peer) != from) {
            step.then(After::Control(peer, Control::Heartbeat(bytes.clone())));
        }
        self.commit(step, out);
    }

    fn take_heartbeat(&mut self, beat: Heartbeat) -> Result<bool, HeartbeatError> {
        let charter = self.gate.charter();
        self.charter.governance.take_heartbeat(beat, charter, self.now)
    }

    /// What the time alone changes: a hold lapses, a bundle comes into force, a voter's statement is due.
    pub(super) fn turn_charter(&mut self, out: &mut Vec<Output>) {
        if self.charter.due.is_some_and(|due| due <= self.now) {
            self.follow_charter(out);
        }
        let votes = self.gate.charter().voters().contains(&self.me);
        if !votes || self.is_fenced() || self.revoked || self.now < self.charter.beat_due {
            return;
        }
        self.charter.beat_due = self.now.plus_millis(testudo_protocol::charter::BEAT_MILLIS);
        let heads = self.charter.governance.heads();
        let key = self.keys.payload.classical();
        let beat = Heartbeat::sign(self.me, heads, self.now, key, self.gate.charter().realm());
        if matches!(self.take_heartbeat(beat.clone()), Ok(true)) {
            self.keep_heartbeat(&beat, None, out);
        }
    }

    /// What follows now from everything that voters have signed and members have decided about themselves.
    pub(super) fn charter_now(&self) -> Charter {
        let agreed = self.charter.governance.charter(self.now);
        agreed.with_own_acts(&self.own_acts)
    }

    /// Derives the charter anew and enforces it. Everything that it rests on is durable.
    pub(super) fn follow_charter(&mut self, out: &mut Vec<Output>) {
        let charter = self.charter_now();
        self.charter.due = self.charter.governance.next_change(self.now);
        if charter.fingerprint() != self.gate.charter().fingerprint() {
            self.enforce(charter, out);
            return;
        }
        let was_fresh = self.gate.charter().is_fresh(self.now);
        let is_fresh = charter.is_fresh(self.now);
        self.gate.refresh(charter);
        if is_fresh && !was_fresh {
            out.push(Output::Report(Event::CharterFresh));
            self.push_all(out);
        }
    }

    /// Enforces another view of the charter, whether the voters have changed it or a member its own part.
    pub(super) fn enforce(&mut self, charter: Charter, out: &mut Vec<Output>) {
        let before: Vec<(HubId, Status)> = (self.gate.charter().members())
            .map(|member| (member.code, member.status))
            .collect();
        let version = self.gate.charter().version();
        if let Err(error) = self.adopt(charter) {
            self.report_blocked(&error, out);
        }
        // Nothing that was published for the members of before reaches those of now, or the other way round.
        self.regather(out);
        if !self.is_fenced() {
            // Every decision that rests on it is entered in a later step, and durable after this one.
            let mut step = Step::default();
            self.enter_grounds(&mut step);
            self.commit(step, out);
        }
        let is_other = self.gate.charter().version() != version;
        if is_other {
            let version = self.gate.charter().version();
            out.push(Output::Report(Event::CharterFollowed { version }));
        }
        out.push(Output::Peers);
        self.enforce_standings(&before, out);
        self.charter.beat_due = self.now;
        self.turn_charter(out);
        if is_other {
            for peer in self.connected().collect::<Vec<_>>() {
                let charter = self.gate.charter().version();
                self.send_control(peer, Control::Follows { charter }, out);
                // It may know of acts of somebody who was no member here so far, and we of one unknown to it.
                self.tell_own_heads(peer, out);
            }
        }
        self.push_all(out);
    }

    /// Goes by another view of the charter, and by what follows from it for keys.
    ///
    /// # Errors
    /// [`GateError`] if its policies are not installed here: from here on nothing but governance flows.
    pub(super) fn adopt(&mut self, charter: Charter) -> Result<(), GateError> {
        let mut fits = true;
        let adopted = match self.gate.under(charter.clone()) {
            Ok(gate) => {
                self.gate = gate;
                Ok(())
            }
            Err(error) => {
                match self.gate.closed_under(charter) {
                    Ok(gate) => self.gate = gate,
                    // The schema takes whatever a directory may list. If it did not, nothing may leave.
                    Err(_) => fits = false,
                }
                Err(error)
            }
        };
        self.see_keys();
        self.revoked |= !fits;
        adopted
    }

    pub(super) fn report_blocked(&self, error: &GateError, out: &mut Vec<Output>) {
        let what = PeerFault::of(error).0;
        out.push(Output::Report(Event::CharterBlocked { what }));
    }

    /// Cuts off whoever may get nothing any more, at once: connection, and what was queued.
    fn enforce_standings(&mut self, before: &[(HubId, Status)], out: &mut Vec<Output>) {
        let now_standing: Vec<(HubId, Status, Status)> = (before.iter())
            .filter_map(|(code, old)| Some((*code, *old, self.gate.charter().member(*code)?.status)))
            .filter(|(_, old, new)| old != new)
            .collect();
        for (hub, old, new) in now_standing {
            out.push(Output::Report(Event::Standing { hub, status: new }));
            let was_heard = old == Status::Active;
            let is_heard = new == Status::Active;
            if was_heard == is_heard {
                continue;
            }
            if hub == self.me {
                // What peers said in the meantime was not listened to, nor what we said.
                self.begin_again(out);
                continue;
            }
            if let Some(state) = self.peers.get_mut(&hub) {
                state.flights.clear();
            }
            // What the transport has queued for it goes with the connection. It comes back: for notices, or, resumed, to
            // begin anew.
            out.push(Output::Disconnect(hub));
        }
        self.drop_queues(out);
    }

    /// Withholds what is queued for members that are suspended or out. A hold of 72 hours costs nobody what was queued
    /// for it. A fenced hub does so when it is no more.
    pub(super) fn drop_queues(&mut self, out: &mut Vec<Output>) {
        if self.is_fenced() {
            return;
        }
        let is_out = |member: &&Member| member.status > Status::Held && member.code != self.me;
        let gone: Vec<HubId> = (self.gate.charter().members().filter(is_out))
            .map(|member| member.code)
            .collect();
        for hub in gone {
            self.drop_queue(hub, out);
        }
    }

    fn drop_queue(&mut self, receiver: HubId, out: &mut Vec<Output>) {
        let queued: Vec<_> = (self.deliveries.values())
            .filter(|delivery| delivery.receiver == receiver && delivery.state == DeliveryState::Queued)
            .map(|delivery| delivery.item)
            .collect();
        for item in queued {
            self.withhold(item, receiver, vec![Self::NOT_ACTIVE.to_owned()], out);
        }
    }

    /// The rule by which a hub that is not active receives nothing.
    const NOT_ACTIVE: &'static str = "R-01a";

    pub(super) fn push_all(&mut self, out: &mut Vec<Output>) {
        for peer in self.connected().collect::<Vec<_>>() {
            self.push(peer, out);
        }
    }

    /// The peers with a connection.
    pub(super) fn connected(&self) -> impl Iterator<Item = HubId> {
        let connected = self.peers.iter().filter(|(_, state)| state.connected);
        connected.map(|(peer, _)| *peer)
    }
}
