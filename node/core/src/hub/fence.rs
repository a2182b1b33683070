//! The fence: a hub that may have forgotten what it signed signs nothing.
//!
//! Every start is a question: a database can be an old copy, and its anchor may have been copied with it. Before
//! the first signature peers are asked which checkpoint of ours they cosigned last, and how far they took over
//! our logs. Until enough of them have answered, and whatever they hold of ours is here again, the hub
//!
//! - stays connected, answers what peers ask about their own past, and lets them see the evidence against it;
//! - keeps what arrives in bounded memory, without a receipt, and takes it over when the fence is gone;
//! - signs, releases, cosigns, enters and announces nothing.
//!
//! It leaves the fence by itself. Two people may let it out where nobody can be asked (see [`super::alone`]);
//! nobody can where peers hold what it has lost.
//!
//! ```text
//! start --> asking --enough answers, nothing ahead--> (no fence)
//!              \--something ahead--> behind --leaves back from mirrors--> asking
//!              \--own signature over another history--> two histories, for good
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use testudo_crypto::checkpoint::Checkpoint;
use testudo_protocol::charter::{OwnAct, OwnTaken, Status};
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{Hash, HubId, ItemId, Timestamp};
use testudo_protocol::ledger::{CharterEvent, Entry};

use super::alone::Confirmed;
use super::recovery::{RECOVERING_ROW, Recovery, recovering_row};
use super::restore::{Anchor, contains};
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::output::{Event, Family, Output};
use crate::records::ItemRecord;
use crate::refusal::{FencedWhy, Refusal};
use crate::views::FenceView;

/// Row of a checkpoint of our own that a peer holds and we do not: what the fence stands on.
pub(super) const AHEAD_ROW: &[u8] = b"ahead";

/// Most peers that are asked before the first signature: five that all forgot, or all lie, are a fallen
/// federation.
const ASKED_MAX: usize = 5;

/// How long a connected peer is waited for once enough have answered, in milliseconds.
const SILENCE_MILLIS: u64 = 5_000;

/// Bytes of frames that are kept while the hub is fenced. Who sends more sends it again afterwards.
const ROOM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a hub is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// Too few peers have said what they hold of this ledger since the start.
    Asking,
    /// The anchor or a peer speaks of entries that are not here.
    Behind,
    /// This hub has signed two histories: it can only end its ledger.
    TwoHistories,
}

/// What is known about our own past since the start.
#[derive(Default)]
pub(super) struct FenceDesk {
    pub(super) standing: Option<Fence>,
    /// Who has said since the start which checkpoint of ours it cosigned last.
    checkpoints: BTreeSet<HubId>,
    /// Who has also said how far it took over our logs.
    pub(super) heard: BTreeSet<HubId>,
    /// The largest checkpoint that we signed and do not have.
    pub(super) ahead: Option<Checkpoint>,
    /// The anchor, if the tree does not contain it.
    pub(super) anchor: Option<Anchor>,
    /// Since when enough have answered.
    enough_since: Option<Timestamp>,
    /// Whether anything was missing since the start.
    was_behind: bool,
    /// The first of the entries that came back from mirrors; what they mean did not.
    pub(super) lost_from: Option<u64>,
    pub(super) recovery: Option<Recovery>,
    /// The first of two people who want to go on alone, and when.
    pub(super) approval: Option<(Hash, Timestamp)>,
    /// What members have decided about themselves, to be stored and entered when the fence is gone. Bounded by what
    /// [`OwnActs`](testudo_protocol::charter::OwnActs) takes.
    pub(super) own_acts: Vec<(OwnAct, OwnTaken)>,
    /// Notes of the charter that were taken, to be entered when the fence is gone.
    pub(super) charter_notes: Vec<(CharterEvent, Hash)>,
    /// What an older copy of the database has brought back of items that were erased since.
    pub(super) erased_again: BTreeMap<ItemId, Vec<ItemRecord>>,
    pub(super) room: Room,
}

