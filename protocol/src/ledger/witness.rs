//! Witnessing the ledgers of others: what a hub remembers of each, and when it cosigns.
//!
//! A machine without effects. The caller keeps one [`Witnessed`] for each origin, replaces it in the same
//! step in which it asked, and sends the cosignature only when that is on stable storage: a witness that
//! forgot what it cosigned would cosign a second history.
//!
//! Source: C2SP tlog-witness, whose answers these are to the letter.

use serde::{Deserialize, Serialize};
use testudo_crypto::checkpoint::{Checkpoint, CheckpointError};
use testudo_crypto::merkle::{Root, TreeSize, empty_root, verify_consistency};
use testudo_crypto::note::{Note, NoteVerifier};
use testudo_crypto::tlog::add_checkpoint::{AddCheckpoint, AddCheckpointError, AddCheckpointReply};

use super::entry::Seen;
use crate::id::Hash;

/// The largest checkpoint of one ledger that this hub cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The signed note, without cosignatures.
    pub note: Vec<u8>,
    /// Whether the own ledger says that it was cosigned.
    pub entered: bool,
    /// Hash of the evidence because of which nothing more of this ledger is cosigned, until a person
    /// decides.
    pub stopped: Option<Hash>,
    /// Hash of evidence about which a person has decided: it stops nothing again.
    pub decided: Option<Hash>,
}

/// Two notes in which one ledger signs two roots for one size: proof against it, to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitView {
    /// One note.
    pub one: Vec<u8>,
    /// The other.
    pub other: Vec<u8>,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep this, durably, then cosign the text of the request's note.
    Cosign(Witnessed),
    /// Answer, and change nothing.
    Refuse(AddCheckpointReply),
    /// Keep the evidence, stop cosigning, tell everybody; answer [`AddCheckpointReply::Unprocessable`].
    SplitView(SplitView),
}

/// The answer to a request that cannot be read: 422 for an empty tree with another root than the protocol fixes,
/// 400 for everything else.
pub const fn unreadable(error: &AddCheckpointError) -> AddCheckpointReply {
    match error {
        AddCheckpointError::Checkpoint(CheckpointError::EmptyRoot) => AddCheckpointReply::Unprocessable,
        _ => AddCheckpointReply::BadRequest,
    }
}

/// Decides about a request for the ledger whose key is `log`, of which `held` is known so far.
///
/// The caller has looked up `log` by the origin in the request, and answered 404 if there is none.
pub fn consider(held: Option<&Witnessed>, request: &AddCheckpoint, log: &NoteVerifier) -> Verdict {
    let checkpoint = request.checkpoint();
    if request.note().verify(std::slice::from_ref(log)).is_err() {
        return Verdict::Refuse(AddCheckpointReply::Forbidden);
    }
    let Some(note) = signed_alone(request.note(), log) else {
        return Verdict::Refuse(AddCheckpointReply::Forbidden);
    };
    let (size, root) = held.map_or((TreeSize::new(0), empty_root()), |held| {
        (TreeSize::new(held.size), Root::from_bytes(*held.root.as_bytes()))
    });
    // Whatever the request calls its old size: two signed roots for one size are proof.
    if let Some(held) = held.filter(|_| size == checkpoint.size && root != checkpoint.root) {
        return Verdict::SplitView(SplitView::new(held.note.clone(), note));
    }
    if held.is_some_and(|held| held.stopped.is_some()) {
        return Verdict::Refuse(AddCheckpointReply::Forbidden);
    }
    if request.old() > checkpoint.size {
        return Verdict::Refuse(AddCheckpointReply::BadRequest);
    }
    if request.old() != size {
        return Verdict::Refuse(AddCheckpointReply::Conflict(size));
    }
    match verify_consistency(size, root, checkpoint.size, checkpoint.root, request.proof()) {
        Ok(()) => Verdict::Cosign(Witnessed {
            size: checkpoint.size.get(),
            root: Hash::new(*checkpoint.root.as_bytes()),
            note,
            entered: held.is_some_and(|held| held.entered && size == checkpoint.size),
            stopped: None,
            decided: held.and_then(|held| held.decided),
        }),
        Err(_) => Verdict::Refuse(AddCheckpointReply::Unprocessable),
    }
}

/// The note with the ledger's own signature and no other; whether that verifies is not checked here.
pub fn signed_alone(note: &Note, log: &NoteVerifier) -> Option<Vec<u8>> {
    let mut lines = note.signatures().iter();
    let line = lines.find(|line| line.name() == log.name() && line.id() == log.id())?;
    Some(format!("{}\n{}", note.text(), line.to_line()).into_bytes())
}

impl Witnessed {
    /// Nothing was cosigned; for evidence that came from others. `note` is one that the ledger signed.
    pub fn nothing(note: Vec<u8>) -> Self {
        Self {
            size: 0,
            root: Hash::new(*empty_root().as_bytes()),
            note,
            entered: true,
            stopped: None,
            decided: None,
        }
    }

    /// What the own ledger says about it.
    pub fn seen(&self, origin: Hash) -> Seen {
        Seen {
            origin,
            size: self.size,
            root: self.root,
        }
    }
}

impl SplitView {
    /// Joins two notes; whoever finds them in the other order makes the same evidence.
    pub fn new(one: Vec<u8>, other: Vec<u8>) -> Self {
        let (one, other) = if one <= other { (one, other) } else { (other, one) };
        Self { one, other }
    }

    /// Whether this is proof against the ledger that had these keys, one after another: both notes signed
    /// by one of them, one size, two roots.
    pub fn is_proof_against(&self, log: &[NoteVerifier]) -> bool {
        let read = |bytes: &[u8]| {
            let verified = Note::parse(bytes).and_then(|note| note.verify(log));
            let checkpoint = Checkpoint::parse(verified.ok()?.text()).ok()?;
            let named = log.iter().any(|key| key.name() == checkpoint.origin);
            named.then_some(checkpoint)
        };
        match (read(&self.one), read(&self.other)) {
            (Some(one), Some(other)) => one.size == other.size && one.root != other.root,
            _ => false,
        }
    }
}

/// How many of `others`, the other full members, have to cosign a checkpoint so that no other of its size
/// can reach as many: `ceil((n + f + 1) / 2)`, where up to `f = floor((n - 1) / 3)` may do anything.
pub const fn quorum(others: usize) -> usize {
    let faulty = others.saturating_sub(1) / 3;
    others.saturating_add(faulty).saturating_add(2) / 2
}

#[cfg(test)]
mod tests;
