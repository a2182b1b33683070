//! What the people who run a hub ask it: how it is, what is wrong around it, what a code means.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::federation::{Federation, accept};
use crate::hub::Hub;
use crate::program::{Finished, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

/// The findings of `doctor`, with its exit code.
fn doctor(hub: &Hub) -> (i32, Vec<Value>) {
    let finished = hub.ask(&["doctor"]);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    let findings = document["findings"].as_array().unwrap().clone();
    for finding in &findings {
        // What has to be done is said wherever something has to be done, and `explain` knows the code.
        assert_eq!(finding["level"] == "ok", finding["fix"].is_null(), "{finding}");
        explained(finding["code"].as_str().unwrap());
    }
    (finished.exit, findings)
}

fn levels<'a>(findings: &'a [Value], code: &str) -> Vec<&'a str> {
    let of_code = findings.iter().filter(|finding| finding["code"] == code);
    of_code
        .map(|finding| finding["level"].as_str().unwrap())
        .collect()
}

#[track_caller]
fn explained(code: &str) -> Value {
    ask(&["explain", code]).document()
}

/// A command without a hub.
fn ask(words: &[&str]) -> Finished {
    finish(testudo().args(words).arg("--json"), PATIENCE)
}

#[test]
fn status_says_how_the_hub_is_and_what_waits_for_whom() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let (listening, folder) = (federation.hub("FR").data.clone(), federation.folder().to_owned());
    federation.start();
    let fr = federation.hub("FR");
    let status = wait_until(PATIENCE, "the peer has cosigned", || {
        fr.status()
            .filter(|status| !status["checkpoint"]["cosignedAt"].is_null())
    });
    assert_eq!((&status["schema"], &status["hub"]), (&1.into(), &"FR".into()));
    assert_eq!((&status["exit"], &status["stopping"]), (&0.into(), &false.into()));
    assert!(status["disk"]["freeBytes"].as_u64().unwrap() > 0);
    assert_eq!(
        status["disk"]["folder"],
        listening.join("store").to_str().unwrap()
    );
    let now = status["time"].as_u64().unwrap();
    // The charter of these tests ends in 30 days, which somebody should know.
    assert!(status["charterValidUntil"].as_u64().unwrap() > now);
    let codes: Vec<_> = status["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].clone())
        .collect();
    assert_eq!(codes, ["charter-expiry"]);
    assert_eq!(status["health"], "warn");
    let peer = &status["peers"][0];
    assert_eq!(
        (&peer["waiting"], &peer["oldestWaiting"]),
        (&0.into(), &Value::Null)
    );
    assert!(peer["clockAheadSeconds"].as_i64().unwrap().abs() < 60);
    assert!(status["recipientKeyUntil"].as_u64().unwrap() > now);

    federation.hub_mut("EEAS").stop();
    let fr = federation.hub("FR");
    fr.release(
        &assessment("matriochka-overload-2024.json"),
        &format!("{HANDLING} --tlp GREEN --community"),
    );
    let status = fr.status().unwrap();
    let peer = &status["peers"][0];
    assert_eq!(peer["waiting"], 1);
    let since = peer["oldestWaiting"].as_u64().unwrap();
    assert!(
        since / 1_000 <= now + 600 && since / 1_000 + 600 > now,
        "{since} {now}"
    );

    let mut text = testudo();
    let text = finish(text.args(["status", "--data"]).arg(&listening), PATIENCE);
    assert!(
        text.stdout.starts_with("hub FR in test/live: "),
        "{}",
        text.stdout
    );
    assert!(
        text.stdout
            .contains("EEAS     not connected, 1 waiting, the oldest for"),
        "{}",
        text.stdout
    );
    drop(folder);
}

#[test]
fn doctor_looks_at_a_stopped_hub_and_at_one_that_runs() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let fr = federation.hub_mut("FR");
    fr.port = None;
    fs::set_permissions(&fr.data, Permissions::from_mode(0o700)).unwrap();
    let (exit, findings) = doctor(fr);
    assert_eq!(exit, 0, "{findings:#?}");
    for code in [
        "clock",
        "configuration",
        "data-folder",
        "secrets",
        "membership",
        "policies",
        "port",
        "disk",
        "fsync",
        "audit",
    ] {
        assert_eq!(levels(&findings, code), ["ok"], "{code}");
    }
    assert_eq!(levels(&findings, "charter-expiry"), ["warn"]);
    assert!(
        !fr.data.join("store").exists(),
        "looking at a hub that never ran makes nothing"
    );

    federation.start();
    let (exit, findings) = doctor(federation.hub("FR"));
    assert_eq!(exit, 0, "{findings:#?}");
    for code in ["port", "audit", "running"] {
        assert_eq!(levels(&findings, code), ["ok"], "{code}");
    }
    let left = fs::read_dir(&federation.hub("FR").data).unwrap();
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("doctor")
    });
    assert_eq!(left.count(), 0);

    federation.hub_mut("FR").stop();
    let (exit, findings) = doctor(federation.hub("FR"));
    assert_eq!(
        (exit, levels(&findings, "audit")),
        (0, vec!["ok"]),
        "{findings:#?}"
    );
}

