//! Acts: by whose votes, and until when.

use super::*;

#[test]
fn the_target_of_a_suspension_does_not_vote_on_it() {
    let mut scene = Scene::of(5);
    // Majority of the four others: three.
    let with_target = scene.restriction(ActKind::Suspend, "M05", [0, 1, 4]);
    too_few(scene.take(&with_target), (2, 3));
    let others = scene.restriction(ActKind::Suspend, "M05", [0, 1, 2]);
    scene.take(&others).unwrap();
    assert_eq!(scene.status("M05"), Status::Suspended);
    let short = scene.restriction(ActKind::Expel, "M04", [0, 1]);
    too_few(scene.take(&short), (2, 3));
}

#[test]
fn a_suspension_is_lifted_by_a_version_and_by_no_accident() {
    let mut scene = Scene::of(5);
    let suspension = scene.restriction(ActKind::Suspend, "M05", [0, 1, 2]);
    scene.take(&suspension).unwrap();
    // A version whose drafter had not heard of it lists M05 as active, and lifts nothing.
    let admission = scene.admission("UA", Class::MemberState, &[]);
    let note = scene.signed(admission, 0..4);
    scene.take(&note).unwrap();
    assert_eq!(scene.status("M05"), Status::Suspended);

    let mut next = scene.next();
    assert!(scene.governance.resume(&mut next, hub("M05")));
    let short = scene.signed(to_text(&next), [0, 1, 4]);
    too_few(scene.take(&short), (2, 3));
    let note = scene.signed(to_text(&next), [0, 1, 2]);
    scene.take(&note).unwrap();
    assert_eq!(scene.status("M05"), Status::Active);
}

#[test]
fn an_expelled_member_comes_back_by_an_admission_alone() {
    let mut scene = Scene::of(6);
    let expulsion = scene.restriction(ActKind::Expel, "M06", 0..4);
    scene.take(&expulsion).unwrap();
    assert_eq!(scene.status("M06"), Status::Expelled);
    let mut next = scene.next();
    scene.governance.fold(&mut next);
    let note = scene.signed(to_text(&next), 0..4);
    scene.take(&note).unwrap();
    assert_eq!(scene.status("M06"), Status::Expelled, "entered in the directory");
    assert!(scene.governance.restrictions(scene.now).is_empty());

    let mut next = scene.next();
    scene.governance.resume(&mut next, hub("M06"));
    let short = scene.signed(to_text(&next), 0..3);
    too_few(scene.take(&short), (3, 4));
    let note = scene.signed(to_text(&next), 0..4);
    scene.take(&note).unwrap();
    assert_eq!(scene.status("M06"), Status::Active);
}

#[test]
fn three_voters_hold_a_member_for_72_hours_and_once_in_30_days() {
    let mut scene = Scene::of(9);
    let short = scene.restriction(ActKind::Hold, "M09", [0, 1]);
    too_few(scene.take(&short), (2, 3));
    let hold = scene.restriction(ActKind::Hold, "M09", [0, 1, 2]);
    scene.take(&hold).unwrap();
    assert_eq!(scene.status("M09"), Status::Held);
    let began = scene.now.seconds();
    let lapses = Timestamp::from_seconds(began + HOLD_SECONDS);
    assert_eq!(scene.governance.next_change(scene.now), Some(lapses));
    scene.now = lapses;
    assert_eq!(scene.status("M09"), Status::Active);

    scene.now = Timestamp::from_seconds(began + HOLD_AGAIN_SECONDS - 1);
    let again = scene.restriction(ActKind::Hold, "M09", [3, 4, 5]);
    assert_eq!(
        scene.take(&again),
        Err(TakeError::HeldAlready { target: hub("M09") })
    );
    scene.now = Timestamp::from_seconds(began + HOLD_AGAIN_SECONDS);
    let later = scene.restriction(ActKind::Hold, "M09", [3, 4, 5]);
    scene.take(&later).unwrap();
    assert_eq!(scene.status("M09"), Status::Held);
}

#[test]
fn a_majority_makes_a_hold_last() {
    let mut scene = Scene::of(9);
    let act = to_text(&scene.act(ActKind::Hold, "M09"));
    let hold = scene.signed(act.clone(), [0, 1, 2]);
    scene.take(&hold).unwrap();
    let confirmed = scene.signed(act, [3, 4]);
    assert!(matches!(scene.take(&confirmed), Ok(Taken::Merged { .. })));
    scene.now = Timestamp::from_seconds(scene.now.seconds() + HOLD_SECONDS + 1);
    assert_eq!(scene.status("M09"), Status::Held);
}

#[test]
fn two_holds_that_meet_leave_the_earlier_one_wherever_they_meet() {
    let scene = Scene::of(9);
    let one = scene.restriction(ActKind::Hold, "M09", [0, 1, 2]);
    let mut later = Scene::of(9);
    later.now = Timestamp::from_seconds(scene.now.seconds() + 3_600);
    let other = later.restriction(ActKind::Hold, "M09", [3, 4, 5]);
    let after = Timestamp::from_seconds(scene.now.seconds() + HOLD_SECONDS);
    let ends = |notes: [&[u8]; 2]| {
        let mut governance = scene.governance.clone();
        for note in notes {
            let _refused_where_it_is_the_later = governance.take(note, later.now);
        }
        governance.charter(after).member(hub("M09")).unwrap().status
    };
    assert_eq!(ends([&one, &other]), Status::Active);
    assert_eq!(ends([&other, &one]), Status::Active);
}

