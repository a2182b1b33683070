//! The right to publish one item to one community once.
//!
//! Gossip chooses its own receivers among the members. So this needs the gate's yes for every one of them, and stands
//! for exactly these members: a community that has changed by one is another one.

use std::collections::BTreeSet;

use testudo_protocol::community::Community;
use testudo_protocol::envelope::DecisionRef;
use testudo_protocol::id::{CommunityTag, Hash, HubId, ItemRef};
use testudo_protocol::ledger::Recorded;

use super::{Allowed, MintError, Permit};

/// May be used for one publishing to all members of a community. Made only by [`CommunityPermit::mint`].
///
/// ```compile_fail
/// # use testudo_policies::permit::CommunityPermit;
/// let forged = CommunityPermit { community: unreachable!(), each: unreachable!() };
/// ```
///
/// ```compile_fail
/// # use testudo_policies::permit::CommunityPermit;
/// fn twice(permit: &CommunityPermit) -> CommunityPermit { permit.clone() }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct CommunityPermit {
    community: CommunityTag,
    /// One permit for each receiver, all on one decision. None of them can be taken out.
    each: Vec<Permit>,
}

/// Why there is no permit for a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommunityMintError {
    /// One member's permit cannot be made.
    #[error(transparent)]
    Member(#[from] MintError),
    /// The gate was asked about other hubs than the members.
    #[error("the answers are not about exactly the members of the community")]
    OtherMembers,
    /// The community is one of another charter than was asked under.
    #[error("the community is under another charter than the one asked")]
    OtherCharter,
}

impl CommunityPermit {
    /// Joins the gate's yes for every member with the proof that the decision is on stable storage.
    ///
    /// Two members are not asked about: `sender`, who publishes the item or passes it on, and `originator`, whose it is.
    ///
    /// # Errors
    /// [`CommunityMintError`] if a member is missing or one is too many, or if anything is about something else or on
    /// other grounds.
    pub fn mint(
        community: &Community,
        sender: HubId,
        originator: HubId,
        allowed: Vec<Allowed>,
        recorded: &Recorded,
    ) -> Result<Self, CommunityMintError> {
        let asked: BTreeSet<HubId> = allowed.iter().map(Allowed::receiver).collect();
        let receivers = community.receivers(sender, originator);
        if asked.len() != allowed.len() || receivers.is_none_or(|receivers| !asked.iter().eq(&receivers)) {
            return Err(CommunityMintError::OtherMembers);
        }
        if allowed.iter().any(|one| one.grounds != community.grounds()) {
            return Err(CommunityMintError::OtherCharter);
        }
        let each = allowed.into_iter().map(|one| Permit::mint(one, recorded));
        Ok(Self {
            community: community.tag(),
            each: each.collect::<Result<_, _>>()?,
        })
    }

    /// To which community.
    pub fn community(&self) -> CommunityTag {
        self.community
    }

    /// Whether it is for this item.
    pub fn is_for(&self, item: ItemRef) -> bool {
        self.each.iter().all(|permit| permit.item() == item)
    }

    /// The recorded decision that it rests on; none only for a community of one, which there is not.
    pub fn decision(&self) -> Option<DecisionRef> {
        self.each.first().map(Permit::decision)
    }

    /// Whether charter, policies and members are still those that were asked about.
    pub fn stands_under(&self, community: &Community, policies: Hash) -> bool {
        let stands = |permit: &Permit| permit.stands_under(community.grounds(), policies);
        self.community == community.tag() && self.each.iter().all(stands)
    }
}
