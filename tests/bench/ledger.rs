//! The ledger: appending beside the bare database, auditing, proving, and what it takes as it grows.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use testudo::store::{Bare, Change, Family, Store, StoreKeys};
use testudo_crypto::entropy::Entropy;
use testudo_crypto::merkle::{LeafIndex, Tree, TreeSize, leaf_hash};
use testudo_crypto::vault::StorageKey;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::ledger::{Audit, Entry, Extent, Ledger, Record};
use testudo_protocol::realm::Realm;
use testudo_protocol::week::Week;

use crate::report::{Better, Report, Row, conditions, side_by_side};

/// Entries of one synced write.
const BATCH: u64 = 64;

/// Turns of writing a batch.
const ROUNDS: usize = 301;

/// Entries of the large ledger.
const LARGE: u64 = 1_000_000;

/// Most seconds that an audit of it may take.
const AUDIT_SECONDS_MAX: f64 = 10.0;

/// Most microseconds that a proof in it may take.
const PROOF_MICROS_MAX: f64 = 100.0;

/// Proofs measured.
const PROOFS: u64 = 2_000;

/// Sizes from which growth is read off, and the size it is read off for.
const SIZES: [u64; 3] = [250_000, 500_000, 1_000_000];
const GROWN: u64 = 10_000_000;

/// What an entry took in memory while whole leaves and all levels of the tree were kept, in bytes.
const WHOLE_BYTES: f64 = 98.0;

pub fn run(report: &mut Report) {
    append(report);
    audit(report);
    growth(report);
}

fn realm() -> Realm {
    Realm::new("bench", "live").expect("two names")
}

fn hub() -> HubId {
    "FR".parse().expect("a code")
}

fn record(at: u64) -> Record {
    Record {
        time: Timestamp::from_millis(1_790_000_000_000 + at),
        entry: Entry::Filler,
    }
}

/// Makes the rows of the next batch of a ledger.
fn batch(ledger: &mut Ledger, entropy: &mut Entropy) -> Vec<(Family, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for at in 0..BATCH {
        let appended = ledger.append(record(at), entropy).expect("a filler is short");
        let key = appended.index.to_be_bytes().to_vec();
        rows.push((Family::Leaf, key.clone(), appended.leaf.as_bytes().to_vec()));
        rows.push((Family::Opening, key, appended.opening));
    }
    rows
}

fn append(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = StoreKeys {
        storage: StorageKey::from_bytes([7; 32]),
        openings: folder.path().join("openings"),
        week: Week::new(2960),
    };
    let store = Store::open(&folder.path().join("ours"), keys, "FR").expect("a store");
    let bare = Bare::create(&folder.path().join("bare")).expect("a database");
    let mut entropy = Entropy::from_seed([1; 32]);
    let mut ledger = Ledger::new(&realm(), hub());
    // The reference writes rows that were made before.
    let mut made = Ledger::new(&realm(), hub());
    let mut ready: Vec<_> = (0..=ROUNDS).map(|_| batch(&mut made, &mut entropy)).collect();
    let ours = || {
        let rows = batch(&mut ledger, &mut entropy);
        let changes: Vec<Change> = rows
            .into_iter()
            .map(|(family, key, value)| Change::put(family, key, value))
            .collect();
        store.write(&changes).expect("a write");
    };
    let reference = || {
        let rows = ready.pop().expect("one for each turn");
        bare.write(&rows).expect("a write");
    };
    let (ours, reference) = side_by_side(ROUNDS, ours, reference);
    report.add(Row {
        name: "append 64 entries to the ledger, synced",
        ours,
        reference,
        unit: "ms",
        goal: 1.5,
        better: Better::Lower,
        conditions: format!(
            "committed, sealed and written with their openings; reference: one synced RocksDB write of the same \
             keys and values; {}",
            conditions()
        ),
    });
}

