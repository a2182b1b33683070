//! Ten hubs in one thread: loss, delay, restarts and lies under a seed, and the invariants by name.
//!
//! ```text
//! workload, faults --plan--> world --inputs--> Hub::handle --outputs--> disk, network, seal --plan--> world
//! ```
//!
//! No sleeps, no sockets, no files: virtual time, and chance from one seed, which is in the message
//! of every failure. `TESTUDO_SIM_SEED=17` replays one seed; `TESTUDO_SIM_SEEDS=1000` takes longer.

#![allow(
    clippy::disallowed_methods,
    reason = "two environment variables choose the seeds; nothing else comes from outside"
)]

mod dice;
mod federation;
mod law;

mod blobs;
mod disk;
mod network;

mod adversary;
mod drafts;
mod expiry;
mod faults;
mod gossip;
mod shell;
mod watch;
mod workload;
mod world;

mod gate;
#[path = "../../policies/tests/policies/straight_line.rs"]
mod straight_line;

mod attachments;
mod bad_checkpoints;
mod carried;
mod charter_course;
mod charter_model;
mod community_permit;
mod controls;
mod course;
mod decisions;
mod invariants;
mod key_turns;
mod onward;
mod own_acts;
mod regressions;
mod rollback;
mod room;
mod second_person;

use std::collections::BTreeMap;
use std::ops::Range;

use adversary::{Liar, Lie};
use federation::hub;
use testudo_core::output::Family;
use world::{Plan, World};

/// Seeds of the run with faults: about half a second each.
const SEEDS: u64 = 30;

/// Seeds for each lie.
const LIE_SEEDS: u64 = 2;

/// Most runs of each lie, until somebody has said what it is.
const LIE_SEEDS_MAX: u64 = 6;

/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 80;

/// A run in which much is done and much breaks.
fn stormy(seed: u64) -> Plan {
    Plan {
        seed,
        commands: 90,
        faults: 45,
        span_millis: 25_000,
    }
}

/// The seeds to run: one of them, more of them, or as many as there are by default.
fn seeds(default: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("TESTUDO_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TESTUDO_SIM_SEEDS").unwrap_or(default),
    }
}

/// Runs a world and fails with its seed and what happened last.
#[track_caller]
fn run(mut world: World) -> World {
    if let Err(broken) = world.run() {
        let from = world.trace.len().saturating_sub(TRACE_LINES);
        let last = world.trace[from..].join("\n");
        panic!("{last}\n\nseed {}: {broken}", world.plan.seed);
    }
    world
}

#[test]
fn ten_hubs_converge_without_faults() {
    for seed in seeds(3) {
        let world = run(World::new(Plan {
            faults: 0,
            ..stormy(seed)
        }));
        assert!(
            world.counts["done release"] > 5,
            "seed {seed}: {:?}",
            world.counts
        );
    }
}

#[test]
fn ten_hubs_keep_every_invariant_under_loss_delay_and_restarts() {
    let seeds = seeds(SEEDS);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in seeds.clone() {
        let world = run(World::new(stormy(seed)));
        for (what, times) in world.counts {
            *counts.entry(what).or_default() += times;
        }
    }
    println!("{} seeds: {counts:#?}", seeds.count());
}

#[test]
fn one_seed_gives_one_trace() {
    for seed in seeds(3) {
        let traces = [1, 2].map(|_| run(World::new(stormy(seed))).trace);
        let [one, other] = &traces;
        let differs = one.iter().zip(other).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.len(), other.len(), "seed {seed}");
    }
}

#[test]
fn a_lying_hub_harms_nobody_else() {
    let liar = hub("SE");
    for lie in Lie::ALL {
        let mut said = Vec::new();
        let mut evidence = 0;
        let is_found = |said: &[String]| {
            let words = lie.found_out();
            words.is_none_or(|words| said.iter().any(|what| what.contains(words)))
        };
        for seed in seeds(LIE_SEEDS_MAX) {
            // Some lies need an occasion, which a run may not bring.
            if seed >= LIE_SEEDS && is_found(&said) {
                break;
            }
            println!("seed {seed}: {liar} {lie:?}");
            let world = run(World::with_edge(stormy(seed), Box::new(Liar::new(liar, lie))));
            let blamed = world.watch.blamed.iter().filter(|(_, peer, _)| *peer == liar);
            said.extend(blamed.map(|(_, _, what)| what.clone()));
            let disks = world.stations.values().map(|station| &station.disk);
            evidence += disks
                .map(|disk| disk.family(Family::Evidence).count())
                .sum::<usize>();
        }
        assert!(is_found(&said), "{lie:?}: {said:?}");
        if lie == Lie::Equivocates {
            assert!(evidence > 0, "both histories have to be kept");
        }
    }
}
