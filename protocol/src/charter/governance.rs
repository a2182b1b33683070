//! Everything that the members have signed, as far as this hub knows it, and what follows from it.
//!
//! ```text
//! notes --take--> chains and acts --charter(now)--> Charter
//! ```
//!
//! Three chains of versions, and acts beside them. What is taken has the votes it needs, so that nobody but the
//! members can make the set grow. The effective charter is a function of the set and the time: two hubs that
//! hold the same notes decide alike, in whatever order the notes came.
//!
//! INVARIANT (members decide): a version is followed only if it was pinned by the operator, or carries the votes
//! that the version before it asks for. A constitution settles the directory and the bundle that it builds
//! upon; what lies beyond counts only by the votes of its own voters.

mod acts;
mod proposal;
mod simulation;
mod versions;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::note::{NOTE_BYTES_MAX, Note, NoteError};

use super::act::Act;
use super::bundle::PolicyBundle;
use super::constitution::Constitution;
use super::directory::Directory;
use super::effective::Charter;
use super::error::{TakeError, TextError};
use super::heartbeat::{Heads, Heartbeat, HeartbeatError};
use super::kind::{Chain, Kind};
use super::signed::{Keys, Signed};
use super::text::{heading, parse};
use crate::id::{Hash, HubId, Timestamp};
use crate::realm::Realm;

pub use acts::ACTS_OF_ONE_MAX;
pub use proposal::Tally;
pub use simulation::Effect;
pub use versions::Fork;

/// Farthest that what is signed may be ahead of our clock, in seconds: a day, since it is drafted by hand.
const AHEAD_SECONDS_MAX: u64 = 24 * 60 * 60;

/// The state of the charter at one hub.
#[derive(Clone, Debug)]
pub struct Governance {
    realm: Realm,
    /// The first version of each chain, as the operator accepted them.
    pinned: Heads,
    founded: Timestamp,
    constitutions: BTreeMap<Hash, Signed<Constitution>>,
    directories: BTreeMap<Hash, Signed<Directory>>,
    bundles: BTreeMap<Hash, Signed<PolicyBundle>>,
    acts: BTreeMap<Hash, Signed<Act>>,
    heartbeats: BTreeMap<HubId, Heartbeat>,
    /// Branches that the operator of this hub has chosen.
    choices: BTreeSet<Hash>,
}

/// What became of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is here already, with all of its signatures.
    Known,
    /// A text that is here already has more signatures now.
    Merged {
        /// SHA-256 of the text.
        hash: Hash,
    },
    /// A version that follows the present one.
    Version {
        /// In which chain.
        chain: Chain,
        /// SHA-256 of the text.
        hash: Hash,
    },
    /// A second successor of one version: evidence against everyone who signed both.
    Fork {
        /// In which chain.
        chain: Chain,
        /// SHA-256 of the text.
        hash: Hash,
        /// Who has signed both.
        signers: Vec<HubId>,
    },
    /// An act.
    Act {
        /// SHA-256 of the text.
        hash: Hash,
    },
}

/// Why notes do not found a federation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoundError {
    /// One of the three first versions is missing.
    #[error("charter file holds no {chain} of version 1; ask a member for `testudo charter export`")]
    Missing {
        /// Which.
        chain: Chain,
    },
    /// One of them cannot be taken.
    #[error("charter file is refused")]
    Refused(#[from] TakeError),
    /// A voter that is not in the directory.
    #[error("voter {code}: {what}")]
    Voter {
        /// Who.
        code: HubId,
        /// What is wrong.
        what: &'static str,
    },
}

impl From<TextError> for FoundError {
    fn from(error: TextError) -> Self {
        Self::Refused(error.into())
    }
}

/// A note whose text has been read.
pub(super) enum Document {
    Constitution(Constitution),
    Directory(Directory),
    Bundle(PolicyBundle),
    Act(Box<Act>),
}

/// Reads a text and checks it by itself.
pub(super) fn document(text: &str) -> Result<(Document, Realm), TextError> {
    let (kind, realm) = heading(text)?;
    let document = match kind {
        Kind::Constitution => {
            let document: Constitution = parse(text)?;
            document.check()?;
            Document::Constitution(document)
        }
        Kind::Directory => {
            let document: Directory = parse(text)?;
            document.check()?;
            Document::Directory(document)
        }
        Kind::Bundle => {
            let document: PolicyBundle = parse(text)?;
            document.check()?;
            Document::Bundle(document)
        }
        Kind::Act => {
            let document: Act = parse(text)?;
            document.check()?;
            Document::Act(Box::new(document))
        }
        Kind::Intent => {
            return Err(TextError::Shape {
                what: "an intent is for the voters' own tools and decides nothing",
            });
        }
    };
    Ok((document, realm))
}

impl Governance {
    /// Begins with the first versions, which every voter has signed, and takes what else there is.
    ///
    /// The operator has compared the fingerprint of the constitution, which is the root of all trust here.
    ///
    /// # Errors
    /// [`FoundError`] if one of the three is missing or is not signed by everyone, or a later note is refused.
    pub fn found(notes: &[Vec<u8>], founded: Timestamp) -> Result<Self, FoundError> {
        let mut first = versions::Founding::default();
        let mut later = Vec::new();
        for bytes in notes {
            let note = parsed(bytes)?;
            match document(note.text())? {
                (Document::Constitution(first_of), _) if first_of.previous.is_none() => {
                    first.constitution.get_or_insert((first_of, note));
                }
                (Document::Directory(first_of), _) if first_of.previous.is_none() => {
                    first.directory.get_or_insert((first_of, note));
                }
                (Document::Bundle(first_of), _) if first_of.previous.is_none() => {
                    first.bundle.get_or_insert((first_of, note));
                }
                _ => later.push(bytes),
            }
        }
        let mut governance = first.found(founded)?;
        for bytes in later {
            governance.take(bytes, founded)?;
        }
        Ok(governance)
    }