fn audit(report: &mut Report) {
    let mut entropy = Entropy::from_seed([2; 32]);
    let mut ledger = Ledger::new(&realm(), hub());
    let mut leaves = Vec::new();
    let mut openings = BTreeMap::new();
    for at in 0..LARGE {
        let appended = ledger
            .append(record(at), &mut entropy)
            .expect("a filler is short");
        leaves.push(appended.leaf.as_bytes().to_vec());
        openings.insert(appended.index, appended.opening);
    }
    let begin = Instant::now();
    let audit = Audit {
        origin: ledger.origin(),
        leaves: &leaves,
        openings: &openings,
        extent: Extent::Whole,
        checkpoint: None,
        since: None,
    };
    let found = audit.run().expect("it is whole");
    let ours = begin.elapsed().as_secs_f64();
    assert_eq!((found.opened, found.root), (LARGE, ledger.root()));
    report.add(Row {
        name: "verify a ledger of 1,000,000 entries",
        ours,
        reference: AUDIT_SECONDS_MAX,
        unit: "s",
        goal: 1.0,
        better: Better::Lower,
        conditions: format!(
            "every leaf hashed and every opening recomputed; reference: a bound; {}",
            conditions()
        ),
    });

    let size = ledger.size();
    let begin = Instant::now();
    for at in 0..PROOFS {
        // Spread over the whole tree.
        let index = at * 7_919 * 97 % LARGE;
        black_box(ledger.prove_inclusion(index, size).expect("it is in the tree"));
    }
    let ours = begin.elapsed().as_secs_f64() * 1e6 / PROOFS as f64;
    report.add(Row {
        name: "prove inclusion among 1,000,000 entries",
        ours,
        reference: PROOF_MICROS_MAX,
        unit: "us",
        goal: 1.0,
        better: Better::Lower,
        conditions: format!("mean of {PROOFS} proofs; reference: a bound; {}", conditions()),
    });
}

/// A line through three sizes, read off at ten million.
fn growth(report: &mut Report) {
    let mut tree = Tree::new();
    let mut size = 0u64;
    let mut memory = Vec::new();
    let mut proofs = Vec::new();
    for wanted in SIZES {
        while size < wanted {
            tree.append(leaf_hash(&size.to_be_bytes()));
            size += 1;
        }
        memory.push((wanted as f64, tree.bytes() as f64 / f64::from(1 << 20)));
        let begin = Instant::now();
        for at in 0..PROOFS {
            let index = LeafIndex::new(at * 7_919 * 97 % size);
            black_box(tree.prove_inclusion(index, TreeSize::new(size)));
        }
        let micros = begin.elapsed().as_secs_f64() * 1e6 / PROOFS as f64;
        // A proof has one hash more for each doubling.
        proofs.push(((wanted as f64).log2(), micros));
    }
    report.add(Row {
        name: "memory of a ledger of 10,000,000 entries",
        ours: at(&memory, GROWN as f64),
        reference: WHOLE_BYTES * GROWN as f64 / f64::from(1 << 20),
        unit: "MiB",
        goal: 0.4,
        better: Better::Lower,
        conditions: format!(
            "extrapolated from {SIZES:?}; reference: whole leaves and all levels, {WHOLE_BYTES} bytes each; {}",
            conditions()
        ),
    });
    report.add(Row {
        name: "prove inclusion among 10,000,000 entries",
        ours: at(&proofs, (GROWN as f64).log2()),
        reference: PROOF_MICROS_MAX,
        unit: "us",
        goal: 1.0,
        better: Better::Lower,
        conditions: format!(
            "extrapolated from {SIZES:?}; reference: a bound; {}",
            conditions()
        ),
    });
}

/// The least-squares line through points, at `x`.
fn at(points: &[(f64, f64)], x: f64) -> f64 {
    let count = points.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - mean_x).powi(2)).sum();
    let slope = points
        .iter()
        .map(|point| (point.0 - mean_x) * (point.1 - mean_y))
        .sum::<f64>()
        / spread;
    mean_y + slope * (x - mean_x)
}
