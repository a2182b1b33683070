//! Content shows where somebody opens it, and nowhere else.

use std::path::Path;

use serde_json::{Value, json};

use crate::bundle::{self, HANDLING};
use crate::contents::{contents, holds};
use crate::federation::Federation;
use crate::health::{get, listen_at};
use crate::waiting::{PATIENCE, wait_until};

/// A word that stands in no program, no key and no other bundle.
const CANARY: &str = "ZWERGSEEADLERPFIFF";

/// The files under a folder that hold the canary.
fn sightings(folder: &Path) -> Vec<String> {
    let files = contents(folder).into_iter();
    files
        .filter(|(_, bytes)| holds(bytes, CANARY))
        .map(|(path, _)| path.display().to_string())
        .collect()
}

/// Bundles that are refused, each with the canary beside its fault.
fn faulty() -> [(&'static str, Vec<u8>, &'static str); 6] {
    let good = bundle::report(7, CANARY, CANARY);
    let text = good.to_string();
    let with = |path: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(path).unwrap() = value;
        bundle.to_string().into_bytes()
    };
    let twice = format!("{{\"{CANARY}\":1,\"{CANARY}\":2}}");
    [
        ("cut-off", text.as_bytes()[..text.len() - 9].to_vec(), "GREEN"),
        (
            "one-key-twice",
            text.replacen('{', &twice, 1).into_bytes(),
            "GREEN",
        ),
        ("type", with("/objects/0/type", json!(CANARY)), "GREEN"),
        ("id", with("/objects/1/id", json!(CANARY)), "GREEN"),
        ("version", with("/objects/1/spec_version", json!(CANARY)), "GREEN"),
        ("label", text.into_bytes(), "CLEAR"),
    ]
}

#[test]
fn content_shows_where_it_is_opened_and_nowhere_else() {
    let mut federation = Federation::with_taps(&["FR", "EEAS", "MD"]);
    for hub in federation.hubs_mut() {
        hub.environment.insert("TESTUDO__LOG__FILTER", "trace");
        if hub.code != "FR" {
            hub.environment.insert("TESTUDO__LOG__FORMAT", "json");
        }
    }
    let health = federation.folder().join("health.sock");
    listen_at(federation.hub("EEAS"), &format!("unix:{}", health.display()));
    federation.start();
    let folder = federation.folder().to_owned();
    // The bundles lie elsewhere, so that every file of the federation can be searched.
    let desk = tempfile::tempdir().unwrap();
    let (fr, eeas) = (federation.hub("FR"), federation.hub("EEAS"));

    for (name, bytes, tlp) in faulty() {
        let path = bundle::write_text(desk.path(), "faulty.json", bytes);
        let flags = format!("{HANDLING} --tlp {tlp} --community");
        let refused = fr.preview(&path, &flags);
        assert!(matches!(refused.exit, 4 | 65), "{name}: {refused:?}");
        for said in [&refused.stdout, &refused.stderr] {
            assert!(!holds(said.as_bytes(), CANARY), "{name}: {said}");
        }
    }

    let title = format!("{CANARY} in the title");
    let text = format!("{CANARY} in the text, {}", "and much more ".repeat(50));
    let path = bundle::write(desk.path(), "bundle.json", &bundle::report(8, &title, &text));
    let item = fr.release(&path, &format!("{HANDLING} --tlp GREEN --community"));
    fr.wait_until_delivered();

    // The search finds the word where a person asked for it, so it would find it elsewhere.
    let shown = eeas.ask(&["show", &item]);
    assert_eq!(shown.document()["bundle"]["objects"][0]["name"], title.as_str());
    assert!(holds(shown.stdout.as_bytes(), CANARY));
    assert!(holds(eeas.ask(&["inbox"]).stdout.as_bytes(), CANARY));
    assert!(!holds(shown.stderr.as_bytes(), CANARY));
    let planted = folder.join("EEAS/store/planted");
    std::fs::write(&planted, format!("x{CANARY}x")).unwrap();
    assert_eq!(sightings(&folder), ["EEAS/store/planted"]);
    std::fs::remove_file(planted).unwrap();

    assert_eq!(sightings(&folder), Vec::<String>::new(), "while the hubs run");
    let page = get(&health, "/metrics").1;
    assert!(
        page.contains("testudo_items_arrived_total 1\n") && !holds(page.as_bytes(), CANARY),
        "{page}"
    );
    for hub in federation.hubs() {
        for words in [
            &["status"][..],
            &["doctor"],
            &["ledger", "show"],
            &["config", "show", "--effective"],
        ] {
            let said = hub.ask(words);
            assert!(!said.stdout.is_empty(), "{words:?} says nothing");
            assert!(
                !holds(said.stdout.as_bytes(), CANARY) && !holds(said.stderr.as_bytes(), CANARY),
                "{said:?}"
            );
        }
        if hub.code != "FR" {
            let log = hub.log();
            let (whole, _being_written) = log.rsplit_once('\n').unwrap();
            for line in whole.lines() {
                let line: Value = serde_json::from_str(line).expect("every line is one JSON object");
                assert!(
                    line["level"].is_string() && line["timestamp"].is_string(),
                    "{line}"
                );
            }
        }
        assert!(hub.log().contains("running"), "{} logs nothing", hub.code);
        assert!(
            contents(hub.tap.as_deref().unwrap()).len() > 2,
            "{} taps nothing",
            hub.code
        );
    }

    let refused = federation.hub("MD").ask(&["retract", &item]);
    refused.refused(4, "not-originator", &["FR's"]);
    fr.answer(&["retract", &item]);
    wait_until(PATIENCE, "both receivers have destroyed it", || {
        let holdings = fr.answer(&["status", "holdings", &item]);
        let is_purged = |holding: &Value| !holding["purged"].is_null();
        holdings.as_array().unwrap().iter().all(is_purged).then_some(())
    });
    for code in ["EEAS", "MD"] {
        let hub = federation.hub(code);
        let shown = hub.ask(&["show", &item]);
        let document = shown.document();
        assert!(document["bundle"].is_null(), "{code} still shows it");
        assert_eq!(document["entry"]["state"], "retracted");
        let inbox = hub.ask(&["inbox"]);
        for said in [shown.stdout, shown.stderr, inbox.stdout] {
            assert!(!holds(said.as_bytes(), CANARY), "{code}: {said}");
        }
    }
    for code in ["FR", "EEAS", "MD"] {
        federation.hub_mut(code).stop();
    }
    assert_eq!(sightings(&folder), Vec::<String>::new(), "after the retraction");
    assert!(!holds(
        federation.hub("EEAS").ask(&["inbox"]).stdout.as_bytes(),
        CANARY
    ));
}
