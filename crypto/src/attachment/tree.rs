//! The BLAKE3 tree over the sealed bytes: made while they are written, checked while they are read.
//!
//! The tree is that of BLAKE3 itself, so its root is the ordinary hash of the file. Only nodes above groups of 16 KiB
//! are kept (the *outboard*, in pre-order, without a length in front): 64 bytes for each group but one.
//!
//! Source: BLAKE3 paper, section 2.1; bao-tree.

use std::io::{self, Read, Write};

use bao_tree::blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};
use bao_tree::blake3::{Hash, Hasher};
use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::{DecodeResponseIter, OutboardMut as _};
use bao_tree::io::{BaoContentItem, DecodeError, Leaf};
use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, BlockSize, ChunkRanges, ChunkRangesRef};

/// Bytes that are verified together: a quarter of a chunk of age.
///
/// Little enough that what has to come again after a loss is little, and as many as the hash takes at once on processors
/// with wide registers; the inner nodes are then 0.4 per cent of the file.
pub const GROUP_BYTES: u64 = 16 << 10;
pub(super) const GROUP: BlockSize = BlockSize::from_chunk_log(4);
pub(super) const PARENT_BYTES: usize = 64;

/// Length of the outboard of a sealed file, in bytes.
pub fn outboard_bytes(sealed_bytes: u64) -> u64 {
    BaoTree::new(sealed_bytes, GROUP).outboard_size()
}

/// How many groups a sealed file has; the last may be shorter.
pub fn groups(sealed_bytes: u64) -> u64 {
    BaoTree::new(sealed_bytes, GROUP).blocks()
}

/// Passes bytes on and hashes them.
pub(super) struct TreeWriter<W> {
    inner: W,
    group: Hasher,
    group_bytes: u64,
    /// The chaining values of the groups before this one.
    groups: Vec<Hash>,
    bytes: u64,
}

/// What a [`TreeWriter`] has seen.
pub(super) struct Tree {
    pub(super) root: [u8; 32],
    pub(super) bytes: u64,
    pub(super) outboard: Vec<u8>,
}

impl<W: Write> TreeWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            group: Hasher::new(),
            group_bytes: 0,
            groups: Vec::new(),
            bytes: 0,
        }
    }

    /// Flushes, and joins the groups.
    pub(super) fn finish(mut self) -> io::Result<Tree> {
        self.inner.flush()?;
        let tree = BaoTree::new(self.bytes, GROUP);
        if self.groups.is_empty() {
            let root = *self.group.finalize().as_bytes();
            return Ok(Tree {
                root,
                bytes: self.bytes,
                outboard: Vec::new(),
            });
        }
        self.groups.push(Hash::from(self.group.finalize_non_root()));
        let length = usize::try_from(tree.outboard_size()).map_err(io::Error::other)?;
        let mut nodes = PreOrderMemOutboard {
            root: Hash::from([0; 32]),
            tree,
            data: vec![0; length],
        };
        let root = join(&mut nodes, &self.groups)?.ok_or_else(|| io::Error::other("tree without a root"))?;
        Ok(Tree {
            root: *root.as_bytes(),
            bytes: self.bytes,
            outboard: nodes.data,
        })
    }

    /// Ends a full group, with more to follow: the only group of a file is hashed as a root.
    fn next_group(&mut self) {
        self.groups.push(Hash::from(self.group.finalize_non_root()));
        self.group = Hasher::new();
        self.group.set_input_offset(self.bytes);
        self.group_bytes = 0;
    }
}

impl<W: Write> Write for TreeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.group_bytes == GROUP_BYTES {
            self.next_group();
        }
        let room = usize::try_from(GROUP_BYTES.saturating_sub(self.group_bytes)).unwrap_or(usize::MAX);
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.inner.write_all(taken)?;
        self.group.update(taken);
        let count = u64::try_from(taken.len()).map_err(io::Error::other)?;
        self.group_bytes = self.group_bytes.saturating_add(count);
        self.bytes = self.bytes.saturating_add(count);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Fills the nodes above the groups; `None` if there are not as many groups as the tree has.
fn join(nodes: &mut PreOrderMemOutboard, groups: &[Hash]) -> io::Result<Option<Hash>> {
    let mut groups = groups.iter();
    let mut stack: Vec<Hash> = Vec::new();
    for item in nodes.tree.post_order_chunks_iter() {
        let joined = match item {
            BaoChunk::Leaf { .. } => groups.next().copied(),
            BaoChunk::Parent { node, is_root, .. } => match (stack.pop(), stack.pop()) {
                (Some(right), Some(left)) => {
                    nodes.save(node, &(left, right))?;
                    let (left, right) = (left.as_bytes(), right.as_bytes());
                    Some(if is_root {
                        merge_subtrees_root(left, right, Mode::Hash)
                    } else {
                        Hash::from(merge_subtrees_non_root(left, right, Mode::Hash))
                    })
                }
                _ => None,
            },
        };
        let Some(joined) = joined else {
            return Ok(None);
        };
        stack.push(joined);
    }
    Ok(stack
        .pop()
        .filter(|_| stack.is_empty() && groups.next().is_none()))
}

