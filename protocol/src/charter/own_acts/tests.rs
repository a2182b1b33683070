use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::{self, Domain};

use super::*;
use crate::charter::{KeyKind, KeyRefusal, OVERLAP_MILLIS, OperationalKeys, OwnActFields, Status};
use crate::fixture::{charter, hub, operational, root_key, secrets};
use crate::id::{KeyTag, Timestamp};

const MADE: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// FR's act behind another, or behind the certificate in the charter.
fn act(charter: &Charter, before: Option<&OwnAct>, deed: OwnDeed) -> OwnAct {
    let (_, base) = charter.certificate_act(hub("FR")).unwrap();
    let before = before.unwrap_or(base);
    let fields = OwnActFields {
        member: hub("FR"),
        counter: before.fields().counter + 1,
        previous: before.hash(),
        made: MADE,
        deed,
    };
    OwnAct::sign(fields, &root_key(1), charter.realm()).unwrap()
}

fn certify(keys: OperationalKeys) -> OwnDeed {
    OwnDeed::Certify {
        keys: Box::new(keys),
        valid_until: 2_000_000_000,
    }
}

fn revoke(kind: KeyKind, keys: &OperationalKeys, since: Timestamp) -> OwnDeed {
    OwnDeed::Revoke {
        kind,
        key: keys.signing(kind),
        since,
    }
}

fn tag(keys: &OperationalKeys) -> KeyTag {
    KeyTag::new(*keys.payload_key().unwrap().id().as_bytes())
}

/// Takes acts that must all go on from one another.
fn followed(charter: &Charter, acts: &[&OwnAct]) -> Charter {
    let mut known = OwnActs::default();
    for act in acts {
        assert_eq!(known.take((*act).clone(), charter), Ok(OwnTaken::Extended));
    }
    charter.with_own_acts(&known)
}

#[test]
fn a_rotation_replaces_the_keys_and_the_old_ones_count_for_their_time() {
    let (charter, all) = charter();
    let (old, new) = (operational(1), operational(7));
    let view = followed(&charter, &[&act(&charter, None, certify(new.clone()))]);
    let member = view.member(hub("FR")).unwrap();
    assert_eq!(member.keys.operational(), new);
    assert_eq!(member.certificate.counter, 2);
    assert_eq!(view.version(), charter.version(), "nobody has voted");
    assert_ne!(
        view.fingerprint(),
        charter.fingerprint(),
        "no permit that was given before stands any more"
    );

    let named = |keys: &OperationalKeys, made| view.signing_key_named(hub("FR"), tag(keys), made).map(|_| ());
    assert_eq!(named(&new, MADE), Ok(()));
    assert_eq!(named(&old, MADE), Ok(()));
    assert_eq!(named(&old, MADE.plus_millis(OVERLAP_MILLIS)), Ok(()));
    assert_eq!(
        named(&old, MADE.plus_millis(OVERLAP_MILLIS + 1)),
        Err(KeyRefusal::Over)
    );
    assert_eq!(named(&operational(9), MADE), Err(KeyRefusal::Unknown));
    // What bears no time verifies under both.
    let message = view.realm().bind(b"message");
    for key in [&all[0].payload, &secrets(7).payload] {
        let signature = sign::sign(key.classical(), Domain::RECEIPT, &message);
        assert!(view.verifies(hub("FR"), Domain::RECEIPT, b"message", &signature));
    }
    let other = sign::sign(all[1].payload.classical(), Domain::RECEIPT, &message);
    assert!(!view.verifies(hub("FR"), Domain::RECEIPT, b"message", &other));
}

#[test]
fn a_certificate_ends() {
    let (charter, _) = charter();
    let keys = operational(1);
    let named = |seconds| charter.signing_key_named(hub("FR"), tag(&keys), Timestamp::from_seconds(seconds));
    assert!(named(2_000_000_000).is_ok());
    assert_eq!(named(2_000_000_001), Err(KeyRefusal::Over));
    let past = Timestamp::from_seconds(2_000_000_001);
    assert_eq!(charter.signing_keys_at(hub("FR"), past).count(), 0);
}

