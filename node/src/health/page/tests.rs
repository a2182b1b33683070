use std::collections::BTreeMap;

use super::super::judge::tests::healthy;
use super::*;

/// The page of a hub with two peers, of which one is in trouble.
fn page() -> String {
    let (mut hub, around) = healthy();
    let mut other = hub.peers[0].clone();
    other.hub = "EEAS".parse().unwrap();
    other.fault = Some("CANARY".to_owned());
    other.waiting = 2;
    other.oldest_waiting = Some(around.now.millis() - 5_000);
    hub.peers.push(other);
    metrics(&StatusDocument::new(hub, around))
}

/// Name and labels of each sample, with its value.
fn samples(page: &str) -> BTreeMap<&str, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name, value.parse().unwrap())
        })
        .collect()
}

#[test]
fn the_page_says_what_the_status_says() {
    let page = page();
    let samples = samples(&page);
    for (name, value) in [
        ("testudo_ready", 1.0),
        ("testudo_ledger_entries", 64.0),
        ("testudo_outbox_items{peer=\"EEAS\"}", 2.0),
        ("testudo_outbox_oldest_seconds{peer=\"EEAS\"}", 5.0),
        ("testudo_outbox_oldest_seconds{peer=\"SE\"}", 0.0),
        ("testudo_peer_clock_ahead_seconds{peer=\"SE\"}", -1.0),
        ("testudo_problems{code=\"peer-fault\",level=\"warn\"}", 1.0),
        ("testudo_config_last_reload_ok", 1.0),
        ("testudo_checkpoint_age_seconds", 60.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {page}");
    }
    assert!(samples["testudo_process_resident_memory_bytes"] > 1_000_000.0);
}

#[test]
fn the_page_has_the_form_that_prometheus_reads() {
    let page = page();
    let (mut kinds, mut current) = (BTreeMap::new(), "");
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name, kind).is_none(), "{name} twice");
            current = name;
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = name.trim_end_matches("_sum").trim_end_matches("_count");
            assert_eq!(base, current, "{line} stands under another head");
            assert_eq!(name.ends_with("_total"), kinds[base] == "counter", "{line}");
        }
    }
    assert!(kinds.len() > 20, "{}", kinds.len());
    assert!(page.ends_with('\n') && page.is_ascii());
}

#[test]
fn labels_are_peers_and_words_of_this_program() {
    let page = page();
    assert!(!page.contains("CANARY"), "what a peer said is no label");
    for line in page.lines().filter(|line| line.contains('{')) {
        let labels = line.split(['{', '}']).nth(1).unwrap();
        for label in labels.split(',') {
            let name = label.split('=').next().unwrap();
            let known = [
                "peer",
                "code",
                "level",
                "kind",
                "version",
                "data_format",
                "outcome",
            ];
            assert!(known.contains(&name), "{line}");
        }
    }
}

/// Every name of ours in a text that is not ours: alert rules, a dashboard.
fn names(text: &str) -> std::collections::BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).filter(|word| word.starts_with(PREFIX)).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_what_is_on_the_page() {
    let page = page();
    let answered = names(&page);
    let alerts = include_str!("../../../packaging/prometheus/alerts.yaml");
    let dashboard = include_str!("../../../packaging/grafana/testudo.json");
    for text in [alerts, dashboard] {
        assert!(names(text).len() > 10);
        let lacking: Vec<_> = names(text).difference(&answered).copied().collect();
        assert_eq!(lacking, Vec::<&str>::new(), "no hub answers these");
    }
    for code in alerts
        .split("code: ")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
    {
        assert!(crate::codes::find(code).is_some(), "{code}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}
