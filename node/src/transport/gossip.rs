//! Gossip among the members of a community: one gossipsub instance each, behind a gate of handlers.
//!
//! Gossipsub chooses its own receivers: it announces its topics to every connected peer, and answers whoever asks for
//! a message by its id. So whoever is not a member gets no handler at all: no protocol name, no announcement and no
//! answer, while it is a member of another community on the same connection.
//!
//! ```text
//! registry (who is in which community) ── at each new connection ─▶ handlers of those instances, and of no other
//! a change ─▶ shutters shut, sessions ended (registry) ─▶ instances replaced, connections closed (driver) ─▶ dialled anew
//! ```
//!
//! A community's tag stands for its members and the charter they are under: another set is another tag, another
//! instance and another protocol name. So nothing that was published for one set is in reach of the next.
//!
//! It decides nothing: what arrives is passed on only once the core has said so, and what is published comes with the
//! core's proof that every member may have it.

mod settings;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    gossipsub::{
        self, IdentityTransform, MessageAcceptance, MessageId, PublishError, WhitelistSubscriptionFilter,
    },
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, ToSwarm, behaviour::ConnectionEstablished,
        handler::multi::MultiHandler,
    },
};
use testudo_protocol::id::CommunityTag;

use super::registry::Registry;

pub use settings::GOSSIP_BYTES_MAX;
#[cfg(test)]
pub(super) use settings::{content_id, protocol_name, topic};

type Instance = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;
type InstanceHandler = <Instance as NetworkBehaviour>::ConnectionHandler;
type ToInstance = <InstanceHandler as ConnectionHandler>::ToBehaviour;
type FromInstance = <InstanceHandler as ConnectionHandler>::FromBehaviour;
type Handlers = MultiHandler<CommunityTag, InstanceHandler>;

/// What has arrived, by the name under which the core's answer is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipTicket {
    community: CommunityTag,
    message: MessageId,
    from: PeerId,
}

/// What the core has to say about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// Every member may have it: pass it on.
    Accept,
    /// Pass it on to nobody; nobody is to blame.
    Ignore,
    /// Pass it on to nobody, and hold it against whoever did.
    Reject,
}

/// What the driver is asked to do. Content comes only from [`Transport::publish`](super::Transport::publish).
#[derive(Debug)]
pub(super) enum GossipWish {
    Publish(CommunityTag, Vec<u8>),
    Judge(GossipTicket, Acceptance),
}

/// What the driver hears.
#[derive(Debug)]
pub(super) enum GossipEvent {
    /// A message that nobody has judged yet.
    Arrived { ticket: GossipTicket, bytes: Vec<u8> },
    /// Messages were dropped that a peer was too slow for.
    Slow { peer: PeerId, dropped: usize },
}

impl GossipTicket {
    pub(super) fn community(&self) -> CommunityTag {
        self.community
    }

    pub(super) fn from(&self) -> PeerId {
        self.from
    }
}

/// The behaviour.
pub(super) struct Gossip {
    registry: Arc<Registry>,
    instances: BTreeMap<CommunityTag, Instance>,
    /// The list since which each of them stands.
    since: BTreeMap<CommunityTag, u64>,
    connections: HashMap<ConnectionId, Connection>,
    /// Connections that nothing can be said over any more, and that are to be closed.
    mute: VecDeque<(PeerId, ConnectionId)>,
    /// The instance that was heard last: the next turn is another's.
    last: Option<CommunityTag>,
}

/// A connection, and the instances that have a handler on it.
///
/// INVARIANT (one instance, one handler): a tag stands in `heard` from the moment in which the instance of that tag made
/// its handler until that instance or the connection is gone. No instance hears of a connection without.
///
/// INVARIANT (one voice): an instance knows the newest connection with a peer and no other; its tag stands in `spoken`
/// there alone. Gossipsub names its topics over what it takes for the first connection, through a queue that all share:
/// a peer that has lost the older one, and with it what it knew of us, would never hear them again. So each new
/// connection is the first to an instance. What comes over an older one is heard, because the peer may
/// hold that one for the newest.
struct Connection {
    peer: PeerId,
    endpoint: ConnectedPoint,
    heard: BTreeSet<CommunityTag>,
    spoken: BTreeSet<CommunityTag>,
}

