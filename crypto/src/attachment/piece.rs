//! Pieces of a sealed attachment: some groups in a row, with the nodes of the tree that lead to them from the root.
//!
//! A holder cuts a piece, a receiver verifies it, and only what was verified can be kept: [`VerifiedPiece`] has no other
//! constructor. A piece has the form that bao gives to the answer to a range: nodes and groups in pre-order, each node
//! before what is below it, without a length in front.

use std::io::{self, Read};

use bao_tree::blake3::Hash;
use bao_tree::io::BaoContentItem;
use bao_tree::io::sync::DecodeResponseIter;
use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, ChunkNum, ChunkRanges, ChunkRangesRef};

use super::tree::{Fault, GROUP, GROUP_BYTES, PARENT_BYTES, fault, groups};

/// Most groups of one piece: 256 KiB, much beside its nodes and its frame, and little to have under way.
pub const PIECE_GROUPS_MAX: u64 = 16;

/// Most nodes of one piece: those between its groups, and two paths to the root of the largest attachment.
const PIECE_NODES_MAX: u64 = 64;

/// Longest piece, in bytes.
pub const PIECE_BYTES_MAX: u64 = PIECE_GROUPS_MAX * GROUP_BYTES + PIECE_NODES_MAX * PARENT_BYTES as u64;

/// Chunks of BLAKE3 in a group.
const GROUP_CHUNKS: u64 = GROUP_BYTES / 1024;

/// Some groups in a row of one attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    first: u64,
    count: u64,
    sealed_bytes: u64,
}

/// A file that can be read at any place.
pub trait ReadAt {
    /// Fills `bytes` from this place on.
    ///
    /// # Errors
    /// As the file says; also if it ends before.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let rest = self.get(from..).ok_or(io::ErrorKind::UnexpectedEof)?;
        let found = rest.get(..bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }
}

/// Groups that agree with the root of their attachment. Made only by [`verify_piece`].
///
/// ```compile_fail
/// # use testudo_crypto::attachment::VerifiedPiece;
/// let forged = VerifiedPiece { span: unreachable!(), bytes: unreachable!(), nodes: unreachable!() };
/// ```
#[derive(PartialEq, Eq)]
pub struct VerifiedPiece {
    span: Span,
    bytes: Vec<u8>,
    nodes: Vec<Node>,
}

/// A pair of chaining values, and where it stands in the outboard.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Node {
    offset: u64,
    pair: [u8; PARENT_BYTES],
}

/// Why there is no piece.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PieceError {
    /// The bytes are not those that were signed for. The fault of who gave the piece, or of a disk.
    #[error("piece differs from what was signed")]
    Differs,
    /// The bytes end early. The fault of who gave the piece, or of a disk.
    #[error("piece ends early")]
    Ends,
    /// Something follows the piece. The fault of who gave it.
    #[error("{bytes} bytes follow the piece")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The file cannot be read.
    #[error("sealed attachment could not be read")]
    Read(#[source] io::Error),
}

impl Span {
    /// The groups from `first` on, `count` of them; `None` unless the attachment has them all, or for none or more than
    /// [`PIECE_GROUPS_MAX`].
    pub fn new(sealed_bytes: u64, first: u64, count: u64) -> Option<Self> {
        let end = first.checked_add(count)?;
        let fits = (1..=PIECE_GROUPS_MAX).contains(&count) && end <= groups(sealed_bytes);
        fits.then_some(Self {
            first,
            count,
            sealed_bytes,
        })
    }

    /// The largest span from `first` on; `None` behind the end.
    pub fn from(sealed_bytes: u64, first: u64) -> Option<Self> {
        let left = groups(sealed_bytes).checked_sub(first)?;
        Self::new(sealed_bytes, first, left.min(PIECE_GROUPS_MAX))
    }

    /// The first group.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// How many groups.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The group behind the last.
    pub const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Where the first group begins in the sealed file.
    pub const fn offset(&self) -> u64 {
        self.first.saturating_mul(GROUP_BYTES)
    }

    /// Length of the groups without any node, in bytes.
    pub fn bytes(&self) -> u64 {
        let end = self.end().saturating_mul(GROUP_BYTES).min(self.sealed_bytes);
        end.saturating_sub(self.offset())
    }

    fn tree(&self) -> BaoTree {
        BaoTree::new(self.sealed_bytes, GROUP)
    }

