//! The files of attachments of one hub: what a crash leaves of them, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use testudo_core::blob::{BlobDone, BlobId, BlobJob};
use testudo_crypto::attachment::{cut_piece, outboard_bytes, verified_groups};

/// One sealed file and the inner nodes beside it.
#[derive(Clone, Default)]
pub struct BlobFile {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// The inner nodes.
    pub tree: Vec<u8>,
    /// Sealed bytes that a loss of power cannot take any more.
    synced: usize,
}

/// All files.
#[derive(Default)]
pub struct Blobs {
    files: BTreeMap<BlobId, BlobFile>,
}

impl Blobs {
    /// Puts a whole file there, on stable storage.
    pub fn put(&mut self, blob: BlobId, sealed: Vec<u8>, tree: Vec<u8>) {
        let synced = sealed.len();
        self.files.insert(blob, BlobFile { sealed, tree, synced });
    }

    /// One file.
    pub fn file(&self, blob: BlobId) -> Option<&BlobFile> {
        self.files.get(&blob)
    }

    /// A file, to be changed behind the hub's back.
    pub fn file_mut(&mut self, blob: BlobId) -> &mut BlobFile {
        self.files.get_mut(&blob).expect("the file is there")
    }

    /// Every file, by its name.
    pub fn names(&self) -> BTreeSet<BlobId> {
        self.files.keys().copied().collect()
    }

    /// Does what a hub asks for.
    pub fn work(&mut self, job: BlobJob) -> BlobDone {
        match job {
            BlobJob::Check {
                blob,
                root,
                sealed_bytes,
            } => {
                let file = self.files.get(&blob).cloned().unwrap_or_default();
                let mut tree = file.tree;
                tree.resize(outboard_bytes(sealed_bytes) as usize, 0);
                let groups = verified_groups(root.as_bytes(), sealed_bytes, &tree, file.sealed.as_slice());
                BlobDone::Agrees(groups)
            }
            BlobJob::Keep { blob, piece } => {
                let file = self.files.entry(blob).or_default();
                write(&mut file.sealed, piece.span().offset(), piece.bytes());
                for (offset, pair) in piece.nodes() {
                    write(&mut file.tree, offset, pair);
                }
                BlobDone::Kept
            }
            BlobJob::Sync { blob } => {
                let file = self.files.entry(blob).or_default();
                file.synced = file.sealed.len();
                BlobDone::Synced
            }
            BlobJob::Cut { blob, root, span } => {
                let cut = self.files.get(&blob).and_then(|file| {
                    cut_piece(
                        root.as_bytes(),
                        span,
                        file.tree.as_slice(),
                        file.sealed.as_slice(),
                    )
                    .ok()
                });
                BlobDone::Cut(cut)
            }
        }
    }

    /// Removes files, as far as they are there.
    pub fn destroy(&mut self, blobs: &[BlobId]) {
        for blob in blobs {
            self.files.remove(blob);
        }
    }

    /// Removes every file that no row names, as a start does.
    pub fn keep_only(&mut self, known: &BTreeSet<BlobId>) {
        self.files.retain(|blob, _| known.contains(blob));
    }

    /// The power is gone: of what was not synced the first half is there, and the rest is zeros.
    pub fn lose_power(&mut self) {
        for file in self.files.values_mut() {
            let lost = file.synced + (file.sealed.len() - file.synced) / 2;
            file.sealed[lost..].fill(0);
        }
    }
}

fn write(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let end = offset as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset as usize..end].copy_from_slice(bytes);
}
