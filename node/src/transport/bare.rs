//! What the benchmark holds our lanes against: libp2p alone, over the same QUIC, with nothing verified and nothing kept.
//!
//! Every node is connected with every other. Either all of them are in one stock gossipsub topic, or each pair holds a
//! stream in each direction and the author writes the message to everybody.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, Transport as _,
    core::muxing::StreamMuxerBox,
    gossipsub::{
        Behaviour, ConfigBuilder, Event, IdentTopic, MessageAuthenticity, MessageId, ValidationMode,
    },
    identity::Keypair,
    quic, swarm,
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};
use testudo_crypto::digest::Digest;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    behaviour::quic_config,
    config::{PeerEntry, quic_address, socket_address},
    registry::Registry,
    shutter::Shutters,
    streams::Streams,
};

/// Larger than anything that is measured, in bytes.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// A message has arrived at a node.
#[derive(Debug)]
pub struct Arrival {
    /// At which.
    pub node: usize,
    /// Which message, by the number in front of it.
    pub number: u64,
    /// When.
    pub at: Instant,
}

/// Some nodes, all connected.
pub struct Bare {
    publish: Vec<mpsc::UnboundedSender<Arc<Vec<u8>>>>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    shutters: Arc<Shutters>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Bare {
    /// Has a node send a message to all others; its first 8 bytes are its number.
    pub fn send(&self, from: usize, message: Arc<Vec<u8>>) {
        if let Some(publish) = self.publish.get(from) {
            // A node that has ended sends nothing, which the measurement shows.
            let _ = publish.send(message);
        }
    }

    /// The next arrival anywhere.
    pub async fn arrival(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Bytes that streams of all nodes have taken so far.
    pub fn sent_bytes(&self) -> u64 {
        self.shutters.sent_bytes()
    }
}

fn number(message: &[u8]) -> u64 {
    let first = message.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

/// A swarm that listens on loopback, and its address.
async fn listening<B: NetworkBehaviour>(
    keypair: &Keypair,
    behaviour: B,
    shutters: &Arc<Shutters>,
) -> (Swarm<B>, Multiaddr) {
    let shutters = shutters.clone();
    let quic = quic::tokio::Transport::new(quic_config(keypair));
    let transport = quic.map(move |(peer, muxer), _| {
        (
            peer,
            StreamMuxerBox::new(shutters.wrap(peer, StreamMuxerBox::new(muxer))),
        )
    });
    let config =
        swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(3_600));
    let mut swarm = Swarm::new(
        transport.boxed(),
        behaviour,
        keypair.public().to_peer_id(),
        config,
    );
    let loopback = quic_address(([127, 0, 0, 1], 0).into());
    swarm.listen_on(loopback).expect("loopback can be listened on");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return (swarm, address);
        }
    }
}

/// Dials all nodes before one's own place, so that each pair has one connection.
fn dial_earlier<B: NetworkBehaviour>(swarm: &mut Swarm<B>, earlier: &[(PeerId, Multiaddr)]) {
    for (peer, address) in earlier {
        let dial = DialOpts::peer_id(*peer).addresses(vec![address.clone()]).build();
        swarm.dial(dial).expect("nobody is dialled twice");
    }
}

/// Nodes in one topic of stock gossipsub: its defaults, but for flooding, the ids and the size.
pub async fn gossip(nodes: usize) -> Bare {
    let topic = IdentTopic::new("bench");
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| MessageId::from(Digest::of(&message.data).as_bytes().to_vec()))
        .flood_publish(false)
        .max_transmit_size(MESSAGE_BYTES_MAX)
        .build()
        .expect("the settings are gossipsub's own");
    let shutters = Arc::new(Shutters::default());
    let (telling, arrivals) = mpsc::unbounded_channel();
    let (mut publish, mut tasks, mut known, mut ready) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for node in 0..nodes {
        let keypair = Keypair::generate_ed25519();
        let mut behaviour: Behaviour =
            Behaviour::new(MessageAuthenticity::Anonymous, config.clone()).expect("anonymous both ways");
        behaviour.subscribe(&topic).expect("nothing is filtered");
        let (mut swarm, address) = listening(&keypair, behaviour, &shutters).await;
        dial_earlier(&mut swarm, &known);
        known.push((keypair.public().to_peer_id(), address));
        let (sender, mut messages) = mpsc::unbounded_channel::<Arc<Vec<u8>>>();
        publish.push(sender);
        let (told, all_here) = oneshot::channel();
        ready.push(all_here);
        let (topic, telling) = (topic.clone(), telling.clone());
        tasks.push(tokio::spawn(async move {
            let mut told = Some(told);
            let mut subscribed = 0;
            loop {
                tokio::select! {
                    Some(message) = messages.recv() => {
                        // A full queue is a loss, which the measurement shows.
                        let _ = swarm.behaviour_mut().publish(topic.clone(), message.to_vec());
                    }
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::Behaviour(Event::Message { message, .. }) => {
                            let arrival = Arrival { node, number: number(&message.data), at: Instant::now() };
                            if telling.send(arrival).is_err() {
                                return;
                            }
                        }
                        SwarmEvent::Behaviour(Event::Subscribed { .. }) => {
                            subscribed += 1;
                            if subscribed == nodes - 1
                                && let Some(told) = told.take()
                            {
                                let _ = told.send(());
                            }
                        }
                        _ => {}
                    }
                }
            }
        }));
    }
    for all_here in ready {
        all_here.await.expect("every node hears of all others");
    }
    Bare {
        publish,
        arrivals,
        shutters,
        tasks,
    }
}

