//! A charter whose signatures, members and validity have been checked.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::digest::Digest;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::note::{Note, NoteError, NoteVerifier};

use super::document::CharterDocument;
use super::keyring::Keyring;
use super::member::{Member, Status};
use super::own_act::OwnAct;
use crate::envelope::Suite;
use crate::id::{CharterVersion, Hash, HubId, Timestamp};
use crate::label::Class;
use crate::realm::Realm;

/// Most members of one charter.
pub const MEMBERS_MAX: usize = 2_000;

/// A verified charter. Made only by [`Charter::verify`].
///
/// ```compile_fail
/// # use testudo_protocol::charter::Charter;
/// let forged = Charter { document: unreachable!(), realm: unreachable!(), members: unreachable!(), certificates: unreachable!(), keyrings: unreachable!(), writes: unreachable!(), fingerprint: unreachable!() };
/// ```
#[derive(Clone, Debug)]
pub struct Charter {
    pub(super) document: CharterDocument,
    pub(super) realm: Realm,
    /// As the members' own acts leave them.
    pub(super) members: BTreeMap<HubId, Member>,
    /// Root keys and certificates as the voters signed them.
    pub(super) certificates: BTreeMap<HubId, (VerifyingKey, OwnAct)>,
    pub(super) keyrings: BTreeMap<HubId, Keyring>,
    writes: Suite,
    fingerprint: Hash,
}

/// Why a file is not a charter that can be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CharterError {
    /// Not a signed note.
    #[error("charter is not a signed note")]
    Note(#[from] NoteError),
    /// The text is not the JSON that a charter is.
    #[error("charter text is not as expected at line {line} column {column}")]
    Text {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// Voters whose signature is missing.
    #[error("charter lacks the signatures of {}; version 1 needs all {voters} voters", list(.missing))]
    Unsigned {
        /// Who has not signed.
        missing: Vec<HubId>,
        /// How many voters there are.
        voters: usize,
    },
    /// A member entry is wrong.
    #[error("charter entry of {code}: {what}")]
    Member {
        /// Which member.
        code: HubId,
        /// What is wrong.
        what: &'static str,
    },
    /// Federation or realm name is malformed, there is nobody in it, or there are too many.
    #[error("charter: {what}")]
    Shape {
        /// What is wrong.
        what: &'static str,
    },
}

fn list(codes: &[HubId]) -> String {
    codes.iter().map(HubId::to_string).collect::<Vec<_>>().join(", ")
}

impl Charter {
    /// Checks a charter file: every voter's signature, every member's entry.
    ///
    /// Expiry is not checked here, since governance must work past it: see [`Self::is_fresh`].
    ///
    /// # Errors
    /// [`CharterError`] names the voter or member and what is missing.
    pub fn verify(file: &[u8]) -> Result<Self, CharterError> {
        let note = Note::parse(file)?;
        let document: CharterDocument =
            serde_json::from_str(note.text()).map_err(|error| CharterError::Text {
                line: error.line(),
                column: error.column(),
            })?;
        let writes = check_suites(&document)?;
        let realm = Realm::new(&document.federation, &document.realm).map_err(|_| CharterError::Shape {
            what: "federation or realm name is malformed",
        })?;
        let members = check_members(&document)?;
        let certificates = check_certificates(&document, &realm)?;
        check_voters(&document, &members)?;
        check_signatures(&note, &document)?;
        let keyring = |act: &OwnAct| Keyring::of(std::iter::once(act.fields()));
        let keyrings = (certificates.iter())
            .map(|(code, (_, act))| (*code, keyring(act)))
            .collect();
        let fingerprint = Hash::from(Digest::of(note.text().as_bytes()));
        Ok(Self {
            document,
            realm,
            members,
            certificates,
            keyrings,
            writes,
            fingerprint,
        })
    }

    /// Federation and realm.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The version.
    pub fn version(&self) -> CharterVersion {
        self.document.version
    }

    /// SHA-256 of the signed text: what operators compare by telephone.
    pub fn fingerprint(&self) -> Hash {
        self.fingerprint
    }

    /// The hash of the baseline policies that members agreed on.
    pub fn policies(&self) -> Hash {
        self.document.policies
    }

    /// Whether the charter is still valid.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.seconds() < self.document.valid_until
    }

    /// When it ceases to be valid.
    pub fn valid_until(&self) -> Timestamp {
        Timestamp::from_seconds(self.document.valid_until)
    }

    /// A member.
    pub fn member(&self, code: HubId) -> Option<&Member> {
        self.members.get(&code)
    }

    /// Every member, by code.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Sponsors of a member that are active voters themselves.
    pub fn active_sponsors(&self, member: &Member) -> usize {
        let voters: BTreeSet<_> = self.document.voters.iter().map(|voter| voter.code).collect();
        let active = |code: &&HubId| {
            self.member(**code)
                .is_some_and(|sponsor| sponsor.status == Status::Active)
        };
        member
            .sponsors
            .iter()
            .filter(|code| voters.contains(code))
            .filter(active)
            .count()
    }

    /// The suite that hubs write.
    pub fn writes(&self) -> Suite {
        self.writes
    }

    /// Whether hubs read a suite.
    pub fn reads(&self, suite: Suite) -> bool {
        self.document.suites.contains(&suite)
    }
}

