//! The federation of the simulation: ten hubs of every class, under a charter that all voters signed.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use testudo_core::keys::HubKeys;
use testudo_crypto::commit::Salt;
use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::{Note, NoteSigner, NoteVerifier};
use testudo_crypto::seal::Identity;
use testudo_crypto::sign::composite::CompositeSigningKey;
use testudo_policies::engine::Engine;
use testudo_policies::gate::Gate;
use testudo_policies::layers::{LayerSource, Layers, PolicyFile};
use testudo_protocol::charter::{
    ActKind, Charter, DAY_SECONDS, Draft, Founding, Governance, Heartbeat, KeyCertificate, Member, Status,
    Voter, signer_name, to_text,
};
use testudo_protocol::envelope::Suite;
use testudo_protocol::id::{Hash, HubId, Timestamp};
use testudo_protocol::label::Class;
use testudo_protocol::ledger::Ledger;
use testudo_protocol::realm::Realm;

/// When the federation is founded, a little before every run.
pub const FOUNDED: Timestamp = Timestamp::from_seconds(1_789_999_900);

/// When every run begins.
pub const BEGIN: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// How long its first versions are valid, in days: longer than every run.
const VALID_DAYS: u64 = 360;

/// When every root key certified its hub's first keys, Unix seconds: before every run.
const CERTIFIED: u64 = 1_700_000_000;

/// Until when they are certified, Unix seconds: long after every run.
const CERTIFIED_UNTIL: u64 = 2_000_000_000;

/// One member as the table below gives it.
struct Seat {
    code: &'static str,
    class: Class,
    sponsors: &'static [&'static str],
    communities: &'static [&'static str],
    caps: &'static [&'static str],
    transfer_basis: bool,
}

/// Who votes.
pub const VOTERS: [&str; 6] = ["FR", "DE", "PL", "SE", "RO", "EEAS"];

/// A sponsorship that ends before every run: partner and sponsor.
const LAPSED: (&str, &str) = ("GE", "PL");

/// Everyone. GE has a single sponsor left, so that rule R-10a denies it everything.
const SEATS: [Seat; 10] = [
    Seat {
        code: "FR",
        class: Class::MemberState,
        sponsors: &[],
        communities: &["core", "elections", "health"],
        caps: &["expiry", "purge"],
        transfer_basis: true,
    },
    Seat {
        code: "DE",
        class: Class::MemberState,
        sponsors: &[],
        communities: &["core", "elections"],
        caps: &["expiry", "purge"],
        transfer_basis: true,
    },
    Seat {
        code: "PL",
        class: Class::MemberState,
        sponsors: &[],
        communities: &["core", "elections"],
        caps: &["expiry"],
        transfer_basis: true,
    },
    Seat {
        code: "SE",
        class: Class::MemberState,
        sponsors: &[],
        communities: &["core", "health"],
        caps: &["expiry", "purge"],
        transfer_basis: true,
    },
    Seat {
        code: "RO",
        class: Class::MemberState,
        sponsors: &[],
        communities: &["core", "elections"],
        caps: &["expiry", "purge"],
        transfer_basis: true,
    },
    Seat {
        code: "EEAS",
        class: Class::EuInstitution,
        sponsors: &[],
        communities: &["core", "elections", "health"],
        caps: &["expiry", "purge"],
        transfer_basis: true,
    },
    Seat {
        code: "MD",
        class: Class::Associated,
        sponsors: &["FR", "RO"],
        communities: &["elections"],
        caps: &["expiry", "purge"],
        transfer_basis: true,
    },
    Seat {
        code: "GE",
        class: Class::Associated,
        sponsors: &["DE", "PL"],
        communities: &["elections"],
        caps: &["expiry"],
        transfer_basis: false,
    },
    Seat {
        code: "CA",
        class: Class::Likeminded,
        sponsors: &["FR", "DE", "PL"],
        communities: &["elections"],
        caps: &["expiry"],
        transfer_basis: false,
    },
    Seat {
        code: "NGO",
        class: Class::Stakeholder,
        sponsors: &["SE"],
        communities: &[],
        caps: &[],
        transfer_basis: false,
    },
];

/// The X25519 identity of every hub: suite 1 is not written here, and none can be drawn from a seed.
const CLASSICAL: &str = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZ9K4CN";

/// A national policy that a hub may come back with: it gives nothing to CA any more.
const NATIONAL: &str = r#"
@id("N-CA")
@reason("National policy gives nothing to this receiver.")
@basis("national policy, simulation")
forbid (
  principal,
  action in Action::"disclose",
  resource
)
when { principal.code == "CA" };

@id("N-DEFAULT")
@reason("National policy adds no other restriction.")
@basis("national policy, simulation")
permit (principal, action, resource);
"#;

/// The rule of that policy.
pub const NATIONAL_RULE: &str = "N-CA";

/// Which national policy a hub runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum National {
    /// None of its own.
    Open,
    /// The one that denies CA.
    Strict,
}

