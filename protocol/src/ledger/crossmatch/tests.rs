use super::*;
use crate::id::{AudienceId, Hash, ItemId, ItemRef, ItemVersion, Sequence};

const ENVELOPE: EnvelopeHash = EnvelopeHash::new([7; 32]);

fn hub(code: &str) -> HubId {
    code.parse().unwrap()
}

fn release() -> Entry {
    Entry::Release {
        item: ItemRef {
            item: ItemId::new([1; 16]),
            version: ItemVersion::new(1),
        },
        envelope: ENVELOPE,
        audience: AudienceId::new([2; 16]),
        sequence: Sequence::new(1),
        decision: 0,
        recipients_root: Hash::new([3; 32]),
    }
}

fn receipt(act: Act) -> Entry {
    Entry::Receipt {
        envelope: ENVELOPE,
        receiver: hub("DE"),
        act,
    }
}

fn received(outcome: Outcome) -> Entry {
    Entry::Received {
        item: None,
        envelope: ENVELOPE,
        sender: hub("FR"),
        outcome,
    }
}

/// A side with these entries, a second apart, and a filler at the end.
fn side(code: &str, entries: &[Entry]) -> Side {
    let entries = entries.iter().chain([&Entry::Filler]);
    let records: BTreeMap<u64, Record> = (0..)
        .zip(entries)
        .map(|(index, entry)| {
            let time = match entry {
                Entry::Filler => Timestamp::from_seconds(1_000),
                _ => Timestamp::from_seconds(index),
            };
            let entry = entry.clone();
            (index, Record { time, entry })
        })
        .collect();
    Side {
        hub: hub(code),
        covered: records.len() as u64,
        records,
    }
}

#[track_caller]
fn check(fr: &[Entry], de: &[Entry], expected: Result<(u64, u64), (&str, u64, Mismatch)>) {
    let found = cross_match(&side("FR", fr), &side("DE", de));
    let found = found
        .map(|matched| (matched.receipts, matched.received))
        .map_err(|error| (error.hub.to_string(), error.index, error.reason));
    let expected = expected.map_err(|(hub, index, reason)| (hub.to_owned(), index, reason));
    assert_eq!(found, expected);
}

#[test]
fn what_was_sent_and_receipted_was_received() {
    for (act, outcome) in [
        (Act::Delivered, Outcome::Accepted),
        (Act::Delivered, Outcome::Repeated),
        (Act::Objected, Outcome::Objected),
        (Act::Purged, Outcome::Withdrawn),
        (Act::Purged, Outcome::Accepted),
    ] {
        check(&[release(), receipt(act)], &[received(outcome)], Ok((1, 1)));
    }
    check(&[release()], &[received(Outcome::Unreadable)], Ok((0, 1)));
    check(&[release()], &[], Ok((0, 0)));
}

#[test]
fn each_disagreement_names_its_entry() {
    let (de, fr) = (hub("DE"), hub("FR"));
    check(
        &[release(), receipt(Act::Delivered)],
        &[],
        Err(("FR", 1, Mismatch::NotReceived { receiver: de })),
    );
    check(
        &[release(), receipt(Act::Delivered)],
        &[received(Outcome::Objected)],
        Err((
            "FR",
            1,
            Mismatch::OtherOutcome {
                receiver: de,
                act: Act::Delivered.as_str(),
                outcome: "objected",
            },
        )),
    );
    check(
        &[],
        &[received(Outcome::Accepted)],
        Err(("DE", 0, Mismatch::NotReleased { sender: fr })),
    );
    check(
        &[release()],
        &[received(Outcome::Accepted)],
        Err(("DE", 0, Mismatch::NoReceipt { sender: fr })),
    );
}

#[test]
fn nothing_is_concluded_from_what_is_not_disclosed_or_not_yet_there() {
    let de = side("DE", &[received(Outcome::Accepted)]);
    let mut older = side("FR", &[]);
    older.records.clear();
    older.covered = 0;
    let open = Matched {
        open: 1,
        ..Matched::default()
    };
    assert_eq!(cross_match(&older, &de), Ok(open));
    let mut partly = side("FR", &[release(), receipt(Act::Delivered)]);
    partly.records.remove(&0);
    assert_eq!(cross_match(&partly, &de).map(|matched| matched.open), Ok(1));
    // What is there and says something else is a contradiction all the same.
    let objected = side("DE", &[received(Outcome::Objected)]);
    assert!(cross_match(&partly, &objected).is_err());
}
