//! The members' own acts: taken, stored, followed, told on.
//!
//! An act is followed by what comes in behind it, and stored in a step of its own before the steps of all that:
//! INVARIANT (acts before what rests on them): nothing that counts only because of an act is durable, or said to a
//! peer, before the act is durable. A crash leaves the act with what rests on it, or neither.
//!
//! Hubs compare the newest acts that they know whenever they meet, and ask for what they lack, so that an act
//! reaches everybody by way of anybody.

use testudo_crypto::note::NoteSigner;
use testudo_protocol::announcement::Announcement;
use testudo_protocol::charter::{KeyKind, OwnAct, OwnDeed, OwnHead, OwnTakeError, OwnTaken};
use testudo_protocol::exchange::{Control, OWN_HEADS_MAX};
use testudo_protocol::id::HubId;
use testudo_protocol::ledger::{Entry, IncidentKind};

use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::input::CommandId;
use crate::keys::HubKeys;
use crate::output::{Event, Family, Output};
use crate::records::key;
use crate::refusal::Refusal;
use crate::views::{OwnKeysView, Reply};

impl Hub {
    /// Rule id of what is not sent any more because its key was revoked.
    pub(super) const KEY_REVOKED: &'static str = "key-revoked";

    /// Tells a peer what this hub has decided about itself: what it signs is judged by that, so nobody has to ask first.
    pub(super) fn tell_own_acts(&mut self, peer: HubId, out: &mut Vec<Output>) {
        for act in self.own_acts.from(self.me, 0) {
            self.send_control(peer, Control::OwnAct(act), out);
        }
    }

    /// Tells a peer the newest acts that are known here.
    pub(super) fn tell_own_heads(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let heads: Vec<OwnHead> = self.own_acts.heads().collect();
        for heads in heads.chunks(OWN_HEADS_MAX) {
            self.send_control(peer, Control::OwnHeads(heads.to_vec()), out);
        }
    }

    /// A peer knows of these: asks for what is missing here.
    pub(super) fn on_own_heads(
        &mut self,
        peer: HubId,
        heads: &[OwnHead],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        if heads.len() > OWN_HEADS_MAX {
            return Err(PeerFault(format!(
                "named {} newest acts at once, at most {OWN_HEADS_MAX} are read",
                heads.len()
            )));
        }
        for head in heads {
            if let Some(from) = self.own_acts.wanted(head, self.gate.charter()) {
                let member = head.member;
                self.send_control(peer, Control::OwnActsWanted { member, from }, out);
            }
        }
        Ok(())
    }

    /// A peer asks for acts. There are at most a few dozen for each member, and it pays for them with its own queue.
    pub(super) fn on_own_acts_wanted(
        &mut self,
        peer: HubId,
        (member, from): (HubId, u64),
        out: &mut Vec<Output>,
    ) {
        for act in self.own_acts.from(member, from) {
            self.send_control(peer, Control::OwnAct(act), out);
        }
    }

    /// An act that a peer passes on; it counts by itself, whoever brings it.
    pub(super) fn on_own_act(&mut self, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), PeerFault> {
        let act = OwnAct::decode(bytes).map_err(|error| PeerFault::of(&error))?;
        match self.take_own_act(act, None, out) {
            Ok(()) => Ok(()),
            // It may know a charter that has not come here yet. Acts come in their order: what lies between is missing
            // at the peer too, and asking it again would go on for ever.
            Err(OwnActRefusal::Take(OwnTakeError::NotAMember { .. } | OwnTakeError::Ahead { .. })) => Ok(()),
            Err(OwnActRefusal::Take(error)) => Err(PeerFault::of(&error)),
            Err(OwnActRefusal::Step(error)) => Err(PeerFault::of(&error)),
        }
    }

    /// The operator hands in an act of this hub, signed with its root key.
    pub(super) fn hand_in_own_act(
        &mut self,
        id: CommandId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let act = OwnAct::decode(bytes).map_err(|error| Refusal::OwnAct(error.into()))?;
        if act.fields().member != self.me {
            let member = act.fields().member;
            return Err(Refusal::OwnAct(OwnTakeError::NotAMember { member }));
        }
        match self.take_own_act(act, Some(id), out) {
            Ok(()) => Ok(()),
            Err(OwnActRefusal::Take(error)) => Err(Refusal::OwnAct(error)),
            Err(OwnActRefusal::Step(refusal)) => Err(refusal),
        }
    }

    /// Takes an act, stores it and goes by it; peers are told once it is durable.
    ///
    /// A crash before the step is durable leaves nothing: a peer that has the act tells of it at the next
    /// connection, and our own act lies in the folder still and is read again at the start.
    fn take_own_act(
        &mut self,
        act: OwnAct,
        asked: Option<CommandId>,
        out: &mut Vec<Output>,
    ) -> Result<(), OwnActRefusal> {
        let mut step = Step::default();
        let counter = act.fields().counter;
        let is_new = self.enter_own_act(&mut step, act)?;
        if !is_new && asked.is_none() {
            return Ok(());
        }
        if let Some(id) = asked {
            step.then(After::Reply(id, Reply::OwnActTaken { counter }));
        }
        self.commit(step, out);
        if is_new {
            self.follow_own_acts(out);
        }
        Ok(())
    }

