//! Old copies of a database, lost ones, and clocks that are wrong: nothing is ever signed twice.

use testudo_core::input::{Command, Input};
use testudo_core::output::Family;
use testudo_core::records::key;
use testudo_protocol::id::HubId;
use testudo_protocol::ledger::{Entry, Extent, Mirrored, mirrors};
use testudo_protocol::wire;

use crate::adversary::Suspect;
use crate::course::{amber_for, quiet, tell, until};
use crate::disk::Disk;
use crate::federation::{Federation, hub};
use crate::invariants;
use crate::world::{Happening, Plan, World};

/// FR releases an item to these hubs, and it arrives at the first.
fn release(world: &mut World, hubs: &[&str]) {
    let refused = |world: &World| world.counts.get("refused preview label-too-weak").copied();
    loop {
        let before = refused(world);
        let label = amber_for(hubs);
        world.preview(hub("FR"), "release", label, None).expect("holds");
        if refused(world) == before {
            break;
        }
    }
    until(world, &format!("{} reports Arrived", hubs[0]));
}

/// Two checkpoints of FR, up to where all who mirror it have all of its leaves.
fn ticks(world: &mut World) {
    for _ in 0..2 {
        until(world, "FR anchors");
    }
    let size = disk(world).anchors().last().expect("it signed").size;
    let codes = Federation::get().codes().iter().copied();
    for mirror in mirrors(hub("FR"), codes) {
        let row = [b"m".as_slice(), hub("FR").as_bytes()].concat();
        let kept = |world: &World| {
            let row = world.stations[&mirror].disk.row(Family::Checkpoint, &row);
            row.map(|row| wire::decode::<Mirrored>(row).expect("a record").size())
        };
        while kept(world) != Some(size) {
            world.run_for(50).expect("holds");
        }
    }
}

/// FR's process ends, and starts again from another disk.
fn comes_back_with(world: &mut World, disk: Disk) {
    world.crash(hub("FR"));
    world.watch.rolled_back.insert(hub("FR"));
    world.station(hub("FR")).disk = disk;
}

fn disk(world: &World) -> &Disk {
    &world.stations[&hub("FR")].disk
}

