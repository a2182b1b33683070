//! The driver: one task that owns the Swarm, and does nothing slow.
//!
//! It keeps the connections: it allows, dials, counts, and closes what is dead. It never waits for the
//! core, and no frame passes through it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, allow_block_list,
    core::transport::ListenerId,
    identity::Keypair,
    ping,
    swarm::{
        ConnectionId, ListenError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    behaviour::{self, Behaviour, BehaviourEvent},
    config::{StartError, TransportConfig, multiaddrs, quic_address, socket_address, tcp_address},
    dialer::Dialer,
    event::TransportEvent,
    gossip::{Acceptance, GossipEvent, GossipWish},
    link::{self, Link},
    registry::{Member, Registry},
    streams::OpenStream,
};

/// How long the system may take to confirm that we listen.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long closing connections may take at the end. The packets that say so leave at once.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often another number is tried where the system may choose a port: TCP has other numbers in use than UDP.
const FREE_PORT_TRIES_MAX: u32 = 16;

/// Wishes of links for a stream that may wait for the driver, which is never busy for long; a link beyond them waits.
const OPENINGS_MAX: usize = 64;

/// Messages of gossip that may wait for the core: 32 MiB at most. More are dropped, and come directly.
const ARRIVED_MAX: usize = 512;

/// A peer dials only while it has no connection with us. If it dials us although we hold one that we
/// dialled, then either both dialled at once, or it has lost that one. Both at once is a matter of round
/// trips; beyond this it has lost it.
const SIMULTANEOUS_DIAL: Duration = Duration::from_secs(1);

/// Checks the configuration, listens, and spawns the driver.
///
/// Returns the list, the address, and a channel that closes when the driver has ended.
pub(super) async fn start(
    mut config: TransportConfig,
    events: mpsc::Sender<TransportEvent>,
    wishes: mpsc::Receiver<GossipWish>,
) -> Result<(Arc<Registry>, SocketAddr, watch::Receiver<()>), StartError> {
    config.listen = hold_ports(config.listen)?.address;
    let keypair =
        Keypair::ed25519_from_bytes(config.secret_seed.as_mut_slice()).map_err(|_| StartError::BadSeed)?;
    let registry = Arc::new(Registry::new(keypair.public().to_peer_id()));
    if let Some(error) = registry.set(std::mem::take(&mut config.peers)).into_iter().next() {
        return Err(error);
    }
    registry.set_communities(std::mem::take(&mut config.communities));
    #[cfg(feature = "tap")]
    let tap = config.tap.take().map(super::tap::Tap::new).transpose()?;
    let mut swarm = behaviour::swarm(
        &keypair,
        #[cfg(feature = "tap")]
        tap,
        &registry,
    )
    .map_err(|error| StartError::Certificate {
        cause: error.to_string(),
    })?;
    let address = listen(&mut swarm, config.listen).await?;
    // The channel is new and empty, so this is the first event.
    let _ = events.try_send(TransportEvent::Listening { address });
    tracing::info!(%address, "listening");

    let (opening, openings) = mpsc::channel(OPENINGS_MAX);
    let (running, stopped) = watch::channel(());
    let seed = PeerId::random()
        .to_bytes()
        .iter()
        .fold(0, |seed: u64, b| seed.rotate_left(7) ^ u64::from(*b));
    let driver = Driver {
        swarm,
        registry: registry.clone(),
        opening,
        openings,
        wishes,
        arrived: VecDeque::new(),
        events,
        dialer: Dialer::new(seed),
        seed,
        version: None,
        peers: HashMap::new(),
        retired: HashMap::new(),
        connections: HashMap::new(),
        strangers: 0,
    };
    tokio::spawn(async move {
        driver.run().await;
        drop(running);
    });
    Ok((registry, address, stopped))
}

/// Both ports of an address, kept from other processes for as long as this is.
pub struct HeldPorts {
    address: SocketAddr,
    _held: (UdpSocket, TcpListener),
}