#[test]
fn a_revoked_key_verifies_nothing_and_leaves_doubt_behind() {
    let (charter, all) = charter();
    let (old, new) = (operational(1), operational(7));
    let since = Timestamp::from_seconds(1_750_000_000);
    let revoked = act(&charter, None, revoke(KeyKind::Payload, &old, since));
    let alone = followed(&charter, &[&revoked]);
    assert!(alone.is_revoked(hub("FR"), KeyKind::Payload));
    assert!(alone.signing_key(hub("FR")).is_none());
    let signature = sign::sign(
        all[0].payload.classical(),
        Domain::NOTICE,
        &alone.realm().bind(b"x"),
    );
    let checked = alone.check_signature(hub("FR"), Domain::NOTICE, b"x", &signature);
    assert_eq!(checked, Err(KeyRefusal::Revoked));
    let before = Timestamp::from_seconds(1_749_999_999);
    assert!(alone.is_in_doubt(hub("FR"), tag(&old), since));
    assert!(!alone.is_in_doubt(hub("FR"), tag(&old), before));
    // Also what is said to be older is not taken any more: a thief dates it as he likes.
    let named = alone.signing_key_named(hub("FR"), tag(&old), before);
    assert_eq!(named, Err(KeyRefusal::Revoked));

    let replaced = act(&charter, Some(&revoked), certify(new.clone()));
    let view = followed(&charter, &[&revoked, &replaced]);
    assert!(!view.is_revoked(hub("FR"), KeyKind::Payload));
    assert!(view.signing_key(hub("FR")).is_some());
    assert!(view.is_in_doubt(hub("FR"), tag(&old), since));
    assert!(!view.is_in_doubt(hub("FR"), tag(&new), since));
}

#[test]
fn a_revoked_ledger_key_proves_the_past_and_signs_nothing_new() {
    let (charter, _) = charter();
    let old = operational(1);
    let revoked = act(&charter, None, revoke(KeyKind::Ledger, &old, MADE));
    let view = followed(&charter, &[&revoked]);
    assert_eq!(view.ledger_keys(hub("FR")).count(), 0);
    assert_eq!(view.ledger_keys_ever(hub("FR")).len(), 1);
    assert_eq!(view.cosigning_keys(hub("FR")).count(), 1);
}

#[test]
fn whoever_leaves_has_left() {
    let (charter, _) = charter();
    let exit = act(&charter, None, OwnDeed::Exit);
    let view = followed(&charter, &[&exit]);
    assert_eq!(view.member(hub("FR")).unwrap().status, Status::Exited);
    assert_eq!(view.member(hub("EEAS")).unwrap().status, Status::Active);
    let mut known = OwnActs::default();
    known.take(exit.clone(), &charter).unwrap();
    let back = act(&charter, Some(&exit), certify(operational(7)));
    assert!(matches!(
        known.take(back, &charter),
        Err(OwnTakeError::TooMany { .. })
    ));
    let lost = act(
        &charter,
        Some(&exit),
        revoke(KeyKind::Payload, &operational(1), MADE),
    );
    assert_eq!(known.take(lost, &charter), Ok(OwnTaken::Extended));
}

#[test]
fn two_acts_at_one_place_hold_the_member_and_both_are_kept() {
    let (charter, _) = charter();
    let (one, other) = (
        act(&charter, None, certify(operational(7))),
        act(&charter, None, OwnDeed::Exit),
    );
    let mut known = OwnActs::default();
    assert_eq!(known.take(one.clone(), &charter), Ok(OwnTaken::Extended));
    assert_eq!(known.take(one.clone(), &charter), Ok(OwnTaken::Known));
    assert_eq!(known.take(other.clone(), &charter), Ok(OwnTaken::Split));
    let split = known.chain(hub("FR")).unwrap().split().unwrap();
    assert_eq!((&split.one, &split.other), (&one, &other));
    let view = charter.with_own_acts(&known);
    assert_eq!(view.member(hub("FR")).unwrap().status, Status::Held);
    assert_eq!(view.member(hub("MD")).unwrap().status, Status::Active);
    // No later act makes the choice.
    let later = act(&charter, Some(&one), OwnDeed::Exit);
    assert_eq!(known.take(later, &charter), Ok(OwnTaken::Known));
    // Whoever asks gets both, and holds the member too.
    let mut told = OwnActs::default();
    for bytes in known.from(hub("FR"), OwnHead::SPLIT) {
        told.take(OwnAct::decode(&bytes).unwrap(), &charter).unwrap();
    }
    assert!(told.chain(hub("FR")).unwrap().split().is_some());
    assert_eq!(
        told.heads().collect::<Vec<_>>(),
        known.heads().collect::<Vec<_>>()
    );
}

