//! Our tree beside two that others wrote: `ct-merkle` (RFC 6962) and `tlog_tiles` (C2SP tlog-tiles).
//!
//! Each property is held over trees and proofs that chance chooses. Where they differ on purpose is said at the property:
//! neither of the others takes an empty tree for the prefix of one with leaves, as tlog-witness asks for.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use proptest::sample::Index;
use sha2::Sha256;
use tlog_tiles::{HashReader, Tile, TileHashReader, TileReader};

use super::*;
use crate::checkpoint::Checkpoint;
use crate::tlog::tiles::TilePath;

/// Most leaves of a random tree: two full tiles, and the beginning of a third.
const LEAVES_MAX: usize = 600;

/// Leaves of the one large tree: past the first tile of the third level.
const LEAVES_MANY: u64 = 66_000;

/// Height of a tile, in levels of the tree.
const TILE_HEIGHT: u8 = 8;

fn leaves(count: usize, salt: u8) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| [&[salt], &number.to_be_bytes()[..]].concat())
        .collect()
}

/// The three of them over the same leaves.
struct Three {
    ours: Tree,
    hashes: Vec<Digest>,
    of_certificates: MemoryBackedTree<Sha256, Vec<u8>>,
    of_tiles: Stored,
}

/// What `tlog_tiles` stores: each hash at the index that it gives it.
#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

impl Three {
    fn over(leaves: &[Vec<u8>]) -> Self {
        let mut three = Self {
            ours: Tree::default(),
            hashes: Vec::new(),
            of_certificates: MemoryBackedTree::new(),
            of_tiles: Stored::default(),
        };
        for (number, leaf) in (0..).zip(leaves) {
            three.ours.append(leaf_hash(leaf));
            three.hashes.push(leaf_hash(leaf));
            three.of_certificates.push(leaf.clone());
            let stored = tlog_tiles::stored_hashes(number, leaf, &three.of_tiles).unwrap();
            three.of_tiles.0.extend(stored);
        }
        three
    }

    fn size(&self) -> TreeSize {
        self.ours.size()
    }
}

fn theirs(digest: Digest) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*digest.as_bytes())
}

