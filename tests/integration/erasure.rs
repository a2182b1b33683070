//! Erased by law: with every key still held, no surviving byte of the folder opens to what was erased.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use testudo::store::{Family, Store};
use testudo_crypto::vault::StorageKey;

use crate::bundle::{self, HANDLING};
use crate::federation::Federation;
use crate::hub::Hub;
use crate::program::finish;
use crate::waiting::{PATIENCE, wait_until};

/// The kinds of rows in which an item, or what the ledger says about it, can lie.
const FAMILIES: [Family; 4] = [Family::Body, Family::Item, Family::Opening, Family::Envelope];

/// Every row of these kinds: the family and key, and the length of its sealed form.
type Rows = BTreeMap<(Family, Vec<u8>), usize>;

fn storage_key(hub: &Hub) -> StorageKey {
    let bytes = fs::read(hub.data.join("keys/storage.key")).unwrap();
    StorageKey::from_bytes(<[u8; 32]>::try_from(bytes.as_slice()).unwrap())
}

fn rows(hub: &Hub) -> Rows {
    let key = storage_key(hub);
    let store = Store::open(&hub.data.join("store"), storage_key(hub), hub.code).unwrap();
    let mut found = Rows::new();
    for family in FAMILIES {
        for (row, value) in store.scan(family).unwrap() {
            // Behind the value stand the plain key and its length.
            let plain = vec![0; value.len() + row.len() + 4];
            let sealed = key.seal(family.name(), b"any", &plain).unwrap();
            found.insert((family, row), sealed.len());
        }
    }
    found
}

/// Those of the rows whose sealed form opens somewhere in the files of the folder.
fn surviving(hub: &Hub, rows: &Rows) -> Vec<(Family, Vec<u8>)> {
    let key = storage_key(hub);
    let mut files = Vec::new();
    read_all(&hub.data.join("store"), &mut files);
    let opens = |family: Family, row: &[u8], length: usize| {
        let place = key.row_key(family.name(), row);
        files.iter().any(|file: &Vec<u8>| {
            let windows = file.windows(length);
            // What is sealed begins with random bytes: a run of zeros is the empty end of a file.
            let mut filled = windows.filter(|window| window.iter().take(8).any(|byte| *byte != 0));
            filled.any(|window| key.open(family.name(), &place, window).is_ok())
        })
    };
    let found = rows
        .iter()
        .filter(|((family, row), length)| opens(*family, row, **length));
    found.map(|(row, _)| row.clone()).collect()
}

fn read_all(folder: &Path, files: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            read_all(&entry.path(), files);
        } else {
            files.push(fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn no_surviving_byte_opens_to_what_was_erased_and_it_does_not_come_back() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let report = bundle::report(7, "A canary", "CANARY of the erasure");
    let path = bundle::write(federation.folder(), "canary.json", &report);
    let fr = federation.hub("FR");
    let item = fr.release(&path, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"));
    fr.wait_until_delivered();

    for code in ["EEAS", "FR"] {
        federation.hub_mut(code).kill();
        let before = rows(federation.hub(code));
        federation.hub_mut(code).start();
        let hub = federation.hub(code);
        hub.wait_until_unfenced();
        let erased = hub.answer(&["ledger", "erase", &item, "--basis", "gdpr-17.1.d"]);
        assert!(erased["entries"].as_u64().unwrap() >= 1, "{erased}");
        let again = hub.ask(&["ledger", "erase", &item, "--basis", "gdpr-17.1.d"]);
        again.refused(3, "erased", &["ledger show"]);
        federation.hub_mut(code).kill();
        let hub = federation.hub(code);
        let after = rows(hub);
        let gone: Rows = before
            .iter()
            .filter(|(row, _)| !after.contains_key(row))
            .map(|(row, length)| (row.clone(), *length))
            .collect();
        for family in [Family::Body, Family::Item, Family::Opening] {
            assert!(
                gone.keys().any(|(of, _)| *of == family),
                "{code} erased no row of {family:?}"
            );
        }
        assert_eq!(surviving(hub, &gone), Vec::new(), "{code}");
        // The search finds what is there: a row of the same kinds that was kept.
        let kept: Rows = after
            .into_iter()
            .filter(|((family, _), _)| *family == Family::Opening)
            .take(2)
            .collect();
        assert_eq!(surviving(hub, &kept).len(), 2, "{code}");

        // The ledger still verifies, and says what was done.
        let audit = hub.audit();
        assert_eq!(audit["erased"], erased["entries"], "{audit}");
        assert_eq!(audit["kinds"]["erased"], 1);
        let shown = hub.answer(&["ledger", "show"]);
        let gaps = shown
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["kind"] == "(erased)");
        let bases: Vec<_> = gaps
            .map(|line| (line["erased"]["basis"].clone(), line["erased"]["by"].clone()))
            .collect();
        assert_eq!(bases.len() as u64, erased["entries"].as_u64().unwrap());
        assert!(
            bases
                .iter()
                .all(|(basis, by)| *basis == "gdpr-17.1.d" && *by == code)
        );
        federation.hub_mut(code).start();
    }

    // Neither comes back to the other.
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    assert_eq!(federation.hub("EEAS").inbox(), []);
    let exit = finish(&mut federation.hub("FR").command(&["show", &item]), PATIENCE).exit;
    assert_eq!(exit, 3);
    wait_until(PATIENCE, "nothing waits", || {
        let holdings = federation.hub("FR").answer(&["status", "holdings"]);
        let waiting = holdings
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["state"] == "queued");
        (!waiting).then_some(())
    });
}
