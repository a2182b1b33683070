//! What was acknowledged is there after a restart, a crash and a broken disk, or its loss is noticed.

use super::*;

#[test]
fn rows_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let changes: Vec<Change> = Family::ALL
        .iter()
        .map(|family| Change::put(*family, "key", family.name()))
        .collect();
    open(folder.path()).write(&changes).unwrap();
    let store = open(folder.path());
    for family in Family::ALL {
        assert_eq!(
            value(&store, family, b"key").as_deref(),
            Some(family.name().as_bytes())
        );
        assert_eq!(store.count(family).unwrap(), 1);
    }
    assert_eq!(value(&store, Family::Item, b"other"), None);
}

#[test]
fn acknowledged_rows_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for n in 0..50_u8 {
        store
            .write(&[
                Change::put(Family::Leaf, [n], [n; 100]),
                Change::put(Family::Meta, "size", [n]),
            ])
            .unwrap();
        if n % 10 == 9 {
            let copy = crash_image(&store);
            let after = open(copy.path());
            assert_eq!(after.count(Family::Leaf).unwrap(), u64::from(n) + 1);
            assert_eq!(value(&after, Family::Meta, b"size"), Some(vec![n]));
        }
    }
}

#[test]
fn a_torn_last_write_is_dropped_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .write(&[
            Change::put(Family::Leaf, "1", "one"),
            Change::put(Family::Item, "1", "one"),
        ])
        .unwrap();
    store
        .write(&[
            Change::put(Family::Leaf, "2", "two"),
            Change::put(Family::Item, "2", "two"),
        ])
        .unwrap();
    let copy = crash_image(&store);
    let log = newest_log(copy.path());
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 5]).unwrap();
    let after = open(copy.path());
    for family in [Family::Leaf, Family::Item] {
        assert_eq!(value(&after, family, b"1").as_deref(), Some(&b"one"[..]));
        assert_eq!(value(&after, family, b"2"), None);
    }
}

/// RocksDB alone would take it for a torn one, and drop without a word what was acknowledged after it.
#[test]
fn an_altered_record_in_the_log_is_refused_and_the_last_one_passes_for_torn() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for n in 0..20_u8 {
        store.write(&[Change::put(Family::Leaf, [n], [n; 500])]).unwrap();
    }
    for (place, left) in [(0.05, None), (0.5, None), (0.9, None), (1.0, Some(19))] {
        let copy = crash_image(&store);
        let log = newest_log(copy.path());
        let mut bytes = fs::read(&log).unwrap();
        let at = ((bytes.len() as f64 * place) as usize).min(bytes.len() - 20);
        bytes[at] ^= 1;
        fs::write(&log, bytes).unwrap();
        let before = image(copy.path());
        match left {
            None => {
                let error = refused(copy.path(), key(), "se");
                assert!(matches!(error, OpenError::Corrupt { .. }), "{place}: {error:?}");
                assert!(error.to_string().contains("testudo restore"), "{error}");
                assert_eq!(image(copy.path()), before, "{place}");
            }
            Some(left) => assert_eq!(open(copy.path()).count(Family::Leaf).unwrap(), left, "{place}"),
        }
    }
}

#[test]
fn the_first_start_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("db.new")).unwrap();
    fs::write(folder.path().join("db.new/MANIFEST-000001"), b"half").unwrap();
    open(folder.path())
        .write(&[Change::put(Family::Meta, "a", "b")])
        .unwrap();
    assert!(!folder.path().join("db.new").exists());
    assert_eq!(
        value(&open(folder.path()), Family::Meta, b"a").as_deref(),
        Some(&b"b"[..])
    );
}

#[test]
fn after_a_failed_write_nothing_is_written_and_all_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.write(&[Change::put(Family::Item, "a", "1")]).unwrap();
    let broken = || DB::open(&Options::default(), folder.path().join("nothing")).map(drop);
    let error = store.stop_on_error(|_| broken()).unwrap_err();
    assert!(matches!(error, WriteError::Storage(_)) && error.is_final());
    let error = store
        .clone()
        .write(&[Change::put(Family::Item, "b", "1")])
        .unwrap_err();
    assert!(matches!(error, WriteError::Stopped) && error.is_final());
    assert!(store.purge(Family::Item, b"a").unwrap_err().is_final());
    assert_eq!(value(&store, Family::Item, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(&store, Family::Item, b"b"), None);
}

#[test]
fn missing_and_altered_files_are_noticed() {
    for (extension, what) in [
        ("sst", "removed"),
        ("sst", "cut"),
        ("sst", "flipped"),
        ("", "manifest"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store
            .write(&[Change::put(Family::Item, "a", vec![1; 5000])])
            .unwrap();
        store
            .db()
            .flush_cf(store.handle_to_write(Family::Item).unwrap())
            .unwrap();
        drop(store);
        let is_target = |path: &PathBuf| match what {
            "manifest" => path
                .file_name()
                .is_some_and(|it| it.to_string_lossy().starts_with("MANIFEST")),
            _ => path.extension().is_some_and(|it| it == extension),
        };
        for path in files(folder.path()).into_iter().filter(is_target) {
            let mut bytes = fs::read(&path).unwrap();
            match what {
                "removed" | "manifest" => fs::remove_file(&path).unwrap(),
                "cut" => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                _ => {
                    bytes[1000] ^= 1;
                    fs::write(&path, &bytes).unwrap();
                }
            }
        }
        match Store::open(folder.path(), keys(folder.path(), key()), "se") {
            Err(error) => assert!(matches!(error, OpenError::Corrupt { .. }), "{what}: {error:?}"),
            Ok(store) => {
                let error = store.get(Family::Item, b"a").expect_err(what);
                assert!(matches!(error, ReadError::Storage { .. }), "{what}: {error:?}");
                assert!(store.scan(Family::Item).is_err(), "{what}");
            }
        }
    }
}

#[test]
fn a_row_that_was_moved_or_altered_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .write(&[
            Change::put(Family::Item, "a", "1"),
            Change::put(Family::Item, "b", "2"),
        ])
        .unwrap();
    let handle = store.handle_to_write(Family::Item).unwrap();
    let (a, b) = (
        store.row_key(Family::Item, b"a"),
        store.row_key(Family::Item, b"b"),
    );
    let sealed = store.db().get_cf(handle, b).unwrap().unwrap();
    store.db().put_cf(handle, a, sealed).unwrap();
    let error = store.get(Family::Item, b"a").unwrap_err();
    assert!(
        matches!(&error, ReadError::Damaged { family: "item", row } if row.len() == 32),
        "{error}"
    );
    assert!(matches!(store.scan(Family::Item), Err(ReadError::Damaged { .. })));
    assert_eq!(value(&store, Family::Item, b"b").as_deref(), Some(&b"2"[..]));
    assert_eq!(store.count(Family::Item).unwrap(), 2);
}
