//! Our own logs after a loss: no place of a log is ever given to two envelopes.
//!
//! A peer keeps the last outer part of each log that it takes over, and shows it on every connection. Whatever it
//! shows is signed by us, so that it cannot invent anything; if it is further than we are, our database is an old
//! copy. The logs of before are then closed: members lack different places of them, and nobody could fill those.
//! Every audience goes on in a new log, whose name is derived with the next generation.
//!
//! Peers that are not there cannot be asked. After a start at which the database is not proven whole by its anchor,
//! a release to one that has not answered since begins new logs too.

use testudo_crypto::digest::Digest;
use testudo_protocol::envelope::{Outer, OuterFields};
use testudo_protocol::exchange::{Control, HEADS_MAX};
use testudo_protocol::id::{AudienceId, EnvelopeHash, Hash, HubId};
use testudo_protocol::ledger::{Entry, IncidentKind};

use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::output::{Event, Family, Output};
use crate::records::key;

/// Row of how often our logs have been begun anew.
pub(super) const GENERATION_ROW: &[u8] = b"generation";

impl Hub {
    /// Keeps the last outer part of a peer's log, to show it to the peer if it forgets.
    pub(super) fn keep_outer(&mut self, step: &mut Step, outer: &Outer) {
        let fields = outer.fields();
        let row = key::last_outer(fields.sender, fields.audience);
        step.put_bytes(Family::Log, row, outer.to_bytes());
        self.last_outers
            .insert((fields.sender, fields.audience), outer.to_bytes());
    }

    /// A peer asks how far we have taken over its logs.
    pub(super) fn on_heads_ask(&mut self, peer: HubId, out: &mut Vec<Output>) {
        let from = (peer, AudienceId::new([0; 16]));
        let until = (peer, AudienceId::new([0xff; 16]));
        let outers: Vec<Vec<u8>> = self
            .last_outers
            .range(from..=until)
            .map(|(_, outer)| outer.clone())
            .collect();
        let mut parts: Vec<Vec<Vec<u8>>> = outers.chunks(HEADS_MAX).map(<[_]>::to_vec).collect();
        let end = parts.pop().unwrap_or_default();
        for outers in parts {
            let last = false;
            self.send_control(peer, Control::Heads { outers, last }, out);
        }
        let heads = Control::Heads {
            outers: end,
            last: true,
        };
        self.send_control(peer, heads, out);
    }

    /// A peer shows how far it has taken over our logs.
    pub(super) fn on_heads(
        &mut self,
        peer: HubId,
        outers: &[Vec<u8>],
        last: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        for bytes in outers {
            let outer = Self::outer_of(bytes)?;
            if outer.fields().sender != self.me {
                return Err(PeerFault("shows an outer part of another hub as ours".to_owned()));
            }
            outer
                .verify(self.gate.charter())
                .map_err(|error| PeerFault::of(&error))?;
            self.compare_head(peer, outer.fields(), outer.link(), out);
        }
        if last {
            self.on_answer_about_logs(peer, out);
        }
        Ok(())
    }

    fn compare_head(&mut self, peer: HubId, shown: &OuterFields, link: EnvelopeHash, out: &mut Vec<Output>) {
        let ours = self.heads.get(&(self.me, shown.audience)).copied();
        let (height, known) = ours.map_or((0, None), |head| (head.height.get(), Some(head.link)));
        let is_other = shown.sequence.get() == height && known != Some(link);
        if shown.sequence.get() <= height && !is_other {
            return;
        }
        let is_new = self.closed_logs.insert(shown.audience);
        if !is_new {
            return;
        }
        let mut step = Step::default();
        self.retire_logs(&mut step);
        step.then(After::Report(Event::LogAhead { peer }));
        if is_other && !self.is_fenced() {
            // Both are ours: we know it before anybody accuses us.
            let entry = Entry::Incident {
                kind: IncidentKind::Equivocation,
                peer: self.me,
                evidence: Hash::from(Digest::of(link.as_bytes())),
            };
            // An entry is far below the codec's limit.
            let _bounded = self.enter(&mut step, entry);
        }
        self.commit(step, out);
    }

    /// Closes all of our logs: the next envelope of each audience is the first of a new one.
    pub(super) fn retire_logs(&mut self, step: &mut Step) {
        self.generation = self.generation.saturating_add(1);
        self.in_doubt = false;
        let row = self.generation.to_be_bytes().to_vec();
        step.put_bytes(Family::Checkpoint, GENERATION_ROW.to_vec(), row);
    }

    /// The log for a release to these hubs.
    ///
    /// INVARIANT (one envelope for one place): the head of this log here is at least as high as at any member, or
    /// the log is new. The database is whole by its anchor, or every member has shown what it holds since the
    /// start, or new logs have begun, durably before the envelope that is being made.
    pub(super) fn log_for(&mut self, hubs: &[HubId], out: &mut Vec<Output>) -> AudienceId {
        let unheard = |hub: &HubId| !self.fence.heard.contains(hub);
        if self.in_doubt && hubs.iter().any(unheard) {
            let mut step = Step::default();
            self.retire_logs(&mut step);
            self.commit(step, out);
        }
        self.keys
            .audience(self.gate.charter().realm(), hubs, self.generation)
    }
}
