//! A version that is cut down from an item goes out by two people.

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::hub::Hub;
use crate::waiting::{PATIENCE, wait_until};

const ANN: [&str; 2] = ["--person", "d-07"];
const BOB: [&str; 2] = ["--person", "d-12"];

/// Ids of the objects of a type in an item.
fn objects(hub: &Hub, item: &str, kind: &str) -> Vec<String> {
    let shown = hub.answer(&["show", item]);
    let objects = shown["bundle"]["objects"].as_array().unwrap().iter();
    objects
        .filter(|object| object["type"] == kind)
        .map(|object| object["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_version_without_some_objects_reaches_more_hubs_after_a_second_person_has_seen_it() {
    let mut federation = Federation::of(&["FR", "EEAS", "MD"]);
    federation.start();
    let fr = federation.hub("FR");
    let amber = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    let item = fr.release(&assessment("portal-kombat-2024.json"), &amber);
    fr.wait_until_delivered();
    let channels = objects(federation.hub("EEAS"), &item, "channel");
    let relationships = objects(federation.hub("EEAS"), &item, "relationship");
    let (first, rest) = channels.split_first().expect("the assessment has channels");

    // What stays cannot lean on what goes.
    let draft = |cut: &str, person: [&str; 2]| {
        let words = [
            "draft",
            "--from",
            &item,
            "--cut",
            cut,
            "--tlp",
            "GREEN",
            "--community",
        ];
        fr.ask(&[words.as_slice(), &person].concat())
    };
    let alone = draft(first, ANN);
    alone.refused(2, "cannot-cut", &["cannot do without it", "cut it too"]);
    draft("channel--00000000-0000-4000-8000-000000000000", ANN).refused(2, "cannot-cut", &["no object"]);
    draft(first, ["--person", "Ann Example"]).refused(2, "person-code", &["duty roster"]);

    let cut = [vec![first.clone()], rest.to_vec(), relationships]
        .concat()
        .join(",");
    let kept = draft(&cut, ANN).document();
    assert_eq!(kept["state"], "draft", "{kept}");
    let id = kept["draft"].as_str().unwrap();
    let preview = fr.answer(&["preview", "--draft", id]);
    let hash = preview["hash"].as_str().unwrap();
    let release = ["release", "--draft", id, "--preview", hash];
    let approve = |hash: &str, person: [&str; 2]| {
        fr.ask(&[["approve", id, "--preview", hash].as_slice(), &person].concat())
    };
    fr.ask(&release).refused(2, "draft-state", &["expected approved"]);
    fr.answer(&[["review", id].as_slice(), &ANN].concat());
    approve(hash, ANN).refused(4, "own-draft", &["a second person", "R-21"]);
    approve(&"9".repeat(64), BOB).refused(4, "preview-changed", &["since the preview"]);
    assert_eq!(approve(hash, BOB).document()["state"], "approved");
    let drafts = fr.answer(&["drafts"]);
    assert_eq!(
        (&drafts[0]["maker"], &drafts[0]["second"]),
        (&Value::from("d-07"), &Value::from("d-12"))
    );
    let released = fr.answer(&release);
    let new = released["item"].as_str().unwrap();
    let md = federation.hub("MD");
    wait_until(PATIENCE, "MD has what it may have", || {
        (md.inbox() == [(new.to_owned(), 1)]).then_some(())
    });
    let shown = md.answer(&["show", new]).to_string();
    for gone in cut.split(',') {
        assert!(!shown.contains(gone), "{gone}");
    }
    assert_eq!(md.answer(&["show", new])["entry"]["derivedFrom"], item.as_str());
    assert_eq!(fr.answer(&["drafts"]), Value::Array(Vec::new()));
    assert_eq!(fr.audit()["kinds"]["derived"], 1);
}

#[test]
fn a_draft_waits_for_a_second_person_over_a_restart_and_can_be_refused() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    let bundle = assessment("matriochka-overload-2024.json");
    let mut words = vec!["draft", bundle.to_str().unwrap()];
    let flags = format!("{HANDLING} --tlp GREEN --community");
    words.extend(flags.split(' '));
    words.extend(ANN);
    let kept = fr.answer(&words);
    let id = kept["draft"].as_str().unwrap().to_owned();
    fr.answer(&[["review", &id].as_slice(), &ANN].concat());
    federation.hub_mut("FR").kill();
    federation.hub_mut("FR").start();
    let fr = federation.hub("FR");
    fr.wait_until_unfenced();
    assert_eq!(fr.answer(&["drafts"])[0]["state"], "in review");
    fr.answer(&[["refuse", &id].as_slice(), &BOB].concat());
    let hash = "9".repeat(64);
    let release = ["release", "--draft", &id, "--preview", &hash];
    fr.ask(&release).refused(2, "draft-state", &["draft is refused"]);
    fr.answer(&[["discard", &id].as_slice(), &BOB].concat());
    fr.ask(&release).refused(3, "no-such-draft", &["testudo drafts"]);
}

#[test]
fn what_was_made_from_an_erased_item_goes_with_it() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    let amber = format!("{HANDLING} --tlp AMBER --rel-to EEAS");
    let item = fr.release(&assessment("portal-kombat-2024.json"), &amber);
    fr.wait_until_delivered();
    let kept = fr.answer(&[["draft", "--from", &item].as_slice(), &ANN].concat());
    let id = kept["draft"].as_str().unwrap();
    fr.answer(&["ledger", "erase", &item, "--basis", "art-17"]);
    assert_eq!(fr.answer(&["drafts"]), Value::Array(Vec::new()));
    fr.ask(&["preview", "--draft", id])
        .refused(3, "no-such-draft", &["testudo drafts"]);
}
