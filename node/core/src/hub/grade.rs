//! Grades: how many members stand behind an entry.
//!
//! Of `n` other full members (member states and EU institutions) a quorum is `ceil((n + f + 1) / 2)` with
//! `f = floor((n - 1) / 3)`: no other checkpoint of the same size can reach as many. Candidates and partners may
//! cosign and never count towards it. An entry that was once under a checkpoint of a quorum stays so: all later
//! ones contain it.

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::note::Note;
use testudo_crypto::tlog::cosignature::CosignerKey;
use testudo_protocol::charter::Status;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::label::Class;
use testudo_protocol::ledger::quorum;

use super::Hub;
use super::step::Step;
use crate::output::Family;
use crate::records::DecisionProof;
use crate::views::CheckpointView;

/// Row of our newest checkpoint that a quorum cosigned.
pub const QUORUM_ROW: &[u8] = b"quorum";

/// How a checkpoint stands with the full members other than its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grade {
    /// Full members that cosigned.
    pub(super) cosigned: usize,
    /// Full members beside the owner.
    pub(super) of: usize,
}

impl Grade {
    pub(super) fn quorum(self) -> usize {
        quorum(self.of)
    }

    pub(super) fn is_quorum(self) -> bool {
        self.of > 0 && self.cosigned >= self.quorum()
    }

    /// The word for people: `quorum`, or how many of how many.
    pub(super) fn word(self) -> String {
        if self.is_quorum() {
            "quorum".to_owned()
        } else {
            format!("{} of {}", self.cosigned, self.of)
        }
    }
}

/// Stands for the grade of what no published checkpoint covers yet.
const PENDING: &str = "ledger-pending";

impl Hub {
    /// Who cosigned a note of a member's ledger, and what that amounts to.
    pub(super) fn grade(&self, owner: HubId, note: &Note) -> (Vec<HubId>, Grade) {
        self.grade_by(owner, |member| self.cosigned_at(member, note).is_some())
    }

    fn grade_by(&self, owner: HubId, cosigned: impl Fn(HubId) -> bool) -> (Vec<HubId>, Grade) {
        let others = (self.gate.charter().members()).filter(|member| member.code != owner);
        let mut by = Vec::new();
        let mut grade = Grade { cosigned: 0, of: 0 };
        for member in others {
            let counts = member.status == Status::Active
                && matches!(member.class, Class::MemberState | Class::EuInstitution);
            grade.of = grade.of.saturating_add(usize::from(counts));
            if cosigned(member.code) {
                by.push(member.code);
                grade.cosigned = grade.cosigned.saturating_add(usize::from(counts));
            }
        }
        (by, grade)
    }

    /// When a member cosigned a note, in Unix seconds.
    fn cosigned_at(&self, member: HubId, note: &Note) -> Option<u64> {
        self.cosigned_with(member, note).map(|(_, time)| time)
    }

    fn cosigned_with(&self, member: HubId, note: &Note) -> Option<(VerifyingKey, u64)> {
        let keys = self.cosigner_keys(member);
        let by = |key: &CosignerKey| Some((key.key(), key.cosigned(note).ok().flatten()?));
        keys.iter().find_map(by)
    }

    /// Counts the cosignature that a member has given under our newest published checkpoint, if it holds.
    pub(super) fn count_cosignature(&mut self, member: HubId, published: &Note) {
        if let Some(cosigned) = self.cosigned_with(member, published) {
            self.witness.cosigned.insert(member, cosigned);
        }
    }

    /// Counts all of them, after a start.
    pub(super) fn count_cosignatures(&mut self) {
        let Some(published) = self.witness.published.clone() else {
            return;
        };
        let codes: Vec<HubId> = (self.gate.charter().members())
            .map(|member| member.code)
            .collect();
        for code in codes {
            self.count_cosignature(code, &published);
        }
    }

    /// When a member cosigned our newest published checkpoint, by a key that still counts, in Unix seconds.
    fn cosigned_ours_at(&self, member: HubId) -> Option<u64> {
        let (by, time) = self.witness.cosigned.get(&member)?;
        let mut keys = self.gate.charter().cosigning_keys(member);
        keys.any(|key| key == by).then_some(*time)
    }