fn bytes(proof: &[Digest]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn bytes_of(proof: &[tlog_tiles::Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

fn certificate_root(root: Root, size: TreeSize) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size.get())
}

/// What may have become of a proof on its way.
#[derive(Clone, Debug)]
enum Change {
    None,
    Flip(Index, u8),
    Drop(Index),
    Double(Index),
    Swap(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::None),
        (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<Index>().prop_map(Change::Drop),
        any::<Index>().prop_map(Change::Double),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

impl Change {
    fn apply(&self, proof: &mut Vec<Digest>) {
        let count = proof.len();
        match self {
            Self::None => {}
            _ if count == 0 => proof.push(leaf_hash(b"stray")),
            Self::Flip(at, bit) => {
                let at = at.index(count);
                let mut changed = *proof[at].as_bytes();
                changed[at % 32] ^= 1 << bit;
                proof[at] = Digest::from_bytes(changed);
            }
            Self::Drop(at) => drop(proof.remove(at.index(count))),
            Self::Double(at) => proof.insert(at.index(count), proof[at.index(count)]),
            Self::Swap(one, other) => proof.swap(one.index(count), other.index(count)),
            Self::Cut(at) => proof.truncate(at.index(count)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_are_those_of_others(count in 0..LEAVES_MAX, salt: u8) {
        let three = Three::over(&leaves(count, salt));
        let root = three.ours.root();
        prop_assert_eq!(tree_root(&three.hashes), root);
        let of_certificates = three.of_certificates.root();
        prop_assert_eq!(of_certificates.as_bytes().as_slice(), root.as_bytes());
        let of_tiles = tlog_tiles::tree_hash(count as u64, &three.of_tiles).unwrap();
        prop_assert_eq!(of_tiles, theirs(root.digest()));
    }

    #[test]
    fn inclusion_proofs_and_verdicts_are_those_of_others(
        count in 1..LEAVES_MAX,
        at: Index,
        claimed: Option<Index>,
        change in change(),
    ) {
        let leaves = leaves(count, 1);
        let three = Three::over(&leaves);
        let (size, root, place) = (three.size(), three.ours.root(), at.index(count));
        let index = LeafIndex::new(place as u64);
        let mut proof = three.ours.prove_inclusion(index, size).unwrap();
        prop_assert_eq!(prove_inclusion(&three.hashes, index, size), Some(proof.clone()));
        let by_certificates = three.of_certificates.prove_inclusion(place);
        prop_assert_eq!(by_certificates.as_bytes(), bytes(&proof));
        let by_tiles = tlog_tiles::prove_record(size.get(), index.get(), &three.of_tiles).unwrap();
        prop_assert_eq!(bytes_of(&by_tiles), bytes(&proof));

        change.apply(&mut proof);
        let claimed = claimed.map_or(index.get(), |claimed| claimed.index(count) as u64);
        let leaf = leaf_hash(&leaves[place]);
        let verdict = verify_inclusion(leaf, LeafIndex::new(claimed), size, &proof, root).is_ok();
        let hashes: Vec<_> = proof.iter().copied().map(theirs).collect();
        let by_tiles = tlog_tiles::check_record(&hashes, size.get(), theirs(root.digest()), claimed, theirs(leaf));
        prop_assert_eq!(by_tiles.is_ok(), verdict);
        let sent = InclusionProof::from_bytes(bytes(&proof));
        let by_certificates = certificate_root(root, size).verify_inclusion(&leaves[place], claimed, &sent);
        prop_assert_eq!(by_certificates.is_ok(), verdict);
    }

    /// From a tree with leaves to a larger one: the cases that all three know.
    #[test]
    fn consistency_proofs_and_verdicts_are_those_of_others(
        count in 2..LEAVES_MAX,
        before: Index,
        claimed: Option<Index>,
        change in change(),
    ) {
        let three = Three::over(&leaves(count, 2));
        let (size, root) = (three.size(), three.ours.root());
        let old = TreeSize::new(1 + before.index(count - 1) as u64);
        let old_root = three.ours.root_at(old).unwrap();
        let mut proof = three.ours.prove_consistency(old, size).unwrap();
        prop_assert_eq!(prove_consistency(&three.hashes, old, size), Some(proof.clone()));
        let added = count - usize::try_from(old.get()).unwrap();
        let by_certificates = three.of_certificates.prove_consistency(added);
        prop_assert_eq!(by_certificates.as_bytes(), bytes(&proof));
        let by_tiles = tlog_tiles::prove_tree(size.get(), old.get(), &three.of_tiles).unwrap();
        prop_assert_eq!(bytes_of(&by_tiles), bytes(&proof));

        change.apply(&mut proof);
        let old = claimed.map_or(old, |claimed| TreeSize::new(1 + claimed.index(count - 1) as u64));
        let verdict = verify_consistency(old, old_root, size, root, &proof).is_ok();
        let hashes: Vec<_> = proof.iter().copied().map(theirs).collect();
        let (root_of_tiles, old_root_of_tiles) = (theirs(root.digest()), theirs(old_root.digest()));
        let by_tiles = tlog_tiles::check_tree(&hashes, size.get(), root_of_tiles, old.get(), old_root_of_tiles);
        prop_assert_eq!(by_tiles.is_ok(), verdict);
        let sent = ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
        let by_certificates =
            certificate_root(root, size).verify_consistency(&certificate_root(old_root, old), &sent);
        prop_assert_eq!(by_certificates.is_ok(), verdict);
    }

    #[test]
    fn tiles_of_any_number_have_the_names_of_others(index in 0..u64::MAX >> TILE_HEIGHT, level in 0_u8..6, width in 1_u32..=256) {
        let named = path_of(&Tile::new(TILE_HEIGHT, level, index, width, false));
        let tile: TilePath = named.parse().unwrap();
        prop_assert_eq!(tile.index(), index);
        prop_assert_eq!(u32::from(tile.width()), width);
        prop_assert_eq!(tile.to_string(), named);
    }
}

/// The name that C2SP gives a tile: `tlog_tiles` puts its height in, as Go's checksum database does.
fn path_of(tile: &Tile) -> String {
    tile.path().replacen(&format!("tile/{TILE_HEIGHT}/"), "tile/", 1)
}

/// The tiles that we write, read by the other.
struct Written<'a>(&'a Tree);

impl TileReader for Written<'_> {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let path: TilePath = path_of(tile).parse().unwrap();
            path.hashes_of(self.0).ok_or(tlog_tiles::Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn a_large_tree_has_the_tiles_of_others_and_proves_by_them_what_it_proves_itself() {
    let (mut ours, mut stored) = (Tree::default(), Stored::default());
    for number in 0..LEAVES_MANY {
        let leaf = number.to_be_bytes();
        ours.append(leaf_hash(&leaf));
        let hashes = tlog_tiles::stored_hashes(number, &leaf, &stored).unwrap();
        stored.0.extend(hashes);
    }
    let written: Vec<(String, Vec<u8>)> = TilePath::hashes(ours.size())
        .map(|path| (path.to_string(), path.hashes_of(&ours).unwrap()))
        .collect();
    let expected: Vec<(String, Vec<u8>)> = Tile::new_tiles(TILE_HEIGHT, 0, LEAVES_MANY)
        .iter()
        .map(|tile| (path_of(tile), tile.read_data(&stored).unwrap()))
        .collect();
    assert!(written.iter().any(|(path, _)| path == "tile/2/000.p/1"));
    assert!(written == expected);

    let (size, root) = (ours.size(), ours.root());
    let tiles = Written(&ours);
    let reader = TileHashReader::new(size.get(), theirs(root.digest()), &tiles);
    for index in [0, 255, 256, 65_535, 65_536, LEAVES_MANY - 1] {
        let by_tiles = tlog_tiles::prove_record(size.get(), index, &reader).unwrap();
        let proof = ours.prove_inclusion(LeafIndex::new(index), size).unwrap();
        assert_eq!(bytes_of(&by_tiles), bytes(&proof), "leaf {index}");
    }
    for old in [1, 256, 257, 65_536, LEAVES_MANY - 1] {
        let by_tiles = tlog_tiles::prove_tree(size.get(), old, &reader).unwrap();
        let proof = ours.prove_consistency(TreeSize::new(old), size).unwrap();
        assert_eq!(bytes_of(&by_tiles), bytes(&proof), "from {old}");
    }
}

#[test]
fn the_other_refuses_our_tiles_under_another_root() {
    let mut ours = Tree::default();
    for leaf in leaves(300, 3) {
        ours.append(leaf_hash(&leaf));
    }
    let tiles = Written(&ours);
    let reader = TileHashReader::new(300, theirs(leaf_hash(b"another")), &tiles);
    assert!(tlog_tiles::prove_record(300, 7, &reader).is_err());
}

#[test]
fn checkpoints_read_as_they_do_for_others() {
    let roots = [
        (0, empty_root().digest()),
        (1, leaf_hash(b"one")),
        (u64::MAX, leaf_hash(b"all")),
    ];
    for (size, root) in roots {
        let other = tlog_tiles::Checkpoint::new("testudo.example/ledger/FR", size, theirs(root), "").unwrap();
        let text = String::from_utf8(other.to_bytes()).unwrap();
        let ours = Checkpoint::parse(&text).unwrap();
        assert_eq!(
            (ours.origin.as_str(), ours.size.get(), ours.root.digest()),
            (other.origin(), size, root)
        );
        assert_eq!(ours.to_text(), text);
    }
}
