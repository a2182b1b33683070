//! How the charter stands at one hub, for people and tools.

use serde::{Deserialize, Serialize};
use testudo_protocol::charter::{Chain, Status as Standing};
use testudo_protocol::id::{Hash, HubId};

/// How the charter stands at one hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CharterView {
    /// The fingerprint that its operator compared: of the first constitution.
    pub pinned: Hash,
    /// The constitution that is followed.
    pub constitution: HeadView,
    /// The directory that is followed.
    pub directory: HeadView,
    /// The newest policy bundle.
    pub bundle: HeadView,
    /// The version of the policy bundle that is in force.
    pub bundle_in_force: u32,
    /// End of validity of constitution or directory, Unix seconds.
    pub valid_until: u64,
    /// Whether it is valid and enough voters have lately said that there is nothing newer.
    pub fresh: bool,
    /// Until when they have, Unix seconds.
    pub fresh_until: u64,
    /// Forks between which nobody here has chosen.
    pub forks: Vec<ForkView>,
    /// Acts in force that restrict a member.
    pub restrictions: Vec<RestrictionView>,
    /// What voters have last said.
    pub heartbeats: Vec<HeartbeatView>,
    /// What somebody has to see to, a sentence each.
    pub warnings: Vec<String>,
}

/// The newest version of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadView {
    /// The version.
    pub version: u32,
    /// SHA-256 of its text.
    pub hash: Hash,
    /// The same in words, for the telephone.
    pub words: String,
}

/// Two or more successors of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkView {
    /// In which chain.
    pub chain: Chain,
    /// Of which version.
    pub after: u32,
    /// SHA-256 of their texts.
    pub branches: Vec<Hash>,
    /// Who has signed more than one.
    pub signers: Vec<HubId>,
}

/// An act in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestrictionView {
    /// On whom.
    pub hub: HubId,
    /// What it makes of it.
    pub status: Standing,
    /// SHA-256 of the act's text.
    pub act: Hash,
}

/// What a voter has last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatView {
    /// Who.
    pub hub: HubId,
    /// When, Unix milliseconds.
    pub time: u64,
    /// Whether it follows the very versions that this hub follows.
    pub agrees: bool,
}
