//! How a release leaves first: directly to each receiver, or by gossip where its receivers are a community.
//!
//! Either way the outbox stands behind it: whoever has given no receipt is sent to directly. What was published is
//! left alone for a moment, so that not everything goes twice.

use std::collections::BTreeSet;

use testudo_policies::gate::Answer;
use testudo_policies::permit::CommunityPermit;
use testudo_protocol::community::Community;
use testudo_protocol::gossip::Statement;
use testudo_protocol::id::{AudienceId, CommunityTag, HubId, ItemRef, Timestamp};

use super::Hub;
use crate::output::Output;
use crate::publication::{PUBLISHED_BYTES_MAX, Publication};
use crate::records::{DeliveryState, ItemState};

/// How long a published item may take to be receipted before it is sent directly, in milliseconds: two heartbeats of
/// gossip, in which a member that was passed over asks for it.
const PUBLISHED_MILLIS: u64 = 2_000;

/// Published items that are waited for. More than these are sent directly at once.
const ALOFT_MAX: usize = 1_024;

/// How envelopes leave whose receivers are exactly a community.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommunityLane {
    /// Directly, to one receiver after another.
    #[default]
    Direct,
    /// By gossip.
    Gossip,
}

/// A release that is on disk: the envelope, and the key entry that stands before it, if one was made for it.
pub(super) struct Released {
    pub(super) item: ItemRef,
    pub(super) audience: AudienceId,
    pub(super) receivers: Vec<HubId>,
    pub(super) key_entry: Option<Vec<u8>>,
    pub(super) envelope: Vec<u8>,
}

/// An item that was published, and from whom a receipt is waited for.
pub(super) struct Aloft {
    audience: AudienceId,
    until: Timestamp,
    waits_for: BTreeSet<HubId>,
}

/// A way for a release to leave.
pub(super) trait Lane {
    /// Sends it to its receivers, as far as they can be reached now. What does not arrive is the outbox's.
    fn send(&self, hub: &mut Hub, released: Released, out: &mut Vec<Output>);
}

/// The author writes to each receiver itself.
struct DirectPush;

impl Lane for DirectPush {
    fn send(&self, hub: &mut Hub, released: Released, out: &mut Vec<Output>) {
        for receiver in released.receivers {
            hub.push(receiver, out);
        }
    }
}

/// Members pass it on among themselves.
struct GossipLane {
    community: Community,
}

impl Lane for GossipLane {
    fn send(&self, hub: &mut Hub, released: Released, out: &mut Vec<Output>) {
        // Where a permit is lacking for one, the outbox decides for each of them.
        if let Some(publications) = hub.publications(&self.community, &released) {
            out.extend(publications.into_iter().map(Output::Publish));
            hub.wait_for_receipts(&released);
        }
        // Those who are owed another copy, and everybody if nothing was published.
        DirectPush.send(hub, released, out);
    }
}

impl Hub {
    /// Sends a release by the lane that is set for its audience.
    pub(super) fn send_released(&mut self, released: Released, out: &mut Vec<Output>) {
        let community = self.lane_community(&released).cloned();
        match community {
            Some(community) => GossipLane { community }.send(self, released, out),
            None => DirectPush.send(self, released, out),
        }
    }

    /// The community that a release is published in, if gossip is to carry it and can.
    fn lane_community(&self, released: &Released) -> Option<&Community> {
        let entry = released.key_entry.as_ref().map_or(0, Vec::len);
        let fits = released.envelope.len().max(entry) <= PUBLISHED_BYTES_MAX;
        let is_set = self.community_lane == CommunityLane::Gossip && self.may_gossip();
        if !fits || !is_set || self.aloft.len() >= ALOFT_MAX {
            return None;
        }
        let is_audience = |community: &&Community| community.is(self.me, &released.receivers);
        self.communities.iter().find(is_audience)
    }

    /// Whether this hub may sign, and so publish and pass on.
    pub(super) fn may_gossip(&self) -> bool {
        !self.is_fenced() && !self.revoked
    }

    /// The community of a tag, as long as it stands.
    pub(super) fn community(&self, tag: CommunityTag) -> Option<&Community> {
        self.communities.iter().find(|community| community.tag() == tag)
    }

    /// The communities that this hub is in: first everybody.
    pub fn communities(&self) -> &[Community] {
        &self.communities
    }

