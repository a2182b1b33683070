//! When a hub does not start: the sentence says what to do, and no half of a hub is left behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::bundle::assessment;
use crate::contents::contents;
use crate::federation::{Federation, accept};
use crate::hub::Hub;
use crate::program::{finish, testudo};
use crate::waiting::PATIENCE;

/// Nothing of the refused start is in the way of the next one.
#[track_caller]
fn assert_not_half_made(hub: &Hub) {
    assert!(!hub.data.join("control.sock").exists());
    let refused = hub.ask(&["status"]);
    refused.refused(69, "not-running", &["no hub runs on", "testudo serve"]);
}

/// The files of a database, without what RocksDB notes about each look at it.
fn database(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = contents(&store.join("db"));
    files.retain(|path, _| !path.to_string_lossy().starts_with("LOG"));
    files
}

#[test]
fn a_busy_port_is_named_and_the_hub_starts_once_it_is_free() {
    let mut federation = Federation::of(&["FR"]);
    let fr = federation.hub_mut("FR");
    let address = fr.port.as_ref().unwrap().address();
    let says = [
        &format!("the UDP port of `{address}` is in use"),
        "stop the process that holds it",
    ];
    fr.try_serve().refused(69, "network", &says);
    assert_not_half_made(fr);
    assert!(
        !fr.data.join("store/db").exists(),
        "a database was made that nobody could reach"
    );
    fr.start();
    assert_eq!(fr.audit()["kinds"]["genesis"], 1);
}

#[test]
fn a_folder_in_use_names_the_process_that_uses_it() {
    let mut federation = Federation::of(&["FR"]);
    let fr = federation.hub_mut("FR");
    fr.start();
    let says = [
        &format!("is in use by process {},", fr.id()),
        "stop that hub first",
    ];
    fr.try_serve().refused(75, "folder-in-use", &says);
    fr.must_run();
    assert_eq!(fr.ask(&["status"]).exit, 0, "the first hub has lost its socket");
}

#[test]
fn a_database_of_another_hub_is_refused_and_left_alone() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    federation.hub_mut("FR").stop();
    federation.hub_mut("EEAS").stop();
    let (fr, eeas) = (federation.hub("FR"), federation.hub("EEAS"));
    let (ours, theirs) = (fr.data.join("store"), eeas.data.join("store"));
    let aside = federation.folder().join("aside");
    let swap = || {
        fs::rename(&ours, &aside).unwrap();
        fs::rename(&theirs, &ours).unwrap();
        fs::rename(&aside, &theirs).unwrap();
    };

    swap();
    let before = database(&ours);
    let says = ["the storage key does not open", "mount the right folder"];
    fr.try_serve().refused(65, "database", &says);
    fr.ask(&["inbox"]).refused(65, "database", &says);

    // The right key for the wrong hub: the database itself says whose it is.
    let key = fr.data.join("keys/storage.key");
    let own_key = fs::read(&key).unwrap();
    fs::write(&key, fs::read(eeas.data.join("keys/storage.key")).unwrap()).unwrap();
    let says = ["belongs to hub `EEAS`", "expected `FR`", "mount the right folder"];
    fr.try_serve().refused(65, "database", &says);
    assert_not_half_made(fr);
    assert_eq!(
        database(&ours),
        before,
        "the database of the other hub was changed"
    );

    fs::write(&key, own_key).unwrap();
    swap();
    federation.start();
    assert_eq!(federation.hub("FR").audit()["kinds"]["genesis"], 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    // Files in the place of folders: they stop every user, root too.
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    fs::write(fr.data.join("store"), "").unwrap();
    let says = ["store` cannot be written", "give it to the user of the hub"];
    fr.try_serve().refused(73, "folder-not-writable", &says);
    assert_not_half_made(fr);

    let file = federation.folder().join("file");
    fs::write(&file, "a letter").unwrap();
    for data in [file.clone(), file.join("FR")] {
        let mut init = testudo();
        init.args([
            "init",
            "--hub",
            "FR",
            "--class",
            "member_state",
            "--federation",
            "test",
            "--json",
        ]);
        init.arg("--root-key")
            .arg(federation.folder().join("new.root.key"));
        init.args(["--realm", "live", "--listen", "127.0.0.1:4470", "--data"])
            .arg(&data);
        finish(&mut init, PATIENCE).refused(73, "file", &[data.to_str().unwrap()]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "a letter");
}

#[test]
fn keys_that_others_can_read_are_refused_with_the_line_that_mends_it() {
    let mut federation = Federation::of(&["FR"]);
    let fr = federation.hub_mut("FR");
    for name in [
        "transport.key",
        "payload.key",
        "cosigning.key",
        "storage.key",
        "recipient.age",
    ] {
        let key = fr.data.join("keys").join(name);
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        let line = format!("run: chmod 600 {}", key.display());
        let error = fr.try_serve().refused(77, "secret", &["mode 0644", &line]);
        assert!(error["sentence"].as_str().unwrap().ends_with(&line));
        assert_not_half_made(fr);
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    }
    fr.start();
}

#[test]
fn an_unknown_setting_is_refused_with_its_place_and_a_guess() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    let file = fr.data.join("hub.toml");
    let misspelt = fs::read_to_string(&file).unwrap().replace("\nlisten", "\nlisnen");
    fs::write(&file, &misspelt).unwrap();
    let line = 1 + misspelt
        .lines()
        .position(|line| line.starts_with("lisnen"))
        .unwrap();
    let place = format!("{}:{line}:1:", file.display());
    let says = [
        &place,
        "unknown key `network.lisnen`",
        "did you mean `network.listen`",
    ];
    fr.try_serve().refused(78, "configuration", &says);
    fr.ask(&["status"]).refused(78, "configuration", &says);
    assert!(!fr.data.join("store").exists());
}