/// What is wrong with sealed bytes. Travels inside [`io::Error`] through the readers above.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("bytes differ from the tree")]
    Differs,
    #[error("bytes end early")]
    Ends,
    #[error("cannot be read")]
    Source(#[source] io::Error),
}

impl Fault {
    /// The fault inside an error of a reader above, if it is one.
    pub(super) fn of(error: io::Error) -> Result<Self, io::Error> {
        error.downcast::<Self>()
    }
}

/// The whole of a tree, to hand to [`VerifiedReader::new`].
pub(super) fn everything() -> ChunkRanges {
    ChunkRanges::all()
}

/// Hands out sealed bytes that agree with the root, group by group, and none after the first that do not.
pub(super) struct VerifiedReader<'a, R> {
    groups: DecodeResponseIter<'a, Interleaved<'a, R>>,
    group: Option<Leaf>,
    /// Bytes of the group that were handed out.
    taken: usize,
}

impl<'a, R: Read> VerifiedReader<'a, R> {
    /// `outboard` is as long as [`outboard_bytes`] says, and `ranges` is [`everything`].
    pub(super) fn new(
        root: &[u8; 32],
        sealed_bytes: u64,
        outboard: &'a [u8],
        sealed: R,
        ranges: &'a ChunkRangesRef,
    ) -> Self {
        let tree = BaoTree::new(sealed_bytes, GROUP);
        let interleaved = Interleaved {
            order: Box::new(
                tree.ranges_pre_order_chunks_iter_ref(ranges, 0)
                    .map(|item| match item {
                        BaoChunk::Parent { .. } => Piece::Parent,
                        BaoChunk::Leaf { size, .. } => Piece::Group(size),
                    }),
            ),
            piece: Piece::Group(0),
            outboard,
            sealed,
        };
        Self {
            groups: DecodeResponseIter::new(Hash::from(*root), tree, interleaved, ranges),
            group: None,
            taken: 0,
        }
    }
}

impl<R: Read> Read for VerifiedReader<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = self.group.as_ref().and_then(|group| group.data.get(self.taken..));
            if let Some(mut rest) = rest.filter(|rest| !rest.is_empty()) {
                let count = rest.read(target)?;
                self.taken = self.taken.saturating_add(count);
                return Ok(count);
            }
            match self.groups.next() {
                None => return Ok(0),
                Some(Ok(BaoContentItem::Parent(_))) => {}
                Some(Ok(BaoContentItem::Leaf(group))) => {
                    self.group = Some(group);
                    self.taken = 0;
                }
                Some(Err(error)) => {
                    self.group = None;
                    return Err(io::Error::other(fault(error)));
                }
            }
        }
    }
}

pub(super) fn fault(error: DecodeError) -> Fault {
    match error {
        DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_) => Fault::Differs,
        DecodeError::ParentNotFound(_) | DecodeError::LeafNotFound(_) => Fault::Ends,
        DecodeError::Io(error) => Fault::Source(error),
    }
}

/// Puts outboard and sealed bytes into the one order that the library reads: each node before what is below it.
struct Interleaved<'a, R> {
    order: Box<dyn Iterator<Item = Piece> + 'a>,
    piece: Piece,
    outboard: &'a [u8],
    sealed: R,
}

/// What is left of the piece that is read.
enum Piece {
    Parent,
    ParentRest(usize),
    Group(usize),
}

impl<R: Read> Read for Interleaved<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            let (count, rest) = match self.piece {
                Piece::ParentRest(0) | Piece::Group(0) => match self.order.next() {
                    Some(piece) => {
                        self.piece = piece;
                        continue;
                    }
                    None => return Ok(0),
                },
                Piece::Parent => {
                    self.piece = Piece::ParentRest(PARENT_BYTES);
                    continue;
                }
                Piece::ParentRest(left) => {
                    let count = self.outboard.read(up_to(target, left))?;
                    (count, Piece::ParentRest(left.saturating_sub(count)))
                }
                Piece::Group(left) => {
                    let count = self.sealed.read(up_to(target, left))?;
                    (count, Piece::Group(left.saturating_sub(count)))
                }
            };
            self.piece = rest;
            return Ok(count);
        }
    }
}

fn up_to(target: &mut [u8], bytes: usize) -> &mut [u8] {
    let bytes = bytes.min(target.len());
    target.split_at_mut(bytes).0
}
