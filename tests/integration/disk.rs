//! Disks that lie, lose and fill up: what a hub says about them, and that it never begins anew on the ruins.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bundle::{self, HANDLING, assessment};
use crate::contents::contents;
use crate::federation::Federation;
use crate::hub::Hub;
use crate::program::{Process, testudo};
use crate::waiting::{PATIENCE, wait_until};

/// Times that a hub is killed in the middle of its work.
const KILLS: u32 = 8;

/// Longest from an act to the kill.
const KILL_MILLIS_MAX: u64 = 400;

fn database(hub: &Hub) -> PathBuf {
    hub.data.join("store/db")
}

/// The newest file of a database whose name ends so.
fn newest(hub: &Hub, end: &str) -> PathBuf {
    let files = contents(&database(hub)).into_keys();
    let fitting = files.filter(|path| path.to_string_lossy().ends_with(end));
    database(hub).join(fitting.max().unwrap())
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn put_back(to: &Path, from: &std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    fs::remove_dir_all(to).unwrap();
    for (path, bytes) in from {
        let target = to.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

/// The process ends with 65 and says what to do; what RocksDB logs beside that is its own matter.
#[track_caller]
fn must_not_start(hub: &Hub) {
    let refused = hub.try_serve();
    let store = hub.data.join("store").display().to_string();
    let says = refused.stderr.contains("testudo restore") && refused.stderr.contains(&store);
    assert!(refused.exit == 65 && says, "{refused:?}");
}

/// A stopped hub with rows in table files, and later ones in the log.
fn filled() -> Federation {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    let bundle = assessment("portal-kombat-2024.json");
    let item = fr.release(&bundle, &flags);
    // An erasure writes everything out.
    fr.answer(&["ledger", "erase", &item, "--basis", "gdpr-17.1.d"]);
    for _ in 0..3 {
        fr.release(&bundle, &flags);
    }
    // Nobody is left to give anything back.
    for code in ["EEAS", "FR"] {
        federation.hub_mut(code).stop();
    }
    federation
}

/// Fault case F10.
#[test]
fn a_database_with_missing_or_cut_files_is_named_and_never_begun_anew() {
    let federation = filled();
    let fr = federation.hub("FR");
    let whole = contents(&database(fr));
    let manifest = whole
        .keys()
        .find(|path| path.to_string_lossy().starts_with("MANIFEST"))
        .unwrap();
    let table = newest(fr, ".sst");
    let damages: [(&str, &dyn Fn()); 4] = [
        ("CURRENT is missing", &|| {
            fs::remove_file(database(fr).join("CURRENT")).unwrap()
        }),
        ("the manifest is missing", &|| {
            fs::remove_file(database(fr).join(manifest)).unwrap()
        }),
        ("a table is missing", &|| fs::remove_file(&table).unwrap()),
        ("a table is cut", &|| {
            let bytes = fs::read(&table).unwrap();
            fs::write(&table, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    for (what, damage) in damages {
        damage();
        let before = contents(&database(fr)).len();
        println!("{what}");
        let store = fr.data.join("store").display().to_string();
        let says = ["restore", "testudo restore", &store];
        must_not_start(fr);
        fr.ask(&["ledger", "verify"]).refused(65, "database", &says);
        assert_eq!(contents(&database(fr)).len(), before, "{what}");
        put_back(&database(fr), &whole);
    }
    assert_eq!(fr.audit()["kinds"]["release"], 3);
}

/// Fault case F10: a log that ends too early looks like a torn one, and the anchor shows what is missing.
#[test]
fn a_log_that_is_cut_or_emptied_fences_the_hub() {
    let mut federation = filled();
    let log = newest(federation.hub("FR"), ".log");
    let bytes = fs::read(&log).unwrap();
    for left in [bytes.len() / 2, 0] {
        fs::write(&log, &bytes[..left]).unwrap();
        let fr = federation.hub_mut("FR");
        fr.spawn();
        let status = wait_until(PATIENCE, "it says how it is", || fr.status());
        assert_eq!(status["fence"]["why"], "behind", "{left} bytes left: {status}");
        let bundle = assessment("portal-kombat-2024.json");
        let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
        let preview = fr.preview(&bundle, &flags).document()["hash"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(fr.release_as(&bundle, &flags, &preview).exit, 75);
        fr.kill();
    }
}

/// Fault case F08.
#[test]
fn a_flipped_bit_in_the_ledger_is_found_and_nothing_is_added_behind_it() {
    let federation = filled();
    let fr = federation.hub("FR");
    let whole = contents(&database(fr));
    let log = newest(fr, ".log");
    let middle = fs::read(&log).unwrap().len() / 2;
    flip(&log, middle);
    let says = ["a record in its log is altered", "testudo restore"];
    must_not_start(fr);
    fr.ask(&["ledger", "verify"]).refused(65, "database", &says);
    put_back(&database(fr), &whole);

    // A flip in a table that is noticed stops everything; one in a block that nobody needs changes nothing.
    let is_table = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "sst");
    let mut found = 0;
    for table in whole.keys().filter(is_table) {
        flip(&database(fr).join(table), 100);
        let verified = fr.ask(&["ledger", "verify"]);
        if verified.exit != 0 {
            verified.refused(65, "database", &["testudo restore"]);
            must_not_start(fr);
            found += 1;
        }
        put_back(&database(fr), &whole);
    }
    assert!(found > 0, "no flip was noticed");
    assert_eq!(fr.audit()["kinds"]["release"], 3);
}

/// Fault case F01: real kills of a real process; the suite `power-loss` of `make conformance` takes every step.
#[test]
fn a_hub_killed_at_any_instant_keeps_what_it_acknowledged() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    federation.hub_mut("EEAS").start();
    let mut acknowledged = 0;
    let mut sizes = Vec::new();
    for number in 0..KILLS {
        let folder = federation.folder().to_owned();
        let fr = federation.hub_mut("FR");
        fr.start();
        fr.wait_until_unfenced();
        let report = bundle::report(number, &format!("Item {number}"), "killed");
        let path = bundle::write(&folder, "item.json", &report);
        let preview = fr.preview(&path, &flags).document()["hash"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut release = testudo();
        release
            .args(["release", path.to_str().unwrap(), "--json", "--preview", &preview])
            .args(flags.split_whitespace())
            .arg("--data")
            .arg(&fr.data);
        let mut release = Process::spawn(
            release
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null()),
        );
        // Spread over what a release takes, from before it is decided to after it is answered.
        let instant = Duration::from_millis(KILL_MILLIS_MAX * u64::from(number) / u64::from(KILLS - 1));
        let asked = Instant::now();
        wait_until(PATIENCE, "its instant has come", || {
            (asked.elapsed() >= instant).then_some(())
        });
        fr.kill();
        let exit = wait_until(PATIENCE, "the command knows", || release.ended());
        acknowledged += usize::from(exit.code() == Some(0));

        // Whatever was under way is whole or absent, and nothing acknowledged is gone.
        let audit = fr.audit();
        let kept = fr.answer(&["released"]).as_array().unwrap().len();
        assert!(kept >= acknowledged, "{kept} kept, {acknowledged} acknowledged");
        assert_eq!(
            audit["kinds"]["release"].as_u64().unwrap_or_default(),
            kept as u64
        );
        sizes.push(audit["entries"].as_u64().unwrap());
    }
    assert!(sizes.is_sorted(), "the ledger has shrunk: {sizes:?}");
    let fr = federation.hub_mut("FR");
    fr.start();
    fr.wait_until_unfenced();
    fr.wait_until_delivered();
    let inbox = federation.hub("EEAS").inbox().len();
    let kept = federation
        .hub("FR")
        .answer(&["released"])
        .as_array()
        .unwrap()
        .len();
    assert_eq!(inbox, kept);
    assert!(kept > 0, "every kill came before anything was done");
}
