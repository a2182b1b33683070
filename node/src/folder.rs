//! The data folder of one hub: configuration, keys, card and charter, each in its place.
//!
//! ```text
//! DIR/hub.toml                configuration
//! DIR/card.json               what this hub shows to be admitted
//! DIR/keys/*                  secrets, one file for each purpose, readable by the owner alone
//! DIR/keys/openings/*         the keys of each week that the ledger's openings are sealed under
//! DIR/charter/charter.note    the charter that this hub follows
//! DIR/anchor/anchor.json      how far the ledger had come
//! DIR/store/                  the database
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use testudo_core::keys::HubKeys;
use testudo_crypto::commit::Salt;
use testudo_crypto::entropy::{Entropy, EntropyError};
use testudo_crypto::keys::SigningKey;
use testudo_crypto::seal::{ExposeSecret, Identity};
use testudo_crypto::sign::composite::CompositeSigningKey;
use testudo_crypto::vault::StorageKey;
use testudo_protocol::charter::{Card, Charter, CharterError};
use zeroize::Zeroizing;

use crate::config::{Config, ConfigError, FILE_NAME};
use crate::store::{ReadSecretError, WriteSecretError, read_secret, write_secret};

/// Name of the charter file in its folder.
const CHARTER_FILE: &str = "charter.note";

/// A hub's folder with its checked configuration.
#[derive(Debug)]
pub struct HubFolder {
    /// The configuration in force.
    pub config: Config,
    root: PathBuf,
}

/// Why a folder is not one of a hub that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] ReadSecretError),
    /// A secret cannot be written.
    #[error(transparent)]
    WriteSecret(#[from] WriteSecretError),
    /// A secret file holds something else.
    #[error("secret file `{}` does not hold what its name says; restore it from its backup", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is something here already, most often a hub.
    #[error("`{}` is not empty; choose an empty folder or a new one", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The hub has not accepted a charter yet.
    #[error("this hub has no charter yet; accept one with `testudo charter accept FILE --fingerprint ...`")]
    NoCharter,
    /// The charter is refused.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The card cannot be read.
    #[error("card `{}` is not one; make the hub again with `testudo init`", path.display())]
    Card {
        /// Which file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl HubFolder {
    /// Opens a folder and checks its configuration.
    ///
    /// # Errors
    /// [`FolderError::Config`].
    pub fn open(root: &Path, environment: &BTreeMap<String, String>) -> Result<Self, FolderError> {
        let config = Config::load(&root.join(FILE_NAME), environment)?;
        Ok(Self {
            config,
            root: root.to_owned(),
        })
    }

    /// Makes fresh keys in a folder that holds no hub yet.
    ///
    /// The configuration file is written last: a crash in between leaves a folder that `open`
    /// refuses and `create` refuses, and that holds nothing but keys nobody has seen.
    ///
    /// # Errors
    /// [`FolderError::Exists`] and everything that can go wrong with files.
    pub fn create(
        root: &Path,
        configuration: &str,
        card: impl FnOnce(&HubKeys) -> Card,
    ) -> Result<Card, FolderError> {
        let occupied = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            return Err(FolderError::Exists {
                path: root.to_owned(),
            });
        }
        let keys_folder = root.join("keys");
        for folder in [keys_folder.clone(), root.join("charter"), root.join("anchor")] {
            private_folder(&folder)?;
        }
        let mut entropy = Entropy::from_os()?;
        for name in [TRANSPORT, LEDGER, GOVERNANCE, AUDIENCE, STORAGE] {
            write_secret(&keys_folder.join(name), &*Zeroizing::new(entropy.bytes32()))?;
        }
        let payload = CompositeSigningKey::generate(&mut entropy).seed();
        write_secret(&keys_folder.join(PAYLOAD), &*payload)?;
        let identities = [
            (IDENTITY, Identity::generate_hybrid(&mut entropy)),
            (CLASSICAL, Identity::x25519_generate()),
        ];
        for (name, identity) in identities {
            let secret = identity.to_secret();
            write_secret(&keys_folder.join(name), secret.expose_secret().as_bytes())?;
        }
        let card = card(&read_keys(&keys_folder)?);
        let text = serde_json::to_string_pretty(&card).unwrap_or_default();
        write_file(&root.join("card.json"), &text)?;
        write_file(&root.join(FILE_NAME), configuration)?;
        Ok(card)
    }

    /// Where it is: what an operator names with `--data`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The card that this hub shows to be admitted.
    ///
    /// # Errors
    /// [`FolderError::Card`] if it is not there or malformed.
    pub fn card(&self) -> Result<Card, FolderError> {
        read_card(&self.root.join("card.json"))
    }

    /// Every secret but the storage key.
    ///
    /// # Errors
    /// [`FolderError::Secret`], with the `chmod` line where others may read it.
    pub fn keys(&self) -> Result<HubKeys, FolderError> {
        read_keys(&self.config.keys)
    }

    /// The key that seals what is stored.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub fn storage_key(&self) -> Result<StorageKey, FolderError> {
        Ok(StorageKey::from_bytes(seed(&self.config.keys, STORAGE)?))
    }

    /// The folder of the keys that openings of the ledger are sealed under.
    pub fn opening_keys(&self) -> PathBuf {
        self.config.keys.join(OPENINGS)
    }

    /// The charter that this hub follows.
    ///
    /// # Errors
    /// [`FolderError::NoCharter`], [`FolderError::Charter`].
    pub fn charter(&self) -> Result<Charter, FolderError> {
        let path = self.config.charter.join(CHARTER_FILE);
        match std::fs::read(&path) {
            Ok(file) => Ok(Charter::verify(&file)?),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Err(FolderError::NoCharter),
            Err(source) => Err(FolderError::Io { path, source }),
        }
    }

    /// Puts a verified charter in its place, durably.
    ///
    /// # Errors
    /// [`FolderError::WriteSecret`] if it cannot be written.
    pub fn accept_charter(&self, file: &[u8]) -> Result<(), FolderError> {
        private_folder(&self.config.charter)?;
        Ok(write_secret(&self.config.charter.join(CHARTER_FILE), file)?)
    }
}

