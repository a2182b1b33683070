use std::collections::BTreeMap;

use testudo_crypto::keys::SigningKey;

use super::*;
use crate::id::{CharterVersion, EnvelopeHash, ItemId, ItemRef, ItemVersion, Timestamp};
use crate::ledger::{AuditError, DecisionAct, audit};

fn realm() -> Realm {
    Realm::new("test", "live").unwrap()
}

fn hub() -> HubId {
    "FR".parse().unwrap()
}

fn decision() -> Entry {
    Entry::Decision(Decision {
        act: DecisionAct::Release,
        item: ItemRef {
            item: ItemId::new([1; 16]),
            version: ItemVersion::new(1),
        },
        body_hash: Hash::new([2; 32]),
        charter: CharterVersion::new(1),
        policies: Hash::new([3; 32]),
        verdicts_root: Hash::new([4; 32]),
        allowed: 1,
        denied: 1,
    })
}

fn release(decision: u64) -> Entry {
    Entry::Release {
        item: ItemRef {
            item: ItemId::new([1; 16]),
            version: ItemVersion::new(1),
        },
        envelope: EnvelopeHash::new([5; 32]),
        audience: crate::id::AudienceId::new([6; 16]),
        sequence: crate::id::Sequence::new(1),
        decision,
        recipients_root: Hash::new([7; 32]),
    }
}

struct Kept {
    ledger: Ledger,
    leaves: Vec<Vec<u8>>,
    openings: BTreeMap<u64, Vec<u8>>,
}

fn kept(entries: Vec<Entry>) -> Kept {
    let mut entropy = Entropy::from_seed([9; 32]);
    let mut kept = Kept {
        ledger: Ledger::new(&realm(), hub()),
        leaves: Vec::new(),
        openings: BTreeMap::new(),
    };
    for entry in entries {
        let record = Record {
            time: Timestamp::from_seconds(1),
            entry,
        };
        let appended = kept.ledger.append(record, &mut entropy).unwrap();
        kept.leaves.push(appended.leaf.as_bytes().to_vec());
        kept.openings.insert(appended.index, appended.opening);
    }
    kept
}

#[test]
fn a_decision_proves_nothing_before_it_is_durable() {
    let mut kept = kept(vec![decision(), release(0)]);
    let opening = kept.openings[&0].clone();
    assert_eq!(
        kept.ledger.recorded(0, &opening).unwrap_err(),
        RecordedError::NotDurable { index: 0, durable: 0 }
    );
    kept.ledger.mark_durable(2);
    assert_eq!(kept.ledger.recorded(0, &opening).unwrap().at().index, 0);

    let other = kept.openings[&1].clone();
    assert!(matches!(
        kept.ledger.recorded(0, &other).unwrap_err(),
        RecordedError::Opening(_)
    ));
    assert_eq!(
        kept.ledger.recorded(1, &other).unwrap_err(),
        RecordedError::NotADecision { index: 1 }
    );
}

#[test]
fn a_restored_ledger_has_the_same_root_and_misses_nothing() {
    let kept = kept(vec![decision(), release(0), decision()]);
    let stored = |skip: usize| {
        let leaves = (0u64..).zip(kept.leaves.iter().map(Vec::as_slice));
        Ledger::restore(&realm(), hub(), leaves.skip(skip))
    };
    assert_eq!(stored(0).unwrap().root(), kept.ledger.root());
    assert_eq!(stored(1).unwrap_err(), RestoreError::Missing { index: 0 });
}

#[test]
fn the_audit_names_the_first_offending_entry() {
    let key = SigningKey::from_seed([1; 32]);
    let kept = kept(vec![decision(), release(0)]);
    let signer = NoteSigner::new(kept.ledger.origin(), &key).unwrap();
    let note = kept.ledger.checkpoint(&signer).unwrap().to_bytes();
    let verifier = signer.verifier();
    let run = |leaves: &[Vec<u8>], openings: &BTreeMap<u64, Vec<u8>>| {
        audit(kept.ledger.origin(), leaves, openings, Some((&note, &verifier)))
    };

    let report = run(&kept.leaves, &kept.openings).unwrap();
    assert_eq!((report.entries, report.covered, report.opened), (2, 2, 2));

    let mut erased = kept.openings.clone();
    erased.remove(&1);
    assert_eq!(
        run(&kept.leaves, &erased),
        Err(AuditError::Unexplained { index: 1 })
    );

    assert!(matches!(
        run(&kept.leaves[..1], &kept.openings),
        Err(AuditError::Shrunk { .. })
    ));
    let mut changed = kept.leaves.clone();
    changed[1][20] ^= 1;
    assert!(matches!(
        run(&changed, &BTreeMap::new()),
        Err(AuditError::Root { .. })
    ));
    assert!(matches!(
        run(&changed, &kept.openings),
        Err(AuditError::Opening(OpeningError::Mismatch { index: 1 }))
    ));
}

#[test]
fn a_release_without_a_decision_fails_the_audit() {
    let kept = kept(vec![release(0)]);
    let found = audit(kept.ledger.origin(), &kept.leaves, &kept.openings, None);
    assert_eq!(found.unwrap_err(), AuditError::Undecided { index: 0 });
}
