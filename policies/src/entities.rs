//! Peers, items and circumstances as Cedar sees them.
//!
//! One entity per peer, one for the item; the classes need no entity of their own, a peer's class is
//! its parent. Attribute names are those of the schema, which checks them again.

use cedar_policy::{
    Context as CedarContext, ContextCreationError, Entity, EntityAttrEvaluationError, EntityId,
    EntityTypeName, EntityUid, ParseErrors, RestrictedExpression,
};

use crate::request::{Assessment, Context, Peer};
use crate::vocabulary::{Action, Class, Level};

/// The entity types of the schema, parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    action: EntityTypeName,
    assessment: EntityTypeName,
    class: EntityTypeName,
    peer: EntityTypeName,
}

impl Names {
    pub(crate) fn parse() -> Result<Self, Box<ParseErrors>> {
        Ok(Self {
            action: name("Action")?,
            assessment: name("Assessment")?,
            class: name("Class")?,
            peer: name("Peer")?,
        })
    }

    pub(crate) fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, action.as_str())
    }

    /// One decision is about one item, so that a fixed name is enough.
    pub(crate) fn item(&self) -> EntityUid {
        uid(&self.assessment, "item")
    }

    pub(crate) fn peer(&self, code: &str) -> EntityUid {
        uid(&self.peer, code)
    }

    fn class(&self, class: Class) -> EntityUid {
        uid(&self.class, class.as_str())
    }

    pub(crate) fn peer_entity(&self, peer: &Peer) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        let attributes = [
            ("code", string(&peer.code)),
            ("status", string(peer.status.as_str())),
            ("euMember", boolean(peer.eu_member)),
            ("accreditedLevel", level(peer.accredited_level)),
            ("soiLevel", level(peer.soi_level)),
            ("activeSponsors", long(i64::from(peer.active_sponsors))),
            ("transferBasis", boolean(peer.transfer_basis)),
            ("communities", strings(&peer.communities)),
            ("exercises", strings(&peer.exercises)),
            ("caps", strings(&peer.caps)),
        ];
        Entity::new_with_tags(
            self.peer(&peer.code),
            attributes.map(|(name, value)| (name.to_owned(), value)),
            [self.class(peer.cls)],
            peer.tags
                .iter()
                .map(|(originator, up_to)| (originator.clone(), level(*up_to))),
        )
        .map_err(Box::new)
    }

    pub(crate) fn item_entity(&self, item: &Assessment) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        let classes = item.rel_to_classes.iter().map(|class| entity(self.class(*class)));
        let caveats = item.caveats.iter().map(|caveat| string(caveat.as_str()));
        let attributes = [
            ("originator", entity(self.peer(&item.originator))),
            ("labelOk", boolean(item.label_ok)),
            ("level", level(item.level)),
            ("tlp", string(item.tlp.as_str())),
            ("scope", string(item.scope.as_str())),
            ("relTo", self.peers(&item.rel_to)),
            ("relToClasses", RestrictedExpression::new_set(classes)),
            ("notTo", self.peers(&item.not_to)),
            ("communities", strings(&item.communities)),
            ("caveats", RestrictedExpression::new_set(caveats)),
            ("consent", self.peers(&item.consent)),
            ("exercise", string(&item.exercise)),
            ("personal", string(item.personal.as_str())),
            ("expiresAt", long(item.expires_at)),
            ("obligations", strings(&item.obligations)),
        ];
        Entity::new_with_tags(
            self.item(),
            attributes.map(|(name, value)| (name.to_owned(), value)),
            [],
            [],
        )
        .map_err(Box::new)
    }

    pub(crate) fn context(&self, context: &Context) -> Result<CedarContext, Box<ContextCreationError>> {
        let pairs = [
            ("sender", entity(self.peer(&context.sender))),
            ("now", long(context.now)),
            ("charterFresh", boolean(context.charter_fresh)),
            ("charterForked", boolean(context.charter_forked)),
            ("channel", string(context.channel.as_str())),
            ("cryptoLevel", level(context.crypto_level)),
            ("purpose", string(&context.purpose)),
            ("priority", string(&context.priority)),
        ];
        CedarContext::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).map_err(Box::new)
    }

    fn peers<'a>(&self, codes: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
        RestrictedExpression::new_set(codes.into_iter().map(|code| entity(self.peer(code))))
    }
}

fn name(text: &str) -> Result<EntityTypeName, Box<ParseErrors>> {
    text.parse().map_err(Box::new)
}

fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

fn string(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn strings<'a>(values: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(|value| string(value)))
}

fn boolean(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

fn long(value: i64) -> RestrictedExpression {
    RestrictedExpression::new_long(value)
}

fn level(value: Level) -> RestrictedExpression {
    long(value.into())
}

fn entity(value: EntityUid) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(value)
}
