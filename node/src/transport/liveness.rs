//! Whether somebody is still at the other end of a TCP connection.
//!
//! QUIC notices a peer that is gone by its own keep-alive. TCP would notice a host without power after a quarter of an
//! hour, so over it libp2p's ping asks and wants an answer; over QUIC there is none, and no byte of it.

use std::task::{Context, Poll};

use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    ping,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

/// Pings connections over TCP.
pub(super) struct Liveness {
    ping: ping::Behaviour,
}

impl Liveness {
    pub(super) fn new(config: ping::Config) -> Self {
        Self {
            ping: ping::Behaviour::new(config),
        }
    }
}

fn is_tcp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

impl NetworkBehaviour for Liveness {
    type ConnectionHandler = Either<THandler<ping::Behaviour>, dummy::ConnectionHandler>;
    type ToSwarm = ping::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !is_tcp(local) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.ping
            .handle_established_inbound_connection(connection, peer, local, remote)
            .map(Either::Left)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !is_tcp(address) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.ping
            .handle_established_outbound_connection(connection, peer, address, role, port)
            .map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.ping.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => self.ping.on_connection_handler_event(peer, connection, event),
            Either::Right(none) => match none {},
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.ping.poll(context).map(|event| event.map_in(Either::Left))
    }
}
