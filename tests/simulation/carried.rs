//! What no stream reaches is reached by parcels, under the same invariants.

use testudo_core::input::Command;
use testudo_core::records::ItemState;

use crate::course::{contents, finish, quiet, released, states, tell, until};
use crate::federation::hub;
use crate::world::World;

/// DE is off the network, and both DE and FR have noticed.
fn without_de() -> World {
    let mut world = quiet();
    let (fr, de) = (hub("FR"), hub("DE"));
    world.network.set_partitioned(de, true);
    world.cut_off(de);
    while world.network.has_session(fr, de) || world.network.has_session(de, fr) {
        until(&mut world, "has lost");
    }
    world
}

/// Carries what one hub packs for another.
fn carry(world: &mut World, from: &str, to: &str) {
    tell(world, from, "pack", Command::PackParcel { to: hub(to) });
    until(world, &format!("{from} has done pack"));
    let sealed = world.parcels.pop().expect("a parcel was packed");
    tell(world, to, "unpack", Command::TakeParcel { sealed });
    until(world, &format!("{to} has done unpack"));
}

#[test]
fn an_item_and_its_receipt_go_by_hand() {
    let mut world = without_de();
    let item = released(&mut world, "FR has done release").item;
    carry(&mut world, "FR", "DE");
    assert_eq!(states(&world, hub("DE"), item), [ItemState::Released]);
    carry(&mut world, "DE", "FR");
    world.network.set_partitioned(hub("DE"), false);
    let world = finish(world);
    assert_eq!(contents(&world, "FR", "DE"), 0, "it was sent again");
}

#[test]
fn a_withdrawal_goes_by_hand() {
    let mut world = without_de();
    let item = released(&mut world, "FR has done release").item;
    carry(&mut world, "FR", "DE");
    tell(&mut world, "FR", "retract", Command::Retract { item });
    until(&mut world, "FR has done retract");
    carry(&mut world, "FR", "DE");
    assert_eq!(states(&world, hub("DE"), item), [ItemState::Retracted]);
    carry(&mut world, "DE", "FR");
    world.network.set_partitioned(hub("DE"), false);
    finish(world);
}

#[test]
fn a_hub_that_comes_back_ends_the_packing() {
    let mut world = without_de();
    let item = released(&mut world, "FR has done release").item;
    let to = hub("DE");
    world.network.set_partitioned(to, false);
    tell(&mut world, "FR", "pack", Command::PackParcel { to });
    let world = finish(world);
    assert_eq!(states(&world, to, item), [ItemState::Released]);
}
