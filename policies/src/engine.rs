//! The engine: loaded policies that answer questions.
//!
//! An engine is immutable. A hub that activates new policies loads a new engine and swaps it in; if
//! the load fails, the old one simply stays. Cloning is cheap.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, Request as CedarRequest, Schema};

use crate::decision::{Decision, LayerAnswer, Verdict};
use crate::distinctions::Distinctions;
use crate::entities::Names;
use crate::explain::{Language, Sentences};
use crate::layers::{Layer, Layers};
use crate::marking_table::MarkingTables;
use crate::policy_hash::PolicyHash;
use crate::policy_set::{self, LoadError, PolicyLayer, Rule};
use crate::prepared::{PrepareError, Prepared};
use crate::request::{Peer, Request};

/// Which layers a question goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Baseline and national: preview, release, forward and serving at the acting hub.
    Sending,
    /// Intake alone: the receiving hub, for what has arrived.
    Intake,
    /// All three.
    Everything,
}

impl Asked {
    const fn layers(self) -> &'static [Layer] {
        match self {
            Self::Sending => &[Layer::Baseline, Layer::National],
            Self::Intake => &[Layer::Intake],
            Self::Everything => &[Layer::Baseline, Layer::National, Layer::Intake],
        }
    }
}

/// Loaded and validated policies of all layers.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    authorizer: Authorizer,
    schema: Schema,
    names: Names,
    layers: BTreeMap<Layer, PolicyLayer>,
    distinctions: Distinctions,
    markings: MarkingTables,
    rules: BTreeMap<String, Rule>,
    sentences: Sentences,
    warnings: Vec<String>,
    policy_hash: PolicyHash,
    baseline_hash: PolicyHash,
}

impl Engine {
    /// Loads and validates every layer; all of it is accepted, or nothing.
    ///
    /// An empty or unreadable layer is accepted and denies everything.
    ///
    /// # Errors
    /// [`LoadError`] names the file or the rule id that is not accepted.
    pub fn load(layers: &Layers) -> Result<Self, LoadError> {
        let loaded = policy_set::load(layers)?;
        let names = Names::parse().map_err(|source| LoadError::Names { source })?;
        Ok(Self {
            inner: Arc::new(Inner {
                authorizer: Authorizer::new(),
                schema: loaded.schema,
                names,
                layers: loaded.layers,
                distinctions: loaded.distinctions,
                markings: MarkingTables::load(&layers.labels)?,
                rules: loaded.rules,
                sentences: Sentences::embedded()?,
                warnings: loaded.warnings,
                policy_hash: PolicyHash::of(layers),
                baseline_hash: PolicyHash::of_baseline(layers),
            }),
        })
    }

    /// The engine on the compiled-in policies.
    ///
    /// # Errors
    /// [`LoadError`], which would mean that this build is broken.
    pub fn embedded() -> Result<Self, LoadError> {
        Self::load(&Layers::embedded())
    }

