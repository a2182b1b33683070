//! Hubs to test with: a transport, its events, and what others list it as.

use std::{net::SocketAddr, time::Duration};

use libp2p::identity::Keypair;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use crate::transport::{PeerEntry, SendError, StartError, Transport, TransportConfig, TransportEvent};

/// Far longer than anything takes on a busy machine; reached only by a failing test.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Before a publisher tries again: it may not have heard yet who listens.
pub(super) const MEETING_PAUSE: Duration = Duration::from_millis(100);

pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(super) fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

pub(super) fn entry(code: &str, seed: u8, address: SocketAddr) -> PeerEntry {
    let transport_key = keypair(seed).public().try_into_ed25519().unwrap().to_bytes();
    PeerEntry {
        code: code.into(),
        transport_key,
        address,
    }
}

pub(super) fn config(seed: u8, listen: SocketAddr, peers: Vec<PeerEntry>) -> TransportConfig {
    TransportConfig {
        secret_seed: Zeroizing::new([seed; 32]),
        listen,
        peers,
        communities: vec![],
        #[cfg(feature = "tap")]
        tap: None,
    }
}

pub(super) struct Hub {
    pub(super) transport: Transport,
    pub(super) events: mpsc::Receiver<TransportEvent>,
    pub(super) entry: PeerEntry,
}

impl Hub {
    pub(super) async fn start(code: &str, seed: u8) -> Self {
        Self::start_with(code, seed, config(seed, loopback(), vec![]))
            .await
            .unwrap()
    }

    pub(super) async fn start_with(
        code: &str,
        seed: u8,
        config: TransportConfig,
    ) -> Result<Self, StartError> {
        let (transport, mut events) = Transport::start(config).await?;
        let Some(TransportEvent::Listening { address }) = events.recv().await else {
            panic!("listening is not the first event");
        };
        Ok(Self {
            transport,
            events,
            entry: entry(code, seed, address),
        })
    }

    /// Two hubs that list each other and have a session both ways.
    pub(super) async fn pair(seed: u8) -> (Self, Self) {
        let mut a = Self::start("AA", seed).await;
        let mut b = Self::start("BB", seed + 1).await;
        a.transport.set_peers(vec![b.entry.clone()]);
        b.transport.set_peers(vec![a.entry.clone()]);
        a.connected("BB").await;
        b.connected("AA").await;
        (a, b)
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> TransportEvent {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("no event in time")
            .expect("stopped")
    }

    /// Skips events until this one.
    pub(super) async fn until(&mut self, wanted: impl Fn(&TransportEvent) -> bool) -> TransportEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the event did not come in time");
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    pub(super) async fn connected(&mut self, peer: &str) {
        self.until(|event| matches!(event, TransportEvent::Connected { code } if code == peer))
            .await;
    }

    pub(super) async fn disconnected(&mut self, peer: &str) {
        self.until(|event| matches!(event, TransportEvent::Disconnected { code } if code == peer))
            .await;
    }

    /// The next frame, whoever sent it; other events are skipped.
    pub(super) async fn frame(&mut self) -> (String, Vec<u8>) {
        match self
            .until(|event| matches!(event, TransportEvent::Frame { .. }))
            .await
        {
            TransportEvent::Frame { code, bytes } => (code, bytes),
            other => panic!("{other:?}"),
        }
    }

    /// Sends, waiting for room.
    pub(super) async fn send(&self, peer: &str, frame: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.transport.send(peer, frame.to_vec()) {
                Ok(()) => return,
                Err(SendError::QueueFull { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A frame that differs from all others in content, for a given number.
pub(super) fn sample(number: usize, length: usize) -> Vec<u8> {
    let mut frame = format!("frame {number}:").into_bytes();
    frame.resize(frame.len() + length, (number % 251) as u8);
    frame
}

/// A folder of our own, removed at the end.
#[cfg(feature = "tap")]
pub(super) struct Folder(pub(super) std::path::PathBuf);

#[cfg(feature = "tap")]
impl Folder {
    pub(super) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("testudo-tap-{name}-{}", std::process::id())))
    }
}

#[cfg(feature = "tap")]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
