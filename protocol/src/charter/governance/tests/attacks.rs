//! The attacks that TUF's specification names (section 1.5.2), each against our chains.

use super::*;

#[test]
fn tuf_rollback_an_older_version_does_not_replace_a_newer_one() {
    let mut scene = Scene::of(4);
    let second = scene.signed(to_text(&scene.next()), 0..4);
    scene.take(&second).unwrap();
    let third = scene.signed(to_text(&scene.next()), 0..4);
    scene.take(&third).unwrap();
    let heads = scene.governance.heads();
    assert_eq!(scene.take(&second), Ok(Taken::Known));
    assert_eq!(scene.governance.heads(), heads);
    // An old number under another text that has not the votes.
    let mut old: Directory = serde_json::from_str(Draft::parse(&second).unwrap().text()).unwrap();
    old.valid_until += 1;
    let replayed = scene.signed(to_text(&old), [0, 1]);
    assert!(matches!(
        scene.take(&replayed),
        Err(TakeError::Replayed {
            found: 2,
            present: 3,
            ..
        })
    ));
}

#[test]
fn tuf_freeze_a_hub_that_hears_nothing_newer_becomes_stale() {
    let mut scene = Scene::of(6);
    let beat = |scene: &Scene, at: usize, time: Timestamp| {
        let key = scene.secrets[at].payload.classical();
        Heartbeat::sign(
            hub(&scene.codes[at]),
            scene.governance.heads(),
            time,
            key,
            &realm(),
        )
    };
    let day = Timestamp::from_seconds(seconds() + 10 * DAY_SECONDS);
    let is_fresh = |scene: &Scene, at: Timestamp| scene.governance.charter(at).is_fresh(at);
    assert!(
        is_fresh(&scene, Timestamp::from_seconds(seconds() + 71 * 3_600)),
        "just accepted"
    );
    assert!(!is_fresh(&scene, day));
    let one = beat(&scene, 0, day);
    assert_eq!(scene.take_heartbeat(one.clone(), day), Ok(true));
    assert_eq!(scene.take_heartbeat(one, day), Ok(false), "heard before");
    assert!(!is_fresh(&scene, day), "one of six is no third");
    let two = beat(&scene, 1, day);
    scene.take_heartbeat(two, day).unwrap();
    assert!(is_fresh(&scene, day));
    assert!(is_fresh(&scene, day.plus_millis(FRESH_MILLIS - 1)));
    assert!(!is_fresh(&scene, day.plus_millis(FRESH_MILLIS)));
    // Of a voter that follows something which this hub has not.
    let later = day.plus_millis(FRESH_MILLIS);
    let mut ahead = scene.governance.heads();
    ahead.directory = Hash::new([9; 32]);
    for at in [2, 3, 4] {
        let key = scene.secrets[at].payload.classical();
        let beat = Heartbeat::sign(hub(&scene.codes[at]), ahead, later, key, &realm());
        scene.take_heartbeat(beat, later).unwrap();
    }
    assert!(
        !is_fresh(&scene, later),
        "they know something that was kept from us"
    );
    let partner = Heartbeat::sign(
        hub("MD"),
        ahead,
        later,
        scene.partner.payload.classical(),
        &realm(),
    );
    assert!(
        scene.take_heartbeat(partner, later).is_err(),
        "a partner does not vote"
    );
}

#[test]
fn tuf_mix_and_match_versions_of_two_branches_do_not_go_together() {
    let mut scene = Scene::of(4);
    let mut other = Scene::of(4);
    other.governance = scene.governance.clone();
    let second = scene.signed(to_text(&scene.next()), 0..4);
    scene.take(&second).unwrap();
    other.now = other.now.plus_millis(60_000);
    let second_there = other.signed(to_text(&other.next()), 0..4);
    other.take(&second_there).unwrap();
    let third_there = other.signed(to_text(&other.next()), 0..4);
    assert!(matches!(
        scene.take(&third_there),
        Err(TakeError::Unlinked { version: 3, .. })
    ));
    // A heartbeat that names our directory and a constitution of elsewhere.
    let mut mixed = scene.governance.heads();
    mixed.constitution = Hash::new([5; 32]);
    let late = Timestamp::from_seconds(seconds() + 20 * DAY_SECONDS);
    for at in 0..4 {
        let key = scene.secrets[at].payload.classical();
        let beat = Heartbeat::sign(hub(&scene.codes[at]), mixed, late, key, &realm());
        scene.take_heartbeat(beat, late).unwrap();
    }
    assert!(!scene.governance.charter(late).is_fresh(late));
}

#[test]
fn tuf_fast_forward_a_version_counts_up_by_one() {
    let mut scene = Scene::of(4);
    let mut far = scene.next();
    far.version = CharterVersion::new(u32::MAX);
    let note = scene.signed(to_text(&far), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Skipped {
            found: u32::MAX,
            present: 1,
            ..
        })
    ));
    let mut skipped = scene.next();
    skipped.version = CharterVersion::new(3);
    let note = scene.signed(to_text(&skipped), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Skipped {
            found: 3,
            present: 1,
            ..
        })
    ));
}

#[test]
fn tuf_duplicate_keys_under_two_names_are_no_two_votes() {
    let mut scene = Scene::of(4);
    let now = scene.now.seconds();
    let mut next = scene.governance.next_constitution(now, now + 300 * DAY_SECONDS);
    next.voters[3].keys = next.voters[2].keys;
    let note = scene.signed(to_text(&next), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::Voter { .. }))
    ));
    next.voters[3].keys = [next.voters[0].keys[0]; 3];
    let note = scene.signed(to_text(&next), 0..4);
    assert!(matches!(
        scene.take(&note),
        Err(TakeError::Text(TextError::Voter { .. }))
    ));
}

#[test]
fn tuf_delegation_order_the_order_of_entries_and_signatures_decides_nothing() {
    let scene = Scene::of(4);
    let next = scene.next();
    let mut listed_backwards = next.clone();
    listed_backwards.members.reverse();
    for directory in [next, listed_backwards] {
        for voters in [vec![0, 1, 2], vec![2, 0, 1]] {
            let mut governance = scene.governance.clone();
            let note = scene.signed(to_text(&directory), voters);
            governance.take(&note, scene.now).unwrap();
            let charter = governance.charter(scene.now);
            let codes: Vec<_> = charter.members().map(|member: &Member| member.code).collect();
            assert!(codes.is_sorted(), "the charter has one order of its own");
        }
    }
}
