//! Gossip among the hubs: every member passes on what its hub accepts, over a network that loses, doubles and reorders.
//!
//! It knows no mesh: whoever accepts passes on to all other members, and chance takes away most of it. What gossip does
//! not bring, direct sending must.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use testudo_core::hub::CommunityLane;
use testudo_core::input::{GossipId, Input};
use testudo_core::publication::{Judgement, Publication};
use testudo_crypto::digest::Digest;
use testudo_protocol::community::Community;
use testudo_protocol::gossip::GossipMessage;
use testudo_protocol::id::{CommunityTag, HubId};

use crate::federation::{Federation, hub};
use crate::invariants::{self, Held};
use crate::world::{Happening, Plan, World};

/// Longest that a message is under way from one member to the next, in milliseconds.
const FLIGHT_MILLIS_MAX: u64 = 600;

/// Longest that one is under way which comes when everybody has given it up, in milliseconds.
const LATE_MILLIS_MAX: u64 = 6_000;

/// How often a message is lost, doubled, late; in per cent.
const LOST_PER_CENT: u64 = 45;
const DOUBLED_PER_CENT: u64 = 10;
const LATE_PER_CENT: u64 = 4;

/// A message between two members.
#[derive(Clone)]
pub struct Flight {
    from: HubId,
    to: HubId,
    community: CommunityTag,
    bytes: Rc<Vec<u8>>,
    /// Whether it is about a ledger, and nobody's item.
    pub is_statement: bool,
}

/// What the transports of all hubs remember.
pub struct Gossip {
    /// How often a message is lost, in per cent.
    pub lost_per_cent: u64,
    /// Whether also those get it who are no members: shows that the invariants can fail.
    pub gate_off: bool,
    seen: BTreeMap<HubId, BTreeSet<Digest>>,
    /// What has arrived and has not been judged.
    waiting: BTreeMap<(HubId, GossipId), Flight>,
    named: u64,
}

impl Gossip {
    /// Nothing has been said yet.
    pub fn new() -> Self {
        Self {
            lost_per_cent: LOST_PER_CENT,
            gate_off: false,
            seen: BTreeMap::new(),
            waiting: BTreeMap::new(),
            named: 0,
        }
    }

    /// The process of a hub is gone, and what its transport knew with it.
    pub fn forget(&mut self, hub: HubId) {
        self.seen.remove(&hub);
        self.waiting.retain(|(of, _), _| *of != hub);
    }
}

impl World {
    /// Ten hubs whose envelopes go by gossip where they are for a community.
    pub fn gossiping(plan: Plan) -> Self {
        let mut world = Self::new(plan);
        world.lane = CommunityLane::Gossip;
        world
    }

    pub(crate) fn publish(&mut self, code: HubId, publication: Publication) -> Held {
        let community = publication.community();
        let bytes = Rc::new(publication.into_bytes());
        let what = kind(&bytes);
        self.count(&format!("published {what}"));
        self.note(code, format_args!("publishes {what}"));
        self.gossip
            .seen
            .entry(code)
            .or_default()
            .insert(Digest::of(&bytes));
        self.spread(code, None, community, &bytes)
    }

    pub(crate) fn judge(&mut self, code: HubId, id: GossipId, judgement: Judgement) -> Held {
        let Some(flight) = self.gossip.waiting.remove(&(code, id)) else {
            return invariants::broken_judgement(code);
        };
        let what = kind(&flight.bytes);
        let word = match &judgement {
            Judgement::Accept(_) => "passes on",
            Judgement::Ignore => "keeps",
            Judgement::Reject => "rejects",
        };
        self.count(&format!("{word} {what}"));
        self.note(code, format_args!("{word} {what} of {}", flight.from));
        match judgement {
            Judgement::Accept(_) => self.spread(code, Some(flight.from), flight.community, &flight.bytes),
            Judgement::Ignore | Judgement::Reject => Ok(()),
        }
    }

    /// Sends to all other members, but for the one that it came from.
    fn spread(
        &mut self,
        from: HubId,
        source: Option<HubId>,
        community: CommunityTag,
        bytes: &Rc<Vec<u8>>,
    ) -> Held {
        let charter = Federation::get().charter();
        let of_hub = Community::all_of(charter, from).into_iter();
        let members: Vec<HubId> = match of_hub.clone().find(|one| one.tag() == community) {
            _ if self.gossip.gate_off => Federation::get().codes().to_vec(),
            Some(community) => community.members().iter().copied().collect(),
            None => Vec::new(),
        };
        let is_statement = matches!(GossipMessage::decode(bytes), Ok(GossipMessage::Statement(_)));
        for to in members {
            if to == from || Some(to) == source {
                continue;
            }
            invariants::on_gossip(self, from, to, bytes)?;
            let copies = if self.dice.chance(DOUBLED_PER_CENT) { 2 } else { 1 };
            for _ in 0..copies {
                if self.dice.chance(self.gossip.lost_per_cent) {
                    self.count("gossip lost");
                    continue;
                }
                let most = if self.dice.chance(LATE_PER_CENT) {
                    LATE_MILLIS_MAX
                } else {
                    FLIGHT_MILLIS_MAX
                };
                let takes = self.dice.between(1, most);
                let flight = Flight {
                    from,
                    to,
                    community,
                    bytes: bytes.clone(),
                    is_statement,
                };
                self.after(takes, Happening::Gossip(flight));
            }
        }
        Ok(())
    }

