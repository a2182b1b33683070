//! Weekly keys, audience keys, and members that cannot open what was sealed.

use testudo_core::input::Input;
use testudo_core::output::Family;
use testudo_core::records::{Access, ItemState};
use testudo_crypto::entropy::Entropy;
use testudo_crypto::seal::Identity;
use testudo_protocol::announcement::{Announcement, AnnouncementFields};
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{AudienceId, HubId, ItemRef};
use testudo_protocol::ledger::{Entry, KeyAct};
use testudo_protocol::week::Week;

use crate::course::{amber_for, contents, finish, quiet, released, states, until};
use crate::federation::{Federation, National, hub};
use crate::world::{Happening, World};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// More than four hubs, so that they share a key.
const AUDIENCE: [&str; 5] = ["DE", "SE", "PL", "RO", "EEAS"];

fn take_off_the_network(world: &mut World, code: &str) {
    world.network.set_partitioned(hub(code), true);
    world.cut_off(hub(code));
    until(world, &format!("FR has lost {code}"));
}

fn bring_back(world: &mut World, code: &str) {
    world.after(1, Happening::Rejoin(hub(code)));
}

fn resealed(world: &World, from: &str, to: &str) -> usize {
    let line = format!("{from} sends {to} resealed");
    world.trace.iter().filter(|entry| entry.contains(&line)).count()
}

/// FR releases an item to an audience with a key of its own.
fn release(world: &mut World, hubs: &[&str]) {
    previewed(world, hubs);
    until(world, "FR has done release");
}

/// FR has previewed a draft that it can release.
fn previewed(world: &mut World, hubs: &[&str]) {
    crate::course::previewed(world, "FR", "release", &amber_for(hubs), None);
}

