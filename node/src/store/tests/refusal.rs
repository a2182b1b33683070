//! Folders that must not be opened, and must not change by the attempt.

use super::*;

#[test]
fn a_second_opener_is_refused_and_learns_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = image(folder.path());
    let error = refused(folder.path(), key(), "se");
    let own = std::process::id();
    assert!(
        matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == own),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("process {own}")), "{error}");
    assert_eq!(image(folder.path()), before);
    store.write(&[Change::put(Family::Item, "a", "1")]).unwrap();
    let clone = store.clone();
    drop(store);
    assert!(
        matches!(refused(folder.path(), key(), "se"), OpenError::InUse { .. }),
        "a clone is still open"
    );
    drop(clone);
    open(folder.path());
}

#[test]
fn a_database_that_something_else_has_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let other = options::open(&folder.path().join("db"), false).unwrap();
    assert!(matches!(
        refused(folder.path(), key(), "se"),
        OpenError::InUse { pid: None, .. }
    ));
    drop(other);
    open(folder.path());
}

#[test]
fn folders_that_are_not_ours_are_refused_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path())
        .write(&[Change::put(Family::Item, "a", "1")])
        .unwrap();
    let before = image(folder.path());

    let error = refused(folder.path(), key(), "fr");
    assert!(
        matches!(&error, OpenError::OtherHub { expected, found, .. } if expected == "fr" && found == "se")
    );
    let error = refused(folder.path(), StorageKey::from_bytes([8; 32]), "se");
    assert!(matches!(error, OpenError::Key { .. }), "{error}");
    assert_eq!(image(folder.path()), before);
    assert_eq!(
        value(&open(folder.path()), Family::Item, b"a").as_deref(),
        Some(&b"1"[..])
    );
}

#[test]
fn a_newer_format_is_refused_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let mut db = options::open(&folder.path().join("db"), false).unwrap();
    db.create_cf("a family of the future", &Options::default())
        .unwrap();
    db.put_opt("format", 7_u32.to_le_bytes(), &options::durable())
        .unwrap();
    drop(db);
    let before = image(folder.path());
    let error = refused(folder.path(), key(), "se");
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 7,
                known: FORMAT,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("data format 7, this binary knows up to {FORMAT}")),
        "{error}"
    );
    assert_eq!(image(folder.path()), before);
}

#[test]
fn an_older_format_is_refused_unchanged() {
    for format in 1..FORMAT {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()));
        let db = options::open(&folder.path().join("db"), false).unwrap();
        db.put_opt("format", format.to_le_bytes(), &options::durable())
            .unwrap();
        drop(db);
        let before = image(folder.path());
        let error = refused(folder.path(), key(), "se");
        let says = format!("data format {format}, this binary knows {FORMAT} alone");
        assert!(
            matches!(error, OpenError::Older { found, .. } if found == format),
            "{error}"
        );
        assert!(error.to_string().contains(&says), "{error}");
        assert_eq!(image(folder.path()), before);
    }
}

#[test]
fn a_claimed_folder_is_nobody_elses_and_has_no_database_yet() {
    let folder = tempfile::tempdir().unwrap();
    let claim = Claim::take(folder.path()).unwrap();
    assert!(claim.is_empty().unwrap());
    assert!(matches!(
        refused(folder.path(), key(), "se"),
        OpenError::InUse { .. }
    ));
    assert!(!folder.path().join("db").exists());
    drop(claim);
    drop(open(folder.path()));
    assert!(!Claim::take(folder.path()).unwrap().is_empty().unwrap());
}

#[test]
fn a_folder_without_its_beginning_is_refused_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path())
        .write(&[Change::put(Family::Item, "a", "1")])
        .unwrap();
    let current = folder.path().join("db/CURRENT");
    let text = fs::read(&current).unwrap();
    fs::remove_file(&current).unwrap();
    let before = image(folder.path());
    let error = refused(folder.path(), key(), "se");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(
        error.to_string().contains("CURRENT is missing") && error.to_string().contains("testudo restore"),
        "{error}"
    );
    assert_eq!(image(folder.path()), before);
    fs::write(&current, text).unwrap();
    assert_eq!(
        value(&open(folder.path()), Family::Item, b"a").as_deref(),
        Some(&b"1"[..])
    );

    let empty = tempfile::tempdir().unwrap();
    fs::create_dir(empty.path().join("db")).unwrap();
    assert!(matches!(
        refused(empty.path(), key(), "se"),
        OpenError::Corrupt { .. }
    ));
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(
        refused(&file.join("store"), key(), "se"),
        OpenError::NotWritable { .. }
    ));
    assert!(matches!(
        refused(&file, key(), "se"),
        OpenError::NotWritable { .. }
    ));
}
