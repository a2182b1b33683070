//! The folder and its files.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use testudo_core::blob::{BlobDone, BlobId, BlobJob};
use testudo_crypto::attachment::{
    Attachment, OpenAttachmentError, PieceError, ReadAt, SealAttachmentError, SealedAttachment, cut_piece,
    open_attachment, outboard_bytes, seal_attachment, verified_groups,
};
use testudo_crypto::entropy::Entropy;

use crate::store::FREE_BYTES_MIN;

/// Ending of the sealed bytes.
const SEALED: &str = "age";

/// Ending of the inner nodes.
const TREE: &str = "tree";

/// Bytes of a sealed file that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The folder of all files.
#[derive(Clone, Debug)]
pub struct BlobFolder {
    path: PathBuf,
}

/// The folder cannot be used. A hub does not start without it.
#[derive(Debug, thiserror::Error)]
#[error("folder of attachments `{}` cannot be used; make it writable for this user", path.display())]
pub struct BlobFolderError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A file that the crypto crate reads at any place.
struct Readable(File);

impl ReadAt for Readable {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }
}

impl BlobFolder {
    /// Opens the folder, and makes it if it is not there.
    ///
    /// # Errors
    /// [`BlobFolderError`].
    pub fn open(path: &Path) -> Result<Self, BlobFolderError> {
        let failed = |source| BlobFolderError {
            path: path.to_owned(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Removes every file that no row names: leftovers of a crash, of a release that was refused, of an upload that
    /// nobody used. Returns how many.
    ///
    /// # Errors
    /// [`BlobFolderError`] if one cannot be removed: what was destroyed must not stay.
    pub fn keep_only(&self, known: &BTreeSet<BlobId>) -> Result<usize, BlobFolderError> {
        self.remove_others(known).map_err(|source| BlobFolderError {
            path: self.path.clone(),
            source,
        })
    }

    fn remove_others(&self, known: &BTreeSet<BlobId>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.path)? {
            let file = entry?.path();
            let blob = file.file_stem().and_then(|stem| BlobId::parse(stem.to_str()?));
            if blob.is_none_or(|blob| !known.contains(&blob)) {
                std::fs::remove_file(&file)?;
                removed += 1;
            }
        }
        self.sync()?;
        Ok(removed)
    }

    /// Whether so many more bytes leave the disk above its floor; a disk that does not tell counts as full.
    pub fn has_room(&self, bytes: u64) -> bool {
        let free = rustix::fs::statvfs(&self.path).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        free.is_ok_and(|free| free >= FREE_BYTES_MIN.saturating_add(bytes))
    }

    /// Seals a content into a new file; both files are on stable storage when this returns.
    ///
    /// A crash, or an error, leaves files that no row names.
    ///
    /// # Errors
    /// As sealing says; then nothing is left behind.
    pub fn seal(
        &self,
        blob: BlobId,
        entropy: &mut Entropy,
        content: impl Read,
    ) -> Result<SealedAttachment, SealAttachmentError> {
        let sealed = self.seal_files(blob, entropy, content);
        if sealed.is_err() {
            // What cannot be removed now is removed at the next start.
            let _later = self.destroy(&[blob]);
        }
        sealed
    }

    fn seal_files(
        &self,
        blob: BlobId,
        entropy: &mut Entropy,
        content: impl Read,
    ) -> Result<SealedAttachment, SealAttachmentError> {
        let file = self.file(blob, SEALED).map_err(SealAttachmentError::Write)?;
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, &file);
        let made = seal_attachment(entropy, content, &mut writer)?;
        drop(writer);
        let write_tree = || {
            file.sync_all()?;
            let mut tree = self.file(blob, TREE)?;
            tree.write_all(&made.outboard)?;
            tree.sync_all()?;
            self.sync()
        };
        write_tree().map_err(SealAttachmentError::Write)?;
        Ok(made)
    }

    /// Opens a whole file and hands its content on, each group verified first.
    ///
    /// # Errors
    /// [`OpenAttachmentError`]; what was handed on until then is a genuine beginning.
    pub fn unseal(
        &self,
        blob: BlobId,
        attachment: &Attachment,
        content: impl Write,
    ) -> Result<(), OpenAttachmentError> {
        let outboard = self
            .tree(blob, attachment.sealed_bytes())
            .map_err(OpenAttachmentError::Read)?;
        let sealed = File::open(self.path(blob, SEALED)).map_err(OpenAttachmentError::Read)?;
        open_attachment(attachment, &outboard, sealed, content)
    }

    /// Does what the core asks for.
    ///
    /// # Errors
    /// If the disk fails in a way that the core cannot deal with: the process has to end.
    pub fn work(&self, job: BlobJob) -> io::Result<BlobDone> {
        match job {
            BlobJob::Check {
                blob,
                root,
                sealed_bytes,
            } => {
                let outboard = self.tree(blob, sealed_bytes)?;
                let groups = match File::open(self.path(blob, SEALED)) {
                    Ok(sealed) => verified_groups(root.as_bytes(), sealed_bytes, &outboard, sealed),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                    Err(error) => return Err(error),
                };
                Ok(BlobDone::Agrees(groups))
            }
            BlobJob::Keep { blob, piece } => {
                let bytes = piece.bytes();
                if !self.has_room(u64::try_from(bytes.len()).unwrap_or(u64::MAX)) {
                    return Ok(BlobDone::NoRoom);
                }
                self.file(blob, SEALED)?
                    .write_all_at(bytes, piece.span().offset())?;
                let tree = self.file(blob, TREE)?;
                for (offset, pair) in piece.nodes() {
                    tree.write_all_at(pair, offset)?;
                }
                Ok(BlobDone::Kept)
            }
            BlobJob::Sync { blob } => {
                self.file(blob, SEALED)?.sync_all()?;
                self.file(blob, TREE)?.sync_all()?;
                self.sync()?;
                Ok(BlobDone::Synced)
            }
            BlobJob::Cut { blob, root, span } => {
                let cut = || -> Result<Vec<u8>, PieceError> {
                    let open = |ending| File::open(self.path(blob, ending)).map(Readable);
                    let sealed = open(SEALED).map_err(PieceError::Read)?;
                    let outboard = open(TREE).map_err(PieceError::Read)?;
                    cut_piece(root.as_bytes(), span, &outboard, &sealed)
                };
                // A file that cannot be read is damaged as far as its receiver is concerned.
                Ok(BlobDone::Cut(cut().ok()))
            }
        }
    }

    /// Removes files, whether they are whole, begun or not there; they are gone when this returns, and stay so.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn destroy(&self, blobs: &[BlobId]) -> io::Result<()> {
        for blob in blobs {
            for ending in [SEALED, TREE] {
                match std::fs::remove_file(self.path(*blob, ending)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        self.sync()
    }

    fn path(&self, blob: BlobId, ending: &str) -> PathBuf {
        self.path.join(format!("{blob}.{ending}"))
    }

    /// A file for writing, made if it is not there; only its owner can read it.
    fn file(&self, blob: BlobId, ending: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.path(blob, ending))
    }

    /// The inner nodes; zeros where there are none yet.
    fn tree(&self, blob: BlobId, sealed_bytes: u64) -> io::Result<Vec<u8>> {
        let expected = usize::try_from(outboard_bytes(sealed_bytes)).unwrap_or(0);
        let mut nodes = match File::open(self.path(blob, TREE)) {
            Ok(file) => {
                let mut nodes = Vec::with_capacity(expected);
                file.take(outboard_bytes(sealed_bytes)).read_to_end(&mut nodes)?;
                nodes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        nodes.resize(expected, 0);
        Ok(nodes)
    }

    /// Makes the names in the folder last.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use testudo_crypto::attachment::{Span, VerifiedPiece, verify_piece};
    use testudo_protocol::id::Hash;

    use super::*;

    const BLOB: BlobId = BlobId::new([7; 16]);

    fn folder() -> (tempfile::TempDir, BlobFolder) {
        let place = tempfile::tempdir().unwrap();
        let folder = BlobFolder::open(&place.path().join("blobs")).unwrap();
        (place, folder)
    }

    fn content() -> Vec<u8> {
        (0..900_000_u32)
            .flat_map(u32::to_be_bytes)
            .take(900_000)
            .collect()
    }

    fn sealed(folder: &BlobFolder) -> Attachment {
        let mut entropy = Entropy::from_seed([3; 32]);
        folder
            .seal(BLOB, &mut entropy, content().as_slice())
            .unwrap()
            .attachment
    }

    fn agrees(folder: &BlobFolder, blob: BlobId, attachment: &Attachment) -> u64 {
        let job = BlobJob::Check {
            blob,
            root: Hash::new(*attachment.root()),
            sealed_bytes: attachment.sealed_bytes(),
        };
        match folder.work(job).unwrap() {
            BlobDone::Agrees(groups) => groups,
            other => panic!("{other:?}"),
        }
    }

    fn cut(folder: &BlobFolder, attachment: &Attachment, span: Span) -> Option<VerifiedPiece> {
        let root = Hash::new(*attachment.root());
        match folder
            .work(BlobJob::Cut {
                blob: BLOB,
                root,
                span,
            })
            .unwrap()
        {
            BlobDone::Cut(cut) => cut.map(|bytes| verify_piece(attachment.root(), span, &bytes).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_fetched_in_part_goes_on_where_it_agrees_with_its_root() {
        let (_place, folder) = folder();
        let attachment = sealed(&folder);
        let copy = BlobId::new([8; 16]);
        assert_eq!(agrees(&folder, copy, &attachment), 0, "there is no file yet");
        let mut next = 0;
        while let Some(span) = Span::from(attachment.sealed_bytes(), next) {
            let piece = cut(&folder, &attachment, span).expect("it is whole");
            assert!(matches!(
                folder.work(BlobJob::Keep { blob: copy, piece }),
                Ok(BlobDone::Kept)
            ));
            next = span.end();
            assert_eq!(agrees(&folder, copy, &attachment), next);
        }
        assert!(matches!(
            folder.work(BlobJob::Sync { blob: copy }),
            Ok(BlobDone::Synced)
        ));
        let mut found = Vec::new();
        folder.unseal(copy, &attachment, &mut found).unwrap();
        assert!(found == content());
        // A disk that lies is found out: what agrees ends before the damage.
        let file = folder.file(copy, SEALED).unwrap();
        file.write_all_at(b"x", 40 * 16_384).unwrap();
        assert_eq!(agrees(&folder, copy, &attachment), 40);
    }

    #[test]
    fn a_damaged_file_gives_no_piece_and_no_content() {
        let (_place, folder) = folder();
        let attachment = sealed(&folder);
        let span = Span::from(attachment.sealed_bytes(), 0).unwrap();
        assert!(cut(&folder, &attachment, span).is_some());
        folder
            .file(BLOB, SEALED)
            .unwrap()
            .write_all_at(b"no sealing draws this", 20_000)
            .unwrap();
        assert!(cut(&folder, &attachment, span).is_none());
        assert!(folder.unseal(BLOB, &attachment, io::sink()).is_err());
        folder.destroy(&[BLOB]).unwrap();
        assert!(cut(&folder, &attachment, span).is_none());
        folder.destroy(&[BLOB]).unwrap();
    }

    #[test]
    fn leftovers_are_removed_and_what_a_row_names_is_not() {
        let (place, folder) = folder();
        sealed(&folder);
        let blobs = place.path().join("blobs");
        for name in ["0909", "09090909090909090909090909090909.age", "x.tmp"] {
            std::fs::write(blobs.join(name), b"leftover").unwrap();
        }
        assert_eq!(folder.keep_only(&BTreeSet::from([BLOB])).unwrap(), 3);
        assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 2);
        assert_eq!(folder.keep_only(&BTreeSet::new()).unwrap(), 2);
        assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0);
    }

    #[test]
    fn a_content_that_breaks_off_leaves_nothing_behind() {
        struct BreaksOff(u32);
        impl Read for BreaksOff {
            fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 3 {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                target.fill(1);
                Ok(target.len())
            }
        }
        let (place, folder) = folder();
        let sealed = folder.seal(BLOB, &mut Entropy::from_seed([3; 32]), BreaksOff(0));
        assert!(matches!(sealed, Err(SealAttachmentError::Read(_))));
        assert_eq!(std::fs::read_dir(place.path().join("blobs")).unwrap().count(), 0);
    }
}