/// The suite to write: the first of a list without repeats.
fn check_suites(document: &CharterDocument) -> Result<Suite, CharterError> {
    let distinct: BTreeSet<_> = document.suites.iter().collect();
    match document.suites.first() {
        Some(first) if distinct.len() == document.suites.len() => Ok(*first),
        _ => Err(CharterError::Shape {
            what: "suites must name the one to write, then others to read, each once",
        }),
    }
}

/// Every member's root key, and its certificate over the keys in its entry.
fn check_certificates(
    document: &CharterDocument,
    realm: &Realm,
) -> Result<BTreeMap<HubId, (VerifyingKey, OwnAct)>, CharterError> {
    let mut roots = BTreeSet::new();
    let mut certificates = BTreeMap::new();
    for member in &document.members {
        let code = member.code;
        let wrong = |what| CharterError::Member { code, what };
        let certified = (member.certificate.root_key())
            .zip(member.certificate.verified(code, &member.keys, realm))
            .ok_or_else(|| wrong("its root key does not certify its keys"))?;
        if !roots.insert(member.certificate.root) {
            return Err(wrong("its root key is another member's too"));
        }
        certificates.insert(code, certified);
    }
    let used = |root: &Hash| {
        document
            .members
            .iter()
            .find(|member| member.keys.all().contains(root))
    };
    match roots.iter().find_map(used) {
        Some(member) => Err(CharterError::Member {
            code: member.code,
            what: "works with the root key of another member",
        }),
        None => Ok(certificates),
    }
}

fn check_members(document: &CharterDocument) -> Result<BTreeMap<HubId, Member>, CharterError> {
    if document.members.is_empty() || document.members.len() > MEMBERS_MAX {
        return Err(CharterError::Shape {
            what: "there must be 1 to 2,000 members",
        });
    }
    let mut members = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for member in &document.members {
        let wrong = |what| CharterError::Member {
            code: member.code,
            what,
        };
        if !member.keys.are_sound() {
            return Err(wrong("a key is weak, malformed or used for two purposes"));
        }
        if !member.keys.all().into_iter().all(|key| keys.insert(key)) {
            return Err(wrong("a key is used by another member too"));
        }
        if member.accredited_level > 6 || member.soi_level > 6 || member.tags.values().any(|level| *level > 6)
        {
            return Err(wrong("levels are 0 to 6"));
        }
        let european = matches!(member.class, Class::MemberState | Class::EuInstitution);
        if european != member.eu_member && !matches!(member.class, Class::Stakeholder) {
            return Err(wrong("euMember does not fit the class"));
        }
        if members.insert(member.code, member.clone()).is_some() {
            return Err(wrong("listed twice"));
        }
    }
    Ok(members)
}

fn check_voters(document: &CharterDocument, members: &BTreeMap<HubId, Member>) -> Result<(), CharterError> {
    if document.voters.is_empty() {
        return Err(CharterError::Shape {
            what: "there are no voters",
        });
    }
    let mut seen = BTreeSet::new();
    for voter in &document.voters {
        let wrong = |what| CharterError::Member {
            code: voter.code,
            what,
        };
        let member = members
            .get(&voter.code)
            .ok_or_else(|| wrong("votes without being a member"))?;
        if !matches!(member.class, Class::MemberState | Class::EuInstitution) {
            return Err(wrong("only member states and EU institutions vote"));
        }
        if member.keys.governance != voter.governance {
            return Err(wrong("votes with another key than its member entry names"));
        }
        if !seen.insert(voter.code) {
            return Err(wrong("votes twice"));
        }
    }
    Ok(())
}

fn check_signatures(note: &Note, document: &CharterDocument) -> Result<(), CharterError> {
    let verifiers: Vec<_> = (document.voters.iter())
        .filter_map(|voter| {
            let key = VerifyingKey::from_bytes(voter.governance.as_bytes()).ok()?;
            NoteVerifier::new(document.signer_name(voter.code), key).ok()
        })
        .collect();
    let signed: BTreeSet<String> = match note.verify(&verifiers) {
        Ok(verified) => verified.signers().iter().cloned().collect(),
        Err(NoteError::NoKnownSigner) => BTreeSet::new(),
        Err(other) => return Err(other.into()),
    };
    let missing: Vec<HubId> = (document.voters.iter().map(|voter| voter.code))
        .filter(|code| !signed.contains(&document.signer_name(*code)))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(CharterError::Unsigned {
            missing,
            voters: document.voters.len(),
        })
    }
}

#[cfg(test)]
mod tests;
