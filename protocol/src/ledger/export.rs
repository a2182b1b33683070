//! A ledger as a folder of files that public tools read, and the same folder read back.
//!
//! ```text
//! checkpoint             the signed checkpoint, with the cosignatures that came
//! tile/...               hashes
//! tile/entries/...       leaves: 34 bytes each, which say nothing
//! vkey                   the verifier key of the hub's ledger, one line
//! cosigners              the keys of those who may cosign it, one line each
//! ```
//!
//! The two last are the exporter's own word: whoever audits compares them with the charter, or brings a
//! policy of his own.
//!
//! Source: C2SP tlog-tiles.

use testudo_crypto::checkpoint::{Checkpoint, CheckpointError};
use testudo_crypto::merkle::{Tree, TreeSize, leaf_hash};
use testudo_crypto::note::{Note, NoteError, NoteVerifier};
use testudo_crypto::tlog::cosignature::CosignerKey;
use testudo_crypto::tlog::policy::WITNESSES_MAX;
use testudo_crypto::tlog::tiles::{TileError, TilePath, decode_entries, encode_entries};

/// The file with the checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";
/// The file with the key of the ledger.
pub const VKEY_FILE: &str = "vkey";
/// The file with the keys of the witnesses.
pub const COSIGNERS_FILE: &str = "cosigners";

/// One file of an export: its path, and what it holds.
pub type ExportedFile = (String, Vec<u8>);

/// A published ledger: its files fit each other and give the root of its checkpoint.
///
/// Who signed that checkpoint has not been checked.
#[derive(Debug)]
pub struct Published {
    /// The checkpoint with its signatures.
    pub note: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The ledger's key, by the exporter's word.
    pub vkey: NoteVerifier,
    /// The witnesses' keys, by the exporter's word.
    pub cosigners: Vec<CosignerKey>,
    /// The leaves in order.
    pub leaves: Vec<Vec<u8>>,
}

