//! Makes the golden files: FR seals a small assessment to the audience of EEAS, SE and three others.

use std::path::Path;
use std::sync::Arc;

use testudo_core::keys::HubKeys;
use testudo_crypto::attachment::seal_attachment;
use testudo_crypto::commit::Salt;
use testudo_crypto::digest::Digest;
use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::NoteSigner;
use testudo_crypto::seal::{self, AudienceSecret, ExposeSecret as _, Identity};
use testudo_crypto::sign::composite::CompositeSigningKey;
use testudo_protocol::announcement::{Announcement, AnnouncementFields};
use testudo_protocol::charter::{
    Charter, DAY_SECONDS, Founding, Governance, KeyCertificate, KeyKind, Member, OwnAct, OwnActFields,
    OwnDeed, Packet, Status, Voter, signer_name,
};
use testudo_protocol::consent::{ConsentFields, ConsentToken};
use testudo_protocol::envelope::{
    AttachmentRef, AudienceKey, AudienceKeyFields, DecisionRef, Envelope, Header, Kind, LogEntry, Outer,
    OuterFields, RecipientEntry, Recipients, SignedPart, Suite, key_tag, sealing_context,
};
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{
    AudienceId, CharterVersion, EnvelopeHash, Hash, HubId, ItemId, ItemRef, ItemVersion, Sequence, Timestamp,
};
use testudo_protocol::label::{Class, Label, Level, Personal, Scope, Tlp};
use testudo_protocol::licence::Licence;
use testudo_protocol::notice::{Notice, NoticeAct, NoticeFields};
use testudo_protocol::realm::Realm;
use testudo_protocol::receipt::{Act, Receipt, ReceiptFields};
use testudo_protocol::week::Week;

const MADE: Timestamp = Timestamp::from_seconds(1_800_000_000);
const CODES: [&str; 6] = ["FR", "EEAS", "SE", "DE", "PL", "RO"];
const AUDIENCE: AudienceId = AudienceId::new([0xa0; 16]);
const CLASSICAL: &str = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZ9K4CN";
const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";

fn hub(code: &str) -> HubId {
    code.parse().unwrap()
}

fn keys(at: u8) -> HubKeys {
    let key = |purpose: u8| SigningKey::from_seed([at * 16 + purpose; 32]);
    HubKeys {
        transport: key(1),
        payload: CompositeSigningKey::from_seed([at * 16 + 2; 64]),
        ledger: Arc::new(key(3)),
        cosigning: key(6),
        identity: Identity::generate_hybrid(&mut Entropy::from_seed([at * 16 + 5; 32])),
        classical: Identity::from_secret(CLASSICAL).unwrap(),
        audience: Salt::from_bytes([at; 32]),
    }
}

fn root(at: u8) -> SigningKey {
    SigningKey::from_seed([at * 16 + 7; 32])
}

fn certificate(at: u8, code: &str) -> KeyCertificate {
    let realm = Realm::new("golden", "live").unwrap();
    let certified = keys(at).certify(hub(code), &realm, &root(at), MADE, 2_000_000_000);
    certified.unwrap()
}

fn charter_packet() -> Packet {
    let members: Vec<Member> = (0u8..).zip(CODES).map(|(at, code)| member(at, code)).collect();
    let realm = Realm::new("golden", "live").unwrap();
    let governance = [13, 14, 15].map(|purpose| SigningKey::from_seed([purpose; 32]));
    let founding = Founding {
        realm: realm.clone(),
        issued: MADE.seconds(),
        valid_seconds: 360 * DAY_SECONDS,
        suites: vec![Suite::Hybrid],
        baseline: Hash::new([0; 32]),
        voters: vec![Voter {
            code: hub("FR"),
            keys: governance
                .each_ref()
                .map(|key| Hash::new(key.verifying_key().to_bytes())),
        }],
        members,
    };
    let mut drafts = founding.drafts();
    for draft in &mut drafts {
        for key in &governance[..2] {
            let signer = NoteSigner::new(signer_name(&realm, hub("FR")), key).unwrap();
            draft.sign(&signer).unwrap();
        }
    }
    Packet {
        objects: drafts.into(),
    }
}

fn member(at: u8, code: &str) -> Member {
    Member {
        code: hub(code),
        class: if code == "EEAS" {
            Class::EuInstitution
        } else {
            Class::MemberState
        },
        status: Status::Active,
        eu_member: true,
        accredited_level: 2,
        soi_level: 2,
        sponsors: Default::default(),
        transfer_basis: true,
        communities: Default::default(),
        exercises: Default::default(),
        caps: Default::default(),
        tags: Default::default(),
        keys: keys(at).public(),
        certificate: certificate(at, code),
        address: "127.0.0.1:4470".parse().unwrap(),
    }
}

