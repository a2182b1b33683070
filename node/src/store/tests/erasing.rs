//! Openings under the keys of their weeks: what was erased opens nowhere, not even in a copy made before.

use super::*;

const CANARY: &[u8] = b"CANARY-OPENING-7c0d";

fn index(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// Ten openings, the canary at 3, and a row of another family.
fn filled(folder: &Path) -> Store {
    let store = open(folder);
    let mut changes: Vec<Change> = (0..10)
        .map(|n| Change::put(Family::Opening, index(n), [n as u8; 40]))
        .collect();
    changes.push(Change::put(Family::Opening, index(3), CANARY));
    changes.push(Change::put(Family::Body, "item", CANARY));
    store.write(&changes).unwrap();
    store
}

fn removal() -> ([Change; 2], [(Family, Vec<u8>); 2]) {
    let rows = [
        (Family::Opening, index(3).to_vec()),
        (Family::Body, b"item".to_vec()),
    ];
    (
        rows.clone().map(|(family, key)| Change::delete(family, key)),
        rows,
    )
}

fn assert_erased(store: &Store) {
    assert_eq!(value(store, Family::Opening, &index(3)), None);
    assert_eq!(value(store, Family::Body, b"item"), None);
    assert_eq!(store.scan(Family::Opening).unwrap().len(), 9);
    for n in [0, 1, 2, 4, 5, 6, 7, 8, 9] {
        assert_eq!(
            value(store, Family::Opening, &index(n)),
            Some(vec![n as u8; 40]),
            "{n}"
        );
    }
}

fn key_files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = files(&openings(folder))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Puts the keys that are held now in place of those that a copy has.
fn replace_keys(from: &Path, to: &Path) {
    for path in files(to) {
        fs::remove_file(path).unwrap();
    }
    for path in files(from) {
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn an_erased_opening_opens_in_no_older_copy_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    let backup = crash_image(&store);
    let sealed = store.sealed_row(Family::Opening, &index(3)).unwrap().unwrap();
    // The copy has the keys of its day and opens: what follows tells something.
    assert_eq!(
        value(&open(backup.path()), Family::Opening, &index(3)).as_deref(),
        Some(CANARY)
    );

    let (changes, rows) = removal();
    store.erase(&changes, &rows).unwrap();
    assert_erased(&store);
    assert_eq!(key_files(folder.path()), ["2960-1.destroyed", "2960-2.key"]);
    assert_eq!(holding(folder.path(), &sealed), Vec::<PathBuf>::new());
    drop(store);
    assert_erased(&open(folder.path()));

    // The backup under all keys that are held now: nothing of that week is left in it, and the rest is.
    replace_keys(&openings(folder.path()), &openings(backup.path()));
    let restored = open(backup.path());
    assert_eq!(value(&restored, Family::Opening, &index(3)), None);
    assert_eq!(restored.scan(Family::Opening).unwrap().len(), 0);
    assert_eq!(value(&restored, Family::Body, b"item").as_deref(), Some(CANARY));
}

#[test]
fn an_erasure_goes_on_where_a_crash_has_left_it() {
    let (changes, rows) = removal();
    // The states that a crash can leave, each made from a whole run up to there.
    for step in ["key made", "written", "cleaned", "marked", "destroyed"] {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path());
        let old = store.openings().current(store.storage_key()).unwrap().0;
        if step == "key made" {
            store
                .openings()
                .make(Week::new(2960), store.storage_key())
                .unwrap();
        } else {
            let retired = store.begin_erasing(&changes, &rows).unwrap();
            assert_eq!(retired.iter().collect::<Vec<_>>(), [&old]);
        }
        if matches!(step, "cleaned" | "marked" | "destroyed") {
            store.purge_all(&rows).unwrap();
        }
        if step == "marked" {
            fs::write(openings(folder.path()).join("2960-1.destroyed"), b"").unwrap();
        }
        if step == "destroyed" {
            store.openings().destroy(old).unwrap();
        }
        drop(store);

        let store = open(folder.path());
        assert_eq!(store.finish_erasing().unwrap(), step != "key made", "{step}");
        if step == "key made" {
            assert_eq!(store.scan(Family::Opening).unwrap().len(), 10);
            store.erase(&changes, &rows).unwrap();
        }
        assert_erased(&store);
        assert!(!store.finish_erasing().unwrap(), "{step}: it is done once");
        assert!(!openings(folder.path()).join("2960-1.key").exists(), "{step}");
        assert!(
            openings(folder.path()).join("2960-1.destroyed").exists(),
            "{step}"
        );
        drop(store);
        assert_erased(&open(folder.path()));
    }
}

#[test]
fn rows_that_are_no_openings_cost_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    let row = (Family::Body, b"item".to_vec());
    store
        .erase(&[Change::delete(Family::Body, "item")], &[row])
        .unwrap();
    assert_eq!(key_files(folder.path()), ["2960-1.key"]);
    assert_eq!(store.scan(Family::Opening).unwrap().len(), 10);
}

#[test]
fn each_week_has_its_key_and_an_erasure_touches_only_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    store.begin_week(Week::new(2961));
    store
        .write(&[Change::put(Family::Opening, index(10), "next week")])
        .unwrap();
    let later = store.sealed_row(Family::Opening, &index(10)).unwrap();
    let (changes, rows) = removal();
    store.erase(&changes, &rows).unwrap();
    assert_eq!(
        key_files(folder.path()),
        ["2960-1.destroyed", "2960-2.key", "2961-1.key"]
    );
    assert_eq!(store.sealed_row(Family::Opening, &index(10)).unwrap(), later);
    assert_eq!(
        value(&store, Family::Opening, &index(10)).as_deref(),
        Some(&b"next week"[..])
    );
}

#[test]
fn a_key_that_is_missing_without_a_mark_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let key = openings(folder.path()).join("2960-1.key");
    fs::remove_file(&key).unwrap();
    let store = open(folder.path());
    for error in [
        store.get(Family::Opening, &index(0)).unwrap_err(),
        store.scan(Family::Opening).unwrap_err(),
    ] {
        assert!(
            matches!(&error, ReadError::NoOpeningKey { path } if *path == key),
            "{error}"
        );
    }
}
