//! The text that voters sign.

use serde::{Deserialize, Serialize};

use super::member::Member;
use crate::envelope::Suite;
use crate::id::{CharterVersion, Hash, HubId};

/// A voter and the key of its vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voter {
    /// The member.
    pub code: HubId,
    /// Its governance key, as it also stands in its member entry.
    pub governance: Hash,
}

/// The charter as readable JSON; its exact text is what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CharterDocument {
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// The version, from 1.
    pub version: CharterVersion,
    /// End of validity, Unix seconds.
    pub valid_until: u64,
    /// The cipher suites that hubs read; the first is the one they write.
    pub suites: Vec<Suite>,
    /// Hash of the baseline policies that every hub must run.
    pub policies: Hash,
    /// Who votes.
    pub voters: Vec<Voter>,
    /// Every member, voters included.
    pub members: Vec<Member>,
}

impl CharterDocument {
    /// The text to sign: indented JSON and a final newline.
    pub fn to_text(&self) -> String {
        // Serialising plain data to a string has no way to fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The name under which a voter signs, in the sense of C2SP signed-note.
    pub fn signer_name(&self, voter: HubId) -> String {
        format!("{}/{}/charter/{voter}", self.federation, self.realm)
    }
}
