//! How notes of the charter reach every member: what is new is passed on, and two hubs that meet compare.
//!
//! Ids name text and signatures, so that a note which has gathered more votes is passed on again. Comparing is in
//! ranges that together cover all ids: whoever reads one answers with what is missing in it, and keeps no state.

use testudo_protocol::charter::Status;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{Hash, HubId};
use testudo_protocol::receipt::{Act, Receipt};

use super::{Hub, PeerFault};
use crate::output::Output;

/// Ids in one message: what a control message holds, with room to spare.
const HAVE_MAX: usize = 400;

/// Comparisons that one peer may ask for over one connection: each can cost us every note there is.
const HAVES_MAX: u32 = 1_000;

impl Hub {
    /// Begins a connection: says what is here, so that the peer sends what is missing.
    pub(super) fn meet_charter(&mut self, peer: HubId, out: &mut Vec<Output>) {
        self.compare_notes(peer, out);
        let beats: Vec<Vec<u8>> = (self.charter.governance.heartbeats())
            .map(|beat| beat.to_bytes())
            .collect();
        for beat in beats {
            self.send_control(peer, Control::Heartbeat(beat), out);
        }
    }

    fn compare_notes(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let mut ids: Vec<Hash> = (self.charter.governance.notes().into_iter())
            .map(|(id, _)| id)
            .collect();
        ids.sort_unstable();
        let chunks: Vec<&[Hash]> = ids.chunks(HAVE_MAX).collect();
        for (at, chunk) in chunks.iter().enumerate() {
            let from = if at == 0 { None } else { chunk.first() };
            let next = chunks.get(at.saturating_add(1));
            let have = Control::CharterHave {
                from: from.copied().unwrap_or(Hash::new([0; 32])),
                until: next.and_then(|chunk| chunk.first()).copied(),
                known: chunk.to_vec(),
            };
            self.send_control(peer, have, out);
        }
    }

    /// The peer says what it has in a range: it gets the rest of it, in an order in which it can take it.
    pub(super) fn on_charter_have(
        &mut self,
        peer: HubId,
        (from, until): (Hash, Option<Hash>),
        known: &[Hash],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let state = self.peers.entry(peer).or_default();
        state.haves = state.haves.saturating_add(1);
        if state.haves > HAVES_MAX || known.len() > HAVE_MAX {
            return Err(PeerFault("asks for the charter without end".to_owned()));
        }
        let is_asked = |id: &Hash| *id >= from && until.is_none_or(|until| *id < until);
        let missing: Vec<Vec<u8>> = (self.charter.governance.notes().into_iter())
            .filter(|(id, _)| is_asked(id) && !known.contains(id))
            .map(|(_, note)| note)
            .collect();
        for note in missing {
            self.send_control(peer, Control::CharterNote(note), out);
        }
        Ok(())
    }

    /// Passes a durable note on, and asks again whoever sent something that was too early.
    pub(super) fn tell_note(&mut self, hash: Hash, from: Option<HubId>, out: &mut Vec<Output>) {
        let Some((_, note)) = self.charter.governance.note(hash) else {
            return;
        };
        for peer in self.connected().collect::<Vec<_>>() {
            if Some(peer) != from {
                self.transmit_control(peer, Control::CharterNote(note.clone()), out);
            }
            let state = self.peers.entry(peer).or_default();
            if std::mem::take(&mut state.early_notes) {
                self.compare_notes(peer, out);
            }
        }
    }

    /// The first message on a stream.
    pub(super) fn hello(&self) -> Control {
        let charter = self.gate.charter();
        Control::Hello {
            realm: charter.realm().tag().into(),
            charter: charter.version(),
        }
    }

    /// Whether a message may go to a peer.
    ///
    /// INVARIANT (notices reach everyone): a hub that is held, suspended, expelled or gone gets governance, notices, the
    /// receipts that answer them and what it has to know of its own ledger, and nothing else.
    pub(super) fn may_tell(&self, peer: HubId, control: &Control) -> bool {
        self.is_in_good_standing(peer) || is_for_everyone(control)
    }

    /// Whether a message of a peer is heard.
    ///
    /// A hub whose own key was revoked hears governance alone: it can answer for nothing else.
    pub(super) fn may_hear(&self, peer: HubId, message: &Message) -> bool {
        match message {
            Message::Control(control) if self.revoked => is_governance(control),
            Message::Control(control) => self.may_tell(peer, control),
            Message::Content(_) | Message::Resealed(_) | Message::Piece(_) => {
                !self.revoked && self.is_in_good_standing(peer)
            }
        }
    }

    pub(super) fn is_in_good_standing(&self, peer: HubId) -> bool {
        let member = self.gate.charter().member(peer);
        member.is_some_and(|member| member.status == Status::Active)
    }
}

fn is_for_everyone(control: &Control) -> bool {
    match control {
        Control::Notice(_) | Control::Noted { .. } => true,
        // What a hub has to know of its own past before it may answer a notice: signatures of its own, and hashes.
        Control::Time(_)
        | Control::LastCheckpointAsk
        | Control::LastCheckpoint(_)
        | Control::HeadsAsk
        | Control::Heads { .. }
        | Control::LeavesAsk { .. }
        | Control::Leaves { .. } => true,
        Control::Receipt(bytes) => {
            Receipt::decode(bytes).is_ok_and(|receipt| receipt.fields().act == Act::Purged)
        }
        _ => is_governance(control),
    }
}

/// Whether a message is about who is in, and what members decide about themselves.
fn is_governance(control: &Control) -> bool {
    matches!(
        control,
        Control::Hello { .. }
            | Control::Welcome
            | Control::Follows { .. }
            | Control::CharterHave { .. }
            | Control::CharterNote(_)
            | Control::Heartbeat(_)
            | Control::OwnHeads(_)
            | Control::OwnActsWanted { .. }
            | Control::OwnAct(_)
    )
}
