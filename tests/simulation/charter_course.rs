//! The charter changing while hubs run: who is cut off, what still flows, what waits.

use testudo_core::input::Command;
use testudo_core::records::{DeliveryState, ItemState};
use testudo_protocol::charter::{Act, ActKind, DAY_SECONDS, Draft, HOLD_SECONDS, Status, to_text};
use testudo_protocol::id::{HubId, ItemId};

use crate::course::{amber_for, contents, quiet, released, states, tell, until};
use crate::federation::{Federation, hub};
use crate::world::{Happening, World};

/// What FR would propose, with the votes of these.
fn signed(text: String, voters: &[&str]) -> Vec<u8> {
    let mut draft = Draft::new(text);
    Federation::get().vote(&mut draft, voters);
    draft.to_bytes()
}

fn act(world: &World, kind: ActKind, target: &str) -> Act {
    let machine = world.stations[&hub("FR")].hub.as_ref().expect("FR runs");
    let made = world.clock(hub("FR")).seconds();
    machine
        .governance()
        .draft_act(kind, hub(target), made, "a course")
}

fn submit(world: &mut World, at: &str, note: Vec<u8>) {
    tell(world, at, "submit", Command::SubmitCharter { notes: vec![note] });
}

fn standing(world: &World, at: &str, of: &str) -> Status {
    let machine = world.stations[&hub(at)].hub.as_ref().expect("it runs");
    machine.gate().charter().member(hub(of)).expect("a member").status
}

fn take_off_the_network(world: &mut World, code: &str) {
    world.network.set_partitioned(hub(code), true);
    world.cut_off(hub(code));
    until(world, &format!("FR has lost {code}"));
}

fn delivery(world: &World, item: ItemId, to: HubId) -> DeliveryState {
    let disk = &world.stations[&hub("FR")].disk;
    let found = disk.deliveries_to(to).find(|delivery| delivery.item.item == item);
    found.expect("it was decided").state.clone()
}

/// FR releases another item to DE, which is queued.
fn queued(world: &mut World) -> ItemId {
    let known: Vec<ItemId> = (world.stations[&hub("FR")].disk.items())
        .map(|record| record.item.item)
        .collect();
    let refused = |world: &World| world.counts.get("refused preview label-too-weak").copied();
    loop {
        let before = refused(world);
        world
            .preview(hub("FR"), "release", amber_for(&["DE"]), None)
            .expect("holds");
        // Dice may put a stricter marking into a draft.
        if refused(world) == before {
            break;
        }
    }
    until(world, "FR has done release");
    let mut own = (world.stations[&hub("FR")].disk.items()).map(|record| record.item.item);
    own.find(|item| !known.contains(item)).expect("it is on disk")
}

#[test]
fn a_suspended_hub_loses_its_queue_at_once_and_still_destroys_what_is_withdrawn() {
    let mut world = quiet();
    let first = released(&mut world, "DE reports Arrived").item;
    take_off_the_network(&mut world, "DE");
    let second = queued(&mut world);
    assert_eq!(delivery(&world, second, hub("DE")), DeliveryState::Queued);
    let before = contents(&world, "FR", "DE");

    // Three of the five others; it reaches every hub from the one that took it.
    let note = signed(
        to_text(&act(&world, ActKind::Suspend, "DE")),
        &["FR", "PL", "EEAS"],
    );
    submit(&mut world, "PL", note);
    until(&mut world, "FR reports Standing");
    assert_eq!(standing(&world, "FR", "DE"), Status::Suspended);
    until(&mut world, "FR reports Withheld");
    assert!(matches!(
        delivery(&world, second, hub("DE")),
        DeliveryState::Withheld { .. }
    ));

    // It comes back, hears of it, and gets no content; what it had is withdrawn, and it answers.
    world.after(1, Happening::Rejoin(hub("DE")));
    until(&mut world, "DE reports Standing");
    tell(&mut world, "FR", "retract", Command::Retract { item: first });
    until(&mut world, "receiver: DE, act: Purged");
    assert_eq!(states(&world, hub("DE"), first), [ItemState::Retracted]);
    assert_eq!(contents(&world, "FR", "DE"), before, "nothing new");
    for code in ["FR", "SE", "EEAS", "MD", "CA", "NGO", "DE"] {
        assert_eq!(standing(&world, code, "DE"), Status::Suspended, "{code}");
    }

    // A restart forgets none of it.
    world.crash(hub("FR"));
    until(&mut world, "FR starts");
    assert_eq!(standing(&world, "FR", "DE"), Status::Suspended);
}

#[test]
fn a_hold_stops_the_queue_and_costs_nothing_of_it() {
    let mut world = quiet();
    take_off_the_network(&mut world, "DE");
    let item = queued(&mut world);
    // Three of the five others: an emergency hold, and as many as confirm one, so that it does not lapse.
    let voters = ["FR", "PL", "RO"];
    let note = signed(to_text(&act(&world, ActKind::Hold, "DE")), &voters);
    submit(&mut world, "FR", note);
    until(&mut world, "FR reports Standing");
    world.after(1, Happening::Rejoin(hub("DE")));
    until(&mut world, "DE reports Standing");
    assert_eq!(standing(&world, "FR", "DE"), Status::Held);
    world.leap((HOLD_SECONDS + 1) * 1_000);
    until(&mut world, "FR reports CharterFresh");
    assert_eq!(standing(&world, "FR", "DE"), Status::Held);
    assert_eq!(delivery(&world, item, hub("DE")), DeliveryState::Queued);
    assert_eq!(contents(&world, "FR", "DE"), 0);

    // A directory ends it, and what waited goes on.
    let resumed = {
        let machine = world.stations[&hub("FR")].hub.as_ref().expect("FR runs");
        let (governance, now) = (machine.governance(), world.clock(hub("FR")).seconds());
        let mut next = governance.next_directory(now, now + 100 * DAY_SECONDS);
        assert!(governance.resume(&mut next, hub("DE")));
        signed(to_text(&next), &voters)
    };
    submit(&mut world, "FR", resumed);
    until(&mut world, "DE reports Arrived");
    assert_eq!(standing(&world, "FR", "DE"), Status::Active);
}

#[test]
fn votes_that_are_not_enough_change_nothing_and_cost_no_connection() {
    let mut world = quiet();
    let note = signed(to_text(&act(&world, ActKind::Suspend, "DE")), &["FR", "PL"]);
    submit(&mut world, "FR", note);
    until(&mut world, "FR refuses submit: charter");
    assert_eq!(standing(&world, "FR", "DE"), Status::Active);
    released(&mut world, "DE reports Arrived");
}
