//! The folder in which a log is published: tiles of hashes and bundles of entries.
//!
//! A tile holds up to 256 hashes of one level, where each hash of a level stands for a full tile of the
//! level below; a bundle holds the entries under one tile of level 0. Full ones never change, so a copy
//! of the folder is a mirror.
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]       width hashes of 32 bytes each, one after another
//! tile/entries/<index>[.p/<width>]       width entries, each behind its length (2 bytes)
//! ```
//!
//! An index is written in groups of three digits, all but the last behind an `x`: `x001/x234/067`.
//!
//! Source: C2SP tlog-tiles.

use std::fmt;
use std::str::FromStr;

use crate::digest::{DIGEST_BYTES, Digest};
use crate::merkle::{Tree, TreeSize};

use super::decimal;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Levels that can hold a tile in a tree of at most 2^64 - 1 leaves.
const TILE_LEVELS: u8 = 8;

/// The highest level that a path can name.
const PATH_LEVEL_MAX: u8 = 63;

/// Longest entry, in bytes: its length has two.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// What a file of the folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of one level.
    Hashes {
        /// From 0, the level of leaf hashes.
        level: u8,
    },
    /// Entries.
    Entries,
}

/// The name of one tile or bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// A text that is not the path of a tile or bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path of {bytes} bytes is not `tile/<level or entries>/<index>[.p/<width>]` in its one form")]
pub struct TilePathError {
    /// Length of the refused text, in bytes.
    pub bytes: usize,
}

/// Why bytes are not the tile or bundle that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// A tile has another length than its hashes need.
    #[error("tile has {found} bytes, expected {expected}")]
    Length {
        /// Bytes of `width` hashes.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A bundle ends inside an entry, or has fewer entries than its width.
    #[error("bundle ends in its entry {entry}")]
    Short {
        /// Which entry of the bundle, from 0.
        entry: u16,
    },
    /// A bundle goes on behind its last entry.
    #[error("bundle has {bytes} bytes behind its last entry")]
    Rest {
        /// How many.
        bytes: usize,
    },
    /// An entry is longer than [`ENTRY_BYTES_MAX`].
    #[error("entry has {bytes} bytes, at most {ENTRY_BYTES_MAX} expected")]
    EntryTooLong {
        /// Bytes found.
        bytes: usize,
    },
}

impl TilePath {
    /// Every tile of hashes of a tree, level by level.
    ///
    /// The right edge is partial; a tile without hashes does not exist.
    pub fn hashes(size: TreeSize) -> impl Iterator<Item = Self> {
        (0..TILE_LEVELS).flat_map(move |level| {
            let nodes = size.get().checked_shr(8 * u32::from(level)).unwrap_or(0);
            Self::row(TileKind::Hashes { level }, nodes)
        })
    }

    /// Every bundle of entries of a log, in order.
    pub fn entries(size: TreeSize) -> impl Iterator<Item = Self> {
        Self::row(TileKind::Entries, size.get())
    }

    fn row(kind: TileKind, nodes: u64) -> impl Iterator<Item = Self> {
        let wide = u64::from(TILE_WIDTH);
        let full = (0..nodes / wide).map(move |index| Self {
            kind,
            index,
            width: TILE_WIDTH,
        });
        let partial = u16::try_from(nodes % wide).ok().filter(|width| *width > 0);
        full.chain(partial.map(|width| Self {
            kind,
            index: nodes / wide,
            width,
        }))
    }

    /// What it holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its place in its level, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries, 1 to [`TILE_WIDTH`].
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The place of its first hash or entry in its level.
    pub fn start(&self) -> u64 {
        self.index.saturating_mul(u64::from(TILE_WIDTH))
    }

    /// The first entry under the hash at `offset` of this tile, or the first entry of a bundle.
    pub fn first_entry(&self, offset: u64) -> u64 {
        let place = self.start().saturating_add(offset);
        match self.kind {
            TileKind::Hashes { level } => {
                let width = 1u64.checked_shl(8 * u32::from(level)).unwrap_or(u64::MAX);
                place.saturating_mul(width)
            }
            TileKind::Entries => place,
        }
    }

    /// The hashes of this tile, as bytes, from a tree that has them.
    ///
    /// `None` for a bundle, and for a tile that the tree is too small for.
    pub fn hashes_of(&self, tree: &Tree) -> Option<Vec<u8>> {
        let TileKind::Hashes { level } = self.kind else {
            return None;
        };
        let nodes = tree.nodes(u32::from(level).checked_mul(8)?, self.start(), self.width)?;
        Some(nodes.iter().flat_map(|node| *node.as_bytes()).collect())
    }
}

/// Writes the path, without a slash in front.
impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let (mut groups, mut rest) = (vec![self.index % 1000], self.index / 1000);
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (left, group) in groups.iter().enumerate().rev() {
            if left > 0 {
                write!(f, "x{group:03}/")?;
            } else {
                write!(f, "{group:03}")?;
            }
        }
        if self.width < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Reads a path; the text of the result is the same again.
impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read_path(text)
            .filter(|path| path.to_string() == text)
            .ok_or(TilePathError { bytes: text.len() })
    }
}

fn read_path(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = if kind == "entries" {
        TileKind::Entries
    } else {
        let level = u8::try_from(decimal(kind)?).ok()?;
        (level <= PATH_LEVEL_MAX).then_some(TileKind::Hashes { level })?
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, u16::try_from(decimal(width)?).ok()?),
        None => (rest, TILE_WIDTH),
    };
    let index = index.split('/').try_fold(0u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let canonical = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let group: u64 = canonical.then(|| digits.parse().ok()).flatten()?;
        index.checked_mul(1000)?.checked_add(group)
    })?;
    (1..=TILE_WIDTH)
        .contains(&width)
        .then_some(TilePath { kind, index, width })
}

