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
    // Alone at first: nobody can tell it. Two people say that it may go on, and it signs another history.
    federation.hub_mut("FR").start();
    let clone = federation.hub("FR");
    assert_eq!(status(clone)["fence"]["why"], "asking");
    let confirm = |person: &str| clone.ask(&["ledger", "confirm", "--alone", "--person", person]);
    assert_eq!(confirm("d-07").document()["done"], "secondPersonNeeded");
    confirm("d-07").refused(2, "same-person", &["it takes two"]);
    assert_eq!(confirm("d-12").document()["done"], "confirmedAlone");
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
fn a_hub_that_lost_its_database_comes_back_from_its_peers() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let size = |status: &Value| status["checkpoint"]["size"].as_u64();
    let seen = wait_for(federation.hub("FR"), "it is cosigned", |status| {
        status["checkpoint"]["grade"] == "quorum"
    });
    let covered = size(&seen).unwrap();
    // The leaves are asked for once the checkpoint is cosigned: what the mirror keeps shows when they come back.
    let data = federation.hub("FR").data.clone();
    let old = federation.folder().join("old");
    federation.hub_mut("FR").kill();
    federation.hub_mut("EEAS").kill();
    fs::rename(data.join("store"), &old).unwrap();
    fs::remove_file(data.join("anchor/anchor.json")).unwrap();
    // Nobody to ask: it does not even begin a ledger.
    federation.hub_mut("FR").start();
    let fr = federation.hub("FR");
    let alone = status(fr);
    assert_eq!(
        (&alone["fenced"], &alone["ledgerEntries"]),
        (&Value::from(true), &Value::from(0))
    );
    let bundle = assessment("portal-kombat-2024.json");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    let preview = fr.preview(&bundle, &flags).document();
    fr.release_as(&bundle, &flags, preview["hash"].as_str().unwrap())
        .refused(75, "fenced", &["too few peers"]);

    federation.hub_mut("EEAS").start();
    let fr = federation.hub("FR");
    fr.wait_until_unfenced();
    let whole = fr.answer(&["status"]);
    assert!(whole["ledgerEntries"].as_u64().unwrap() > covered, "{whole}");
    let audit = fr.audit();
    assert_eq!(audit["kinds"]["recovered"], 1, "{audit}");
    // It has its past again: the next checkpoint is cosigned as the continuation of the last.
    wait_for(fr, "it is cosigned again", |status| {
        status["checkpoint"]["grade"] == "quorum" && size(status) > Some(covered)
    });
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    let item = federation.hub("FR").release(&bundle, &flags);
    federation.hub("FR").wait_until_delivered();
    assert_eq!(federation.hub("EEAS").inbox(), [(item, 1)]);
    for code in ["FR", "EEAS"] {
        assert!(!is_split(&status(federation.hub(code))), "{code}");
    }
}

#[test]
fn a_second_hub_at_the_same_anchor_does_not_start() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let clone = federation.folder().join("FR.clone");
    copy(&federation.hub("FR").data, &clone);
    federation.start();
    // The same anchor, as on a shared volume.
    let anchor = federation.hub("FR").data.join("anchor/anchor.json");
    let mut second = testudo();
    second.args(["serve", "--json", "--data"]).arg(&clone);
    second.env("TESTUDO__HUB__ANCHOR", &anchor);
    finish(&mut second, PATIENCE).refused(
        75,
        "anchor-in-use",
        &["is in use by process", "stop that hub first"],
    );
    federation.hub_mut("FR").must_run();
}

#[test]
fn two_hubs_ledgers_are_held_against_each_other_and_against_the_running_hub() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    wait_for(fr, "its first tick is cosigned", |status| {
        status["checkpoint"]["grade"] == "quorum"
    });
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    let item = fr.release(&assessment("portal-kombat-2024.json"), &flags);
    fr.wait_until_delivered();
    assert_eq!(fr.answer(&["ledger", "verify", "--live"])["ok"], true);
    let holdings = fr.answer(&["status", "holdings", &item]);
    assert_eq!(holdings[0]["ledger"], "ledger-pending", "{holdings}");
    let shown = fr.answer(&["ledger", "show"]);
    assert_eq!(shown[0]["grade"], "quorum", "{shown}");

    // A start that peers let through is followed by a tick, which covers what there was.
    let covered = fr.answer(&["status"])["checkpoint"]["size"].as_u64();
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).stop();
    }
    federation.start();
    let paths = ["FR", "EEAS"].map(|code| {
        let hub = federation.hub(code);
        wait_for(hub, "everything is cosigned", |status| {
            let checkpoint = &status["checkpoint"];
            checkpoint["grade"] == "quorum" && checkpoint["size"].as_u64() > covered
        });
        let folder = federation.folder().join(format!("{code}.export"));
        let openings = folder.with_extension("openings");
        hub.answer(&["ledger", "export", text(&folder), "--openings", text(&openings)]);
        (folder, openings)
    });
    let holdings = federation.hub("FR").answer(&["status", "holdings", &item]);
    assert_eq!(holdings[0]["ledger"], "quorum", "{holdings}");
    let [(one, one_openings), (other, other_openings)] = &paths;
    let words = [
        "ledger",
        "verify",
        text(one),
        "--openings",
        text(one_openings),
        "--with",
        text(other),
        "--with-openings",
        text(other_openings),
    ];
    let agreed = ask(&words).document();
    assert_eq!(
        (&agreed["ok"], &agreed["receipts"], &agreed["received"]),
        (&Value::from(true), &Value::from(1), &Value::from(1)),
        "{agreed}"
    );
    // An audit of one alone finds nothing, but the other has an entry that it was sent something.
    let silent = federation.folder().join("silent");
    let kept: Vec<String> = fs::read_to_string(one_openings)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    fs::write(&silent, kept[..1].join("\n") + "\n").unwrap();
    let mut partly = words;
    partly[4] = text(&silent);
    let open = ask(&partly).document();
    assert_eq!(
        (&open["ok"], open["open"].as_u64() > Some(0)),
        (&Value::from(true), true),
        "{open}"
    );
    federation.hub_mut("FR").stop();
    let mut dead = federation.hub("FR").command(&["ledger", "verify", "--live"]);
    assert_eq!(finish(&mut dead, PATIENCE).exit, 69);
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