    /// Tears down all gossip, and begins it again under the charter and the policies in force: what was published
    /// under others is in nobody's reach here any more.
    pub(super) fn regather(&mut self, out: &mut Vec<Output>) {
        self.communities = Community::all_of(self.gate.charter(), self.me);
        for aloft in self.aloft.values_mut() {
            // Sent directly at the next tick.
            aloft.until = Timestamp::default();
        }
        out.push(Output::Communities(Vec::new()));
        out.push(Output::Communities(self.communities.clone()));
    }

    /// Key entry and envelope, each with a permit for all members; nothing if there is none for one of them.
    fn publications(&self, community: &Community, released: &Released) -> Option<Vec<Publication>> {
        let mut publications = Vec::new();
        for envelope in released.key_entry.iter().chain([&released.envelope]) {
            let permit = self.community_permit(community, released)?;
            // Minted in this very call, it cannot be stale or for another item.
            let publication =
                Publication::content(permit, released.item, envelope.clone(), community, &self.gate).ok()?;
            publications.push(publication);
        }
        Some(publications)
    }

    /// A fresh permit for all members.
    fn community_permit(&self, community: &Community, released: &Released) -> Option<CommunityPermit> {
        let record = self.items.get(&released.item)?;
        if record.originator != self.me || matches!(record.state, ItemState::Retracted | ItemState::Expired) {
            return None;
        }
        let receivers = community.receivers(self.me, self.me)?;
        let deliveries = receivers
            .iter()
            .map(|hub| self.deliveries.get(&(released.item, *hub)));
        let queued = deliveries.map(|delivery| delivery.filter(|one| one.state == DeliveryState::Queued));
        let decision = queued.collect::<Option<Vec<_>>>()?.first()?.decision;
        let recorded = self
            .ledger
            .recorded(decision, self.openings.get(&decision)?)
            .ok()?;
        let sources = self.sources(record.sources.iter())?;
        let answers = self
            .gate
            .ask_each(&self.question_again(record, &sources), &receivers);
        let allowed = answers.into_iter().map(|answer| match answer {
            Answer::Allowed(allowed) => Some(allowed),
            Answer::Denied(_) => None,
        });
        CommunityPermit::mint(
            community,
            self.me,
            self.me,
            allowed.collect::<Option<_>>()?,
            &recorded,
        )
        .ok()
    }

    /// Leaves those alone for a moment who can open what was published.
    fn wait_for_receipts(&mut self, released: &Released) {
        let is_owed = |hub: &HubId| {
            let delivery = self.deliveries.get(&(released.item, *hub));
            delivery.is_none_or(|delivery| self.is_owed(delivery))
        };
        let waits_for = released.receivers.iter().filter(|hub| !is_owed(hub)).copied();
        let aloft = Aloft {
            audience: released.audience,
            until: self.now.plus_millis(PUBLISHED_MILLIS),
            waits_for: waits_for.collect(),
        };
        self.aloft.insert(released.item, aloft);
    }

    /// Whether an item was published a moment ago, and may be under way to this hub.
    pub(super) fn is_aloft(&self, item: ItemRef, hub: HubId) -> bool {
        let aloft = self.aloft.get(&item);
        aloft.is_some_and(|aloft| aloft.waits_for.contains(&hub))
    }

    /// A receipt has come.
    pub(super) fn has_landed(&mut self, item: ItemRef, hub: HubId) {
        if let Some(aloft) = self.aloft.get_mut(&item) {
            aloft.waits_for.remove(&hub);
            if aloft.waits_for.is_empty() {
                self.aloft.remove(&item);
            }
        }
    }

    /// A hub lacks something of a log: it is sent to directly from there on.
    pub(super) fn wait_no_longer(&mut self, audience: AudienceId, hub: HubId) {
        for aloft in self.aloft.values_mut().filter(|aloft| aloft.audience == audience) {
            aloft.waits_for.remove(&hub);
        }
    }

    /// Sends directly to whoever has given no receipt in time.
    pub(super) fn repair_gossip(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        let mut late = BTreeSet::new();
        self.aloft.retain(|_, aloft| {
            let is_over = now >= aloft.until;
            if is_over {
                late.append(&mut aloft.waits_for);
            }
            !is_over
        });
        for hub in late {
            self.push(hub, out);
        }
    }

    /// Tells everybody what needs no permit.
    pub(super) fn state_to_all(&mut self, statement: Statement, out: &mut Vec<Output>) {
        let everybody = self.communities.first().filter(|_| self.may_gossip());
        out.extend(everybody.map(|all| Output::Publish(Publication::statement(all.tag(), statement))));
    }
}