fn bundle() -> Vec<u8> {
    let bundle = serde_json::json!({
        "type": "bundle", "id": "bundle--22222222-2222-4222-8222-222222222222",
        "objects": [{
            "type": "report", "spec_version": "2.1", "id": "report--11111111-1111-4111-8111-111111111111",
            "name": "A golden assessment", "object_marking_refs": [GREEN],
        }],
    });
    bundle.to_string().into_bytes()
}

fn label() -> Label {
    Label {
        level: Level::try_from(1).unwrap(),
        tlp: Tlp::Green,
        scope: Scope::List,
        rel_to: CODES[1..].iter().map(|code| hub(code)).collect(),
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

/// An attachment of every header here: sealed anew whenever the files are made.
fn attachment(folder: &Path) -> AttachmentRef {
    let mut sealed = Vec::new();
    let mut entropy = Entropy::from_seed([0x88; 32]);
    let made = seal_attachment(&mut entropy, [0x5a; 20_000].as_slice(), &mut sealed).unwrap();
    std::fs::write(folder.join("attachment.age"), &sealed).unwrap();
    std::fs::write(folder.join("attachment.tree"), &made.outboard).unwrap();
    AttachmentRef::new(
        "evidence.png".to_owned(),
        "image/png".to_owned(),
        &made.attachment,
    )
}

const ITEM: ItemRef = ItemRef {
    item: ItemId::new([0x11; 16]),
    version: ItemVersion::new(1),
};

fn header(
    keys: &HubKeys,
    to: &Recipients,
    (audience, sequence): (AudienceId, u64),
    attachment: &AttachmentRef,
) -> Header {
    Header {
        suite: Suite::Hybrid,
        federation: "golden".to_owned(),
        realm: "live".to_owned(),
        item: ITEM,
        originator: hub("FR"),
        key: key_tag(&keys.payload.verifying_key()),
        charter: CharterVersion::new(1),
        audience,
        epoch: 1,
        sequence: Sequence::new(sequence),
        created: MADE,
        expires: Timestamp::default(),
        decision: DecisionRef {
            origin: Hash::new([0x33; 32]),
            index: 7,
            commitment: Hash::new([0x44; 32]),
        },
        recipients_root: to.root(),
        label: label(),
        purpose: "situational-awareness".to_owned(),
        kind: Kind::Assessment,
        supersedes: None,
        derived_from: Some(ItemRef {
            item: ItemId::new([0x22; 16]),
            version: ItemVersion::new(3),
        }),
        licence: Licence::Named {
            hubs: [hub("SE")].into(),
            classes: [Class::EuInstitution, Class::Associated].into(),
            until: 1_900_000_000,
        },
        body_hash: Digest::of(&bundle()).into(),
        attachments: vec![attachment.clone()],
    }
}

/// Signs the outer part around a ciphertext.
fn entry(
    keys: &HubKeys,
    charter: &Charter,
    kind: LogEntry,
    at: (AudienceId, u64, EnvelopeHash),
    cipher: Vec<u8>,
) -> Envelope {
    let (audience, sequence, previous) = at;
    let fields = OuterFields {
        suite: Suite::Hybrid,
        entry: kind,
        sender: hub("FR"),
        audience,
        epoch: 1,
        sequence: Sequence::new(sequence),
        previous,
        cipher_hash: Digest::of(&cipher).into(),
        cipher_bytes: cipher.len() as u64,
        expires: Timestamp::default(),
    };
    let outer = Outer::sign(fields, keys.payload.classical(), charter.realm());
    Envelope::new(outer, cipher).unwrap()
}

/// Writes every file.
pub fn make(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let (fr, eeas) = (keys(0), keys(1));
    let packet = charter_packet();
    let governance = Governance::found(&packet.notes(), MADE).unwrap();
    let charter = governance.charter(MADE);
    let mut entropy = Entropy::from_seed([0x77; 32]);
    let weekly = Identity::generate_hybrid(&mut Entropy::from_seed([0x55; 32]));
    let none = EnvelopeHash::new([0; 32]);
    let attachment = attachment(folder);
    write("charter.packet", &packet.to_bytes());
    write("bundle.json", &bundle());
    write(
        "eeas-weekly.age-identity",
        weekly.to_secret().expose_secret().as_bytes(),
    );

    let salted = |at: u8, code: &str| RecipientEntry {
        hub: hub(code),
        salt: Hash::new([at; 32]),
    };
    let all = Recipients::new(
        (1u8..)
            .zip(&CODES[1..])
            .map(|(at, code)| salted(at, code))
            .collect(),
    );
    let secret = AudienceSecret::from_bytes([0x66; 32]);
    let fields = AudienceKeyFields {
        suite: Suite::Hybrid,
        federation: "golden".to_owned(),
        realm: "live".to_owned(),
        originator: hub("FR"),
        key: key_tag(&fr.payload.verifying_key()),
        charter: CharterVersion::new(1),
        audience: AUDIENCE,
        epoch: 1,
        sequence: Sequence::new(1),
        created: MADE,
        week: Week::of(MADE),
        recipients: all.clone(),
    };
    let plain = AudienceKey::plaintext(&fields, &secret, &fr.payload, entropy.bytes32()).unwrap();
    let cipher = seal::seal(&[weekly.recipient(), eeas.identity.recipient()], &plain).unwrap();
    let key_entry = entry(&fr, &charter, LogEntry::AudienceKey, (AUDIENCE, 1, none), cipher);
    write("audience-key.entry", &key_entry.to_bytes());

    let part = SignedPart::sign(
        &header(&fr, &all, (AUDIENCE, 2), &attachment),
        bundle(),
        &fr.payload,
        entropy.bytes32(),
    )
    .unwrap();
    let context = sealing_context(hub("FR"), AUDIENCE, 1, Sequence::new(2));
    let cipher = seal::seal_to_audience(&secret, &context, &part.plaintext_for_audience()).unwrap();
    let at = (AUDIENCE, 2, key_entry.hash());
    let envelope = entry(&fr, &charter, LogEntry::Content, at, cipher);
    write("envelope.entry", &envelope.to_bytes());
    write("content.frame", &Message::Content(envelope.to_bytes()).to_frame());
    let cipher = seal::seal(&[weekly.recipient()], &part.plaintext(&all).unwrap()).unwrap();
    let again = Envelope::resealed(envelope.outer().clone(), cipher).unwrap();
    write("resealed.envelope", &again.to_bytes());

    let one = Recipients::new(vec![salted(9, "EEAS")]);
    let direct = AudienceId::new([0xd0; 16]);
    let part = SignedPart::sign(
        &header(&fr, &one, (direct, 1), &attachment),
        bundle(),
        &fr.payload,
        entropy.bytes32(),
    )
    .unwrap();
    let cipher = seal::seal(&[weekly.recipient()], &part.plaintext(&one).unwrap()).unwrap();
    let alone = entry(&fr, &charter, LogEntry::Content, (direct, 1, none), cipher);
    write("direct.entry", &alone.to_bytes());

    messages(
        &write,
        &charter,
        (&fr, &eeas),
        &weekly,
        envelope.hash(),
        entropy.bytes32(),
    );
}

/// The messages without content.
fn messages(
    write: &dyn Fn(&str, &[u8]),
    charter: &Charter,
    (fr, eeas): (&HubKeys, &HubKeys),
    weekly: &Identity,
    envelope: EnvelopeHash,
    hedge: [u8; 32],
) {
    let realm = charter.realm();
    let announced = AnnouncementFields {
        hub: hub("EEAS"),
        week: Week::of(MADE),
        made: MADE,
        held_since: MADE,
        recipient: weekly.recipient(),
    };
    let announcement = Announcement::sign(announced, &eeas.payload, realm, hedge);
    write("recipient-key.announcement", &announcement.to_bytes());
    let received = ReceiptFields {
        act: Act::Delivered,
        envelope,
        item: ITEM,
        receiver: hub("EEAS"),
        time: MADE,
    };
    let receipt = Receipt::sign(received, eeas.payload.classical(), realm);
    write("delivered.receipt", &receipt.to_bytes());
    let withdrawn = NoticeFields {
        act: NoticeAct::Retracted,
        originator: hub("FR"),
        addressee: hub("EEAS"),
        up_to: ITEM,
        time: MADE,
    };
    let notice = Notice::sign(withdrawn, fr.payload.classical(), realm);
    write("retracted.notice", &notice.to_bytes());
    let lost = OwnActFields {
        member: hub("FR"),
        counter: 2,
        previous: charter.certificate_act(hub("FR")).unwrap().1.hash(),
        made: MADE,
        deed: OwnDeed::Revoke {
            kind: KeyKind::Cosigning,
            key: Hash::new(fr.cosigning.verifying_key().to_bytes()),
            since: MADE,
        },
    };
    let revoked = OwnAct::sign(lost, &root(0), realm).unwrap();
    write(
        "certify.own-act",
        charter.certificate_act(hub("FR")).unwrap().1.to_bytes(),
    );
    write("revoke.own-act", revoked.to_bytes());
    let consented = ConsentFields {
        originator: hub("FR"),
        item: ITEM,
        body_hash: Digest::of(&bundle()).into(),
        holder: hub("EEAS"),
        recipient: hub("SE"),
        until: MADE.plus_millis(1_000_000),
        purpose: "onward".to_owned(),
    };
    let token = ConsentToken::sign(consented, fr.payload.classical(), realm);
    write("forward.consent", &token.to_bytes());
    let hello = Control::Hello {
        realm: realm.tag().into(),
        charter: charter.version(),
    };
    write("hello.frame", &Message::Control(hello).to_frame());
}
