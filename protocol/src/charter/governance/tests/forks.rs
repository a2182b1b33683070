//! Two valid successors, and notes in any order.

use super::versions::rekeyed;
use super::*;

#[test]
fn two_valid_successors_are_a_fork_and_nobody_wins_by_itself() {
    let mut scene = Scene::of(4);
    let mut turned = scene.governance.clone();
    let one = scene.signed(to_text(&scene.next()), [0, 1, 2]);
    let admission = scene.admission("UA", Class::MemberState, &[]);
    let other = scene.signed(admission, [1, 2, 3]);
    scene.take(&one).unwrap();
    let head = scene.governance.heads();
    let signers = vec![hub("M02"), hub("M03")];
    match scene.take(&other) {
        Ok(Taken::Fork {
            chain: Chain::Directory,
            signers: found,
            ..
        }) => assert_eq!(found, signers),
        taken => panic!("{taken:?}"),
    }
    let charter = scene.governance.charter(scene.now);
    assert!(charter.is_forked());
    assert_eq!(
        charter.version(),
        CharterVersion::new(1),
        "the last common version"
    );
    let forks = scene.governance.forks();
    assert_eq!(forks[0].branches.len(), 2);
    assert_eq!(forks[0].signers, signers);

    // In the other order the same hub sees the same.
    turned.take(&other, scene.now).unwrap();
    assert!(matches!(turned.take(&one, scene.now), Ok(Taken::Fork { .. })));
    assert_eq!(turned.charter(scene.now).fingerprint(), charter.fingerprint());

    // A third version of the majority is another branch, and no judge.
    scene.now = scene.now.plus_millis(1_000);
    let mut third = scene
        .governance
        .next_directory(scene.now.seconds(), scene.now.seconds() + DAY_SECONDS);
    third.version = CharterVersion::new(2);
    let third = scene.signed(to_text(&third), 0..4);
    assert!(matches!(scene.take(&third), Ok(Taken::Fork { .. })));
    assert_eq!(scene.governance.forks()[0].branches.len(), 3);

    assert!(!scene.governance.choose(Hash::new([1; 32])));
    assert!(scene.governance.choose(head.directory));
    let charter = scene.governance.charter(scene.now);
    assert!(!charter.is_forked());
    assert_eq!(charter.version(), CharterVersion::new(2));
    assert!(charter.member(hub("UA")).is_none());
}

#[test]
fn a_constitution_that_builds_upon_a_branch_ends_a_fork_for_everybody() {
    let mut scene = Scene::of(4);
    let one = scene.signed(to_text(&scene.next()), [0, 1, 2]);
    let admission = scene.admission("UA", Class::MemberState, &[]);
    let other = scene.signed(admission, [1, 2, 3]);
    scene.take(&one).unwrap();
    let chosen = scene.governance.heads().directory;
    scene.take(&other).unwrap();
    let now = scene.now.seconds();
    let mut next = scene.governance.next_constitution(now, now + 300 * DAY_SECONDS);
    next.directory = Some(crate::charter::Settled {
        version: CharterVersion::new(2),
        hash: chosen,
    });
    let note = scene.signed(to_text(&next), [0, 1, 3]);
    scene.take(&note).unwrap();
    let charter = scene.governance.charter(scene.now);
    assert!(!charter.is_forked());
    assert_eq!(scene.governance.heads().directory, chosen);
}

#[test]
fn notes_are_handed_on_in_an_order_in_which_they_can_be_taken() {
    let mut scene = Scene::of(4);
    for _ in 0..3 {
        let note = scene.signed(to_text(&scene.next()), [0, 1, 2]);
        scene.take(&note).unwrap();
    }
    let both = rekeyed(&scene, &[0, 1, 2], &[2]);
    scene.take(&both).unwrap();
    let suspension = scene.restriction(ActKind::Suspend, "M04", [0, 1]);
    scene.take(&suspension).unwrap();
    let notes: Vec<Vec<u8>> = scene
        .governance
        .notes()
        .into_iter()
        .map(|(_, note)| note)
        .collect();
    let again = Governance::found(&notes, FOUNDED).unwrap();
    assert_eq!(
        again.charter(scene.now).fingerprint(),
        scene.governance.charter(scene.now).fingerprint()
    );
    assert_eq!(again.notes(), scene.governance.notes());
}
