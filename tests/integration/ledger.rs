//! Ledgers of real processes: cosigned by peers, published, proved, and caught when there are two of one.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::hub::Hub;
use crate::program::{Finished, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

/// What `status` says, whatever its exit code.
fn status(hub: &Hub) -> Value {
    let finished = hub.ask(&["status"]);
    serde_json::from_str(&finished.stdout).unwrap()
}

fn wait_for(hub: &Hub, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_until(PATIENCE, what, || {
        Some(status(hub)).filter(|status| holds(status))
    })
}

/// Whether a hub says that some ledger shows two histories.
fn is_split(status: &Value) -> bool {
    let peers = status["peers"].as_array().into_iter().flatten();
    peers.into_iter().any(|peer| peer["splitView"] == true)
}

/// A command without a hub.
fn ask(words: &[&str]) -> Finished {
    finish(testudo().args(words).arg("--json"), PATIENCE)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn peers_cosign_and_outsiders_verify() {
    let mut federation = Federation::of(&["FR", "EEAS", "DE"]);
    federation.start();
    let fr = federation.hub("FR");
    let cosigned = |status: &Value| status["checkpoint"]["grade"] == "quorum";
    let seen = wait_for(fr, "both peers cosign", |status| {
        cosigned(status) && status["checkpoint"]["cosigned"].as_array().unwrap().len() == 2
    });
    assert_eq!(seen["checkpoint"]["size"].as_u64().unwrap() % 64, 0);

    let export = federation.folder().join("export");
    let exported = fr.answer(&["ledger", "export", text(&export)]);
    assert_eq!(exported["entries"], seen["checkpoint"]["size"]);
    let report = ask(&["ledger", "verify", text(&export)]).document();
    assert_eq!(
        (&report["ok"], &report["cosigned"]),
        (&Value::from(true), &Value::from(2))
    );
    let saved = federation.folder().join("saved-checkpoint");
    fs::copy(export.join("checkpoint"), &saved).unwrap();

    let policy = federation.folder().join("policy");
    let vkey = fs::read_to_string(export.join("vkey")).unwrap();
    let cosigners = fs::read_to_string(export.join("cosigners")).unwrap();
    let names: Vec<String> = cosigners
        .lines()
        .enumerate()
        .map(|(number, key)| format!("witness w{number} {key}\n"))
        .collect();
    let lines = format!("log {vkey}{}group both all w0 w1\nquorum both\n", names.concat());
    fs::write(&policy, &lines).unwrap();
    let verify = [
        "ledger",
        "verify",
        text(&export),
        "--policy",
        text(&policy),
        "--since",
        text(&saved),
    ];
    assert_eq!(ask(&verify).document()["ok"], true);
    // Without one cosignature the policy is not met.
    let checkpoint = fs::read_to_string(export.join("checkpoint")).unwrap();
    let mut fewer: Vec<&str> = checkpoint.lines().collect();
    fewer.pop();
    fs::write(export.join("checkpoint"), fewer.join("\n") + "\n").unwrap();
    assert_eq!(ask(&verify).exit, 65);
    fs::write(export.join("checkpoint"), &checkpoint).unwrap();
    // A changed leaf is found, and named.
    let bundle = export.join("tile/entries/000.p/64");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[36 * 5 + 20] ^= 1;
    fs::write(&bundle, &bytes).unwrap();
    let damaged = ask(&verify);
    assert_eq!(damaged.exit, 65);
    let report: Value = serde_json::from_str(&damaged.stdout).unwrap();
    assert_eq!(
        (&report["ok"], &report["index"]),
        (&Value::from(false), &Value::from(5))
    );

    let item = fr.release(
        &assessment("portal-kombat-2024.json"),
        &format!("{HANDLING} --tlp AMBER --rel-to EEAS"),
    );
    let proof = federation.folder().join("item.tlog-proof");
    // The next tick is minutes away; at a stop everything is signed.
    let early = fr.ask(&["ledger", "prove", &item, "--out", text(&proof)]);
    assert_eq!(early.exit, 75, "{}", early.stderr);
    federation.hub("FR").wait_until_delivered();
    federation.hub_mut("FR").stop();
    let fr = federation.hub("FR");
    let proved = fr.answer(&["ledger", "prove", &item, "--out", text(&proof)]);
    assert_eq!(proved["kind"], "release");
    let shown = ask(&["ledger", "check-proof", text(&proof)]).document();
    assert_eq!(shown["entry"]["Release"]["item"]["item"], item.as_str());
    let mut bytes = fs::read(&proof).unwrap();
    let index = String::from_utf8_lossy(&bytes).find("\nindex ").unwrap() + 7;
    bytes[index] = if bytes[index] == b'9' { b'8' } else { b'9' };
    fs::write(&proof, &bytes).unwrap();
    assert_eq!(ask(&["ledger", "check-proof", text(&proof)]).exit, 65);
    assert_eq!(fr.audit()["kinds"]["release"], 1);
}

#[test]
fn two_hubs_with_one_ledger_key_are_found_out() {
    let mut federation = Federation::of(&["FR", "EEAS", "DE"]);
    // The same keys and no database: what a cloned machine has.
    let clone = federation.folder().join("FR.clone");
    copy(&federation.hub("FR").data, &clone);
    federation.start();
    let published = |status: &Value| !status["checkpoint"].is_null();
    wait_for(federation.hub("FR"), "it is cosigned", |status| {
        status["checkpoint"]["grade"] == "quorum"
    });
    for hub in federation.hubs_mut() {
        hub.stop();
    }
    let data = federation.hub("FR").data.clone();
    fs::rename(&data, federation.folder().join("FR.first")).unwrap();
    fs::rename(&clone, &data).unwrap();
    // Alone at first, so that it signs another history before anybody can tell it.
    federation.hub_mut("FR").start();
    wait_for(federation.hub("FR"), "it signs alone", published);
    // A hub with open evidence ends `status` with 65, which `start` would not take for an answer.
    federation.hub_mut("EEAS").spawn();
    wait_for(federation.hub("EEAS"), "the split view is seen", is_split);
    let eeas = federation.hub("EEAS");
    assert_eq!(eeas.ask(&["status"]).exit, 65);
    wait_for(federation.hub("FR"), "the clone learns it and stops", |status| {
        status["fenced"] == true
    });
    // Evidence is kept, and reaches a member that saw one history alone.
    federation.hub_mut("EEAS").kill();
    federation.hub_mut("EEAS").spawn();
    wait_for(federation.hub("EEAS"), "evidence is kept", is_split);
    federation.hub_mut("FR").kill();
    federation.hub_mut("DE").spawn();
    wait_for(federation.hub("DE"), "evidence is told", is_split);
    assert_eq!(federation.hub("DE").audit()["kinds"]["incident"], 1);
    // A person decides.
    let eeas = federation.hub("EEAS");
    eeas.answer(&["ledger", "resume", "FR"]);
    assert!(!is_split(&eeas.answer(&["status"])));
    assert_eq!(eeas.ask(&["ledger", "resume", "FR"]).exit, 3);
    assert_eq!(eeas.audit()["kinds"]["witness-resumed"], 1);
}

#[test]
fn a_hub_that_lost_its_database_is_fenced_by_what_its_peers_hold() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    wait_for(federation.hub("FR"), "it is cosigned", |status| {
        status["checkpoint"]["grade"] == "quorum"
    });
    federation.hub_mut("FR").kill();
    let data = federation.hub("FR").data.clone();
    fs::remove_dir_all(data.join("store")).unwrap();
    fs::remove_file(data.join("anchor/anchor.json")).unwrap();
    federation.hub_mut("FR").start();
    wait_for(federation.hub("FR"), "it is fenced", |status| {
        status["fenced"] == true
    });
    let bundle = assessment("portal-kombat-2024.json");
    let preview = federation
        .hub("FR")
        .preview(&bundle, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"));
    let hash = preview.document()["hash"].as_str().unwrap().to_owned();
    let refused =
        federation
            .hub("FR")
            .release_as(&bundle, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"), &hash);
    assert_eq!(refused.exit, 75, "{}", refused.stderr);
    // The fence outlives the process.
    federation.hub_mut("FR").kill();
    federation.hub_mut("EEAS").kill();
    federation.hub_mut("FR").start();
    assert_eq!(status(federation.hub("FR"))["fenced"], true);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
