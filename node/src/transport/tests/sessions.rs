//! Frames, sessions and bounds between hubs that list each other.

use std::{
    collections::BTreeSet,
    net::{TcpListener, UdpSocket},
};

use tokio::sync::watch;

use super::harness::{Hub, config, entry, keypair, loopback, sample};
use crate::transport::{
    FRAME_BYTES_MAX, SendError, StartError, Transport, TransportEvent, config::socket_address,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_in_order_both_ways() {
    let (mut a, mut b) = Hub::pair(10).await;
    let frames: Vec<Vec<u8>> = (0..600)
        .map(|i| sample(i, [0, 1, 40, 1_000, 20_000, 200_000][i % 6]))
        .collect();
    let exchange = async |from: &Transport, to: &str, hub: &mut Hub| {
        let sending = async {
            for frame in &frames {
                while let Err(error) = from.send(to, frame.clone()) {
                    assert!(matches!(error, SendError::QueueFull { .. }), "{error}");
                    tokio::task::yield_now().await;
                }
            }
        };
        let receiving = async {
            for frame in &frames {
                assert!(hub.frame().await.1 == *frame);
            }
        };
        tokio::join!(sending, receiving);
    };
    let (from_a, from_b) = (a.transport.clone(), b.transport.clone());
    tokio::join!(exchange(&from_a, "BB", &mut b), exchange(&from_b, "AA", &mut a));
}

#[tokio::test]
async fn the_largest_frame_passes_and_a_larger_one_is_not_accepted() {
    let (a, mut b) = Hub::pair(12).await;
    let largest = vec![7; FRAME_BYTES_MAX as usize];
    a.transport.send("BB", largest.clone()).unwrap();
    assert!(b.frame().await == ("AA".into(), largest));
    let refused = a.transport.send("BB", vec![7; FRAME_BYTES_MAX as usize + 1]);
    assert!(matches!(refused, Err(SendError::FrameTooLarge { .. })));
}

#[tokio::test]
async fn sending_says_why_not() {
    let a = Hub::start("AA", 14).await;
    assert_eq!(
        a.transport.send("BB", vec![]),
        Err(SendError::UnknownPeer { code: "BB".into() })
    );
    a.transport.set_peers(vec![entry("BB", 15, loopback())]);
    assert_eq!(
        a.transport.send("BB", vec![]),
        Err(SendError::NotConnected { code: "BB".into() })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_fills_the_queue_and_loses_nothing() {
    let (a, mut b) = Hub::pair(16).await;
    let mut accepted = 0;
    let full = loop {
        match a.transport.send("BB", sample(accepted, 1 << 20)) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        // Queue, flow control windows and the events of the other side hold some 80 MiB together.
        assert!(accepted < 200, "the queue is not bounded");
        tokio::task::yield_now().await;
    };
    assert_eq!(full, SendError::QueueFull { code: "BB".into() });
    for i in 0..accepted {
        assert!(b.frame().await.1 == sample(i, 1 << 20), "frame {i}");
    }
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let udp = UdpSocket::bind(loopback()).unwrap();
    let tcp = TcpListener::bind(loopback()).unwrap();
    let busy = [
        ("UDP", udp.local_addr().unwrap()),
        ("TCP", tcp.local_addr().unwrap()),
    ];
    for (which, at) in busy {
        match Transport::start(config(18, at, vec![])).await.err() {
            Some(StartError::PortBusy { protocol, address }) => assert_eq!((protocol, address), (which, at)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn bad_lists_are_refused_at_start() {
    let mut broken = entry("BB", 19, loopback());
    // Not the y coordinate of any point.
    broken.transport_key = [2; 32];
    assert!(broken.peer_id().is_none());
    let error = Transport::start(config(20, loopback(), vec![broken])).await.err();
    assert!(matches!(error, Some(StartError::BadKey { code }) if code == "BB"));

    for second in [entry("BB", 22, loopback()), entry("CC", 21, loopback())] {
        let list = vec![entry("BB", 21, loopback()), second];
        let error = Transport::start(config(20, loopback(), list)).await.err();
        assert!(matches!(error, Some(StartError::Duplicate { .. })), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnect_ends_the_session_and_a_new_one_follows() {
    let (mut a, mut b) = Hub::pair(24).await;
    a.transport.disconnect("BB");
    assert!(matches!(
        a.transport.send("BB", vec![1]),
        Ok(()) | Err(SendError::NotConnected { .. })
    ));
    a.disconnected("BB").await;
    b.disconnected("AA").await;
    a.connected("BB").await;
    b.connected("AA").await;
    b.send("AA", b"again").await;
    assert_eq!(a.frame().await.1, b"again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_under_the_same_code_is_another_peer() {
    let (mut a, b) = Hub::pair(26).await;
    let mut c = Hub::start("CC", 28).await;
    c.transport.set_peers(vec![a.entry.clone()]);
    let mut moved = c.entry.clone();
    moved.code = "BB".into();
    a.transport.set_peers(vec![moved]);
    // The old session under this code ends before the new one begins.
    let sessions = |event: &TransportEvent| !matches!(event, TransportEvent::Stranger { .. });
    assert_eq!(
        a.until(sessions).await,
        TransportEvent::Disconnected { code: "BB".into() }
    );
    a.connected("BB").await;
    c.connected("AA").await;
    a.send("BB", b"for the new holder").await;
    assert_eq!(c.frame().await.1, b"for the new holder");
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mesh_finds_itself_and_everybody_hears_everybody() {
    const HUBS: usize = 8;
    let code = |i: usize| format!("H{i}");
    let mut hubs = Vec::new();
    for i in 0..HUBS {
        hubs.push(Hub::start(&code(i), 40 + i as u8).await);
    }
    let list: Vec<_> = hubs.iter().map(|hub| hub.entry.clone()).collect();
    for hub in &hubs {
        // The list names the hub itself, as a directory does.
        hub.transport.set_peers(list.clone());
    }
    // A hub that has heard everybody goes on answering, for those that have not.
    let done = watch::Sender::new(0);
    let tasks = hubs.into_iter().enumerate().map(|(i, mut hub)| {
        let (done, mut all_done) = (done.clone(), done.subscribe());
        tokio::spawn(async move {
            let mut missing: BTreeSet<String> = (0..HUBS).filter(|j| *j != i).map(code).collect();
            let mut sessions = 0;
            loop {
                let event = tokio::select! {
                    _ = all_done.wait_for(|count| *count == HUBS) => return sessions,
                    event = hub.next() => event,
                };
                match event {
                    TransportEvent::Connected { code } => {
                        sessions += 1;
                        // It may fail if this session is over already; the next one brings another event.
                        let _ = hub.transport.send(&code, b"hello".to_vec());
                    }
                    TransportEvent::Frame { code, .. } if missing.remove(&code) && missing.is_empty() => {
                        done.send_modify(|count| *count += 1);
                    }
                    _ => {}
                }
            }
        })
    });
    let mut sessions = 0;
    for task in tasks.collect::<Vec<_>>() {
        sessions += task.await.unwrap();
    }
    eprintln!("{sessions} sessions seen, {} needed", HUBS * (HUBS - 1));
}

#[tokio::test]
async fn a_stopped_transport_gives_back_its_port_and_ends_its_events() {
    let mut a = Hub::start("AA", 60).await;
    let address = a.entry.address;
    let other = a.transport.clone();
    a.transport.stop().await;
    assert!(UdpSocket::bind(address).is_ok());
    assert!(a.events.recv().await.is_none());
    assert!(matches!(
        other.send("BB", vec![]),
        Err(SendError::UnknownPeer { .. })
    ));
}

#[tokio::test]
async fn the_last_handle_ends_the_transport() {
    let Hub {
        transport,
        mut events,
        ..
    } = Hub::start("AA", 62).await;
    drop(transport);
    assert!(events.recv().await.is_none());
}

#[test]
fn addresses_survive_the_way_through_libp2p() {
    for address in ["127.0.0.1:4001", "[2001:db8::1]:9"] {
        let address = address.parse().unwrap();
        assert_eq!(
            socket_address(&super::super::config::quic_address(address)),
            Some(address)
        );
    }
    assert_eq!(socket_address(&"/dns4/example.org/udp/1".parse().unwrap()), None);
    assert_ne!(keypair(1).public(), keypair(2).public());
}

#[test]
fn events_show_no_bytes() {
    let event = TransportEvent::Frame {
        code: "FR".into(),
        bytes: b"marker".to_vec(),
    };
    assert_eq!(format!("{event:?}"), "Frame(FR, 6 bytes)");
}
