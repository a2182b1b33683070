//! A text on its way to its signatures: what voters pass around before it counts.

use serde::{Deserialize, Serialize};
use testudo_crypto::note::{Note, NoteError, NoteSigner};

use super::bundle::PolicyBundle;
use super::constitution::Constitution;
use super::directory::Directory;
use super::kind::{Chain, Kind};
use super::member::Member;
use super::signed::text_hash;
use super::text::to_text;
use super::threshold::{Thresholds, Voter};
use crate::envelope::Suite;
use crate::id::{CharterVersion, Hash};
use crate::realm::Realm;

/// A text with any number of signatures, none of them checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    text: String,
    note: Option<Note>,
}

/// Bytes that are neither a text nor a signed note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("draft is neither text nor a signed note; take the file that `testudo charter propose` wrote")]
pub struct DraftError;

impl Draft {
    /// A text that nobody has signed.
    pub fn new(text: String) -> Self {
        Self { text, note: None }
    }

    /// Reads a signed note, or else a text.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DraftError> {
        if let Ok(note) = Note::parse(bytes) {
            return Ok(Self {
                text: note.text().to_owned(),
                note: Some(note),
            });
        }
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| DraftError)?;
        Ok(Self::new(text))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The note, if anybody has signed.
    pub fn note(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    /// SHA-256 of the text: the same whoever has signed.
    pub fn hash(&self) -> Hash {
        text_hash(&self.text)
    }

    /// Adds a signature.
    ///
    /// # Errors
    /// [`NoteError`] if the text is no text of a note, or a limit is reached.
    pub fn sign(&mut self, signer: &NoteSigner) -> Result<(), NoteError> {
        match &mut self.note {
            Some(note) => note.add_signature(signer)?,
            None => self.note = Some(Note::sign(self.text.clone(), &[signer])?),
        }
        Ok(())
    }

    /// Takes over the signatures of another copy of the same text; false if it is another text.
    ///
    /// # Errors
    /// [`NoteError`] if a limit is reached.
    pub fn join(&mut self, other: &Self) -> Result<bool, NoteError> {
        if self.text != other.text {
            return Ok(false);
        }
        match (&mut self.note, &other.note) {
            (Some(note), Some(other)) => {
                for signature in other.signatures() {
                    note.attach(signature.clone())?;
                }
            }
            (none @ None, Some(other)) => *none = Some(other.clone()),
            (_, None) => {}
        }
        Ok(true)
    }

    /// As it is written to a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.note {
            Some(note) => note.to_bytes(),
            None => self.text.clone().into_bytes(),
        }
    }
}

/// That a voter would sign one version, should enough others say the same.
///
/// It binds nobody. It is why two versions with the same number rarely meet: a voter's tool signs a version only once
/// enough intents for it are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// `intent`.
    pub kind: Kind,
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// For which chain.
    pub chain: Chain,
    /// For which version.
    pub version: CharterVersion,
    /// SHA-256 of the text of that version.
    pub subject: Hash,
}

/// What a federation begins with: version 1 of all three, which every voter signs.
pub struct Founding {
    /// Federation and realm.
    pub realm: Realm,
    /// When it is drafted, Unix seconds.
    pub issued: u64,
    /// Validity of constitution and directory, in seconds.
    pub valid_seconds: u64,
    /// The cipher suites that hubs read; the first is the one they write.
    pub suites: Vec<Suite>,
    /// Hash of the baseline policies.
    pub baseline: Hash,
    /// Who votes.
    pub voters: Vec<Voter>,
    /// Every member, voters included.
    pub members: Vec<Member>,
}

impl Founding {
    /// The three texts to sign: constitution, directory, policy bundle.
    pub fn drafts(self) -> [Draft; 3] {
        let federation = self.realm.federation().to_owned();
        let realm = self.realm.name().to_owned();
        let version = CharterVersion::new(1);
        let (issued, valid_until) = (self.issued, self.issued.saturating_add(self.valid_seconds));
        let constitution = Constitution {
            kind: Kind::Constitution,
            federation: federation.clone(),
            realm: realm.clone(),
            version,
            previous: None,
            issued,
            valid_until,
            suites: self.suites,
            thresholds: Thresholds::default(),
            voters: self.voters,
            directory: None,
            bundle: None,
        };
        let directory = Directory {
            kind: Kind::Directory,
            federation: federation.clone(),
            realm: realm.clone(),
            version,
            previous: None,
            issued,
            valid_until,
            lifts: Vec::new(),
            members: self.members,
        };
        let bundle = PolicyBundle {
            kind: Kind::Bundle,
            federation,
            realm,
            version,
            previous: None,
            issued,
            effective_from: issued,
            baseline: self.baseline,
        };
        [to_text(&constitution), to_text(&directory), to_text(&bundle)].map(Draft::new)
    }
}