/// Why a ledger cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There are fewer leaves than the checkpoint says.
    #[error("ledger has {found} entries, its checkpoint says {expected}: entries are missing")]
    Missing {
        /// The checkpoint's size.
        expected: TreeSize,
        /// Entries found.
        found: usize,
    },
    /// The note is no checkpoint.
    #[error("checkpoint cannot be read")]
    Checkpoint(#[from] CheckpointError),
    /// A leaf is too long.
    #[error("entries cannot be bundled")]
    Tile(#[from] TileError),
}

/// Why files are not a published ledger.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// A file is not there.
    #[error("file `{path}` is missing")]
    Missing {
        /// Which one.
        path: String,
    },
    /// The checkpoint is no signed note.
    #[error("file `{CHECKPOINT_FILE}` is no signed note")]
    Note(#[source] NoteError),
    /// The note is no checkpoint.
    #[error("file `{CHECKPOINT_FILE}` holds no checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// A key file does not hold keys, one in each line.
    #[error("file `{file}` does not hold verifier keys, one in each line")]
    Keys {
        /// Which one.
        file: &'static str,
    },
    /// A tile or bundle has another shape than its name says.
    #[error("file `{path}` is malformed")]
    Tile {
        /// Which one.
        path: String,
        /// The first entry in or under it.
        index: u64,
        /// What is wrong with it.
        source: TileError,
    },
    /// A tile holds another hash than the entries give.
    #[error("file `{path}` holds a hash that the entries from {index} do not give")]
    Hash {
        /// Which one.
        path: String,
        /// The first entry under that hash.
        index: u64,
    },
    /// The entries give another root than the checkpoint says.
    #[error("entries give root {found}, the checkpoint of size {size} says {expected}")]
    Root {
        /// The checkpoint's size.
        size: TreeSize,
        /// The checkpoint's root.
        expected: String,
        /// The root of the entries.
        found: String,
    },
}

impl PublishedError {
    /// The first offending entry, where one can be named.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Tile { index, .. } | Self::Hash { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// Every file of the export of a ledger, up to the size of its checkpoint.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    leaves: &[Vec<u8>],
    note: &Note,
    vkey: &NoteVerifier,
    cosigners: &[CosignerKey],
) -> Result<Vec<ExportedFile>, ExportError> {
    let size = Checkpoint::parse(note.text())?.size;
    let covered = usize::try_from(size.get())
        .ok()
        .and_then(|size| leaves.get(..size));
    let covered = covered.ok_or(ExportError::Missing {
        expected: size,
        found: leaves.len(),
    })?;
    let mut tree = Tree::new();
    for leaf in covered {
        tree.append(leaf_hash(leaf));
    }
    let keys = |keys: &[CosignerKey]| keys.iter().map(|key| format!("{key}\n")).collect::<String>();
    let mut files = vec![
        (CHECKPOINT_FILE.to_owned(), note.to_bytes()),
        (VKEY_FILE.to_owned(), format!("{vkey}\n").into_bytes()),
        (COSIGNERS_FILE.to_owned(), keys(cosigners).into_bytes()),
    ];
    for path in TilePath::hashes(size) {
        // A tile of a tree of this very size is in the tree.
        files.extend(path.hashes_of(&tree).map(|hashes| (path.to_string(), hashes)));
    }
    for (path, entries) in
        TilePath::entries(size).zip(covered.chunks(usize::from(testudo_crypto::tlog::tiles::TILE_WIDTH)))
    {
        let bundle = encode_entries(entries.iter().map(Vec::as_slice))?;
        files.push((path.to_string(), bundle));
    }
    Ok(files)
}

impl Published {
    /// Reads an export by way of `read`, which gives what a file holds, or nothing.
    ///
    /// Every tile and bundle is read once and compared with what the entries give.
    ///
    /// # Errors
    /// [`PublishedError`] names the first file that is wrong.
    pub fn read(mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Result<Self, PublishedError> {
        let mut file = |path: &str| {
            let missing = || PublishedError::Missing {
                path: path.to_owned(),
            };
            read(path).ok_or_else(missing)
        };
        let note = Note::parse(&file(CHECKPOINT_FILE)?).map_err(PublishedError::Note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let vkey = keys::<NoteVerifier>(VKEY_FILE, &file(VKEY_FILE)?, 1)?;
        let [vkey] = vkey.as_slice() else {
            return Err(PublishedError::Keys { file: VKEY_FILE });
        };
        let cosigners = keys(COSIGNERS_FILE, &file(COSIGNERS_FILE)?, WITNESSES_MAX)?;
        let (mut leaves, mut tree) = (Vec::new(), Tree::new());
        for path in TilePath::entries(checkpoint.size) {
            let bundle = file(&path.to_string())?;
            let entries = decode_entries(&bundle, path.width()).map_err(|source| PublishedError::Tile {
                path: path.to_string(),
                index: path.start(),
                source,
            })?;
            for entry in entries {
                tree.append(leaf_hash(entry));
                leaves.push(entry.to_vec());
            }
        }
        for path in TilePath::hashes(checkpoint.size) {
            compare(&path, &file(&path.to_string())?, &tree)?;
        }
        if tree.root() == checkpoint.root {
            let vkey = vkey.clone();
            Ok(Self {
                note,
                checkpoint,
                vkey,
                cosigners,
                leaves,
            })
        } else {
            Err(PublishedError::Root {
                size: checkpoint.size,
                expected: checkpoint.root.to_string(),
                found: tree.root().to_string(),
            })
        }
    }
}

fn compare(path: &TilePath, found: &[u8], tree: &Tree) -> Result<(), PublishedError> {
    let expected = path.hashes_of(tree).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    let (found, rest) = found.as_chunks::<32>();
    let (hashes, _none) = expected.as_chunks::<32>();
    let same = found
        .iter()
        .zip(hashes)
        .take_while(|(one, other)| one == other)
        .count() as u64;
    let index = path.first_entry(same);
    let path = path.to_string();
    if rest.is_empty() && found.len() == hashes.len() {
        return Err(PublishedError::Hash { path, index });
    }
    let source = TileError::Length {
        expected: expected.len(),
        found: found.len().saturating_mul(32).saturating_add(rest.len()),
    };
    Err(PublishedError::Tile { path, index, source })
}

fn keys<K: std::str::FromStr>(
    file: &'static str,
    bytes: &[u8],
    most: usize,
) -> Result<Vec<K>, PublishedError> {
    let malformed = || PublishedError::Keys { file };
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let whole = text.is_empty() || text.ends_with('\n');
    let keys: Result<Vec<K>, _> = text
        .lines()
        .take(most.saturating_add(1))
        .map(str::parse)
        .collect();
    keys.ok()
        .filter(|keys| whole && keys.len() <= most)
        .ok_or_else(malformed)
}

#[cfg(test)]
mod tests;
