use proptest::prelude::*;

use super::*;
use crate::digest::unhex;

/// Largest tree of the exhaustive tests: past two full levels of 64, on both sides of a power of two.
const SIZE_MAX: usize = 130;

fn leaves(count: usize) -> Vec<Digest> {
    (0..count as u64)
        .map(|index| leaf_hash(&index.to_be_bytes()))
        .collect()
}

fn size(leaves: usize) -> TreeSize {
    TreeSize::new(leaves as u64)
}

/// The definition of RFC 6962, word for word.
fn definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let half = leaves.len().next_power_of_two() / 2;
            node_hash(&definition(&leaves[..half]), &definition(&leaves[half..]))
        }
    }
}

/// The roots of the first `n` leaves, for all `n` up to `count`.
fn roots(leaves: &[Digest]) -> Vec<Root> {
    (0..=leaves.len())
        .map(|count| tree_root(&leaves[..count]))
        .collect()
}

/// Every way to spoil a proof by one hash, and none that leaves it as it was.
fn spoilt(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let stray = leaf_hash(b"stray");
    let mut proofs = Vec::new();
    for place in 0..=proof.len() {
        let mut longer = proof.to_vec();
        longer.insert(place, stray);
        proofs.push(longer);
    }
    for place in 0..proof.len() {
        let mut shorter = proof.to_vec();
        shorter.remove(place);
        let mut other = proof.to_vec();
        other[place] = stray;
        proofs.extend([shorter, other]);
    }
    proofs
}

