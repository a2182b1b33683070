use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `act` logs.
fn logged(format: LogFormat, filter: &str, colours: bool, act: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let filter = filter.parse().unwrap();
    let (subscriber, _control) = subscriber(format, &filter, colours, move || writer.clone());
    tracing::subscriber::with_default(subscriber, act);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn text_names_its_fields() {
    let line = logged(LogFormat::Text, "info", false, || {
        let _span = tracing::info_span!("store.open", hub = "se").entered();
        tracing::info!(count = 3, error = %"no room", "opened");
        tracing::debug!("not this");
    });
    let (_, shown) = line.split_once(" INFO ").unwrap();
    assert_eq!(
        shown,
        "store.open{hub=\"se\"}: testudo::telemetry::tests: opened count=3 error=no room\n"
    );
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn json_is_one_object_with_the_fields_at_the_top() {
    let line = logged(LogFormat::Json, "info", false, || {
        let _span = tracing::info_span!("store.open", hub = "se").entered();
        tracing::info!(count = 3, "opened");
    });
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&value["message"], &value["count"], &value["level"]),
        (&"opened".into(), &3.into(), &"INFO".into())
    );
    assert_eq!(value["span"]["hub"], "se");
}

#[test]
fn foreign_text_stays_on_its_line() {
    const FOREIGN: &str = "a\u{1b}[2Jb\nERROR forged\r\u{7f}\u{9b}31m\u{202e}c\u{2028}";
    let act = || {
        let _span = tracing::info_span!("exchange.deliver", peer = %FOREIGN).entered();
        tracing::info!(error = %FOREIGN, item = FOREIGN, "said {FOREIGN}");
    };
    for format in [LogFormat::Text, LogFormat::Json] {
        let line = logged(format, "info", false, act);
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let odd = line
            .trim_end()
            .chars()
            .find(|c| c.is_control() || "\u{202e}\u{2028}".contains(*c));
        assert_eq!(odd, None, "{line:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info", false, act)).unwrap();
    assert_eq!(json["error"], FOREIGN);
}

#[test]
fn colours_only_if_asked() {
    let act = || tracing::warn!("x");
    assert!(!logged(LogFormat::Text, "info", false, act).contains('\u{1b}'));
    assert!(!logged(LogFormat::Json, "info", true, act).contains('\u{1b}'));
    if std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()) {
        assert!(logged(LogFormat::Text, "info", true, act).contains('\u{1b}'));
    }
}

#[test]
fn foreign_crates_are_cut_off_below_info() {
    let lines = logged(LogFormat::Text, "trace", false, || {
        tracing::trace!(target: "h2::codec", "CANARY header");
        tracing::debug!(target: "hyper", "CANARY body");
        tracing::info!(target: "libp2p_swarm", "kept one");
        tracing::trace!(target: "testudo_core::hub", "kept two");
        tracing::debug!(target: "testudos", "CANARY lookalike");
    });
    assert!(!lines.contains("CANARY"), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn a_level_for_one_part_applies_to_it_alone() {
    let lines = logged(LogFormat::Text, "warn,testudo::store=debug", false, || {
        tracing::debug!(target: "testudo::store::purge", "kept");
        tracing::info!(target: "testudo::api", "dropped");
    });
    assert!(lines.contains("kept") && !lines.contains("dropped"), "{lines}");
}

#[test]
fn the_filter_changes_while_lines_are_written() {
    let sink = Sink::default();
    let writer = sink.clone();
    let filter = "info".parse().unwrap();
    let (subscriber, control) = subscriber(LogFormat::Text, &filter, false, move || writer.clone());
    let say = |words| tracing::debug!(target: "testudo::store", "{words}");
    tracing::subscriber::with_default(subscriber, || {
        say("before");
        control.set_filter(&"debug".parse().unwrap()).unwrap();
        say("between");
        tracing::trace!(target: "h2::codec", "CANARY");
        control.set_filter(&"off".parse().unwrap()).unwrap();
        say("after");
    });
    let lines = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(lines.contains("between"), "{lines}");
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[test]
fn a_panic_prints_its_place_and_not_its_message() {
    let lines = logged(LogFormat::Text, "info", false, || {
        panic::install();
        let result = std::panic::catch_unwind(|| std::panic::panic_any("CANARY".to_owned()));
        let _ = std::panic::take_hook();
        assert!(result.is_err());
    });
    assert!(!lines.contains("CANARY"), "{lines}");
    assert!(lines.contains("telemetry/tests.rs:"), "{lines}");
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[test]
fn the_vocabulary_has_each_field_once() {
    let mut names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FIELDS.len());
    assert!(
        FIELDS
            .iter()
            .all(|(name, about)| !about.is_empty() && !name.contains(char::is_whitespace))
    );
}

#[test]
fn formats_are_read_as_they_are_written() {
    for format in [LogFormat::Text, LogFormat::Json] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert_eq!("Text".parse::<LogFormat>(), Err(LogFormatError));
}
