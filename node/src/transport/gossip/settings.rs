//! How each gossipsub instance is set up: names that say nothing, ids that bind, scores, and bounds.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use libp2p::gossipsub::{
    Behaviour, Config, ConfigBuilder, ConfigBuilderError, IdentTopic, IdentityTransform, Message,
    MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, TopicScoreParams, ValidationMode,
    Version, WhitelistSubscriptionFilter,
};
use testudo_crypto::digest::{Digest, hex};
use testudo_protocol::id::CommunityTag;

/// Largest frame of gossipsub, in bytes: what its specification lets peers expect.
const RPC_BYTES_MAX: usize = 64 * 1024;

/// Room in a frame beside the message: its topic, lengths, and a few control messages.
const RPC_OVERHEAD_BYTES: usize = 512;

/// Largest message that can be published, in bytes. What is larger goes directly.
pub const GOSSIP_BYTES_MAX: usize = RPC_BYTES_MAX - RPC_OVERHEAD_BYTES;

/// Messages that wait for one peer in one community: at 64 KiB each, as much as its frame queue holds. Beyond them
/// they are dropped, and the peer is counted as slow.
const QUEUE_MESSAGES_MAX: usize = 512;

/// Heartbeats for which a message can be judged and asked for again ...
const HISTORY_HEARTBEATS: usize = 12;

/// ... and for which it is told of to members that are not in the mesh.
const GOSSIP_HEARTBEATS: usize = 6;

const HEARTBEAT: Duration = Duration::from_secs(1);

/// Before the first heartbeat. It must be shorter than the history, or what was told of first is gone when it is
/// asked for.
const FIRST_HEARTBEAT: Duration = Duration::from_millis(500);

/// How long an id counts as seen. What was ignored once comes again by direct sending only.
const SEEN: Duration = Duration::from_secs(10 * 60);

/// How long a message may wait for a slow peer.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// The protocol of one community. It names no community: who is not told the tag cannot tell it from any other.
pub(in super::super) fn protocol_name(community: CommunityTag) -> String {
    format!("/testudo/gossip/1/{}", hex(community.as_bytes()))
}

/// The only topic of an instance.
pub(in super::super) fn topic(community: CommunityTag) -> IdentTopic {
    let half = community.as_bytes().first_chunk::<16>().copied();
    IdentTopic::new(hex(&half.unwrap_or_default()))
}

/// The id of a message: the same for the same content in the same topic, and for nothing else. The length of the topic
/// keeps a byte from moving between the two, with which one message could be made to pass for another.
pub(in super::super) fn content_id(topic: &str, data: &[u8]) -> MessageId {
    let length = u32::try_from(topic.len()).unwrap_or(u32::MAX).to_be_bytes();
    let digest = Digest::of_parts(&[b"testudo/gossip-id/v1\0", &length, topic.as_bytes(), data]);
    MessageId::from(digest.as_bytes().to_vec())
}

/// A new instance that knows nobody.
///
/// # Errors
/// What gossipsub says of its settings: a defect of ours.
pub(super) fn instance(
    community: CommunityTag,
) -> Result<Behaviour<IdentityTransform, WhitelistSubscriptionFilter>, &'static str> {
    let topic = topic(community);
    let filter = WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let config = config(community).map_err(|_| "gossipsub refuses its settings")?;
    // What is inside is signed; a second signature here would only show who made it.
    let anonymous = MessageAuthenticity::Anonymous;
    let mut instance = Behaviour::new_with_subscription_filter(anonymous, config, filter)?;
    instance
        .with_peer_score(scores(&topic), PeerScoreThresholds::default())
        .map_err(|_| "gossipsub refuses its scores")?;
    instance
        .subscribe(&topic)
        .map_err(|_| "gossipsub refuses its own topic")?;
    Ok(instance)
}

fn config(community: CommunityTag) -> Result<Config, ConfigBuilderError> {
    ConfigBuilder::default()
        .protocol_id(protocol_name(community), Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| content_id(message.topic.as_str(), &message.data))
        .max_transmit_size(RPC_BYTES_MAX)
        .flood_publish(false)
        .mesh_outbound_min(3)
        .mesh_n_low(6)
        .mesh_n(8)
        .mesh_n_high(12)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(FIRST_HEARTBEAT)
        .history_length(HISTORY_HEARTBEATS)
        .history_gossip(GOSSIP_HEARTBEATS)
        .duplicate_cache_time(SEEN)
        .connection_handler_queue_len(QUEUE_MESSAGES_MAX)
        .publish_queue_duration(QUEUE_TIME)
        .forward_queue_duration(QUEUE_TIME)
        .build()
}

/// What a member is held against. One that passes on what is refused, or reads too slowly, leaves the mesh.
fn scores(topic: &IdentTopic) -> PeerScoreParams {
    let of_topic = TopicScoreParams {
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_weight: 0.01,
        time_in_mesh_cap: 300.0,
        // Communities are quiet for hours: whoever has nothing to pass on is not at fault (P3 and P3b).
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Refused messages are never an accident: four of them weigh more than all that can be earned.
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), of_topic)]),
        topic_score_cap: 100.0,
        app_specific_weight: 0.0,
        // A promise or two is broken by every restart.
        behaviour_penalty_threshold: 6.0,
        // Hubs of one government may share an address.
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_binds_topic_and_content_and_where_they_meet() {
        let id = content_id("topic", b"data");
        assert_eq!(content_id("topic", b"data"), id);
        assert_ne!(content_id("other", b"data"), id);
        assert_ne!(content_id("topic", b"date"), id);
        assert_ne!(content_id("topicd", b"ata"), id);
    }

    #[test]
    fn names_of_two_communities_share_nothing_but_the_protocol() {
        let [one, other] = [1, 2].map(|byte| CommunityTag::new([byte; 32]));
        assert_eq!(
            protocol_name(one),
            format!("/testudo/gossip/1/{}", "01".repeat(32))
        );
        assert_ne!(protocol_name(one), protocol_name(other));
        assert_ne!(topic(one).hash(), topic(other).hash());
        assert!(instance(one).is_ok());
    }
}
