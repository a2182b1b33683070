//! Passing on: what a licence lets go, what is known again when it comes back through another tool, and new versions
//! that lower a label or leave somebody out (R-18, R-22, P-DOWNGRADE).

use serde_json::{Value, json};
use testudo_core::input::{Command, Draft, ReleaseCommand};
use testudo_core::records::{DeliveryState, ItemState};
use testudo_core::refusal::Refusal;
use testudo_core::views::{Preview, Verdict};
use testudo_policies::explain::Language;
use testudo_protocol::id::ItemId;
use testudo_protocol::label::{Caveat, Class, Label, Level, Scope, Tlp};
use testudo_protocol::licence::Licence;

use crate::course::{amber_for, contents, finish, quiet, states, tell, until};
use crate::drafts;
use crate::federation::hub;
use crate::world::World;

/// A source's own matter.
pub const CHANNEL: &str = "channel--6f6a3f0e-7c1f-4a5e-9d27-0e4a2c9b1d11";

/// Reference objects, which are everybody's.
pub const PLACE: &str = "location--0b5a3f0e-7c1f-4a5e-9d27-0e4a2c9b1d12";
const DESK: &str = "identity--1b5a3f0e-7c1f-4a5e-9d27-0e4a2c9b1d13";
const TECHNIQUE: &str = "attack-pattern--2b5a3f0e-7c1f-4a5e-9d27-0e4a2c9b1d14";

fn objects() -> [Value; 4] {
    [
        json!({"type": "channel", "spec_version": "2.1", "id": CHANNEL, "name": "a channel"}),
        json!({"type": "location", "spec_version": "2.1", "id": PLACE, "country": "MD"}),
        json!({"type": "identity", "spec_version": "2.1", "id": DESK, "identity_class": "organization"}),
        json!({"type": "attack-pattern", "spec_version": "2.1", "id": TECHNIQUE, "name": "a technique",
               "external_references": [{"source_name": "DISARM", "external_id": "T0085.003"}]}),
    ]
}

/// A report of this number about some objects, which it holds.
pub fn bundle(number: u8, about: &[&str]) -> Vec<u8> {
    let id = |kind: &str| format!("{kind}--00000000-0000-4000-8000-0000000000{number:02x}");
    let mut all = vec![json!({
        "type": "report", "spec_version": "2.1", "id": id("report"), "name": "a report",
        "object_refs": if about.is_empty() { vec![id("report")] } else { about.iter().map(|id| (*id).to_owned()).collect() },
    })];
    all.extend(
        objects()
            .into_iter()
            .filter(|object| about.contains(&object["id"].as_str().expect("an id"))),
    );
    let bundle = json!({"type": "bundle", "id": id("bundle"), "objects": all});
    bundle.to_string().into_bytes()
}

pub fn draft(label: Label, licence: Option<Licence>, bundle: Vec<u8>) -> Draft {
    Draft {
        bundle,
        label,
        licence,
        purpose: "situational-awareness".to_owned(),
        corrects: None,
        derived: None,
        attachments: Vec::new(),
    }
}

pub fn community(tlp: Tlp) -> Label {
    Label {
        scope: Scope::Community,
        ..drafts::listed(tlp, std::iter::empty())
    }
}

pub fn look(world: &World, who: &str, draft: &Draft) -> Result<Preview, Refusal> {
    let machine = world.stations[&hub(who)].hub.as_ref().expect("it runs");
    machine.preview(draft.clone(), Language::English)
}

/// Releases a draft; gives the item once that is done.
#[track_caller]
pub fn release(world: &mut World, who: &str, draft: Draft) -> ItemId {
    let preview = look(world, who, &draft).expect("it can be released").hash;
    let command = Command::Release(Box::new(ReleaseCommand { draft, preview }));
    tell(world, who, "release", command);
    until(world, &format!("{who} has done release"));
    let machine = world.stations[&hub(who)].hub.as_ref().expect("it runs");
    machine.released().last().expect("it is there").item
}

fn forward(world: &mut World, who: &str, item: ItemId, to: &str) {
    tell(world, who, "forward", Command::Forward { item, to: hub(to) });
}

