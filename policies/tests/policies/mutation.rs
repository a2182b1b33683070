//! Each rule is needed: without it, some case gets another answer.

use cedar_policy::PolicySet;

use testudo_policies::engine::Engine;
use testudo_policies::layers::{LayerSource, Layers, PolicyFile};

use crate::cases;

#[test]
fn without_any_one_rule_some_case_changes() {
    let files = cases::read_all();
    let complete = Engine::embedded().expect("the compiled-in policies load");
    let rules: Vec<&String> = complete
        .rules()
        .iter()
        .filter(|(_, rule)| rule.file.starts_with("baseline/"))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(rules.len(), 42, "7 permits and 35 prohibitions");

    let survivors: Vec<&String> = rules
        .into_iter()
        .filter(|rule| {
            let engine = Engine::load(&without(rule)).expect("one rule less still loads");
            assert_eq!(engine.rules().len() + 1, complete.rules().len(), "{rule}");
            files.iter().all(|file| file.case.check(&engine).is_ok())
        })
        .collect();
    assert!(
        survivors.is_empty(),
        "no case notices the absence of {survivors:?}"
    );
}

/// The compiled-in layers without one baseline policy.
fn without(rule: &str) -> Layers {
    let layers = Layers::embedded();
    let LayerSource::Files(files) = &layers.baseline else {
        panic!("the baseline is compiled in")
    };
    let files = files.iter().map(|file| {
        let text = std::str::from_utf8(&file.bytes).expect("UTF-8");
        let policies: PolicySet = text.parse().expect("Cedar");
        let kept: Vec<String> = policies
            .policies()
            .filter(|policy| policy.annotation("id") != Some(rule))
            .map(ToString::to_string)
            .collect();
        PolicyFile::new(file.name.clone(), kept.join("\n"))
    });
    Layers {
        baseline: LayerSource::Files(files.collect()),
        ..layers
    }
}