    /// Open where it holds the last group: bao counts what is behind the end as the end.
    fn chunks(&self) -> ChunkRanges {
        let first = ChunkNum(self.first.saturating_mul(GROUP_CHUNKS));
        let end = ChunkNum(self.end().saturating_mul(GROUP_CHUNKS));
        if self.end() == groups(self.sealed_bytes) {
            ChunkRanges::from(first..)
        } else {
            ChunkRanges::from(first..end)
        }
    }
}

impl VerifiedPiece {
    /// Which groups.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The groups, to stand at the span's offset in the sealed file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The nodes that lead to them, each with its place in the outboard.
    pub fn nodes(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.nodes.iter().map(|node| (node.offset, node.pair.as_slice()))
    }
}

impl std::fmt::Debug for VerifiedPiece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "VerifiedPiece({} bytes from group {})",
            self.bytes.len(),
            self.span.first
        )
    }
}

/// Cuts a piece out of a sealed file. It is verified on the way, so that no bad disk makes a liar of its owner.
///
/// # Errors
/// [`PieceError::Read`] if a file cannot be read or ends early, [`PieceError::Differs`] if they are damaged.
pub fn cut_piece(
    root: &[u8; 32],
    span: Span,
    outboard: &(impl ReadAt + ?Sized),
    sealed: &(impl ReadAt + ?Sized),
) -> Result<Vec<u8>, PieceError> {
    let ranges = span.chunks();
    let tree = span.tree();
    let mut piece = Vec::with_capacity(usize::try_from(PIECE_BYTES_MAX).unwrap_or(0));
    let chunks: &ChunkRangesRef = &ranges;
    for item in tree.ranges_pre_order_chunks_iter_ref(chunks, 0) {
        match item {
            BaoChunk::Parent { node, .. } => {
                let place = tree.pre_order_offset(node).ok_or(PieceError::Differs)?;
                let mut pair = [0; PARENT_BYTES];
                let offset = place.saturating_mul(PARENT_BYTES as u64);
                outboard
                    .read_exact_at(&mut pair, offset)
                    .map_err(PieceError::Read)?;
                piece.extend_from_slice(&pair);
            }
            BaoChunk::Leaf {
                start_chunk, size, ..
            } => {
                let mut group = vec![0; size];
                sealed
                    .read_exact_at(&mut group, start_chunk.to_bytes())
                    .map_err(PieceError::Read)?;
                piece.append(&mut group);
            }
        }
    }
    verify_piece(root, span, &piece)?;
    Ok(piece)
}

/// Checks a piece against the root, each group before any byte of it is handed on.
///
/// # Errors
/// [`PieceError::Differs`], [`PieceError::Ends`], [`PieceError::Trailing`].
pub fn verify_piece(root: &[u8; 32], span: Span, piece: &[u8]) -> Result<VerifiedPiece, PieceError> {
    let ranges = span.chunks();
    let tree = span.tree();
    let mut verified = VerifiedPiece {
        span,
        bytes: Vec::with_capacity(usize::try_from(span.bytes()).unwrap_or(0)),
        nodes: Vec::new(),
    };
    let mut rest = piece;
    let items = DecodeResponseIter::new(Hash::from(*root), tree, rest.by_ref(), &ranges);
    for item in items {
        match item {
            Ok(BaoContentItem::Parent(parent)) => {
                let place = tree.pre_order_offset(parent.node).ok_or(PieceError::Differs)?;
                let mut pair = [0; PARENT_BYTES];
                let (left, right) = pair.split_at_mut(PARENT_BYTES / 2);
                left.copy_from_slice(parent.pair.0.as_bytes());
                right.copy_from_slice(parent.pair.1.as_bytes());
                let offset = place.saturating_mul(PARENT_BYTES as u64);
                verified.nodes.push(Node { offset, pair });
            }
            Ok(BaoContentItem::Leaf(leaf)) => verified.bytes.extend_from_slice(&leaf.data),
            Err(error) => {
                return Err(match fault(error) {
                    Fault::Differs => PieceError::Differs,
                    Fault::Ends => PieceError::Ends,
                    Fault::Source(error) => PieceError::Read(error),
                });
            }
        }
    }
    if !rest.is_empty() {
        return Err(PieceError::Trailing { bytes: rest.len() });
    }
    if u64::try_from(verified.bytes.len()) != Ok(span.bytes()) {
        return Err(PieceError::Ends);
    }
    Ok(verified)
}