    /// Answers one question with all three layers.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        self.decide_asking(request, Asked::Everything)
    }

    /// Answers one question with the layers that are asked.
    #[must_use]
    pub fn decide_asking(&self, request: &Request, asked: Asked) -> Decision {
        match self.prepare(&request.peers) {
            Ok(prepared) => prepared.item(&request.assessment, &request.context).decide(
                request.action,
                &request.receiver,
                asked,
            ),
            Err(error) => self.refuse(vec![chain(&error)]),
        }
    }

    /// Reads the peers of one directory version, to ask about them many times.
    ///
    /// # Errors
    /// [`PrepareError`] if one code stands for two different peers, or a peer does not fit the schema.
    pub fn prepare(&self, peers: &[Peer]) -> Result<Prepared, PrepareError> {
        Prepared::new(self.clone(), peers)
    }

    /// The hash of the schema and all layers.
    #[must_use]
    pub fn policy_hash(&self) -> PolicyHash {
        self.inner.policy_hash
    }

    /// The hash of the schema and the baseline, to be compared with the charter's.
    #[must_use]
    pub fn baseline_hash(&self) -> PolicyHash {
        self.inner.baseline_hash
    }

    /// Every loaded rule by its id.
    #[must_use]
    pub fn rules(&self) -> &BTreeMap<String, Rule> {
        &self.inner.rules
    }

    /// What validation accepted but an operator should look at, such as a rule that can never apply.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// The sentence that explains one rule to people, in their language or else in English.
    #[must_use]
    pub fn sentence(&self, rule: &str, language: Language) -> String {
        self.inner
            .sentences
            .of_rule(rule, self.inner.rules.get(rule), language)
    }

    /// One sentence per rule of a decision; a denial that no rule explains has a sentence of its own.
    #[must_use]
    pub fn explain(&self, decision: &Decision, language: Language) -> Vec<String> {
        if !decision.errors().is_empty() {
            let failed = self.inner.sentences.of_errors(language);
            let rules = decision.rules().iter().map(|rule| self.sentence(rule, language));
            return rules.chain([failed]).collect();
        }
        if decision.is_default() {
            return vec![self.inner.sentences.of_default(language)];
        }
        decision
            .rules()
            .iter()
            .map(|rule| self.sentence(rule, language))
            .collect()
    }

    /// The layers that have no policies to ask and deny everything, each with the reason.
    #[must_use]
    pub fn closed(&self) -> Vec<String> {
        let layers = self.inner.layers.iter();
        layers
            .filter_map(|(layer, policies)| match policies {
                PolicyLayer::Closed(reason) => Some(format!("{layer}: {reason}")),
                PolicyLayer::Ready(_) => None,
            })
            .collect()
    }

    /// The marking tables of all authorities.
    #[must_use]
    pub fn markings(&self) -> &MarkingTables {
        &self.inner.markings
    }

    /// Whom the loaded policies tell apart.
    pub(crate) fn distinctions(&self) -> &Distinctions {
        &self.inner.distinctions
    }

    #[cfg(feature = "bare")]
    pub(crate) fn layer(&self, layer: Layer) -> Option<&PolicyLayer> {
        self.inner.layers.get(&layer)
    }

    pub(crate) fn names(&self) -> &Names {
        &self.inner.names
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    pub(crate) fn refuse(&self, errors: Vec<String>) -> Decision {
        Decision::refuse(errors, self.policy_hash())
    }

    /// Asks each layer apart and joins the answers.
    pub(crate) fn ask(&self, asked: Asked, request: &CedarRequest, entities: &Entities) -> Decision {
        let answers = asked
            .layers()
            .iter()
            .map(|layer| (*layer, self.ask_layer(*layer, request, entities)));
        Decision::join(answers.collect(), self.policy_hash())
    }

    fn ask_layer(&self, layer: Layer, request: &CedarRequest, entities: &Entities) -> LayerAnswer {
        let policies = match self.inner.layers.get(&layer) {
            Some(PolicyLayer::Ready(policies)) => policies,
            Some(PolicyLayer::Closed(reason)) => return LayerAnswer::closed(reason.clone()),
            None => return LayerAnswer::closed("policies are not loaded, nothing is released".to_owned()),
        };
        let response = self.inner.authorizer.is_authorized(request, policies, entities);
        let diagnostics = response.diagnostics();
        let mut errors: Vec<String> = diagnostics.errors().map(|error| chain(error)).collect();
        errors.sort();
        let failed = diagnostics.errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        });
        let failed: BTreeSet<String> = failed.collect();
        let rules = diagnostics.reason().map(ToString::to_string);

        match response.decision() {
            // Cedar skips a policy that fails, a prohibition too: a permit beside a failure is no permit.
            cedar_policy::Decision::Allow if !errors.is_empty() => LayerAnswer {
                verdict: Verdict::Deny,
                rules: BTreeSet::new(),
                errors,
                failed,
            },
            cedar_policy::Decision::Allow => LayerAnswer {
                verdict: Verdict::Permit,
                rules: rules.collect(),
                errors,
                failed,
            },
            cedar_policy::Decision::Deny => LayerAnswer {
                verdict: Verdict::Deny,
                rules: rules.collect(),
                errors,
                failed,
            },
        }
    }
}

impl LayerAnswer {
    fn closed(reason: String) -> Self {
        Self {
            verdict: Verdict::Deny,
            rules: BTreeSet::new(),
            errors: vec![reason],
            failed: BTreeSet::new(),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("policy_hash", &self.inner.policy_hash)
            .field("rules", &self.inner.rules.len())
            .finish()
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
