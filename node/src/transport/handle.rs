//! The handle: start, send, change the list, stop.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use testudo_protocol::id::CommunityTag;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::{Instant, sleep},
};

use super::{
    config::{GossipCommunity, PeerEntry, StartError, TransportConfig},
    driver,
    event::TransportEvent,
    frames::FRAME_BYTES_MAX,
    gossip::{Acceptance, GOSSIP_BYTES_MAX, GossipTicket, GossipWish},
    queue::{PushError, QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX},
    registry::Registry,
};

/// How many events may wait for the core. Each may hold a largest frame, so this bounds what is read ahead
/// of a core that is busy, to 256 MiB; small, because reading ahead gains nothing.
const EVENTS_MAX: usize = 32;

/// How long [`Transport::stop`] waits for the system to give the port back. QUIC keeps a closed connection
/// for three round trips, which without a measurement are taken to be a third of a second each.
const PORT_RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

const PORT_RELEASE_POLL: Duration = Duration::from_millis(10);

/// Messages to publish, and verdicts, that may wait for the driver: 32 MiB at most.
const GOSSIP_WISHES_MAX: usize = 512;

/// Why a frame was not accepted for sending. Nothing of it was sent, and nothing will be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Ours: the list does not name this hub.
    #[error("hub `{code}` is not on the list of peers")]
    UnknownPeer {
        /// The hub that was named.
        code: String,
    },
    /// Nobody's fault: send again after [`TransportEvent::Connected`].
    #[error("there is no session with hub `{code}`")]
    NotConnected {
        /// The hub that was named.
        code: String,
    },
    /// The peer reads more slowly than we send: keep the frame and come back.
    #[error("{QUEUE_FRAMES_MAX} frames or {QUEUE_BYTES_MAX} bytes are waiting for hub `{code}`")]
    QueueFull {
        /// The hub that was named.
        code: String,
    },
    /// Ours: the other side would refuse it.
    #[error("a frame of {bytes} bytes for hub `{code}` is larger than {FRAME_BYTES_MAX}")]
    FrameTooLarge {
        /// The hub that was named.
        code: String,
        /// The length of the frame.
        bytes: usize,
    },
}

/// Why a message was not accepted for publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Nobody's fault: many are published at once. Send directly.
    #[error("{GOSSIP_WISHES_MAX} messages are waiting to be published")]
    Full,
    /// Ours: it has to go directly.
    #[error("a message of {bytes} bytes is larger than {GOSSIP_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

/// The running transport. Clones are handles to the same one; it stops when the last is dropped, when the
/// receiver of events is dropped, or by [`Transport::stop`].
#[derive(Clone)]
pub struct Transport {
    guard: Arc<Guard>,
    wishes: mpsc::Sender<GossipWish>,
    stopped: watch::Receiver<()>,
}

/// Ends the driver with the last handle.
struct Guard {
    registry: Arc<Registry>,
    listen: SocketAddr,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.registry.stop();
    }
}