impl FenceDesk {
    /// That of a hub which has just been started: nothing is signed before it stands where it stands.
    pub(super) fn unasked() -> Self {
        Self {
            standing: Some(Fence::Asking),
            ..Self::default()
        }
    }
}

/// Frames that wait for the fence to go, in the order in which they came.
#[derive(Default)]
pub(super) struct Room {
    frames: VecDeque<(HubId, Vec<u8>)>,
    bytes: usize,
    /// Whose frames had no place: they have to come again.
    full_for: BTreeSet<HubId>,
}

impl Room {
    pub(super) fn hold(&mut self, peer: HubId, frame: &[u8]) {
        let bytes = self.bytes.saturating_add(frame.len());
        // What follows a frame that had no place may rest on it.
        if bytes > ROOM_BYTES_MAX || self.full_for.contains(&peer) {
            self.full_for.insert(peer);
            return;
        }
        self.bytes = bytes;
        self.frames.push_back((peer, frame.to_vec()));
    }

    /// The connection is gone: the peer sends on the next one whatever has no receipt.
    pub(super) fn forget(&mut self, peer: HubId) {
        self.frames.retain(|(from, _)| *from != peer);
        self.bytes = self.frames.iter().map(|(_, frame)| frame.len()).sum();
        self.full_for.remove(&peer);
    }
}

/// Whether a message is heard at once by a fenced hub: it needs no entry, or is about the fence.
pub(super) fn passes(control: &Control) -> bool {
    matches!(
        control,
        Control::Hello { .. }
            | Control::Welcome
            | Control::Time(_)
            | Control::LastCheckpointAsk
            | Control::LastCheckpoint(_)
            | Control::HeadsAsk
            | Control::Heads { .. }
            | Control::LeavesAsk { .. }
            | Control::Leaves { .. }
            | Control::ProofAsk { .. }
            | Control::Announce(_)
            | Control::OwnHeads(_)
            | Control::OwnActsWanted { .. }
            | Control::OwnAct(_)
            | Control::CharterHave { .. }
            | Control::CharterNote(_)
            | Control::Heartbeat(_)
            | Control::Follows { .. }
    )
}

impl Hub {
    pub(super) fn is_fenced(&self) -> bool {
        self.fence.standing.is_some()
    }

