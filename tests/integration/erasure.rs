//! Erased by law: with every key still held, no surviving byte of the folder opens to what was erased.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use testudo::store::{Family, Store, StoreKeys};
use testudo_crypto::vault::StorageKey;
use testudo_protocol::week::Week;

use crate::bundle::{self, HANDLING};
use crate::contents::contents;
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

/// Everything that rows can be sealed under: the storage key, and the keys of openings.
struct Keys {
    storage: StorageKey,
    openings: Vec<StorageKey>,
}

impl Keys {
    /// Those that the hub holds at this moment.
    fn held(hub: &Hub) -> Self {
        let storage = storage_key(hub);
        let mut openings = Vec::new();
        for entry in fs::read_dir(hub.data.join("keys/openings")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "key") {
                let bytes = fs::read(path).unwrap();
                openings.push(storage.joined_with(&bytes.try_into().unwrap()));
            }
        }
        Self { storage, openings }
    }

    /// Where the row of this name stands.
    fn place(&self, family: Family, row: &[u8]) -> [u8; 32] {
        self.storage.row_key(family.name(), row)
    }

    /// Whether some key opens these bytes as the row at this place.
    fn open(&self, family: Family, place: &[u8; 32], sealed: &[u8]) -> bool {
        let opens = |key: &StorageKey| key.open(family.name(), place, sealed).is_ok();
        match family {
            Family::Opening => self.openings.iter().any(opens),
            _ => opens(&self.storage),
        }
    }
}