/// Reads the hashes of a tile.
///
/// # Errors
/// [`TileError::Length`] if there are not exactly `width`.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Digest>, TileError> {
    let expected = usize::from(width).saturating_mul(DIGEST_BYTES);
    if bytes.len() != expected {
        return Err(TileError::Length {
            expected,
            found: bytes.len(),
        });
    }
    let (hashes, _none) = bytes.as_chunks::<DIGEST_BYTES>();
    Ok(hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
}

/// Writes a bundle of entries.
///
/// # Errors
/// [`TileError::EntryTooLong`].
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    for entry in entries {
        let bytes = entry.len();
        let length = u16::try_from(bytes).map_err(|_| TileError::EntryTooLong { bytes })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// Reads a bundle of exactly `width` entries.
///
/// # Errors
/// [`TileError::Short`] or [`TileError::Rest`].
pub fn decode_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for entry in 0..width {
        let (length, behind) = rest.split_first_chunk::<2>().ok_or(TileError::Short { entry })?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, behind) = behind
            .split_at_checked(length)
            .ok_or(TileError::Short { entry })?;
        entries.push(bytes);
        rest = behind;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(TileError::Rest { bytes: rest.len() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::leaf_hash;

    fn all(size: u64) -> impl Iterator<Item = TilePath> {
        let size = TreeSize::new(size);
        TilePath::hashes(size).chain(TilePath::entries(size))
    }

    fn paths(size: u64) -> Vec<String> {
        all(size).map(|path| path.to_string()).collect()
    }

    #[test]
    fn the_examples_of_the_specification() {
        let of_70_000: Vec<TilePath> = all(70_000).collect();
        let count = |level, full| {
            let of = |path: &&TilePath| path.kind() == TileKind::Hashes { level };
            let counted = of_70_000.iter().filter(of);
            counted
                .filter(|path| (path.width() == TILE_WIDTH) == full)
                .count()
        };
        assert_eq!((count(0, true), count(0, false)), (273, 1));
        assert_eq!((count(1, true), count(1, false)), (1, 1));
        assert_eq!((count(2, true), count(2, false)), (0, 1));
        assert!(paths(70_000).contains(&"tile/0/273.p/112".to_owned()));
        assert!(paths(70_000).contains(&"tile/1/001.p/17".to_owned()));
        assert!(paths(70_000).contains(&"tile/2/000.p/1".to_owned()));
        assert_eq!(paths(256), ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
        assert!(paths(0).is_empty());
        let path = TilePath {
            kind: TileKind::Entries,
            index: 1_234_067,
            width: 256,
        };
        assert_eq!(path.to_string(), "tile/entries/x001/x234/067");
    }

    #[test]
    fn a_path_has_one_text() {
        for text in [
            "tile/0/000",
            "tile/63/x001/000.p/255",
            "tile/entries/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert_eq!(text.parse::<TilePath>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/64/000",
            "tile/+1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000/",
            "/tile/0/000",
            "tile/data/000",
            "tile/0/../000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert!(text.parse::<TilePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn tiles_hold_the_hashes_of_their_level() {
        let mut tree = Tree::new();
        let leaves: Vec<Digest> = (0u32..600).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect();
        for leaf in &leaves {
            tree.append(*leaf);
        }
        for path in all(600) {
            let TileKind::Hashes { level } = path.kind() else {
                continue;
            };
            let hashes = decode_hashes(&path.hashes_of(&tree).unwrap(), path.width()).unwrap();
            let start = path.start() as usize;
            for (offset, hash) in hashes.iter().enumerate() {
                let expected = match level {
                    0 => leaves[start + offset],
                    _ => crate::merkle::tree_root(&leaves[(start + offset) * 256..][..256]).digest(),
                };
                assert_eq!(*hash, expected, "{path} {offset}");
            }
        }
        let beyond: TilePath = "tile/0/002.p/89".parse().unwrap();
        assert_eq!(beyond.hashes_of(&tree), None);
        assert!(matches!(
            decode_hashes(&[0; 33], 1),
            Err(TileError::Length {
                expected: 32,
                found: 33
            })
        ));
    }

    #[test]
    fn a_bundle_is_whole_or_refused() {
        let entries: [&[u8]; 3] = [b"one", b"", b"three"];
        let bundle = encode_entries(entries).unwrap();
        assert_eq!(decode_entries(&bundle, 3).unwrap(), entries);
        for end in 0..bundle.len() {
            assert!(matches!(
                decode_entries(&bundle[..end], 3),
                Err(TileError::Short { .. })
            ));
        }
        assert_eq!(decode_entries(&bundle, 4), Err(TileError::Short { entry: 3 }));
        assert_eq!(decode_entries(&bundle, 2), Err(TileError::Rest { bytes: 7 }));
        let long = vec![0; ENTRY_BYTES_MAX + 1];
        assert_eq!(
            encode_entries([long.as_slice()]),
            Err(TileError::EntryTooLong {
                bytes: ENTRY_BYTES_MAX + 1
            })
        );
    }

    proptest! {
        #[test]
        fn every_path_of_a_tree_reads_back(size in 0u64..200_000) {
            for path in all(size) {
                prop_assert_eq!(path.to_string().parse(), Ok(path));
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, width in 0u16..300, text: String) {
            let _ = decode_entries(&bytes, width);
            let _ = decode_hashes(&bytes, width);
            let _ = text.parse::<TilePath>();
        }
    }
}
