//! What the gate is asked about.

use testudo_protocol::consent::{ConsentSubject, ConsentToken};
use testudo_protocol::id::{Hash, HubId, ItemRef, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::licence::Licence;

use crate::vocabulary::Action;

/// What is asked about: one item and who would send it.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Release by the originator or forward by somebody else.
    pub action: Action,
    /// Who would send.
    pub sender: HubId,
    /// Who signed the label.
    pub originator: HubId,
    /// The item.
    pub item: ItemRef,
    /// Its body.
    pub body_hash: Hash,
    /// Its label.
    pub label: &'a Label,
    /// What its originator lets others do onward.
    pub licence: &'a Licence,
    /// Purpose of the release.
    pub purpose: &'a str,
    /// A consent token; the gate verifies it itself.
    pub consent: Option<&'a ConsentToken>,
    /// The items of other hubs that it draws on: nobody gets it who may not have each of them from the sender.
    pub sources: &'a [Source<'a>],
    /// When the item was made: its national marking is read as of that day.
    pub created: Timestamp,
    /// The time.
    pub now: Timestamp,
}

/// An item of another hub from which a draft takes objects.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Whose it is.
    pub originator: HubId,
    /// Which.
    pub item: ItemRef,
    /// Its body.
    pub body_hash: Hash,
    /// Its label.
    pub label: &'a Label,
    /// What its originator lets others do onward.
    pub licence: &'a Licence,
    /// Purpose of its release.
    pub purpose: &'a str,
    /// The originator's consents that this hub holds for it, one for a receiver.
    pub consents: Vec<&'a ConsentToken>,
    /// When it was made.
    pub created: Timestamp,
}

impl Question<'_> {
    /// What a consent has to be about.
    pub(super) fn subject(&self) -> ConsentSubject {
        ConsentSubject {
            originator: self.originator,
            item: self.item,
            body_hash: self.body_hash,
        }
    }
}

impl Source<'_> {
    /// Giving a receiver what is taken from the source is giving it the source, onward.
    pub(super) fn onward(&self, sender: HubId, receiver: HubId, now: Timestamp) -> Question<'_> {
        let consent = self
            .consents
            .iter()
            .find(|token| token.fields().recipient == receiver);
        Question {
            action: Action::Forward,
            sender,
            originator: self.originator,
            item: self.item,
            body_hash: self.body_hash,
            label: self.label,
            licence: self.licence,
            purpose: self.purpose,
            consent: consent.copied(),
            sources: &[],
            created: self.created,
            now,
        }
    }
}