fn entries(world: &World, code: &str) -> Vec<Entry> {
    let origin = Federation::get().ledger_origin(hub(code));
    let entries = world.stations[&hub(code)].disk.entries(&origin);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Audience and epoch of every audience key that FR made.
fn audience_keys(world: &World) -> Vec<(AudienceId, u32, u32)> {
    let keys = entries(world, "FR").into_iter().filter_map(|entry| match entry {
        Entry::AudienceKey {
            audience,
            epoch,
            sealed_to,
            ..
        } => Some((audience, epoch, sealed_to)),
        _ => None,
    });
    keys.collect()
}

fn secrets(world: &World, code: &str, first: u8) -> usize {
    let rows = world.stations[&hub(code)].disk.family(Family::Key);
    rows.filter(|(key, _)| key.first() == Some(&first)).count()
}

fn owed(world: &World, to: &str) -> usize {
    let disk = &world.stations[&hub("FR")].disk;
    disk.deliveries_to(hub(to))
        .filter(|delivery| delivery.access == Access::Owed)
        .count()
}

fn items(world: &World, at: &str) -> Vec<ItemRef> {
    let disk = &world.stations[&hub(at)].disk;
    disk.items().map(|record| record.item).collect()
}

fn everyone_has(world: &World, count: usize) {
    for code in AUDIENCE {
        assert_eq!(items(world, code).len(), count, "{code}");
    }
}

#[test]
fn an_audience_opens_everything_under_one_key() {
    let mut world = quiet();
    for _ in 0..3 {
        release(&mut world, &AUDIENCE);
    }
    let world = finish(world);
    everyone_has(&world, 3);
    let made = audience_keys(&world);
    assert_eq!(made.len(), 1, "{made:?}");
    // One key entry and three envelopes for each.
    assert_eq!(contents(&world, "FR", "DE"), 4);
    assert_eq!(resealed(&world, "FR", "DE"), 0);
    assert_eq!(secrets(&world, "DE", b'a'), 1);
}

#[test]
fn a_hub_that_was_offline_for_thirty_days_gets_its_items_sealed_anew() {
    let mut world = quiet();
    take_off_the_network(&mut world, "DE");
    release(&mut world, &AUDIENCE);
    release(&mut world, &["DE"]);
    // What the others get has arrived when their keys come to their end.
    world.run_for(4_000).expect("holds");
    world.leap(30 * DAY_MILLIS);
    bring_back(&mut world, "DE");
    let world = finish(world);
    everyone_has_but_the_direct_one(&world);
    assert_eq!(items(&world, "DE").len(), 2);
    assert_eq!(contents(&world, "FR", "DE"), 0);
    assert!(resealed(&world, "FR", "DE") >= 2);
}

fn everyone_has_but_the_direct_one(world: &World) {
    for code in AUDIENCE.into_iter().filter(|code| *code != "DE") {
        assert_eq!(items(world, code).len(), 1, "{code}");
    }
}

#[test]
fn a_hub_that_has_just_joined_is_owed_what_was_released_before_it_announced_a_key() {
    let mut world = quiet();
    // FR has never heard of DE's key.
    take_off_the_network(&mut world, "DE");
    let row = hub("DE").as_bytes().to_vec();
    world.station(hub("FR")).disk.tear_out(Family::Announcement, &row);
    world.crash(hub("FR"));
    until(&mut world, "FR starts");
    let begin = world.trace.len();
    until(&mut world, "FR reports Unfenced");
    for code in AUDIENCE.into_iter().filter(|code| *code != "DE") {
        let announced = format!("FR hears {code} announce");
        if !world.trace[begin..].iter().any(|line| line.contains(&announced)) {
            until(&mut world, &announced);
        }
    }
    release(&mut world, &AUDIENCE);
    assert_eq!(owed(&world, "DE"), 1);
    assert_eq!(audience_keys(&world).len(), 1);
    bring_back(&mut world, "DE");
    let mut world = finish(world);
    everyone_has(&world, 1);
    assert_eq!(contents(&world, "FR", "DE"), 0);

    // From its announcement on it is in the next key.
    release(&mut world, &AUDIENCE);
    let world = finish(world);
    everyone_has(&world, 2);
    let made = audience_keys(&world);
    let sealed_to: Vec<u32> = made.iter().map(|(_, _, sealed_to)| *sealed_to).collect();
    assert_eq!(sealed_to.last(), Some(&5), "{made:?}");
}

#[test]
fn a_hub_that_lost_its_keys_gets_its_items_sealed_anew() {
    let mut world = quiet();
    release(&mut world, &AUDIENCE);
    until(&mut world, "DE reports Arrived");
    take_off_the_network(&mut world, "DE");
    release(&mut world, &AUDIENCE);
    let lost: Vec<Vec<u8>> = (world.stations[&hub("DE")].disk.family(Family::Key))
        .map(|(key, _)| key.to_vec())
        .collect();
    world.crash(hub("DE"));
    for key in &lost {
        world.station(hub("DE")).disk.tear_out(Family::Key, key);
    }
    until(&mut world, "DE starts");
    bring_back(&mut world, "DE");
    let world = finish(world);
    everyone_has(&world, 2);
    assert!(resealed(&world, "FR", "DE") >= 1);
}

#[test]
fn a_member_that_is_excluded_gets_no_part_in_the_next_key() {
    let mut world = quiet();
    let audience = [&AUDIENCE[..], &["CA"]].concat();
    release(&mut world, &audience);
    until(&mut world, "CA reports Arrived");
    let before = contents(&world, "FR", "CA");
    let strict = Federation::get().gate(National::Strict);
    world.station(hub("FR")).national = National::Strict;
    world
        .feed(hub("FR"), Input::Policies(Box::new(strict)))
        .expect("holds");
    until(&mut world, "FR reports PoliciesActivated");
    release(&mut world, &audience);
    let world = finish(world);
    assert_eq!(contents(&world, "FR", "CA"), before);
    assert_eq!(items(&world, "CA").len(), 1);
    assert_eq!(items(&world, "DE").len(), 2);
    let [(first, ..), (second, _, sealed_to)] = audience_keys(&world)[..] else {
        panic!("two keys expected");
    };
    assert_ne!(first, second);
    assert_eq!(sealed_to, 5);
}

#[test]
fn keys_change_weekly_and_are_destroyed_after_their_grace() {
    let mut world = quiet();
    release(&mut world, &AUDIENCE);
    until(&mut world, "DE reports Arrived");
    let from = world.trace.len();
    // No cosignature is under way when the clocks leap.
    world.run_for(4_000).expect("holds");
    world.leap(7 * DAY_MILLIS);
    // Until voters have said again what they follow, nothing is released. Either comes first.
    until(&mut world, "FR reports CharterFresh");
    let announced = |world: &World| {
        world.trace[from..]
            .iter()
            .any(|line| line.contains("FR hears DE announce"))
    };
    if !announced(&world) {
        until(&mut world, "FR hears DE announce");
    }
    release(&mut world, &AUDIENCE);
    let mut world = finish(world);
    everyone_has(&world, 2);
    let epochs: Vec<u32> = audience_keys(&world).iter().map(|(_, epoch, _)| *epoch).collect();
    assert!(
        epochs.len() >= 2 && epochs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{epochs:?}"
    );
    assert_eq!((secrets(&world, "FR", b'a'), secrets(&world, "FR", b'w')), (1, 2));

    world.leap(28 * DAY_MILLIS);
    world.feed(hub("FR"), Input::Tick).expect("holds");
    world.feed(hub("DE"), Input::Tick).expect("holds");
    let world = finish(world);
    for code in ["FR", "DE"] {
        assert_eq!(
            (secrets(&world, code, b'a'), secrets(&world, code, b'w')),
            (0, 1),
            "{code}"
        );
    }
    let destroyed = entries(&world, "FR").into_iter().filter(|entry| {
        matches!(
            entry,
            Entry::RecipientKey {
                act: KeyAct::Destroyed,
                ..
            }
        )
    });
    assert_eq!(destroyed.count(), 2);
}

/// Wherever the process dies, key and envelope are both there or neither is, and no place of the log is sealed twice
/// for anyone to see.
#[test]
fn a_crash_falls_never_between_a_key_and_its_envelope() {
    for outputs in 0..14 {
        let mut world = quiet();
        world.station(hub("FR")).fuse = Some(outputs);
        previewed(&mut world, &AUDIENCE);
        until(&mut world, "FR starts");
        until(&mut world, "FR reports Unfenced");
        let keys = audience_keys(&world).len();
        let releases = |world: &World| {
            let entries = entries(world, "FR").into_iter();
            entries
                .filter(|entry| matches!(entry, Entry::Release { .. }))
                .count()
        };
        assert_eq!(keys, releases(&world), "after {outputs} outputs");
        world.station(hub("FR")).fuse = None;
        release(&mut world, &AUDIENCE);
        let world = finish(world);
        assert!(world.watch.blamed.is_empty(), "{:?}", world.watch.blamed);
        everyone_has(&world, releases(&world));
    }
}

#[test]
fn a_member_that_is_passed_over_with_a_key_gets_the_rest_sealed_anew() {
    let mut world = quiet();
    take_off_the_network(&mut world, "DE");
    release(&mut world, &AUDIENCE);
    let first = items(&world, "FR")[0].item;
    release(&mut world, &AUDIENCE);
    crate::course::tell(
        &mut world,
        "FR",
        "retract",
        testudo_core::input::Command::Retract { item: first },
    );
    bring_back(&mut world, "DE");
    let world = finish(world);
    assert_eq!(items(&world, "DE").len(), 1);
    assert_eq!(contents(&world, "FR", "DE"), 0);
    assert_eq!(states(&world, hub("DE"), first), Vec::<ItemState>::new());
    assert!(resealed(&world, "FR", "DE") >= 1);
}

#[test]
fn a_small_audience_has_no_key() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived");
    let world = finish(world);
    assert_eq!(items(&world, "DE"), [item]);
    assert_eq!(audience_keys(&world), []);
    assert_eq!(
        world
            .stations
            .keys()
            .filter(|code| holds_audience_key(&world, **code))
            .count(),
        0
    );
}

