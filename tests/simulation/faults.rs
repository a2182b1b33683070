//! What breaks, and how it comes back: streams, connections, whole hubs, and processes.

use testudo_core::input::Input;
use testudo_protocol::id::HubId;

use crate::federation::Federation;
use crate::invariants::Held;
use crate::network::Way;
use crate::shell::kind;
use crate::world::{Happening, World};

/// Longest until a side notices that its stream is gone, in milliseconds.
const NOTICE_MILLIS_MAX: u64 = 400;

/// Longest from a standing connection to an open stream, in milliseconds.
const OPEN_MILLIS_MAX: u64 = 150;

/// Pause between attempts to connect, in milliseconds.
const REDIAL_MILLIS_MAX: u64 = 1_500;

/// Longest that a hub is off the network, in milliseconds.
const PARTITION_MILLIS_MAX: u64 = 6_000;

/// From the wish that a process stops to its end, in milliseconds: its last checkpoint is written.
const STOP_MILLIS: u64 = 150;

/// Longest that a process is down, in milliseconds.
const DOWN_MILLIS_MAX: u64 = 4_000;

/// Most outputs that a process carries out before it dies.
const FUSE_MAX: u64 = 12;

impl World {
    /// Strikes one fault.
    pub(crate) fn strike(&mut self) -> Held {
        let codes = Federation::get().codes();
        let one = *self.dice.pick(codes).expect("there are hubs");
        let other = *self.dice.pick(codes).expect("there are hubs");
        match self.dice.below(11) {
            0..=2 if one != other => {
                self.count("struck: connection cut");
                self.note(one, format_args!("loses the connection with {other}"));
                self.cut(one, other);
            }
            3 if one != other => {
                self.count("struck: stream reset");
                self.lose_stream(one, other);
            }
            4 | 5 => {
                self.count("struck: hub partitioned");
                self.note(one, format_args!("is off the network"));
                self.network.set_partitioned(one, true);
                self.cut_off(one);
                let back = self.dice.between(100, PARTITION_MILLIS_MAX);
                self.after(back, Happening::Rejoin(one));
            }
            6 => {
                self.count("struck: process killed");
                self.crash(one);
            }
            7 => {
                self.count("struck: process stopped");
                self.after(STOP_MILLIS, Happening::Stop(one));
                return self.feed(one, Input::Stop);
            }
            _ => {
                self.count("struck: process killed between outputs");
                let fuse = self.dice.below(FUSE_MAX);
                self.station(one).fuse = Some(fuse);
            }
        }
        Ok(())
    }

    /// Kills the process of a hub; it comes back by itself.
    pub(crate) fn crash(&mut self, hub: HubId) {
        if !self.is_up(hub) {
            return;
        }
        self.count("processes lost");
        self.note(hub, format_args!("dies"));
        self.station(hub).die();
        self.network.forget(hub);
        self.gossip.forget(hub);
        self.cut_off(hub);
        let down = self.dice.between(1, DOWN_MILLIS_MAX);
        self.after(down, Happening::Restart(hub));
    }

    pub(crate) fn cut_off(&mut self, hub: HubId) {
        for peer in Federation::get().codes() {
            if *peer != hub {
                self.cut(hub, *peer);
            }
        }
    }

    /// Breaks a connection; both sides notice on their own, and somebody dials again.
    pub(crate) fn cut(&mut self, one: HubId, other: HubId) {
        for (way, epoch) in self.network.cut(one, other) {
            self.plan_loss(way, epoch);
        }
        self.plan_redial(one, other, 50, REDIAL_MILLIS_MAX);
    }

    /// Breaks one stream; the one of the other direction stands.
    pub(crate) fn lose_stream(&mut self, one: HubId, other: HubId) {
        self.note(one, format_args!("loses its stream to {other}"));
        let epoch = self.network.reset((one, other));
        self.plan_loss((one, other), epoch);
    }

    fn plan_loss(&mut self, way: Way, epoch: u64) {
        let notices = self.dice.between(1, NOTICE_MILLIS_MAX);
        self.after(notices, Happening::Lost(way, epoch));
    }

    pub(crate) fn plan_redial(&mut self, one: HubId, other: HubId, least: u64, most: u64) {
        let shut_out = self.banished && [one, other].iter().any(|hub| self.watch.liars.contains(hub));
        if !shut_out && self.network.wants_redial(one, other) {
            let pause = self.dice.between(least, most);
            self.after(pause, Happening::Redial(one, other));
        }
    }

    pub(crate) fn on_redial(&mut self, one: HubId, other: HubId) -> Held {
        let alive = self.is_up(one) && self.is_up(other);
        match self.network.redial(one, other, alive) {
            Some(generation) => {
                for way in [(one, other), (other, one)] {
                    self.plan_open(way, generation);
                }
            }
            None => self.plan_redial(one, other, 50, REDIAL_MILLIS_MAX),
        }
        Ok(())
    }

    fn plan_open(&mut self, way: Way, generation: u64) {
        let opens = self.dice.between(1, OPEN_MILLIS_MAX);
        self.after(opens, Happening::Open(way, generation));
    }

    pub(crate) fn on_lost(&mut self, way: Way, epoch: u64) -> Held {
        let (hub, peer) = way;
        if !self.network.notice_loss(way, epoch) {
            return Ok(());
        }
        // Only the stream is gone: it is opened again over the same connection.
        if let Some(generation) = self.network.standing(hub, peer) {
            self.plan_open(way, generation);
        }
        self.note(hub, format_args!("has lost {peer}"));
        self.feed(hub, Input::Disconnected(peer))
    }

    pub(crate) fn on_open(&mut self, way: Way, generation: u64) -> Held {
        let (hub, peer) = way;
        if !self.is_up(hub) || !self.network.may_open(way, generation) {
            return Ok(());
        }
        if self.network.has_session(hub, peer) {
            // It had not noticed yet that the last one was gone.
            self.network.stream(way).session = false;
            self.note(hub, format_args!("has lost {peer}"));
            self.feed(hub, Input::Disconnected(peer))?;
        }
        if !self.is_up(hub) || !self.network.open(way, generation) {
            return Ok(());
        }
        self.note(hub, format_args!("has {peer}"));
        self.feed(hub, Input::Connected(peer))?;
        while self.network.has_session(hub, peer) {
            let Some(frame) = self.network.held((peer, hub)) else {
                break;
            };
            self.hear((peer, hub), frame)?;
        }
        Ok(())
    }

    pub(crate) fn on_arrival(&mut self, way: Way, epoch: u64) -> Held {
        let (from, to) = way;
        let Some(frame) = self.network.arrive(way, epoch) else {
            return Ok(());
        };
        if self.network.has_session(to, from) {
            self.hear(way, frame)
        } else {
            self.network.hold(way, frame);
            Ok(())
        }
    }

    fn hear(&mut self, (from, to): Way, frame: Vec<u8>) -> Held {
        let kind = kind(&frame);
        self.note(to, format_args!("hears {from} {kind}"));
        self.feed(to, Input::Frame(from, frame))
    }

    /// The end of all faults: hubs that are down start, and everyone can reach everyone.
    pub(crate) fn heal(&mut self) {
        self.network.heal();
        self.become_calm();
        for hub in Federation::get().codes() {
            self.station(*hub).fuse = None;
            self.after(1, Happening::Restart(*hub));
        }
    }

    /// Shuts out those who lie, so that the others can come to rest.
    pub(crate) fn banish(&mut self) {
        self.banished = true;
        for liar in self.watch.liars.clone() {
            self.network.set_partitioned(liar, true);
            self.cut_off(liar);
        }
    }
}
