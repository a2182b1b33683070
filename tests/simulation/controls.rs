//! Negative controls: each invariant is shown something that breaks it, and must say so.

use testudo_core::output::{Change, Event, Family};
use testudo_core::records::{DeliveryState, key};
use testudo_protocol::envelope::Envelope;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::HubId;
use testudo_protocol::ledger::{Entry, Outcome};

use crate::adversary::{Addressed, Edge};
use crate::dice::Dice;
use crate::federation::{Federation, hub};
use crate::invariants::{self, Held};
use crate::world::{Plan, World};

/// A run without faults that every control starts from.
const CALM: Plan = Plan {
    seed: 7,
    commands: 40,
    faults: 0,
    span_millis: 10_000,
};

/// An edge that does not ask the gate: whatever content leaves a hub goes to GE too.
struct Ungated {
    /// Whether it hides the ciphertext in a control frame.
    hidden: bool,
}

impl Edge for Ungated {
    fn send(&mut self, _: &mut Dice, _: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        let leak = match Message::decode(&frame) {
            Ok(Message::Content(_)) if !self.hidden => Some(frame.clone()),
            Ok(Message::Content(bytes)) => Envelope::decode(&bytes).ok().map(|envelope| {
                let piece = envelope.cipher().iter().skip(300).take(600).copied();
                Message::Control(Control::Notice(piece.collect())).to_frame()
            }),
            _ => None,
        };
        let leak = leak.map(|leak| (hub("GE"), leak));
        leak.into_iter().chain([(to, frame)]).collect()
    }
}

fn settled() -> World {
    let mut world = World::new(CALM);
    world.run().expect("a run without faults holds every invariant");
    world
}

#[track_caller]
fn must_break(held: Held, invariant: &str) {
    match held {
        Ok(()) => panic!("{invariant} does not notice"),
        Err(broken) => assert_eq!(broken.invariant, invariant, "{broken}"),
    }
}

/// Some hub and some foreign item that it holds and that is valid.
fn some_copy(world: &World) -> (HubId, testudo_core::records::ItemRecord) {
    let copies = world.stations.iter().flat_map(|(hub, station)| {
        let items = station.disk.items();
        items.map(|record| (*hub, record)).collect::<Vec<_>>()
    });
    let mut foreign = copies
        .filter(|(hub, record)| record.originator != *hub && world.stations[hub].disk.has_body(record.item));
    foreign.next().expect("something was delivered")
}

#[test]
fn a_frame_past_the_gate_is_caught() {
    let mut world = World::with_edge(CALM, Box::new(Ungated { hidden: false }));
    must_break(world.run(), "nothing_is_transmitted_without_right");
}

#[test]
fn ciphertext_inside_a_control_frame_is_caught() {
    let mut world = World::with_edge(CALM, Box::new(Ungated { hidden: true }));
    must_break(world.run(), "ciphertext_canaries_stay_inside");
}

#[test]
fn opened_content_at_another_hub_is_caught() {
    let mut world = settled();
    let (holder, record) = some_copy(&world);
    let row = key::item(record.item);
    let body = world.stations[&holder].disk.row(Family::Body, &row);
    let body = body.expect("the body is here").to_vec();
    world
        .station(hub("GE"))
        .disk
        .smuggle(Family::Body, row, body.clone());
    must_break(
        invariants::at_the_end(&world),
        "opened_content_reaches_named_recipients_only",
    );
    let change = Change::Put {
        family: Family::Evidence,
        key: Vec::new(),
        value: body.into(),
    };
    must_break(
        invariants::invariant_opened_content_reaches_named_recipients_only(&world, holder, &change),
        "opened_content_reaches_named_recipients_only",
    );
}

#[test]
fn lost_rows_are_caught() {
    let mut world = settled();
    let (holder, record) = some_copy(&world);
    world
        .station(holder)
        .disk
        .tear_out(Family::Item, &key::item(record.item));
    must_break(
        invariants::invariant_acknowledged_survives(&world, holder),
        "acknowledged_survives",
    );
    must_break(invariants::invariant_logs_converge(&world), "logs_converge");
}

#[test]
fn a_copy_that_no_entry_speaks_of_is_caught() {
    let mut world = settled();
    let (holder, record) = some_copy(&world);
    let origin = Federation::get().ledger_origin(holder);
    let entries = world.stations[&holder].disk.entries(&origin);
    let accepted = entries.into_iter().find(|(_, entry)| match entry {
        Entry::Received { item, outcome, .. } => *item == Some(record.item) && *outcome == Outcome::Accepted,
        _ => false,
    });
    let (index, _) = accepted.expect("it was entered");
    world
        .station(holder)
        .disk
        .tear_out(Family::Opening, &key::index(index));
    must_break(
        invariants::invariant_nothing_is_taken_twice(&world, holder),
        "nothing_is_taken_twice",
    );
}

#[test]
fn a_changed_ledger_is_caught() {
    let mut world = settled();
    let disk = &mut world.station(hub("FR")).disk;
    let mut leaf = disk.leaves().first().expect("there is a first entry").clone();
    leaf[20] ^= 1;
    disk.smuggle(Family::Leaf, key::index(0), leaf);
    must_break(
        invariants::invariant_ledgers_only_grow_and_verify(&world, hub("FR")),
        "ledgers_only_grow_and_verify",
    );
}

#[test]
fn an_opening_that_is_gone_without_an_erasure_is_caught() {
    let mut world = settled();
    let disk = &mut world.station(hub("FR")).disk;
    disk.tear_out(Family::Opening, &key::index(0));
    must_break(
        invariants::invariant_ledgers_only_grow_and_verify(&world, hub("FR")),
        "ledgers_only_grow_and_verify",
    );
}

#[test]
fn a_shortened_ledger_is_caught() {
    let mut world = settled();
    let disk = &mut world.station(hub("FR")).disk;
    let last = disk.leaves().len() as u64 - 1;
    disk.tear_out(Family::Leaf, &key::index(last));
    disk.tear_out(Family::Opening, &key::index(last));
    must_break(
        invariants::invariant_ledgers_only_grow_and_verify(&world, hub("FR")),
        "ledgers_only_grow_and_verify",
    );
}

#[test]
fn an_item_that_does_not_arrive_is_caught() {
    let mut world = settled();
    let (holder, record) = some_copy(&world);
    let row = key::delivery(record.item, holder);
    let mut delivery = world.stations[&record.sender]
        .disk
        .delivery(record.item, holder)
        .expect("it was delivered");
    delivery.state = DeliveryState::Queued;
    let value = testudo_protocol::wire::encode(&delivery).expect("a record is small");
    world
        .station(record.sender)
        .disk
        .smuggle(Family::Delivery, row, value);
    must_break(invariants::invariant_logs_converge(&world), "logs_converge");
}

#[test]
fn content_in_a_report_is_caught() {
    let what = format!("bundle {} does not parse", crate::watch::marker(1, 1));
    let event = Event::PeerFault {
        peer: hub("DE"),
        what,
    };
    must_break(
        invariants::invariant_no_output_leaks_content(hub("FR"), &format!("{event:?}")),
        "no_output_leaks_content",
    );
    let world = World::new(CALM);
    must_break(
        invariants::invariant_the_honest_are_not_blamed(&world, hub("FR"), hub("DE"), "anything"),
        "the_honest_are_not_blamed",
    );
}
