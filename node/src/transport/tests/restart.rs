//! A hub goes away and comes back: politely, or killed. The killed one is a process of its own.

use std::{
    net::{SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use testudo_protocol::id::CommunityTag;
use tokio::time::timeout;

use super::harness::{Hub, MEETING_PAUSE, PATIENCE, config, entry, loopback};
use crate::transport::{GossipCommunity, StartError, Transport, TransportEvent};

/// Tells a child of this test binary what to be; absent in an ordinary run.
const ROLE: &str = "TESTUDO_TEST_TRANSPORT_ROLE";

const PARENT: u8 = 90;
const CHILD: u8 = 91;

/// What child processes run; does nothing in an ordinary run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    if role == "key log" {
        let error = Transport::start(config(CHILD, loopback(), vec![])).await.err();
        assert!(matches!(error, Some(StartError::KeyLog)), "{error:?}");
        return;
    }
    // Otherwise: be a hub that echoes, to whoever asked and to its community, until killed.
    let (listen, parent) = role.split_once(' ').unwrap();
    let peers = vec![entry("AA", PARENT, parent.parse().unwrap())];
    let mut config = config(CHILD, listen.parse().unwrap(), peers);
    config.communities = vec![community()];
    let mut hub = Hub::start_with("BB", CHILD, config).await.unwrap();
    let mut last = Vec::new();
    while let Some(event) = hub.events.recv().await {
        match event {
            TransportEvent::Frame { bytes, .. } => last = bytes,
            // A new session may mean that the last answer was lost.
            TransportEvent::Connected { .. } => {}
            _ => continue,
        }
        // If it fails, the next session brings another chance.
        let _ = hub.transport.send("AA", last.clone());
        let _ = hub.transport.publish_bytes(community().tag, last.clone());
    }
}

fn child(role: &str, key_log: Option<&str>) -> Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("{module}::child_process")])
        .env(ROLE, role);
    match key_log {
        Some(path) => command.env("SSLKEYLOGFILE", path),
        None => command.env_remove("SSLKEYLOGFILE"),
    };
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A child that does not outlive a failing test.
struct Killed(Child);

impl Killed {
    /// SIGKILL, and nothing else.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The community of parent and child.
fn community() -> GossipCommunity {
    GossipCommunity {
        tag: CommunityTag::new([PARENT; 32]),
        members: ["AA", "BB"].map(str::to_owned).into(),
    }
}

fn free_address() -> SocketAddr {
    UdpSocket::bind(loopback()).unwrap().local_addr().unwrap()
}

/// Sends this and waits until it comes back, as the core does: what a session lost is sent in the next.
async fn echo(hub: &mut Hub, number: u32) {
    let text = number.to_be_bytes();
    let _ = hub.transport.send("BB", text.to_vec());
    loop {
        match hub.next().await {
            TransportEvent::Frame { bytes, .. } if bytes == text => return,
            TransportEvent::Connected { .. } => {
                let _ = hub.transport.send("BB", text.to_vec());
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_is_back_soon_after_its_restart() {
    let mut hub = Hub::start("AA", PARENT).await;
    let address = free_address();
    let role = format!("{address} {}", hub.entry.address);
    hub.transport.set_peers(vec![entry("BB", CHILD, address)]);
    let mut running = Killed(child(&role, None));
    hub.connected("BB").await;

    let mut echoes = 0;
    // Killed at once, when it is not yet clear whether both sides have dialled; and after a longer life.
    for life in [
        Duration::ZERO,
        Duration::from_millis(1_500),
        Duration::ZERO,
        Duration::from_millis(300),
    ] {
        let born = Instant::now();
        echoes += 1;
        echo(&mut hub, echoes).await;
        while born.elapsed() < life {
            echoes += 1;
            echo(&mut hub, echoes).await;
        }
        running.kill();
        let restarted = Instant::now();
        running = Killed(child(&role, None));
        hub.disconnected("BB").await;
        hub.connected("BB").await;
        let elapsed = restarted.elapsed();
        eprintln!("after a life of {life:?}: connected {elapsed:?} after the new process was started");
        // The goal is 2 s, on a machine that is not busy with other tests.
        assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
    }
    echo(&mut hub, echoes + 1).await;
}

/// The parent still holds the connection of the killed process when the next one dials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_is_heard_again_in_its_community() {
    let address = free_address();
    let mut config = config(PARENT, loopback(), vec![entry("BB", CHILD, address)]);
    config.communities = vec![community()];
    let mut hub = Hub::start_with("AA", PARENT, config).await.unwrap();
    let role = format!("{address} {}", hub.entry.address);
    let mut number = 0;
    for _ in 0..4 {
        let running = Killed(child(&role, None));
        hub.connected("BB").await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            number += 1;
            echo(&mut hub, number).await;
            let bytes = number.to_be_bytes();
            let in_gossip = |event: &TransportEvent| matches!(event, TransportEvent::Gossip { bytes: heard, .. } if *heard == bytes);
            let heard = hub.until(in_gossip);
            if timeout(MEETING_PAUSE, heard).await.is_ok() {
                break;
            }
            assert!(Instant::now() < deadline, "never heard again");
        }
        running.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_that_stays_away_is_noticed() {
    let mut hub = Hub::start("AA", PARENT).await;
    let address = free_address();
    hub.transport.set_peers(vec![entry("BB", CHILD, address)]);
    let running = Killed(child(&format!("{address} {}", hub.entry.address), None));
    hub.connected("BB").await;
    running.kill();
    let killed = Instant::now();
    hub.disconnected("BB").await;
    eprintln!("noticed after {:?}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_and_restarted_peer_connects_again() {
    let (mut a, b) = Hub::pair(92).await;
    let address = b.entry.address;
    b.transport.stop().await;
    a.disconnected("BB").await;
    let config = config(93, address, vec![a.entry.clone()]);
    let mut b = Hub::start_with("BB", 93, config).await.unwrap();
    let restarted = Instant::now();
    a.connected("BB").await;
    eprintln!("connected {:?} after the restart", restarted.elapsed());
    a.send("BB", b"hello again").await;
    assert_eq!(b.frame().await, ("AA".into(), b"hello again".to_vec()));
}

#[test]
fn session_secrets_are_never_written() {
    let file = std::env::temp_dir().join(format!("testudo-keylog-{}", std::process::id()));
    let status = child("key log", file.to_str()).wait().unwrap();
    assert!(status.success());
    assert!(!file.exists());
}
