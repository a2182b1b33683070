//! Many questions about the same peers: one directory version, one item, every receiver.
//!
//! Preview, release and serving ask here, so that they cannot differ. Peers become entities once per
//! directory version, the item once per item; each receiver then costs one evaluation. The entities of
//! one decision are receiver, sender, originator and item: validation at load refuses a policy that
//! would look at any other.
//!
//! Receivers that the policies cannot tell apart share one evaluation: a federation of a thousand hubs
//! has a dozen kinds of them. From the second evaluation of an item on, its entities are those of the whole
//! directory, joined with the item once: by the same validation, a policy cannot see the difference.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Context as CedarContext, ContextCreationError, Entities, Entity, EntityAttrEvaluationError,
    Request as CedarRequest, entities_errors::EntitiesError,
};

use crate::decision::Decision;
use crate::engine::{Asked, Engine, chain};
use crate::request::{Assessment, Context, Peer};
use crate::vocabulary::Action;

/// Why peers cannot be asked about.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// One code stands for two peers that differ.
    #[error("peer `{code}` is given twice and differs")]
    Duplicate {
        /// The code.
        code: String,
    },
    /// A peer's attributes are not Cedar values.
    #[error("read the attributes of peer `{code}`")]
    Attributes {
        /// The code.
        code: String,
        /// What Cedar found.
        #[source]
        source: Box<EntityAttrEvaluationError>,
    },
    /// The peers do not fit the schema.
    #[error("check the peers against the schema")]
    Schema {
        /// What Cedar found.
        #[source]
        source: Box<EntitiesError>,
    },
}

/// The peers of one directory version, ready to be asked about.
#[derive(Clone)]
pub struct Prepared {
    engine: Engine,
    peers: BTreeMap<String, Known>,
    /// All peers at once, checked against the schema.
    directory: Entities,
}

/// One peer, and the number that it shares with all peers that differ from it in nothing but the code.
#[derive(Clone)]
struct Known {
    entity: Entity,
    kind: usize,
    /// Whether no other peer is of this kind: then there is nobody to share an answer with.
    is_alone: bool,
}

/// One item under one set of circumstances, ready to be asked about for each receiver.
pub struct Item<'a> {
    prepared: &'a Prepared,
    facts: Result<Facts, Vec<String>>,
    decided: RefCell<BTreeMap<Alike, Decision>>,
    /// The action for which the context has been checked against the schema.
    checked: Cell<Option<Action>>,
    has_been_asked: Cell<bool>,
    /// The directory and the item, built for the second evaluation.
    everybody: OnceCell<Option<Entities>>,
}

/// All that the policies can see of a receiver whom none of them tells apart.
///
/// INVARIANT (alike receivers, equal answers): two receivers with one value of this get one decision. Why
/// that holds stands in `distinctions.rs`; the property test asks each receiver apart, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    action: Action,
    asked: Asked,
    kind: usize,
    is_named: bool,
    is_excluded: bool,
    has_consent: bool,
}

/// What all receivers of one item share.
struct Facts {
    /// Item, sender and originator, checked against the schema.
    entities: Entities,
    item: Entity,
    context: CedarContext,
    sender: String,
    originator: String,
    rel_to: BTreeSet<String>,
    not_to: BTreeSet<String>,
    consent: BTreeSet<String>,
}

