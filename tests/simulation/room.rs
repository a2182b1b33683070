//! A disk that is nearly full: nothing new, nothing lost, and on again by itself.

use testudo_core::input::{Command, Input};
use testudo_core::records::{DeliveryState, ItemState};

use crate::course::{amber_for, finish, previewed, quiet, released, states, tell, until};
use crate::federation::hub;
use crate::world::World;

/// The shell of a hub has looked at its disk.
fn room(world: &mut World, who: &str, has_room: bool) {
    world.feed(hub(who), Input::Room(has_room)).expect("holds");
}

fn is_full(world: &World, who: &str) -> bool {
    let station = world.stations[&hub(who)].hub.as_ref().expect("it runs");
    station.status().storage_full
}

#[test]
fn a_full_disk_refuses_what_is_new_and_not_what_takes_back() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived").item;
    room(&mut world, "FR", false);
    assert!(is_full(&world, "FR"));
    let label = amber_for(&["DE"]);
    previewed(&mut world, "FR", "release", &label, None);
    until(&mut world, "FR is asked to release");
    assert_eq!(world.counts["refused release storage-full"], 1);
    tell(&mut world, "FR", "retract", Command::Retract { item });
    let world = finish(world);
    assert_eq!(world.counts["done retract"], 1);
    assert_eq!(states(&world, hub("DE"), item), [ItemState::Retracted]);
}

#[test]
fn what_a_full_disk_turns_away_arrives_when_there_is_room() {
    let mut world = quiet();
    room(&mut world, "DE", false);
    let item = released(&mut world, "FR sends DE content");
    until(&mut world, "DE hears FR content");
    // Long enough for any receipt, and for a tick, which goes on.
    until(&mut world, "DE anchors");
    assert_eq!(states(&world, hub("DE"), item.item), []);
    let delivery = world.stations[&hub("FR")].disk.delivery(item, hub("DE"));
    assert_eq!(
        delivery.map(|delivery| delivery.state),
        Some(DeliveryState::Queued)
    );
    // A second look that says the same changes nothing.
    room(&mut world, "DE", false);
    room(&mut world, "DE", true);
    assert!(!is_full(&world, "DE"));
    let world = finish(world);
    assert_eq!(states(&world, hub("DE"), item.item), [ItemState::Released]);
    let delivery = world.stations[&hub("FR")].disk.delivery(item, hub("DE"));
    assert_eq!(
        delivery.map(|delivery| delivery.state),
        Some(DeliveryState::Delivered)
    );
}
