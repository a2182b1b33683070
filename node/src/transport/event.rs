//! What the transport reports.

use std::{fmt, net::SocketAddr};

use testudo_protocol::id::CommunityTag;

use super::gossip::GossipTicket;

/// Something that happened on the network. Its `Debug` shows sizes, never bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// A session with this peer has begun: our stream to it is open and `send` accepts frames.
    Connected {
        /// The peer's hub code.
        code: String,
    },
    /// The session has ended. Frames that were queued, and perhaps some that were written, are lost; send
    /// again after the next `Connected`.
    Disconnected {
        /// The peer's hub code.
        code: String,
    },
    /// A whole frame from this peer, of at most [`FRAME_BYTES_MAX`](super::FRAME_BYTES_MAX) bytes.
    ///
    /// Frames come in the order in which the peer sent them. One that had arrived when a session ended may be
    /// the first of the next.
    Frame {
        /// The peer's hub code, proved by its transport key.
        code: String,
        /// The frame without its length prefix.
        bytes: Vec<u8>,
    },
    /// A message from members of a community, which nobody has judged yet: say so with
    /// [`Transport::pass_judgement`](super::Transport::pass_judgement).
    Gossip {
        /// The hub that passed it on, which need not be the one that wrote it.
        code: String,
        /// Among whose members.
        community: CommunityTag,
        /// The message, of at most [`GOSSIP_BYTES_MAX`](super::GOSSIP_BYTES_MAX) bytes.
        bytes: Vec<u8>,
        /// What to call it by.
        ticket: GossipTicket,
    },
    /// We listen here. Reported once at start, and for each further address of a wildcard.
    Listening {
        /// The real address, with the real port.
        address: SocketAddr,
    },
    /// Somebody who is not on the list tried to connect and was turned away.
    Stranger {
        /// How many did so since start. A report may be skipped under load; the count stays right.
        count: u64,
    },
    /// A peer announced a frame that is too large; the stream on which it did so was closed.
    FrameRefused {
        /// The peer's hub code.
        code: String,
        /// The length that it announced.
        announced_bytes: u32,
    },
}

impl fmt::Debug for TransportEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { code } => write!(f, "Connected({code})"),
            Self::Disconnected { code } => write!(f, "Disconnected({code})"),
            Self::Frame { code, bytes } => write!(f, "Frame({code}, {} bytes)", bytes.len()),
            Self::Gossip { code, bytes, .. } => write!(f, "Gossip({code}, {} bytes)", bytes.len()),
            Self::Listening { address } => write!(f, "Listening({address})"),
            Self::Stranger { count } => write!(f, "Stranger({count})"),
            Self::FrameRefused {
                code,
                announced_bytes,
            } => {
                write!(f, "FrameRefused({code}, {announced_bytes} bytes)")
            }
        }
    }
}
