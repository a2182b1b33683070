//! A course of events that is played on its own, in a world where nobody does anything by himself.

use testudo_core::input::Command;
use testudo_core::records::ItemState;
use testudo_protocol::id::{HubId, ItemId, ItemRef};
use testudo_protocol::label::{Label, Tlp};

use crate::adversary::{Edge, Honest};
use crate::drafts;
use crate::federation::hub;
use crate::world::{Plan, World};

/// A world in which nobody does anything by himself, up to where everyone is connected.
pub fn quiet() -> World {
    quiet_with(Box::new(Honest))
}

/// The same, with an edge that frames pass.
pub fn quiet_with(edge: Box<dyn Edge>) -> World {
    let plan = Plan {
        seed: 1,
        commands: 0,
        faults: 0,
        span_millis: 20_000,
    };
    let mut world = World::with_edge(plan, edge);
    // The first tick comes before anybody is connected, the second long after.
    for _ in 0..2 {
        world.run_until("FR anchors").expect("nothing happens yet");
    }
    world
}

/// Plays on to the end, which must hold.
pub fn finish(mut world: World) -> World {
    if let Err(broken) = world.run() {
        panic!("{}\n\n{broken}", world.trace.join("\n"));
    }
    world
}

/// A TLP:AMBER label that names these hubs.
pub fn amber_for(hubs: &[&str]) -> Label {
    drafts::listed(Tlp::Amber, hubs.iter().map(|code| hub(code)))
}

/// Somebody writes a draft whose preview is not refused: chance may have put a stricter marking into the bundle than the
/// label has, or a licence that the label does not go with.
pub fn previewed(world: &mut World, who: &str, what: &'static str, label: &Label, corrects: Option<ItemId>) {
    let refused = |world: &World| -> u64 {
        let counts = world.counts.iter();
        let previews = counts.filter(|(what, _)| what.starts_with("refused preview"));
        previews.map(|(_, count)| count).sum()
    };
    loop {
        let before = refused(world);
        world
            .preview(hub(who), what, label.clone(), corrects)
            .expect("holds");
        if refused(world) == before {
            return;
        }
    }
}

/// FR releases an item to DE; gives the item once `until` has happened.
pub fn released(world: &mut World, until: &str) -> ItemRef {
    previewed(world, "FR", "release", &amber_for(&["DE"]), None);
    world.run_until(until).expect("holds");
    let own = world.stations[&hub("FR")].disk.items().next();
    own.expect("it is on disk").item
}

/// Gives a hub a command.
pub fn tell(world: &mut World, who: &str, what: &'static str, command: Command) {
    world.command(hub(who), what, None, command).expect("holds");
}

/// How many frames with content one hub has sent another.
pub fn contents(world: &World, from: &str, to: &str) -> usize {
    let line = format!("{from} sends {to} content");
    world.trace.iter().filter(|entry| entry.contains(&line)).count()
}

/// The states of all versions of an item at a hub.
pub fn states(world: &World, at: HubId, item: ItemId) -> Vec<ItemState> {
    let versions = world.stations[&at].disk.versions(item);
    versions.map(|record| record.state).collect()
}

/// Plays on until a line of the trace says that something has happened.
pub fn until(world: &mut World, what: &str) {
    if let Err(broken) = world.run_until(what) {
        panic!("{}\n\n{broken}", world.trace.join("\n"));
    }
}
