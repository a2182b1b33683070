//! What the transport is told at start, and why it may refuse to start.

#[cfg(feature = "tap")]
use std::path::PathBuf;
use std::{collections::BTreeSet, io, net::SocketAddr};

use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey, ed25519},
    multiaddr::Protocol,
};
use testudo_protocol::id::CommunityTag;
use zeroize::Zeroizing;

/// Everything that the transport needs to start. It has no `Debug`: it holds the secret key.
pub struct TransportConfig {
    /// Seed of this hub's Ed25519 transport key. It proves who we are to peers; it signs no content.
    pub secret_seed: Zeroizing<[u8; 32]>,
    /// Where to listen: QUIC version 1 on this UDP port, TLS 1.3 on the TCP port of the same number. Port 0 lets the system
    /// choose; see
    /// [`TransportEvent::Listening`](super::TransportEvent::Listening).
    pub listen: SocketAddr,
    /// The hubs that may talk to us, and with whom we keep a connection. Our own entry is skipped.
    pub peers: Vec<PeerEntry>,
    /// Who gossips with whom, as for [`Transport::gather`](super::Transport::gather).
    pub communities: Vec<GossipCommunity>,
    /// Folder for a copy of every byte that is written to and read from peers. A proof tool for tests and
    /// demonstrations: it holds whatever the streams hold.
    #[cfg(feature = "tap")]
    pub tap: Option<PathBuf>,
}

/// A set of listed hubs that gossip with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipCommunity {
    /// Stands for exactly these members under one charter; another set has another.
    pub tag: CommunityTag,
    /// Their codes. Our own may be among them.
    pub members: BTreeSet<String>,
}

/// One hub on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEntry {
    /// The hub's code, such as `FR`. It names the peer in events, calls and logs.
    pub code: String,
    /// The hub's Ed25519 public transport key.
    pub transport_key: [u8; 32],
    /// Where the hub listens.
    pub address: SocketAddr,
}

impl PeerEntry {
    /// The libp2p name of this hub's key, or `None` if the bytes are not a point on the curve.
    pub(super) fn peer_id(&self) -> Option<PeerId> {
        let key = ed25519::PublicKey::try_from_bytes(&self.transport_key).ok()?;
        Some(PublicKey::from(key).to_peer_id())
    }
}

/// Why the transport did not start. All of these are for the operator to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, most often by another hub or by an older process of this one.
    #[error(
        "the {protocol} port of `{address}` is in use; stop the process that holds it, or listen elsewhere"
    )]
    PortBusy {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system does not let us listen there.
    #[error(
        "cannot listen on `{address}`; check that this machine has the address and that the port is allowed"
    )]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS library would write the secrets of every session to a file.
    #[error(
        "SSLKEYLOGFILE is set, so that session secrets would be written to a file; unset it and start again"
    )]
    KeyLog,
    /// No certificate could be made for TLS.
    #[error("the transport key gives no certificate: {cause}; restore the key from backup or make a new one")]
    Certificate {
        /// What the library says.
        cause: String,
    },
    /// Our own seed is not usable.
    #[error("the transport key seed is not an Ed25519 seed; restore it from backup or make a new one")]
    BadSeed,
    /// A listed key is not an Ed25519 public key.
    #[error("the transport key listed for hub `{code}` is not an Ed25519 public key; correct its entry")]
    BadKey {
        /// The hub with the unusable key.
        code: String,
    },
    /// Two entries share a code or a key, so that one would speak for the other.
    #[error("hub `{code}` repeats the code or the transport key of another entry; list each hub once")]
    Duplicate {
        /// The second of the two.
        code: String,
    },
    /// The tap folder cannot be written. Nothing may leave that the tap has not seen.
    #[cfg(feature = "tap")]
    #[error("cannot write to the tap folder `{}`; make it writable or start without the tap", directory.display())]
    Tap {
        /// The folder that was asked for.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The ways to an address, as libp2p writes them: QUIC, and TCP where no UDP gets through.
pub(super) fn multiaddrs(address: SocketAddr) -> Vec<Multiaddr> {
    vec![quic_address(address), tcp_address(address)]
}

/// QUIC at an address, as libp2p writes it.
pub(super) fn quic_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip())
        .with(Protocol::Udp(address.port()))
        .with(Protocol::QuicV1)
}

/// TCP at an address, as libp2p writes it.
pub(super) fn tcp_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// The inverse of [`quic_address`]; `None` for an address of another kind.
pub(super) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