    /// Puts an act into a step; false if it is here already.
    ///
    /// A fenced hub enters nothing, and still must not work with what it has revoked: it follows the act at once and
    /// keeps it for the step that ends the fence. A crash before that leaves nothing, as in [`Self::take_own_act`].
    pub(super) fn enter_own_act(&mut self, step: &mut Step, act: OwnAct) -> Result<bool, OwnActRefusal> {
        let taken = self.own_acts.take(act.clone(), self.gate.charter());
        match taken.map_err(OwnActRefusal::Take)? {
            OwnTaken::Known => return Ok(false),
            taken if self.is_fenced() => self.fence.own_acts.push((act, taken)),
            taken => self.store_own_act(step, &act, taken)?,
        }
        Ok(true)
    }

    /// Stores and enters an act that was just taken, and tells peers once that is durable.
    pub(super) fn store_own_act(
        &mut self,
        step: &mut Step,
        act: &OwnAct,
        taken: OwnTaken,
    ) -> Result<(), OwnActRefusal> {
        let (member, counter, hash) = (act.fields().member, act.fields().counter, act.hash());
        let bytes = act.to_bytes().to_vec();
        let entry = match taken {
            OwnTaken::Known => return Ok(()),
            OwnTaken::Extended => {
                step.put_bytes(Family::OwnAct, key::own_act(member, counter), bytes.clone());
                Entry::OwnAct {
                    member,
                    counter,
                    act: hash,
                }
            }
            OwnTaken::Split => {
                step.put_bytes(Family::OwnAct, key::split_act(member), bytes.clone());
                step.put_bytes(Family::Evidence, hash.as_bytes().to_vec(), bytes.clone());
                step.then(After::Report(Event::SplitActs { member }));
                Entry::Incident {
                    kind: IncidentKind::SplitActs,
                    peer: member,
                    evidence: hash,
                }
            }
        };
        self.enter(step, entry).map_err(OwnActRefusal::Step)?;
        // Two that contradict each other prove something only together.
        let split = self.own_acts.from(member, OwnHead::SPLIT);
        let told = if split.is_empty() { vec![bytes] } else { split };
        let peers = self.peers.iter().filter(|(_, state)| state.connected);
        for peer in peers.map(|(peer, _)| *peer) {
            let acts = told.iter().cloned().map(Control::OwnAct);
            acts.for_each(|act| step.then(After::Control(peer, act)));
        }
        Ok(())
    }

    /// From here on everything goes by what the members have decided about themselves.
    fn follow_own_acts(&mut self, out: &mut Vec<Output>) {
        out.push(Output::Report(Event::OwnActsFollowed));
        self.enforce(self.charter_now(), out);
    }

    /// Looks at announced keys and at our own through the charter in force.
    pub(super) fn see_keys(&mut self) {
        // A thief of a payload key could have announced a recipient key of its own: nothing more is sealed to it.
        let (charter, now) = (self.gate.charter(), self.now);
        self.announced.retain(|_, announced| {
            Announcement::verify(&announced.to_bytes(), charter, now.max(announced.fields().made)).is_ok()
        });
        self.revoked = KeyKind::ALL.iter().any(|kind| charter.is_revoked(self.me, *kind));
    }

    /// Other keys of this hub, which its newest act certifies: from here on it signs with them.
    pub(super) fn on_keys(&mut self, keys: HubKeys, out: &mut Vec<Output>) {
        if keys.public() == self.keys.public() {
            return;
        }
        let certified = self.gate.charter().member(self.me).map(|member| &member.keys);
        if certified != Some(&keys.public()) {
            out.push(Output::Report(Event::KeysNotCertified));
            return;
        }
        let signer = NoteSigner::with(self.ledger.origin(), keys.ledger.clone());
        let Ok(signer) = signer else { return };
        let was_revoked = self.revoked;
        self.signer = signer;
        self.keys = keys;
        // The charter is the one that was in force, and so are its policies.
        let _blocked_as_before = self.adopt(self.gate.charter().clone());
        self.announce_anew();
        self.announce(out);
        if was_revoked && !self.revoked {
            // Nothing that peers said in the meantime was listened to.
            self.begin_again(out);
        }
        // What witnesses are shown is signed with the key that counts.
        self.checkpoint_due = self.now;
        out.push(Output::Report(Event::KeysChanged));
    }

    /// Whether the outer part of one of our own envelopes was signed with a key that we have revoked.
    pub(super) fn is_disowned(&self, entry: &[u8]) -> bool {
        use testudo_protocol::envelope::{Envelope, OuterError};
        let charter = self.gate.charter();
        let revoked = || {
            let envelope = Envelope::decode(entry).ok()?;
            Some(envelope.outer().verify(charter) == Err(OuterError::Revoked))
        };
        charter.has_revoked_payload_key(self.me) && revoked().unwrap_or(false)
    }

    /// What this hub's own chain says, for its operator.
    pub fn own_keys(&self) -> Option<OwnKeysView> {
        let charter = self.gate.charter();
        let member = charter.member(self.me)?;
        let acts = self
            .own_acts
            .chain(self.me)
            .into_iter()
            .flat_map(|chain| chain.acts());
        let newest = acts
            .last()
            .or(charter.certificate_act(self.me).map(|(_, act)| act))?;
        Some(OwnKeysView {
            root: member.certificate.root,
            counter: newest.fields().counter,
            newest: newest.hash(),
            valid_until: member.certificate.valid_until,
            revoked: (KeyKind::ALL.iter())
                .filter(|kind| charter.is_revoked(self.me, **kind))
                .map(|kind| kind.as_str().to_owned())
                .collect(),
            has_left: newest.fields().deed == OwnDeed::Exit,
        })
    }
}

/// Why an act was not taken.
pub(super) enum OwnActRefusal {
    /// It does not count.
    Take(OwnTakeError),
    /// It could not be stored.
    Step(Refusal),
}
