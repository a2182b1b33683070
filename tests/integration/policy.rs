//! The release policies on the command line, and other policies under a running hub.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bundle::{HANDLING, assessment, report, write};
use crate::federation::Federation;
use crate::program::{Finished, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

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

/// A variable's value, as long as the process lives.
fn forever(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
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
    let folder = forever(national.display().to_string());
    let environment = &mut federation.hub_mut("FR").environment;
    environment.insert("TESTUDO__POLICIES__NATIONAL", folder);
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

/// An accreditation to level 3, signed by an authority with the command line, and the authority's key.
fn accreditation(folder: &Path, hub: &str) -> (&'static str, &'static str) {
    let key = folder.join("authority.key").display().to_string();
    let file = folder.join(format!("{hub}.note")).display().to_string();
    let statement = |words: &[&str]| finish(testudo().arg("statement").args(words).arg("--json"), PATIENCE);
    if !Path::new(&key).exists() {
        statement(&["key", "--name", "authority", "--out", &key]).document();
    }
    statement(&["key", "--name", "authority", "--out", &key]).refused(73, "file-exists", &["new file"]);
    let terms = [
        "--federation",
        "test",
        "--realm",
        "live",
        "--level",
        "3",
        "--until",
        "4102444800",
    ];
    let of = ["accredit", "--hub", hub, "--key", &key, "--out", &file];
    let signed = statement(&[&of[..], &terms].concat()).document();
    (
        forever(file),
        forever(signed["authority"].as_str().unwrap().to_owned()),
    )
}

#[test]
fn only_a_statement_for_this_hub_raises_the_ceiling() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let (for_eeas, key) = accreditation(federation.folder(), "EEAS");
    let (for_fr, _) = accreditation(federation.folder(), "FR");
    let environment = &mut federation.hub_mut("FR").environment;
    environment.insert("TESTUDO__APPROVALS__CHANNEL", "the registry of the ministry");
    environment.insert("TESTUDO__APPROVALS__ACCREDITATION", for_eeas);
    let unpinned = federation.hub("FR").try_serve();
    assert_eq!(unpinned.exit, 78, "{unpinned:?}");
    assert!(unpinned.stderr.contains("`approvals.authority`"), "{unpinned:?}");
    let environment = &mut federation.hub_mut("FR").environment;
    environment.insert("TESTUDO__APPROVALS__AUTHORITY", key);
    let about_another = federation.hub("FR").try_serve();
    about_another.refused(78, "approval", &["EEAS.note", "another hub, federation or realm"]);

    let environment = &mut federation.hub_mut("FR").environment;
    environment.insert("TESTUDO__APPROVALS__ACCREDITATION", for_fr);
    federation.start();
    let fr = federation.hub("FR");
    let bundle = assessment("portal-kombat-2024.json");
    let flags = |level: u8| format!("--level {level} --personal none --purpose p --tlp AMBER --rel-to EEAS");
    let says = ["not accredited above 3", "the registry of the ministry"];
    fr.preview(&bundle, &flags(4)).refused(4, "above-ceiling", &says);
    // The charter lists both hubs for level 2, and no authority has approved the cipher suite.
    let preview = fr.preview(&bundle, &flags(3)).document();
    assert_eq!(
        preview["verdicts"][0]["rules"],
        serde_json::json!(["R-03", "R-03s", "R-04"])
    );
}

#[test]
fn consent_is_asked_for_granted_and_used() {
    let mut federation = Federation::of(&["FR", "EEAS", "MD"]);
    federation.start();
    let (fr, md) = (federation.hub("FR"), federation.hub("MD"));
    let bundle = assessment("moldova-parliamentary-2025.json");
    let item = md.release(&bundle, &format!("{HANDLING} --tlp AMBER --rel-to FR"));
    md.wait_until_delivered();
    let deadline = ["--purpose", "joint analysis", "--deadline", "4102444800"];
    let ask = |words: &[&str]| fr.ask(&[&["consent", "ask", &item, "--for", "EEAS"], words].concat());
    ask(&["--purpose", "joint analysis", "--deadline", "1"]).refused(2, "deadline-passed", &["later one"]);
    let asked = ask(&deadline).document();
    assert_eq!(
        (&asked["done"], &asked["originator"]),
        (&"consentAsked".into(), &"MD".into())
    );

    let listed = wait_until(PATIENCE, "MD has heard the question", || {
        let listed = md.answer(&["consent", "list"]);
        (!listed.as_array().unwrap().is_empty()).then_some(listed)
    });
    assert_eq!(
        (&listed[0]["holder"], &listed[0]["recipient"], &listed[0]["state"]),
        (&"FR".into(), &"EEAS".into(), &"open".into())
    );
    let until = ["--until", "4102444800", "--purpose", "joint analysis"];
    let grant = ["consent", "grant", &item, "--holder", "FR", "--for", "EEAS"];
    md.answer(&[&grant[..], &until].concat());
    wait_until(PATIENCE, "FR has the token", || {
        let state = fr.answer(&["consent", "list"])[0]["state"].clone();
        (state == "granted").then_some(())
    });
    let forwarded = fr.answer(&["forward", &item, "--to", "EEAS"]);
    assert_eq!(forwarded["recipients"], serde_json::json!(["EEAS"]));
    let refuse = ["consent", "refuse", &item, "--holder", "FR", "--for", "EEAS"];
    md.ask(&refuse)
        .refused(3, "no-such-question", &["testudo consent list"]);
}

#[test]
fn a_licence_and_a_source_are_shown_and_held_to() {
    let mut federation = Federation::of(&["FR", "EEAS", "MD"]);
    federation.start();
    let (fr, eeas, md) = (federation.hub("FR"), federation.hub("EEAS"), federation.hub("MD"));
    let folder = federation.folder();
    let bundle = write(folder, "one.json", &report(1, "a title", "a text"));
    let amber = format!("{HANDLING} --tlp AMBER --rel-to FR");
    md.preview(&bundle, &format!("{amber} --licence everyone"))
        .refused(
            2,
            "label-malformed",
            &["`everyone`", "as-labelled, consent, nobody"],
        );
    md.preview(
        &bundle,
        &format!("{HANDLING} --tlp RED --rel-to FR --licence-to EEAS"),
    )
    .refused(2, "licence-malformed", &["RED is passed on to nobody"]);
    let item = md.release(&bundle, &format!("{amber} --licence-to EEAS"));
    md.wait_until_delivered();
    let shown = fr.answer(&["inbox"])[0].clone();
    assert_eq!(shown["licence"]["named"]["hubs"], serde_json::json!(["EEAS"]));

    // The same object, come back through another tool.
    let object = "report--00000000-0000-4000-8000-000000000001";
    let again = write(folder, "two.json", &report(1, "another title", "another text"));
    let says = [item.as_str(), "of MD", "--tlp AMBER", object];
    let green = format!("{HANDLING} --tlp GREEN --community");
    let refused = fr.preview(&again, &green).refused(4, "source-stricter", &says);
    assert_eq!(refused["rules"], serde_json::json!(["R-18"]));
    let preview = fr
        .preview(&again, &format!("{HANDLING} --tlp AMBER --rel-to EEAS,MD"))
        .document();
    assert_eq!(preview["licence"], "consent");
    assert_eq!(preview["sources"][0]["objects"], serde_json::json!([object]));
    // EEAS by MD's licence, MD because the source is its own.
    let verdicts = preview["verdicts"].as_array().unwrap();
    assert!(
        verdicts.iter().all(|verdict| verdict["decision"] == "permit"),
        "{preview}"
    );

    fr.answer(&["forward", &item, "--to", "EEAS"]);
    fr.wait_until_delivered();
    assert_eq!(eeas.answer(&["inbox"])[0]["sender"], "FR");
}
