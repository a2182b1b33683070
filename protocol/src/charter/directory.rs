//! The directory: every member, its class, its standing, its agreements and its keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::act::ActKind;
use super::constitution::check_validity;
use super::error::TextError;
use super::kind::{Chain, Kind, Place, Versioned};
use super::member::{Member, Status};
use crate::id::{CharterVersion, Hash, HubId};
use crate::label::Class;
use crate::realm::Realm;

/// Most members of one directory.
pub const MEMBERS_MAX: usize = 2_000;

/// Longest validity of a directory, in days: twelve months.
pub const DIRECTORY_DAYS_MAX: u64 = 366;

/// Longest time for which a sponsor answers before it has to be asked again, in days.
pub const SPONSOR_DAYS_MAX: u64 = 366;

/// Most acts that one version ends.
pub const LIFTS_MAX: usize = 1_000;

/// An act that ends with this version: because a member is resumed, or because its entry now says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// SHA-256 of the act's text.
    pub act: Hash,
    /// What it did.
    pub kind: ActKind,
    /// To whom.
    pub target: HubId,
}

/// A directory as readable JSON; its exact text is what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Directory {
    /// `directory`.
    pub kind: Kind,
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// The version, from 1.
    pub version: CharterVersion,
    /// SHA-256 of the text of the version before.
    pub previous: Option<Hash>,
    /// When it was drafted, Unix seconds.
    pub issued: u64,
    /// End of validity, Unix seconds.
    pub valid_until: u64,
    /// The acts that end with it.
    pub lifts: Vec<Lift>,
    /// Every member there ever was.
    pub members: Vec<Member>,
}

impl Versioned for Directory {
    fn place(&self) -> Place {
        Place {
            chain: Chain::Directory,
            version: self.version,
            previous: self.previous,
            issued: self.issued,
        }
    }
}

impl Directory {
    /// A member's entry.
    pub fn member(&self, code: HubId) -> Option<&Member> {
        self.members.iter().find(|member| member.code == code)
    }

    /// The entries by code.
    pub(super) fn by_code(&self) -> BTreeMap<HubId, &Member> {
        self.members.iter().map(|member| (member.code, member)).collect()
    }

    /// Checks the text by itself.
    pub(super) fn check(&self) -> Result<(), TextError> {
        let shape = |what| Err(TextError::Shape { what });
        let is_first = self.version == CharterVersion::new(1);
        if is_first == self.previous.is_some() {
            return shape("a directory names the version before it, and version 1 none");
        }
        if self.members.is_empty() || self.members.len() > MEMBERS_MAX {
            return shape("there must be 1 to 2,000 members");
        }
        if self.lifts.len() > LIFTS_MAX {
            return shape("a directory ends at most 1,000 acts");
        }
        check_validity(
            Chain::Directory,
            (self.issued, self.valid_until),
            DIRECTORY_DAYS_MAX,
        )?;
        self.check_members()
    }

    fn check_members(&self) -> Result<(), TextError> {
        let realm = Realm::new(&self.federation, &self.realm).map_err(|_| TextError::Shape {
            what: "federation or realm name is malformed",
        })?;
        let mut codes = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for member in &self.members {
            let wrong = |what| TextError::Member {
                code: member.code,
                what,
            };
            if !codes.insert(member.code) {
                return Err(wrong("listed twice"));
            }
            check_member(member, &realm).map_err(wrong)?;
            // A root key is nobody's key of daily work, and nobody else's root key.
            let own = member.keys.all().into_iter().chain([member.certificate.root]);
            for key in own {
                if !keys.insert(key) {
                    return Err(wrong("a key is used by another member too"));
                }
            }
        }
        Ok(())
    }
}

/// Checks one entry by itself.
pub(super) fn check_member(member: &Member, realm: &Realm) -> Result<(), &'static str> {
    if !member.keys.are_sound() {
        return Err("a key is weak, malformed or used for two purposes");
    }
    if (member.certificate.verified(member.code, &member.keys, realm)).is_none() {
        return Err("its root key does not certify its keys");
    }
    let levels = [member.accredited_level, member.soi_level];
    if levels.iter().chain(member.tags.values()).any(|level| *level > 6) {
        return Err("levels are 0 to 6");
    }
    let european = is_voting_class(member.class);
    if european != member.eu_member && !matches!(member.class, Class::Stakeholder) {
        return Err("euMember does not fit the class");
    }
    if member.status == Status::Held {
        return Err("a hold is an act and lapses; the directory lists no member as held");
    }
    Ok(())
}

/// Whether members of a class may vote.
pub fn is_voting_class(class: Class) -> bool {
    matches!(class, Class::MemberState | Class::EuInstitution)
}