#[test]
fn roots_agree_with_certificate_transparency() {
    let entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let expected = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<Digest> = entries
        .iter()
        .map(|entry| leaf_hash(&unhex(entry).unwrap()))
        .collect();
    let found: Vec<String> = roots(&leaves).iter().map(Root::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_frontier_has_the_root_of_the_definition() {
    let leaves = leaves(SIZE_MAX);
    let mut frontier = Frontier::new();
    for count in 0..=SIZE_MAX {
        assert_eq!(frontier.size(), size(count));
        assert_eq!(
            frontier.root().digest(),
            definition(&leaves[..count]),
            "size {count}"
        );
        assert_eq!(frontier.subtrees.len(), count.count_ones() as usize);
        frontier.append(leaf_hash(&(count as u64).to_be_bytes()));
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proved() {
    let leaves = leaves(SIZE_MAX);
    for (count, root) in roots(&leaves).into_iter().enumerate() {
        for (place, leaf) in leaves.iter().enumerate().take(count) {
            let index = LeafIndex::new(place as u64);
            let proof = prove_inclusion(&leaves, index, size(count)).unwrap();
            let verdict = verify_inclusion(*leaf, index, size(count), &proof, root);
            assert_eq!(verdict, Ok(()), "leaf {place} of {count}");
        }
        let outside = LeafIndex::new(count as u64);
        assert_eq!(prove_inclusion(&leaves, outside, size(count)), None);
    }
    assert_eq!(
        prove_inclusion(&leaves, LeafIndex::new(0), size(SIZE_MAX + 1)),
        None
    );
}

#[test]
fn every_small_tree_is_a_prefix_of_every_larger_one() {
    let leaves = leaves(SIZE_MAX);
    let roots = roots(&leaves);
    for (new, new_root) in roots.iter().enumerate() {
        for (old, old_root) in roots.iter().enumerate().take(new + 1) {
            let proof = prove_consistency(&leaves, size(old), size(new)).unwrap();
            let verdict = verify_consistency(size(old), *old_root, size(new), *new_root, &proof);
            assert_eq!(verdict, Ok(()), "{old} to {new}");
        }
        assert_eq!(prove_consistency(&leaves, size(new + 1), size(new)), None);
    }
    assert_eq!(prove_consistency(&leaves, size(1), size(SIZE_MAX + 1)), None);
}

#[test]
fn a_spoilt_inclusion_proof_is_refused() {
    let leaves = leaves(20);
    for (count, root) in roots(&leaves).into_iter().enumerate() {
        for (place, leaf) in leaves.iter().enumerate().take(count) {
            let index = LeafIndex::new(place as u64);
            let proof = prove_inclusion(&leaves, index, size(count)).unwrap();
            let invalid = Err(InclusionError::ProofInvalid {
                index,
                size: size(count),
            });
            for spoilt in spoilt(&proof) {
                assert_eq!(
                    verify_inclusion(*leaf, index, size(count), &spoilt, root),
                    invalid
                );
            }
            let stray = leaf_hash(b"stray");
            assert_eq!(verify_inclusion(stray, index, size(count), &proof, root), invalid);
            assert_eq!(
                verify_inclusion(*leaf, index, size(count), &proof, Root::new(stray)),
                invalid
            );
            for other in (0..count as u64)
                .filter(|other| *other != index.get())
                .map(LeafIndex::new)
            {
                assert!(verify_inclusion(*leaf, other, size(count), &proof, root).is_err());
            }
        }
    }
}

#[test]
fn a_spoilt_consistency_proof_is_refused() {
    let leaves = leaves(20);
    let roots = roots(&leaves);
    let stray = Root::new(leaf_hash(b"stray"));
    for (new, new_root) in roots.iter().enumerate() {
        for (old, old_root) in roots.iter().enumerate().take(new) {
            let proof = prove_consistency(&leaves, size(old), size(new)).unwrap();
            let verify = |old_root, new_root, proof: &[Digest]| {
                verify_consistency(size(old), old_root, size(new), new_root, proof)
            };
            let invalid = Err(ConsistencyError::ProofInvalid {
                old: size(old),
                new: size(new),
            });
            for spoilt in spoilt(&proof) {
                assert_eq!(verify(*old_root, *new_root, &spoilt), invalid, "{old} to {new}");
            }
            assert_eq!(verify(stray, *new_root, &proof), invalid, "{old} to {new}");
            if old > 0 {
                assert_eq!(verify(*old_root, stray, &proof), invalid, "{old} to {new}");
            }
        }
    }
}

#[test]
fn two_roots_for_one_size_are_a_split_view() {
    let (old, new) = (Root::new(leaf_hash(b"one")), Root::new(leaf_hash(b"two")));
    for count in [0, 1, 7] {
        let verdict = verify_consistency(size(count), old, size(count), new, &[]);
        assert_eq!(
            verdict,
            Err(ConsistencyError::SplitView {
                size: size(count),
                old,
                new
            })
        );
    }
}

#[test]
fn a_tree_that_shrinks_is_told_apart_from_a_bad_proof() {
    let verdict = verify_consistency(size(3), empty_root(), size(2), empty_root(), &[]);
    assert_eq!(
        verdict,
        Err(ConsistencyError::Shrunk {
            old: size(3),
            new: size(2)
        })
    );
}

#[test]
fn the_empty_tree_is_a_prefix_of_every_tree_and_holds_nothing() {
    let root = Root::new(leaf_hash(b"root"));
    for count in [0, 1, 7] {
        let new_root = if count == 0 { empty_root() } else { root };
        let verify =
            |old_root, proof: &[Digest]| verify_consistency(size(0), old_root, size(count), new_root, proof);
        assert_eq!(verify(empty_root(), &[]), Ok(()));
        assert!(verify(empty_root(), &[root.digest()]).is_err());
        assert!(verify(root, &[]).is_err());
    }
    let (index, size) = (LeafIndex::new(0), size(0));
    let verdict = verify_inclusion(empty_root().digest(), index, size, &[], empty_root());
    assert_eq!(verdict, Err(InclusionError::OutOfRange { index, size }));
}

#[test]
fn a_proof_longer_than_any_tree_is_refused_before_hashing() {
    let hashes = PROOF_HASHES_MAX + 1;
    let proof = vec![leaf_hash(b""); hashes];
    let (index, huge, root) = (LeafIndex::new(0), TreeSize::new(u64::MAX), empty_root());
    let included = verify_inclusion(leaf_hash(b""), index, huge, &proof, root);
    assert_eq!(included, Err(InclusionError::TooLong { hashes }));
    let consistent = verify_consistency(size(1), root, huge, root, &proof);
    assert_eq!(consistent, Err(ConsistencyError::TooLong { hashes }));
}

#[test]
fn a_leaf_never_has_the_hash_of_a_node() {
    let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
    let forged = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    assert_ne!(leaf_hash(&forged), node_hash(&left, &right));
}

proptest! {
    #[test]
    fn proofs_and_checks_agree_on_random_trees(count in 1usize..700, a: prop::sample::Index, b: prop::sample::Index) {
        let leaves = leaves(count);
        let root = tree_root(&leaves);
        prop_assert_eq!(root.digest(), definition(&leaves));
        let (place, old) = (a.index(count), b.index(count + 1));

        let index = LeafIndex::new(place as u64);
        let proof = prove_inclusion(&leaves, index, size(count)).unwrap();
        prop_assert!(proof.len() <= PROOF_HASHES_MAX);
        prop_assert_eq!(verify_inclusion(leaves[place], index, size(count), &proof, root), Ok(()));

        let proof = prove_consistency(&leaves, size(old), size(count)).unwrap();
        let old_root = tree_root(&leaves[..old]);
        prop_assert_eq!(verify_consistency(size(old), old_root, size(count), root, &proof), Ok(()));
    }

    #[test]
    fn foreign_numbers_and_proofs_never_panic(index: u64, old: u64, new: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<Digest> = hashes.into_iter().map(Digest::from_bytes).collect();
        let root = Root::new(leaf_hash(b"root"));
        let (old, new) = (TreeSize::new(old), TreeSize::new(new));
        prop_assert!(verify_inclusion(leaf_hash(b""), LeafIndex::new(index), new, &proof, root).is_err());
        let _ = verify_consistency(old, root, new, root, &proof);
        prop_assert_eq!(prove_inclusion(&proof, LeafIndex::new(index), new).is_some(), index < new.get() && new.get() <= proof.len() as u64);
    }
}
