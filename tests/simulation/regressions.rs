//! Courses of events that once went wrong, each played on its own.

use testudo_core::hub::LOGS_MAX;
use testudo_core::input::{Command, Input};
use testudo_core::output::Family;
use testudo_core::records::{DeliveryState, ItemState, key};
use testudo_protocol::exchange::Message;
use testudo_protocol::id::{AudienceId, EnvelopeHash, HubId, ItemId};
use testudo_protocol::ledger::{DecisionAct, Entry};
use testudo_protocol::sync::Head;

use crate::course::{amber_for, contents, finish, previewed, quiet, released, states, tell, until};
use crate::federation::{Federation, National, hub};
use crate::world::World;

fn consent(world: &World, item: ItemId, lasts_millis: u64) -> Command {
    Command::Consent {
        item,
        holder: hub("DE"),
        recipient: hub("EEAS"),
        until: world.clock(hub("FR")).plus_millis(lasts_millis),
        purpose: "onward".to_owned(),
    }
}

/// FR's item is at DE, which has FR's consent to forward it to EEAS.
fn consented(world: &mut World) -> ItemId {
    let item = released(world, "DE reports Arrived").item;
    let consent = consent(world, item, 60_000);
    tell(world, "FR", "consent", consent);
    world.run_until("DE hears FR consent").expect("holds");
    item
}

/// The receipt for what was under way was taken for a lie, on every connection anew.
#[test]
fn an_item_withdrawn_while_it_is_under_way_is_purged_without_blame() {
    let mut world = quiet();
    let item = released(&mut world, "FR sends DE content").item;
    tell(&mut world, "FR", "retract", Command::Retract { item });
    let world = finish(world);
    assert_eq!(states(&world, hub("DE"), item), [ItemState::Retracted]);
}

/// A purge receipt was repeated before the destruction was on disk.
#[test]
fn a_repeated_receipt_waits_for_its_disk() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived");
    let record = world.stations[&hub("FR")].disk.item(item).expect("it is here");
    let row = key::envelope(record.envelope);
    let envelope = world.stations[&hub("FR")].disk.row(Family::Envelope, &row);
    let frame = Message::Content(envelope.expect("it was made").to_vec()).to_frame();
    tell(&mut world, "FR", "retract", Command::Retract { item: item.item });
    world.run_until("DE hears FR notice").expect("holds");
    let again = world.feed(hub("DE"), Input::Frame(hub("FR"), frame));
    again.expect("nothing is said before its time");
    finish(world);
}

/// The next version was released although the item had been withdrawn in all of them.
#[test]
fn a_correction_under_way_is_not_released_after_the_withdrawal() {
    let mut world = quiet();
    let item = released(&mut world, "FR has done release").item;
    previewed(&mut world, "FR", "correct", &amber_for(&["DE"]), Some(item));
    world.run_until("FR reports Decided").expect("holds");
    tell(&mut world, "FR", "retract", Command::Retract { item });
    let world = finish(world);
    assert_eq!(states(&world, hub("FR"), item), [ItemState::Retracted]);
    assert_eq!(world.counts["refused release withdrawn"], 1);
}

/// The second forwarding took over the record of the first, whose place in the log nobody could
/// fill any more: both sides asked each other for ever.
#[test]
fn an_item_forwarded_twice_is_sent_once() {
    let mut world = quiet();
    let item = consented(&mut world);
    let to = hub("EEAS");
    tell(&mut world, "DE", "forward", Command::Forward { item, to });
    tell(&mut world, "DE", "forward", Command::Forward { item, to });
    world.run_until("EEAS reports Arrived").expect("holds");
    tell(&mut world, "DE", "forward", Command::Forward { item, to });
    let world = finish(world);
    assert_eq!(contents(&world, "DE", "EEAS"), 1);
    assert_eq!(world.counts["done forward"], 2);
    assert_eq!(world.counts["refused forward busy"], 1);
}

/// Who had an item by consent was not told that it is withdrawn.
#[test]
fn a_withdrawal_reaches_who_got_the_item_onward() {
    let mut world = quiet();
    let item = consented(&mut world);
    let to = hub("EEAS");
    tell(&mut world, "DE", "forward", Command::Forward { item, to });
    world.run_until("EEAS reports Arrived").expect("holds");
    tell(&mut world, "FR", "retract", Command::Retract { item });
    let world = finish(world);
    assert_eq!(states(&world, to, item), [ItemState::Retracted]);
}

/// What was queued for forwarding was sent although the item had been withdrawn.
#[test]
fn nothing_withdrawn_is_forwarded_any_more() {
    let mut world = quiet();
    let item = consented(&mut world);
    let to = hub("EEAS");
    world.network.set_partitioned(to, true);
    world.cut(hub("DE"), to);
    world.run_until("DE has lost EEAS").expect("holds");
    tell(&mut world, "DE", "forward", Command::Forward { item, to });
    world.run_until("DE has done forward").expect("holds");
    tell(&mut world, "FR", "retract", Command::Retract { item });
    let world = finish(world);
    assert_eq!(contents(&world, "DE", "EEAS"), 0);
}

