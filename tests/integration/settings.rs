//! The configuration as the command line and the running hub treat it: fault cases F24 to F27.

use std::fs;
use std::path::{Path, PathBuf};

use crate::contents::{contents, holds};
use crate::federation::Federation;
use crate::program::{Finished, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

fn config(words: &[&str], file: &Path) -> Finished {
    finish(
        testudo()
            .arg("config")
            .args(words)
            .arg("--json")
            .arg("--config")
            .arg(file),
        PATIENCE,
    )
}

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("hub.toml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn f24_all_faults_come_at_once_with_their_places_and_a_guess() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "[log]\nfromat = \"json\"\n[network]\nlisten = 4470\n[ledger]\ntick = \"2min\"\n",
    );
    let place = |rest: &str| format!("{}:{rest}", path.display());
    let places = [
        place("2:1: unknown key `log.fromat`, did you mean `log.format`"),
        place("4:10: `network.listen`: expected a string"),
        place("6:8: `ledger.tick`: expected `5min` to `60min`, found `2min`"),
    ];
    let says = places.each_ref().map(String::as_str);
    let checked = config(&["check"], &path).refused(78, "configuration", &says);
    // A start says the same, to the letter.
    let serve = finish(
        testudo().args(["serve", "--json", "--data"]).arg(folder.path()),
        PATIENCE,
    );
    assert_eq!(
        serve.refused(78, "configuration", &says)["sentence"],
        checked["sentence"]
    );

    let good = file(folder.path(), "[log]\nformat = \"json\"\n");
    assert_eq!(config(&["check"], &good).document()["given"], 1);
    config(&["check"], &folder.path().join("nowhere.toml")).refused(78, "no-hub", &["does not exist"]);
}

#[test]
fn f25_a_bad_reload_keeps_the_old_configuration_and_says_so_everywhere() {
    let mut federation = Federation::of(&["FR"]);
    let health = federation.folder().join("health.sock");
    let fr = federation.hub_mut("FR");
    let old = format!(
        "{}\n[health]\nlisten = \"unix:{}\"\n",
        without_health(&fr.data),
        health.display()
    );
    fs::write(fr.data.join("hub.toml"), &old).unwrap();
    fr.start();
    let metric = || crate::health::get(&health, "/metrics").1;
    assert!(metric().contains("testudo_config_last_reload_ok 1\n"));

    fs::write(
        fr.data.join("hub.toml"),
        old.replace("filter = \"info\"", "filter = \"loud\""),
    )
    .unwrap();
    fr.signal("HUP");
    let status = wait_until(PATIENCE, "the refusal is told", || {
        fr.status()
            .filter(|status| status["config"]["lastReloadOk"] == false)
    });
    let problems = status["problems"].as_array().unwrap();
    let problem = problems
        .iter()
        .find(|problem| problem["code"] == "config-reload")
        .unwrap();
    assert!(
        problem["sentence"].as_str().unwrap().contains("`log.filter`"),
        "{problem}"
    );
    assert!(metric().contains("testudo_config_last_reload_ok 0\n"));
    assert!(metric().contains("testudo_config_reloads_refused_total 1\n"));
    assert!(fr.log().contains("configuration not reloaded"), "{}", fr.log());
    assert!(!fr.log().contains("DEBUG"));

    let new = old
        .replace("filter = \"info\"", "filter = \"debug\"")
        .replace("tick = \"15min\"", "tick = \"30min\"");
    fs::write(fr.data.join("hub.toml"), new).unwrap();
    fr.signal("HUP");
    let status = wait_until(PATIENCE, "the reload is told", || {
        fr.status()
            .filter(|status| status["config"]["lastReloadOk"] == true)
    });
    assert_eq!(
        status["config"]["needsRestart"],
        serde_json::json!(["ledger.tick"])
    );
    assert!(metric().contains("testudo_config_last_reload_ok 1\n"));
    assert!(fr.log().contains("changed: log.filter"), "{}", fr.log());
    fr.must_run();
    fr.stop();
}

/// The configuration of a hub up to the section `[health]`, which comes without a value.
fn without_health(data: &Path) -> String {
    fs::read_to_string(data.join("hub.toml"))
        .unwrap()
        .replace("[health]\n", "")
}

#[test]
fn f26_a_variable_and_a_comment_mean_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "# ${HOME} and\n[hub]\ncharter = \"${HOME}\" # ${PATH}\n",
    );
    let mut show = testudo();
    show.args(["config", "show", "--origin", "--json", "--config"])
        .arg(&path);
    show.env("HOME", "/somewhere")
        .env("TESTUDO__HUB__KEYS", "a\n[log]\nfilter = \"off\"");
    let shown = finish(&mut show, PATIENCE).document();
    let values: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["key"], &it["value"], &it["origin"]))
        .collect();
    assert_eq!(values.len(), 2, "{shown}");
    assert_eq!(
        (values[0].0, values[0].1),
        (&"hub.charter".into(), &"${HOME}".into())
    );
    assert_eq!(values[1].1, "a\n[log]\nfilter = \"off\"");
    assert_eq!(values[1].2, "environment variable TESTUDO__HUB__KEYS");
}

#[test]
fn f27_a_secret_in_the_configuration_is_refused_and_not_repeated() {
    const CANARY: &str = "CANARYQQQQQQ";
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("AGE-SECRET-KEY-1{CANARY}");
    for text in [
        format!("[hub]\nkeys = \"{secret}\"\n"),
        format!("[hub]\npassphrase = \"{secret}\"\n"),
        format!("[log]\nformat = \"-----BEGIN PRIVATE KEY-----{CANARY}\"\n"),
    ] {
        let path = file(folder.path(), &text);
        let refused = config(&["check"], &path);
        refused.refused(78, "configuration", &["hub.toml:2:"]);
        for said in [&refused.stdout, &refused.stderr] {
            assert!(!holds(said.as_bytes(), CANARY), "{said}");
        }
    }
    let path = file(folder.path(), "");
    let mut check = testudo();
    check.args(["config", "check", "--json", "--config"]).arg(&path);
    let refused = finish(check.env("TESTUDO__HUB__KEYS", &secret), PATIENCE);
    refused.refused(78, "configuration", &["TESTUDO__HUB__KEYS", "holds a secret"]);
    assert!(!holds(refused.stdout.as_bytes(), CANARY));
}

#[test]
fn what_a_hub_shows_of_its_configuration_holds_no_key() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    let shown = fr.ask(&["config", "show", "--effective", "--origin"]);
    assert!(shown.document().as_array().unwrap().len() > 8);
    for (name, bytes) in contents(&fr.data.join("keys")) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!shown.stdout.contains(&hex), "{}", name.display());
        if let Ok(text) = std::str::from_utf8(&bytes) {
            assert!(!shown.stdout.contains(text.trim()), "{}", name.display());
        }
    }
}

#[test]
fn schema_example_and_migration_need_no_hub() {
    let schema = finish(testudo().args(["config", "schema"]), PATIENCE).document();
    assert_eq!(
        schema["properties"]["log"]["properties"]["filter"]["default"],
        "info"
    );
    let example = finish(testudo().args(["config", "example"]), PATIENCE);
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &example.stdout);
    assert_eq!(config(&["check"], &path).document()["ok"], true);
    let migrated = config(&["migrate"], &path).document();
    assert_eq!(
        (&migrated["migrated"], &migrated["format"]),
        (&false.into(), &1.into())
    );
    let broken = file(folder.path(), "[hub\n");
    config(&["migrate"], &broken).refused(78, "configuration", &["hub.toml:1:"]);
}