#[test]
fn doctor_names_everything_that_is_wrong_at_once() {
    let mut federation = Federation::of(&["FR", "SE"]);
    let other = federation.charter("without-fr", &["SE"]);
    accept(federation.hub("SE"), &other);
    let fr = federation.hub_mut("FR");
    // A port that somebody else has, keys that others can read, a key that is gone, a charter without us.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut file = fs::read_to_string(fr.data.join("hub.toml")).unwrap();
    file = file.replace(
        &format!("listen = \"{}\"", fr.port.as_ref().unwrap().address()),
        &format!("listen = \"{}\"", port.local_addr().unwrap()),
    );
    fs::write(fr.data.join("hub.toml"), file).unwrap();
    fs::set_permissions(fr.data.join("keys/ledger.key"), Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(fr.data.join("keys/storage.key")).unwrap();
    fs::copy(&other.file, fr.data.join("charter/charter.packet")).unwrap();
    let (exit, findings) = doctor(fr);
    assert_eq!(exit, 1);
    assert_eq!(levels(&findings, "port"), ["fail"]);
    assert_eq!(levels(&findings, "secrets"), ["fail", "fail"]);
    assert_eq!(levels(&findings, "membership"), ["fail"]);
    let said = findings.iter().map(ToString::to_string).collect::<String>();
    assert!(
        said.contains("run: chmod 600") && said.contains("storage.key` does not exist"),
        "{said}"
    );
}

#[test]
fn doctor_names_every_fault_of_the_configuration() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    fs::write(
        fr.data.join("hub.toml"),
        "[hub]\nkeyes = \"x\"\n[log]\nfilter = \"loud\"\n",
    )
    .unwrap();
    let (exit, findings) = doctor(fr);
    assert_eq!(
        (exit, levels(&findings, "configuration")),
        (1, vec!["fail", "fail"])
    );
    let nowhere = finish(
        testudo().args(["doctor", "--json", "--data", "nowhere"]),
        PATIENCE,
    );
    assert_eq!(nowhere.exit, 1);
    assert!(nowhere.stdout.contains("no-hub"), "{}", nowhere.stdout);
}

#[test]
fn a_damaged_ledger_is_found_by_doctor() {
    let mut federation = Federation::of(&["FR"]);
    federation.start();
    federation.hub_mut("FR").stop();
    let fr = federation.hub("FR");
    fs::write(fr.data.join("anchor/anchor.json"), "{").unwrap();
    let (exit, findings) = doctor(fr);
    assert_eq!(exit, 1);
    assert_eq!(levels(&findings, "anchor"), ["fail"]);
    assert_eq!(levels(&findings, "audit"), ["fail"]);
}

#[test]
fn codes_are_explained_without_a_hub() {
    let all = ask(&["explain"]).document();
    let codes: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code["code"].as_str().unwrap())
        .collect();
    assert!(codes.len() > 50 && codes.contains(&"fenced"));
    let one = explained("folder-in-use");
    assert!(one["remedy"].as_str().unwrap().contains("Stop that hub first"));
    ask(&["explain", "no-such"]).refused(3, "no-such-code", &["`testudo explain` lists all"]);
    ask(&["explain", "R-07"]).refused(3, "no-such-code", &["testudo policy explain R-07"]);
}

/// The commands of a chapter of the book, each with the words that stand for something put in their place.
fn commands(chapter: &str, hub: &Hub) -> Vec<Vec<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operator/");
    let text = fs::read_to_string(format!("{path}{chapter}")).unwrap();
    let blocks = text
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let lines = blocks
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("testudo "));
    let data = hub.data.to_str().unwrap();
    let word = |word: &str| {
        if word == "DIR" {
            data.to_owned()
        } else {
            word.to_owned()
        }
    };
    lines.map(|line| line.split(' ').map(word).collect()).collect()
}

#[test]
fn the_commands_of_the_book_do_what_it_says() {
    let mut federation = Federation::of(&["FR"]);
    federation.start();
    for chapter in ["status.md", "configuration.md"] {
        let commands = commands(chapter, federation.hub("FR"));
        assert!(commands.len() > 3, "{chapter} has commands");
        for words in commands {
            let finished = finish(testudo().args(&words), PATIENCE);
            assert_eq!(finished.exit, 0, "{words:?}: {finished:?}");
            assert!(!finished.stdout.is_empty(), "{words:?}");
        }
    }
}