    /// The other active members.
    pub(super) fn active_others(&self) -> impl Iterator<Item = HubId> + '_ {
        (self.gate.charter().members())
            .filter(|member| member.status == Status::Active && member.code != self.me)
            .map(|member| member.code)
    }

    /// How many peers have to answer before the first signature: half of the active members, one at least and
    /// five at most; nobody where there is nobody else.
    pub(super) fn needed(&self) -> usize {
        let others = self.active_others().count();
        let half = others.saturating_add(1) / 2;
        half.clamp(1, ASKED_MAX).min(others)
    }

    /// How many active members have answered since the start.
    pub(super) fn answered(&self) -> usize {
        self.active_others()
            .filter(|hub| self.fence.heard.contains(hub))
            .count()
    }

    /// Where the hub stands before anybody has answered.
    pub(super) fn stand_at_start(&mut self, anchor: Option<&Anchor>) {
        self.fence.anchor = anchor.filter(|anchor| !contains(&self.ledger, anchor)).cloned();
        let two_histories = self.has_split(self.me);
        self.fence.standing = if two_histories {
            Some(Fence::TwoHistories)
        } else {
            self.standing_now()
        };
        self.fence.was_behind = self.fence.standing == Some(Fence::Behind);
    }

    fn standing_now(&self) -> Option<Fence> {
        let size = self.ledger.size();
        match &self.fence.ahead {
            // Other leaves stand where we signed these: no mirror can mend that.
            Some(ahead) if ahead.size <= size => Some(Fence::TwoHistories),
            Some(_) => Some(Fence::Behind),
            None if self.fence.anchor.is_some() => Some(Fence::Behind),
            None if self.answered() < self.needed() || self.waits_for_more() => Some(Fence::Asking),
            None => None,
        }
    }

    /// Whether somebody who is connected and has not answered is waited for: the more have said what they hold, the
    /// less can have been forgotten. Whoever is silent is not waited for long.
    fn waits_for_more(&self) -> bool {
        let silent = |hub: HubId| self.is_connected(hub) && !self.fence.heard.contains(&hub);
        let in_time = |since: Timestamp| self.now < since.plus_millis(SILENCE_MILLIS);
        self.fence.enough_since.is_none_or(in_time) && self.active_others().any(silent)
    }

    /// Asks a peer what it has of our ledger and of our logs.
    pub(super) fn ask_about_us(&mut self, peer: HubId, out: &mut Vec<Output>) {
        self.send_control(peer, Control::LastCheckpointAsk, out);
        self.send_control(peer, Control::HeadsAsk, out);
    }

    /// A peer has answered about our ledger; `ahead` is what it holds and we do not.
    pub(super) fn on_answer_about_ledger(
        &mut self,
        peer: HubId,
        ahead: Option<(Checkpoint, Vec<u8>)>,
        out: &mut Vec<Output>,
    ) {
        self.fence.checkpoints.insert(peer);
        let larger = |known: &Checkpoint, found: &Checkpoint| known.size < found.size;
        let known = self.fence.ahead.as_ref();
        if let Some((checkpoint, note)) = ahead
            && known.is_none_or(|known| larger(known, &checkpoint))
        {
            let size = checkpoint.size.get();
            self.fence.ahead = Some(checkpoint);
            let mut step = Step::default();
            step.put_bytes(Family::Checkpoint, AHEAD_ROW.to_vec(), note);
            step.then(After::Report(Event::Behind { peer, size }));
            self.commit(step, out);
        }
        self.reconsider(out);
    }

    /// A peer has answered about our logs, the last of it.
    pub(super) fn on_answer_about_logs(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if self.fence.checkpoints.contains(&peer) {
            self.fence.heard.insert(peer);
        }
        self.reconsider(out);
    }

    /// Something has been learnt or has come back: is the hub fenced, and why?
    pub(super) fn reconsider(&mut self, out: &mut Vec<Output>) {
        if self.fence.standing == Some(Fence::TwoHistories) {
            return;
        }
        let has = |ahead: &Checkpoint| self.ledger.root_at(ahead.size) == Some(ahead.root);
        if self.fence.ahead.as_ref().is_some_and(has) {
            self.fence.ahead = None;
        }
        let is_contained = |anchor: &Anchor| contains(&self.ledger, anchor);
        if self.fence.anchor.as_ref().is_some_and(is_contained) {
            self.fence.anchor = None;
        }
        if self.answered() >= self.needed() && self.fence.enough_since.is_none() {
            self.fence.enough_since = Some(self.now);
        }
        let before = self.fence.standing;
        let now = self.standing_now();
        match (before, now) {
            // Once out, a hub is fenced again by what it has lost alone, and not because a charter has grown.
            (None, Some(Fence::Asking)) => {}
            (Some(_), None) => self.leave_fence(None, out),
            _ => {
                self.fence.standing = now;
                self.fence.was_behind |= now == Some(Fence::Behind);
            }
        }
        self.go_on_recovering(out);
    }

    /// The end of the fence: everything that had to wait happens now.
    ///
    /// What is entered here becomes durable in one step with the end of the fence. A crash before it leaves a hub
    /// that asks again.
    pub(super) fn leave_fence(&mut self, confirmed: Option<Confirmed>, out: &mut Vec<Output>) {
        let entered = self.ledger.size().get();
        self.fence.standing = None;
        let mut step = Step::default();
        self.begin_ledger(&mut step);
        for (act, taken) in std::mem::take(&mut self.fence.own_acts) {
            // An entry is far below the codec's limit, here and below.
            let _bounded = self.store_own_act(&mut step, &act, taken);
        }
        self.enter_charter_notes(&mut step);
        if let Some(from) = self.fence.lost_from.take() {
            let to = entered;
            let _bounded = self.enter(&mut step, Entry::Recovered { from, to });
            step.put_bytes(Family::Checkpoint, RECOVERING_ROW.to_vec(), recovering_row(None));
        }
        let alone = confirmed.is_some();
        if let Some(confirmed) = confirmed {
            self.enter_confirmed(&mut step, confirmed);
        }
        if std::mem::take(&mut self.fence.was_behind) || alone {
            self.retire_logs(&mut step);
            // What was published before the loss is behind what peers have: the tick that follows is for them.
            self.witness.published = None;
            self.witness.cosigned.clear();
        }
        self.enter_grounds(&mut step);
        let heard = self.answered();
        step.then(After::Report(Event::Unfenced { heard }));
        self.commit(step, out);
        self.erase_again(out);
        self.fence.anchor = None;
        if !self.revoked {
            self.turn_keys(out);
            if self.announcement.is_none() {
                self.announce_anew();
            }
        }
        self.drop_queues(out);
        // Whatever was entered since the last tick is shown as soon as it can be.
        self.checkpoint_due = self.now;
        let met: Vec<HubId> = (self.peers.iter())
            .filter(|(_, state)| state.met.is_some())
            .map(|(peer, _)| *peer)
            .collect();
        for peer in met {
            self.greet(peer, out);
        }
        let Room { frames, full_for, .. } = std::mem::take(&mut self.fence.room);
        for (peer, frame) in frames {
            if self.is_connected(peer) {
                self.on_frame(peer, &frame, out);
            }
        }
        // They come back, and send what had no place here.
        out.extend(full_for.into_iter().map(Output::Disconnect));
    }

    /// Evidence that this very hub signed two histories: it must sign nothing more.
    pub(super) fn fence_for_good(&mut self) {
        self.fence.standing = Some(Fence::TwoHistories);
        self.fence.recovery = None;
    }

    /// Hears a message that is for a fenced hub, or keeps it for later.
    pub(super) fn hear_fenced(
        &mut self,
        peer: HubId,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        match Message::decode(frame) {
            Ok(Message::Control(control)) if passes(&control) => self.on_control(peer, control, out),
            Ok(Message::Control(Control::Evidence(bytes))) => {
                if self.is_about_us(&bytes) {
                    return self.on_evidence(&bytes, out);
                }
                self.fence.room.hold(peer, frame);
                Ok(())
            }
            Ok(_) => {
                self.fence.room.hold(peer, frame);
                Ok(())
            }
            Err(error) => Err(PeerFault::of(&error)),
        }
    }

    /// Whether anything may be released now.
    ///
    /// # Errors
    /// [`Refusal::Fenced`] or [`Refusal::ClockOff`].
    pub(super) fn may_release(&self) -> Result<(), Refusal> {
        self.may_sign().and_then(|()| self.check_clock())
    }

    /// Whether this hub may sign anything of its own now.
    ///
    /// # Errors
    /// [`Refusal::Fenced`].
    pub(super) fn may_sign(&self) -> Result<(), Refusal> {
        if self.is_fenced() {
            return Err(self.fenced());
        }
        Ok(())
    }

    /// The refusal of everything that a fenced hub does not do.
    pub(super) fn fenced(&self) -> Refusal {
        Refusal::Fenced {
            why: match self.fence.standing {
                Some(Fence::TwoHistories) => FencedWhy::TwoHistories,
                Some(Fence::Behind) => FencedWhy::Behind,
                Some(Fence::Asking) | None => FencedWhy::Asking,
            },
        }
    }

    /// Why the hub is fenced, for people.
    pub(super) fn fence_view(&self) -> Option<FenceView> {
        let standing = self.fence.standing?;
        let why = match standing {
            Fence::Asking => "asking",
            Fence::Behind => "behind",
            Fence::TwoHistories => "two-histories",
        };
        let by_anchor = self.fence.anchor.as_ref().map(|anchor| anchor.size);
        let by_peers = self.fence.ahead.as_ref().map(|ahead| ahead.size.get());
        Some(FenceView {
            why: why.to_owned(),
            heard: self.answered(),
            needed: self.needed(),
            entries: self.ledger.size().get(),
            held_by_peers: by_peers,
            anchored: by_anchor,
        })
    }
}
