//! Everything that a hub has of its own ledger, as one document: for the commands that audit, export and prove.
//!
//! It holds the openings: what the hub did, in ids and hashes. It goes over the control socket, to
//! whoever may run the hub, and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use testudo_core::hub::{Hub, NEWEST_ROW, PUBLISHED_ROW, QUORUM_ROW};
use testudo_core::views::CheckpointView;
use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::merkle::{Tree, leaf_hash};
use testudo_crypto::note::{Note, NoteVerifier};
use testudo_crypto::tlog::cosignature::CosignerKey;
use testudo_protocol::ledger::{Entry, Leaf, Ledger, Opening};

use crate::cli::outcome::chain;
use crate::store::{Family, ReadError, Store};

/// A hub's ledger as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerDocument {
    /// The key that signs its checkpoints, as the charter says.
    vkey: String,
    /// The keys of the members that may cosign them.
    cosigners: Vec<String>,
    /// The newest checkpoint.
    newest: Option<String>,
    /// The newest checkpoint that was sent to witnesses, with the cosignatures that came.
    published: Option<String>,
    /// The newest checkpoint that a quorum cosigned.
    quorum: Option<String>,
    /// How the published checkpoint stands.
    grade: Option<CheckpointView>,
    /// Leaves in order, in hexadecimal.
    leaves: Vec<String>,
    /// Openings by index, in hexadecimal.
    openings: BTreeMap<u64, String>,
}

/// The same, read.
pub(super) struct StoredLedger {
    pub vkey: NoteVerifier,
    pub cosigners: Vec<CosignerKey>,
    pub newest: Option<Note>,
    pub published: Option<Note>,
    pub quorum: Option<Note>,
    pub grade: Option<CheckpointView>,
    pub leaves: Vec<Vec<u8>>,
    pub openings: BTreeMap<u64, Vec<u8>>,
}

