//! Items that are to be destroyed: because their time is over, which every holder does by itself, enters, and says
//! to whoever sent them; or by law.

use testudo_core::input::Command;
use testudo_core::records::ItemState;
use testudo_protocol::id::{HubId, ItemRef};
use testudo_protocol::ledger::{Basis, Entry};

use crate::course::{amber_for, finish, previewed, quiet, states, tell, until};
use crate::federation::{Federation, hub};
use crate::world::World;

/// How long the item lives, in seconds.
const LIFE_SECONDS: u64 = 30;

/// Longer than its life and the time between two looks, in milliseconds.
const LATER_MILLIS: u64 = 120_000;

/// FR releases an item to DE that does not live long.
fn short_lived(world: &mut World) -> ItemRef {
    let mut label = amber_for(&["DE"]);
    label.expires_at = world.clock(hub("FR")).seconds() + LIFE_SECONDS;
    previewed(world, "FR", "release", &label, None);
    until(world, "FR reports Receipted");
    let own = world.stations[&hub("FR")].disk.items().next();
    own.expect("it is on disk").item
}

fn purged_entries(world: &World, at: HubId, item: ItemRef) -> usize {
    let origin = Federation::get().ledger_origin(at);
    let entries = world.stations[&at].disk.entries(&origin).into_iter();
    let about = |entry: &Entry| matches!(entry, Entry::Purged { up_to, .. } if *up_to == item);
    entries.filter(|(_, entry)| about(entry)).count()
}

#[track_caller]
fn assert_expired(world: &World, at: HubId, item: ItemRef) {
    assert_eq!(states(world, at, item.item), [ItemState::Expired], "{at}");
    assert_eq!(world.stations[&at].disk.content_rows(item), 0, "{at}");
    assert_eq!(purged_entries(world, at, item), 1, "{at}");
}

#[test]
fn an_expired_item_is_destroyed_by_every_holder_by_itself() {
    let mut world = quiet();
    let item = short_lived(&mut world);
    for at in ["FR", "DE"] {
        assert!(
            world.stations[&hub(at)].disk.content_rows(item) > 0,
            "{at}: there is something to destroy"
        );
    }
    world.leap(LATER_MILLIS);
    let world = finish(world);
    for at in ["FR", "DE"] {
        assert_expired(&world, hub(at), item);
    }
    let delivery = world.stations[&hub("FR")].disk.delivery(item, hub("DE"));
    assert!(
        delivery.is_some_and(|delivery| delivery.purged.is_some()),
        "DE has said so"
    );
}

/// FR consents to it, and DE gives the item to EEAS: the signed part of that is a row of its own.
fn forwarded(world: &mut World, item: ItemRef) {
    let consent = Command::Consent {
        item: item.item,
        holder: hub("DE"),
        recipient: hub("EEAS"),
        until: world.clock(hub("FR")).plus_millis(20_000),
        purpose: "onward".to_owned(),
    };
    tell(world, "FR", "consent", consent);
    until(world, "DE hears FR consent");
    let to = hub("EEAS");
    tell(world, "DE", "forward", Command::Forward { item: item.item, to });
    until(world, "DE reports Receipted");
}

#[test]
fn a_forwarded_copy_of_an_expired_item_is_destroyed_too() {
    let mut world = quiet();
    let item = short_lived(&mut world);
    forwarded(&mut world, item);
    world.leap(LATER_MILLIS);
    let world = finish(world);
    for at in ["FR", "DE", "EEAS"] {
        assert_expired(&world, hub(at), item);
    }
}

#[test]
fn a_forwarded_copy_of_an_erased_item_is_destroyed_too() {
    let mut world = quiet();
    let item = short_lived(&mut world);
    forwarded(&mut world, item);
    let basis: Basis = "gdpr-17.1.d".parse().expect("a code");
    let erase = Command::Erase {
        item: item.item,
        basis,
    };
    tell(&mut world, "DE", "erase", erase);
    until(&mut world, "DE has done erase");
    // Not played on to the end, whose checks take whatever a hub does not know any more for a loss.
    assert_eq!(world.stations[&hub("DE")].disk.content_rows(item), 0);
}

/// Whoever was away gets the outer part alone, so that the chain stays whole.
#[test]
fn an_item_that_expired_before_it_was_sent_is_not_sent() {
    let mut world = quiet();
    world.network.set_partitioned(hub("DE"), true);
    world.cut(hub("FR"), hub("DE"));
    until(&mut world, "FR has lost DE");
    let mut label = amber_for(&["DE"]);
    label.expires_at = world.clock(hub("FR")).seconds() + LIFE_SECONDS;
    previewed(&mut world, "FR", "release", &label, None);
    until(&mut world, "FR has done release");
    let item = world.stations[&hub("FR")]
        .disk
        .items()
        .next()
        .expect("it is on disk")
        .item;
    world.leap(LATER_MILLIS);
    until(&mut world, "FR anchors");
    world.network.set_partitioned(hub("DE"), false);
    let world = finish(world);
    assert_expired(&world, hub("FR"), item);
    assert_eq!(states(&world, hub("DE"), item.item), []);
}
