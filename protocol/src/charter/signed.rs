//! A text and the keys that were found to have signed it.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::digest::Digest;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::note::{Note, NoteError, NoteVerifier};

use super::text::signer_name;
use super::threshold::{KeyOf, Voter, votes};
use crate::id::{Hash, HubId, Timestamp};
use crate::realm::Realm;

/// A text whose signatures have been checked against the keys that are known here.
#[derive(Clone, Debug)]
pub struct Signed<T> {
    document: T,
    /// Nothing where a draft is only imagined to be signed.
    note: Option<Note>,
    hash: Hash,
    by: BTreeSet<KeyOf>,
    received: Timestamp,
}

impl<T> Signed<T> {
    pub(super) fn new(document: T, note: Note, by: BTreeSet<KeyOf>, received: Timestamp) -> Self {
        let hash = text_hash(note.text());
        Self {
            document,
            note: Some(note),
            hash,
            by,
            received,
        }
    }

    /// A draft as if these keys had signed it; only for looking ahead.
    pub(super) fn imagined(document: T, text: &str, by: BTreeSet<KeyOf>, received: Timestamp) -> Self {
        Self {
            document,
            note: None,
            hash: text_hash(text),
            by,
            received,
        }
    }

    /// What was signed.
    pub fn document(&self) -> &T {
        &self.document
    }

    /// SHA-256 of the text: the same whoever has signed, and what people read to each other.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// When it first came here.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// Those of these voters whose vote is on it.
    pub fn votes(&self, voters: &[Voter]) -> BTreeSet<HubId> {
        votes(&self.by, voters)
    }

    /// The note, with no other signatures than those that count.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.as_ref().map(Note::to_bytes).unwrap_or_default()
    }

    /// Names text and signatures: what two hubs compare to see who lacks what.
    pub fn id(&self) -> Hash {
        let keys: Vec<u8> = (self.by.iter())
            .flat_map(|(code, key)| [code.as_bytes().as_slice(), key.as_bytes()].concat())
            .collect();
        Hash::from(Digest::of_parts(&[self.hash.as_bytes().as_slice(), &keys]))
    }

    /// Adds the signatures of another copy; false if there is none that is new.
    pub(super) fn merge(&mut self, other: &Note, keys: &Keys, realm: &Realm) -> Result<bool, NoteError> {
        let (note, by) = keys.keep(other, realm)?;
        let before = self.by.len();
        if let Some(mine) = &mut self.note {
            for signature in note.signatures() {
                mine.attach(signature.clone())?;
            }
        }
        self.by.extend(by);
        Ok(self.by.len() > before)
    }
}

/// SHA-256 of a text.
pub fn text_hash(text: &str) -> Hash {
    Hash::from(Digest::of(text.as_bytes()))
}

/// The governance keys that are known here, by whose they are.
#[derive(Default)]
pub(super) struct Keys(BTreeMap<HubId, BTreeSet<Hash>>);

impl Keys {
    pub(super) fn add(&mut self, voters: &[Voter]) {
        for voter in voters {
            self.0.entry(voter.code).or_default().extend(voter.keys);
        }
    }

    /// The note with the signatures of known keys alone, and those keys. Lines of unknown keys are dropped, so that
    /// nobody makes a note grow by writing below it.
    ///
    /// # Errors
    /// [`NoteError::Forged`] if a known key's signature does not verify; [`NoteError::NoKnownSigner`].
    pub(super) fn keep(&self, note: &Note, realm: &Realm) -> Result<(Note, BTreeSet<KeyOf>), NoteError> {
        let mut by = BTreeSet::new();
        let mut verifiers = Vec::new();
        for (code, keys) in &self.0 {
            let name = signer_name(realm, *code);
            if !note.signatures().iter().any(|line| line.name() == name) {
                continue;
            }
            for key in keys {
                let Ok(verifying) = VerifyingKey::from_bytes(key.as_bytes()) else {
                    continue;
                };
                let verifier = NoteVerifier::new(name.clone(), verifying)?;
                if note.is_signed_by(&verifier)? {
                    by.insert((*code, *key));
                    verifiers.push(verifier);
                }
            }
        }
        if by.is_empty() {
            return Err(NoteError::NoKnownSigner);
        }
        let mut note = note.clone();
        note.retain_signers(&verifiers);
        Ok((note, by))
    }
}
