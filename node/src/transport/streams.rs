//! Our streams: the one protocol that hubs speak with each other, as a libp2p behaviour.
//!
//! An inbound stream goes to the link of its peer in the same moment in which it is agreed, so that none is lost
//! while somebody looks elsewhere. An outbound one is opened on the connection that the driver names: with two
//! connections to a peer, only the driver knows which of them is alive.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::sync::oneshot;

use super::registry::Registry;

/// The protocol of our only kind of stream. Version 1: frames, one direction.
pub(super) const EXCHANGE: StreamProtocol = StreamProtocol::new("/testudo/exchange/1");

/// Takes the stream once the peer has agreed to it; dropped if it does not.
pub(super) type Opening = oneshot::Sender<Stream>;

/// A link wants its stream opened. Each link has at most one such wish.
pub(super) struct OpenStream {
    pub(super) peer: PeerId,
    pub(super) opening: Opening,
}

/// The behaviour.
pub(super) struct Streams {
    registry: Arc<Registry>,
    wanted: VecDeque<(PeerId, ConnectionId, Opening)>,
    waker: Option<Waker>,
}

impl Streams {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            wanted: VecDeque::new(),
            waker: None,
        }
    }

    /// Opens a stream on this connection. If the connection is gone, `opening` is dropped.
    pub(super) fn open(&mut self, peer: PeerId, connection: ConnectionId, opening: Opening) {
        self.wanted.push_back((peer, connection, opening));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&self, peer: PeerId) -> Handler {
        Handler {
            peer,
            registry: self.registry.clone(),
            wanted: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Infallible, Opening>> {
        if let Some((peer_id, connection, event)) = self.wanted.pop_front() {
            return Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event,
            });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Agrees on streams over one connection.
pub(super) struct Handler {
    peer: PeerId,
    registry: Arc<Registry>,
    wanted: VecDeque<Opening>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Opening;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Opening;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(EXCHANGE), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Opening, Infallible>> {
        // What is wanted later wakes this: libp2p polls a handler after each event that it hands over.
        match self.wanted.pop_front() {
            Some(opening) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(EXCHANGE), opening),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, opening: Opening) {
        self.wanted.push_back(opening);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Opening>,
    ) {
        match event {
            // First of all, this asks for a listed peer: one that was removed a moment ago may still get here.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                self.registry.offer(self.peer, stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: opening,
            }) => {
                // The link may have given up: then the stream is closed by being dropped.
                let _ = opening.send(stream);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                tracing::debug!(%error, "the peer did not open a stream");
            }
            _ => {}
        }
    }
}