/// A consent that arrived after its end was taken for a lie.
#[test]
fn a_consent_that_arrives_late_is_nobodys_fault() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived").item;
    let consent = consent(&world, item, 1);
    tell(&mut world, "FR", "consent", consent);
    finish(world);
}

fn ask(item: ItemId, deadline: testudo_protocol::id::Timestamp) -> Command {
    Command::AskConsent {
        item,
        recipient: hub("EEAS"),
        purpose: "onward".to_owned(),
        deadline,
    }
}

fn asks(world: &World, who: &str) -> Vec<(HubId, String)> {
    let station = world.stations[&hub(who)].hub.as_ref().expect("it runs");
    let views = station.consent_asks().into_iter();
    views.map(|view| (view.holder, view.state)).collect()
}

/// The question survives the loss of both processes, and the no comes back to who asked.
#[test]
fn a_question_for_consent_is_asked_until_it_is_answered() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived").item;
    world.run_until("FR reports Receipted").expect("holds");
    world.network.set_partitioned(hub("FR"), true);
    world.cut(hub("DE"), hub("FR"));
    world.run_until("DE has lost FR").expect("holds");
    let deadline = world.clock(hub("DE")).plus_millis(60_000);
    tell(&mut world, "DE", "ask", ask(item, deadline));
    world.run_until("DE has done ask").expect("holds");
    world.crash(hub("DE"));
    world.network.set_partitioned(hub("FR"), false);
    world.run_until("FR reports ConsentAsked").expect("holds");
    assert_eq!(asks(&world, "FR"), [(hub("DE"), "open".to_owned())]);
    let refuse = Command::RefuseConsent {
        item,
        holder: hub("DE"),
        recipient: hub("EEAS"),
    };
    tell(&mut world, "FR", "refuse", refuse);
    let world = finish(world);
    for who in ["FR", "DE"] {
        assert_eq!(asks(&world, who), [(hub("DE"), "refused".to_owned())], "{who}");
    }
    assert_eq!(world.stations[&hub("DE")].disk.consents().count(), 0);
}

/// A yes settles the question at both hubs, and the item can go.
#[test]
fn a_question_for_consent_is_settled_by_the_token() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived").item;
    world.run_until("FR reports Receipted").expect("holds");
    let deadline = world.clock(hub("DE")).plus_millis(60_000);
    tell(&mut world, "DE", "ask", ask(item, deadline));
    world.run_until("FR reports ConsentAsked").expect("holds");
    let consent = consent(&world, item, 60_000);
    tell(&mut world, "FR", "consent", consent);
    world.run_until("DE hears FR consent").expect("holds");
    let to = hub("EEAS");
    tell(&mut world, "DE", "forward", Command::Forward { item, to });
    let world = finish(world);
    for who in ["FR", "DE"] {
        assert_eq!(asks(&world, who), [(hub("DE"), "granted".to_owned())], "{who}");
    }
    assert_eq!(contents(&world, "DE", "EEAS"), 1);
}

/// Silence is no answer: a question lapses, and one that is late, or from a hub without the item, is not kept.
#[test]
fn a_question_for_consent_lapses_and_a_stranger_to_the_item_is_not_heard() {
    let mut world = quiet();
    let item = released(&mut world, "DE reports Arrived");
    world.run_until("FR reports Receipted").expect("holds");
    let deadline = world.clock(hub("DE")).plus_millis(3_000);
    tell(&mut world, "DE", "ask", ask(item.item, deadline));
    let question = testudo_protocol::consent_question::ConsentQuestion {
        item,
        recipient: hub("EEAS"),
        purpose: "onward".to_owned(),
        deadline: deadline.plus_millis(60_000),
    };
    let control = testudo_protocol::exchange::Control::ConsentAsk(question.to_bytes());
    let frame = Message::Control(control).to_frame();
    world
        .feed(hub("FR"), Input::Frame(hub("PL"), frame))
        .expect("holds");
    let world = finish(world);
    for who in ["FR", "DE"] {
        assert_eq!(asks(&world, who), [(hub("DE"), "lapsed".to_owned())], "{who}");
    }
}

/// The decisions that FR has entered, in order: the act, and how many were allowed.
fn decisions(world: &World) -> Vec<(DecisionAct, u32)> {
    let origin = Federation::get().ledger_origin(hub("FR"));
    let entries = world.stations[&hub("FR")].disk.entries(&origin).into_iter();
    entries
        .filter_map(|(_, entry)| match entry {
            Entry::Decision(decision) => Some((decision.act, decision.allowed)),
            _ => None,
        })
        .collect()
}

