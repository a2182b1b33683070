//! Layers can only restrict, and whatever goes wrong in one of them is a denial.

use serde_json::{Value, json};

use testudo_policies::decision::{Decision, Verdict};
use testudo_policies::engine::{Asked, Engine};
use testudo_policies::explain::Language;
use testudo_policies::layers::{Layer, LayerSource, Layers, PolicyFile};
use testudo_policies::request::Request;

use crate::cases;

const ALLOW_ALL: &str = "permit (principal, action, resource);";

pub fn files(files: &[(&str, &str)]) -> LayerSource {
    LayerSource::Files(
        files
            .iter()
            .map(|(name, text)| PolicyFile::new(*name, *text))
            .collect(),
    )
}

fn national(text: &str) -> Engine {
    Engine::load(&Layers::embedded().with_national(files(&[("own.cedar", text)]))).expect("the overlay loads")
}

fn peer(code: &str) -> Value {
    json!({
        "code": code, "cls": "member_state", "status": "active", "euMember": true,
        "accreditedLevel": 2, "soiLevel": 2, "activeSponsors": 0, "transferBasis": true,
        "communities": ["ras"], "exercises": [], "caps": ["expiry"], "tags": {}
    })
}

fn request() -> Value {
    json!({
        "peers": [peer("DE"), peer("FR"), peer("SE")], "action": "release", "receiver": "FR",
        "assessment": {
            "originator": "DE", "labelOk": true, "level": 1, "tlp": "GREEN", "scope": "COMMUNITY",
            "relTo": [], "relToClasses": [], "notTo": [], "communities": [], "caveats": [],
            "consent": [], "exercise": "", "personal": "none", "expiresAt": 1_798_286_400,
            "obligations": []
        },
        "context": {
            "sender": "DE", "now": 1_795_694_400, "charterFresh": true, "charterForked": false,
            "channel": "live", "cryptoLevel": 2, "purpose": "situational-awareness",
            "priority": "routine"
        }
    })
}

fn decide(engine: &Engine, request: &Value) -> Decision {
    engine.answer_value(request, Asked::Everything)
}

fn verdicts(decision: &Decision) -> Vec<(Layer, Verdict)> {
    decision
        .layers()
        .iter()
        .map(|(layer, answer)| (*layer, answer.verdict()))
        .collect()
}

#[test]
fn a_national_permit_cannot_widen_the_baseline() {
    let engine = national("@id(\"N-1\") permit (principal, action, resource);");
    for file in cases::read_all() {
        file.case
            .check(&engine)
            .unwrap_or_else(|failure| panic!("{}: {failure}", file.path.display()));
    }
}

#[test]
fn a_national_prohibition_narrows_and_is_listed_with_the_baseline() {
    let engine = national(&format!(
        "{ALLOW_ALL} @id(\"N-NO-FR\") @reason(\"Not to FR.\")\nforbid (principal == Peer::\"FR\", action, resource);"
    ));
    let mut request = request();
    let decision = decide(&engine, &request);
    assert_eq!(decision.rules(), ["N-NO-FR"]);
    assert_eq!(
        verdicts(&decision),
        [
            (Layer::Baseline, Verdict::Permit),
            (Layer::National, Verdict::Deny),
            (Layer::Intake, Verdict::Permit)
        ]
    );
    assert_eq!(engine.explain(&decision, Language::German), ["Not to FR."]);

    request["assessment"]["notTo"] = json!(["FR"]);
    assert_eq!(decide(&engine, &request).rules(), ["N-NO-FR", "R-08"]);
    request["receiver"] = json!("SE");
    assert!(decide(&engine, &request).is_permit());
}

#[test]
fn a_national_whitelist_denies_the_others_by_default() {
    let engine = national("permit (principal == Peer::\"SE\", action, resource);");
    let decision = decide(&engine, &request());
    assert!(decision.is_default() && decision.rules().is_empty() && decision.errors().is_empty());
    assert_eq!(engine.explain(&decision, Language::English).len(), 1);

    let mut to_sweden = request();
    to_sweden["receiver"] = json!("SE");
    let decision = decide(&engine, &to_sweden);
    assert_eq!(decision.rules(), ["P-COMMUNITY"]);
    assert_eq!(
        decision.layers()[&Layer::National].rules(),
        ["national/own.cedar#1"]
    );
}

#[test]
fn intake_is_asked_apart() {
    let refuse = format!(
        "{ALLOW_ALL} @id(\"I-1\") forbid (principal, action, resource) when {{ resource.tlp == \"GREEN\" }};"
    );
    let engine =
        Engine::load(&Layers::embedded().with_intake(files(&[("intake.cedar", &refuse)]))).expect("loads");
    let request = Request::from_json(&request()).expect("a request");

    let sending = engine.decide_asking(&request, Asked::Sending);
    assert_eq!((sending.is_permit(), sending.layers().len()), (true, 2));
    let intake = engine.decide_asking(&request, Asked::Intake);
    assert_eq!(
        (intake.rules(), intake.layers().len()),
        (&["I-1".to_owned()][..], 1)
    );
    assert_eq!(engine.decide(&request).rules(), ["I-1"]);
}