/// Asks the system for both ports, because libp2p hides the kind of its refusal, and finds a number that is free for both
/// where any will do.
///
/// libp2p listens by itself: between giving these up and the real listening another process may still take one; that is
/// then reported as [`StartError::Listen`].
///
/// # Errors
/// [`StartError::KeyLog`], [`StartError::PortBusy`], [`StartError::Listen`].
pub fn hold_ports(address: SocketAddr) -> Result<HeldPorts, StartError> {
    if std::env::var_os("SSLKEYLOGFILE").is_some() {
        return Err(StartError::KeyLog);
    }
    let mut refusals = 0;
    loop {
        let taken = |protocol| {
            move |source: io::Error| match source.kind() {
                io::ErrorKind::AddrInUse => StartError::PortBusy { protocol, address },
                _ => StartError::Listen { address, source },
            }
        };
        let udp = UdpSocket::bind(address).map_err(taken("UDP"))?;
        let address_of_both = udp.local_addr().map_err(taken("UDP"))?;
        match TcpListener::bind(address_of_both).map_err(taken("TCP")) {
            Ok(tcp) => {
                return Ok(HeldPorts {
                    address: address_of_both,
                    _held: (udp, tcp),
                });
            }
            Err(error) if address.port() != 0 || refusals == FREE_PORT_TRIES_MAX => return Err(error),
            Err(_) => refusals += 1,
        }
    }
}

fn refused(address: SocketAddr, cause: impl ToString) -> StartError {
    StartError::Listen {
        address,
        source: std::io::Error::other(cause.to_string()),
    }
}

/// Listens on both, and waits until both stand.
async fn listen(swarm: &mut Swarm<Behaviour>, address: SocketAddr) -> Result<SocketAddr, StartError> {
    let mut confirmed = None;
    for way in [quic_address(address), tcp_address(address)] {
        let listener = swarm.listen_on(way).map_err(|error| refused(address, error))?;
        let standing = timeout(LISTEN_TIMEOUT, stands(swarm, listener, address)).await;
        let way = standing.unwrap_or_else(|_| Err(refused(address, "no address of this machine fits")))?;
        confirmed = confirmed.or(socket_address(&way));
    }
    confirmed.ok_or_else(|| refused(address, "no address of this machine fits"))
}

/// The real address of a listener.
async fn stands(
    swarm: &mut Swarm<Behaviour>,
    listener: ListenerId,
    address: SocketAddr,
) -> Result<Multiaddr, StartError> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr {
                listener_id, address, ..
            } if listener_id == listener => return Ok(address),
            SwarmEvent::ListenerError { error, .. } => return Err(refused(address, error)),
            SwarmEvent::ListenerClosed { .. } => return Err(refused(address, "the listener closed")),
            _ => {}
        }
    }
}

/// A listed peer, and the task of its link.
struct Peer {
    link: Arc<Link>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

struct Connection {
    id: ConnectionId,
    dialled_by_peer: bool,
    since: Instant,
    closing: bool,
}

struct Driver {
    swarm: Swarm<Behaviour>,
    registry: Arc<Registry>,
    /// Handed to each link.
    opening: mpsc::Sender<OpenStream>,
    openings: mpsc::Receiver<OpenStream>,
    /// What is to be published, and what became of what has arrived.
    wishes: mpsc::Receiver<GossipWish>,
    /// Gossip that the core has not taken yet.
    arrived: VecDeque<TransportEvent>,
    events: mpsc::Sender<TransportEvent>,
    dialer: Dialer,
    seed: u64,
    /// The list that is in force; `None` before the first.
    version: Option<u64>,
    peers: HashMap<PeerId, Peer>,
    /// The tasks of links that were retired, by hub code, until a new link waits for them.
    retired: HashMap<String, JoinHandle<()>>,
    connections: HashMap<PeerId, Vec<Connection>>,
    strangers: u64,
}

impl Driver {
    async fn run(mut self) {
        self.apply_changes();
        while !self.registry.stopping() {
            let due = self.dialer.next_at();
            let dial = async move {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // A removal goes before everything else.
                biased;
                () = self.registry.changed() => self.apply_changes(),
                () = self.events.closed() => break,
                Some(wish) = self.openings.recv() => self.open_stream(wish),
                Some(wish) = self.wishes.recv() => self.swarm.behaviour_mut().gossip.grant(wish),
                Ok(permit) = self.events.clone().reserve_owned(), if !self.arrived.is_empty() => {
                    if let Some(event) = self.arrived.pop_front() {
                        permit.send(event);
                    }
                }
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                () = dial => self.dial_due(),
            }
        }
        self.registry.stop();
        self.close().await;
    }

    /// Does what the handle and the handlers of streams have asked for.
    fn apply_changes(&mut self) {
        for peer in self.registry.take_interrupted() {
            self.close_all(peer);
        }
        for peer in self.registry.take_reopened() {
            self.close_older(peer);
        }
        let (version, members) = self.registry.members();
        if self.version != Some(version) {
            self.version = Some(version);
            self.apply_list(members);
            self.apply_communities();
        }
    }

