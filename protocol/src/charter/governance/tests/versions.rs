//! Versions of the three chains: refusals, one by one.

use super::*;

#[test]
fn a_directory_with_a_weak_key_or_a_missing_member_is_refused() {
    let mut scene = Scene::of(3);
    let mut weak = scene.next();
    weak.members[0].keys.ledger = Hash::new([0; 32]);
    let note = scene.signed(to_text(&weak), 0..3);
    match scene.take(&note) {
        Err(TakeError::Text(TextError::Member { code, what })) => {
            assert_eq!(code, hub("M01"));
            assert!(what.contains("weak"));
        }
        other => panic!("{other:?}"),
    }
    let mut shorter = scene.next();
    shorter.members.retain(|member| member.code != hub("M03"));
    let note = scene.signed(to_text(&shorter), 0..3);
    assert_eq!(scene.take(&note), Err(TakeError::Removed { code: hub("M03") }));
    let mut shared = scene.next();
    let key = shared.members[0].keys.ledger;
    shared.members[1].keys.ledger = key;
    let note = scene.signed(to_text(&shared), 0..3);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::Member { .. }))
    ));
}

#[test]
fn a_clock_a_day_off_is_the_environments_fault() {
    let mut scene = Scene::of(3);
    let mut next = scene.next();
    next.issued += 2 * DAY_SECONDS;
    let note = scene.signed(to_text(&next), 0..3);
    let refused = scene.take(&note).unwrap_err();
    assert!(matches!(refused, TakeError::FromTheFuture { hours: 48, .. }));
    assert_eq!(refused.fault(), crate::fault::Fault::Environment);
    scene.now = scene.now.plus_millis(DAY_SECONDS * 1_000);
    scene.take(&note).unwrap();
}

#[test]
fn a_directory_of_100_mib_is_refused_by_its_size() {
    let mut scene = Scene::of(3);
    let large = vec![b'a'; 100 << 20];
    assert!(matches!(
        scene.take(&large),
        Err(TakeError::Text(TextError::TooLarge { bytes, .. })) if bytes == 100 << 20
    ));
}

#[test]
fn validity_is_bounded_and_a_valid_successor_ends_an_expiry() {
    let mut scene = Scene::of(3);
    let mut long = scene.next();
    long.valid_until = long.issued + 367 * DAY_SECONDS;
    let note = scene.signed(to_text(&long), 0..3);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::TooLong {
            chain: Chain::Directory,
            days: 367,
            max: 366
        }))
    ));
    // Expired both of them: governance works on.
    scene.now = Timestamp::from_seconds(seconds() + 500 * DAY_SECONDS);
    assert!(!scene.governance.charter(scene.now).is_fresh(scene.now));
    let now = scene.now.seconds();
    let next = scene.governance.next_constitution(now, now + 390 * DAY_SECONDS);
    let note = scene.signed(to_text(&next), 0..3);
    scene.take(&note).unwrap();
    let note = scene.signed(to_text(&scene.next()), 0..3);
    scene.take(&note).unwrap();
    let charter = scene.governance.charter(scene.now);
    assert!(scene.now < charter.valid_until());
}

#[test]
fn a_policy_bundle_waits_seven_days_and_needs_a_majority() {
    let mut scene = Scene::of(4);
    let now = scene.now.seconds();
    let baseline = Hash::new([7; 32]);
    let soon = scene.governance.next_bundle(now, now + 6 * DAY_SECONDS, baseline);
    let note = scene.signed(to_text(&soon), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::TooSoon { days: 6, min: 7 }))
    ));
    let next = scene.governance.next_bundle(now, now + 7 * DAY_SECONDS, baseline);
    let short = scene.signed(to_text(&next), 0..2);
    too_few(scene.take(&short), (2, 3));
    let note = scene.signed(to_text(&next), 0..3);
    scene.take(&note).unwrap();
    let policies = |at: u64| scene.governance.charter(Timestamp::from_seconds(at)).policies();
    assert_eq!(policies(now + 7 * DAY_SECONDS - 1), Hash::new([0; 32]));
    assert_eq!(policies(now + 7 * DAY_SECONDS), baseline);
}