/// Why an item cannot be asked about.
#[derive(Debug, thiserror::Error)]
enum ItemError {
    #[error("read the attributes of the item")]
    Attributes(#[source] Box<EntityAttrEvaluationError>),
    #[error("read the context")]
    Context(#[source] Box<ContextCreationError>),
    #[error("check the item against the schema")]
    Schema(#[source] Box<EntitiesError>),
}

impl Prepared {
    pub(crate) fn new(engine: Engine, peers: &[Peer]) -> Result<Self, PrepareError> {
        let mut known: BTreeMap<&str, &Peer> = BTreeMap::new();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut entities = BTreeMap::new();
        for peer in peers {
            if known.insert(&peer.code, peer).is_some_and(|other| other != peer) {
                return Err(PrepareError::Duplicate {
                    code: peer.code.clone(),
                });
            }
            let entity = engine
                .names()
                .peer_entity(peer)
                .map_err(|source| PrepareError::Attributes {
                    code: peer.code.clone(),
                    source,
                })?;
            let next = kinds.len();
            let kind = *kinds.entry(without_code(peer)).or_insert(next);
            let known = Known {
                entity,
                kind,
                is_alone: false,
            };
            entities.insert(peer.code.clone(), known);
        }
        let mut members: BTreeMap<usize, usize> = BTreeMap::new();
        for known in entities.values() {
            *members.entry(known.kind).or_default() += 1;
        }
        for known in entities.values_mut() {
            known.is_alone = members.get(&known.kind) == Some(&1);
        }
        let all = entities.values().map(|known| known.entity.clone());
        let directory = Entities::from_entities(all, Some(engine.schema()));
        let directory = directory.map_err(|source| PrepareError::Schema {
            source: Box::new(source),
        })?;
        Ok(Self {
            engine,
            peers: entities,
            directory,
        })
    }

    /// The codes of the peers, sorted.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.peers.keys().map(String::as_str)
    }

    /// Reads one item under one set of circumstances, to ask about many receivers.
    ///
    /// What is wrong with either is told in the errors of every decision about it.
    #[must_use]
    pub fn item(&self, assessment: &Assessment, context: &Context) -> Item<'_> {
        Item {
            prepared: self,
            facts: self.facts(assessment, context),
            decided: RefCell::new(BTreeMap::new()),
            checked: Cell::new(None),
            has_been_asked: Cell::new(false),
            everybody: OnceCell::new(),
        }
    }

    /// Answers one question with the layers that are asked.
    #[must_use]
    pub fn decide(
        &self,
        action: Action,
        receiver: &str,
        assessment: &Assessment,
        context: &Context,
        asked: Asked,
    ) -> Decision {
        self.item(assessment, context).decide(action, receiver, asked)
    }

    fn facts(&self, assessment: &Assessment, context: &Context) -> Result<Facts, Vec<String>> {
        let sender = self
            .peers
            .get(&context.sender)
            .ok_or_else(|| unknown("sender", &context.sender));
        let originator = self
            .peers
            .get(&assessment.originator)
            .ok_or_else(|| unknown("originator", &assessment.originator));
        match (sender, originator) {
            (Ok(sender), Ok(originator)) => {
                let item = self
                    .engine
                    .names()
                    .item_entity(assessment)
                    .map_err(|source| vec![chain(&ItemError::Attributes(source))])?;
                Ok(Facts {
                    entities: self
                        .shared(&item, [&sender.entity, &originator.entity])
                        .map_err(|error| vec![chain(&error)])?,
                    item,
                    context: self
                        .engine
                        .names()
                        .context(context)
                        .map_err(|source| vec![chain(&ItemError::Context(source))])?,
                    sender: context.sender.clone(),
                    originator: assessment.originator.clone(),
                    rel_to: assessment.rel_to.clone(),
                    not_to: assessment.not_to.clone(),
                    consent: assessment.consent.clone(),
                })
            }
            (sender, originator) => Err(sender.err().into_iter().chain(originator.err()).collect()),
        }
    }

    fn shared(&self, item: &Entity, peers: [&Entity; 2]) -> Result<Entities, ItemError> {
        // Sender and originator are often one peer; Cedar takes the same entity twice as one.
        let entities = peers.into_iter().chain([item]).cloned();
        Entities::from_entities(entities, Some(self.engine.schema()))
            .map_err(|source| ItemError::Schema(Box::new(source)))
    }
}

impl Item<'_> {
    /// Answers for one receiver; for publish and downgrade, for the acting peer.
    #[must_use]
    pub fn decide(&self, action: Action, receiver: &str, asked: Asked) -> Decision {
        let Some(alike) = self.alike(action, receiver, asked) else {
            return self.decide_apart(action, receiver, asked);
        };
        if let Some(decision) = self.decided.borrow().get(&alike) {
            return decision.clone();
        }
        let decision = self.decide_apart(action, receiver, asked);
        // An error may name its receiver, so it is nobody else's answer.
        if decision.errors().is_empty() {
            self.decided.borrow_mut().insert(alike, decision.clone());
        }
        decision
    }