/// What all hubs of all runs share: policies and charter.
pub struct Federation {
    open: Engine,
    strict: Engine,
    governance: Governance,
    charter: Charter,
    codes: Vec<HubId>,
}

/// A hub code of this federation.
pub fn hub(code: &str) -> HubId {
    code.parse().expect("a hub code")
}

/// Federation and realm.
pub fn realm() -> Realm {
    Realm::new("simulation", "live").expect("a realm's name")
}

/// The root key of the hub at a place of the table.
fn root_key(at: u8) -> SigningKey {
    SigningKey::from_seed([at * 16 + 7; 32])
}

impl Federation {
    /// The one federation, made on first use.
    pub fn get() -> &'static Self {
        static FEDERATION: OnceLock<Federation> = OnceLock::new();
        FEDERATION.get_or_init(Self::found)
    }

    fn found() -> Self {
        let open = Engine::embedded().expect("the compiled-in policies load");
        let national = LayerSource::Files(vec![PolicyFile::new("own.cedar", NATIONAL)]);
        let strict = Engine::load(&Layers::embedded().with_national(national));
        let governance = Self::governance_of(&open, |_| {});
        let charter = governance.charter(BEGIN);
        Self {
            open,
            strict: strict.expect("the national policy loads"),
            governance,
            charter,
            codes: SEATS.iter().map(|seat| hub(seat.code)).collect(),
        }
    }

    /// The charter as it would be had each member been changed before the voters signed.
    ///
    /// A federation begins with active members: other standings are acts and a second directory, which all voters sign.
    pub fn charter_with(&self, at: Timestamp, mut change: impl FnMut(&mut Member)) -> Charter {
        let mut standings = BTreeMap::new();
        let mut governance = Self::governance_of(&self.open, |member| {
            change(member);
            standings.insert(member.code, std::mem::replace(&mut member.status, Status::Active));
        });
        let (made, valid_until) = (
            FOUNDED.seconds() + 1,
            FOUNDED.seconds() + VALID_DAYS * DAY_SECONDS,
        );
        let mut directory = governance.next_directory(made, valid_until);
        let listed = |status: &Status| !matches!(status, Status::Active | Status::Held);
        for member in &mut directory.members {
            let standing = standings.get(&member.code).filter(|status| listed(status));
            member.status = standing.copied().unwrap_or(Status::Active);
        }
        let mut texts = vec![to_text(&directory)];
        for (code, _) in standings.iter().filter(|(_, status)| **status == Status::Held) {
            texts.push(to_text(&governance.draft_act(
                ActKind::Hold,
                *code,
                at.seconds(),
                "drawn",
            )));
        }
        for text in texts {
            let mut draft = Draft::new(text);
            self.vote(&mut draft, &VOTERS);
            governance
                .take(&draft.to_bytes(), at)
                .expect("all voters have signed");
        }
        for code in VOTERS.map(hub) {
            let key = self.keys(code).payload;
            let beat = Heartbeat::sign(code, governance.heads(), at, key.classical(), governance.realm());
            let charter = governance.charter(at);
            (governance.take_heartbeat(beat, &charter, at)).expect("a voter's");
        }
        governance.charter(at)
    }

    /// What the members have signed before the run.
    pub fn governance(&self) -> &Governance {
        &self.governance
    }

    fn governance_of(engine: &Engine, change: impl FnMut(&mut Member)) -> Governance {
        let mut members: Vec<Member> = (0u8..).zip(&SEATS).map(|(at, seat)| seat.member(at)).collect();
        members.iter_mut().for_each(change);
        let votes = |seat: &Seat| matches!(seat.class, Class::MemberState | Class::EuInstitution);
        let voters = (0u8..).zip(&SEATS).filter(|(_, seat)| votes(seat));
        let founding = Founding {
            realm: realm(),
            issued: FOUNDED.seconds(),
            valid_seconds: VALID_DAYS * DAY_SECONDS,
            suites: vec![Suite::Hybrid],
            baseline: Hash::new(*engine.baseline_hash().as_bytes()),
            voters: voters.map(|(at, seat)| seat.voter(at)).collect(),
            members,
        };
        let mut drafts = founding.drafts();
        for draft in &mut drafts {
            for (at, seat) in (0u8..).zip(&SEATS).filter(|(_, seat)| votes(seat)) {
                seat.vote(at, draft);
            }
        }
        let notes: Vec<Vec<u8>> = drafts.iter().map(Draft::to_bytes).collect();
        Governance::found(&notes, FOUNDED).expect("all voters have signed")
    }

    /// Adds the votes of some members to a draft.
    pub fn vote(&self, draft: &mut Draft, voters: &[&str]) {
        for (at, seat) in (0u8..).zip(&SEATS) {
            if voters.contains(&seat.code) {
                seat.vote(at, draft);
            }
        }
    }

    /// The codes of all hubs, in the order of the table.
    pub fn codes(&self) -> &[HubId] {
        &self.codes
    }

    /// The charter.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The policies of a hub.
    pub fn engine(&self, national: National) -> &Engine {
        match national {
            National::Open => &self.open,
            National::Strict => &self.strict,
        }
    }

    /// A gate for one hub.
    pub fn gate(&self, national: National) -> Gate {
        self.gate_under(national, self.charter.clone())
    }

    /// A gate under what a hub has learned since.
    pub fn gate_under(&self, national: National, charter: Charter) -> Gate {
        let engine = self.engine(national).clone();
        Gate::new(engine, charter).expect("the charter names this baseline")
    }

    /// The secrets of one hub, the same at each call.
    pub fn keys(&self, code: HubId) -> HubKeys {
        let at = self.place(code);
        SEATS[usize::from(at)].keys(at)
    }

    /// The root key of one hub.
    pub fn root_key(&self, code: HubId) -> SigningKey {
        root_key(self.place(code))
    }

    /// Other keys of daily work for one hub, the same at each call.
    pub fn other_keys(&self, code: HubId) -> HubKeys {
        let at = self.place(code);
        let key = |purpose: u8| SigningKey::from_seed([at * 16 + purpose; 32]);
        HubKeys {
            payload: CompositeSigningKey::from_seed([at * 16 + 8; 64]),
            ledger: Arc::new(key(9)),
            cosigning: key(10),
            ..SEATS[usize::from(at)].keys(at)
        }
    }

    fn place(&self, code: HubId) -> u8 {
        let at = self.codes.iter().position(|known| *known == code);
        at.expect("a member of the federation") as u8
    }

    /// What verifies this checkpoint of one hub: the key that it began with, or the one that took its place.
    pub fn ledger_verifier(&self, code: HubId, note: &[u8]) -> NoteVerifier {
        let keys = [self.keys(code), self.other_keys(code)];
        let [first, second] = keys.map(|keys| {
            NoteVerifier::new(self.ledger_origin(code), keys.ledger.verifying_key())
                .expect("a ledger's origin is a key name")
        });
        let is_of_second = Note::parse(note).and_then(|note| note.verify(std::slice::from_ref(&second)));
        if is_of_second.is_ok() { second } else { first }
    }

    /// The origin line of one hub's ledger.
    pub fn ledger_origin(&self, code: HubId) -> String {
        Ledger::origin_of(self.charter.realm(), code)
    }
}

