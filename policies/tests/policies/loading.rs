//! What is not accepted at load, and that the refusal names file, rule and cause.

use std::error::Error;

use testudo_policies::engine::Engine;
use testudo_policies::layers::{LayerSource, Layers, PolicyFile};
use testudo_policies::policy_set::LoadError;

use crate::layering::files;

fn refused(layers: &Layers) -> (LoadError, String) {
    let error = Engine::load(layers).expect_err("should be refused");
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    (error, text)
}

fn national(policy: &str) -> (LoadError, String) {
    refused(&Layers::embedded().with_national(files(&[("own.cedar", policy)])))
}

fn baseline(policy: &str) -> (LoadError, String) {
    refused(&Layers {
        baseline: files(&[("own.cedar", policy)]),
        ..Layers::embedded()
    })
}

#[test]
fn the_compiled_in_policies_load_without_warnings() {
    let engine = Engine::embedded().expect("loads");
    assert_eq!(engine.warnings(), &[] as &[String]);
    assert!(engine.rules().values().all(|rule| !rule.basis.is_empty()));
}

#[test]
fn a_file_that_is_not_cedar_is_named() {
    let (error, text) = national("permit (principal, action, resource)");
    assert!(matches!(error, LoadError::Parse { .. }), "{text}");
    assert!(
        text.starts_with("parse policy file `national/own.cedar`: unexpected end of input"),
        "{text}"
    );
}

#[test]
fn a_file_that_is_not_text_is_named() {
    let file = PolicyFile::new("own.cedar", [0xff, 0xfe]);
    let (error, text) = refused(&Layers::embedded().with_national(LayerSource::Files(vec![file])));
    assert!(matches!(error, LoadError::NotText { .. }));
    assert!(text.contains("`national/own.cedar`"), "{text}");
}

#[test]
fn a_policy_that_does_not_fit_the_schema_is_named_with_the_diagnostic() {
    for (condition, cause) in [
        ("resource.colour == \"red\"", "attribute `colour`"),
        ("resource.tlp in [\"RED\", \"AMBER\"]", "unexpected type"),
        ("resource.level > \"3\"", "unexpected type"),
        ("principal in Class::\"observer\"", "Class::\"observer\""),
        ("principal in Team::\"x\"", "Team"),
        ("principal.getTag(\"DE\") >= 3", "tag"),
        ("resource.notTo == []", "empty set"),
        // One decision loads receiver, sender, item and originator, and no other peer.
        ("Peer::\"FR\".status == \"active\"", "literal"),
        ("Peer::\"FR\" in Class::\"member_state\"", "literal"),
    ] {
        let policy = format!("@id(\"N-1\") forbid (principal, action, resource) when {{ {condition} }};");
        let (error, text) = national(&policy);
        assert!(matches!(error, LoadError::Invalid { .. }), "{condition}: {text}");
        assert!(
            text.starts_with("validate rule `N-1` in `national/own.cedar`: "),
            "{text}"
        );
        assert!(text.contains(cause), "{condition}: {text}");
    }
}

#[test]
fn an_unknown_action_is_refused() {
    let (error, text) = national("@id(\"N-1\") forbid (principal, action == Action::\"share\", resource);");
    assert!(matches!(error, LoadError::Invalid { .. }), "{text}");
}

#[test]
fn a_template_is_refused() {
    let (error, text) = national("permit (principal == ?principal, action, resource);");
    assert!(matches!(error, LoadError::Template { .. }), "{text}");
}

#[test]
fn one_rule_id_twice_is_refused_within_a_file_and_across_files_and_layers() {
    let rule = "@id(\"N-1\") permit (principal, action, resource);";
    let duplicates = [
        Layers::embedded().with_national(files(&[("own.cedar", &rule.repeat(2))])),
        Layers::embedded().with_national(files(&[("b.cedar", rule), ("a.cedar", rule)])),
        Layers::embedded()
            .with_national(files(&[("a.cedar", rule)]))
            .with_intake(files(&[("b.cedar", rule)])),
        Layers::embedded().with_national(files(&[("a.cedar", &rule.replace("N-1", "R-08"))])),
    ];
    for layers in &duplicates {
        let (error, text) = refused(layers);
        assert!(matches!(error, LoadError::DuplicateRule { .. }), "{text}");
    }
    let (_, text) = refused(&duplicates[1]);
    assert_eq!(
        text,
        "rule id `N-1` is in `national/a.cedar` and again in `national/b.cedar`"
    );
}

#[test]
fn the_baseline_says_what_each_rule_is_and_rests_on() {
    let (error, text) = baseline("permit (principal, action, resource);");
    assert!(matches!(error, LoadError::NoRuleId { position: 1, .. }), "{text}");
    let (error, text) = baseline("@id(\"P-1\") permit (principal, action, resource);");
    assert!(
        matches!(
            error,
            LoadError::NoAnnotation {
                annotation: "reason",
                ..
            }
        ),
        "{text}"
    );
    let (error, text) = baseline("@id(\"P-1\") @reason(\"r\") permit (principal, action, resource);");
    assert!(
        matches!(
            error,
            LoadError::NoAnnotation {
                annotation: "basis",
                ..
            }
        ),
        "{text}"
    );
    let (error, text) = national("@id(\"\") permit (principal, action, resource);");
    assert!(matches!(error, LoadError::NoRuleId { .. }), "{text}");
}

#[test]
fn a_schema_that_is_not_one_is_refused() {
    let schema = PolicyFile::new("schema.cedarschema", "entity Peer = { code: Text };");
    let (error, text) = refused(&Layers {
        schema,
        ..Layers::embedded()
    });
    assert!(matches!(error, LoadError::Schema { .. }), "{text}");
    assert!(text.starts_with("read schema `schema.cedarschema`: "), "{text}");
}

#[test]
fn a_rule_that_can_never_apply_is_a_warning() {
    let text = "permit (principal, action, resource); @id(\"N-1\") forbid (principal, action, resource) when { resource has secrecy };";
    let engine = Engine::load(&Layers::embedded().with_national(files(&[("own.cedar", text)])))
        .expect("a warning, no error");
    assert!(
        engine.warnings().iter().any(|warning| warning.contains("N-1")),
        "{:?}",
        engine.warnings()
    );
}