impl Gossip {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            instances: BTreeMap::new(),
            since: BTreeMap::new(),
            connections: HashMap::new(),
            mute: VecDeque::new(),
            last: None,
        }
    }

    /// Brings the instances into line with the registry. Gives the peers with a connection that carries other
    /// communities than it should: it cannot be changed, and has to be closed.
    pub(super) fn reconcile(&mut self) -> BTreeSet<PeerId> {
        let wanted = self.registry.communities();
        let before = std::mem::replace(&mut self.since, wanted.clone());
        let stands = |tag: &CommunityTag| before.contains_key(tag) && before.get(tag) == wanted.get(tag);
        self.instances.retain(|tag, _| stands(tag));
        for connection in self.connections.values_mut() {
            connection.heard.retain(stands);
            connection.spoken.retain(stands);
        }
        for tag in wanted.into_keys() {
            if self.instances.contains_key(&tag) {
                continue;
            }
            match settings::instance(tag) {
                Ok(instance) => {
                    self.instances.insert(tag, instance);
                }
                Err(error) => tracing::error!(error, "a community has no gossip: direct sending goes on"),
            }
        }
        let differs = |connection: &&Connection| {
            let mut wanted = self.registry.communities_of(&connection.peer);
            wanted.retain(|tag| self.instances.contains_key(tag));
            connection.heard != wanted
        };
        let changed = self.connections.values().filter(differs);
        changed.map(|connection| connection.peer).collect()
    }

    /// Does what the handle was asked to do.
    pub(super) fn grant(&mut self, wish: GossipWish) {
        match wish {
            GossipWish::Publish(community, bytes) => self.publish(community, bytes),
            GossipWish::Judge(ticket, acceptance) => self.judge(&ticket, acceptance),
        }
    }

    /// Publishes to the members of a community. That nobody was there to take it is no error of ours: whoever has given
    /// no receipt gets it directly.
    fn publish(&mut self, community: CommunityTag, bytes: Vec<u8>) {
        let Some(instance) = self.instances.get_mut(&community) else {
            return tracing::debug!("not published: the community has changed");
        };
        match instance.publish(settings::topic(community), bytes) {
            Ok(_) | Err(PublishError::Duplicate) => {}
            Err(error) => tracing::debug!(%error, "not published"),
        }
    }

    /// Passes a message on to other members, or not.
    fn judge(&mut self, ticket: &GossipTicket, acceptance: Acceptance) {
        let acceptance = match acceptance {
            Acceptance::Accept => MessageAcceptance::Accept,
            Acceptance::Ignore => MessageAcceptance::Ignore,
            Acceptance::Reject => MessageAcceptance::Reject,
        };
        if let Some(instance) = self.instances.get_mut(&ticket.community) {
            // If it is not there any more, its time is over.
            instance.report_message_validation_result(&ticket.message, &ticket.from, acceptance);
        }
    }

    /// The handlers for a new connection: those of the communities that the peer is in now.
    fn handlers(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        endpoint: ConnectedPoint,
        make: impl Fn(&mut Instance) -> Result<InstanceHandler, ConnectionDenied>,
    ) -> Result<Handlers, ConnectionDenied> {
        let mut handlers = Vec::new();
        for tag in self.registry.communities_of(&peer) {
            self.take_voice(peer, tag);
            if let Some(instance) = self.instances.get_mut(&tag) {
                // Gossipsub refuses nobody, and this behaviour stands behind all that do.
                handlers.push((tag, make(instance)?));
            }
        }
        let heard: BTreeSet<CommunityTag> = handlers.iter().map(|(tag, _)| *tag).collect();
        let handlers = MultiHandler::try_from_iter(handlers).map_err(ConnectionDenied::new)?;
        let spoken = heard.clone();
        let new = Connection {
            peer,
            endpoint,
            heard,
            spoken,
        };
        self.connections.insert(connection, new);
        Ok(handlers)
    }

    /// Lets an instance take the connection that it knows with a peer for closed.
    fn take_voice(&mut self, peer: PeerId, tag: CommunityTag) {
        let of_peer = self
            .connections
            .iter_mut()
            .filter(|(_, older)| older.peer == peer);
        for (id, older) in of_peer {
            if older.spoken.remove(&tag)
                && let Some(instance) = self.instances.get_mut(&tag)
            {
                instance.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                    peer_id: peer,
                    connection_id: *id,
                    endpoint: &older.endpoint,
                    cause: None,
                    remaining_established: 0,
                }));
            }
        }
    }

    /// Forgets a connection. Where it was the one that an instance spoke over, those that are only heard are of no more
    /// use and are closed, so that both sides begin anew.
    fn forget(&mut self, closed: ConnectionClosed<'_>) {
        let Some(gone) = self.connections.remove(&closed.connection_id) else {
            return;
        };
        for tag in gone.spoken {
            if let Some(instance) = self.instances.get_mut(&tag) {
                instance.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                    remaining_established: 0,
                    ..closed
                }));
            }
            let left = self
                .connections
                .iter()
                .filter(|(_, left)| left.peer == gone.peer && left.heard.contains(&tag));
            self.mute.extend(left.map(|(id, _)| (gone.peer, *id)));
        }
    }

    fn spoken(&self, connection: ConnectionId) -> BTreeSet<CommunityTag> {
        let connection = self.connections.get(&connection);
        connection
            .map(|connection| connection.spoken.clone())
            .unwrap_or_default()
    }

    fn is_spoken(&self, connection: ConnectionId, tag: CommunityTag) -> bool {
        let connection = self.connections.get(&connection);
        connection.is_some_and(|connection| connection.spoken.contains(&tag))
    }

    /// Whether what comes over a connection is for an instance that knows the peer.
    fn is_heard(&self, connection: ConnectionId, tag: CommunityTag) -> bool {
        self.connections.get(&connection).is_some_and(|heard| {
            let mut of_peer = self.connections.values().filter(|other| other.peer == heard.peer);
            heard.heard.contains(&tag) && of_peer.any(|other| other.spoken.contains(&tag))
        })
    }

    /// The tags from the one behind `last` on, each once.
    fn turns(&self) -> Vec<CommunityTag> {
        let from = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.instances.range((from, Bound::Unbounded));
        let before = self.instances.iter();
        let tags = behind.chain(before).map(|(tag, _)| *tag);
        tags.take(self.instances.len()).collect()
    }

    /// What an instance wants, unless it is none of its business.
    fn admit(
        &self,
        tag: CommunityTag,
        wish: ToSwarm<gossipsub::Event, FromInstance>,
    ) -> Option<ToSwarm<GossipEvent, (CommunityTag, FromInstance)>> {
        match wish {
            ToSwarm::GenerateEvent(event) => heard(tag, event).map(ToSwarm::GenerateEvent),
            ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event,
            } => self.is_spoken(connection, tag).then_some(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event: (tag, event),
            }),
            // Whom to dial is the charter's business.
            _ => None,
        }
    }
}

