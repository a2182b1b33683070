//! The answer to one question, with every reason.
//!
//! A decision is made by the engine and by nothing else: it has no public constructor and cannot be
//! deserialised, so that whoever holds one knows that the policies were asked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::layers::Layer;
use crate::policy_hash::PolicyHash;

/// Permit or deny; there is no third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every layer that was asked permits, and no policy failed.
    Permit,
    /// At least one layer does not permit, a policy failed, or the question was not understood.
    Deny,
}

/// The answer to one question.
///
/// Only the engine makes one:
///
/// ```compile_fail
/// let forged = testudo_policies::decision::Decision {
///     decision: testudo_policies::decision::Verdict::Permit,
///     ..unreachable!()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    decision: Verdict,
    rules: Vec<String>,
    layers: BTreeMap<Layer, LayerDecision>,
    errors: Vec<String>,
    policy_hash: PolicyHash,
    default: bool,
    /// In `errors` with what Cedar says, which may repeat values; here by id alone, for the record.
    #[serde(skip)]
    failed: Vec<String>,
}

/// What one layer answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerDecision {
    decision: Verdict,
    rules: Vec<String>,
}

/// The answer of one layer before it is joined with the others.
pub(crate) struct LayerAnswer {
    pub(crate) verdict: Verdict,
    /// Satisfied permits of a permit, satisfied prohibitions of a denial.
    pub(crate) rules: BTreeSet<String>,
    pub(crate) errors: Vec<String>,
    /// Ids of the policies that could not be evaluated.
    pub(crate) failed: BTreeSet<String>,
}

impl Decision {
    /// Joins the layers: one denial denies, and a denial lists the prohibitions of all of them.
    ///
    /// A permit lists the permits of the first layer asked, which is the baseline unless intake was
    /// asked alone: the layers after it only restrict, so their permits are no grounds.
    pub(crate) fn join(answers: BTreeMap<Layer, LayerAnswer>, policy_hash: PolicyHash) -> Self {
        let permitted =
            !answers.is_empty() && answers.values().all(|answer| answer.verdict == Verdict::Permit);
        let rules: BTreeSet<String> = if permitted {
            answers
                .values()
                .next()
                .map(|first| first.rules.clone())
                .unwrap_or_default()
        } else {
            answers
                .values()
                .filter(|answer| answer.verdict == Verdict::Deny)
                .flat_map(|answer| answer.rules.iter().cloned())
                .collect()
        };
        let mut errors = Vec::new();
        let mut failed = Vec::new();
        let mut layers = BTreeMap::new();
        for (layer, answer) in answers {
            failed.extend(answer.failed);
            errors.extend(answer.errors.into_iter().map(|error| format!("{layer}: {error}")));
            let rules = answer.rules.into_iter().collect();
            layers.insert(
                layer,
                LayerDecision {
                    decision: answer.verdict,
                    rules,
                },
            );
        }
        Self {
            decision: if permitted { Verdict::Permit } else { Verdict::Deny },
            default: !permitted && rules.is_empty(),
            rules: rules.into_iter().collect(),
            layers,
            errors,
            policy_hash,
            failed,
        }
    }

    /// A denial without asking: the question itself is not understood.
    pub(crate) fn refuse(errors: Vec<String>, policy_hash: PolicyHash) -> Self {
        Self {
            decision: Verdict::Deny,
            rules: Vec::new(),
            layers: BTreeMap::new(),
            errors,
            policy_hash,
            default: true,
            failed: Vec::new(),
        }
    }

    /// Permit or deny.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.decision
    }

    /// Whether every layer that was asked permits.
    #[must_use]
    pub fn is_permit(&self) -> bool {
        self.decision == Verdict::Permit
    }

    /// Ids of the satisfied permits of a permit or the satisfied prohibitions of a denial, sorted.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        &self.rules
    }

    /// What each layer that was asked answered.
    #[must_use]
    pub const fn layers(&self) -> &BTreeMap<Layer, LayerDecision> {
        &self.layers
    }

    /// Why the question or a policy could not be evaluated; a decision with errors is a denial.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Ids of the policies that could not be evaluated, for the audit record.
    #[must_use]
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// The policies behind this decision.
    #[must_use]
    pub const fn policy_hash(&self) -> PolicyHash {
        self.policy_hash
    }

    /// Whether this is a denial that no prohibition explains: nothing permits it.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.default
    }
}

impl LayerDecision {
    /// Permit or deny.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.decision
    }

    /// Ids of the layer's satisfied permits or prohibitions, sorted.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layers;

    fn join(answers: &[(Layer, Verdict, &[&str])]) -> Decision {
        let answers = answers.iter().map(|(layer, verdict, rules)| {
            let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
            (
                *layer,
                LayerAnswer {
                    verdict: *verdict,
                    rules,
                    errors: Vec::new(),
                    failed: BTreeSet::new(),
                },
            )
        });
        Decision::join(answers.collect(), PolicyHash::of(&Layers::embedded()))
    }

    #[test]
    fn a_permit_names_the_grounds_and_not_the_default_layers() {
        let decision = join(&[
            (Layer::National, Verdict::Permit, &["NATIONAL-DEFAULT"]),
            (Layer::Baseline, Verdict::Permit, &["P-LISTED", "P-COMMUNITY"]),
        ]);
        assert!(decision.is_permit() && !decision.is_default());
        assert_eq!(decision.rules(), ["P-COMMUNITY", "P-LISTED"]);
    }

    #[test]
    fn a_denial_names_prohibitions_of_all_layers_and_no_permit() {
        let decision = join(&[
            (Layer::Baseline, Verdict::Deny, &["R-08"]),
            (Layer::National, Verdict::Deny, &["N-1"]),
            (Layer::Intake, Verdict::Permit, &["INTAKE-DEFAULT"]),
        ]);
        assert_eq!(
            (decision.verdict(), decision.rules()),
            (Verdict::Deny, &["N-1".to_owned(), "R-08".to_owned()][..])
        );
        assert!(!decision.is_default());
    }

    #[test]
    fn asking_nobody_is_a_denial() {
        let decision = join(&[]);
        assert!(!decision.is_permit() && decision.is_default());
    }

    #[test]
    fn the_answer_has_the_names_of_the_contract() {
        let decision = join(&[(Layer::Baseline, Verdict::Permit, &["P-PUBLIC"])]);
        let value = serde_json::to_value(&decision).expect("serialises");
        assert_eq!(value["decision"], "permit");
        assert_eq!(
            value["layers"]["baseline"],
            serde_json::json!({"decision": "permit", "rules": ["P-PUBLIC"]})
        );
        assert_eq!(value["policyHash"], decision.policy_hash().to_string());
        assert_eq!(
            (&value["errors"], &value["default"]),
            (&serde_json::json!([]), &serde_json::json!(false))
        );
    }
}
