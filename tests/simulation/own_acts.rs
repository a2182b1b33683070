//! Members decide about their own keys: rotation, revocation, and two acts at one place.

use testudo_core::input::{Command, Input};
use testudo_core::output::Family;
use testudo_protocol::charter::{KeyKind, OwnAct, OwnActFields, OwnDeed, Status};
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{Hash, HubId, Timestamp};

use crate::course::{amber_for, finish, previewed, quiet, tell, until};
use crate::federation::{Federation, hub, realm};
use crate::world::{Happening, World};

/// The hub that decides about itself.
const FR: &str = "FR";

/// Those that its items go to.
const AUDIENCE: [&str; 5] = ["DE", "SE", "PL", "RO", "EEAS"];

fn fr() -> HubId {
    hub(FR)
}

/// An act of FR behind another one, or behind the certificate in the charter.
fn act(before: Option<&OwnAct>, made: Timestamp, deed: OwnDeed) -> OwnAct {
    let federation = Federation::get();
    let charter = federation.charter();
    let (_, base) = charter.certificate_act(fr()).expect("a member");
    let before = before.unwrap_or(base);
    let fields = OwnActFields {
        member: fr(),
        counter: before.fields().counter + 1,
        previous: before.hash(),
        made,
        deed,
    };
    OwnAct::sign(fields, &federation.root_key(fr()), &realm()).expect("the key is at hand")
}

fn certify() -> OwnDeed {
    OwnDeed::Certify {
        keys: Box::new(Federation::get().other_keys(fr()).public().operational()),
        valid_until: 2_000_000_000,
    }
}

fn revoke_payload(since: Timestamp) -> OwnDeed {
    let keys = Federation::get().keys(fr()).public().operational();
    OwnDeed::Revoke {
        kind: KeyKind::Payload,
        key: keys.signing(KeyKind::Payload),
        since,
    }
}

/// FR hands an act in, and its folder holds it.
fn hand_in(world: &mut World, act: &OwnAct) {
    world.station(fr()).own_acts.push(act.to_bytes().to_vec());
    tell(world, FR, "own act", Command::OwnAct(act.to_bytes().to_vec()));
    until(world, "FR has done own act");
}

/// FR has other keys in its folder and uses them.
fn change_keys(world: &mut World) {
    world.station(fr()).rotated = true;
    let keys = Box::new(Federation::get().other_keys(fr()));
    world.feed(fr(), Input::Keys(keys)).expect("holds");
    let changed = world.trace.iter().any(|line| line.contains("KeysChanged"));
    assert!(changed, "the act certifies these keys");
}

/// FR releases a draft.
fn release(world: &mut World, hubs: &[&str]) {
    previewed(world, "FR", "release", &amber_for(hubs), None);
    until(world, "FR has done release");
}

fn take_off_the_network(world: &mut World, code: &str) {
    world.network.set_partitioned(hub(code), true);
    world.cut_off(hub(code));
    until(world, &format!("FR has lost {code}"));
}

fn items(world: &World, at: &str) -> usize {
    world.stations[&hub(at)].disk.items().count()
}

fn status_of_fr(world: &World, at: &str) -> Option<Status> {
    let hub = world.stations[&hub(at)].hub.as_ref()?;
    Some(hub.gate().charter().member(fr())?.status)
}

#[test]
fn a_hub_rotates_its_keys_under_traffic() {
    let mut world = quiet();
    release(&mut world, &AUDIENCE);
    // What DE does not get now waits for it under the old key.
    take_off_the_network(&mut world, "DE");
    release(&mut world, &AUDIENCE);
    let made = world.clock(fr());
    hand_in(&mut world, &act(None, made, certify()));
    change_keys(&mut world);
    release(&mut world, &AUDIENCE);
    // A process that comes back has the new keys.
    world.crash(fr());
    world.after(1, Happening::Restart(fr()));
    until(&mut world, "FR starts");
    world.after(1, Happening::Rejoin(hub("DE")));
    let world = finish(world);
    for code in AUDIENCE {
        assert_eq!(items(&world, code), 3, "{code}");
    }
    let old = Federation::get().keys(fr()).public().payload;
    for (code, station) in &world.stations {
        let view = station
            .hub
            .as_ref()
            .expect("everybody is up")
            .gate()
            .charter()
            .clone();
        let keys = &view.member(fr()).expect("a member").keys;
        assert_ne!(keys.payload, old, "{code}");
    }
}