fn heard(community: CommunityTag, event: gossipsub::Event) -> Option<GossipEvent> {
    match event {
        gossipsub::Event::Message {
            propagation_source,
            message_id,
            message,
        } => Some(GossipEvent::Arrived {
            ticket: GossipTicket {
                community,
                message: message_id,
                from: propagation_source,
            },
            bytes: message.data,
        }),
        gossipsub::Event::SlowPeer {
            peer_id,
            failed_messages,
        } => Some(GossipEvent::Slow {
            peer: peer_id,
            dropped: failed_messages.priority + failed_messages.non_priority,
        }),
        _ => None,
    }
}

impl NetworkBehaviour for Gossip {
    type ConnectionHandler = Handlers;
    type ToSwarm = GossipEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Handlers, ConnectionDenied> {
        let endpoint = ConnectedPoint::Listener {
            local_addr: local.clone(),
            send_back_addr: remote.clone(),
        };
        self.handlers(connection, peer, endpoint, |instance| {
            instance.handle_established_inbound_connection(connection, peer, local, remote)
        })
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<Handlers, ConnectionDenied> {
        let endpoint = ConnectedPoint::Dialer {
            address: address.clone(),
            role_override: role,
            port_use,
        };
        self.handlers(connection, peer, endpoint, |instance| {
            instance.handle_established_outbound_connection(connection, peer, address, role, port_use)
        })
    }

    /// Tells each instance of the connections that it speaks over, as if there were no others.
    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                for tag in self.spoken(established.connection_id) {
                    if let Some(instance) = self.instances.get_mut(&tag) {
                        instance.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                            other_established: 0,
                            ..established
                        }));
                    }
                }
            }
            FromSwarm::ConnectionClosed(closed) => self.forget(closed),
            FromSwarm::AddressChange(change) => {
                for tag in self.spoken(change.connection_id) {
                    if let Some(instance) = self.instances.get_mut(&tag) {
                        instance.on_swarm_event(FromSwarm::AddressChange(change));
                    }
                }
                if let Some(connection) = self.connections.get_mut(&change.connection_id) {
                    connection.endpoint = change.new.clone();
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (tag, event): (CommunityTag, ToInstance),
    ) {
        if !self.is_heard(connection, tag) {
            return;
        }
        if let Some(instance) = self.instances.get_mut(&tag) {
            instance.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<GossipEvent, (CommunityTag, FromInstance)>> {
        if let Some((peer_id, id)) = self.mute.pop_front() {
            let connection = CloseConnection::One(id);
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
        }
        for tag in self.turns() {
            // What is dropped must not end the turn: nobody would wake this again for what stands behind it.
            while let Some(Poll::Ready(wish)) = self.instances.get_mut(&tag).map(|one| one.poll(context)) {
                if let Some(admitted) = self.admit(tag, wish) {
                    self.last = Some(tag);
                    return Poll::Ready(admitted);
                }
            }
        }
        Poll::Pending
    }
}
