//! A federation of three for the tests of this crate: FR, EEAS and MD.

use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::NoteSigner;
use testudo_crypto::seal::Identity;
use testudo_crypto::sign::composite::CompositeSigningKey;

use crate::charter::{
    Charter, DAY_SECONDS, Draft, Founding, Governance, KeyCertificate, Member, MemberKeys, OperationalKeys,
    OwnAct, OwnActFields, OwnDeed, Status, Voter, signer_name,
};
use crate::envelope::Suite;
use crate::id::{Hash, HubId, Timestamp};
use crate::label::Class;
use crate::realm::Realm;

/// When the federation of the fixture is founded.
pub const FOUNDED: Timestamp = Timestamp::from_seconds(1_799_900_000);

/// The secrets of one member.
pub struct Secrets {
    /// What they differ by.
    pub seed: u8,
    /// Payload key.
    pub payload: CompositeSigningKey,
    /// Governance keys.
    pub governance: [SigningKey; 3],
    /// Identity.
    pub identity: Identity,
    /// Identity of suite 1.
    pub classical: Identity,
    keys: MemberKeys,
}

/// Secrets that differ by `seed`.
pub fn secrets(seed: u8) -> Secrets {
    let bytes = |purpose: u8| {
        let mut bytes = [purpose; 32];
        bytes[0] = seed;
        bytes
    };
    let key = |purpose: u8| SigningKey::from_seed(bytes(purpose));
    let public = |purpose: u8| Hash::new(key(purpose).verifying_key().to_bytes());
    let both: [u8; 64] = [bytes(2), bytes(8)].concat().try_into().unwrap();
    let payload = CompositeSigningKey::from_seed(both);
    let both = payload.verifying_key().to_bytes();
    let identity = identity(seed);
    let classical = Identity::x25519_generate();
    let keys = MemberKeys {
        transport: public(1),
        payload: Hash::new(payload.classical().verifying_key().to_bytes()),
        payload_pq: testudo_crypto::digest::hex(&both[32..]),
        ledger: public(3),
        cosigning: public(9),
        recipient: identity.recipient().to_string(),
        recipient_classical: classical.recipient().to_string(),
    };
    Secrets {
        seed,
        payload,
        governance: [5, 6, 7].map(key),
        identity,
        classical,
        keys,
    }
}

/// A root key that differs by `seed`.
pub fn root_key(seed: u8) -> SigningKey {
    let mut bytes = [10; 32];
    bytes[0] = seed;
    SigningKey::from_seed(bytes)
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
    let act = OwnAct::sign(fields, root, &realm()).unwrap();
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

/// The realm of the fixture.
pub fn realm() -> Realm {
    Realm::new("test", "live").unwrap()
}

/// A voter with these secrets.
pub fn voter(code: &str, secrets: &Secrets) -> Voter {
    let public = |key: &SigningKey| Hash::new(key.verifying_key().to_bytes());
    Voter {
        code: hub(code),
        keys: secrets.governance.each_ref().map(public),
    }
}

/// FR, EEAS and MD with their secrets, and what FR and EEAS have to sign.
pub fn founding() -> (Founding, [Secrets; 3]) {
    let all = [secrets(1), secrets(2), secrets(3)];
    let [fr, eeas, md] = &all;
    let mut partner = member("MD", Class::Associated, md);
    let until = FOUNDED.seconds() + 360 * DAY_SECONDS;
    partner.sponsors = [(hub("FR"), until), (hub("EEAS"), until)].into();
    let founding = Founding {
        realm: realm(),
        issued: FOUNDED.seconds(),
        valid_seconds: 360 * DAY_SECONDS,
        suites: vec![Suite::Hybrid, Suite::Classical],
        baseline: Hash::new([0; 32]),
        voters: vec![voter("FR", fr), voter("EEAS", eeas)],
        members: vec![
            member("FR", Class::MemberState, fr),
            member("EEAS", Class::EuInstitution, eeas),
            partner,
        ],
    };
    (founding, all)
}

/// Signs a draft with one governance key, counted from 0.
pub fn sign_with(draft: &mut Draft, code: &str, secrets: &Secrets, key: usize) {
    let signer = NoteSigner::new(signer_name(&realm(), hub(code)), &secrets.governance[key]).unwrap();
    draft.sign(&signer).unwrap();
}

/// Adds the votes of these members to a draft: two keys each.
pub fn vote(draft: &mut Draft, voters: &[(&str, &Secrets)]) {
    for (code, secrets) in voters {
        sign_with(draft, code, secrets, 0);
        sign_with(draft, code, secrets, 1);
    }
}

/// The notes with which a federation begins, signed by the given voters.
pub fn signed(founding: Founding, voters: &[(&str, &Secrets)]) -> Vec<Vec<u8>> {
    let mut drafts = founding.drafts();
    for draft in &mut drafts {
        vote(draft, voters);
    }
    drafts.iter().map(Draft::to_bytes).collect()
}

/// What FR and EEAS have founded, and everyone's secrets, in the order FR, EEAS, MD.
pub fn governance() -> (Governance, [Secrets; 3]) {
    let (founding, all) = founding();
    let notes = signed(founding, &[("FR", &all[0]), ("EEAS", &all[1])]);
    (Governance::found(&notes, FOUNDED).unwrap(), all)
}

/// The effective charter and everyone's secrets, in the order FR, EEAS, MD.
pub fn charter() -> (Charter, [Secrets; 3]) {
    let (governance, all) = governance();
    (governance.charter(FOUNDED), all)
}