#[test]
fn what_a_revoked_key_signed_is_refused_on_receipt_of_the_revocation() {
    let mut world = quiet();
    let suspected = world.clock(fr());
    release(&mut world, &["SE"]);
    until(&mut world, "SE reports Arrived");
    take_off_the_network(&mut world, "DE");
    release(&mut world, &["DE"]);
    let stolen: Vec<Vec<u8>> = (world.stations[&fr()].disk.family(Family::Envelope))
        .map(|(_, bytes)| bytes.to_vec())
        .collect();
    let revoked = act(None, world.clock(fr()), revoke_payload(suspected));
    hand_in(&mut world, &revoked);
    // Without a key FR releases nothing.
    let certified = act(Some(&revoked), world.clock(fr()), certify());
    hand_in(&mut world, &certified);
    change_keys(&mut world);
    world.after(1, Happening::Rejoin(hub("DE")));
    until(&mut world, "DE reports OwnActsFollowed");

    // A thief sends what the stolen key signed.
    let frames = stolen.into_iter().map(|bytes| Message::Content(bytes).to_frame());
    let refused = frames
        .map(|frame| world.feed(hub("DE"), Input::Frame(fr(), frame)))
        .filter_map(|held| held.err().map(|broken| broken.to_string()))
        .find(|what| what.contains("a payload key that its sender has revoked"));
    assert!(refused.is_some(), "{}", world.trace.join("\n"));
    assert_eq!(items(&world, "DE"), 0);

    // What came before is kept, and marked.
    let se = world.stations[&hub("SE")].hub.as_ref().expect("is up");
    let inbox = se.inbox();
    assert!(inbox.iter().all(|entry| entry.provenance_in_doubt), "{inbox:?}");
    assert_eq!(inbox.len(), 1);

    // And FR goes on under its new key, in the same logs.
    release(&mut world, &["DE"]);
    let world = finish(world);
    assert_eq!(items(&world, "DE"), 1);
    let de = world.stations[&hub("DE")].hub.as_ref().expect("is up");
    assert!(de.inbox().iter().all(|entry| !entry.provenance_in_doubt));
}

#[test]
fn a_hub_whose_key_is_revoked_signs_nothing_until_it_has_another() {
    let mut world = quiet();
    let suspected = world.clock(fr());
    let revoked = act(None, suspected, revoke_payload(suspected));
    hand_in(&mut world, &revoked);
    tell(
        &mut world,
        FR,
        "retract",
        Command::Retract {
            item: testudo_protocol::id::ItemId::new([1; 16]),
        },
    );
    assert_eq!(world.counts["refused retract key-revoked"], 1);
    let certified = act(Some(&revoked), world.clock(fr()), certify());
    hand_in(&mut world, &certified);
    change_keys(&mut world);
    release(&mut world, &AUDIENCE);
    let world = finish(world);
    assert_eq!(items(&world, "DE"), 1);
}

#[test]
fn two_own_acts_at_one_place_hold_that_member_alone() {
    let mut world = quiet();
    let made = world.clock(fr());
    let keys = Federation::get().keys(fr()).public().operational();
    let one = act(
        None,
        made,
        OwnDeed::Revoke {
            kind: KeyKind::Cosigning,
            key: keys.signing(KeyKind::Cosigning),
            since: made,
        },
    );
    let other = act(None, made, OwnDeed::Exit);
    for (told, act) in [("DE", &one), ("SE", &other)] {
        let frame = Message::Control(Control::OwnAct(act.to_bytes().to_vec())).to_frame();
        world
            .feed(hub(told), Input::Frame(hub("PL"), frame))
            .expect("an act counts whoever brings it");
    }
    until(&mut world, "RO reports SplitActs");
    let world = finish(world);
    for (code, station) in &world.stations {
        assert_eq!(status_of_fr(&world, code.as_str()), Some(Status::Held), "{code}");
        let evidence: Vec<Hash> = (station.disk.family(Family::Evidence))
            .filter_map(|(key, _)| Some(Hash::new(key.try_into().ok()?)))
            .collect();
        let known = evidence.contains(&one.hash()) || evidence.contains(&other.hash());
        assert!(known, "{code} keeps the act that contradicts");
        let charter = station.hub.as_ref().expect("is up").gate().charter();
        let others = charter.members().filter(|member| member.code != fr());
        for member in others {
            let before = Federation::get().charter().member(member.code).expect("a member");
            assert_eq!(member.status, before.status, "{code} holds {}", member.code);
        }
    }
}

#[test]
fn a_member_that_leaves_gets_nothing_more_from_the_moment_that_is_known() {
    let mut world = quiet();
    let exit = act(None, world.clock(fr()), OwnDeed::Exit);
    hand_in(&mut world, &exit);
    until(&mut world, "DE reports OwnActsFollowed");
    let world = finish(world);
    for code in AUDIENCE {
        assert_eq!(status_of_fr(&world, code), Some(Status::Exited), "{code}");
    }
}
