//! The ways to a peer: QUIC first, TCP with TLS 1.3 where no UDP gets through.

use std::net::{SocketAddr, UdpSocket};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::harness::{Hub, PATIENCE, config, entry, loopback};

/// A port of a network that lets TCP through to a hub and swallows UDP. The socket holds the UDP side.
async fn tcp_only(hub: SocketAddr) -> (SocketAddr, UdpSocket) {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind(loopback()).unwrap();
        // The number may be in use for TCP: then another.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = tcp.accept().await {
            let mut far = TcpStream::connect(hub).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    (address, udp)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_udp_gets_through_hubs_meet_over_tcp() {
    let mut a = Hub::start("AA", 120).await;
    let (address, _swallows) = tcp_only(a.entry.address).await;
    // A cannot reach B at all: it knows only that B may come.
    a.transport.set_peers(vec![entry("BB", 121, loopback())]);
    let to_a = entry("AA", 120, address);
    let config = config(121, loopback(), vec![to_a]);
    let mut b = Hub::start_with("BB", 121, config).await.unwrap();
    a.connected("BB").await;
    b.connected("AA").await;
    a.send("BB", &[7; 300_000]).await;
    assert_eq!(b.frame().await.1, [7; 300_000]);
    b.send("AA", b"received").await;
    assert_eq!(a.frame().await.1, b"received");
}

/// Of a TLS ClientHello: the group of its first key share.
fn first_key_share(hello: &[u8]) -> Option<u16> {
    let number = |at: usize| Some(u16::from_be_bytes([*hello.get(at)?, *hello.get(at + 1)?]));
    // Handshake header, version and random; then three lists, each behind its length.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(*hello.get(at)?);
    at += 2 + usize::from(number(at)?);
    at += 1 + usize::from(*hello.get(at)?);
    at += 2;
    const KEY_SHARE: u16 = 51;
    while number(at)? != KEY_SHARE {
        at += 4 + usize::from(number(at + 2)?);
    }
    number(at + 6)
}

/// Reads one message of multistream-select: a length below 128, and a line.
async fn line(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u8().await.unwrap();
    let mut line = vec![0; usize::from(length)];
    stream.read_exact(&mut line).await.unwrap();
    [vec![length], line].concat()
}

/// What is recorded on the wire today must not be opened by a quantum computer of tomorrow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_key_share_of_a_handshake_is_post_quantum() {
    /// X25519MLKEM768, draft-ietf-tls-ecdhe-mlkem.
    const X25519_ML_KEM_768: u16 = 0x11ec;
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let peer = entry("AA", 122, listener.local_addr().unwrap());
    let _b = Hub::start_with("BB", 123, config(123, loopback(), vec![peer]))
        .await
        .unwrap();
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    // The header and the proposal are agreed to by being said again.
    for _ in 0..2 {
        let proposal = line(&mut stream).await;
        stream.write_all(&proposal).await.unwrap();
    }
    let mut record = [0; 5];
    stream.read_exact(&mut record).await.unwrap();
    let mut hello = vec![0; usize::from(u16::from_be_bytes([record[3], record[4]]))];
    stream.read_exact(&mut hello).await.unwrap();
    assert_eq!(first_key_share(&hello), Some(X25519_ML_KEM_768));
}
