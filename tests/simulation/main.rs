//! Ten hubs in one thread: loss, delay, restarts and lies under a seed, and the invariants by name.
//!
//! ```text
//! workload, faults --plan--> world --inputs--> Hub::handle --outputs--> disk, network, seal --plan--> world
//! ```
//!
//! No sleeps, no sockets, no files: virtual time, and chance from one seed that is in every failure.
//! `TESTUDO_SIM_SEED` replays one seed.

#![allow(
    clippy::disallowed_methods,
    reason = "the environment variable that replays a seed"
)]

mod dice;
mod federation;
mod law;

mod disk;
mod network;

mod adversary;
mod drafts;
mod faults;
mod shell;
mod watch;
mod workload;
mod world;

mod invariants;

use world::{Plan, World};

/// Runs one plan and fails with its seed.
fn run(plan: Plan) -> World {
    let mut world = World::new(plan);
    if let Err(broken) = world.run() {
        let from = world.trace.len().saturating_sub(60);
        panic!(
            "{}\n\nseed {}: {broken}",
            world.trace[from..].join("\n"),
            plan.seed
        );
    }
    world
}

#[test]
fn ten_hubs_converge_without_faults() {
    let world = run(Plan {
        seed: 1,
        commands: 60,
        faults: 0,
        span_millis: 20_000,
    });
    println!("{:#?}", world.counts);
}

#[test]
fn ten_hubs_keep_every_invariant_under_loss_delay_and_restarts() {
    let range = std::env::var("TESTUDO_SIM_SEED")
        .ok()
        .and_then(|s| s.parse::<u64>().ok());
    let to = std::env::var("TO")
        .ok()
        .and_then(|s| s.parse::<u64>().ok())
        .unwrap_or(30);
    let mut bad = std::collections::BTreeMap::new();
    let seeds = range.map_or(0..to, |s| s..s + 1);
    for seed in seeds {
        let mut world = World::new(Plan {
            seed,
            commands: 70,
            faults: 40,
            span_millis: 25_000,
        });
        if let Err(broken) = world.run() {
            if range.is_some() {
                println!("{}", world.trace.join("\n"));
                println!("{:#?}", world.counts);
            }
            println!("seed {seed}: {broken}");
            *bad.entry(broken.invariant).or_insert(0) += 1;
        }
    }
    println!("{bad:?}");
}