#[test]
fn a_variable_of_somebody_else_need_not_be_text() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    let mut inbox = fr.command(&["inbox"]);
    inbox.env("LESSCHARDEF", OsStr::from_bytes(b"8bcccbcc\xff"));
    assert_eq!(finish(&mut inbox, PATIENCE).document(), serde_json::json!([]));
}

#[test]
fn init_changes_nothing_where_something_is() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    let letters = federation.folder().join("letters");
    fs::create_dir(&letters).unwrap();
    fs::write(letters.join("letter"), "dear").unwrap();
    for data in [&fr.data, &letters] {
        let before = contents(data);
        let mut init = testudo();
        init.args([
            "init",
            "--hub",
            "FR",
            "--class",
            "member_state",
            "--federation",
            "test",
            "--json",
        ]);
        init.arg("--root-key")
            .arg(federation.folder().join("new.root.key"));
        init.args(["--realm", "live", "--listen", "127.0.0.1:4470", "--data"])
            .arg(data);
        let says = ["is not empty", "choose an empty folder"];
        finish(&mut init, PATIENCE).refused(73, "folder-not-empty", &says);
        assert_eq!(contents(data), before);
    }
}

#[test]
fn a_key_log_for_session_secrets_is_refused() {
    let mut federation = Federation::of(&["FR"]);
    let folder = federation.folder().to_owned();
    let fr = federation.hub_mut("FR");
    fr.port = None;
    let secrets = folder.join("secrets");
    let mut serve = fr.serve();
    serve.env("SSLKEYLOGFILE", &secrets);
    finish(&mut serve, PATIENCE).refused(78, "key-log", &["SSLKEYLOGFILE is set", "unset it"]);
    assert!(!secrets.exists());
    assert_not_half_made(fr);
    fr.start();
}

#[test]
fn a_charter_is_followed_only_whole_and_compared() {
    let federation = Federation::without_charter(&["FR", "EEAS", "SE"]);
    let (fr, eeas) = (federation.hub("FR"), federation.hub("EEAS"));
    let no_charter = ["has no charter yet", "testudo charter accept"];
    fr.try_serve().refused(78, "no-charter", &no_charter);

    let draft = federation.draft("half", &["FR", "EEAS"]);
    let half = draft.to_str().unwrap();
    fr.answer(&["charter", "sign", half]);
    let fingerprint = "0".repeat(64);
    let says = ["constitution 1 has 1 votes, 2 needed", "not yet: EEAS"];
    fr.ask(&["charter", "accept", half, "--fingerprint", &fingerprint])
        .refused(65, "charter", &says);

    let charter = federation.charter("whole", &["FR", "EEAS"]);
    let whole = charter.file.to_str().unwrap();
    let says = [
        &charter.fingerprint,
        "do not accept this file",
        "ask another member",
    ];
    fr.ask(&["charter", "accept", whole, "--fingerprint", &fingerprint])
        .refused(65, "charter", &says);
    let cut = &charter.fingerprint[..16];
    fr.ask(&["charter", "accept", whole, "--fingerprint", cut])
        .refused(2, "usage", &["--fingerprint"]);

    let text = fs::read_to_string(&charter.file).unwrap();
    let forged = federation.folder().join("forged");
    fs::write(&forged, text.replace("member_state", "eu_institution")).unwrap();
    let forged = [
        "charter",
        "accept",
        forged.to_str().unwrap(),
        "--fingerprint",
        &charter.fingerprint,
    ];
    fr.ask(&forged).refused(65, "charter", &["charter"]);

    let outsider = federation.hub("SE");
    let words = ["charter", "accept", whole, "--fingerprint", &charter.fingerprint];
    outsider
        .ask(&words)
        .refused(65, "charter", &["SE is not in this charter"]);

    for hub in [fr, eeas, outsider] {
        assert_eq!(contents(&hub.data.join("charter")).len(), 0);
        hub.try_serve().refused(78, "no-charter", &no_charter);
        assert!(!hub.data.join("store").exists());
    }
    accept(fr, &charter);
    assert_eq!(
        fr.answer(&["charter", "show"])["fingerprint"],
        charter.fingerprint.as_str()
    );
}

#[test]
fn every_act_on_a_stopped_hub_names_the_command_that_starts_it() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    let bundle = assessment("portal-kombat-2024.json");
    let (item, hash) = ["0".repeat(32), "0".repeat(64)].into();
    let draft = "--tlp AMBER --level 1 --personal none --purpose p --rel-to EEAS";
    let start = format!("start it with `testudo serve --data {}`", fr.data.display());
    let consent = [
        "--holder",
        "FR",
        "--for",
        "EEAS",
        "--until",
        "4102444800",
        "--purpose",
        "p",
    ];
    let answers = [
        fr.ask(&["status"]),
        fr.ask(&["status", "holdings"]),
        fr.preview(&bundle, draft),
        fr.release_as(&bundle, draft, &hash),
        fr.ask(&["show", &item]),
        fr.ask(&["ack", &item]),
        fr.ask(&["retract", &item]),
        fr.ask(&["forward", &item, "--to", "EEAS"]),
        fr.ask(&[&["consent", "grant", &item], &consent[..]].concat()),
    ];
    for answer in answers {
        answer.refused(69, "not-running", &["no hub runs on", &start]);
    }

    let nowhere = federation.folder().join("nowhere");
    let mut status = testudo();
    let status = finish(
        status.args(["status", "--json", "--data"]).arg(&nowhere),
        PATIENCE,
    );
    status.refused(78, "no-hub", &["does not exist", "testudo init"]);
    assert!(!nowhere.exists());
}
