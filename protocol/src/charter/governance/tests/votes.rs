//! Who has to sign, and who does not count.

use super::*;

#[test]
fn eighteen_valid_votes_are_not_nineteen() {
    let mut scene = Scene::of(28);
    let text = scene.admission("UA", Class::MemberState, &[]);
    let short = scene.signed(text.clone(), 0..18);
    too_few(scene.take(&short), (18, 19));
    let enough = scene.signed(text, 0..19);
    assert!(matches!(
        scene.take(&enough),
        Ok(Taken::Version {
            chain: Chain::Directory,
            ..
        })
    ));
    assert_eq!(scene.status("UA"), Status::Active);
}

#[test]
fn one_voter_signing_twice_is_one_vote_and_one_key_is_none() {
    let mut scene = Scene::of(4);
    let text = to_text(&scene.next());
    // M01 with all three of its keys, M02 with two, M03 with one: two votes, where three are needed.
    let mut draft = Draft::new(text);
    for key in 0..3 {
        sign_with(&mut draft, "M01", &scene.secrets[0], key);
    }
    vote(&mut draft, &[("M02", &scene.secrets[1])]);
    sign_with(&mut draft, "M03", &scene.secrets[2], 2);
    too_few(scene.take(&draft.to_bytes()), (2, 3));
    sign_with(&mut draft, "M03", &scene.secrets[2], 0);
    assert!(scene.take(&draft.to_bytes()).is_ok());
}

#[test]
fn a_known_key_whose_signature_does_not_fit_condemns_the_whole_note() {
    let mut scene = Scene::of(4);
    let good = scene.signed(to_text(&scene.next()), 0..4);
    let forged = String::from_utf8(good)
        .unwrap()
        .replace("soiLevel\": 2", "soiLevel\": 6");
    assert!(matches!(
        scene.take(forged.as_bytes()),
        Err(TakeError::Note(NoteError::Forged { .. }))
    ));
}

#[test]
fn the_vote_of_a_stranger_and_of_a_partner_is_none() {
    let mut scene = Scene::of(4);
    let mut draft = Draft::new(to_text(&scene.next()));
    vote(&mut draft, &[("MD", &scene.partner), ("M09", &secrets(9))]);
    assert!(matches!(
        scene.take(&draft.to_bytes()),
        Err(TakeError::Note(NoteError::NoKnownSigner))
    ));
    vote(
        &mut draft,
        &[("M01", &scene.secrets[0]), ("M02", &scene.secrets[1])],
    );
    too_few(scene.take(&draft.to_bytes()), (2, 3));
}

#[test]
fn a_partner_needs_a_majority_and_sponsors_who_vote_and_stand_well() {
    let mut scene = Scene::of(5);
    let one = scene.admission("GE", Class::Associated, &[0]);
    let note = scene.signed(one, 0..5);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Sponsors {
            found: 1,
            needed: 2,
            ..
        })
    ));
    let two = scene.admission("GE", Class::Associated, &[0, 4]);
    let absent = scene.signed(two.clone(), 0..3);
    assert!(matches!(
        scene.take(&absent),
        Err(TakeError::Votes(VoteError::Absent { code, .. })) if code == hub("M05")
    ));
    // A sponsor that is itself suspended.
    let suspended = scene.restriction(ActKind::Suspend, "M05", 0..3);
    scene.take(&suspended).unwrap();
    let mut next = scene.next();
    scene.governance.fold(&mut next);
    let note = scene.signed(to_text(&next), 0..3);
    scene.take(&note).unwrap();
    let two = scene.admission("GE", Class::Associated, &[0, 4]);
    let note = scene.signed(two, 0..5);
    match scene.take(&note) {
        Err(TakeError::Sponsor { sponsor, what, .. }) => {
            assert_eq!(sponsor, hub("M05"));
            assert!(what.contains("active itself"));
        }
        other => panic!("{other:?}"),
    }
    let two = scene.admission("GE", Class::Associated, &[0, 1]);
    let note = scene.signed(two, [0, 1, 2]);
    scene.take(&note).unwrap();
    let charter = scene.governance.charter(scene.now);
    assert_eq!(charter.active_sponsors(charter.member(hub("GE")).unwrap()), 2);
}

#[test]
fn a_like_minded_partner_needs_two_thirds_and_three_sponsors() {
    let mut scene = Scene::of(6);
    let text = scene.admission("CA", Class::Likeminded, &[0, 1, 2]);
    let majority = scene.signed(text.clone(), [0, 1, 2]);
    too_few(scene.take(&majority), (3, 4));
    let note = scene.signed(text, 0..4);
    scene.take(&note).unwrap();
}

#[test]
fn a_founding_file_needs_every_voter_and_all_three_texts() {
    let scene = Scene::of(3);
    let notes: Vec<Vec<u8>> = scene
        .governance
        .notes()
        .into_iter()
        .map(|(_, note)| note)
        .collect();
    assert!(Governance::found(&notes, FOUNDED).is_ok());
    for at in 0..3 {
        let mut fewer = notes.clone();
        fewer.remove(at);
        assert!(matches!(
            Governance::found(&fewer, FOUNDED),
            Err(FoundError::Missing { .. })
        ));
        let mut short = notes.clone();
        short[at] = scene.signed(Draft::parse(&notes[at]).unwrap().text().to_owned(), [0, 1]);
        match Governance::found(&short, FOUNDED) {
            Err(FoundError::Refused(TakeError::Votes(VoteError::TooFew { missing, .. }))) => {
                assert_eq!(missing, [hub("M03")]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_proposal_would_do_is_known_before_anyone_signs() {
    let mut scene = Scene::of(4);
    let mut withdrawal = scene.act(ActKind::Unsponsor, "MD");
    withdrawal.by = Some(hub("M01"));
    let draft = Draft::new(to_text(&withdrawal));
    let effects = scene.governance.simulate(&draft, scene.now).unwrap();
    assert_eq!(effects.len(), 1);
    assert!(effects[0].is_cut_off() && effects[0].hub == hub("MD"));
    let tally = scene.governance.tally(&draft, &[]).unwrap();
    assert_eq!(tally.needs[0].1, [hub("M01")]);

    let suspension = to_text(&scene.act(ActKind::Suspend, "M02"));
    let effects = scene
        .governance
        .simulate(&Draft::new(suspension.clone()), scene.now)
        .unwrap();
    let cut: Vec<_> = effects
        .iter()
        .filter(|effect| effect.is_cut_off())
        .map(|effect| effect.hub)
        .collect();
    assert_eq!(cut, [hub("M02"), hub("MD")], "with its sponsor goes the partner");
    assert_eq!(scene.status("M02"), Status::Active, "nothing has happened");
    let mut partly = Draft::new(suspension);
    vote(&mut partly, &[("M01", &scene.secrets[0])]);
    let tally = scene.governance.tally(&partly, &[]).unwrap();
    assert_eq!((tally.votes.len(), tally.is_enough()), (1, false));
    assert_eq!(tally.needs[0].1, [hub("M03"), hub("M04")]);
    let signed = scene.signed(partly.text().to_owned(), [0, 2]);
    scene.take(&signed).unwrap();
    assert_eq!(scene.status("M02"), Status::Suspended);
}