fn named(hubs: &[&str], classes: &[Class]) -> Option<Licence> {
    Some(Licence::Named {
        hubs: hubs.iter().map(|code| hub(code)).collect(),
        classes: classes.iter().copied().collect(),
        until: 0,
    })
}

#[test]
fn whom_a_licence_names_gets_the_item_onward_without_asking_and_nobody_else() {
    let mut world = quiet();
    let licence = named(&["EEAS"], &[Class::Associated]);
    let item = release(
        &mut world,
        "FR",
        draft(amber_for(&["DE"]), licence, bundle(1, &[])),
    );
    until(&mut world, "DE reports Arrived");
    forward(&mut world, "DE", item, "EEAS");
    until(&mut world, "EEAS reports Arrived");
    forward(&mut world, "DE", item, "MD");
    until(&mut world, "MD reports Arrived");
    forward(&mut world, "DE", item, "SE");
    tell(&mut world, "FR", "retract", Command::Retract { item });
    let world = finish(world);
    assert_eq!(world.counts["refused forward denied"], 1);
    assert_eq!(contents(&world, "DE", "SE"), 0);
    // The originator was not told of either forward, and withdraws the item from both.
    for who in ["EEAS", "MD"] {
        let disk = &world.stations[&hub(who)].disk;
        let states: Vec<_> = disk.versions(item).map(|record| record.state).collect();
        assert_eq!(states, [ItemState::Retracted], "{who}");
    }
}

#[test]
fn a_licence_restricts_what_the_label_would_let_go() {
    for (licence, goes) in [
        (Licence::AsLabelled, true),
        (Licence::Consent, false),
        (Licence::Nobody, false),
    ] {
        let mut world = quiet();
        world.network.set_partitioned(hub("PL"), true);
        world.cut(hub("FR"), hub("PL"));
        until(&mut world, "FR has lost PL");
        let label = community(Tlp::Green);
        let item = release(&mut world, "FR", draft(label, Some(licence), bundle(1, &[])));
        until(&mut world, "DE reports Arrived");
        forward(&mut world, "DE", item, "PL");
        world.network.set_partitioned(hub("PL"), false);
        let world = finish(world);
        let refused = world.counts.get("refused forward denied").copied().unwrap_or(0);
        assert_eq!(refused, u64::from(!goes));
        assert_eq!(contents(&world, "DE", "PL") > 0, goes);
    }
}

#[test]
fn no_consent_is_given_where_the_licence_says_nobody() {
    let mut world = quiet();
    let label = amber_for(&["DE"]);
    let item = release(
        &mut world,
        "FR",
        draft(label, Some(Licence::Nobody), bundle(1, &[])),
    );
    let consent = Command::Consent {
        item,
        holder: hub("DE"),
        recipient: hub("EEAS"),
        until: world.clock(hub("FR")).plus_millis(60_000),
        purpose: "onward".to_owned(),
    };
    tell(&mut world, "FR", "consent", consent);
    let world = finish(world);
    assert_eq!(world.counts["refused consent no-licence"], 1);
}

/// DE has FR's item about a channel and everybody's reference objects.
fn sourced(label: Label) -> (World, ItemId) {
    let mut world = quiet();
    let source = bundle(1, &[CHANNEL, PLACE, DESK, TECHNIQUE]);
    let item = release(&mut world, "FR", draft(label, None, source));
    until(&mut world, "DE reports Arrived");
    (world, item)
}

/// What a draft that draws on the channel is told.
fn told(world: &World, label: Label, licence: Option<Licence>) -> String {
    let refusal =
        look(world, "DE", &draft(label, licence, bundle(2, &[CHANNEL]))).expect_err("it is refused");
    assert_eq!(refusal.code(), "source-stricter");
    assert_eq!(refusal.rules(), ["R-18"]);
    refusal.to_string()
}

