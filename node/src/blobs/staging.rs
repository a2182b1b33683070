//! Sealed files between their upload and the release that takes them up.
//!
//! What is staged is known to this process alone: a restart forgets it, and removes its files.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testudo_core::blob::{BlobId, StagedBlob};
use testudo_crypto::attachment::{ContentHash, SealAttachmentError};
use testudo_crypto::entropy::{Entropy, EntropyError};
use testudo_protocol::envelope::AttachmentKey;
use testudo_protocol::id::Hash;

use super::folder::BlobFolder;

/// Files that may be staged at once: four releases with all attachments that an item can have.
const STAGED_MAX: usize = 64;

/// How long a file waits for its release.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// All staged files of this process.
pub struct Staging {
    folder: BlobFolder,
    staged: Mutex<BTreeMap<BlobId, (Instant, Staged)>>,
}

/// A sealed file on stable storage.
#[derive(Clone)]
pub struct Staged {
    /// What the header will say of it.
    pub blob: StagedBlob,
    /// What was read while it was sealed.
    pub content: ContentHash,
}

/// Why a file is not staged. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// Too many wait for their release.
    #[error("{STAGED_MAX} attachments wait for their release already; release them, or wait an hour")]
    TooMany,
    /// The disk is nearly full.
    #[error("the disk of the hub is nearly full; make room before attaching more")]
    NoRoom,
    /// Sealing failed.
    #[error("attachment was not sealed")]
    Seal(#[from] SealAttachmentError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl Staging {
    /// Nothing is staged yet.
    pub fn new(folder: BlobFolder) -> Self {
        Self {
            folder,
            staged: Mutex::default(),
        }
    }

    /// The folder of all files.
    pub fn folder(&self) -> &BlobFolder {
        &self.folder
    }

    /// Seals a content; the sealed file is on stable storage when this returns. Blocks.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn seal(&self, content: impl Read) -> Result<BlobId, StageError> {
        self.forget_old();
        if self.lock().len() >= STAGED_MAX {
            return Err(StageError::TooMany);
        }
        if !self.folder.has_room(0) {
            return Err(StageError::NoRoom);
        }
        let mut entropy = Entropy::from_os()?;
        let blob = BlobId::new(entropy.bytes16());
        let made = self.folder.seal(blob, &mut entropy, content)?;
        let staged = Staged {
            blob: StagedBlob {
                blob,
                sealed_bytes: made.attachment.sealed_bytes(),
                root: Hash::new(*made.attachment.root()),
                key: AttachmentKey::new(*made.attachment.seed()),
            },
            content: made.content,
        };
        self.lock().insert(blob, (Instant::now(), staged));
        Ok(blob)
    }

    /// Takes a file up for a release: from here on it is the hub's to keep or to remove.
    pub fn take(&self, blob: BlobId) -> Option<Staged> {
        self.lock().remove(&blob).map(|(_, staged)| staged)
    }

    fn forget_old(&self) {
        let mut staged = self.lock();
        let old: Vec<BlobId> = (staged.iter())
            .filter(|(_, (since, _))| since.elapsed() > KEPT)
            .map(|(blob, _)| *blob)
            .collect();
        staged.retain(|blob, _| !old.contains(blob));
        // What cannot be removed now is removed at the next start.
        let _later = self.folder.destroy(&old);
    }

    /// A panic elsewhere cannot leave the map half-changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobId, (Instant, Staged)>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