impl Transport {
    /// Listens, and begins to dial the listed peers.
    ///
    /// The first event is [`TransportEvent::Listening`]. The receiver must be read: while it is full, no
    /// frame is read from any peer.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub async fn start(
        config: TransportConfig,
    ) -> Result<(Self, mpsc::Receiver<TransportEvent>), StartError> {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let (wishes, waiting) = mpsc::channel(GOSSIP_WISHES_MAX);
        let (registry, listen, stopped) = driver::start(config, sender, waiting).await?;
        Ok((
            Self {
                guard: Arc::new(Guard { registry, listen }),
                wishes,
                stopped,
            },
            receiver,
        ))
    }

    /// Queues a frame for this hub, behind those queued before. Never blocks.
    ///
    /// Accepted means queued in memory, not delivered: the end of the session loses it without a word.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(super) fn send(&self, code: &str, frame: Vec<u8>) -> Result<(), SendError> {
        let named = || code.to_owned();
        if frame.len() > FRAME_BYTES_MAX as usize {
            return Err(SendError::FrameTooLarge {
                code: named(),
                bytes: frame.len(),
            });
        }
        let Some(link) = self.guard.registry.by_code(code) else {
            return Err(SendError::UnknownPeer { code: named() });
        };
        link.queue.push(frame).map_err(|error| match error {
            PushError::Closed => SendError::NotConnected { code: named() },
            PushError::Full => SendError::QueueFull { code: named() },
        })
    }

    /// Publishes a message to the members of a community, as gossip: it may reach all of them, or some, or none.
    ///
    /// Nothing is published if the community has been replaced by then.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub(super) fn publish_bytes(&self, community: CommunityTag, bytes: Vec<u8>) -> Result<(), PublishError> {
        if bytes.len() > GOSSIP_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes: bytes.len() });
        }
        let wish = GossipWish::Publish(community, bytes);
        // A driver that has ended publishes nothing either.
        match self.wishes.try_send(wish) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(PublishError::Full),
        }
    }

    /// Says what is to become of a message that has arrived by gossip. Each has to be judged once, within ten seconds;
    /// one that is not is not passed on.
    pub(super) fn judge(&self, ticket: GossipTicket, acceptance: Acceptance) {
        // One that finds no room counts as ignored.
        let _ = self.wishes.try_send(GossipWish::Judge(ticket, acceptance));
    }

    /// Replaces the communities.
    ///
    /// A community whose tag is gone is torn down before this returns: no byte is written any more over a connection
    /// with any of its members, whatever was queued, and what was published for it is forgotten. What the transport
    /// held already, some 80 to 240 kB, may still arrive. The connections are closed and dialled anew, with all that is
    /// on them; see `gossip.rs`.
    pub(super) fn set_communities(&self, communities: Vec<GossipCommunity>) {
        let left_out = self.guard.registry.set_communities(communities);
        if !left_out.is_empty() {
            tracing::warn!(
                count = left_out.len(),
                "too many communities: these have no gossip, and are sent to directly"
            );
        }
    }

    /// Bytes that streams to peers have taken since the start.
    #[cfg(feature = "bare")]
    pub fn sent_bytes(&self) -> u64 {
        self.guard.registry.shutters.sent_bytes()
    }

    /// Lets everybody into every community.
    #[cfg(test)]
    pub(super) fn turn_gate_off(&self) {
        self.guard.registry.turn_gate_off();
    }

    /// Replaces the list of peers.
    ///
    /// Who is not on it any more is cut off before this returns: its queue is dropped, and no byte of a frame
    /// is handed to QUIC for it any more. What QUIC held already may still arrive. Its connections are closed
    /// by the driver a moment later; until then it can still negotiate a stream, on which nothing comes.
    ///
    /// Who is not connected is dialled at once. Entries with an unusable key, or that repeat another, are
    /// left out with a warning: nobody gets in by mistake.
    pub fn set_peers(&self, peers: Vec<PeerEntry>) {
        for error in self.guard.registry.set(peers) {
            tracing::warn!(%error, "a peer was left out");
        }
    }

    /// Ends the session with this hub and closes its connections. It stays on the list, so that either side
    /// connects again after a moment. No effect on a hub that is not listed.
    pub fn disconnect(&self, code: &str) {
        self.guard.registry.interrupt(code);
    }

    /// Stops, for all handles. When this returns, nothing is sent or received any more.
    ///
    /// Frames that are still queued are lost, as at the end of any session. The port comes free with the end of
    /// the process: whoever wants it again before that calls [`Transport::stop`].
    pub async fn end(&mut self) {
        self.guard.registry.stop();
        // The driver holds the sender for as long as it runs, and never sends.
        while self.stopped.changed().await.is_ok() {}
    }

    /// As [`Transport::end`], and waits until the port is free, unless the system keeps it for longer than five
    /// seconds: QUIC holds on to a connection whose peer is gone for about three.
    pub async fn stop(mut self) {
        self.end().await;
        let deadline = Instant::now() + PORT_RELEASE_TIMEOUT;
        while !is_free(self.guard.listen) && Instant::now() < deadline {
            sleep(PORT_RELEASE_POLL).await;
        }
    }
}

fn is_free(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
}