#[test]
fn what_comes_back_through_another_tool_keeps_the_label_it_came_with() {
    let (world, item) = sourced(Label {
        level: Level::SENSITIVE,
        caveats: [Caveat::Orcon].into(),
        ..amber_for(&["DE"])
    });
    let weaker = told(&world, community(Tlp::Green), None);
    for says in [
        &format!("item {item} of FR"),
        "--tlp AMBER --level 2 --caveat ORCON --rel-to",
        "or cut",
        CHANNEL,
    ] {
        assert!(weaker.contains(says), "{weaker}");
    }
    assert!(
        !weaker.contains(PLACE) && !weaker.contains("--licence"),
        "{weaker}"
    );
    let strict = Label {
        level: Level::SENSITIVE,
        caveats: [Caveat::Orcon].into(),
        ..amber_for(&["EEAS"])
    };
    let wide = told(&world, strict, Some(Licence::AsLabelled));
    assert!(wide.contains("--licence consent"), "{wide}");
}

/// A mention is enough: the id itself says that the object is there.
#[test]
fn whoever_mentions_an_object_draws_on_its_item() {
    let (world, _) = sourced(amber_for(&["DE"]));
    let mut mention: Value = serde_json::from_slice(&bundle(2, &[])).expect("JSON");
    mention["objects"][0]["object_refs"] = json!([CHANNEL]);
    let mention = draft(community(Tlp::Green), None, mention.to_string().into_bytes());
    let refusal = look(&world, "DE", &mention).expect_err("it is refused");
    assert_eq!(refusal.code(), "source-stricter");
}

#[test]
fn reference_objects_are_no_sources() {
    let (world, _) = sourced(amber_for(&["DE"]));
    let about = bundle(2, &[PLACE, DESK, TECHNIQUE]);
    let preview = look(&world, "DE", &draft(community(Tlp::Green), None, about)).expect("nobody's own");
    assert_eq!(preview.sources, []);
    assert_eq!(preview.licence, Licence::AsLabelled);
}

#[test]
fn what_somebody_has_made_public_is_no_source() {
    let (mut world, _) = sourced(amber_for(&["DE"]));
    let public = draft(community(Tlp::Clear), None, bundle(3, &[CHANNEL]));
    release(&mut world, "PL", public);
    until(&mut world, "DE reports Arrived");
    let preview = look(
        &world,
        "DE",
        &draft(community(Tlp::Green), None, bundle(2, &[CHANNEL])),
    );
    assert_eq!(preview.expect("it is public").sources, []);
}

/// Otherwise whoever quotes an item could keep its author from correcting it.
#[test]
fn what_this_hub_said_first_is_its_own() {
    let (mut world, _) = sourced(community(Tlp::Green));
    let quote = draft(amber_for(&["FR"]), None, bundle(2, &[CHANNEL]));
    release(&mut world, "DE", quote);
    until(&mut world, "FR reports Arrived");
    let again = draft(community(Tlp::Green), None, bundle(4, &[CHANNEL]));
    assert_eq!(look(&world, "FR", &again).expect("it is FR's").sources, []);
    assert_eq!(
        look(&world, "DE", &again)
            .expect("GREEN as its source")
            .sources
            .len(),
        1
    );
}

fn verdict(preview: &Preview, code: &str) -> Verdict {
    let mut verdicts = preview.verdicts.iter();
    verdicts
        .find(|verdict| verdict.hub == hub(code))
        .expect("a member")
        .clone()
}

/// FR consents to DE's giving its item to EEAS.
fn consent(world: &mut World, item: ItemId) {
    let consent = Command::Consent {
        item,
        holder: hub("DE"),
        recipient: hub("EEAS"),
        until: world.clock(hub("FR")).plus_millis(600_000),
        purpose: "onward".to_owned(),
    };
    tell(world, "FR", "consent", consent);
    until(world, "DE hears FR consent");
}