/// Reads what is stored, not what the running hub remembers.
///
/// # Errors
/// A sentence for the operator.
pub fn stored_ledger(hub: &Hub, store: &Store) -> Result<LedgerDocument, String> {
    let unread = |error: ReadError| chain(&error);
    let charter = hub.gate().charter();
    let mut leaves = Vec::new();
    for (expected, (key, value)) in (0u64..).zip(store.scan(Family::Leaf).map_err(unread)?) {
        if key != expected.to_be_bytes() {
            return Err(format!("leaf {expected} is missing"));
        }
        leaves.push(hex(&value));
    }
    let openings = (store.scan(Family::Opening).map_err(unread)?.into_iter())
        .filter_map(|(key, value)| Some((u64::from_be_bytes(key.try_into().ok()?), hex(&value))))
        .collect();
    let note = |row: &[u8]| {
        let bytes = store.get(Family::Checkpoint, row).map_err(unread)?;
        Ok::<_, String>(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let (newest, published) = (note(NEWEST_ROW)?, note(PUBLISHED_ROW)?);
    let vkey = key_of(hub, newest.as_deref()).ok_or("the charter names no usable ledger key for this hub")?;
    let others = charter.members().filter(|member| member.code != hub.me());
    let cosigners = others.flat_map(|member| {
        let name = Ledger::cosigner_of(charter.realm(), member.code);
        let keys = charter.cosigning_keys(member.code);
        keys.filter_map(move |key| CosignerKey::new(name.clone(), *key).ok())
    });
    Ok(LedgerDocument {
        vkey: vkey.to_string(),
        cosigners: cosigners.map(|key| key.to_string()).collect(),
        newest,
        published,
        quorum: note(QUORUM_ROW)?,
        grade: hub.status().checkpoint,
        leaves,
        openings,
    })
}

/// The key that signed the newest checkpoint: until the tick that follows a rotation or a revocation still the one before.
/// What a hub signed itself stays its own, also with a key that it has declared lost since.
fn key_of(hub: &Hub, newest: Option<&str>) -> Option<NoteVerifier> {
    let charter = hub.gate().charter();
    let origin = Ledger::origin_of(charter.realm(), hub.me());
    let keys: Vec<NoteVerifier> = (charter.ledger_keys_ever(hub.me()).iter())
        .filter_map(|key| NoteVerifier::new(origin.clone(), *key).ok())
        .collect();
    let note = newest.and_then(|note| Note::parse(note.as_bytes()).ok());
    let signed = |key: &&NoteVerifier| {
        (note.as_ref()).is_some_and(|note| note.verify(std::slice::from_ref(*key)).is_ok())
    };
    keys.iter().find(signed).or(keys.first()).cloned()
}

impl LedgerDocument {
    pub(super) fn read(&self) -> Result<StoredLedger, String> {
        let malformed = |what: &str| format!("the stored {what} cannot be read");
        let note = |note: &Option<String>| {
            let read = note.as_ref().map(|note| Note::parse(note.as_bytes())).transpose();
            read.map_err(|error| format!("{}: {}", malformed("checkpoint"), chain(&error)))
        };
        let cosigners: Result<Vec<CosignerKey>, _> = self.cosigners.iter().map(|key| key.parse()).collect();
        let leaves: Option<Vec<_>> = self.leaves.iter().map(|leaf| unhex(leaf)).collect();
        let openings = self.openings.iter();
        let openings: Option<_> = openings
            .map(|(index, text)| Some((*index, unhex(text)?)))
            .collect();
        Ok(StoredLedger {
            vkey: self.vkey.parse().map_err(|_| malformed("ledger key"))?,
            cosigners: cosigners.map_err(|_| malformed("witness keys"))?,
            newest: note(&self.newest)?,
            published: note(&self.published)?,
            quorum: note(&self.quorum)?,
            grade: self.grade.clone(),
            leaves: leaves.ok_or_else(|| malformed("leaves"))?,
            openings: openings.ok_or_else(|| malformed("openings"))?,
        })
    }
}

impl StoredLedger {
    /// The checkpoint to hand out: the newest that went to witnesses, or without one the newest of all.
    pub(super) fn to_hand_out(&self) -> Option<&Note> {
        self.published.as_ref().or(self.newest.as_ref())
    }

    /// The checkpoint that shows one entry: the published one if it covers it, or else the newest.
    pub(super) fn covering(&self, index: u64) -> Result<Option<&Note>, String> {
        for note in self.published.iter().chain(&self.newest) {
            if checkpoint_by(note, &self.vkey)?.size.get() > index {
                return Ok(Some(note));
            }
        }
        Ok(self.to_hand_out())
    }

    /// How many members stand behind an entry: `quorum`, how many of how many, or `ledger-pending`.
    pub(super) fn grade_of(&self, index: u64) -> String {
        match &self.grade {
            Some(grade) if index < grade.quorum_size => "quorum".to_owned(),
            Some(grade) if index < grade.size => grade.grade.clone(),
            _ => "ledger-pending".to_owned(),
        }
    }

    pub(super) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for leaf in &self.leaves {
            tree.append(leaf_hash(leaf));
        }
        tree
    }

    /// Every entry whose opening is there, in order, with its time in milliseconds since 1970.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, u64, Entry)> + '_ {
        let origin = self.vkey.name();
        self.openings.iter().filter_map(move |(index, opening)| {
            let leaf = self.leaves.get(usize::try_from(*index).ok()?)?;
            let leaf = Leaf::from_bytes(leaf)?;
            let opening = Opening::read(opening, &leaf, origin, *index).ok()?;
            let record = opening.record();
            Some((*index, record.time.millis(), record.entry.clone()))
        })
    }
}

/// What a signed note says, if this key signed it.
pub(super) fn checkpoint_by(note: &Note, key: &NoteVerifier) -> Result<Checkpoint, String> {
    let verified = note
        .verify(std::slice::from_ref(key))
        .map_err(|error| chain(&error))?;
    Checkpoint::parse(verified.text()).map_err(|error| chain(&error))
}