    /// How many evaluations are shared so far: one for each kind of receiver that was asked about.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.decided.borrow().len()
    }

    /// The same, evaluated for this receiver alone: what [`Self::decide`] must always equal.
    #[must_use]
    pub fn decide_apart(&self, action: Action, receiver: &str, asked: Asked) -> Decision {
        let engine = &self.prepared.engine;
        let answer = match &self.facts {
            Ok(facts) => self.evaluate(facts, action, receiver, asked),
            Err(errors) => Err(errors.clone()),
        };
        answer.unwrap_or_else(|errors| engine.refuse(errors))
    }

    /// What the policies see of a receiver, if none of them tells it apart.
    fn alike(&self, action: Action, receiver: &str, asked: Asked) -> Option<Alike> {
        let facts = self.facts.as_ref().ok()?;
        let known = self.prepared.peers.get(receiver)?;
        let is_apart = receiver == facts.sender
            || receiver == facts.originator
            || self.prepared.engine.distinctions().sets_apart(receiver);
        (!is_apart && !known.is_alone).then(|| Alike {
            action,
            asked,
            kind: known.kind,
            is_named: facts.rel_to.contains(receiver),
            is_excluded: facts.not_to.contains(receiver),
            has_consent: facts.consent.contains(receiver),
        })
    }

    fn evaluate(
        &self,
        facts: &Facts,
        action: Action,
        receiver: &str,
        asked: Asked,
    ) -> Result<Decision, Vec<String>> {
        let engine = &self.prepared.engine;
        let Some(Known { entity, .. }) = self.prepared.peers.get(receiver) else {
            return Err(vec![unknown("receiver", receiver)]);
        };
        // One question needs no more than its own entities; many share those of the whole directory.
        let everybody = self
            .has_been_asked
            .replace(true)
            .then(|| self.everybody(facts))
            .flatten();
        let mut own;
        let entities = match everybody {
            Some(everybody) => everybody,
            None => {
                own = facts.entities.clone();
                if receiver != facts.sender && receiver != facts.originator {
                    // Checked against the schema when the peers were read.
                    own = own
                        .add_entities([entity.clone()], None)
                        .map_err(|error| vec![chain(&error)])?;
                }
                &own
            }
        };
        // Receivers are all of one type, so one check of action, item and context is a check for all of them.
        let is_checked = self.checked.get() == Some(action);
        let request = CedarRequest::new(
            engine.names().peer(receiver),
            engine.names().action(action),
            engine.names().item(),
            facts.context.clone(),
            (!is_checked).then(|| engine.schema()),
        )
        .map_err(|error| vec![chain(&error)])?;
        self.checked.set(Some(action));
        Ok(engine.ask(asked, &request, entities))
    }

    /// The directory with the item in it; none if Cedar does not join them, and then each question is asked of its
    /// own entities.
    fn everybody(&self, facts: &Facts) -> Option<&Entities> {
        let joined = || {
            let directory = self.prepared.directory.clone();
            // Both have been checked against the schema.
            directory.add_entities([facts.item.clone()], None).ok()
        };
        self.everybody.get_or_init(joined).as_ref()
    }
}

/// All of a peer but its code, as text.
fn without_code(peer: &Peer) -> String {
    let mut rest = peer.clone();
    rest.code.clear();
    // Plain data of texts, numbers and sets always has a form; were there none, the code sets it apart.
    serde_json::to_string(&rest).unwrap_or_else(|_| peer.code.clone())
}

fn unknown(role: &str, code: &str) -> String {
    format!("{role} `{code}` is not among the peers")
}
