use testudo_crypto::keys::SigningKey;

use super::*;
use crate::envelope::{DecisionRef, Header, Licence, RecipientEntry, SUITE, key_tag};
use crate::fixture::{Secrets, charter, hub};
use crate::id::{AudienceId, CharterVersion, ItemId, ItemRef, ItemVersion, Sequence};
use crate::label::{Label, Level, Personal, Scope, Tlp};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn bundle(marking: &str) -> Vec<u8> {
    serde_json::json!({
        "type": "bundle", "id": "bundle--22222222-2222-4222-8222-222222222222",
        "objects": [{
            "type": "report", "spec_version": "2.1", "id": "report--11111111-1111-4111-8111-111111111111",
            "name": "n", "object_marking_refs": [format!("marking-definition--{marking}")],
        }],
    })
    .to_string()
    .into_bytes()
}

const GREEN: &str = "bab4a63c-aed9-4cf5-a766-dfca5abac2bb";
const RED: &str = "e828b379-4e03-4974-9ac4-e53a884c97c1";

fn label() -> Label {
    Label {
        level: Level::try_from(1).unwrap(),
        tlp: Tlp::Green,
        scope: Scope::Community,
        rel_to: Default::default(),
        rel_to_classes: Default::default(),
        not_to: Default::default(),
        communities: Default::default(),
        caveats: Default::default(),
        exercise: String::new(),
        personal: Personal::None,
        expires_at: 0,
        obligations: Default::default(),
        pap: None,
        national: None,
    }
}

fn recipients(codes: &[&str]) -> Recipients {
    Recipients::new(
        codes
            .iter()
            .map(|code| RecipientEntry {
                hub: hub(code),
                salt: Hash::new([7; 32]),
            })
            .collect(),
    )
}

fn header(key: &SigningKey, body: &[u8], to: &Recipients) -> Header {
    Header {
        suite: SUITE,
        federation: "test".to_owned(),
        realm: "live".to_owned(),
        item: ItemRef {
            item: ItemId::new([1; 16]),
            version: ItemVersion::new(1),
        },
        originator: hub("FR"),
        key: key_tag(&key.verifying_key()),
        charter: CharterVersion::new(1),
        audience: AudienceId::new([2; 16]),
        epoch: 0,
        sequence: Sequence::new(1),
        created: NOW,
        expires: Timestamp::default(),
        decision: DecisionRef {
            origin: Hash::new([3; 32]),
            index: 1,
            commitment: Hash::new([4; 32]),
        },
        recipients_root: to.root(),
        label: label(),
        purpose: "test".to_owned(),
        kind: Kind::Assessment,
        supersedes: None,
        licence: Licence::ConsentOnly,
        body_hash: Digest::of(body).into(),
    }
}

/// Seals what FR signed to a recipient's key and signs the outer part as `sender`.
fn sealed(
    part: &SignedPart,
    list: &Recipients,
    sealed_to: &[&Secrets],
    sender: (&str, &Secrets),
) -> Envelope {
    let keys: Vec<_> = sealed_to
        .iter()
        .map(|secrets| secrets.identity.recipient())
        .collect();
    let cipher = seal::seal(&keys, &part.plaintext(list).unwrap()).unwrap();
    let fields = OuterFields {
        sender: hub(sender.0),
        audience: AudienceId::new([2; 16]),
        epoch: 0,
        sequence: Sequence::new(1),
        previous: EnvelopeHash::new([0; 32]),
        cipher_hash: Digest::of(&cipher).into(),
        cipher_bytes: cipher.len() as u64,
        expires: Timestamp::default(),
    };
    let (charter, _) = charter();
    Envelope::new(Outer::sign(fields, &sender.1.payload, charter.realm()), cipher).unwrap()
}

fn good(all: &[Secrets; 3]) -> Envelope {
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let part = SignedPart::sign(&header(&all[0].payload, &body, &list), body, &all[0].payload).unwrap();
    sealed(&part, &list, &[&all[1]], ("FR", &all[0]))
}

fn open(envelope: Envelope, me: &str, secrets: &Secrets, charter: &Charter) -> Result<Opened, OpenError> {
    let verified = envelope.verify(charter, NOW).unwrap();
    verified.open(&Opener {
        me: hub(me),
        identity: &secrets.identity,
        charter,
        now: NOW,
    })
}

#[test]
fn the_named_recipient_opens_what_the_originator_signed() {
    let (charter, all) = charter();
    let envelope = good(&all);
    let bytes = envelope.to_bytes();
    let opened = open(Envelope::decode(&bytes).unwrap(), "EEAS", &all[1], &charter).unwrap();
    assert_eq!(opened.bundle().bytes(), bundle(GREEN));
    assert_eq!(opened.original().header().originator, hub("FR"));
}

