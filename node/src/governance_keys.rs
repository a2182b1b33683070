//! The governance keys of a voter: a folder of its own, made to be carried to a machine without a network.
//!
//! ```text
//! DIR/1.key, 2.key, 3.key   secrets, one for each of three people; two of them make the member's vote
//! DIR/voter.json            their public halves, for the constitution
//! DIR/signed.json           which version was signed in each chain, so that no other one is
//! ```
//!
//! The hub itself never reads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_protocol::charter::{VOTE_KEYS, VOTER_KEYS, Voter};
use testudo_protocol::id::{Hash, HubId};
use zeroize::Zeroizing;

use crate::folder::{FolderError, private_folder, seed};
use crate::store::{read_secret, write_secret};

/// Name of the folder in the hub's own, where `testudo init` makes it.
pub const FOLDER: &str = "governance";

/// The public halves.
const VOTER_FILE: &str = "voter.json";

/// What was signed before.
const MEMORY_FILE: &str = "signed.json";

/// The governance keys that are here.
pub struct GovernanceKeys {
    /// Whose.
    pub code: HubId,
    folder: PathBuf,
    keys: Vec<SigningKey>,
}

/// Why a version is not signed.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Another version with the same number was signed with these keys.
    #[error(
        "these keys have signed {signed} as {what} already and sign no other; two texts under one number split the federation"
    )]
    Other {
        /// Which chain and version.
        what: String,
        /// What was signed.
        signed: Hash,
    },
    /// The memory cannot be read or written: nothing is signed without it.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl GovernanceKeys {
    /// Makes three keys in a new folder.
    ///
    /// # Errors
    /// [`FolderError`] if it cannot be written.
    pub fn create(folder: &Path, code: HubId) -> Result<Voter, FolderError> {
        private_folder(folder)?;
        let mut entropy = Entropy::from_os()?;
        let mut public = Vec::new();
        for at in 1..=VOTER_KEYS {
            let secret = Zeroizing::new(entropy.bytes32());
            write_secret(&key_file(folder, at), &*secret)?;
            let key = SigningKey::from_seed(secret);
            public.push(Hash::new(key.verifying_key().to_bytes()));
        }
        let keys: [Hash; VOTER_KEYS] = public.try_into().unwrap_or([Hash::new([0; 32]); VOTER_KEYS]);
        let voter = Voter { code, keys };
        let text = serde_json::to_vec_pretty(&voter).unwrap_or_default();
        write_secret(&folder.join(VOTER_FILE), &text)?;
        Ok(voter)
    }

    /// Opens a folder that holds some of a voter's keys: each of the three may lie with another person.
    ///
    /// # Errors
    /// [`FolderError`] if there is no key, or one cannot be read.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        let voter = read_voter(&folder.join(VOTER_FILE))?;
        let mut keys = Vec::new();
        for at in 1..=VOTER_KEYS {
            let path = key_file(folder, at);
            if path.exists() {
                let secret: Zeroizing<[u8; 32]> = seed(path)?;
                keys.push(SigningKey::from_seed(secret));
            }
        }
        if keys.is_empty() {
            return Err(FolderError::Malformed {
                path: folder.to_owned(),
            });
        }
        keys.truncate(VOTE_KEYS);
        Ok(Self {
            code: voter.code,
            folder: folder.to_owned(),
            keys,
        })
    }

    /// The keys to sign with: as many as make a vote, or those that are here.
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// Remembers, durably, that a version is signed: before it is, so that a crash leaves a version that was remembered
    /// and not signed, and never the other way round.
    ///
    /// # Errors
    /// [`MemoryError::Other`] if another text was signed under that number.
    pub fn remember(&self, what: &str, text: Hash) -> Result<(), MemoryError> {
        let mut memory = self.memory()?;
        match memory.get(what) {
            Some(signed) if *signed != text => Err(MemoryError::Other {
                what: what.to_owned(),
                signed: *signed,
            }),
            Some(_) => Ok(()),
            None => {
                memory.insert(what.to_owned(), text);
                let bytes = serde_json::to_vec_pretty(&memory).unwrap_or_default();
                let written = write_secret(&self.folder.join(MEMORY_FILE), &bytes);
                Ok(written.map_err(FolderError::from)?)
            }
        }
    }

    fn memory(&self) -> Result<BTreeMap<String, Hash>, FolderError> {
        let path = self.folder.join(MEMORY_FILE);
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        serde_json::from_slice(&read_secret(&path)?).map_err(|_| FolderError::Malformed { path })
    }
}

/// Reads the public halves of a voter's keys.
///
/// # Errors
/// [`FolderError`] if the file is not there or malformed.
pub fn read_voter(path: &Path) -> Result<Voter, FolderError> {
    let text = std::fs::read(path).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|_| FolderError::Malformed {
        path: path.to_owned(),
    })
}

fn key_file(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("{at}.key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voters_tool_never_signs_two_texts_under_one_number_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("governance");
        GovernanceKeys::create(&folder, "FR".parse().unwrap()).unwrap();
        let (one, other) = (Hash::new([1; 32]), Hash::new([2; 32]));
        let keys = GovernanceKeys::open(&folder).unwrap();
        keys.remember("test/live/directory/2", one).unwrap();
        keys.remember("test/live/directory/2", one).unwrap();
        keys.remember("test/live/directory/3", other).unwrap();
        let again = GovernanceKeys::open(&folder).unwrap();
        let refused = again.remember("test/live/directory/2", other);
        assert!(matches!(refused, Err(MemoryError::Other { signed, .. }) if signed == one));

        std::fs::write(folder.join(MEMORY_FILE), "{").unwrap();
        assert!(matches!(
            again.remember("test/live/directory/4", one),
            Err(MemoryError::Folder(_))
        ));
    }

    #[test]
    fn two_of_three_people_are_enough_and_one_alone_is_no_vote() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("governance");
        let voter = GovernanceKeys::create(&folder, "FR".parse().unwrap()).unwrap();
        assert_eq!(GovernanceKeys::open(&folder).unwrap().keys().len(), VOTE_KEYS);
        std::fs::remove_file(key_file(&folder, 1)).unwrap();
        std::fs::remove_file(key_file(&folder, 2)).unwrap();
        let last = GovernanceKeys::open(&folder).unwrap();
        assert_eq!(last.keys().len(), 1);
        let public = last.keys()[0].verifying_key().to_bytes();
        assert_eq!(public, *voter.keys[2].as_bytes());
        std::fs::remove_file(key_file(&folder, 3)).unwrap();
        assert!(GovernanceKeys::open(&folder).is_err());
    }
}
