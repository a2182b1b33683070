//! The bare Cedar loop that the benchmark holds the engine against.
//!
//! Policies of the layers that a sender asks in one set, entities and requests prebuilt, one evaluation for
//! each receiver, and nothing done with the answers but counting permits. Not for decisions: layers that
//! share a set are not AND-ed.

use cedar_policy::{Authorizer, Decision, Entities, PolicySet, Request as CedarRequest};

use crate::engine::{Engine, chain};
use crate::layers::Layer;
use crate::policy_set::PolicyLayer;
use crate::request::{Assessment, Context, Peer};
use crate::vocabulary::Action;

/// Prebuilt requests, one for each peer.
pub struct BareLoop {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<CedarRequest>,
}

impl BareLoop {
    /// Prebuilds everything.
    ///
    /// # Errors
    /// What Cedar says about peers, item or policies, with its causes.
    pub fn new(
        engine: &Engine,
        peers: &[Peer],
        action: Action,
        assessment: &Assessment,
        context: &Context,
    ) -> Result<Self, String> {
        let names = engine.names();
        let mut policies = PolicySet::new();
        for layer in [Layer::Baseline, Layer::National] {
            if let Some(PolicyLayer::Ready(set)) = engine.layer(layer) {
                for policy in set.policies() {
                    policies.add(policy.clone()).map_err(|error| chain(&error))?;
                }
            }
        }
        let mut all = vec![names.item_entity(assessment).map_err(|error| chain(&error))?];
        for peer in peers {
            all.push(names.peer_entity(peer).map_err(|error| chain(&error))?);
        }
        let entities = Entities::from_entities(all, Some(engine.schema())).map_err(|error| chain(&error))?;
        let request = |peer: &Peer| {
            let context = names.context(context).map_err(|error| chain(&error))?;
            let (receiver, action, item) = (names.peer(&peer.code), names.action(action), names.item());
            CedarRequest::new(receiver, action, item, context, Some(engine.schema()))
                .map_err(|error| chain(&error))
        };
        Ok(Self {
            authorizer: Authorizer::new(),
            policies,
            entities,
            requests: peers.iter().map(request).collect::<Result<_, _>>()?,
        })
    }

    /// Evaluates every request and counts the permits.
    #[must_use]
    pub fn run(&self) -> usize {
        self.requests
            .iter()
            .filter(|request| {
                let response = self
                    .authorizer
                    .is_authorized(request, &self.policies, &self.entities);
                response.decision() == Decision::Allow
            })
            .count()
    }
}