fn rows(hub: &Hub) -> Rows {
    let key = storage_key(hub);
    let keys = StoreKeys {
        storage: storage_key(hub),
        openings: hub.data.join("keys/openings"),
        week: Week::new(0),
    };
    let store = Store::open(&hub.data.join("store"), keys, hub.code).unwrap();
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

/// Those of the rows whose sealed form opens somewhere in the files of a folder under one of these keys.
fn surviving(folder: &Path, keys: &[&Keys], rows: &Rows) -> Vec<(Family, Vec<u8>)> {
    let mut files = Vec::new();
    read_all(folder, &mut files);
    let opens = |family: Family, row: &[u8], length: usize| {
        // All of these keys are of one hub, whose storage key never changes.
        let place = keys[0].place(family, row);
        files.iter().any(|file: &Vec<u8>| {
            let windows = file.windows(length);
            // What is sealed begins with random bytes: a run of zeros is the empty end of a file.
            let mut filled = windows.filter(|window| window.iter().take(8).any(|byte| *byte != 0));
            filled.any(|window| keys.iter().any(|keys| keys.open(family, &place, window)))
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
        let keys_before = Keys::held(federation.hub(code));
        let backup = federation.folder().join(format!("{code}.backup"));
        copy(&federation.hub(code).data.join("store"), &backup);
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
        // Not even somebody who had kept the keys that were destroyed finds anything in what is left.
        let (store, keys) = (hub.data.join("store"), Keys::held(hub));
        let every = [&keys_before, &keys];
        assert_eq!(surviving(&store, &every, &gone), Vec::new(), "{code}");
        // And with the keys that are held now, no opening is found in a copy that was made before.
        let openings: Rows = gone
            .into_iter()
            .filter(|((family, _), _)| *family == Family::Opening)
            .collect();
        assert_eq!(surviving(&backup, &[&keys], &openings), Vec::new(), "{code}");
        assert_eq!(
            surviving(&backup, &[&keys_before], &openings).len(),
            openings.len(),
            "{code}: the search finds what is there"
        );
        // The search finds what is there: a row of the same kinds that was kept.
        let kept: Rows = after
            .into_iter()
            .filter(|((family, _), _)| *family == Family::Opening)
            .take(2)
            .collect();
        assert_eq!(surviving(&store, &[&keys], &kept).len(), 2, "{code}");

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

/// Whoever puts an older copy of the database back has a hub that destroys it once more, before anybody sees it.
#[test]
fn an_older_copy_of_the_database_does_not_bring_back_what_was_erased() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let report = bundle::report(9, "A canary", "CANARY of the older copy");
    let path = bundle::write(federation.folder(), "canary.json", &report);
    let fr = federation.hub("FR");
    let item = fr.release(&path, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"));
    fr.wait_until_delivered();

    for code in ["EEAS", "FR"] {
        federation.hub_mut(code).kill();
        let content: Rows = rows(federation.hub(code))
            .into_iter()
            .filter(|((family, _), _)| matches!(family, Family::Body | Family::Item))
            .collect();
        assert!(content.len() >= 2, "{code}");
        let keys = Keys::held(federation.hub(code));
        let store = federation.hub(code).data.join("store");
        let backup = federation.folder().join(format!("{code}.backup"));
        copy(&store, &backup);
        federation.hub_mut(code).start();
        let hub = federation.hub(code);
        hub.wait_until_unfenced();
        hub.answer(&["ledger", "erase", &item, "--basis", "gdpr-17.1.d"]);

        federation.hub_mut(code).kill();
        fs::remove_dir_all(&store).unwrap();
        copy(&backup, &store);
        assert_eq!(
            surviving(&store, &[&keys], &content).len(),
            content.len(),
            "{code}"
        );
        federation.hub_mut(code).start();
        let hub = federation.hub(code);
        let is_gone = || finish(&mut hub.command(&["show", &item]), PATIENCE).exit == 3;
        assert!(is_gone(), "{code}: it is shown before peers have answered");
        hub.wait_until_unfenced();
        wait_until(PATIENCE, "it is erased again", || {
            (hub.audit()["kinds"]["erased"] == 1).then_some(())
        });
        assert!(is_gone(), "{code}");
        federation.hub_mut(code).kill();
        assert_eq!(surviving(&store, &[&keys], &content), Vec::new(), "{code}");
        federation.hub_mut(code).start();
        federation.hub(code).wait_until_unfenced();
    }
}

/// At the instant that the label names, every hub destroys what it has by itself, also one that was down then.
#[test]
fn expired_content_is_destroyed_by_every_holder_and_no_file_opens_to_it() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let report = bundle::report(8, "Short-lived", "CANARY of the expiry");
    let path = bundle::write(federation.folder(), "short-lived.json", &report);
    let expires = seconds() + LIFE_SECONDS;
    let fr = federation.hub("FR");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS --expires {expires}");
    let item = fr.release(&path, &flags);
    fr.wait_until_delivered();

    let mut before = BTreeMap::new();
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).kill();
        let hub = federation.hub(code);
        let bodies: Rows = rows(hub)
            .into_iter()
            .filter(|((family, _), _)| matches!(family, Family::Body | Family::Envelope))
            .collect();
        assert!(bodies.keys().any(|(family, _)| *family == Family::Body), "{code}");
        before.insert(code, bodies);
    }
    wait_until(PATIENCE, "its time is over", || {
        (seconds() > expires).then_some(())
    });
    federation.start();
    for code in ["FR", "EEAS"] {
        let hub = federation.hub(code);
        let list = if code == "FR" { "released" } else { "inbox" };
        wait_until(PATIENCE, "it has expired", || {
            let items = hub.answer(&[list]);
            (items[0]["state"] == "expired").then_some(())
        });
    }
    let fr = federation.hub("FR");
    let purged = wait_until(PATIENCE, "EEAS has said so", || {
        let holdings = fr.answer(&["status", "holdings", &item]);
        Some(holdings).filter(|holdings| !holdings[0]["purged"].is_null())
    });
    assert_eq!(purged[0]["receiver"], "EEAS");
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).kill();
        let hub = federation.hub(code);
        let keys = Keys::held(hub);
        let after = rows(hub);
        let gone: Rows = before[code]
            .iter()
            .filter(|(row, _)| !after.contains_key(row))
            .map(|(row, length)| (row.clone(), *length))
            .collect();
        let kinds: Vec<Family> = gone.keys().map(|(family, _)| *family).collect();
        let expected = if code == "FR" {
            // The envelope in which it left too; of that only the outer part stays.
            vec![Family::Body, Family::Envelope]
        } else {
            vec![Family::Body]
        };
        assert_eq!(kinds, expected, "{code}");
        assert_eq!(
            surviving(&hub.data.join("store"), &[&keys], &gone),
            Vec::new(),
            "{code}"
        );
        assert_eq!(hub.audit()["kinds"]["purged"], 1, "{code}");
    }
}

/// How long the item lives, in seconds: longer than its delivery takes.
const LIFE_SECONDS: u64 = 8;

fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, bytes) in contents(from) {
        let target = to.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}
