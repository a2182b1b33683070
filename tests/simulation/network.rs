//! The network: a connection for each pair of hubs, a stream in each direction, and what is in flight.
//!
//! Frames of a stream keep their order. A cut loses all that is in flight; each side notices on its
//! own and may have sent into the void until then. As in the real transport, no frame is reported
//! outside a session: one that has arrived waits for the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use testudo_protocol::id::HubId;

/// A stream, by sender and receiver.
pub type Way = (HubId, HubId);

/// One direction between two hubs.
#[derive(Default)]
pub struct Stream {
    /// Whether the sender has been told that it may send.
    pub session: bool,
    /// Whether what is sent now arrives.
    whole: bool,
    /// Counts the times it was opened or lost; arrivals of another epoch are void.
    epoch: u64,
    in_flight: VecDeque<Vec<u8>>,
    held: VecDeque<Vec<u8>>,
    latest: u64,
}

/// The connection that both streams of a pair run over.
#[derive(Default)]
struct Pair {
    up: bool,
    generation: u64,
    redialing: bool,
}

/// All connections.
#[derive(Default)]
pub struct Network {
    streams: BTreeMap<Way, Stream>,
    pairs: BTreeMap<Way, Pair>,
    partitioned: BTreeSet<HubId>,
}

fn pair_of(one: HubId, other: HubId) -> Way {
    if one < other { (one, other) } else { (other, one) }
}

impl Network {
    /// The stream of one direction.
    pub fn stream(&mut self, way: Way) -> &mut Stream {
        self.streams.entry(way).or_default()
    }

    fn pair(&mut self, one: HubId, other: HubId) -> &mut Pair {
        self.pairs.entry(pair_of(one, other)).or_default()
    }

    /// Whether a hub has a session with another: may send to it, and is told its frames.
    pub fn has_session(&self, hub: HubId, peer: HubId) -> bool {
        self.streams
            .get(&(hub, peer))
            .is_some_and(|stream| stream.session)
    }

    /// Sends a frame; gives the time and epoch of its arrival, or nothing if it is lost.
    pub fn send(&mut self, way: Way, frame: Vec<u8>, arrival: u64) -> Option<(u64, u64)> {
        let stream = self.stream(way);
        if !stream.session || !stream.whole {
            return None;
        }
        stream.latest = stream.latest.max(arrival);
        stream.in_flight.push_back(frame);
        Some((stream.latest, stream.epoch))
    }

    /// The frame that arrives, unless it has been lost.
    pub fn arrive(&mut self, way: Way, epoch: u64) -> Option<Vec<u8>> {
        let stream = self.stream(way);
        if stream.epoch == epoch {
            stream.in_flight.pop_front()
        } else {
            None
        }
    }

    /// Keeps an arrived frame until the receiver has a session again.
    pub fn hold(&mut self, way: Way, frame: Vec<u8>) {
        self.stream(way).held.push_back(frame);
    }

    /// The next frame that has been kept.
    pub fn held(&mut self, way: Way) -> Option<Vec<u8>> {
        self.stream(way).held.pop_front()
    }

    /// Breaks one stream: what is in flight on it is lost. Gives the epoch that its sender notices.
    pub fn reset(&mut self, way: Way) -> u64 {
        let stream = self.stream(way);
        stream.whole = false;
        stream.in_flight.clear();
        stream.epoch += 1;
        stream.epoch
    }

    /// Breaks a connection in both directions; the two epochs are for the two senders to notice.
    pub fn cut(&mut self, one: HubId, other: HubId) -> [(Way, u64); 2] {
        let pair = self.pair(one, other);
        pair.up = false;
        pair.generation += 1;
        [(one, other), (other, one)].map(|way| (way, self.reset(way)))
    }

    /// The sender notices that its stream is gone; false if that is old news.
    pub fn notice_loss(&mut self, way: Way, epoch: u64) -> bool {
        let stream = self.stream(way);
        let news = stream.session && stream.epoch == epoch && !stream.whole;
        if news {
            stream.session = false;
        }
        news
    }

    /// The process of a hub is gone: it has no sessions and what it had read is lost.
    pub fn forget(&mut self, hub: HubId) {
        for ((from, to), stream) in &mut self.streams {
            if *from == hub {
                stream.session = false;
            }
            if *to == hub {
                stream.held.clear();
            }
        }
    }

    /// Whether a new attempt to connect a pair has to be planned.
    pub fn wants_redial(&mut self, one: HubId, other: HubId) -> bool {
        let pair = self.pair(one, other);
        let wants = !pair.up && !pair.redialing;
        pair.redialing |= wants;
        wants
    }

    /// An attempt to connect: the new generation if it succeeds.
    pub fn redial(&mut self, one: HubId, other: HubId, both_alive: bool) -> Option<u64> {
        let reachable = !self.partitioned.contains(&one) && !self.partitioned.contains(&other);
        let pair = self.pair(one, other);
        pair.redialing = false;
        if pair.up || !both_alive || !reachable {
            return None;
        }
        pair.up = true;
        pair.generation += 1;
        Some(pair.generation)
    }

    /// The generation of the connection that stands between two hubs.
    pub fn standing(&self, one: HubId, other: HubId) -> Option<u64> {
        self.pairs
            .get(&pair_of(one, other))
            .filter(|pair| pair.up)
            .map(|pair| pair.generation)
    }

    /// Whether a stream has to be opened, and its connection is the one of a generation.
    pub fn may_open(&mut self, way: Way, generation: u64) -> bool {
        let standing = self.standing(way.0, way.1) == Some(generation);
        let stream = self.stream(way);
        standing && !(stream.session && stream.whole)
    }

    /// Opens a stream over the connection of a generation; false if that connection is gone.
    pub fn open(&mut self, way: Way, generation: u64) -> bool {
        if !self.may_open(way, generation) {
            return false;
        }
        let stream = self.stream(way);
        stream.session = true;
        stream.whole = true;
        stream.in_flight.clear();
        stream.epoch += 1;
        true
    }

    /// Takes a hub off the network, or lets it back.
    pub fn set_partitioned(&mut self, hub: HubId, partitioned: bool) {
        if partitioned {
            self.partitioned.insert(hub);
        } else {
            self.partitioned.remove(&hub);
        }
    }

    /// Lets everyone back.
    pub fn heal(&mut self) {
        self.partitioned.clear();
    }
}