/// A constitution in which M03 and M04 have other keys, signed by the voters at these places of the old and the new.
pub(super) fn rekeyed(scene: &Scene, old: &[usize], new: &[usize]) -> Vec<u8> {
    let now = scene.now.seconds();
    let mut next = scene.governance.next_constitution(now, now + 300 * DAY_SECONDS);
    next.voters[2] = voter("M03", &secrets(53));
    next.voters[3] = voter("M04", &secrets(54));
    let mut draft = Draft::new(to_text(&next));
    for at in old {
        vote(&mut draft, &[(&scene.codes[*at], &scene.secrets[*at])]);
    }
    for at in new {
        let by = secrets(51 + u8::try_from(*at).unwrap());
        vote(&mut draft, &[(&scene.codes[*at], &by)]);
    }
    draft.to_bytes()
}

#[test]
fn a_constitution_needs_the_old_and_the_new_voters() {
    let mut scene = Scene::of(4);
    let new_only = rekeyed(&scene, &[0], &[2, 3]);
    assert!(matches!(
        scene.take(&new_only),
        Err(TakeError::NewVotersOnly {
            version: 2,
            found: 1,
            needed: 3
        })
    ));
    let old_only = rekeyed(&scene, &[0, 1, 2], &[]);
    too_few(scene.take(&old_only), (2, 3));
    let both = rekeyed(&scene, &[0, 1, 2], &[2]);
    assert!(matches!(
        scene.take(&both),
        Ok(Taken::Version {
            chain: Chain::Constitution,
            ..
        })
    ));
    // From here on the old keys of M03 are nobody's.
    let note = scene.signed(to_text(&scene.next()), [0, 1, 2]);
    too_few(scene.take(&note), (2, 3));
}

#[test]
fn a_constitution_settles_the_directory_that_it_builds_upon() {
    let mut scene = Scene::of(4);
    let note = scene.signed(to_text(&scene.next()), [0, 1, 2]);
    scene.take(&note).unwrap();
    let both = rekeyed(&scene, &[0, 1, 2], &[2]);
    // Signed by keys that count until the new constitution is known, and never after.
    let late = scene.signed(to_text(&scene.next()), [0, 1, 2]);
    let mut before = scene.governance.clone();
    before.take(&late, scene.now).unwrap();
    assert_eq!(before.directory().document().version, CharterVersion::new(3));
    before.take(&both, scene.now).unwrap();
    scene.take(&both).unwrap();
    too_few(scene.take(&late), (2, 3));
    assert_eq!(
        before.heads(),
        scene.governance.heads(),
        "in whatever order they came"
    );
    assert_eq!(before.directory().document().version, CharterVersion::new(2));

    // Without the directory that it names it waits.
    let mut alone = Scene::of(4);
    assert_eq!(
        alone.take(&both),
        Err(TakeError::Unsettled {
            version: 2,
            chain: Chain::Directory
        })
    );
}

#[test]
fn a_constitution_below_the_rules_or_with_one_key_twice_is_refused() {
    let mut scene = Scene::of(4);
    let now = scene.now.seconds();
    let mut weak = scene.governance.next_constitution(now, now + 300 * DAY_SECONDS);
    weak.thresholds.constitution = Share::Majority;
    let note = scene.signed(to_text(&weak), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::Shape { .. }))
    ));
    let mut long = scene.governance.next_constitution(now, now + 397 * DAY_SECONDS);
    let note = scene.signed(to_text(&long), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::TooLong { .. }))
    ));
    long.valid_until = now + DAY_SECONDS;
    long.voters.retain(|voter| voter.code != hub("M04"));
    long.voters.push(voter("MD", &secrets(60)));
    let note = scene.signed(to_text(&long), 0..4);
    match scene.take(&note) {
        Err(TakeError::Text(TextError::Voter { code, .. })) => assert_eq!(code, hub("MD")),
        other => panic!("{other:?}"),
    }
}
