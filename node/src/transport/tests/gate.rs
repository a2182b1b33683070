//! Who is not on the list gets nothing; who misuses a stream loses it.

use std::{future::poll_fn, io, pin::Pin};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Swarm, SwarmBuilder, Transport as _,
    core::{
        Endpoint,
        muxing::StreamMuxer,
        transport::{DialOpts, PortUse},
    },
    identity::Keypair,
    quic,
    swarm::dial_opts::DialOpts as SwarmDialOpts,
};
use tokio::time::timeout;

use super::harness::{Hub, PATIENCE, entry, keypair, loopback, sample};
use crate::transport::{SendError, TransportEvent, config::quic_address, streams::EXCHANGE};

/// What a bare QUIC client got from a hub: bytes on its own stream, and streams that the hub opened.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    bytes: Vec<u8>,
    streams: usize,
}

/// Connects with this key, asks for our protocol, and collects whatever comes until the hub closes, or
/// until the first thing of each kind came.
async fn probe(hub: &Hub, keypair: &Keypair) -> Got {
    let mut quic = quic::tokio::Transport::new(quic::Config::new(keypair));
    let options = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let dial = quic.dial(quic_address(hub.entry.address), options).unwrap();
    let mut got = Got {
        bytes: vec![],
        streams: 0,
    };
    let Ok((_, mut muxer)) = timeout(PATIENCE, dial).await.unwrap() else {
        return got;
    };
    let talk = async {
        let mut stream = poll_fn(|cx| Pin::new(&mut muxer).poll_outbound(cx))
            .await
            .map_err(io::Error::other)?;
        stream
            .write_all(b"\x13/multistream/1.0.0\n\x14/testudo/exchange/1\n")
            .await?;
        let mut buffer = [0; 64];
        let count = stream.read(&mut buffer).await?;
        got.bytes.extend_from_slice(&buffer[..count]);
        // An error here is the hub closing the connection.
        poll_fn(|cx| Pin::new(&mut muxer).poll_inbound(cx))
            .await
            .map_err(io::Error::other)?;
        got.streams += 1;
        io::Result::Ok(())
    };
    let _closed = timeout(PATIENCE, talk)
        .await
        .expect("the hub neither spoke nor closed");
    // The transport holds the socket; it lives to the end.
    drop(quic);
    got
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_not_a_byte() {
    let mut hub = Hub::start("AA", 70).await;
    hub.transport
        .set_peers(vec![entry("BB", 71, "127.0.0.1:9".parse().unwrap())]);

    for count in 1..=3 {
        assert_eq!(
            probe(&hub, &keypair(72)).await,
            Got {
                bytes: vec![],
                streams: 0
            }
        );
        hub.until(|event| *event == TransportEvent::Stranger { count })
            .await;
    }
    // The same client with the listed key is answered, so that the test above tests something.
    let answered = probe(&hub, &keypair(71)).await;
    assert!(
        answered.bytes.starts_with(b"\x13/multistream/1.0.0\n"),
        "{answered:?}"
    );
    assert_eq!(answered.streams, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_gets_nothing_any_more() {
    let (mut a, mut b) = Hub::pair(74).await;
    // B does not read while A fills all there is to fill.
    let mut accepted = 0;
    while a.transport.send("BB", sample(accepted, 500_000)).is_ok() {
        accepted += 1;
    }
    a.transport.set_peers(vec![]);
    assert_eq!(
        a.transport.send("BB", vec![1]),
        Err(SendError::UnknownPeer { code: "BB".into() })
    );
    a.disconnected("BB").await;

    // B takes what had left before, dials again and again, and is a stranger.
    let turned_away = a.until(|event| matches!(event, TransportEvent::Stranger { count } if *count >= 3));
    let mut turned_away = Box::pin(turned_away);
    let (mut received, mut in_session) = (0, true);
    loop {
        let event = tokio::select! {
            // Whatever is there already counts first.
            biased;
            event = b.next() => event,
            _ = turned_away.as_mut(), if !in_session => break,
        };
        match event {
            TransportEvent::Frame { .. } => received += 1,
            TransportEvent::Connected { .. } => in_session = true,
            TransportEvent::Disconnected { .. } => in_session = false,
            _ => {}
        }
    }
    drop(turned_away);
    eprintln!("{accepted} frames accepted, {received} received by the removed peer");
    assert!(received < accepted, "the queue was not dropped");

    // Back on the list, it starts afresh: nothing of the old queue comes. B itself may have held back one
    // frame that it had read when its session ended.
    a.transport.set_peers(vec![b.entry.clone()]);
    a.connected("BB").await;
    a.send("BB", b"welcome back").await;
    let mut frame = b.frame().await.1;
    if frame == sample(received, 500_000) {
        frame = b.frame().await.1;
    }
    assert!(frame == b"welcome back");
}

/// A listed peer that speaks libp2p without our code, and whose streams the test holds in its own hands.
fn bare_peer(hub: &Hub, seed: u8) -> (Swarm<libp2p_stream::Behaviour>, libp2p_stream::Control) {
    let mut swarm = SwarmBuilder::with_existing_identity(keypair(seed))
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .build();
    let control = swarm.behaviour().new_control();
    let options = SwarmDialOpts::peer_id(hub.entry.peer_id().unwrap())
        .addresses(vec![quic_address(hub.entry.address)])
        .build();
    swarm.dial(options).unwrap();
    (swarm, control)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_gibibytes_announced_cost_the_stream() {
    let mut hub = Hub::start("AA", 76).await;
    hub.transport.set_peers(vec![entry("BB", 77, loopback())]);
    let (mut swarm, mut control) = bare_peer(&hub, 77);
    let mut incoming = control.accept(EXCHANGE).unwrap();
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let id = hub.entry.peer_id().unwrap();
    let (_, _ours) = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();

    let mut stream = control.open_stream(id, EXCHANGE).await.unwrap();
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    let refused = TransportEvent::FrameRefused {
        code: "BB".into(),
        announced_bytes: u32::MAX,
    };
    hub.until(|event| *event == refused).await;
    // The hub dropped the stream: it ends for us, without a byte of explanation.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());

    // A new stream is as good as ever, and a newer one replaces it.
    let mut first = control.open_stream(id, EXCHANGE).await.unwrap();
    first.write_all(b"\0\0\0\x02hi").await.unwrap();
    assert_eq!(hub.frame().await.1, b"hi");
    let mut second = control.open_stream(id, EXCHANGE).await.unwrap();
    second.write_all(b"\0\0\0\x03new").await.unwrap();
    assert_eq!(hub.frame().await.1, b"new");
    assert_eq!(
        timeout(PATIENCE, first.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap_or(0),
        0
    );
}
