use serde_json::json;

use super::*;
use crate::label::{Level, Personal, Scope};

const RED: &str = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1";
const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";

fn report(marking: &str) -> Value {
    json!({
        "type": "report", "spec_version": "2.1", "id": "report--11111111-1111-4111-8111-111111111111",
        "modified": "2026-01-01T00:00:00.000Z", "name": "a title", "object_marking_refs": [marking],
    })
}

fn bundle(objects: Value) -> Value {
    json!({"type": "bundle", "id": "bundle--22222222-2222-4222-8222-222222222222", "objects": objects})
}

fn parse(value: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(value.to_string().into_bytes())
}

fn label(tlp: Tlp) -> Label {
    Label {
        level: Level::try_from(1).unwrap(),
        tlp,
        scope: Scope::Community,
        rel_to: Default::default(),
        rel_to_classes: Default::default(),
        not_to: Default::default(),
        communities: Default::default(),
        caveats: Default::default(),
        exercise: String::new(),
        personal: Personal::None,
        expires_at: 0,
        obligations: Default::default(),
        pap: None,
        national: None,
    }
}

#[test]
fn a_bundle_keeps_its_bytes_and_hides_its_content() {
    let value = bundle(json!([report(GREEN)]));
    let parsed = parse(&value).unwrap();
    assert_eq!(parsed.bytes(), value.to_string().as_bytes());
    assert_eq!(parsed.title(), "a title");
    assert!(!format!("{parsed:?}").contains("title"));
}

#[test]
fn a_label_weaker_than_an_object_is_refused_with_the_label_to_use() {
    let note = json!({
        "type": "note", "spec_version": "2.1", "id": "note--33333333-3333-4333-8333-333333333333",
        "object_marking_refs": [RED],
    });
    let mixed = parse(&bundle(json!([report(GREEN), note]))).unwrap();
    let refused = mixed.check_label(&label(Tlp::Amber)).unwrap_err();
    assert!(matches!(
        refused,
        BundleError::LabelTooWeak { inside: Tlp::Red, .. }
    ));
    assert!(mixed.check_label(&label(Tlp::Red)).is_ok());
}

#[test]
fn a_granular_marking_counts() {
    let mut object = report(GREEN);
    object["granular_markings"] = json!([{"marking_ref": RED, "selectors": ["name"]}]);
    let parsed = parse(&bundle(json!([object]))).unwrap();
    assert!(parsed.check_label(&label(Tlp::Green)).is_err());
}

#[test]
fn each_defect_is_named() {
    let mut old = report(GREEN);
    old["spec_version"] = json!("2.0");
    let mut unversioned = report(GREEN);
    unversioned.as_object_mut().unwrap().remove("spec_version");
    let mut wrong_id = report(GREEN);
    wrong_id["id"] = json!("note--11111111-1111-4111-8111-111111111111");
    let orange = json!({
        "type": "marking-definition", "spec_version": "2.1",
        "id": "marking-definition--44444444-4444-4444-8444-444444444444",
        "definition_type": "tlp", "definition": {"tlp": "orange"},
    });
    let dangling = report("marking-definition--55555555-5555-4555-8555-555555555555");

    assert!(matches!(
        parse(&bundle(json!([old]))),
        Err(BundleError::Version { .. })
    ));
    assert!(matches!(
        parse(&bundle(json!([unversioned]))),
        Err(BundleError::Version { .. })
    ));
    assert!(matches!(
        parse(&bundle(json!([wrong_id]))),
        Err(BundleError::Field { field: "id", .. })
    ));
    assert!(matches!(
        parse(&bundle(json!([report(GREEN), orange]))),
        Err(BundleError::UnknownTlp { .. })
    ));
    assert!(matches!(
        parse(&bundle(json!([dangling]))),
        Err(BundleError::UnknownMarking { .. })
    ));
    assert!(matches!(
        parse(&bundle(json!([report(GREEN), report(GREEN)]))),
        Err(BundleError::DuplicateId { .. })
    ));
    assert!(matches!(parse(&bundle(json!([]))), Err(BundleError::NoRoot)));
    assert!(matches!(
        parse(&json!({"type": "report"})),
        Err(BundleError::Field { field: "type", .. })
    ));
    assert!(matches!(
        Bundle::parse(vec![b' '; BUNDLE_BYTES_MAX + 1]),
        Err(BundleError::TooLarge { .. })
    ));
}

#[test]
fn two_versions_of_one_object_may_stand_side_by_side() {
    let mut newer = report(GREEN);
    newer["modified"] = json!("2026-02-01T00:00:00.000Z");
    assert!(parse(&bundle(json!([report(GREEN), newer]))).is_ok());
}

#[test]
fn an_observable_needs_no_version_and_unknown_types_pass() {
    let domain = json!({
        "type": "domain-name", "id": "domain-name--66666666-6666-4666-8666-666666666666", "value": "example.org",
    });
    let narrative = json!({
        "type": "narrative", "spec_version": "2.1", "id": "narrative--77777777-7777-4777-8777-777777777777",
        "name": "n", "x_surprise": [1, {"deep": true}],
    });
    assert_eq!(
        parse(&bundle(json!([report(GREEN), domain, narrative])))
            .unwrap()
            .object_count(),
        3
    );
}
