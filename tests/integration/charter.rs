//! Members come and go while hubs run, and their charter is skipped, replayed and forked.

use std::path::{Path, PathBuf};

use serde_json::Value;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::NoteSigner;
use testudo_protocol::charter::{Directory, Draft, Packet, heading, signer_name, to_text};

use crate::bundle::{HANDLING, assessment};
use crate::federation::{Federation, accept};
use crate::hub::Hub;
use crate::program::{Finished, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

const FOUNDERS: [&str; 5] = ["FR", "EEAS", "SE", "DE", "PL"];

/// Writes a proposal that starts from what FR knows.
#[track_caller]
fn propose(federation: &Federation, name: &str, words: &[&str]) -> PathBuf {
    let file = federation.folder().join(name);
    let mut all = vec!["charter", "propose", "--out", file.to_str().unwrap()];
    all.extend(words);
    federation.hub("FR").answer(&all);
    file
}

/// Signs on a machine that has nothing but the file and a copy of the keys.
#[track_caller]
fn sign(federation: &Federation, file: &Path, voters: &[&str]) {
    for code in voters {
        try_sign(federation, file, code).document();
    }
}

fn try_sign(federation: &Federation, file: &Path, code: &str) -> Finished {
    sign_with(file, &federation.hub(code).data.join("governance"))
}

fn sign_with(file: &Path, keys: &Path) -> Finished {
    let mut command = testudo();
    command.args(["charter", "sign", "--json"]).arg(file);
    finish(command.arg("--keys").arg(keys), PATIENCE)
}

/// Two of a voter's three keys, on a medium of their own.
fn two_keys(federation: &Federation, code: &str) -> PathBuf {
    let (from, to) = (
        federation.hub(code).data.join("governance"),
        federation.folder().join(format!("{code}-offline")),
    );
    std::fs::create_dir(&to).unwrap();
    for name in ["2.key", "3.key", "voter.json"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    to
}

/// What nobody's tool does: a vote for a text under a number that was signed before.
fn vote(federation: &Federation, draft: &mut Draft, code: &str) {
    let (_, realm) = heading(draft.text()).unwrap();
    for name in ["1.key", "3.key"] {
        let path = federation.hub(code).data.join("governance").join(name);
        let seed: [u8; 32] = std::fs::read(path).unwrap().try_into().unwrap();
        let name = signer_name(&realm, code.parse().unwrap());
        let signer = NoteSigner::new(name, &SigningKey::from_seed(seed)).unwrap();
        draft.sign(&signer).unwrap();
    }
}

/// The directory of this version in a file of the charter, valid for another time, with the votes of these.
fn other(federation: &Federation, file: &Path, version: u32, voters: &[&str]) -> PathBuf {
    let mut directory: Directory = serde_json::from_str(of_version(file, version).text()).unwrap();
    directory.valid_until -= 60;
    let mut draft = Draft::new(to_text(&directory));
    for code in voters {
        vote(federation, &mut draft, code);
    }
    alone(federation, &format!("other-{version}-{}", voters.len()), draft)
}

fn of_version(file: &Path, version: u32) -> Draft {
    let packet = Packet::parse(&std::fs::read(file).unwrap()).unwrap();
    let is_it = |draft: &&Draft| {
        serde_json::from_str(draft.text())
            .is_ok_and(|directory: Directory| directory.version.get() == version)
    };
    packet.objects.iter().find(is_it).unwrap().clone()
}

/// A file with nothing but one object.
fn alone(federation: &Federation, name: &str, draft: Draft) -> PathBuf {
    let file = federation.folder().join(name);
    let packet = Packet { objects: vec![draft] };
    std::fs::write(&file, packet.to_bytes()).unwrap();
    file
}

#[track_caller]
fn wait_until_follows(hub: &Hub, version: u32) {
    wait_until(PATIENCE, "a hub follows a version of the directory", || {
        let status = hub.answer(&["charter", "status"]);
        (status["directory"]["version"] == version).then_some(())
    });
}

#[track_caller]
fn wait_until_forked(hub: &Hub, by: &str) -> Value {
    wait_until(PATIENCE, "a hub knows of a fork", || {
        let status = hub.answer(&["charter", "status"]);
        let fork = status["forks"].get(0)?.clone();
        assert_eq!(fork["signers"], serde_json::json!([by]));
        Some(fork)
    })
}

#[track_caller]
fn submit(hub: &Hub, file: &Path) {
    hub.answer(&["charter", "submit", file.to_str().unwrap()]);
}

#[track_caller]
fn wait_until_stands(hub: &Hub, of: &str, status: &str) {
    wait_until(PATIENCE, "a hub has heard of a standing", || {
        let shown = hub.answer(&["charter", "show"]);
        let members = shown["members"].as_array().unwrap();
        let stands = members
            .iter()
            .any(|member| member["code"] == of && member["status"] == status);
        stands.then_some(())
    });
}

#[test]
fn a_sixth_hub_joins_five_that_run_and_one_is_suspended() {
    let mut federation = Federation::without_charter(&["FR", "EEAS", "SE", "DE", "PL", "RO"]);
    let charter = federation.charter("charter", &FOUNDERS);
    for code in FOUNDERS {
        accept(federation.hub(code), &charter);
        federation.hub_mut(code).start();
    }
    for code in FOUNDERS {
        let others: Vec<_> = FOUNDERS.into_iter().filter(|other| *other != code).collect();
        federation.hub(code).wait_until_connected(&others);
    }
    federation.hubs()[..5].iter().for_each(Hub::wait_until_unfenced);

    // Admission: two thirds of five are four, in two rounds.
    let card = federation.hub("RO").data.join("card.json");
    let ro = propose(&federation, "ro", &["--admit", card.to_str().unwrap()]);
    sign(&federation, &ro, &FOUNDERS[..4]);
    let mut show = testudo();
    let shown = finish(show.args(["charter", "show", "--json"]).arg(&ro), PATIENCE).document();
    let proposal = &shown["proposals"][0];
    assert_eq!(
        (&proposal["enough"], &proposal["agreed"]),
        (&false.into(), &true.into())
    );
    assert_eq!(
        proposal["needs"][1]["missing"].as_array().unwrap().len(),
        5,
        "{proposal}"
    );
    let fr = federation.hub("FR");
    fr.ask(&["charter", "submit", ro.to_str().unwrap()]);
    assert_eq!(fr.answer(&["status"])["charter"], 1, "an intent is no vote");
    sign(&federation, &ro, &FOUNDERS[..4]);
    submit(federation.hub("SE"), &ro);
    for code in FOUNDERS {
        wait_until_stands(federation.hub(code), "RO", "active");
    }

    // The newcomer takes one file, under the fingerprint that everybody has.
    let all = federation.folder().join("all");
    federation
        .hub("EEAS")
        .answer(&["charter", "export", "--out", all.to_str().unwrap()]);
    let newcomer = federation.hub_mut("RO");
    newcomer.answer(&[
        "charter",
        "accept",
        all.to_str().unwrap(),
        "--fingerprint",
        &charter.fingerprint,
    ]);
    newcomer.start();
    newcomer.wait_until_connected(&FOUNDERS);
    newcomer.wait_until_unfenced();
    let handling = format!("{HANDLING} --tlp AMBER --rel-to-class member_state,eu_institution");
    let first = federation
        .hub("FR")
        .release(&assessment("portal-kombat-2024.json"), &handling);
    federation.hub("FR").wait_until_delivered();
    for code in ["PL", "RO"] {
        assert_eq!(federation.hub(code).inbox(), [(first.clone(), 1)], "{code}");
    }

    // PL is suspended: three of the others; PL's own vote would not count.
    let pl = propose(
        &federation,
        "pl",
        &["--suspend", "PL", "--reason", "lost its keys"],
    );
    let mut simulate = testudo();
    let effects = finish(
        simulate.args(["charter", "simulate", "--json"]).arg(&pl),
        PATIENCE,
    )
    .document();
    assert_eq!(effects["effects"][0]["hub"], "PL");
    assert_eq!(effects["effects"][0]["cutOff"], true);
    sign(&federation, &pl, &["FR", "EEAS", "DE"]);
    submit(federation.hub("FR"), &pl);
    for code in ["FR", "EEAS", "SE", "DE", "PL", "RO"] {
        wait_until_stands(federation.hub(code), "PL", "suspended");
    }
    let second = federation
        .hub("FR")
        .release(&assessment("doppelgaenger-rrn-2023.json"), &handling);
    federation.hub("FR").wait_until_delivered();
    assert_eq!(federation.hub("RO").inbox().len(), 2);
    assert_eq!(federation.hub("PL").inbox(), [(first.clone(), 1)]);

    // A retraction still flows, and is answered.
    let fr = federation.hub("FR");
    fr.answer(&["retract", &first]);
    wait_until(PATIENCE, "PL has destroyed what was withdrawn", || {
        let holdings = fr.answer(&["status", "holdings", &first]);
        let mut holdings = holdings.as_array().unwrap().iter();
        let purged = holdings.any(|holding| holding["receiver"] == "PL" && !holding["purged"].is_null());
        purged.then_some(())
    });

    // A restart forgets nothing of it.
    let fr = federation.hub_mut("FR");
    fr.stop();
    fr.start();
    let shown = fr.answer(&["charter", "show"]);
    assert_eq!(shown["version"], 2);
    wait_until_stands(fr, "PL", "suspended");
    let log = fr.answer(&["charter", "log"]);
    let entries = log["entries"].as_array().unwrap();
    assert_eq!(
        entries.len(),
        5,
        "three first versions, a directory, an act: {log}"
    );
    fr.wait_until_unfenced();
    assert!(!fr.audit()["kinds"]["charter-note"].is_null());
    assert!(!second.is_empty());
}

#[test]
fn a_skipped_version_a_replayed_one_and_two_successors_are_told_apart() {
    let mut federation = Federation::of(&["FR", "EEAS", "SE"]);
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).start();
    }
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    federation.hubs()[..2].iter().for_each(Hub::wait_until_unfenced);

    // Two of three members vote with two of their three keys each, on machines that have nothing else.
    let keys = ["FR", "EEAS"].map(|code| two_keys(&federation, code));
    let mut files = Vec::new();
    for version in [2, 3] {
        let days = (20 + version).to_string();
        let file = propose(
            &federation,
            &format!("v{version}"),
            &["--renew", "--valid-days", &days],
        );
        for _round in ["intent", "vote"] {
            for keys in &keys {
                sign_with(&file, keys).document();
            }
        }
        submit(federation.hub("FR"), &file);
        for code in ["FR", "EEAS"] {
            wait_until_follows(federation.hub(code), version);
        }
        files.push(file);
    }
    let third = files.pop().unwrap();

    // SE was away, is alone, and is shown the newest version without the one between.
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).stop();
    }
    federation.hub_mut("SE").start();
    let skipped = alone(&federation, "skipped", of_version(&third, 3));
    let skipped = federation
        .hub("SE")
        .ask(&["charter", "submit", skipped.to_str().unwrap()]);
    skipped.refused(65, "charter-skipped", &["directory 3", "get version 2 first"]);
    wait_until_follows(federation.hub("SE"), 1);
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).start();
    }
    wait_until_follows(federation.hub("SE"), 3);
    federation.hubs().iter().for_each(Hub::wait_until_unfenced);

    // The old version again changes nothing, and another text under its number has not the votes.
    let se = federation.hub("SE");
    let known = alone(&federation, "known", of_version(&third, 2));
    let taken = se.answer(&["charter", "submit", known.to_str().unwrap()]);
    assert_eq!(taken["taken"], serde_json::json!([]), "{taken}");
    let old = other(&federation, &third, 2, &["FR"]);
    let old = se.ask(&["charter", "submit", old.to_str().unwrap()]);
    old.refused(65, "charter-replayed", &["directory 2", "older than version 3"]);
    // Of the next one a single vote is too few.
    let fourth = propose(&federation, "v4", &["--renew", "--valid-days", "24"]);
    let few = other(&federation, &fourth, 4, &["SE"]);
    let few = se.ask(&["charter", "submit", few.to_str().unwrap()]);
    few.refused(65, "charter-votes", &["1 votes, 2 needed", "EEAS, FR"]);
    wait_until_follows(se, 3);

    // EEAS signs two successors of version 3: one with FR, one with SE.
    for _round in ["intent", "vote"] {
        for keys in &keys {
            sign_with(&fourth, keys).document();
        }
    }
    let second = other(&federation, &fourth, 4, &["EEAS", "SE"]);
    submit(federation.hub("FR"), &fourth);
    for hub in federation.hubs() {
        wait_until_follows(hub, 4);
    }
    submit(federation.hub("SE"), &second);
    let mut branches = Vec::new();
    for hub in federation.hubs() {
        let fork = wait_until_forked(hub, "EEAS");
        wait_until_follows(hub, 3);
        branches = fork["branches"].as_array().unwrap().clone();
        assert_eq!(branches.len(), 2);
    }

    // Nobody wins by itself. Only what is TLP:CLEAR flows.
    let fr = federation.hub("FR");
    let green = format!("{HANDLING} --tlp GREEN --community");
    let denied = fr.preview(&assessment("matriochka-overload-2024.json"), &green);
    assert!(denied.stdout.contains("R-01d"), "{}", denied.stdout);
    let clear = format!("{HANDLING} --tlp CLEAR --community");
    let open = fr.release(&assessment("paris-olympics-2024.json"), &clear);
    fr.wait_until_delivered();
    assert_eq!(se.inbox(), [(open.clone(), 1)]);

    // Each operator chooses for its own hub. Hubs on one branch are level again.
    let chosen = branches[0].as_str().unwrap();
    fr.answer(&["charter", "choose", chosen]);
    wait_until_follows(fr, 4);
    wait_until_follows(se, 3);
    for code in ["SE", "EEAS"] {
        let hub = federation.hub(code);
        hub.answer(&["charter", "choose", chosen]);
        wait_until_follows(hub, 4);
    }
    let closed = fr.release(&assessment("matriochka-overload-2024.json"), &green);
    fr.wait_until_delivered();
    let mut inbox = [(open, 1), (closed, 1)];
    inbox.sort();
    let mut found = se.inbox();
    found.sort();
    assert_eq!(found, inbox);
    assert!(!fr.audit()["kinds"]["charter-note"].is_null());
}

#[test]
fn a_voters_tool_signs_no_second_text_under_one_number() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.hub_mut("FR").start();
    let one = propose(&federation, "one", &["--renew", "--valid-days", "200"]);
    let other = propose(&federation, "other", &["--renew", "--valid-days", "100"]);
    sign(&federation, &one, &["FR", "EEAS"]);
    sign(&federation, &other, &["FR", "EEAS"]);
    sign(&federation, &one, &["FR"]);
    let says = ["have signed", "no other", "split the federation"];
    try_sign(&federation, &other, "FR").refused(4, "signed-already", &says);
    try_sign(&federation, &other, "EEAS").document();
    sign(&federation, &one, &["FR"]);
}