/// FR's item is queued for two hubs that cannot be reached, and FR comes back with other policies.
fn queued_under_other_policies(receivers: &[&str]) -> World {
    let mut world = quiet();
    for receiver in receivers {
        world.network.set_partitioned(hub(receiver), true);
        world.cut(hub("FR"), hub(receiver));
        world
            .run_until(&format!("FR has lost {receiver}"))
            .expect("holds");
    }
    previewed(&mut world, "FR", "release", &amber_for(receivers), None);
    world.run_until("FR has done release").expect("holds");
    let station = world.station(hub("FR"));
    station.national = match station.national {
        National::Open => National::Strict,
        National::Strict => National::Open,
    };
    world.crash(hub("FR"));
    for receiver in receivers {
        world.network.set_partitioned(hub(receiver), false);
    }
    finish(world)
}

/// Whoever may still receive under the new policies does, by a new decision that was recorded first.
#[test]
fn what_is_still_allowed_under_other_policies_is_decided_again_and_sent() {
    let world = queued_under_other_policies(&["DE", "EEAS"]);
    let mut decisions = decisions(&world);
    decisions.sort_by_key(|(act, _)| *act != DecisionAct::Release);
    assert_eq!(
        decisions,
        [
            (DecisionAct::Release, 2),
            (DecisionAct::Resend, 1),
            (DecisionAct::Resend, 1)
        ]
    );
    for receiver in ["DE", "EEAS"] {
        assert_eq!(contents(&world, "FR", receiver), 1, "{receiver}");
    }
}

/// Whoever may no longer receive gets the outer part alone, and no new decision is taken for it.
#[test]
fn what_is_denied_under_other_policies_is_withheld() {
    let world = queued_under_other_policies(&["DE", "CA"]);
    let resent = decisions(&world)
        .into_iter()
        .filter(|(act, _)| *act == DecisionAct::Resend);
    assert_eq!(resent.count(), 1);
    assert_eq!(contents(&world, "FR", "DE"), 1);
    assert_eq!(contents(&world, "FR", "CA"), 0);
    let record = world.stations[&hub("FR")].disk.deliveries_to(hub("CA")).next();
    let state = record.expect("it is on disk").state;
    assert!(
        matches!(&state, DeliveryState::Withheld { rules, settled: true } if rules == &["N-CA"]),
        "{state:?}"
    );
}

/// A hub whose own stream was lost, while the peer's stood, waited for ever for what the peer had said already.
#[test]
fn a_stream_lost_on_one_side_only_is_made_up_for() {
    let mut world = quiet();
    let (fr, de) = (hub("FR"), hub("DE"));
    let before = world.trace.len();
    world.lose_stream(fr, de);
    until(&mut world, "FR has DE");
    let item = released(&mut world, "DE reports Arrived");
    let lost = |line: &String| line.contains("DE has lost FR");
    assert!(!world.trace[before..].iter().any(lost), "both streams were lost");
    assert_eq!(states(&world, de, item.item), [ItemState::Released]);
    finish(world);
}

/// What a hub had answered over the stream that it lost was never said again.
#[test]
fn an_answer_that_was_lost_with_its_stream_is_given_again() {
    let mut world = quiet();
    let (fr, de) = (hub("FR"), hub("DE"));
    released(&mut world, "FR sends DE content");
    until(&mut world, "DE sends FR receipt");
    world.lose_stream(de, fr);
    finish(world);
}

/// A member could open as many logs here as it liked, each a row for ever.
#[test]
fn a_member_opens_so_many_logs_and_no_more() {
    let mut world = quiet();
    let (de, fr) = (hub("DE"), hub("FR"));
    let head = Head::EMPTY.advanced(EnvelopeHash::new([1; 32]));
    let row = testudo_protocol::wire::encode(&head).expect("a head is small");
    for log in 0..LOGS_MAX as u128 {
        let audience = AudienceId::new((log << 1).to_be_bytes());
        world
            .station(de)
            .disk
            .smuggle(Family::Log, key::log(fr, audience), row.clone());
    }
    world.crash(de);
    world.run_until("FR has DE").expect("holds");
    released(&mut world, "FR sends DE content");
    world.run_until("DE reports TooManyLogs").expect("holds");
    // FR has done nothing that its own core could know of, and is not blamed; another member's logs are not counted.
    assert!(world.watch.blamed.is_empty());
    previewed(&mut world, "SE", "release", &amber_for(&["DE"]), None);
    world.run_until("DE reports Arrived").expect("holds");
    assert_eq!(
        world.stations[&de]
            .disk
            .items()
            .next()
            .map(|item| item.originator),
        Some(hub("SE"))
    );
}
