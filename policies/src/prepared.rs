//! Many questions about the same peers: one directory version, one item, every receiver.
//!
//! Preview, release and serving ask here, so that they cannot differ. Peers become entities once per
//! directory version, the item once per item; each receiver then costs one evaluation. The entities of
//! one decision are receiver, sender, originator and item: validation at load refuses a policy that
//! would look at any other.

use std::collections::BTreeMap;

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
    peers: BTreeMap<String, Entity>,
}

/// One item under one set of circumstances, ready to be asked about for each receiver.
pub struct Item<'a> {
    prepared: &'a Prepared,
    facts: Result<Facts, Vec<String>>,
}

/// What all receivers of one item share.
struct Facts {
    /// Item, sender and originator, checked against the schema.
    entities: Entities,
    context: CedarContext,
    sender: String,
    originator: String,
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
            entities.insert(peer.code.clone(), entity);
        }
        Entities::from_entities(entities.values().cloned(), Some(engine.schema())).map_err(|source| {
            PrepareError::Schema {
                source: Box::new(source),
            }
        })?;
        Ok(Self {
            engine,
            peers: entities,
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
            (Ok(sender), Ok(originator)) => Ok(Facts {
                entities: self
                    .shared(assessment, [sender, originator])
                    .map_err(|error| vec![chain(&error)])?,
                context: self
                    .engine
                    .names()
                    .context(context)
                    .map_err(|source| vec![chain(&ItemError::Context(source))])?,
                sender: context.sender.clone(),
                originator: assessment.originator.clone(),
            }),
            (sender, originator) => Err(sender.err().into_iter().chain(originator.err()).collect()),
        }
    }

    fn shared(&self, assessment: &Assessment, peers: [&Entity; 2]) -> Result<Entities, ItemError> {
        let item = self
            .engine
            .names()
            .item_entity(assessment)
            .map_err(ItemError::Attributes)?;
        // Sender and originator are often one peer; Cedar takes the same entity twice as one.
        let entities = peers.into_iter().cloned().chain([item]);
        Entities::from_entities(entities, Some(self.engine.schema()))
            .map_err(|source| ItemError::Schema(Box::new(source)))
    }
}

impl Item<'_> {
    /// Answers for one receiver; for publish and downgrade, for the acting peer.
    #[must_use]
    pub fn decide(&self, action: Action, receiver: &str, asked: Asked) -> Decision {
        let engine = &self.prepared.engine;
        let answer = match &self.facts {
            Ok(facts) => self.evaluate(facts, action, receiver, asked),
            Err(errors) => Err(errors.clone()),
        };
        answer.unwrap_or_else(|errors| engine.refuse(errors))
    }

    fn evaluate(
        &self,
        facts: &Facts,
        action: Action,
        receiver: &str,
        asked: Asked,
    ) -> Result<Decision, Vec<String>> {
        let engine = &self.prepared.engine;
        let Some(peer) = self.prepared.peers.get(receiver) else {
            return Err(vec![unknown("receiver", receiver)]);
        };
        let mut entities = facts.entities.clone();
        if receiver != facts.sender && receiver != facts.originator {
            // Checked against the schema when the peers were read.
            entities = entities
                .add_entities([peer.clone()], None)
                .map_err(|error| vec![chain(&error)])?;
        }
        let request = CedarRequest::new(
            engine.names().peer(receiver),
            engine.names().action(action),
            engine.names().item(),
            facts.context.clone(),
            Some(engine.schema()),
        )
        .map_err(|error| vec![chain(&error)])?;
        Ok(engine.ask(asked, &request, &entities))
    }
}

fn unknown(role: &str, code: &str) -> String {
    format!("{role} `{code}` is not among the peers")
}
