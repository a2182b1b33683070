//! What lies in the folder tells nothing, and what was purged is not there.

use super::*;

const CANARY_KEY: &[u8] = b"CANARY-KEY-5e1f0c";
const CANARY_VALUE: &[u8] = b"CANARY-VALUE-9b7d42";

#[test]
fn nothing_readable_lies_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let change = [Change::put(Family::Body, CANARY_KEY, CANARY_VALUE)];
    store.write(&change).unwrap();
    assert!(!format!("{change:?} {store:?}").contains("CANARY"));
    let look = |moment: &str| {
        for canary in [CANARY_KEY, CANARY_VALUE] {
            assert_eq!(holding(folder.path(), canary), Vec::<PathBuf>::new(), "{moment}");
        }
    };
    look("in the log");
    store
        .db()
        .flush_cf(store.handle_to_write(Family::Body).unwrap())
        .unwrap();
    assert!(
        files(folder.path())
            .iter()
            .any(|it| it.extension().is_some_and(|it| it == "sst"))
    );
    look("in a table file");
    drop(store);
    look("closed");

    // The same bytes, written past the store: the search above can find them.
    let plain = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(rocksdb::DBCompressionType::None);
    let db = DB::open(&options, plain.path()).unwrap();
    db.put(CANARY_KEY, CANARY_VALUE).unwrap();
    for canary in [CANARY_KEY, CANARY_VALUE] {
        assert_eq!(holding(plain.path(), canary).len(), 1, "in the log");
    }
    db.flush().unwrap();
    assert!(
        holding(plain.path(), CANARY_VALUE)
            .iter()
            .any(|it| it.extension().is_some_and(|it| it == "sst"))
    );
}

#[test]
fn a_purge_removes_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let others: Vec<Change> = (0..100_u8)
        .map(|n| Change::put(Family::Body, [n], [n; 1000]))
        .collect();
    let sealed = |store: &Store| {
        let handle = store.handle_to_write(Family::Body).unwrap();
        store
            .db()
            .get_cf(handle, store.row_key(Family::Body, CANARY_KEY))
            .unwrap()
            .unwrap()
    };

    // Three versions: in the lowest level, in a newer table file, and in the log only.
    let mut versions = Vec::new();
    store.write(&others).unwrap();
    for flushed in [true, true, false] {
        store
            .write(&[
                Change::put(Family::Body, CANARY_KEY, CANARY_VALUE),
                Change::put(Family::Item, "x", "y"),
            ])
            .unwrap();
        versions.push(sealed(&store));
        if flushed {
            let handle = store.handle_to_write(Family::Body).unwrap();
            store.db().flush_cf(handle).unwrap();
            if versions.len() == 1 {
                store.db().compact_range_cf(handle, None::<&[u8]>, None::<&[u8]>);
            }
        }
    }
    // A plain delete leaves them where they are: the search can find them.
    store.write(&[Change::delete(Family::Body, CANARY_KEY)]).unwrap();
    assert!(
        versions
            .iter()
            .all(|version| !holding(folder.path(), version).is_empty())
    );

    store.purge(Family::Body, CANARY_KEY).unwrap();
    for version in &versions {
        assert_eq!(holding(folder.path(), version), Vec::<PathBuf>::new());
    }
    assert_eq!(value(&store, Family::Body, CANARY_KEY), None);
    assert_eq!(store.count(Family::Body).unwrap(), 100);
    assert_eq!(value(&store, Family::Item, b"x").as_deref(), Some(&b"y"[..]));
    store
        .purge(Family::Body, CANARY_KEY)
        .expect("a second purge changes nothing");
    drop(store);
    assert_eq!(open(folder.path()).count(Family::Body).unwrap(), 100);
}

#[test]
fn a_purge_of_many_rows_takes_only_those() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let changes: Vec<Change> = (0..60_u8)
        .map(|n| Change::put(Family::Item, [n], [n; 500]))
        .collect();
    store.write(&changes).unwrap();
    let rows: Vec<(Family, Vec<u8>)> = (0..60_u8).step_by(2).map(|n| (Family::Item, vec![n])).collect();
    store.purge_all(&rows).unwrap();
    let left: Vec<Vec<u8>> = store
        .scan(Family::Item)
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(left, (1..60_u8).step_by(2).map(|n| vec![n]).collect::<Vec<_>>());
}

#[test]
fn the_folder_is_for_its_owner_and_has_no_log_of_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data/store");
    let store = open(&folder);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let logs = files(&folder).into_iter().filter(|it| {
        it.file_name()
            .is_some_and(|it| it.to_string_lossy().starts_with("LOG"))
    });
    assert_eq!(logs.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    assert_eq!(store.has_room(), store.free_bytes().unwrap() >= FREE_BYTES_MIN);
}
