//! A hub's own keys: replaced and revoked by its root key, which lies somewhere else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::hub::Hub;
use crate::program::{Finished, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

/// A machine that has the root key and nothing else of the hub.
struct Offline {
    folder: tempfile::TempDir,
}

impl Offline {
    /// Takes the root key away from the hub's machine.
    fn of(hub: &Hub) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("root.key");
        fs::copy(hub.root_key(), &here).unwrap();
        fs::set_permissions(&here, Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(hub.root_key()).unwrap();
        Self { folder }
    }

    fn root_key(&self) -> PathBuf {
        self.folder.path().join("root.key")
    }

    fn try_sign(&self, request: &Path) -> Finished {
        let mut sign = testudo();
        sign.args(["key", "sign", "--json"]).arg(request);
        sign.arg("--root-key").arg(self.root_key());
        sign.arg("--out").arg(self.act());
        finish(&mut sign, PATIENCE)
    }

    fn act(&self) -> PathBuf {
        self.folder.path().join("act")
    }
}

fn release(hub: &Hub) -> String {
    let bundle = assessment("portal-kombat-2024.json");
    hub.release(&bundle, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"))
}

fn holds(hub: &Hub, items: usize) {
    wait_until(PATIENCE, "the items have arrived", || {
        (hub.inbox().len() == items).then_some(())
    });
}

fn shown(hub: &Hub) -> Value {
    hub.answer(&["key", "show"])
}

fn key_of<'a>(shown: &'a Value, kind: &str) -> &'a Value {
    let mut keys = shown["keys"].as_array().unwrap().iter();
    keys.find(|key| key["kind"] == kind).unwrap()
}

#[test]
fn keys_are_rotated_with_the_root_key_on_another_machine() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let offline = Offline::of(federation.hub("FR"));
    federation.start();
    let folder = federation.folder().to_owned();
    release(federation.hub("FR"));
    holds(federation.hub("EEAS"), 1);

    let fr = federation.hub("FR");
    let before = shown(fr);
    let request = folder.join("request");
    fr.answer(&["key", "rotate", "--request", request.to_str().unwrap()]);
    // Nothing has changed yet: the keys that were drawn are nobody's.
    assert_eq!(shown(fr), before);
    offline.try_sign(&request).document();
    let act = offline.act();
    let submitted = fr.answer(&["key", "submit", act.to_str().unwrap()]);
    assert_eq!(
        (&submitted["running"], &submitted["restart"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
    let after = shown(fr);
    assert_eq!(after["counter"], 2);
    assert_eq!(after["root"], before["root"]);
    for kind in ["transport", "payload", "ledger", "cosigning"] {
        assert_ne!(
            key_of(&after, kind)["key"],
            key_of(&before, kind)["key"],
            "{kind}"
        );
    }
    assert!(!fr.data.join("keys/next").exists());
    // Handing it in again changes nothing.
    let again = fr.answer(&["key", "submit", act.to_str().unwrap()]);
    assert_eq!(again["counter"], 2);

    // EEAS has heard of it: the hub that comes back with another transport key is the same to it.
    let fr = federation.hub_mut("FR");
    fr.stop();
    fr.start();
    fr.wait_until_connected(&["EEAS"]);
    release(federation.hub("FR"));
    holds(federation.hub("EEAS"), 2);
    federation.hub("FR").wait_until_delivered();

    // Both ledgers are in order under the old key and the new one, also to whoever was not there.
    for code in ["FR", "EEAS"] {
        let hub = federation.hub_mut(code);
        hub.stop();
        assert_eq!(hub.audit()["kinds"]["own-act"], 1, "{code}");
    }
    federation.start();
    holds(federation.hub("EEAS"), 2);
}

#[test]
fn a_revocation_marks_what_came_and_stops_the_hub_until_it_has_a_new_key() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    release(federation.hub("FR"));
    holds(federation.hub("EEAS"), 1);
    let fr = federation.hub("FR");
    let root = fr.root_key();
    let root = root.to_str().unwrap();
    fr.answer(&[
        "key",
        "revoke",
        "--key",
        "payload",
        "--since",
        "1",
        "--root-key",
        root,
    ]);
    assert_eq!(key_of(&shown(fr), "payload")["state"], "revoked");
    let eeas = federation.hub("EEAS");
    wait_until(PATIENCE, "EEAS has heard of it", || {
        (eeas.answer(&["inbox"])[0]["provenanceInDoubt"] == true).then_some(())
    });
    let bundle = assessment("portal-kombat-2024.json");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    let preview = fr.preview(&bundle, &flags).document();
    fr.release_as(&bundle, &flags, preview["hash"].as_str().unwrap())
        .refused(75, "key-revoked", &["testudo key rotate"]);

    fr.answer(&["key", "rotate", "--key", "payload", "--root-key", root]);
    release(fr);
    holds(eeas, 2);
    let inbox = eeas.answer(&["inbox"]);
    let doubts: Vec<&Value> = (inbox.as_array().unwrap().iter())
        .map(|entry| &entry["provenanceInDoubt"])
        .collect();
    assert_eq!(doubts, [&Value::Bool(true), &Value::Bool(false)]);
}

/// Until the tick that follows, the newest checkpoint bears the signature of the key that was declared lost.
#[test]
fn a_ledger_whose_key_was_revoked_is_in_order_still() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    let covered = |more_than: u64| {
        wait_until(PATIENCE, "a checkpoint is signed", || {
            fr.audit()["covered"]
                .as_u64()
                .filter(|covered| *covered > more_than)
        })
    };
    let before = covered(0);
    let root = fr.root_key();
    let root = root.to_str().unwrap();
    fr.answer(&[
        "key",
        "revoke",
        "--key",
        "ledger",
        "--since",
        "1",
        "--root-key",
        root,
    ]);
    assert_eq!(key_of(&shown(fr), "ledger")["state"], "revoked");
    assert!(fr.audit()["covered"].as_u64() >= Some(before));
    fr.answer(&["key", "rotate", "--key", "ledger", "--root-key", root]);
    covered(before);
}