impl Seat {
    fn keys(&self, at: u8) -> HubKeys {
        let key = |purpose: u8| SigningKey::from_seed([at * 16 + purpose; 32]);
        HubKeys {
            transport: key(1),
            payload: CompositeSigningKey::from_seed([at * 16 + 2; 64]),
            ledger: Arc::new(key(3)),
            cosigning: key(6),
            identity: Identity::generate_hybrid(&mut Entropy::from_seed([at * 16 + 5; 32])),
            classical: Identity::from_secret(CLASSICAL).expect("an identity"),
            audience: Salt::from_bytes([at; 32]),
        }
    }

    fn certificate(&self, at: u8) -> KeyCertificate {
        let certified = self.keys(at).certify(
            hub(self.code),
            &realm(),
            &root_key(at),
            Timestamp::from_seconds(CERTIFIED),
            CERTIFIED_UNTIL,
        );
        certified.expect("a key at hand signs")
    }

    /// The three governance keys of a voter.
    fn governance_keys(at: u8) -> [SigningKey; 3] {
        [13, 14, 15].map(|purpose| SigningKey::from_seed([at * 16 + purpose; 32]))
    }

    fn voter(&self, at: u8) -> Voter {
        Voter {
            code: hub(self.code),
            keys: Self::governance_keys(at).map(|key| Hash::new(key.verifying_key().to_bytes())),
        }
    }

    /// Signs with two of the three keys.
    fn vote(&self, at: u8, draft: &mut Draft) {
        let [one, other, _] = Self::governance_keys(at);
        for key in [one, other] {
            let signer = NoteSigner::new(signer_name(&realm(), hub(self.code)), &key);
            draft
                .sign(&signer.expect("a signer's name"))
                .expect("a draft is text");
        }
    }

    fn sponsored_until(&self, sponsor: &str) -> u64 {
        let days = if (self.code, sponsor) == LAPSED {
            0
        } else {
            VALID_DAYS
        };
        FOUNDED.seconds() + 1 + days * DAY_SECONDS
    }

    fn member(&self, at: u8) -> Member {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Member {
            code: hub(self.code),
            class: self.class,
            status: Status::Active,
            eu_member: matches!(self.class, Class::MemberState | Class::EuInstitution),
            accredited_level: 2,
            soi_level: 2,
            sponsors: (self.sponsors.iter())
                .map(|code| (hub(code), self.sponsored_until(code)))
                .collect(),
            transfer_basis: self.transfer_basis,
            communities: texts(self.communities),
            exercises: Default::default(),
            caps: texts(self.caps),
            tags: BTreeMap::new(),
            keys: self.keys(at).public(),
            certificate: self.certificate(at),
            address: ([127, 0, 0, 1], 4_000 + u16::from(at)).into(),
        }
    }
}
