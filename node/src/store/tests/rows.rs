//! Writing and reading.

use super::*;

#[test]
fn changes_apply_in_order_and_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .write(&[
            Change::put(Family::Item, "a", "1"),
            Change::delete(Family::Item, "a"),
            Change::put(Family::Item, "b", "1"),
            Change::put(Family::Item, "b", "2"),
            Change::delete(Family::Item, "never was"),
        ])
        .unwrap();
    assert_eq!(value(&store, Family::Item, b"a"), None);
    assert_eq!(value(&store, Family::Item, b"b").as_deref(), Some(&b"2"[..]));

    let too_long = Change::put(Family::Item, vec![0; KEY_BYTES_MAX + 1], "x");
    let error = store
        .write(&[Change::put(Family::Item, "c", "1"), too_long])
        .unwrap_err();
    assert!(matches!(error, WriteError::TooLong { part: "key", .. }) && !error.is_final());
    assert_eq!(value(&store, Family::Item, b"c"), None);
    store.write(&[]).unwrap();
}

#[test]
fn a_scan_is_sorted_by_plain_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let changes: Vec<Change> = (0..200_u8)
        .rev()
        .map(|n| Change::put(Family::Log, [n], [n, n]))
        .collect();
    store.write(&changes).unwrap();
    store
        .write(&[Change::put(Family::Item, "elsewhere", "x")])
        .unwrap();
    let rows = store.scan(Family::Log).unwrap();
    assert_eq!(rows.len(), 200);
    for (n, (key, value)) in (0_u8..).zip(&rows) {
        assert_eq!((key.as_slice(), value.as_slice()), (&[n][..], &[n, n][..]));
    }
    let mut seen = 0;
    let visit = |_, _| {
        seen += 1;
        if seen == 3 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    store.visit(Family::Log, visit).unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn many_threads_share_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..25_u8 {
                    store
                        .write(&[Change::put(Family::Delivery, [thread, n], [n])])
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(store.count(Family::Delivery).unwrap(), 100);
}