    /// How our newest published checkpoint stands.
    pub(super) fn checkpoint_view(&self) -> Option<CheckpointView> {
        let note = self.witness.published.as_ref()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        let (cosigned, grade) = self.grade_by(self.me, |member| self.cosigned_ours_at(member).is_some());
        let times = cosigned
            .iter()
            .filter_map(|member| self.cosigned_ours_at(*member));
        let cosigned_at = times.max();
        Some(CheckpointView {
            size: checkpoint.size.get(),
            cosigned,
            full_members: grade.of,
            quorum: grade.quorum(),
            grade: grade.word(),
            quorum_size: self.quorum_size,
            cosigned_at,
        })
    }

    /// Keeps our newest checkpoint that a quorum cosigned, as part of the step that stores the cosignature.
    pub(super) fn note_quorum(&mut self, step: &mut Step, note: &Note) {
        let Ok(checkpoint) = Checkpoint::parse(note.text()) else {
            return;
        };
        let (_, grade) = self.grade_by(self.me, |member| self.cosigned_ours_at(member).is_some());
        if grade.is_quorum() && checkpoint.size.get() > self.quorum_size {
            step.put_bytes(Family::Checkpoint, QUORUM_ROW.to_vec(), note.to_bytes());
            self.take_quorum(note);
        }
    }

    /// A checkpoint that a quorum cosigned: its entries are theirs to vouch for, and time is not before theirs.
    ///
    /// INVARIANT (quorum time): as many as make a quorum have signed a time at or after the one taken here, so
    /// that a clock that fell back, or the word of a few, does not date anything before it.
    pub(super) fn take_quorum(&mut self, note: &Note) {
        let Ok(checkpoint) = Checkpoint::parse(note.text()) else {
            return;
        };
        self.quorum_size = self.quorum_size.max(checkpoint.size.get());
        let full = (self.gate.charter().members()).filter(|member| {
            member.code != self.me
                && member.status == Status::Active
                && matches!(member.class, Class::MemberState | Class::EuInstitution)
        });
        let codes: Vec<HubId> = full.map(|member| member.code).collect();
        let mut times: Vec<u64> = (codes.iter())
            .filter_map(|code| self.cosigned_at(*code, note))
            .collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        let vouched = quorum(codes.len())
            .checked_sub(1)
            .and_then(|last| times.get(last));
        if let Some(seconds) = vouched {
            self.now = self.now.max(Timestamp::from_seconds(*seconds));
        }
    }

    /// How an entry of our own ledger stands.
    pub(super) fn entry_grade(&self, index: u64) -> String {
        if index < self.quorum_size {
            return "quorum".to_owned();
        }
        match self.checkpoint_view() {
            Some(view) if index < view.size => view.grade,
            _ => PENDING.to_owned(),
        }
    }

    /// How the decision behind an envelope that came here stands in its sender's ledger.
    pub(super) fn proof_grade(
        &self,
        envelope: testudo_protocol::id::EnvelopeHash,
        sender: HubId,
    ) -> Option<String> {
        let of = || {
            let full = (self.gate.charter().members()).filter(|member| {
                member.code != sender
                    && member.status == Status::Active
                    && matches!(member.class, Class::MemberState | Class::EuInstitution)
            });
            full.count()
        };
        let word = match self.proofs.get(&envelope)? {
            DecisionProof::Shown { quorum: true, .. } => "quorum".to_owned(),
            DecisionProof::Shown { cosigned, .. } => format!("{cosigned} of {}", of()),
            DecisionProof::Unproven => "unproven".to_owned(),
            DecisionProof::Awaited(awaited) => match (awaited.shown, awaited.missing) {
                (Some(cosigned), _) => format!("{cosigned} of {}", of()),
                (None, true) => "unproven".to_owned(),
                (None, false) => PENDING.to_owned(),
            },
        };
        Some(word)
    }
}