    /// Brings gossip into line with the communities, and closes what carries others.
    fn apply_communities(&mut self) {
        for id in self.swarm.behaviour_mut().gossip.reconcile() {
            if let Some(peer) = self.peers.get(&id) {
                peer.link.interrupt();
            }
            self.close_all(id);
        }
    }

    /// Brings links, allow-list, limits and dialer into line with the list.
    fn apply_list(&mut self, members: Vec<Member>) {
        let listed: BTreeSet<PeerId> = members.iter().map(|member| member.link.peer).collect();
        let current = |peer: &Peer| members.iter().any(|member| Arc::ptr_eq(&member.link, &peer.link));
        let gone: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| !current(peer))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(id);
        }
        self.retired.retain(|_, task| !task.is_finished());
        for member in members {
            match self.peers.get_mut(&member.link.peer) {
                Some(peer) => peer.address = member.address,
                None => self.add(member.link, member.address),
            }
        }
        *self.swarm.behaviour_mut().limits.limits_mut() = behaviour::limits(listed.len());
        self.dialer.set_peers(&listed, Instant::now());
    }

    fn add(&mut self, link: Arc<Link>, address: SocketAddr) {
        self.seed = self.seed.wrapping_add(1);
        let predecessor = self.retired.remove(&link.code);
        let run = link::run(
            link.clone(),
            self.opening.clone(),
            self.events.clone(),
            self.seed,
            predecessor,
        );
        let id = link.peer;
        self.peers.insert(
            id,
            Peer {
                link,
                address,
                task: tokio::spawn(run),
            },
        );
        self.swarm.behaviour_mut().allowed.allow_peer(id);
    }

    fn remove(&mut self, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        tracing::info!(peer = %peer.link.code, "removed from the list");
        // This also closes its connections; they are marked so that a link that follows waits for it.
        self.swarm.behaviour_mut().allowed.disallow_peer(id);
        self.close_all(id);
        self.retired.insert(peer.link.code.clone(), peer.task);
    }

    /// Closes all connections with this peer. Dropping what is unsent is wanted here.
    fn close_all(&mut self, id: PeerId) {
        for connection in self.connections.entry(id).or_default() {
            connection.closing = true;
        }
        // An error only says that there was none.
        let _ = self.swarm.disconnect_peer_id(id);
        self.tell_link(&id);
    }

    fn dial_due(&mut self) {
        let now = Instant::now();
        for id in self.dialer.due(now) {
            let Some(peer) = self.peers.get(&id) else { continue };
            let options = DialOpts::peer_id(id)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(multiaddrs(peer.address))
                .build();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(peer = %peer.link.code, %error, "not dialled");
                self.dialer.failed(&id, now);
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_established(peer_id, connection_id, endpoint.is_listener());
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                cause,
                ..
            } => {
                if let Some(peer) = self.peers.get(&peer_id) {
                    let error = cause.as_ref().map(tracing::field::display);
                    tracing::debug!(peer = %peer.link.code, error, "connection closed");
                }
                if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.retain(|connection| connection.id != connection_id);
                }
                if num_established == 0 {
                    self.connections.remove(&peer_id);
                    self.dialer.disconnected(&peer_id, Instant::now());
                }
                self.tell_link(&peer_id);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(id),
                error,
                ..
            } => {
                if let Some(peer) = self.peers.get(&id) {
                    tracing::debug!(peer = %peer.link.code, %error, "not reached");
                }
                self.dialer.failed(&id, Instant::now());
            }
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Denied { cause },
                ..
            } => {
                if cause.downcast_ref::<allow_block_list::NotAllowed>().is_some() {
                    self.strangers = self.strangers.saturating_add(1);
                    tracing::warn!(count = self.strangers, "a stranger was turned away");
                    // If the core is behind, the next report carries the count.
                    let _ = self.events.try_send(TransportEvent::Stranger {
                        count: self.strangers,
                    });
                } else {
                    tracing::warn!(error = %cause, "a connection beyond the limits was turned away");
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some(address) = socket_address(&address) {
                    tracing::info!(%address, "listening");
                    let _ = self.events.try_send(TransportEvent::Listening { address });
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Liveness(answer)) => self.on_ping(&answer),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::ListenerClosed { .. } => tracing::error!("the listener closed; restart this hub"),
            _ => {}
        }
    }

    /// Closes a connection on which nobody answers.
    fn on_ping(&mut self, answer: &ping::Event) {
        if matches!(answer.result, Ok(_) | Err(ping::Failure::Unsupported)) {
            return;
        }
        self.close_dead(answer.peer, |connection| connection.id == answer.connection);
        self.tell_link(&answer.peer);
    }

    /// Hands gossip to the core, in its own time: a peer cannot make us hold more than a bound of it.
    fn on_gossip(&mut self, event: GossipEvent) {
        match event {
            GossipEvent::Arrived { ticket, bytes } => {
                let link = self.registry.by_peer(&ticket.from());
                let room = self.arrived.len() < ARRIVED_MAX;
                let Some(link) = link.filter(|_| room) else {
                    tracing::debug!("gossip was dropped: the core is busy, or its sender is gone");
                    let ignored = GossipWish::Judge(ticket, Acceptance::Ignore);
                    return self.swarm.behaviour_mut().gossip.grant(ignored);
                };
                self.arrived.push_back(TransportEvent::Gossip {
                    code: link.code.clone(),
                    community: ticket.community(),
                    bytes,
                    ticket,
                });
            }
            GossipEvent::Slow { peer, dropped } => {
                // Its score falls with each, until it leaves the mesh by itself.
                if let Some(link) = self.registry.by_peer(&peer) {
                    tracing::warn!(peer = %link.code, count = dropped, "the peer reads gossip too slowly");
                }
            }
        }
    }

    fn on_established(&mut self, id: PeerId, connection: ConnectionId, dialled_by_peer: bool) {
        let now = Instant::now();
        if dialled_by_peer {
            // The peer dialled although we hold connections: it has lost those, most likely by a restart.
            self.close_dead(id, |older| {
                older.dialled_by_peer || now.duration_since(older.since) > SIMULTANEOUS_DIAL
            });
        }
        let new = Connection {
            id: connection,
            dialled_by_peer,
            since: now,
            closing: false,
        };
        self.connections.entry(id).or_default().push(new);
        self.dialer.connected(&id, dialled_by_peer, now);
        self.tell_link(&id);
    }

    /// The peer opened a second stream. If it holds several connections, it either lost one of them, or it
    /// restarted within the time of [`SIMULTANEOUS_DIAL`]; the newest that it dialled is surely alive.
    fn close_older(&mut self, id: PeerId) {
        let connections = self.connections.get(&id).map(Vec::as_slice).unwrap_or_default();
        let alive = connections
            .iter()
            .rfind(|connection| connection.dialled_by_peer && !connection.closing);
        if let Some(alive) = alive.map(|connection| connection.id) {
            self.close_dead(id, |connection| connection.id != alive);
            self.tell_link(&id);
        }
    }

    /// Closes the connections of this peer that are dead, and ends a session that may be on one of them.
    /// QUIC would notice only after its idle timeout: a restarted endpoint ignores packets for the connections of the
    /// old one.
    fn close_dead(&mut self, id: PeerId, dead: impl Fn(&Connection) -> bool) {
        let connections = self.connections.entry(id).or_default();
        let mut any = false;
        for connection in connections
            .iter_mut()
            .filter(|connection| !connection.closing && dead(connection))
        {
            any = true;
            connection.closing = true;
            self.swarm.close_connection(connection.id);
        }
        if let Some(peer) = self.peers.get(&id).filter(|_| any) {
            tracing::debug!(peer = %peer.link.code, "the peer came back while its connection seemed alive");
            peer.link.interrupt();
        }
    }

    /// A link may open its stream as soon as there is a connection that is not being closed.
    fn tell_link(&self, id: &PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        if !self.connections.contains_key(id) {
            peer.link.forget_offers();
        }
        peer.link.set_up(self.standing(id).is_some());
    }

    /// The newest connection with this peer that is not being closed.
    fn standing(&self, id: &PeerId) -> Option<ConnectionId> {
        let connections = self.connections.get(id)?;
        let standing = connections.iter().rfind(|connection| !connection.closing);
        standing.map(|connection| connection.id)
    }

    /// Opens a link's stream on the newest connection; without one the wish is dropped, which the link notices.
    fn open_stream(&mut self, wish: OpenStream) {
        if let Some(connection) = self.standing(&wish.peer) {
            let streams = &mut self.swarm.behaviour_mut().streams;
            streams.open(wish.peer, connection, wish.opening);
        }
    }

    /// Says goodbye to everybody and ends the link tasks.
    async fn close(mut self) {
        let connected: Vec<PeerId> = self.connections.keys().copied().collect();
        for id in connected {
            let _ = self.swarm.disconnect_peer_id(id);
        }
        let closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
        let tasks = self
            .peers
            .into_values()
            .map(|peer| peer.task)
            .chain(self.retired.into_values());
        for task in tasks {
            // A link may be waiting for a core that reads no more.
            task.abort();
            let _ = task.await;
        }
    }
}
