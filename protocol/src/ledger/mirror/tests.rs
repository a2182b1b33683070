use testudo_crypto::entropy::Entropy;

use super::*;
use crate::id::Timestamp;
use crate::ledger::{Entry, Leaf, Ledger, Record};
use crate::realm::Realm;

fn hub(code: &str) -> HubId {
    code.parse().unwrap()
}

/// A ledger of so many fillers, and its leaves.
fn ledger(entries: u64) -> (Ledger, Vec<Leaf>) {
    let realm = Realm::new("test", "live").unwrap();
    let mut ledger = Ledger::new(&realm, hub("FR"));
    let mut entropy = Entropy::from_seed([3; 32]);
    let mut leaves = Vec::new();
    for second in 0..entries {
        let record = Record {
            time: Timestamp::from_seconds(second),
            entry: Entry::Filler,
        };
        leaves.push(ledger.append(record, &mut entropy).unwrap().leaf);
    }
    (ledger, leaves)
}

fn held(ledger: &Ledger) -> Witnessed {
    Witnessed {
        size: ledger.size().get(),
        root: Hash::new(*ledger.root().as_bytes()),
        ..Witnessed::nothing(Vec::new())
    }
}

fn tile(leaves: &[Leaf], from: u64) -> Vec<u8> {
    let leaves = &leaves[from as usize..(from + TILE_LEAVES) as usize];
    leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect()
}

fn proof(ledger: &Ledger, to: u64) -> Vec<Hash> {
    let proof = ledger
        .prove_consistency(TreeSize::new(to), ledger.size())
        .unwrap();
    proof.into_iter().map(Hash::from).collect()
}

#[test]
fn tiles_are_kept_in_order_up_to_the_cosigned_checkpoint() {
    let (ledger, leaves) = ledger(5 * TILE_LEAVES);
    let held = held(&ledger);
    let mut mirrored = Mirrored::default();
    for from in (0..5).map(|tile| tile * TILE_LEAVES) {
        let to = from + TILE_LEAVES;
        mirrored = mirrored
            .with_tile(&tile(&leaves, from), &held, &proof(&ledger, to))
            .unwrap();
        assert_eq!(mirrored.size(), to);
    }
    // Nothing is kept beyond what was cosigned.
    let beyond = mirrored.with_tile(&tile(&leaves, 0), &held, &[]);
    assert!(matches!(beyond, Err(MirrorError::Proof { .. })), "{beyond:?}");
}

#[test]
fn a_tile_that_the_ledger_has_not_signed_is_refused() {
    let (ledger, leaves) = ledger(3 * TILE_LEAVES);
    let held = held(&ledger);
    let empty = Mirrored::default();
    let right = proof(&ledger, TILE_LEAVES);
    let mut changed = tile(&leaves, 0);
    changed[40] ^= 1;
    for (tile, proof) in [
        (changed, right.clone()),
        (tile(&leaves, TILE_LEAVES), right.clone()),
        (tile(&leaves, 0), Vec::new()),
        (tile(&leaves, 0), vec![Hash::new([0; 32]); 65]),
    ] {
        let refused = empty.with_tile(&tile, &held, &proof);
        assert!(matches!(refused, Err(MirrorError::Proof { .. })), "{refused:?}");
    }
    for wrong in [&tile(&leaves, 0)[1..], &[], &[0; TILE_BYTES]] {
        let refused = empty.with_tile(wrong, &held, &right);
        assert_eq!(refused, Err(MirrorError::Tile { bytes: wrong.len() }));
    }
    let damaged = Mirrored {
        size: 3,
        edge: Vec::new(),
    };
    let refused = damaged.with_tile(&tile(&leaves, 0), &held, &right);
    assert_eq!(refused, Err(MirrorError::Record { size: 3 }));
}

#[test]
fn everybody_names_the_same_mirrors_and_a_new_member_changes_few() {
    let codes = ["FR", "DE", "PL", "SE", "RO", "EEAS"].map(hub);
    let before = mirrors(hub("FR"), codes.into_iter());
    assert_eq!(before.len(), MIRRORS);
    assert!(!before.contains(&hub("FR")));
    assert_eq!(mirrors(hub("FR"), codes.into_iter().rev()), before);
    let after = mirrors(hub("FR"), codes.into_iter().chain([hub("NL")]));
    let kept = before.iter().filter(|hub| after.contains(hub)).count();
    assert!(kept >= MIRRORS - 1);
    assert_eq!(
        mirrors(hub("FR"), [hub("FR"), hub("DE")].into_iter()),
        [hub("DE")]
    );
    assert_eq!(mirrors(hub("FR"), [hub("FR")].into_iter()), []);
}
