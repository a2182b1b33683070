//! The libp2p side: which connections are allowed, and how the Swarm is put together.

use std::{sync::Arc, time::Duration};

use futures::future::Either;
use libp2p::{
    PeerId, Swarm, Transport as _, allow_block_list,
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, upgrade},
    identity::Keypair,
    ping, quic, swarm, tcp, tls, yamux,
};

use super::{
    gossip::Gossip,
    liveness::Liveness,
    registry::{COMMUNITIES_MAX, Registry},
    streams::Streams,
};

/// One connection that each side has dialled, and one by which a peer that was killed and restarted shows
/// itself while we still hold the two dead ones. The driver closes the dead ones then.
const CONNECTIONS_PER_PEER_MAX: u32 = 3;

/// Handshakes that may be under way beyond those of listed peers: who dials is not known before its end.
const STRANGERS_PENDING_MAX: u32 = 64;

/// A killed peer is noticed after this much silence ...
const QUIC_IDLE_TIMEOUT_MS: u32 = 10_000;

/// ... and a live one breaks it three times, so that two lost packets are not an outage.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(3);

/// How long a handshake may take; enough for three lost packets on a long path.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much a peer may send ahead of our reading, per stream: 300 Mbit/s over 100 ms.
const QUIC_STREAM_BYTES: u32 = 4 * 1024 * 1024;

/// The same per connection: the frame stream, and one that replaces it.
const QUIC_CONNECTION_BYTES: u32 = 6 * 1024 * 1024;

/// Streams that a peer may have open on one connection: one of frames, one for each community that both are in, and
/// replacements in flight.
const STREAMS_PER_CONNECTION_MAX: u32 = 3 * COMMUNITIES_MAX as u32;

/// Streams that may be agreed upon at a time: on a new connection, those of all communities.
const STREAMS_NEGOTIATING_MAX: usize = 2 * COMMUNITIES_MAX;

/// How often TCP connections are asked for a sign of life: as often as QUIC asks ...
const PING_INTERVAL: Duration = QUIC_KEEP_ALIVE;

/// ... and answered in the time after which QUIC gives up.
const PING_TIMEOUT: Duration = Duration::from_millis(QUIC_IDLE_TIMEOUT_MS as u64);

/// Open streams keep a connection, so this only bounds one on which no stream could be opened.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(3600);

/// What acts on connections.
///
/// The order is part of the gate: behaviours are asked in this order, and whatever may refuse comes first,
/// so that a refused connection leaves nothing in those after it (rust-libp2p issue 4870).
#[derive(swarm::NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) allowed: allow_block_list::Behaviour<allow_block_list::AllowedPeers>,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) streams: Streams,
    pub(super) gossip: Gossip,
    pub(super) liveness: Liveness,
}

/// Limits that leave room for this many peers and no more.
pub(super) fn limits(peers: usize) -> ConnectionLimits {
    let peers = u32::try_from(peers).unwrap_or(u32::MAX);
    let established = peers.saturating_mul(CONNECTIONS_PER_PEER_MAX);
    ConnectionLimits::default()
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_established(Some(established))
        .with_max_established_incoming(Some(established))
        .with_max_established_outgoing(Some(established))
        .with_max_pending_outgoing(Some(peers.saturating_mul(2)))
        .with_max_pending_incoming(Some(peers.saturating_add(STRANGERS_PENDING_MAX)))
}

/// Puts the Swarm together: QUIC, and TCP with TLS 1.3 for networks that let no UDP through; nobody allowed yet.
///
/// # Errors
/// If no certificate can be made of the key.
pub(super) fn swarm(
    keypair: &Keypair,
    #[cfg(feature = "tap")] tap: Option<super::tap::Tap>,
    registry: &Arc<Registry>,
) -> Result<Swarm<Behaviour>, tls::certificate::GenError> {
    let quic = quic::tokio::Transport::new(quic_config(keypair));
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(2 * STREAMS_PER_CONNECTION_MAX as usize);
    let tcp = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(upgrade::Version::V1)
        .authenticate(tls::Config::new(keypair)?)
        .multiplex(yamux)
        .timeout(HANDSHAKE_TIMEOUT);
    let either = quic.or_transport(tcp).map(|connected, _| match connected {
        Either::Left((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
        Either::Right((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
    });

    // Every connection is wrapped here, before anything else can write to it: by the tap, and outside of that by its
    // shutter, so that the tap holds no byte that was not let through.
    #[cfg(feature = "tap")]
    let either = {
        let registry = registry.clone();
        either.map(move |(peer, muxer), _| {
            let name = registry
                .by_peer(&peer)
                .map_or_else(|| peer.to_base58(), |link| link.code.clone());
            let muxer = match &tap {
                Some(tap) => StreamMuxerBox::new(tap.wrap(&name, muxer)),
                None => muxer,
            };
            (peer, muxer)
        })
    };

    let shutters = registry.clone();
    let either = either.map(move |(peer, muxer), _| {
        let muxer = StreamMuxerBox::new(shutters.shutters.wrap(peer, muxer));
        (peer, muxer)
    });

    let asks = ping::Config::new()
        .with_interval(PING_INTERVAL)
        .with_timeout(PING_TIMEOUT);
    let behaviour = Behaviour {
        allowed: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits(0)),
        streams: Streams::new(registry.clone()),
        gossip: Gossip::new(registry.clone()),
        liveness: Liveness::new(asks),
    };
    let config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT)
        .with_max_negotiating_inbound_streams(STREAMS_NEGOTIATING_MAX)
        .with_smart_dial();
    Ok(Swarm::new(
        either.boxed(),
        behaviour,
        PeerId::from(keypair.public()),
        config,
    ))
}

pub(super) fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_idle_timeout = QUIC_IDLE_TIMEOUT_MS;
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    config.max_concurrent_stream_limit = STREAMS_PER_CONNECTION_MAX;
    config.max_stream_data = QUIC_STREAM_BYTES;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config
}
