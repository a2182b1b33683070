//! How two hubs meet: whatever a session begins with, and begins again with.
//!
//! Each side writes on a stream of its own, and either stream can be lost while the other stands. Its sender then has
//! a new session, and the other side hears of it only by what comes over the new stream: a hello. So both sides repeat
//! at a hello what they are owed an answer for: the stream that was lost may have carried the answers.
//!
//! ```text
//! A: Connected --hello--> B: repeats, --welcome--> A: repeats, unless B's own hello made it do so
//! ```

use testudo_protocol::exchange::Control;
use testudo_protocol::id::{CharterVersion, HubId};

use super::{Hub, PeerFault};
use crate::outbound::Outbound;
use crate::output::Output;

/// Least time between two meetings in one session, in milliseconds. A peer loses its stream rarely; one that says
/// hello without end must not have us read our outbox for it without end.
const MEETING_PAUSE_MILLIS: u64 = 5_000;

impl Hub {
    pub(super) fn on_connected(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if self.gate.charter().member(peer).is_none() || peer == self.me {
            return;
        }
        self.give_up_parcel(peer, out);
        self.end_session(peer);
        self.peers.entry(peer).or_default().connected = true;
        self.say_hello(peer, out);
    }

    /// Begins with everybody anew, as if their sessions had just begun: what they said so far was not heard.
    pub(super) fn begin_again(&mut self, out: &mut Vec<Output>) {
        let connected = self.peers.iter_mut().filter(|(_, state)| state.connected);
        let connected: Vec<HubId> = connected
            .map(|(peer, state)| {
                state.met = None;
                *peer
            })
            .collect();
        for peer in connected {
            self.say_hello(peer, out);
        }
    }

    fn say_hello(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let hello = self.hello();
        out.push(Output::Transmit(peer, Outbound::control(peer, hello)));
    }

    pub(super) fn on_disconnected(&mut self, peer: HubId) {
        self.end_session(peer);
    }

    pub(super) fn end_session(&mut self, peer: HubId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.connected = false;
            state.met = None;
            state.meets_again = false;
            state.announced = false;
            state.early = None;
            state.told_of_logs = false;
            state.early_notes = false;
            state.haves = 0;
            state.flights.clear();
            state.served = false;
            state.ahead_millis = None;
            state.proofs_asked = false;
        }
        self.drop_serving(peer);
        self.drop_asks(peer);
        self.forget_asking(peer);
        self.alone_shown.remove(&peer);
        self.fence.room.forget(peer);
        self.recovery_peer_changed(peer);
    }

    /// The peer has a new stream: answers that it gave on the one before may be lost.
    ///
    /// # Errors
    /// A fault if it is in another federation or realm.
    pub(super) fn on_hello(
        &mut self,
        peer: HubId,
        (realm, charter): (&[u8; 32], CharterVersion),
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        if self.gate.charter().realm().tag().as_bytes() != realm {
            return Err(PeerFault("is in another federation or realm".to_owned()));
        }
        self.peers.entry(peer).or_default().charter = Some(charter);
        self.transmit_control(peer, Control::Welcome, out);
        let now = self.now;
        let state = self.peers.entry(peer).or_default();
        if state
            .met
            .is_some_and(|met| now < met.plus_millis(MEETING_PAUSE_MILLIS))
        {
            state.meets_again = true;
        } else {
            self.meet(peer, out);
        }
        Ok(())
    }

    /// Meets those whose hello came too soon after the one before.
    pub(super) fn meet_again(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        let due: Vec<HubId> = (self.peers.iter())
            .filter(|(_, state)| state.meets_again)
            .filter(|(_, state)| {
                state
                    .met
                    .is_none_or(|met| now >= met.plus_millis(MEETING_PAUSE_MILLIS))
            })
            .map(|(peer, _)| *peer)
            .collect();
        for peer in due {
            self.meet(peer, out);
        }
    }

    /// The peer has heard our hello. Its own may have come over a stream that stood before our session began, and is
    /// not said again.
    pub(super) fn on_welcome(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if self.peers.get(&peer).is_some_and(|state| state.met.is_none()) {
            self.meet(peer, out);
        }
    }

    /// Says and sends anew all that this hub is owed an answer for.
    fn meet(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let now = self.now;
        let Some(state) = self.peers.get_mut(&peer).filter(|state| state.connected) else {
            return;
        };
        state.met = Some(now);
        state.meets_again = false;
        state.flights.clear();
        state.served = false;
        // First of all who is in, then what each has decided about itself: whatever follows is judged by them.
        self.meet_charter(peer, out);
        self.tell_own_acts(peer, out);
        self.tell_own_heads(peer, out);
        self.transmit_control(peer, Control::Time(now), out);
        self.ask_about_us(peer, out);
        self.recovery_peer_changed(peer);
        if self.is_fenced() {
            self.go_on_recovering(out);
        } else {
            self.greet(peer, out);
        }
    }

    /// Says to a peer that was met what it is owed, once this hub may say anything.
    pub(super) fn greet(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if self.revoked {
            return;
        }
        self.meet_witness(peer, out);
        self.show_alone(peer, out);
        self.ask_for_proofs(peer, out);
        self.say_all(peer, out);
        self.drop_asks(peer);
        self.pump_fetches(out);
    }

    /// A session with nobody at the other end: what is sent goes into a parcel. The key that was announced last counts.
    pub(super) fn begin_virtual_session(&mut self, peer: HubId, out: &mut Vec<Output>) {
        self.end_session(peer);
        let (now, charter) = (self.now, self.gate.charter().version());
        let state = self.peers.entry(peer).or_default();
        state.connected = true;
        state.met = Some(now);
        state.announced = true;
        // Carried to whoever follows what we do; a receiver that is behind refuses it, and is sent it again.
        state.charter = Some(charter);
        self.tell_own_acts(peer, out);
        self.say_all(peer, out);
    }

    fn say_all(&mut self, peer: HubId, out: &mut Vec<Output>) {
        self.announce_to(peer, out);
        self.repeat_receipts(peer, out);
        self.send_consents(peer, out);
        self.send_asks(peer, out);
        self.send_notices(peer, out);
        self.push(peer, out);
    }
}