/// Overflow passes validation and fails when it is evaluated.
const OVERFLOW: &str = "context.now + 9223372036854775807 > 0";

#[test]
fn a_prohibition_that_fails_denies_in_every_layer() {
    let failing = format!(
        "@id(\"FAILS\") @reason(\"r.\") @basis(\"b\") forbid (principal, action, resource) when {{ {OVERFLOW} }};"
    );
    let both = format!("{ALLOW_ALL}\n{failing}");
    let embedded = Layers::embedded();
    let LayerSource::Files(mut baseline) = embedded.baseline.clone() else {
        panic!("compiled in")
    };
    baseline.push(PolicyFile::new("failing.cedar", failing));
    let variants = [
        Layers {
            baseline: LayerSource::Files(baseline),
            ..embedded.clone()
        },
        embedded.clone().with_national(files(&[("failing.cedar", &both)])),
        embedded.with_intake(files(&[("failing.cedar", &both)])),
    ];
    for (layers, layer) in variants.iter().zip(["baseline", "national", "intake"]) {
        let engine = Engine::load(layers).expect("overflow is not seen at load");
        let decision = decide(&engine, &request());
        assert!(!decision.is_permit() && decision.rules().is_empty(), "{layer}");
        let [error] = decision.errors() else {
            panic!("one error: {:?}", decision.errors())
        };
        assert!(error.starts_with(layer) && error.contains("FAILS"), "{error}");
        assert_eq!(engine.explain(&decision, Language::French).len(), 1);
    }
}

#[test]
fn a_permit_that_fails_denies_although_another_permits() {
    let engine = national(&format!(
        "{ALLOW_ALL} @id(\"FAILS\") permit (principal, action, resource) when {{ {OVERFLOW} }};"
    ));
    let decision = decide(&engine, &request());
    assert!(!decision.is_permit());
    assert!(decision.errors()[0].contains("FAILS"));
}

#[test]
fn an_empty_or_unreadable_layer_releases_nothing_and_says_so() {
    let embedded = Layers::embedded;
    let only_a_comment = files(&[("empty.cedar", "// nothing yet\n")]);
    for (layers, said) in [
        (
            Layers {
                baseline: files(&[]),
                ..embedded()
            },
            "baseline: policy set is empty",
        ),
        (
            embedded().with_national(files(&[])),
            "national: policy set is empty",
        ),
        (
            embedded().with_national(only_a_comment),
            "national: policy set is empty",
        ),
        (embedded().with_intake(files(&[])), "intake: policy set is empty"),
        (
            embedded().with_national(LayerSource::Unreadable("permission denied".to_owned())),
            "national: policies are unreadable, nothing is released: permission denied",
        ),
    ] {
        let engine = Engine::load(&layers).expect("an empty layer is not an error");
        for file in cases::read_all()
            .iter()
            .filter(|file| file.case.expect.error.is_none())
        {
            let decision = decide(&engine, &file.case.request);
            assert!(!decision.is_permit(), "{}", file.path.display());
            assert!(decision.errors()[0].starts_with(said), "{:?}", decision.errors());
        }
    }
}

#[test]
fn the_hash_changes_with_any_layer() {
    let embedded = Engine::embedded().expect("loads");
    let other = national(ALLOW_ALL);
    assert_ne!(embedded.policy_hash(), other.policy_hash());
    assert_eq!(embedded.baseline_hash(), other.baseline_hash());
    assert_eq!(decide(&other, &request()).policy_hash(), other.policy_hash());
}

#[test]
fn one_item_for_many_receivers_is_many_single_questions() {
    let engine = Engine::embedded().expect("loads");
    for file in cases::read_all() {
        let Ok(request) = Request::from_json(&file.case.request) else {
            continue;
        };
        let prepared = engine.prepare(&request.peers).expect("the peers of a case");
        let item = prepared.item(&request.assessment, &request.context);
        for receiver in prepared.codes() {
            let single = Request {
                receiver: receiver.to_owned(),
                ..request.clone()
            };
            assert_eq!(
                item.decide(request.action, receiver, Asked::Everything),
                engine.decide(&single)
            );
        }
    }
}

#[test]
fn the_same_peer_twice_is_one_peer_unless_it_differs() {
    let engine = Engine::embedded().expect("loads");
    let mut twice = request();
    twice["peers"] = json!([peer("DE"), peer("FR"), peer("FR")]);
    assert!(decide(&engine, &twice).is_permit());
    twice["peers"][2]["status"] = json!("suspended");
    let decision = decide(&engine, &twice);
    assert!(!decision.is_permit());
    assert_eq!(decision.errors(), ["peer `FR` is given twice and differs"]);
}
