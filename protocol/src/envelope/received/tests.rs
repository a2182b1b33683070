use testudo_crypto::entropy::Entropy;
use testudo_crypto::seal::AudienceSecret;
use testudo_crypto::sign::composite::CompositeSigningKey;

use super::*;
use crate::charter::KeyRefusal;
use crate::envelope::{
    ATTACHMENTS_MAX, AttachmentKey, AttachmentRef, AttachmentRefError, AudienceKeyFields, DecisionRef,
    Header, RecipientEntry, Suite, key_tag,
};
use crate::fixture::{Secrets, charter, hub};
use crate::id::{AudienceId, CharterVersion, ItemId, ItemRef, ItemVersion, Sequence};
use crate::label::{Label, Level, Personal, Scope, Tlp};
use crate::licence::Licence;
use crate::week::Week;

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

const HEDGE: [u8; 32] = [9; 32];

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

fn header(key: &CompositeSigningKey, body: &[u8], to: &Recipients) -> Header {
    Header {
        suite: Suite::Hybrid,
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
        epoch: 1,
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
        derived_from: None,
        licence: Licence::Consent,
        body_hash: Digest::of(body).into(),
        attachments: Vec::new(),
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
    enclosed(LogEntry::Content, cipher, sender)
}

/// An envelope around a ciphertext, first in its log.
fn enclosed(entry: LogEntry, cipher: Vec<u8>, sender: (&str, &Secrets)) -> Envelope {
    let outer = outer(entry, &cipher, sender);
    Envelope::new(outer, cipher).unwrap()
}

fn outer(entry: LogEntry, cipher: &[u8], sender: (&str, &Secrets)) -> Outer {
    let fields = OuterFields {
        suite: Suite::Hybrid,
        entry,
        sender: hub(sender.0),
        audience: AudienceId::new([2; 16]),
        epoch: 1,
        sequence: Sequence::new(1),
        previous: EnvelopeHash::new([0; 32]),
        cipher_hash: Digest::of(cipher).into(),
        cipher_bytes: cipher.len() as u64,
        expires: Timestamp::default(),
    };
    let (charter, _) = charter();
    Outer::sign(fields, sender.1.payload.classical(), charter.realm())
}

fn good(all: &[Secrets; 3]) -> Envelope {
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let part = SignedPart::sign(
        &header(&all[0].payload, &body, &list),
        body,
        &all[0].payload,
        HEDGE,
    )
    .unwrap();
    sealed(&part, &list, &[&all[1]], ("FR", &all[0]))
}

fn open(envelope: Envelope, me: &str, secrets: &Secrets, charter: &Charter) -> Result<Opened, OpenError> {
    open_under(envelope, me, secrets, charter, None)
}

fn open_under(
    envelope: Envelope,
    me: &str,
    secrets: &Secrets,
    charter: &Charter,
    audience: Option<&AudienceKey>,
) -> Result<Opened, OpenError> {
    let verified = envelope.verify(charter, NOW).unwrap();
    verified.open(&opener(me, &[&secrets.identity], charter, audience))
}

fn opener<'a>(
    me: &str,
    identities: &'a [&'a Identity],
    charter: &'a Charter,
    audience: Option<&'a AudienceKey>,
) -> Opener<'a> {
    Opener {
        me: hub(me),
        identities,
        audience,
        charter,
        now: NOW,
    }
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
    let part = SignedPart::sign(
        &header(&all[0].payload, &body, &list),
        body,
        &all[0].payload,
        HEDGE,
    )
    .unwrap();

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
    let part = SignedPart::sign(
        &header(&all[0].payload, &body, &list),
        body,
        &all[0].payload,
        HEDGE,
    )
    .unwrap();
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
    let try_with = |change: &dyn Fn(&mut Header), key: &CompositeSigningKey| {
        let mut header = header(key, &body, &list);
        change(&mut header);
        let part = SignedPart::sign(&header, body.clone(), key, HEDGE).unwrap();
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
        OpenError::Signed(SignedPartError::Key(KeyRefusal::Unknown))
    ));
    assert!(matches!(
        try_with(&|h| h.suite = Suite::Classical, fr),
        OpenError::Disagreement { field: "suite" }
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
    let envelope = Envelope::new(
        Outer::sign(fields, all[0].payload.classical(), charter.realm()),
        cipher,
    )
    .unwrap();
    assert_eq!(
        envelope.verify(&charter, NOW).unwrap_err(),
        EnvelopeError::Expired
    );
    assert!(matches!(
        Envelope::decode(&vec![0; ENVELOPE_BYTES_MAX + 1]),
        Err(EnvelopeError::TooLarge { .. })
    ));
}

/// FR's key for the audience of EEAS and MD, as its entry holds it.
fn key_fields(all: &[Secrets; 3], to: &Recipients) -> AudienceKeyFields {
    AudienceKeyFields {
        suite: Suite::Hybrid,
        federation: "test".to_owned(),
        realm: "live".to_owned(),
        originator: hub("FR"),
        key: key_tag(&all[0].payload.verifying_key()),
        charter: CharterVersion::new(1),
        audience: AudienceId::new([2; 16]),
        epoch: 1,
        sequence: Sequence::new(1),
        created: NOW,
        week: Week::of(NOW),
        recipients: to.clone(),
    }
}

fn secret() -> AudienceSecret {
    AudienceSecret::generate(&mut Entropy::from_seed([8; 32]))
}

fn key_entry(fields: &AudienceKeyFields, signer: &Secrets, sealed_to: &Secrets) -> Envelope {
    let plain = AudienceKey::plaintext(fields, &secret(), &signer.payload, HEDGE).unwrap();
    let cipher = seal::seal(&[sealed_to.identity.recipient()], &plain).unwrap();
    enclosed(LogEntry::AudienceKey, cipher, ("FR", signer))
}

fn open_key(envelope: Envelope, me: &str, secrets: &Secrets) -> Result<AudienceKey, OpenError> {
    let (charter, _) = charter();
    let verified = envelope.verify(&charter, NOW).unwrap();
    verified.open_key(&opener(me, &[&secrets.identity], &charter, None))
}

#[test]
fn an_audience_opens_what_is_sealed_under_its_key_and_nobody_else_does() {
    let (charter, all) = charter();
    let list = recipients(&["EEAS", "MD"]);
    let key = open_key(
        key_entry(&key_fields(&all, &list), &all[0], &all[1]),
        "EEAS",
        &all[1],
    )
    .unwrap();
    assert_eq!((key.epoch(), key.recipients()), (1, &list));

    let body = bundle(GREEN);
    let header = header(&all[0].payload, &body, &list);
    let part = SignedPart::sign(&header, body, &all[0].payload, HEDGE).unwrap();
    let context = sealing_context(hub("FR"), header.audience, 1, Sequence::new(1));
    let cipher = seal::seal_to_audience(key.secret(), &context, &part.plaintext_for_audience()).unwrap();
    let sealed = || enclosed(LogEntry::Content, cipher.clone(), ("FR", &all[0]));
    let opened = open_under(sealed(), "EEAS", &all[1], &charter, Some(&key)).unwrap();
    assert_eq!(opened.bundle().bytes(), bundle(GREEN));

    let without = open_under(sealed(), "EEAS", &all[1], &charter, None).unwrap_err();
    assert!(matches!(without, OpenError::Sealed(_)), "{without}");
    let outsider = AudienceKey::new(1, Week::of(NOW), recipients(&["MD"]), secret());
    let found = open_under(sealed(), "EEAS", &all[1], &charter, Some(&outsider)).unwrap_err();
    assert!(matches!(found, OpenError::NotForUs), "{found}");
    let other_place = sealing_context(hub("FR"), header.audience, 1, Sequence::new(2));
    let cipher = seal::seal_to_audience(key.secret(), &other_place, &part.plaintext_for_audience()).unwrap();
    let moved = enclosed(LogEntry::Content, cipher, ("FR", &all[0]));
    let found = open_under(moved, "EEAS", &all[1], &charter, Some(&key)).unwrap_err();
    assert!(matches!(found, OpenError::Sealed(_)), "{found}");
}

#[test]
fn a_key_entry_is_refused_unless_its_originator_signed_it_for_this_place_and_hub() {
    let (_, all) = charter();
    let list = recipients(&["EEAS"]);
    let refused = |change: &dyn Fn(&mut AudienceKeyFields), signer: &Secrets| {
        let mut fields = key_fields(&all, &list);
        change(&mut fields);
        let plain = AudienceKey::plaintext(&fields, &secret(), &signer.payload, HEDGE).unwrap();
        let cipher = seal::seal(&[all[1].identity.recipient()], &plain).unwrap();
        let envelope = enclosed(LogEntry::AudienceKey, cipher, ("FR", &all[0]));
        match open_key(envelope, "EEAS", &all[1]).unwrap_err() {
            OpenError::Key(error) => error,
            other => panic!("{other}"),
        }
    };
    let fr = &all[0];
    let unsigned = AudienceKeyError::Signature {
        originator: hub("FR"),
    };
    assert_eq!(refused(&|_| (), &all[2]), unsigned);
    assert_eq!(
        refused(&|f| f.realm = "exercise".to_owned(), fr),
        AudienceKeyError::Realm
    );
    assert_eq!(
        refused(&|f| f.epoch = 2, fr),
        AudienceKeyError::Disagreement { field: "epoch" }
    );
    assert_eq!(
        refused(&|f| f.recipients = recipients(&["MD"]), fr),
        AudienceKeyError::NotForUs
    );
    assert_eq!(
        refused(&|f| f.suite = Suite::Classical, fr),
        AudienceKeyError::Disagreement { field: "suite" }
    );
}

#[test]
fn a_key_entry_is_no_content_and_content_is_no_key_entry() {
    let (charter, all) = charter();
    let entry = key_entry(&key_fields(&all, &recipients(&["EEAS"])), &all[0], &all[1]);
    let found = open(entry, "EEAS", &all[1], &charter).unwrap_err();
    assert!(matches!(found, OpenError::OtherEntry), "{found}");
    let found = open_key(good(&all), "EEAS", &all[1]).unwrap_err();
    assert!(matches!(found, OpenError::OtherEntry), "{found}");
}

#[test]
fn a_resealed_envelope_opens_beside_its_original_outer_part() {
    let (charter, all) = charter();
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let header = header(&all[0].payload, &body, &list);
    let part = SignedPart::sign(&header, body, &all[0].payload, HEDGE).unwrap();
    let first = outer(
        LogEntry::Content,
        b"sealed under a key that EEAS has lost",
        ("FR", &all[0]),
    );
    let cipher = seal::seal(&[all[1].identity.recipient()], &part.plaintext(&list).unwrap()).unwrap();
    let bytes = Envelope::resealed(first.clone(), cipher).unwrap().to_bytes();

    let again = Envelope::decode_resealed(&bytes).unwrap();
    assert_eq!(again.hash(), first.link());
    let opened = open(again, "EEAS", &all[1], &charter).unwrap();
    assert_eq!(opened.bundle().bytes(), bundle(GREEN));
    assert_eq!(Envelope::decode(&bytes).unwrap_err(), EnvelopeError::Cipher);

    // Beside the outer part of another envelope it is refused.
    let other = Outer::sign(
        OuterFields {
            sequence: Sequence::new(2),
            ..*first.fields()
        },
        all[0].payload.classical(),
        charter.realm(),
    );
    let cipher = bytes[Outer::BYTES..].to_vec();
    let moved = Envelope::resealed(other, cipher).unwrap();
    let found = open(moved, "EEAS", &all[1], &charter).unwrap_err();
    assert!(
        matches!(found, OpenError::Disagreement { field: "sequence" }),
        "{found}"
    );
}

#[test]
fn suite_one_is_read_where_the_charter_names_it_and_nowhere_else() {
    let (mut founding, all) = crate::fixture::founding();
    let (charter, _) = charter();
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let mut header = header(&all[0].payload, &body, &list);
    header.suite = Suite::Classical;
    let part = SignedPart::sign(&header, body, &all[0].payload, HEDGE).unwrap();
    let cipher = seal::seal(&[all[1].classical.recipient()], &part.plaintext(&list).unwrap()).unwrap();
    let fields = OuterFields {
        suite: Suite::Classical,
        ..*outer(LogEntry::Content, &cipher, ("FR", &all[0])).fields()
    };
    let outer = Outer::sign(fields, all[0].payload.classical(), charter.realm());
    let envelope = Envelope::new(outer, cipher).unwrap();
    let open = |charter: &Charter| {
        let verified = envelope.clone().verify(charter, NOW).unwrap();
        verified.open(&opener("EEAS", &[&all[1].classical], charter, None))
    };
    assert_eq!(open(&charter).unwrap().bundle().bytes(), bundle(GREEN));

    founding.suites = vec![Suite::Hybrid];
    let notes = crate::fixture::signed(founding, &[("FR", &all[0]), ("EEAS", &all[1])]);
    let founded = crate::fixture::FOUNDED;
    let strict = crate::charter::Governance::found(&notes, founded)
        .unwrap()
        .charter(founded);
    let found = open(&strict).unwrap_err();
    let suite = SignedPartError::Suite {
        found: Suite::Classical,
    };
    assert!(matches!(found, OpenError::Signed(error) if error == suite));
}

#[test]
fn what_is_sealed_for_an_audience_does_not_grow_with_it() {
    let (_, all) = charter();
    let sealed_bytes = |members: u8| {
        let entry = |at: u8| RecipientEntry {
            hub: hub(&format!("H{at}")),
            salt: Hash::new([at; 32]),
        };
        let list = Recipients::new((0..members).map(entry).collect());
        let body = bundle(GREEN);
        let header = header(&all[0].payload, &body, &list);
        let part = SignedPart::sign(&header, body, &all[0].payload, HEDGE).unwrap();
        (
            part.plaintext_for_audience().len(),
            part.plaintext(&list).unwrap().len(),
        )
    };
    let ((of_five, direct_of_five), (of_hundred, direct_of_hundred)) = (sealed_bytes(5), sealed_bytes(100));
    assert_eq!(of_five, of_hundred);
    assert!(direct_of_five < direct_of_hundred, "the other form does grow");
}

fn attachment(name: &str) -> AttachmentRef {
    AttachmentRef {
        name: name.to_owned(),
        media_type: "image/png".to_owned(),
        content_bytes: 1000,
        sealed_bytes: 1000 + 16 + 16 + 1700,
        root: Hash::new([6; 32]),
        key: AttachmentKey::new([7; 32]),
    }
}

fn opened_with(attachments: Vec<AttachmentRef>) -> Result<Opened, OpenError> {
    let (charter, all) = charter();
    let body = bundle(GREEN);
    let list = recipients(&["EEAS"]);
    let header = Header {
        attachments,
        ..header(&all[0].payload, &body, &list)
    };
    let part = SignedPart::sign(&header, body, &all[0].payload, HEDGE).unwrap();
    open(
        sealed(&part, &list, &[&all[1]], ("FR", &all[0])),
        "EEAS",
        &all[1],
        &charter,
    )
}

#[test]
fn attachments_come_with_the_header_and_malformed_ones_are_refused() {
    let good = vec![attachment("one.png"), attachment("two.png")];
    let opened = opened_with(good.clone()).unwrap();
    assert_eq!(opened.original().header().attachments, good);
    assert!(!format!("{:?}", opened.original().header()).contains("one.png"));

    let refused = |attachments: Vec<AttachmentRef>| match opened_with(attachments) {
        Err(OpenError::Signed(SignedPartError::Attachments(error))) => error,
        other => panic!("{other:?}"),
    };
    let same = vec![attachment("one.png"), attachment("one.png")];
    assert_eq!(refused(same), AttachmentRefError::SameName { number: 2 });
    assert_eq!(
        refused(vec![attachment("../one.png")]),
        AttachmentRefError::Name { number: 1 }
    );
    let many = (0..=ATTACHMENTS_MAX)
        .map(|at| attachment(&at.to_string()))
        .collect();
    assert_eq!(
        refused(many),
        AttachmentRefError::TooMany {
            count: ATTACHMENTS_MAX + 1
        }
    );
    let mut lengths = attachment("one.png");
    lengths.content_bytes = 4 << 30;
    assert!(matches!(
        refused(vec![lengths]),
        AttachmentRefError::Lengths { number: 1, .. }
    ));
}