    pub(crate) fn on_gossip(&mut self, flight: Flight) -> Held {
        let (from, to) = (flight.from, flight.to);
        // Gossip needs a connection as everything does.
        if !self.is_up(to) || self.network.standing(from, to).is_none() {
            self.count("gossip lost");
            return Ok(());
        }
        let is_new = self
            .gossip
            .seen
            .entry(to)
            .or_default()
            .insert(Digest::of(&flight.bytes));
        if !is_new {
            self.count("gossip doubled");
            return Ok(());
        }
        self.gossip.named += 1;
        let id = GossipId(self.gossip.named);
        self.note(to, format_args!("hears {from} gossip {}", kind(&flight.bytes)));
        let input = Input::Gossip {
            id,
            community: flight.community,
            from,
            bytes: flight.bytes.to_vec(),
        };
        self.gossip.waiting.insert((to, id), flight);
        self.feed(to, input)
    }

    /// Messages that a hub has never said anything about.
    pub(crate) fn unjudged(&self, hub: HubId) -> usize {
        self.gossip.waiting.keys().filter(|(of, _)| *of == hub).count()
    }
}

fn kind(bytes: &[u8]) -> &'static str {
    match GossipMessage::decode(bytes) {
        Ok(GossipMessage::Envelope(_)) => "envelope",
        Ok(GossipMessage::Statement(_)) => "statement",
        Err(_) => "nonsense",
    }
}

/// Runs a world in which two thirds of all drafts are for a community.
fn stormy(seed: u64) -> Plan {
    Plan {
        seed,
        commands: 90,
        faults: 35,
        span_millis: 25_000,
    }
}

/// Seeds of the run with faults.
const SEEDS: u64 = 12;

#[test]
fn communities_converge_by_gossip_and_what_it_loses_comes_directly() {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in crate::seeds(SEEDS) {
        let world = crate::run(World::gossiping(stormy(seed)));
        for (what, times) in world.counts {
            *counts.entry(what).or_default() += times;
        }
    }
    println!("{counts:#?}");
    for what in [
        "published envelope",
        "published statement",
        "passes on envelope",
        "passes on statement",
        "keeps envelope",
        "gossip lost",
        "gossip doubled",
        "frame content",
    ] {
        assert!(
            counts.get(what).is_some_and(|times| *times > 0),
            "never: {what}: {counts:#?}"
        );
    }
    assert_eq!(counts.get("rejects envelope"), None, "the honest were rejected");
}

#[test]
fn one_seed_gives_one_trace_of_gossip() {
    for seed in crate::seeds(2) {
        let [one, other] = [1, 2].map(|_| crate::run(World::gossiping(stormy(seed))).trace);
        let differs = one.iter().zip(&other).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
    }
}

#[test]
fn gossip_past_the_gate_is_caught() {
    let mut world = World::gossiping(Plan {
        faults: 0,
        ..stormy(7)
    });
    world.gossip.gate_off = true;
    let broken = world.run().expect_err("nobody notices");
    assert_eq!(
        broken.invariant, "nothing_is_transmitted_without_right",
        "{broken}"
    );
}

/// A release to five hubs, every message of which gets lost: all have it in the end.
#[test]
fn what_is_never_heard_by_gossip_is_sent_directly() {
    let mut world = World::gossiping(Plan {
        seed: 1,
        commands: 0,
        faults: 0,
        span_millis: 20_000,
    });
    world.gossip.lost_per_cent = 100;
    for _ in 0..2 {
        crate::course::until(&mut world, "FR anchors");
    }
    let others = ["DE", "PL", "SE", "RO", "EEAS"];
    let label = crate::course::amber_for(&others);
    world.preview(hub("FR"), "release", label, None).expect("holds");
    crate::course::until(&mut world, "FR publishes envelope");
    let before = world.trace.len();
    let world = crate::course::finish(world);
    let sent = |line: &&String| line.contains("FR sends") && line.ends_with(" content");
    let direct = world.trace[before..].iter().filter(sent).count();
    // A key entry and an envelope for each.
    assert_eq!(direct, 2 * others.len());
    assert!(
        !world
            .trace
            .iter()
            .any(|line| line.contains("hears FR gossip envelope"))
    );
}
