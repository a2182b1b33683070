//! A federation of three for the tests of this crate: FR, EEAS and MD.

use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::{Note, NoteSigner};
use testudo_crypto::seal::Identity;
use testudo_crypto::sign::composite::CompositeSigningKey;

use crate::charter::{
    Charter, CharterDocument, KeyCertificate, Member, MemberKeys, OperationalKeys, OwnAct, OwnActFields,
    OwnDeed, Status, Voter,
};
use crate::envelope::Suite;
use crate::id::{CharterVersion, Hash, HubId, Timestamp};
use crate::label::Class;
use crate::realm::Realm;

/// The secrets of one member.
pub struct Secrets {
    /// What they differ by.
    pub seed: u8,
    /// Payload key.
    pub payload: CompositeSigningKey,
    /// Governance key.
    pub governance: SigningKey,
    /// Identity.
    pub identity: Identity,
    /// Identity of suite 1.
    pub classical: Identity,
    keys: MemberKeys,
}

/// Secrets that differ by `seed`.
pub fn secrets(seed: u8) -> Secrets {
    let key = |purpose: u8| SigningKey::from_seed([seed.wrapping_mul(16).wrapping_add(purpose); 32]);
    let public = |purpose: u8| Hash::new(key(purpose).verifying_key().to_bytes());
    let payload = CompositeSigningKey::from_seed([seed.wrapping_mul(16).wrapping_add(2); 64]);
    let both = payload.verifying_key().to_bytes();
    let identity = identity(seed);
    let classical = Identity::x25519_generate();
    let keys = MemberKeys {
        transport: public(1),
        payload: Hash::new(payload.classical().verifying_key().to_bytes()),
        payload_pq: testudo_crypto::digest::hex(&both[32..]),
        ledger: public(3),
        cosigning: public(6),
        governance: public(4),
        recipient: identity.recipient().to_string(),
        recipient_classical: classical.recipient().to_string(),
    };
    Secrets {
        seed,
        payload,
        governance: key(4),
        identity,
        classical,
        keys,
    }
}

/// A root key that differs by `seed`.
pub fn root_key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed.wrapping_mul(16).wrapping_add(7); 32])
}

/// Keys of daily work that differ by `seed`.
pub fn operational(seed: u8) -> OperationalKeys {
    secrets(seed).keys.operational()
}

/// The first certificate of a root key over these keys.
pub fn certificate(member: HubId, keys: &MemberKeys, root: &SigningKey) -> KeyCertificate {
    let fields = OwnActFields {
        member,
        counter: 1,
        previous: Hash::new([0; 32]),
        made: Timestamp::from_seconds(1_700_000_000),
        deed: OwnDeed::Certify {
            keys: Box::new(keys.operational()),
            valid_until: 2_000_000_000,
        },
    };
    let realm = Realm::new("test", "live").unwrap();
    let act = OwnAct::sign(fields, root, &realm).unwrap();
    KeyCertificate::of(&act, &root.verifying_key()).unwrap()
}

/// A hybrid identity that differs by `seed`.
pub fn identity(seed: u8) -> Identity {
    Identity::generate_hybrid(&mut Entropy::from_seed([seed; 32]))
}

/// A code.
pub fn hub(code: &str) -> HubId {
    code.parse().unwrap()
}

/// A member with these secrets.
pub fn member(code: &str, class: Class, secrets: &Secrets) -> Member {
    Member {
        code: hub(code),
        class,
        status: Status::Active,
        eu_member: matches!(class, Class::MemberState | Class::EuInstitution),
        accredited_level: 2,
        soi_level: 2,
        sponsors: Default::default(),
        transfer_basis: true,
        communities: Default::default(),
        exercises: Default::default(),
        caps: Default::default(),
        tags: Default::default(),
        keys: secrets.keys.clone(),
        certificate: certificate(hub(code), &secrets.keys, &root_key(secrets.seed)),
        address: "127.0.0.1:4001".parse().unwrap(),
    }
}

/// FR, EEAS and MD with their secrets, and the text that FR and EEAS have to sign.
pub fn document() -> (CharterDocument, [Secrets; 3]) {
    let all = [secrets(1), secrets(2), secrets(3)];
    let [fr, eeas, md] = &all;
    let mut partner = member("MD", Class::Associated, md);
    partner.sponsors = [hub("FR"), hub("EEAS")].into();
    let members = vec![
        member("FR", Class::MemberState, fr),
        member("EEAS", Class::EuInstitution, eeas),
        partner,
    ];
    let voter = |member: &Member| Voter {
        code: member.code,
        governance: member.keys.governance,
    };
    let document = CharterDocument {
        federation: "test".to_owned(),
        realm: "live".to_owned(),
        version: CharterVersion::new(1),
        valid_until: 2_000_000_000,
        suites: vec![Suite::Hybrid, Suite::Classical],
        policies: Hash::new([0; 32]),
        voters: members.iter().take(2).map(voter).collect(),
        members,
    };
    (document, all)
}

/// Signs a document as the given voters.
pub fn signed(document: &CharterDocument, voters: &[(&str, &Secrets)]) -> Vec<u8> {
    let signers: Vec<_> = (voters.iter())
        .map(|(code, secrets)| NoteSigner::new(document.signer_name(hub(code)), &secrets.governance).unwrap())
        .collect();
    Note::sign(document.to_text(), &signers.iter().collect::<Vec<_>>())
        .unwrap()
        .to_bytes()
}

/// The verified charter and everyone's secrets, in the order FR, EEAS, MD.
pub fn charter() -> (Charter, [Secrets; 3]) {
    let (document, all) = document();
    let file = signed(&document, &[("FR", &all[0]), ("EEAS", &all[1])]);
    (Charter::verify(&file).unwrap(), all)
}
