//! The release policies on the command line, and other policies under a running hub.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::program::{Finished, finish, testudo};
use crate::waiting::PATIENCE;

#[track_caller]
fn policy(words: &[&str]) -> Finished {
    finish(testudo().arg("policy").args(words).arg("--json"), PATIENCE)
}

#[track_caller]
fn marking(authority: &str, text: &str, date: &str) -> Finished {
    policy(&[
        "marking",
        "--authority",
        authority,
        "--text",
        text,
        "--date",
        date,
    ])
}

#[test]
fn a_marking_is_answered_with_level_status_and_source() {
    let spain = marking("ES", "RESERVADO", "2026-11-01").document();
    assert_eq!(
        (&spain["level"], &spain["status"]),
        (&Value::from(5), &Value::from("verified"))
    );
    assert!(spain["source"].as_str().unwrap().contains("OJ C 247"));
    assert_eq!(marking("PT", "Reservado", "2026-11-01").document()["level"], 3);
    let sweden = marking("SE", "HEMLIG", "2026-11-01").document();
    assert_eq!(sweden["status"], "secondary");

    marking("ES", "Reservado", "2026-11-01").refused(4, "marking-spelling", &["`RESERVADO`"]);
    marking("FR", "CONFIDENTIEL DÉFENSE", "2021-07-01").refused(4, "marking-not-valid", &["2021-06-30"]);
    marking("FR", "DIFFUSION RESTREINTE", "2026-11-01").refused(
        4,
        "no-classification",
        &["protection mention"],
    );
    marking("DE", "RESERVADO", "2026-11-01").refused(4, "unknown-marking", &["nothing is guessed"]);
    marking("XX", "SECRET", "2026-11-01").refused(4, "unknown-authority", &["AT, BE, BG"]);
    marking("ES", "RESERVADO", "1.11.2026").refused(2, "usage", &["YYYY-MM-DD"]);
}

#[test]
fn rules_are_explained_in_three_languages() {
    let sentence = |lang: &str| {
        let explained = policy(&["explain", "R-07", "R-18", "--lang", lang]).document();
        assert_eq!(explained[0]["effect"], "forbid");
        assert_eq!(explained[1]["effect"], "core");
        explained[0]["sentence"].as_str().unwrap().to_owned()
    };
    let sentences = ["en", "fr", "de"].map(sentence);
    assert!(sentences[0].starts_with("The item is for listed receivers only"));
    assert!(sentences[1].contains("destinataires") && sentences[2].contains("Empfänger"));
    let all = policy(&["explain"]).document();
    assert_eq!(all.as_array().unwrap().len(), 42 + 2 + 4);
    policy(&["explain", "R-99"]).refused(3, "no-such-rule", &["R-99"]);
}

#[test]
fn cases_are_run_and_a_wrong_one_is_named() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/cases");
    let run = |folder: &Path| policy(&["test", "--cases", &folder.display().to_string()]);
    let outcome = run(&cases).document();
    assert!(outcome["passed"].as_u64().unwrap() >= 200, "{outcome}");
    assert_eq!(outcome["failed"], Value::Array(Vec::new()));

    let folder = tempfile::tempdir().unwrap();
    let right = fs::read_to_string(cases.join("permit/community-green-to-member-state.json")).unwrap();
    fs::write(
        folder.path().join("wrong.json"),
        right.replace("\"permit\"", "\"deny\""),
    )
    .unwrap();
    let wrong = run(folder.path());
    assert_eq!(wrong.exit, 1, "{wrong:?}");
    let outcome: Value = serde_json::from_str(&wrong.stdout).unwrap();
    assert!(
        outcome["failed"][0]["file"]
            .as_str()
            .unwrap()
            .ends_with("wrong.json")
    );

    fs::remove_file(folder.path().join("wrong.json")).unwrap();
    run(folder.path()).refused(2, "no-cases", &["--cases"]);
}

const OPEN: &str = "permit (principal, action, resource);\n";

const NOT_TO_EEAS: &str = r#"
@id("N-1")
@reason("National policy gives nothing to this institution.")
forbid (principal == Peer::"EEAS", action in Action::"disclose", resource);
permit (principal, action, resource);
"#;

#[test]
fn other_policies_are_shown_and_then_activated_whole_or_not_at_all() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let national = federation.folder().join("national");
    fs::create_dir(&national).unwrap();
    let file = national.join("own.cedar");
    fs::write(&file, OPEN).unwrap();
    let folder: &'static str = Box::leak(national.display().to_string().into_boxed_str());
    federation
        .hub_mut("FR")
        .environment
        .insert("TESTUDO__POLICIES__NATIONAL", folder);
    federation.start();
    let fr = federation.hub("FR");
    let bundle = assessment("matriochka-overload-2024.json");
    let flags = format!("{HANDLING} --tlp GREEN --community");
    let item = fr.release(&bundle, &flags);
    let decision = || fr.preview(&bundle, &flags).document()["verdicts"][0].clone();
    assert_eq!(decision()["decision"], "permit");
    assert_eq!(decision()["rules"], serde_json::json!(["P-COMMUNITY"]));
    assert_eq!(decision()["withheld"], "nothing");

    let same = fr.answer(&["policy", "diff"]);
    assert_eq!(same["active"], same["proposed"]);

    fs::write(&file, NOT_TO_EEAS).unwrap();
    let diff = fr.answer(&["policy", "diff"]);
    assert_eq!(
        diff["differences"],
        serde_json::json!([{
            "item": item, "version": 1, "hub": "EEAS", "before": "permit", "after": "deny", "rules": ["N-1"],
        }])
    );
    assert_eq!(
        decision()["decision"],
        "permit",
        "a difference is a look and no act"
    );

    let activate = |hash: &Value| fr.ask(&["policy", "activate", "--hash", hash.as_str().unwrap()]);
    activate(&diff["active"]).refused(78, "policies", &["testudo policy diff"]);
    fs::write(
        &file,
        "forbid (principal, action, resource) when { principal.shoeSize > 3 };",
    )
    .unwrap();
    activate(&diff["proposed"]).refused(78, "policies", &["own.cedar"]);
    fs::remove_file(&file).unwrap();
    activate(&diff["proposed"]).refused(78, "policies", &["empty"]);
    assert_eq!(decision()["decision"], "permit", "the old policies stay in force");
    let log = fs::read_to_string(&fr.log).unwrap();
    assert_eq!(log.matches("policies not activated").count(), 3, "{log}");

    fs::write(&file, NOT_TO_EEAS).unwrap();
    let activated = activate(&diff["proposed"]).document();
    assert_eq!(activated["active"], diff["proposed"]);
    assert_eq!(fr.answer(&["status"])["policies"], diff["proposed"]);
    assert_eq!(decision()["rules"], serde_json::json!(["N-1"]));
    assert_eq!(decision()["withheld"], "everything");
}

#[test]
fn a_national_marking_is_kept_and_never_guessed() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    let bundle = assessment("portal-kombat-2024.json");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS --marking-authority");
    for (authority, text, says) in [
        ("DE", "GEHEIM", "the level follows the marking"),
        ("DE", "Geheim", "`GEHEIM`"),
        ("BE", "Restreint", "nothing is guessed"),
    ] {
        let draft = format!("{flags} {authority} --marking {text}");
        let error = fr.preview(&bundle, &draft).refused(4, "marking", &[says]);
        assert_eq!(error["rules"], serde_json::json!(["R-02"]));
    }
}