#[test]
fn a_sponsor_withdraws_on_receipt_and_sponsorships_end() {
    let mut scene = Scene::of(4);
    let mut withdrawal = scene.act(ActKind::Unsponsor, "MD");
    withdrawal.by = Some(hub("M01"));
    let by_another = scene.signed(to_text(&withdrawal), [1, 2, 3]);
    assert!(matches!(
        scene.take(&by_another),
        Err(TakeError::Votes(VoteError::Absent { code, .. })) if code == hub("M01")
    ));
    let sponsors = |scene: &Scene| {
        let charter = scene.governance.charter(scene.now);
        charter.active_sponsors(charter.member(hub("MD")).unwrap())
    };
    assert_eq!(sponsors(&scene), 2);
    let note = scene.signed(to_text(&withdrawal), [0]);
    scene.take(&note).unwrap();
    assert_eq!(sponsors(&scene), 1);
    let suspension = scene.restriction(ActKind::Suspend, "M02", [0, 2]);
    scene.take(&suspension).unwrap();
    assert_eq!(sponsors(&scene), 0, "one that is suspended is no sponsor");

    let mut other = Scene::of(4);
    other.now = Timestamp::from_seconds(seconds() + 350 * DAY_SECONDS);
    assert_eq!(sponsors(&other), 0, "twelve months are over");
}

fn card(code: &str, class: Class, by: &Secrets) -> Card {
    let member = member(code, class, by);
    let mut card = Card {
        code: member.code,
        class,
        federation: "test".to_owned(),
        realm: "live".to_owned(),
        keys: member.keys,
        certificate: member.certificate,
        address: member.address,
        signature: String::new(),
    };
    let preimage = card.preimage(&realm());
    let signature = testudo_crypto::sign::sign(
        by.payload.classical(),
        testudo_crypto::sign::Domain::CARD,
        &preimage,
    );
    card.signature = testudo_crypto::digest::hex(signature.as_bytes());
    card
}

fn hosting(scene: &Scene, host: &str, card: Card) -> Act {
    Act {
        by: Some(hub(host)),
        card: Some(card),
        ..scene.act(ActKind::Host, "NGO")
    }
}

#[test]
fn a_stakeholder_comes_in_by_its_host_after_14_days_without_three_objections() {
    let mut scene = Scene::of(5);
    let act = hosting(&scene, "M01", card("NGO", Class::Stakeholder, &secrets(101)));
    let note = scene.signed(to_text(&act), [0]);
    scene.take(&note).unwrap();
    let is_in = |scene: &Scene, at: u64| {
        let charter = scene.governance.charter(Timestamp::from_seconds(at));
        charter.member(hub("NGO")).is_some()
    };
    let from = scene.now.seconds() + OBJECTION_SECONDS;
    assert!(!is_in(&scene, from - 1));
    assert!(is_in(&scene, from));
    let subject = crate::charter::text_hash(&to_text(&act));
    for (at, code) in ["M02", "M03", "M04"].into_iter().enumerate() {
        assert!(is_in(&scene, from), "{at} objections do not keep it out");
        let objection = Act {
            by: Some(hub(code)),
            subject: Some(subject),
            ..scene.act(ActKind::Object, "NGO")
        };
        let note = scene.signed(to_text(&objection), [at + 1]);
        scene.take(&note).unwrap();
    }
    assert!(!is_in(&scene, from));
}

#[test]
fn a_host_admits_no_weak_card_no_other_class_and_nobody_twice() {
    let mut scene = Scene::of(3);
    let mut weak = card("NGO", Class::Stakeholder, &secrets(101));
    weak.keys.transport = Hash::new([0; 32]);
    let note = scene.signed(to_text(&hosting(&scene, "M01", weak)), [0]);
    assert!(matches!(scene.take(&note), Err(TakeError::Card { code, .. }) if code == hub("NGO")));
    let mut state = card("NGO", Class::MemberState, &secrets(101));
    state.class = Class::MemberState;
    let note = scene.signed(to_text(&hosting(&scene, "M01", state)), [0]);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::Member { .. }))
    ));
    let listed = Act {
        target: hub("MD"),
        ..hosting(&scene, "M01", card("MD", Class::Stakeholder, &secrets(101)))
    };
    let note = scene.signed(to_text(&listed), [0]);
    assert_eq!(scene.take(&note), Err(TakeError::AlreadyIn { code: hub("MD") }));
    let stranger = Act {
        by: Some(hub("MD")),
        ..hosting(&scene, "M01", card("NGO", Class::Stakeholder, &secrets(101)))
    };
    let note = scene.signed(to_text(&stranger), [0]);
    assert!(matches!(scene.take(&note), Err(TakeError::NotAVoter { code, .. }) if code == hub("MD")));
}

#[test]
fn an_act_on_somebody_unknown_is_refused() {
    let mut scene = Scene::of(3);
    let act = scene.restriction(ActKind::Suspend, "XX", 0..3);
    assert!(matches!(scene.take(&act), Err(TakeError::NotAMember { code, .. }) if code == hub("XX")));
}
