//! What a hub refuses: one sentence with the field and the fix, and afterwards everything is as it was.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bundle::{self, HANDLING, assessment, assessments};
use crate::program::{finish, testudo};
use crate::scene::Scene;
use crate::waiting::PATIENCE;

/// The refused bundles of the testnet: exit code, code, and what the sentence has to say.
const REFUSED: [(&str, i32, &str, &[&str]); 8] = [
    (
        "dangling-root.json",
        65,
        "bundle-malformed",
        &["`objects`", "add one as the root"],
    ),
    (
        "deep-nesting.json",
        65,
        "bundle-malformed",
        &["line 26", "nesting is deeper than 64"],
    ),
    (
        "duplicate-id.json",
        65,
        "bundle-malformed",
        &["`id` attack-pattern--d880f8f6", "remove one"],
    ),
    (
        "marking-stronger-than-label.json",
        4,
        "label-too-weak",
        &[
            "`tlp` is GREEN",
            "attack-pattern--50893fb5",
            "label the item RED",
            "R-18",
        ],
    ),
    (
        "not-stix.json",
        65,
        "bundle-malformed",
        &["`type` of the bundle", "expected \"bundle\""],
    ),
    (
        "truncated.json",
        65,
        "bundle-malformed",
        &["line 39", "ends too early"],
    ),
    (
        "unknown-tlp.json",
        65,
        "bundle-malformed",
        &["marking-definition--34830b02", "use CLEAR, GREEN"],
    ),
    (
        "wrong-spec-version.json",
        65,
        "bundle-malformed",
        &["`spec_version`", "STIX 2.1 first"],
    ),
];

/// Drafts with a sound bundle and a label that is not: flags, exit code, code, and what the sentence has to say.
const LABELS: [(&str, i32, &str, &[&str]); 14] = [
    (
        "--level 1 --personal none --purpose p --community",
        2,
        "label-malformed",
        &["`tlp` is missing", "give --tlp"],
    ),
    (
        "--tlp GREEN --personal none --purpose p --community",
        2,
        "label-malformed",
        &["`level`", "give --level"],
    ),
    (
        "--tlp GREEN --level 1 --purpose p --community",
        2,
        "label-malformed",
        &["`personal`", "give --personal"],
    ),
    (
        "--tlp GREEN --level 1 --personal none --community",
        2,
        "label-malformed",
        &["`purpose`", "give --purpose"],
    ),
    (
        "--tlp GREEN --level 1 --personal none --purpose p",
        2,
        "label-malformed",
        &["`scope`", "give --community"],
    ),
    (
        "--tlp ORANGE --level 1 --personal none --purpose p --community",
        2,
        "label-malformed",
        &["`tlp`", "expected CLEAR, GREEN, AMBER, AMBER+STRICT or RED"],
    ),
    (
        "--tlp TLP:GREEN --level 1 --personal none --purpose p --community",
        2,
        "label-malformed",
        &["`tlp`", "must be written `GREEN`"],
    ),
    (
        "--tlp green --level 1 --personal none --purpose p --community",
        2,
        "label-malformed",
        &["`tlp`", "must be written `GREEN`"],
    ),
    (
        "--tlp WHITE --level 1 --personal none --purpose p --community",
        2,
        "label-malformed",
        &["TLP 1", "write `CLEAR`"],
    ),
    (
        "--tlp AMBER --level 1 --personal none --purpose p --rel-to XX",
        2,
        "unknown-recipient",
        &["`relTo` names XX", "not a member", "testudo charter show"],
    ),
    (
        "--tlp AMBER --level 3 --personal none --purpose p --rel-to EEAS",
        4,
        "above-ceiling",
        &["`level` is 3", "use the accredited channel"],
    ),
    (
        "--tlp AMBER --level 9 --personal none --purpose p --rel-to EEAS",
        2,
        "label-malformed",
        &["`level`", "expected 0 to 6"],
    ),
    (
        "--tlp RED --level 1 --personal none --purpose p --rel-to-class member_state",
        2,
        "label-malformed",
        &["`relTo`", "RED goes to hubs by name"],
    ),
    (
        "--tlp AMBER --level 1 --personal none --purpose p --rel-to EEAS --not-to EEAS",
        2,
        "label-malformed",
        &["`notTo`", "take it out of one"],
    ),
];

/// A hash that no preview has.
const NO_PREVIEW: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

/// An item that no hub has.
const NO_ITEM: &str = "000000000000000000000000000000ff";

#[test]
fn a_bundle_that_is_refused_leaves_no_trace() {
    let scene = Scene::new();
    let folder = std::fs::read_dir(assessments().join("refused")).unwrap();
    let files: BTreeSet<_> = folder.map(|entry| entry.unwrap().file_name()).collect();
    let named: BTreeSet<_> = REFUSED.iter().map(|(file, ..)| (*file).into()).collect();
    assert_eq!(files, named, "the folder and the table differ");

    let flags = format!("{HANDLING} --tlp GREEN --community");
    for (file, exit, code, says) in REFUSED {
        let path = assessments().join("refused").join(file);
        scene.check(file, &scene.fr().preview(&path, &flags), exit, code, says);
        let released = scene.fr().release_as(&path, &flags, NO_PREVIEW);
        scene.check(file, &released, exit, code, says);
    }

    let folder = scene.federation.folder();
    let mut large = bundle::report(1, "Over the limit", "");
    large["objects"][0]["description"] = json!("x".repeat(4 * 1024 * 1024));
    let large = bundle::write(folder, "large.json", &large);
    let says = ["bundle is 41", "at most 4194304", "split it"];
    let refused = scene.fr().preview(&large, &flags);
    scene.check("over 4 MiB", &refused, 65, "bundle-malformed", &says);

    let latin = bundle::write_text(folder, "latin.json", b"{\"name\": \"M\xe9sinformation\"}");
    let refused = scene.fr().preview(&latin, &flags);
    scene.check(
        "not UTF-8",
        &refused,
        65,
        "bundle-malformed",
        &["is not UTF-8", "save it as UTF-8"],
    );

    let refused = scene.fr().preview(&folder.join("missing.json"), &flags);
    scene.check("no such file", &refused, 2, "no-such-file", &["missing.json"]);
}