fn entries(world: &World, code: &str) -> Vec<Entry> {
    let origin = Federation::get().ledger_origin(hub(code));
    let entries = world.stations[&hub(code)].disk.entries(&origin);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn fence(world: &World) -> Option<String> {
    let hub = world.stations[&hub("FR")].hub.as_ref()?;
    hub.status().fence.map(|fence| fence.why)
}

/// The gap that FR's ledger admits.
fn recovered(world: &World) -> Option<(u64, u64)> {
    entries(world, "FR").into_iter().find_map(|entry| match entry {
        Entry::Recovered { from, to } => Some((from, to)),
        _ => None,
    })
}

/// FR is whole again: its ledger verifies with the gap it names, contains whatever it signed, and it releases.
fn is_whole_and_releases(world: &mut World, lost: u64) {
    let signed: Vec<(u64, String)> = (world.watch.roots.iter())
        .filter(|((of, _), _)| *of == hub("FR"))
        .map(|((_, size), root)| (*size, root.clone()))
        .collect();
    until(world, "FR anchors");
    let (from, to) = recovered(world).expect("its ledger names the gap");
    assert_eq!(from, lost);
    let openings = disk(world).openings();
    assert!((from..to).all(|index| !openings.contains_key(&index)));
    for code in [hub("FR"), hub("DE")] {
        invariants::invariant_ledgers_only_grow_and_verify(world, code).expect("it verifies");
    }
    let leaves = disk(world).leaves();
    let origin = Federation::get().ledger_origin(hub("FR"));
    let audit = testudo_protocol::ledger::Audit {
        origin: &origin,
        leaves: &leaves,
        openings: &openings,
        extent: Extent::Whole,
        checkpoint: None,
        since: None,
    };
    assert_eq!(audit.run().expect("in order").entries, leaves.len() as u64);
    let mut frontier = testudo_crypto::merkle::Frontier::new();
    let mut roots = std::collections::BTreeMap::new();
    for leaf in &leaves {
        frontier.append(testudo_crypto::merkle::leaf_hash(leaf));
        roots.insert(frontier.size().get(), frontier.root().digest().to_hex());
    }
    for (size, root) in signed.iter().filter(|(size, _)| size.is_multiple_of(64)) {
        assert_eq!(roots.get(size), Some(root), "checkpoint {size}");
    }
    let before = items(world, "DE");
    release(world, &["DE"]);
    assert_eq!(items(world, "DE"), before + 1);
    assert!(world.watch.blamed.is_empty(), "{:?}", world.watch.blamed);
}

fn items(world: &World, code: &str) -> usize {
    world.stations[&hub(code)].disk.items().count()
}

#[test]
fn an_old_copy_with_its_old_anchor_is_fenced_and_comes_back_whole() {
    let mut world = quiet();
    release(&mut world, &["DE"]);
    let copy = disk(&world).copy();
    let lost = copy.leaves().len() as u64;
    release(&mut world, &["DE"]);
    release(&mut world, &["DE", "SE"]);
    ticks(&mut world);
    comes_back_with(&mut world, copy);
    until(&mut world, "FR starts");
    assert_eq!(fence(&world).as_deref(), Some("asking"));
    until(&mut world, "FR reports Behind");
    assert_eq!(fence(&world).as_deref(), Some("behind"));
    let label = amber_for(&["DE"]);
    world.preview(hub("FR"), "release", label, None).expect("holds");
    until(&mut world, "FR reports Unfenced");
    assert_eq!(fence(&world), None);
    is_whole_and_releases(&mut world, lost);
}

#[test]
fn a_hub_that_lost_database_and_anchor_comes_back_from_mirrors() {
    let mut world = quiet();
    release(&mut world, &["DE"]);
    ticks(&mut world);
    comes_back_with(&mut world, Disk::default());
    until(&mut world, "FR reports Behind");
    until(&mut world, "FR reports Unfenced");
    is_whole_and_releases(&mut world, 0);
}

#[test]
fn a_truncated_database_beside_its_anchor_comes_back_whole() {
    let mut world = quiet();
    release(&mut world, &["DE"]);
    ticks(&mut world);
    let whole = disk(&world).copy();
    let left = whole.anchors().first().expect("it signed").size + 5;
    let mut short = whole.copy();
    for index in left..whole.leaves().len() as u64 {
        short.tear_out(Family::Leaf, &key::index(index));
        short.tear_out(Family::Opening, &key::index(index));
    }
    comes_back_with(&mut world, short);
    until(&mut world, "FR starts");
    assert_eq!(fence(&world).as_deref(), Some("behind"));
    until(&mut world, "FR reports Unfenced");
    is_whole_and_releases(&mut world, left);
}

/// The last writes are gone, and no checkpoint tells: what a peer took over of the log does.
#[test]
fn lost_writes_behind_the_last_checkpoint_sign_no_place_of_a_log_twice() {
    let mut world = quiet();
    release(&mut world, &["DE"]);
    let copy = disk(&world).copy();
    release(&mut world, &["DE"]);
    comes_back_with(&mut world, copy);
    until(&mut world, "FR reports LogAhead");
    until(&mut world, "FR reports Unfenced");
    let before = items(&world, "DE");
    release(&mut world, &["DE"]);
    assert_eq!(items(&world, "DE"), before + 1);
    assert!(world.watch.blamed.is_empty(), "{:?}", world.watch.blamed);
}

/// The one that knows is not there when the next item is released.
#[test]
fn a_log_whose_reader_cannot_be_asked_is_begun_anew() {
    let mut world = quiet();
    release(&mut world, &["DE"]);
    let copy = disk(&world).copy();
    release(&mut world, &["DE"]);
    world.network.set_partitioned(hub("DE"), true);
    world.cut_off(hub("DE"));
    until(&mut world, "FR has lost DE");
    comes_back_with(&mut world, copy);
    until(&mut world, "FR reports Unfenced");
    let label = amber_for(&["DE"]);
    world.preview(hub("FR"), "release", label, None).expect("holds");
    until(&mut world, "FR has done release");
    let before = items(&world, "DE");
    world.after(1, Happening::Rejoin(hub("DE")));
    until(&mut world, "DE reports Arrived");
    assert_eq!(items(&world, "DE"), before + 1);
    assert!(world.watch.blamed.is_empty(), "{:?}", world.watch.blamed);
}

fn confirm(person: &str) -> Command {
    Command::ConfirmAlone {
        person: person.to_owned().try_into().expect("a code"),
    }
}

#[test]
fn a_hub_with_nobody_to_ask_goes_on_by_an_act_of_two_people_that_peers_are_shown() {
    let mut world = quiet();
    let fr = hub("FR");
    tell(&mut world, "FR", "confirm", confirm("d-07"));
    assert_eq!(world.counts["refused confirm not-fenced"], 1);
    world.network.set_partitioned(fr, true);
    world.cut_off(fr);
    world.crash(fr);
    until(&mut world, "FR starts");
    let label = amber_for(&["DE"]);
    world.preview(fr, "release", label, None).expect("holds");
    until(&mut world, "FR refuses release: fenced");
    tell(&mut world, "FR", "confirm", confirm("d-07"));
    tell(&mut world, "FR", "confirm", confirm("d-07"));
    assert_eq!(world.counts["refused confirm same-person"], 1);
    assert_eq!(fence(&world).as_deref(), Some("asking"));
    tell(&mut world, "FR", "confirm", confirm("d-12"));
    until(&mut world, "FR reports Unfenced { heard: 0 }");
    let alone = entries(&world, "FR").into_iter().find_map(|entry| match entry {
        Entry::ConfirmedAlone {
            heard,
            needed,
            people,
            ..
        } => Some((heard, needed, people[0] == people[1])),
        _ => None,
    });
    assert_eq!(alone, Some((0, 5, false)));
    world.after(1, Happening::Rejoin(fr));
    until(&mut world, "DE reports PeerWentOnAlone");
    let de = world.stations[&hub("DE")].hub.as_ref().expect("it runs");
    let told = de.status().peers.into_iter().find(|peer| peer.hub == fr);
    assert!(told.is_some_and(|peer| peer.went_on_alone.is_some()));
}

/// What a peer is known to hold cannot be confirmed away.
#[test]
fn nobody_can_confirm_what_peers_hold() {
    let mut world = quiet();
    let copy = disk(&world).copy();
    ticks(&mut world);
    // The mirrors are not there; others are, and know.
    let federation = Federation::get();
    for mirror in mirrors(hub("FR"), federation.codes().iter().copied()) {
        world.network.set_partitioned(mirror, true);
        world.cut_off(mirror);
    }
    comes_back_with(&mut world, copy);
    until(&mut world, "FR reports Behind");
    tell(&mut world, "FR", "confirm", confirm("d-07"));
    assert_eq!(world.counts["refused confirm fenced"], 1);
}

/// An anchor that only a clean stop has set speaks of entries that no peer has ever seen.
#[test]
fn entries_that_the_anchor_alone_knows_are_given_up_by_two_people_and_signed_over_by_nobody() {
    let mut world = quiet();
    let copy = disk(&world).copy();
    release(&mut world, &["DE"]);
    world.feed(hub("FR"), Input::Stop).expect("holds");
    until(&mut world, "FR anchors");
    let anchored = disk(&world).anchors().last().expect("it signed").size;
    assert!(!anchored.is_multiple_of(64));
    let old = copy.with_anchors_of(disk(&world));
    comes_back_with(&mut world, old);
    until(&mut world, "FR starts");
    assert_eq!(fence(&world).as_deref(), Some("behind"));
    tell(&mut world, "FR", "confirm", confirm("d-07"));
    tell(&mut world, "FR", "confirm", confirm("d-12"));
    until(&mut world, "FR reports Unfenced");
    until(&mut world, "FR anchors");
    let next = disk(&world).anchors().last().expect("it signed").size;
    assert!(
        next > anchored && next.is_multiple_of(64),
        "{next} after {anchored}"
    );
}

/// What was erased since the copy was made is hidden at once, destroyed, entered, and not told anybody.
#[test]
fn an_old_copy_does_not_bring_back_what_was_erased() {
    let mut world = quiet();
    release(&mut world, &["DE"]);
    let item = disk(&world).items().next().expect("it is on disk").item;
    ticks(&mut world);
    let copy = disk(&world).copy();
    assert!(copy.content_rows(item) > 0, "the copy holds it");
    let erase = Command::Erase {
        item: item.item,
        basis: "gdpr-17.1.d".parse().expect("a code"),
    };
    tell(&mut world, "FR", "erase", erase);
    until(&mut world, "FR has done erase");
    ticks(&mut world);
    let old = copy.with_erasures_of(disk(&world));
    comes_back_with(&mut world, old);
    until(&mut world, "FR starts");
    assert!(fence(&world).is_some());
    let is_shown = |world: &World| {
        let hub = world.stations[&hub("FR")].hub.as_ref().expect("it runs");
        hub.item(item.item).is_some() || !hub.released().is_empty()
    };
    assert!(!is_shown(&world), "nothing of it is shown behind the fence");
    until(&mut world, "FR reports ErasedAgain { count: 1 }");
    assert!(!disk(&world).has_body(item));
    until(&mut world, "FR reports Unfenced");
    until(&mut world, "FR anchors");
    assert!(!is_shown(&world));
    assert_eq!(disk(&world).content_rows(item), 0);
    assert_eq!(disk(&world).item(item), None);
    let erased = entries(&world, "FR").into_iter();
    let erased = erased.filter(|entry| matches!(entry, Entry::Erased { item: of, .. } if *of == item.item));
    assert_eq!(
        erased.count(),
        1,
        "that of the copy that was lost has no opening any more"
    );
}

fn clock_reports(world: &World, by: &str, of: &str) -> usize {
    let line = format!("{by} reports ClockOff {{ peer: {of}");
    world.trace.iter().filter(|entry| entry.contains(&line)).count()
}

/// A minute more than hubs bear with.
const AHEAD_MILLIS: u64 = 6 * 60 * 1_000;

#[test]
fn a_hub_whose_clock_is_off_stops_releasing_until_it_is_set() {
    let fr = hub("FR");
    let ahead = |seed| {
        let plan = Plan {
            seed,
            commands: 0,
            faults: 0,
            span_millis: 20_000,
        };
        let mut world = World::with_edge(plan, Box::new(Suspect(fr)));
        for _ in 0..2 {
            until(&mut world, "FR anchors");
        }
        world.station(fr).ahead_millis = AHEAD_MILLIS;
        world.crash(fr);
        until(&mut world, "FR reports Unfenced");
        // Now and then a clock is set while its hub is down.
        (world.stations[&fr].ahead_millis == AHEAD_MILLIS).then_some(world)
    };
    let mut world = (1..).find_map(ahead).expect("a world");
    let others: Vec<HubId> = (Federation::get().codes().iter())
        .copied()
        .filter(|code| *code != fr)
        .collect();
    for _ in 0..2 {
        until(&mut world, "FR anchors");
    }
    for other in &others {
        assert_eq!(clock_reports(&world, other.as_str(), "FR"), 1, "{other}");
        assert_eq!(clock_reports(&world, "FR", other.as_str()), 1, "{other}");
    }
    let label = amber_for(&["DE"]);
    world.preview(fr, "release", label.clone(), None).expect("holds");
    until(&mut world, "FR refuses release: clock-off");
    // The others agree with each other: one wrong clock among them stops nobody else.
    let de = world.stations[&hub("DE")].hub.as_ref().expect("it runs");
    let shown = de.status().peers.into_iter().find(|peer| peer.hub == fr);
    let seconds = shown.and_then(|peer| peer.clock_ahead_seconds);
    assert!(seconds.is_some_and(|seconds| seconds > 300), "{seconds:?}");
    let for_se = amber_for(&["SE"]);
    world.preview(hub("DE"), "release", for_se, None).expect("holds");
    until(&mut world, "SE reports Arrived");
    world.station(fr).ahead_millis = 0;
    world.crash(fr);
    until(&mut world, "FR reports Unfenced");
    world.preview(fr, "release", label, None).expect("holds");
    until(&mut world, "FR has done release");
}

#[test]
fn time_does_not_fall_below_what_a_quorum_has_signed() {
    let mut world = quiet();
    let fr = hub("FR");
    until(&mut world, "FR hears EEAS cosigned");
    ticks(&mut world);
    let before = world.clock(fr);
    world.station(fr).behind_millis = 365 * 24 * 60 * 60 * 1_000;
    world.crash(fr);
    until(&mut world, "FR reports Unfenced");
    let origin = Federation::get().ledger_origin(fr);
    let leaves = disk(&world).leaves();
    let (index, opening) = disk(&world).openings().pop_last().expect("it has entries");
    let leaf = testudo_protocol::ledger::Leaf::from_bytes(&leaves[index as usize]).expect("a leaf");
    let opening = testudo_protocol::ledger::Opening::read(&opening, &leaf, &origin, index).expect("it fits");
    let time = opening.record().time;
    // One tick of the quorum's time may lie between.
    assert!(time.plus_millis(20_000) > before, "{time:?} after {before:?}");
}