#[test]
fn an_act_that_points_back_to_another_history_is_as_good_as_two() {
    let (charter, _) = charter();
    let one = act(&charter, None, certify(operational(7)));
    let other = act(&charter, None, certify(operational(8)));
    let behind_other = act(&charter, Some(&other), OwnDeed::Exit);
    let mut known = OwnActs::default();
    known.take(one, &charter).unwrap();
    assert_eq!(known.take(behind_other, &charter), Ok(OwnTaken::Split));
}

#[test]
fn a_gap_is_asked_for_and_foreign_acts_change_nothing() {
    let (charter, _) = charter();
    let mut known = OwnActs::default();
    let one = act(&charter, None, certify(operational(7)));
    let two = act(&charter, Some(&one), OwnDeed::Exit);
    let ahead = known.take(two.clone(), &charter);
    assert!(
        matches!(ahead, Err(OwnTakeError::Ahead { expected: 2, .. })),
        "{ahead:?}"
    );

    let mut fields = one.fields().clone();
    let forged = OwnAct::sign(fields.clone(), &SigningKey::from_seed([9; 32]), charter.realm()).unwrap();
    assert!(matches!(known.take(forged, &charter), Err(OwnTakeError::Act(_))));
    fields.member = hub("SE");
    let stranger = OwnAct::sign(fields, &root_key(1), charter.realm()).unwrap();
    assert!(matches!(
        known.take(stranger, &charter),
        Err(OwnTakeError::NotAMember { .. })
    ));
    let stolen = act(&charter, None, certify(operational(2)));
    let taken = known.take(stolen, &charter);
    assert!(
        matches!(taken, Err(OwnTakeError::KeyTaken { owner, .. }) if owner == hub("EEAS")),
        "{taken:?}"
    );
    assert_eq!(known.heads().count(), 0);
}

#[test]
fn hubs_ask_for_what_they_lack() {
    let (charter, _) = charter();
    let one = act(&charter, None, certify(operational(7)));
    let two = act(&charter, Some(&one), OwnDeed::Exit);
    let (mut knows, mut lacks) = (OwnActs::default(), OwnActs::default());
    knows.take(one.clone(), &charter).unwrap();
    knows.take(two, &charter).unwrap();
    let head = knows.heads().next().unwrap();
    assert_eq!(lacks.wanted(&head, &charter), Some(2));
    assert_eq!(knows.from(hub("FR"), 2).len(), 2);
    lacks.take(one.clone(), &charter).unwrap();
    assert_eq!(lacks.wanted(&head, &charter), Some(3));
    assert_eq!(knows.wanted(&lacks.heads().next().unwrap(), &charter), None);
    assert_eq!(knows.wanted(&head, &charter), None);
    // Another act at a place that we have: everything is wanted.
    let other = OwnHead {
        member: hub("FR"),
        counter: 2,
        hash: Hash::new([1; 32]),
    };
    assert_eq!(knows.wanted(&other, &charter), Some(0));
}

#[test]
fn a_chain_is_bounded_and_the_last_places_are_for_taking_away() {
    let (charter, _) = charter();
    let mut known = OwnActs::default();
    let mut last: Option<OwnAct> = None;
    for _ in 0..OWN_ACTS_MAX - RESERVED {
        let next = act(&charter, last.as_ref(), certify(operational(7)));
        assert_eq!(known.take(next.clone(), &charter), Ok(OwnTaken::Extended));
        last = Some(next);
    }
    let more = act(&charter, last.as_ref(), certify(operational(7)));
    assert!(matches!(
        known.take(more, &charter),
        Err(OwnTakeError::TooMany { .. })
    ));
    for _ in 0..RESERVED {
        let next = act(
            &charter,
            last.as_ref(),
            revoke(KeyKind::Ledger, &operational(1), MADE),
        );
        assert_eq!(known.take(next.clone(), &charter), Ok(OwnTaken::Extended));
        last = Some(next);
    }
    let more = act(&charter, last.as_ref(), OwnDeed::Exit);
    assert!(matches!(
        known.take(more, &charter),
        Err(OwnTakeError::TooMany { .. })
    ));
}