#[test]
fn an_act_that_does_not_belong_here_is_refused_and_changes_nothing() {
    let federation = Federation::of(&["FR", "EEAS"]);
    let (fr, eeas) = (federation.hub("FR"), federation.hub("EEAS"));
    let folder = federation.folder();
    let request = folder.join("request");
    let request = request.to_str().unwrap();
    let before = shown(fr);
    fr.answer(&["key", "rotate", "--request", request]);
    // Another hub's root key.
    let foreign = Offline::of(eeas);
    let says = ["is not the root key of FR"];
    foreign.try_sign(Path::new(request)).refused(65, "own-act", &says);
    let open = Offline::of(fr);
    fs::set_permissions(open.root_key(), Permissions::from_mode(0o640)).unwrap();
    open.try_sign(Path::new(request))
        .refused(77, "secret", &["mode 0640", "run: chmod 600"]);
    fs::set_permissions(open.root_key(), Permissions::from_mode(0o600)).unwrap();
    open.try_sign(Path::new(request)).document();
    let act = open.act();
    let act = act.to_str().unwrap();
    eeas.ask(&["key", "submit", act])
        .refused(65, "own-act", &["act is of FR, this hub is EEAS"]);
    // Drawn anew since: the act certifies keys that are not here any more.
    fr.answer(&["key", "rotate", "--key", "payload", "--request", request]);
    fr.ask(&["key", "submit", act]).refused(
        65,
        "own-act",
        &["certifies other keys than those that were drawn here"],
    );
    fs::write(act, b"{}").unwrap();
    fr.ask(&["key", "submit", act])
        .refused(65, "own-act", &["act is malformed"]);
    assert_eq!(shown(fr), before);
    assert!(!fr.data.join("own-acts").exists());
    let inside = fr.data.join("root.key");
    let mut init = testudo();
    init.args([
        "init",
        "--hub",
        "SE",
        "--class",
        "member_state",
        "--federation",
        "test",
        "--json",
    ]);
    init.args(["--realm", "live", "--listen", "127.0.0.1:4470", "--root-key"]);
    init.arg(&inside).arg("--data").arg(fr.data.join("."));
    finish(&mut init, PATIENCE).refused(73, "folder-not-empty", &["is not empty"]);
    let new = folder.join("SE");
    let mut init = testudo();
    init.args([
        "init",
        "--hub",
        "SE",
        "--class",
        "member_state",
        "--federation",
        "test",
        "--json",
    ]);
    init.args(["--realm", "live", "--listen", "127.0.0.1:4470", "--root-key"]);
    init.arg(new.join("root.key")).arg("--data").arg(&new);
    let says = ["would lie inside the hub's folder", "name a file elsewhere"];
    finish(&mut init, PATIENCE).refused(2, "root-key-inside", &says);
    assert!(!new.exists());
}

#[test]
fn keys_kept_aside_are_as_secret_as_those_in_use() {
    let mut federation = Federation::of(&["FR"]);
    let request = federation.folder().join("request");
    let fr = federation.hub_mut("FR");
    let root = fr.root_key();
    fr.answer(&["key", "rotate", "--request", request.to_str().unwrap()]);
    let staged = fr.data.join("keys/next/payload.key");
    assert_eq!(
        fs::metadata(&staged).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let folder = fs::metadata(fr.data.join("keys/next")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o7777, 0o600);
    // No secret stands in what travels.
    let travels = fs::read_to_string(&request).unwrap();
    for secret in [&staged, &root] {
        let hex = testudo_crypto::digest::hex(&fs::read(secret).unwrap());
        assert!(!travels.contains(&hex));
    }
    // A rotation that was signed, and of which a crash has left the half undone.
    let line = ["key", "rotate", "--root-key", root.to_str().unwrap()];
    fr.answer(&line);
    let keys = fr.data.join("keys");
    fs::create_dir(keys.join("next")).unwrap();
    fs::rename(keys.join("ledger.key"), keys.join("next/ledger.key")).unwrap();
    fs::set_permissions(keys.join("next/ledger.key"), Permissions::from_mode(0o644)).unwrap();
    fr.try_serve()
        .refused(77, "secret", &["mode 0644", "run: chmod 600"]);
    fs::set_permissions(keys.join("next/ledger.key"), Permissions::from_mode(0o600)).unwrap();
    fr.start();
    assert!(!keys.join("next").exists());
    assert!(keys.join("ledger.key").exists());
}