#[test]
fn what_draws_on_an_item_goes_where_the_item_may_go_and_survives_a_restart() {
    let (mut world, item) = sourced(amber_for(&["DE"]));
    world.crash(hub("DE"));
    until(&mut world, "DE reports Unfenced");
    let derived = draft(amber_for(&["EEAS", "FR"]), None, bundle(2, &[CHANNEL]));
    let preview = look(&world, "DE", &derived).expect("it is as strict as its source");
    assert_eq!(preview.licence, Licence::Consent);
    assert_eq!(preview.sources[0].objects, [CHANNEL]);
    assert_eq!(
        (preview.sources[0].item, preview.sources[0].originator),
        (item, hub("FR"))
    );
    let denied = verdict(&preview, "EEAS");
    assert_eq!(
        (denied.decision.as_str(), denied.rules),
        ("deny", vec!["R-18".to_owned()])
    );
    // The originator of the source has it already.
    assert_eq!(verdict(&preview, "FR").decision, "permit");

    consent(&mut world, item);
    let preview = look(&world, "DE", &derived).expect("as before");
    assert_eq!(verdict(&preview, "EEAS").decision, "permit");
    release(&mut world, "DE", derived);
    until(&mut world, "EEAS reports Arrived");
    finish(world);
}

#[test]
fn what_draws_on_a_withdrawn_item_is_not_sent_any_more() {
    let (mut world, item) = sourced(amber_for(&["DE"]));
    consent(&mut world, item);
    world.network.set_partitioned(hub("EEAS"), true);
    world.cut(hub("DE"), hub("EEAS"));
    until(&mut world, "DE has lost EEAS");
    let derived = draft(amber_for(&["EEAS"]), None, bundle(2, &[CHANNEL]));
    release(&mut world, "DE", derived);
    tell(&mut world, "FR", "retract", Command::Retract { item });
    until(&mut world, "DE hears FR notice");
    world.network.set_partitioned(hub("EEAS"), false);
    let world = finish(world);
    assert_eq!(contents(&world, "DE", "EEAS"), 0);
    let record = world.stations[&hub("DE")].disk.deliveries_to(hub("EEAS")).next();
    let state = record.expect("it is on disk").state;
    assert!(
        matches!(&state, DeliveryState::Withheld { rules, .. } if rules == &["R-18"]),
        "{state:?}"
    );
    // With its content the item is forgotten as a source.
    let again = draft(community(Tlp::Green), None, bundle(5, &[CHANNEL]));
    assert_eq!(
        look(&world, "DE", &again)
            .map(|preview| preview.sources.len())
            .ok(),
        Some(0)
    );
}

/// A correction for fewer hubs asks those left out to destroy what they had.
#[test]
fn a_narrower_version_is_taken_away_from_those_left_out() {
    let mut world = quiet();
    let item = release(
        &mut world,
        "FR",
        draft(amber_for(&["DE", "PL"]), None, bundle(1, &[])),
    );
    until(&mut world, "PL reports Arrived");
    until(&mut world, "FR reports Receipted");
    let mut narrower = draft(amber_for(&["DE"]), None, bundle(1, &[]));
    narrower.corrects = Some(item);
    let preview = look(&world, "FR", &narrower).expect("it can be released");
    assert_eq!(preview.narrowed, [hub("PL")]);
    release(&mut world, "FR", narrower);
    let world = finish(world);
    assert_eq!(
        states(&world, hub("DE"), item),
        [ItemState::Corrected, ItemState::Released]
    );
    assert_eq!(states(&world, hub("PL"), item), [ItemState::Retracted]);
}

/// The gate is asked before a label is lowered: an item whose time is over stays what it is.
#[test]
fn a_label_is_lowered_by_a_new_version_while_the_item_stands() {
    let mut world = quiet();
    let mut label = amber_for(&["DE"]);
    label.expires_at = world.clock(hub("FR")).seconds() + 30;
    let item = release(&mut world, "FR", draft(label, None, bundle(1, &[])));
    let mut lower = draft(community(Tlp::Green), None, bundle(1, &[]));
    lower.corrects = Some(item);
    let preview = look(&world, "FR", &lower).expect("it may be lowered");
    assert!(preview.widened.contains(&hub("PL")), "{:?}", preview.widened);
    world.leap(40_000);
    until(&mut world, "FR anchors");
    let refusal = look(&world, "FR", &lower).expect_err("it has expired");
    assert_eq!(
        (refusal.code(), refusal.rules()),
        ("no-downgrade", vec!["R-16".to_owned()])
    );
}