fn holds_audience_key(world: &World, code: HubId) -> bool {
    secrets(world, code.as_str(), b'a') > 0
}

#[test]
fn a_key_announced_ahead_of_our_clock_counts_once_it_has_come_so_far() {
    let mut world = quiet();
    let federation = Federation::get();
    let (fr, de) = (hub("FR"), hub("DE"));
    let made = world.clock(fr).plus_millis(6 * 60 * 1_000);
    let fields = AnnouncementFields {
        hub: de,
        week: Week::of(made),
        made,
        held_since: made,
        recipient: Identity::generate_hybrid(&mut Entropy::from_seed([1; 32])).recipient(),
    };
    let realm = federation.charter().realm();
    let early = Announcement::sign(fields, &federation.keys(de).payload, realm, [2; 32]).to_bytes();
    let frame = Message::Control(Control::Announce(early.clone())).to_frame();
    let counts = |world: &World| {
        let row = world.stations[&fr].disk.row(Family::Announcement, de.as_bytes());
        row == Some(early.as_slice())
    };
    world.feed(fr, Input::Frame(de, frame)).expect("holds");
    let told = |world: &World| {
        let lines = world.trace.iter();
        lines
            .filter(|line| line.contains("FR reports ClockAhead"))
            .count()
    };
    assert_eq!((told(&world), counts(&world)), (1, false));
    world.feed(fr, Input::Tick).expect("holds");
    assert_eq!((told(&world), counts(&world)), (1, false));
    world.leap(2 * 60 * 1_000);
    let mut world = finish(world);
    assert_eq!((told(&world), counts(&world)), (1, true));
    release(&mut world, &["SE"]);
}
