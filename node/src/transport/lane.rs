//! The calls that let anything leave this machine.

use testudo_core::{
    outbound::Outbound,
    publication::{Judgement, PUBLISHED_BYTES_MAX, Publication},
};
use testudo_protocol::community::Community;

use super::{
    config::GossipCommunity,
    gossip::{Acceptance, GOSSIP_BYTES_MAX, GossipTicket},
    handle::{PublishError, SendError, Transport},
};

/// What the core publishes fits, with the few bytes that stand around it.
const _: () = assert!(PUBLISHED_BYTES_MAX + 64 <= GOSSIP_BYTES_MAX);

impl Transport {
    /// Queues a frame for its receiver. Content comes only inside an [`Outbound`] that a permit
    /// was spent on; there is no other way to the wire.
    ///
    /// # Errors
    /// [`SendError`]; the core sends again after the next connection.
    pub fn transmit(&self, outbound: Outbound) -> Result<(), SendError> {
        let receiver = outbound.receiver();
        self.send(receiver.as_str(), outbound.into_frame())
    }

    /// Publishes to a community. Content comes only inside a [`Publication`] that a permit for every member was spent
    /// on.
    ///
    /// # Errors
    /// [`PublishError`]; the core sends directly to whoever gives no receipt.
    pub fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        let community = publication.community();
        self.publish_bytes(community, publication.into_bytes())
    }

    /// Passes a message on, or not. Only what the core has spent a permit on is accepted.
    pub fn pass_judgement(&self, ticket: GossipTicket, judgement: Judgement) {
        let acceptance = match judgement {
            Judgement::Accept(_) => Acceptance::Accept,
            Judgement::Ignore => Acceptance::Ignore,
            Judgement::Reject => Acceptance::Reject,
        };
        self.judge(ticket, acceptance);
    }

    /// Replaces the communities, and returns when every old one is torn down: no byte is written any more over a
    /// connection with a member of one that is gone, whatever was queued.
    pub fn gather(&self, communities: &[Community]) {
        self.set_communities(communities.iter().map(GossipCommunity::from).collect());
    }
}

impl From<&Community> for GossipCommunity {
    fn from(community: &Community) -> Self {
        Self {
            tag: community.tag(),
            members: community.members().iter().map(ToString::to_string).collect(),
        }
    }
}
