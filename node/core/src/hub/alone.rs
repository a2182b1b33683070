//! Going on without having asked: an act of two people, an entry, and something that peers are shown.
//!
//! Where nobody can be asked, or the anchor speaks of entries that are on nobody's mirror, a hub would stay fenced
//! for ever. Two people may then vouch for it. There are no accounts yet: what the hub can check is that two
//! different codes of its duty roster were given within a quarter of an hour. It enters a hash of each, and shows the entry with its
//! opening to every peer, which tells its own operators.
//!
//! They can vouch for nothing that is known to be wrong: what a peer holds of this ledger has to come back first,
//! and two histories stay two.

use serde::{Deserialize, Serialize};
use testudo_crypto::tlog::policy::Policy;
use testudo_crypto::tlog::proof::Proof;
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{Hash, HubId, Timestamp};
use testudo_protocol::ledger::{Entry, Opening, ProofExtra};
use testudo_protocol::wire;

use super::fence::Fence;
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::input::CommandId;
use crate::output::{Event, Family, Output};
use crate::person::Person;
use crate::refusal::Refusal;
use crate::views::Reply;

/// Row of the entry that says so, for peers.
pub(super) const ALONE_ROW: &[u8] = b"alone";

/// How long the first of two people is waited for, in milliseconds.
const APPROVAL_MILLIS: u64 = 15 * 60 * 1_000;

/// How long peers are shown the entry, in milliseconds: a member that was away for a month sees it too.
const SHOWN_MILLIS: u64 = 60 * 24 * 60 * 60 * 1_000;

/// Row of what a peer has shown of this kind.
pub(super) fn peer_alone_row(hub: HubId) -> Vec<u8> {
    [b"a".as_slice(), hub.as_bytes()].concat()
}

/// The entry as it is kept for peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AloneRow {
    pub(super) index: u64,
    pub(super) time: Timestamp,
    pub(super) opening: Vec<u8>,
}

/// What two people have vouched for.
pub(super) struct Confirmed {
    command: CommandId,
    entry: Entry,
}

impl Hub {
    /// One of two people wants to go on alone.
    pub(super) fn confirm_alone(
        &mut self,
        id: CommandId,
        person: &Person,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        match self.fence.standing {
            None => return Err(Refusal::NotFenced),
            Some(Fence::Asking) => {}
            Some(Fence::Behind) if self.fence.ahead.is_none() => {}
            Some(_) => return Err(self.fenced()),
        }
        let person = person.hash();
        let waited = |since: Timestamp| since.plus_millis(APPROVAL_MILLIS) > self.now;
        match self.fence.approval.filter(|(_, since)| waited(*since)) {
            Some((first, _)) if first == person => Err(Refusal::SamePerson),
            Some((first, _)) => {
                self.fence.approval = None;
                self.go_on_alone(id, [first, person], out);
                Ok(())
            }
            None => {
                self.fence.approval = Some((person, self.now));
                let until = self.now.plus_millis(APPROVAL_MILLIS).seconds();
                out.push(Output::Reply(id, Ok(Reply::SecondPersonNeeded { until })));
                Ok(())
            }
        }
    }

    fn go_on_alone(&mut self, command: CommandId, people: [Hash; 2], out: &mut Vec<Output>) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let entry = Entry::ConfirmedAlone {
            size: self.ledger.size().get(),
            anchored: (self.fence.anchor.as_ref()).map_or(self.checkpoint_size, |anchor| anchor.size),
            heard: count(self.answered()),
            needed: count(self.needed()),
            people,
        };
        self.leave_fence(Some(Confirmed { command, entry }), out);
    }

    /// Enters the act as part of the step that ends the fence, and answers once it is durable.
    pub(super) fn enter_confirmed(&mut self, step: &mut Step, confirmed: Confirmed) {
        let Confirmed { command, entry } = confirmed;
        // An entry is far below the codec's limit, and so is its row.
        let Ok((index, opening)) = self.enter(step, entry) else {
            return;
        };
        let row = AloneRow {
            index,
            time: self.now,
            opening,
        };
        let _bounded = step.put(Family::Checkpoint, ALONE_ROW.to_vec(), &row);
        self.alone = Some(row);
        self.alone_shown.clear();
        step.then(After::Reply(command, Reply::ConfirmedAlone { entry: index }));
    }

    /// Shows a peer that this hub went on alone, once a checkpoint covers the entry.
    pub(super) fn show_alone(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let Some(row) = self.alone.as_ref().filter(|_| !self.alone_shown.contains(&peer)) else {
            return;
        };
        if row.time.plus_millis(SHOWN_MILLIS) <= self.now {
            return;
        }
        let extra = ProofExtra {
            vkey: self.signer.verifier(),
            cosigners: Vec::new(),
            opening: row.opening.clone(),
        };
        if let Some(proof) = self.proof_of(row.index, Some(extra.to_bytes())) {
            self.alone_shown.insert(peer);
            self.send_control(peer, Control::Alone(proof), out);
        }
    }

    /// A peer shows that it went on alone: its opening counts under its own ledger's signature.
    pub(super) fn on_alone(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let proof = Proof::parse(bytes).map_err(|error| PeerFault::of(&error))?;
        let refused = || PeerFault("shows an entry about going on alone that is none".to_owned());
        let log = self.log_key(peer, proof.note()).ok_or_else(refused)?;
        let extra =
            ProofExtra::parse(proof.extra().unwrap_or_default()).map_err(|error| PeerFault::of(&error))?;
        let opening = Opening::unchecked(&extra.opening).ok_or_else(refused)?;
        let leaf = opening
            .leaf(log.name(), proof.index().get())
            .map_err(|error| PeerFault::of(&error))?;
        proof
            .verify(leaf.hash(), &Policy::unwitnessed(), Some(&log))
            .map_err(|error| PeerFault::of(&error))?;
        if !matches!(opening.record().entry, Entry::ConfirmedAlone { .. }) {
            return Err(refused());
        }
        let (index, time) = (proof.index().get(), opening.record().time);
        if self
            .peers_alone
            .get(&peer)
            .is_some_and(|(known, _)| *known >= index)
        {
            return Ok(());
        }
        let mut step = Step::default();
        step.put(Family::Checkpoint, peer_alone_row(peer), &(index, time))
            .map_err(|error| PeerFault::of(&error))?;
        self.peers_alone.insert(peer, (index, time));
        step.then(After::Report(Event::PeerWentOnAlone { peer, index }));
        self.commit(step, out);
        Ok(())
    }

    /// Reads back what was kept of such acts; `None` if the row is damaged.
    pub(super) fn take_alone_row(&mut self, peer: Option<HubId>, value: &[u8]) -> Option<()> {
        match peer {
            None => self.alone = Some(wire::decode(value).ok()?),
            Some(peer) => {
                self.peers_alone.insert(peer, wire::decode(value).ok()?);
            }
        }
        Some(())
    }
}
