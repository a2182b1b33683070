//! The recipients of an envelope under one salted root.
//!
//! The root is signed in the header; the list stands beside the signature and is dropped
//! when forwarding, so that a third hub learns nothing of the others.

use serde::{Deserialize, Serialize};
use testudo_crypto::commit::{Salt, salted_leaf};
use testudo_crypto::merkle::tree_root;

use crate::id::{Hash, HubId};

/// Most recipients of one envelope.
pub const RECIPIENTS_MAX: usize = 100;

/// One recipient and the salt that hides it in the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecipientEntry {
    /// The hub.
    pub hub: HubId,
    /// 32 random bytes.
    pub salt: Hash,
}

/// The recipients, sorted by code, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipients(Vec<RecipientEntry>);

impl Recipients {
    /// Sorts and keeps one entry for each hub.
    pub fn new(mut entries: Vec<RecipientEntry>) -> Self {
        entries.sort();
        entries.dedup_by_key(|entry| entry.hub);
        Self(entries)
    }

    /// Whether the list is sorted, free of repeats and bounded.
    pub fn is_canonical(&self) -> bool {
        self.0.len() <= RECIPIENTS_MAX
            && self.0.windows(2).all(|pair| match pair {
                [left, right] => left.hub < right.hub,
                _ => true,
            })
    }

    /// The salted root: RFC 6962 over SHA-256(salt || code) leaves.
    pub fn root(&self) -> Hash {
        let leaves: Vec<_> = self
            .0
            .iter()
            .map(|entry| salted_leaf(&Salt::from_bytes(*entry.salt.as_bytes()), entry.hub.as_bytes()))
            .collect();
        tree_root(&leaves).digest().into()
    }

    /// Whether a hub is among them.
    pub fn contains(&self, hub: HubId) -> bool {
        self.0.iter().any(|entry| entry.hub == hub)
    }

    /// The hubs, sorted.
    pub fn hubs(&self) -> impl Iterator<Item = HubId> {
        self.0.iter().map(|entry| entry.hub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hub: &str, salt: u8) -> RecipientEntry {
        RecipientEntry {
            hub: hub.parse().unwrap(),
            salt: Hash::new([salt; 32]),
        }
    }

    #[test]
    fn the_root_binds_every_hub_and_every_salt() {
        let list = Recipients::new(vec![entry("MD", 2), entry("EEAS", 1)]);
        assert_eq!(list, Recipients::new(vec![entry("EEAS", 1), entry("MD", 2)]));
        assert!(list.is_canonical());
        assert_ne!(list.root(), Recipients::new(vec![entry("EEAS", 1)]).root());
        assert_ne!(
            list.root(),
            Recipients::new(vec![entry("EEAS", 1), entry("MD", 3)]).root()
        );
        assert_ne!(
            list.root(),
            Recipients::new(vec![entry("EEAS", 1), entry("SE", 2)]).root()
        );
    }

    #[test]
    fn a_repeated_hub_is_not_canonical() {
        assert!(!Recipients(vec![entry("MD", 1), entry("MD", 2)]).is_canonical());
        assert!(!Recipients(vec![entry("MD", 1), entry("EEAS", 2)]).is_canonical());
    }
}