#[test]
fn somebody_not_named_cannot_open_it() {
    let (charter, all) = charter();
    assert!(matches!(
        open(good(&all), "MD", &all[2], &charter),
        Err(OpenError::Sealed(_))
    ));
}

#[test]
fn a_recipient_cannot_seal_it_on_to_another_hub() {
    let (charter, all) = charter();
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let part = SignedPart::sign(&header(&all[0].payload, &body, &list), body, &all[0].payload).unwrap();

    // EEAS opens it and seals the untouched part to MD, with its own outer signature.
    let resealed = sealed(&part, &list, &[&all[2]], ("EEAS", &all[1]));
    let found = open(resealed, "MD", &all[2], &charter).unwrap_err();
    assert!(
        matches!(found, OpenError::Disagreement { field: "sender" }),
        "{found}"
    );

    // Neither does it help to pretend that FR sent it to MD: the signed root does not hold MD.
    let pretended = sealed(&part, &recipients(&["EEAS", "MD"]), &[&all[2]], ("FR", &all[0]));
    assert!(matches!(
        open(pretended, "MD", &all[2], &charter),
        Err(OpenError::NotForUs)
    ));
}

#[test]
fn a_body_stricter_than_its_label_is_refused() {
    let (charter, all) = charter();
    let body = bundle(RED);
    let list = recipients(&["EEAS"]);
    let part = SignedPart::sign(&header(&all[0].payload, &body, &list), body, &all[0].payload).unwrap();
    let envelope = sealed(&part, &list, &[&all[1]], ("FR", &all[0]));
    assert!(matches!(
        open(envelope, "EEAS", &all[1], &charter),
        Err(OpenError::Bundle(_))
    ));
}

#[test]
fn another_realm_another_key_and_a_newer_charter_each_have_their_error() {
    let (charter, all) = charter();
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let try_with = |change: &dyn Fn(&mut Header), key: &SigningKey| {
        let mut header = header(key, &body, &list);
        change(&mut header);
        let part = SignedPart::sign(&header, body.clone(), key).unwrap();
        open(
            sealed(&part, &list, &[&all[1]], ("FR", &all[0])),
            "EEAS",
            &all[1],
            &charter,
        )
        .unwrap_err()
    };
    let fr = &all[0].payload;
    assert!(matches!(
        try_with(&|h| h.realm = "exercise".into(), fr),
        OpenError::Signed(SignedPartError::Realm)
    ));
    assert!(matches!(
        try_with(&|_| (), &all[2].payload),
        OpenError::Signed(SignedPartError::Key)
    ));
    assert!(matches!(
        try_with(&|h| h.suite = 2, fr),
        OpenError::Signed(SignedPartError::Suite { found: 2 })
    ));
    assert!(matches!(
        try_with(&|h| h.body_hash = Hash::new([0; 32]), fr),
        OpenError::Signed(SignedPartError::Body)
    ));
    assert!(matches!(
        try_with(&|h| h.charter = CharterVersion::new(2), fr),
        OpenError::NewerCharter { theirs: 2, ours: 1 }
    ));
    assert!(matches!(
        try_with(&|h| h.sequence = Sequence::new(2), fr),
        OpenError::Disagreement { field: "sequence" }
    ));
}

#[test]
fn every_flipped_bit_outside_is_refused_before_opening() {
    let (charter, all) = charter();
    let bytes = good(&all).to_bytes();
    for at in (0..Outer::BYTES).chain((Outer::BYTES..bytes.len()).step_by(61)) {
        for bit in [0, 7] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let refused = Envelope::decode(&flipped).and_then(|envelope| envelope.verify(&charter, NOW));
            assert!(refused.is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn an_expired_envelope_and_an_oversized_one_are_refused() {
    let (charter, all) = charter();
    let mut fields = *good(&all).outer().fields();
    fields.expires = NOW;
    let cipher = good(&all).cipher().to_vec();
    fields.cipher_hash = Digest::of(&cipher).into();
    fields.cipher_bytes = cipher.len() as u64;
    let envelope = Envelope::new(Outer::sign(fields, &all[0].payload, charter.realm()), cipher).unwrap();
    assert_eq!(
        envelope.verify(&charter, NOW).unwrap_err(),
        EnvelopeError::Expired
    );
    assert!(matches!(
        Envelope::decode(&vec![0; ENVELOPE_BYTES_MAX + 1]),
        Err(EnvelopeError::TooLarge { .. })
    ));
}
