//! The shell's network: opaque frames between this hub and its listed peers, by libp2p: over QUIC, or over TCP
//! with TLS 1.3 where no UDP gets through.
//!
//! It is not a place of decisions. It knows no envelopes, no audiences and no policy; the one thing it
//! refuses by itself is a connection with somebody who is not on the list it was given. It keeps no frame
//! over a broken connection: the core sends again when it hears [`TransportEvent::Connected`].
//!
//! ```text
//!            handle (Transport)                     driver (one task, owns the Swarm)
//!   send ──▶ queue ─▶ link task ─▶ our stream ─▶    allow-list, limits, dialer
//!   events ◀───────── (one per peer) ◀─ their stream ◀─ streams
//! ```
//!
//! Each hub opens its own `/testudo/exchange/1` stream to each connected peer and writes frames there; it
//! reads frames from the stream that the peer opens. A frame is its length (4 bytes, big-endian), then its
//! bytes.
//!
//! Beside that, the members of a community gossip: see `gossip.rs`. What they pass on is judged by the core before it goes
//! any further.
//!
//! INVARIANT (session order): of one peer, the events are `Connected`, any number of `Frame`, and then
//! `Disconnected`, again and again. No frame is reported outside a session, and no frame accepted by `send`
//! in one session leaves in the next. Held by `link.rs`.
//!
//! Relay, DHT, mDNS and identify are not here on purpose: each would tell a stranger something. A ping is answered only
//! over TCP, on connections that the list has let in.

mod config;
mod event;
mod handle;
mod lane;

mod frames;
mod queue;

mod dialer;
mod link;
mod registry;

mod behaviour;
mod driver;
mod gossip;
mod liveness;
mod shutter;
mod streams;

#[cfg(feature = "bare")]
pub mod bare;
#[cfg(feature = "tap")]
mod tap;

#[cfg(test)]
mod tests;

pub use config::{GossipCommunity, PeerEntry, StartError, TransportConfig};
pub use driver::{HeldPorts, hold_ports};
pub use event::TransportEvent;
pub use frames::FRAME_BYTES_MAX;
pub use gossip::{GOSSIP_BYTES_MAX, GossipTicket};
pub use handle::{PublishError, SendError, Transport};