/// Nodes that hold a stream to each other.
pub async fn streams(nodes: usize) -> Bare {
    let shutters = Arc::new(Shutters::default());
    let (telling, arrivals) = mpsc::unbounded_channel();
    let keypairs: Vec<Keypair> = (0..nodes).map(|_| Keypair::generate_ed25519()).collect();
    let entry = |(node, keypair): (usize, &Keypair)| PeerEntry {
        code: node.to_string(),
        transport_key: keypair
            .public()
            .try_into_ed25519()
            .map(|key| key.to_bytes())
            .unwrap_or_default(),
        address: ([127, 0, 0, 1], 1).into(),
    };
    let entries: Vec<PeerEntry> = keypairs.iter().enumerate().map(entry).collect();
    let (mut publish, mut tasks, mut known, mut ready) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (node, keypair) in keypairs.iter().enumerate() {
        let registry = Arc::new(Registry::new(keypair.public().to_peer_id()));
        registry.set(entries.clone());
        let (mut swarm, address) = listening(keypair, Streams::new(registry.clone()), &shutters).await;
        debug_assert!(socket_address(&address).is_some());
        dial_earlier(&mut swarm, &known);
        known.push((keypair.public().to_peer_id(), address));
        let (opened, mut outgoing) = mpsc::unbounded_channel::<Stream>();
        tasks.push(tokio::spawn(async move {
            loop {
                if let SwarmEvent::ConnectionEstablished {
                    peer_id,
                    connection_id,
                    ..
                } = swarm.select_next_some().await
                {
                    let (opening, agreed) = oneshot::channel();
                    swarm.behaviour_mut().open(peer_id, connection_id, opening);
                    let opened = opened.clone();
                    tokio::spawn(async move {
                        if let Ok(stream) = agreed.await {
                            let _ = opened.send(stream);
                        }
                    });
                }
            }
        }));
        let (sender, mut messages) = mpsc::unbounded_channel::<Arc<Vec<u8>>>();
        publish.push(sender);
        let (told, all_here) = oneshot::channel();
        ready.push(all_here);
        tasks.push(tokio::spawn(async move {
            let mut writers = Vec::new();
            while writers.len() < nodes - 1 {
                let Some(mut stream) = outgoing.recv().await else {
                    return;
                };
                let (writer, mut frames) = mpsc::unbounded_channel::<Arc<Vec<u8>>>();
                writers.push(writer);
                tokio::spawn(async move {
                    while let Some(frame) = frames.recv().await {
                        let length = (frame.len() as u32).to_be_bytes();
                        if stream.write_all(&length).await.is_err() || stream.write_all(&frame).await.is_err()
                        {
                            return;
                        }
                        if stream.flush().await.is_err() {
                            return;
                        }
                    }
                });
            }
            let _ = told.send(());
            while let Some(message) = messages.recv().await {
                for writer in &writers {
                    let _ = writer.send(message.clone());
                }
            }
        }));
        for peer in 0..nodes {
            let (registry, telling) = (registry.clone(), telling.clone());
            let Some(link) = registry.by_code(&peer.to_string()) else {
                continue;
            };
            tasks.push(tokio::spawn(async move {
                let mut stream = link.next_offer().await;
                loop {
                    let mut length = [0; 4];
                    if stream.read_exact(&mut length).await.is_err() {
                        return;
                    }
                    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
                    if stream.read_exact(&mut frame).await.is_err() {
                        return;
                    }
                    let arrival = Arrival {
                        node,
                        number: number(&frame),
                        at: Instant::now(),
                    };
                    if telling.send(arrival).is_err() {
                        return;
                    }
                }
            }));
        }
    }
    for all_here in ready {
        all_here.await.expect("every stream is opened");
    }
    Bare {
        publish,
        arrivals,
        shutters,
        tasks,
    }
}
