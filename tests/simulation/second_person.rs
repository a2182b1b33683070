//! Versions that are cut down from one's own items, by two people.

use testudo_core::draft_record::Derived;
use testudo_core::hub::Hub;
use testudo_core::input::{Command, DeriveFrom, KeepDraft, ReleaseCommand};
use testudo_core::output::Family;
use testudo_core::person::Person;
use testudo_core::views::DraftView;
use testudo_policies::explain::Language;
use testudo_protocol::id::{Hash, ItemId};
use testudo_protocol::label::Tlp;
use testudo_protocol::ledger::Entry;

use crate::course::{amber_for, finish, quiet, tell, until};
use crate::federation::{Federation, hub};
use crate::onward::{CHANNEL, PLACE, bundle, community, draft, look, release};
use crate::world::World;

fn person(name: &str) -> Person {
    name.to_owned().try_into().expect("a code")
}

/// FR's AMBER item about a channel in a place, which DE has.
fn amber_item() -> (World, ItemId) {
    let mut world = quiet();
    let source = draft(amber_for(&["DE"]), None, bundle(1, &[CHANNEL, PLACE]));
    let item = release(&mut world, "FR", source);
    until(&mut world, "DE reports Arrived");
    (world, item)
}

/// Somebody at a hub keeps a GREEN draft without the channel.
fn keep(world: &mut World, who: &str, item: ItemId) {
    let wanted = KeepDraft {
        draft: draft(community(Tlp::Green), None, Vec::new()),
        from: Some(DeriveFrom {
            item,
            cut: [CHANNEL.to_owned()].into(),
        }),
        person: person("d-07"),
    };
    tell(world, who, "keep", Command::KeepDraft(Box::new(wanted)));
}

fn kept(world: &World) -> DraftView {
    let machine = world.stations[&hub("FR")].hub.as_ref().expect("it runs");
    machine.drafts().pop().expect("a draft is kept")
}

/// What a second person would be shown.
fn preview(world: &World) -> Hash {
    let station = &world.stations[&hub("FR")];
    let row = Hub::draft_row(kept(world).draft);
    let bundle = station.disk.row(Family::Body, &row);
    let machine = station.hub.as_ref().expect("it runs");
    let preview = machine.preview_draft(kept(world).draft, bundle.map(<[u8]>::to_vec), Language::English);
    preview.expect("it can be released").hash
}

fn approve(world: &mut World, name: &str, preview: Hash) {
    let command = Command::ApproveDraft {
        draft: kept(world).draft,
        preview,
        person: person(name),
    };
    tell(world, "FR", "approve", command);
}

#[test]
fn a_version_that_is_cut_down_goes_out_by_two_people() {
    let (mut world, item) = amber_item();
    keep(&mut world, "FR", item);
    until(&mut world, "FR has done keep");
    let draft = kept(&world).draft;
    let preview = preview(&world);
    tell(&mut world, "FR", "send", Command::ReleaseDraft { draft, preview });
    assert_eq!(world.counts["refused send draft-state"], 1);
    let review = Command::ReviewDraft {
        draft,
        person: person("d-07"),
    };
    tell(&mut world, "FR", "review", review);
    until(&mut world, "FR has done review");
    approve(&mut world, "d-07", preview);
    assert_eq!(world.counts["refused approve own-draft"], 1);
    approve(&mut world, "d-12", Hash::new([9; 32]));
    until(&mut world, "FR refuses approve: preview-changed");
    // What stands in review is on disk. Now and then a hub comes back with another national policy, under which a
    // preview is another one.
    let national = world.stations[&hub("FR")].national;
    loop {
        world.crash(hub("FR"));
        until(&mut world, "FR reports Unfenced");
        if world.stations[&hub("FR")].national == national {
            break;
        }
    }
    assert_eq!(kept(&world).state, "in review");
    approve(&mut world, "d-12", preview);
    until(&mut world, "FR has done approve");
    assert_eq!(
        (kept(&world).state.as_str(), kept(&world).second.as_deref()),
        ("approved", Some("d-12"))
    );
    tell(&mut world, "FR", "send", Command::ReleaseDraft { draft, preview });
    until(&mut world, "PL reports Arrived");

    let machine = world.stations[&hub("PL")].hub.as_ref().expect("it runs");
    let entry = machine.inbox().pop().expect("it has arrived");
    assert_eq!((entry.label.tlp, entry.derived_from), (Tlp::Green, Some(item)));
    let machine = world.stations[&hub("FR")].hub.as_ref().expect("it runs");
    assert_eq!(machine.drafts(), []);
    let disk = &world.stations[&hub("PL")].disk;
    let holds = |text: &str| {
        let mut rows = disk.family(Family::Body);
        rows.any(|(_, row)| row.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    assert!(holds(PLACE) && !holds(CHANNEL), "the cut object is named nowhere");
    let origin = Federation::get().ledger_origin(hub("FR"));
    let derived = world.stations[&hub("FR")]
        .disk
        .entries(&origin)
        .into_iter()
        .find_map(|(_, entry)| match entry {
            Entry::Derived { from, cut, .. } => Some((from.item, cut)),
            _ => None,
        });
    assert_eq!(derived, Some((item, 1)));
    finish(world);
}

#[test]
fn what_is_cut_down_is_not_released_past_the_second_person() {
    let (mut world, item) = amber_item();
    let own = world.stations[&hub("FR")]
        .disk
        .items()
        .next()
        .expect("on disk")
        .item;
    let mut short = draft(community(Tlp::Green), None, bundle(2, &[PLACE]));
    short.derived = Some(Derived {
        from: own,
        cut: [CHANNEL.to_owned()].into(),
    });
    let preview = look(&world, "FR", &short).expect("it could be released").hash;
    let command = ReleaseCommand {
        draft: short,
        preview,
    };
    tell(&mut world, "FR", "release", Command::Release(Box::new(command)));
    assert_eq!(world.counts["refused release not-approved"], 1);
    keep(&mut world, "DE", item);
    assert_eq!(world.counts["refused keep not-originator"], 1);
    finish(world);
}