#[test]
fn a_label_that_is_refused_leaves_no_trace() {
    let scene = Scene::new();
    let bundle = assessment("portal-kombat-2024.json");
    for (flags, exit, code, says) in LABELS {
        scene.check(flags, &scene.fr().preview(&bundle, flags), exit, code, says);
        let released = scene.fr().release_as(&bundle, flags, NO_PREVIEW);
        scene.check(flags, &released, exit, code, says);
    }
    let crowd: Vec<String> = (0..10_000).map(|number| format!("H{number}")).collect();
    let flags = format!(
        "--tlp AMBER --level 1 --personal none --purpose p --rel-to {}",
        crowd.join(",")
    );
    let says = ["`relTo`", "10000 entries, at most 1000"];
    let refused = scene.fr().preview(&bundle, &flags);
    scene.check("ten thousand recipients", &refused, 2, "label-malformed", &says);
}

#[test]
fn an_act_that_is_refused_leaves_no_trace() {
    let scene = Scene::new();
    let (fr, of_md) = (scene.fr(), scene.of_md.as_str());
    let bundle = assessment("portal-kombat-2024.json");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS");

    let approved = fr.preview(&bundle, &flags).document();
    let approved = approved["hash"].as_str().unwrap();
    let narrower = format!("{HANDLING} --tlp AMBER+STRICT --rel-to EEAS");
    let says = ["have changed since the preview", "run `testudo preview` again"];
    for (what, flags, hash) in [
        ("another hash", &flags, NO_PREVIEW),
        ("another label", &narrower, approved),
    ] {
        let refused = fr.release_as(&bundle, flags, hash);
        scene.check(what, &refused, 4, "preview-changed", &says);
    }
    let other = assessment("storm-1516-2025.json");
    let refused = fr.release_as(&other, &narrower, approved);
    scene.check("another bundle", &refused, 4, "preview-changed", &says);
    let refused = fr.release_as(&bundle, &flags, "beef");
    scene.check(
        "half a hash",
        &refused,
        2,
        "usage",
        &["--preview", "64 lower-case", "`testudo preview` prints it"],
    );

    let alone = format!("{HANDLING} --tlp AMBER --rel-to FR");
    let preview = fr.preview(&bundle, &alone).document();
    let refused = fr.release_as(&bundle, &alone, preview["hash"].as_str().unwrap());
    let error = scene.check(
        "nobody permitted",
        &refused,
        4,
        "nobody-permitted",
        &["nobody may receive"],
    );
    assert_eq!(error["rules"], json!(["R-07"]));

    let refused = fr.ask(&["retract", of_md]);
    scene.check(
        "retract of MD's item",
        &refused,
        4,
        "not-originator",
        &[of_md, "MD's", "R-21"],
    );
    let refused = fr.ask(&["forward", of_md, "--to", "EEAS"]);
    let error = scene.check(
        "forward without token",
        &refused,
        4,
        "denied",
        &["EEAS may not", "R-06a"],
    );
    assert!(error["rules"].as_array().unwrap().contains(&json!("R-06a")));
    let refused = fr.ask(&["forward", of_md, "--to", "XX"]);
    scene.check(
        "forward to a stranger",
        &refused,
        2,
        "not-a-member",
        &["XX is not a member", "charter show"],
    );

    let until = [
        "--holder",
        "FR",
        "--for",
        "EEAS",
        "--until",
        "4102444800",
        "--purpose",
        "p",
    ];
    for act in ["show", "ack", "retract", "forward", "consent"] {
        let words: &[&str] = if act == "consent" {
            &["consent", "grant"]
        } else {
            &[act]
        };
        let more: &[&str] = match act {
            "forward" => &["--to", "EEAS"],
            "consent" => &until,
            _ => &[],
        };
        let refused = fr.ask(&[words, &[NO_ITEM], more].concat());
        let code = if act == "show" {
            "not-found"
        } else {
            "no-such-item"
        };
        scene.check(act, &refused, 3, code, &["`testudo inbox` lists"]);
        // An id in the place of an address must not become another address.
        for id in ["1234", "../status", &format!("{of_md}/open?"), "a b"] {
            let refused = fr.ask(&[words, &[id], more].concat());
            let says = ["item id", "32 lower-case hexadecimal digits", "`testudo inbox`"];
            scene.check(id, &refused, 2, "usage", &says);
        }
    }
}

#[test]
fn a_command_that_is_not_understood_says_so_in_both_forms() {
    let cases: [(&[&str], &str); 4] = [
        (&["preview", "--json"], "required arguments"),
        (&["--json", "relaese"], "relaese"),
        (&["inbox", "--json", "--data", "x", "--colour"], "--colour"),
        (
            &["preview", "b.json", "--json", "--data", "x", "--level", "high"],
            "--level",
        ),
    ];
    for (words, says) in cases {
        let finished = finish(testudo().args(words), PATIENCE);
        assert_eq!(finished.exit, 2, "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
        let document: Value = serde_json::from_str(&finished.stdout).unwrap();
        let error = &document["error"];
        assert_eq!((&error["code"], &error["exit"]), (&json!("usage"), &json!(2)));
        let sentence = error["sentence"].as_str().unwrap();
        assert!(sentence.contains(says) && !sentence.contains('\n'), "{sentence}");
    }
}
