//! Members come and go while hubs run: five hubs, a sixth admitted, one suspended.

use std::path::{Path, PathBuf};

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
    let keys = federation.hub(code).data.join("governance");
    let mut command = testudo();
    command.args(["charter", "sign", "--json"]).arg(file);
    finish(command.arg("--keys").arg(keys), PATIENCE)
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
    assert!(!fr.audit()["kinds"]["charter"].is_null());
    assert!(!second.is_empty());
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