const TRANSPORT: &str = "transport.key";
const PAYLOAD: &str = "payload.key";
const LEDGER: &str = "ledger.key";
const GOVERNANCE: &str = "governance.key";
const AUDIENCE: &str = "audience.key";
const STORAGE: &str = "storage.key";
const OPENINGS: &str = "openings";
const IDENTITY: &str = "recipient.age";
const CLASSICAL: &str = "recipient-classical.age";

fn read_keys(folder: &Path) -> Result<HubKeys, FolderError> {
    let key = |name| seed(folder, name).map(|seed: Zeroizing<[u8; 32]>| SigningKey::from_seed(seed));
    Ok(HubKeys {
        transport: key(TRANSPORT)?,
        payload: CompositeSigningKey::from_seed(seed(folder, PAYLOAD)?),
        ledger: key(LEDGER)?,
        governance: key(GOVERNANCE)?,
        identity: identity(folder, IDENTITY)?,
        classical: identity(folder, CLASSICAL)?,
        audience: Salt::from_bytes(seed(folder, AUDIENCE)?),
    })
}

fn identity(folder: &Path, name: &str) -> Result<Identity, FolderError> {
    let path = folder.join(name);
    let secret = read_secret(&path)?;
    let identity = std::str::from_utf8(&secret)
        .ok()
        .and_then(|text| Identity::from_secret(text.trim()).ok());
    identity.ok_or(FolderError::Malformed { path })
}

fn seed<const BYTES: usize>(folder: &Path, name: &str) -> Result<Zeroizing<[u8; BYTES]>, FolderError> {
    let path = folder.join(name);
    let bytes = read_secret(&path)?;
    <[u8; BYTES]>::try_from(bytes.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| FolderError::Malformed { path })
}

/// Reads a card file.
///
/// # Errors
/// [`FolderError::Card`] if it is not there or malformed.
pub fn read_card(path: &Path) -> Result<Card, FolderError> {
    let text = std::fs::read(path).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|_| FolderError::Card {
        path: path.to_owned(),
    })
}

/// Makes a folder that only its owner can enter.
fn private_folder(path: &Path) -> Result<(), FolderError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        source,
    })
}

fn write_file(path: &Path, text: &str) -> Result<(), FolderError> {
    std::fs::write(path, text).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        source,
    })
}
