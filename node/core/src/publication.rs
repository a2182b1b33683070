//! What may be published to a community, and what may be passed on in one.
//!
//! The transport's gossip takes these and nothing else. Whatever carries content can only be made from a permit for
//! the whole community, and uses it up.

use testudo_policies::gate::Gate;
use testudo_policies::permit::CommunityPermit;
use testudo_protocol::community::Community;
use testudo_protocol::gossip::{GossipMessage, Statement};
use testudo_protocol::id::{CommunityTag, ItemRef};

use crate::outbound::OutboundError;

/// Largest envelope that is published, in bytes: with what goes around it, below what gossip carries. Anything larger
/// goes directly.
pub const PUBLISHED_BYTES_MAX: usize = 63 * 1024;

/// A message that may go to every member of a community.
///
/// ```compile_fail
/// # use testudo_core::publication::Publication;
/// let forged = Publication { community: unreachable!(), message: unreachable!() };
/// ```
pub struct Publication {
    community: CommunityTag,
    message: GossipMessage,
}

/// What has become of a message that came by gossip.
#[derive(Debug)]
pub enum Judgement {
    /// It goes on to the other members.
    Accept(Onward),
    /// It goes no further; nobody is to blame.
    Ignore,
    /// It goes no further, and whoever passed it on is to blame.
    Reject,
}

/// May be used to pass on one message.
///
/// ```compile_fail
/// # use testudo_core::publication::Onward;
/// let forged = Onward(());
/// ```
#[derive(Debug)]
pub struct Onward(());

impl Publication {
    /// Spends a permit on one envelope to the members of the permit's community.
    ///
    /// # Errors
    /// [`OutboundError`] if the permit is for something else or no longer stands; it is spent all the same.
    pub fn content(
        permit: CommunityPermit,
        item: ItemRef,
        envelope: Vec<u8>,
        community: &Community,
        gate: &Gate,
    ) -> Result<Self, OutboundError> {
        let tag = spend(permit, item, community, gate)?;
        Ok(Self {
            community: tag,
            message: GossipMessage::Envelope(envelope),
        })
    }

    /// A message without content.
    pub fn statement(community: CommunityTag, statement: Statement) -> Self {
        Self {
            community,
            message: GossipMessage::Statement(statement),
        }
    }

    /// To whom.
    pub fn community(&self) -> CommunityTag {
        self.community
    }

    /// The bytes to publish, once.
    pub fn into_bytes(self) -> Vec<u8> {
        self.message.to_bytes()
    }
}

impl Onward {
    /// Spends a permit on passing one envelope on.
    ///
    /// # Errors
    /// As for [`Publication::content`].
    pub fn content(
        permit: CommunityPermit,
        item: ItemRef,
        community: &Community,
        gate: &Gate,
    ) -> Result<Self, OutboundError> {
        spend(permit, item, community, gate).map(|_| Self(()))
    }

    /// A statement needs no permit.
    pub fn statement(_: &Statement) -> Self {
        Self(())
    }
}

fn spend(
    permit: CommunityPermit,
    item: ItemRef,
    community: &Community,
    gate: &Gate,
) -> Result<CommunityTag, OutboundError> {
    if !permit.is_for(item) {
        return Err(OutboundError::OtherItem);
    }
    let grounds = community.grounds() == gate.charter().fingerprint();
    if !grounds || !permit.stands_under(community, gate.policies()) {
        return Err(OutboundError::Stale);
    }
    Ok(permit.community())
}

impl std::fmt::Debug for Publication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Publication({} {:?})", self.community, self.message)
    }
}