    /// Takes a signed note.
    ///
    /// # Errors
    /// [`TakeError`], one for each way in which it is not what the members have agreed; nothing is changed then.
    pub fn take(&mut self, bytes: &[u8], now: Timestamp) -> Result<Taken, TakeError> {
        let note = parsed(bytes)?;
        let hash = super::signed::text_hash(note.text());
        if let Some(merged) = self.merge(hash, &note)? {
            return Ok(if merged {
                Taken::Merged { hash }
            } else {
                Taken::Known
            });
        }
        let (document, realm) = document(note.text())?;
        if realm != self.realm {
            let name = |realm: &Realm| format!("{}/{}", realm.federation(), realm.name());
            return Err(TextError::OtherRealm {
                found: name(&realm),
                expected: name(&self.realm),
            }
            .into());
        }
        match document {
            Document::Constitution(constitution) => self.take_constitution(constitution, &note, now),
            Document::Directory(directory) => self.take_directory(directory, &note, now),
            Document::Bundle(bundle) => self.take_bundle(bundle, &note, now),
            Document::Act(act) => self.take_act(*act, &note, now),
        }
    }

    fn merge(&mut self, hash: Hash, note: &Note) -> Result<Option<bool>, TakeError> {
        let keys = self.keys();
        let realm = &self.realm;
        let merged = if let Some(known) = self.constitutions.get_mut(&hash) {
            known.merge(note, &keys, realm)?
        } else if let Some(known) = self.directories.get_mut(&hash) {
            known.merge(note, &keys, realm)?
        } else if let Some(known) = self.bundles.get_mut(&hash) {
            known.merge(note, &keys, realm)?
        } else if let Some(known) = self.acts.get_mut(&hash) {
            known.merge(note, &keys, realm)?
        } else {
            return Ok(None);
        };
        Ok(Some(merged))
    }

    /// Every governance key that any constitution here names.
    fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        for constitution in self.constitutions.values() {
            keys.add(&constitution.document().voters);
        }
        keys
    }

    /// The keys that count for a note, and those of a constitution that is only being proposed.
    fn keys_with(&self, proposed: &Constitution) -> Keys {
        let mut keys = self.keys();
        keys.add(&proposed.voters);
        keys
    }

    /// Takes a heartbeat; false if a newer one of that voter is here.
    ///
    /// `charter` is what follows from this with the members' own acts: a voter's hub may have other keys by now.
    ///
    /// # Errors
    /// [`HeartbeatError`] if it is not of a voter, or not signed by it.
    pub fn take_heartbeat(
        &mut self,
        beat: Heartbeat,
        charter: &Charter,
        now: Timestamp,
    ) -> Result<bool, HeartbeatError> {
        let hub = beat.hub;
        beat.verify(charter, now)?;
        if self
            .heartbeats
            .get(&hub)
            .is_some_and(|known| known.time >= beat.time)
        {
            return Ok(false);
        }
        self.heartbeats.insert(hub, beat);
        Ok(true)
    }

    /// The newest heartbeat of each voter.
    pub fn heartbeats(&self) -> impl Iterator<Item = &Heartbeat> {
        self.heartbeats.values()
    }

    /// Follows one branch of a fork, as the operator of this hub decides for it alone; false if there is no such
    /// branch.
    pub fn choose(&mut self, hash: Hash) -> bool {
        let is_branch = self.forks().iter().any(|fork| fork.branches.contains(&hash));
        if is_branch {
            self.choices.insert(hash);
        }
        is_branch
    }

    /// What was chosen.
    pub fn choices(&self) -> impl Iterator<Item = Hash> {
        self.choices.iter().copied()
    }

    /// Federation and realm.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// When the operator accepted the first versions.
    pub fn founded(&self) -> Timestamp {
        self.founded
    }

    /// The fingerprint that the operator compared: of the first constitution.
    pub fn pinned(&self) -> Hash {
        self.pinned.constitution
    }

    /// Every note, in an order in which another hub can take them.
    pub fn notes(&self) -> Vec<(Hash, Vec<u8>)> {
        self.ordered()
    }

    /// One note, by the hash of its text.
    pub fn note(&self, hash: Hash) -> Option<(Hash, Vec<u8>)> {
        let of = |id: Hash, bytes: Vec<u8>| Some((id, bytes));
        if let Some(known) = self.constitutions.get(&hash) {
            return of(known.id(), known.to_bytes());
        }
        if let Some(known) = self.directories.get(&hash) {
            return of(known.id(), known.to_bytes());
        }
        if let Some(known) = self.bundles.get(&hash) {
            return of(known.id(), known.to_bytes());
        }
        let known = self.acts.get(&hash)?;
        of(known.id(), known.to_bytes())
    }

    /// When a note first came here.
    pub fn received(&self, hash: Hash) -> Option<Timestamp> {
        let of_chains = (self.constitutions.get(&hash).map(Signed::received))
            .or_else(|| self.directories.get(&hash).map(Signed::received))
            .or_else(|| self.bundles.get(&hash).map(Signed::received));
        of_chains.or_else(|| self.acts.get(&hash).map(Signed::received))
    }
}

/// Reads a note within the bounds of the charter.
pub(super) fn parsed(bytes: &[u8]) -> Result<Note, TakeError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(TextError::TooLarge {
            bytes: bytes.len(),
            max: NOTE_BYTES_MAX,
        }
        .into());
    }
    Note::parse(bytes).map_err(|error: NoteError| error.into())
}

#[cfg(test)]
mod tests;
