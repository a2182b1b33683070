//! The data folder of one hub: configuration, keys, card and charter, each in its place.
//!
//! ```text
//! DIR/hub.toml                configuration
//! DIR/card.json               what this hub shows to be admitted
//! DIR/keys/*                  secrets, one file for each purpose, readable by the owner alone
//! DIR/keys/next/*             the keys of a rotation that is under way
//! DIR/own-acts/N.act          what this hub has decided about its own keys, signed by its root key
//! DIR/keys/openings/*         the keys of each week that the ledger's openings are sealed under
//! DIR/charter/charter.packet  the first versions of the charter, as the operator accepted them
//! DIR/charter/accepted        when that was
//! DIR/governance/             the governance keys of a voter, until they are carried away
//! DIR/anchor/anchor.json      how far the ledger had come
//! DIR/store/                  the database
//! DIR/blobs/                  the sealed files of attachments
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_core::keys::HubKeys;
use testudo_crypto::commit::Salt;
use testudo_crypto::entropy::{Entropy, EntropyError};
use testudo_crypto::keys::SigningKey;
use testudo_crypto::seal::Identity;
use testudo_crypto::sign::composite::CompositeSigningKey;
use testudo_crypto::sign::{Signer, SignerError};
use testudo_crypto::vault::StorageKey;
use testudo_protocol::charter::{Card, Charter, FoundError, Governance, OwnActs, Packet, PacketError};
use testudo_protocol::id::Timestamp;
use zeroize::Zeroizing;

use crate::config::{Config, ConfigError, FILE_NAME};
use crate::store::{ReadSecretError, WriteSecretError, read_secret, replace_file, write_secret};
use crate::token::{TokenError, TokenSigner};

mod rotation;

pub use rotation::OperationalKind;

/// Name of the charter file in its folder.
const CHARTER_FILE: &str = "charter.packet";

/// When it was accepted, Unix milliseconds.
const ACCEPTED_FILE: &str = "accepted";

/// A hub's folder with its checked configuration.
#[derive(Clone, Debug)]
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
    /// The charter is not a packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The charter is refused.
    #[error(transparent)]
    Charter(#[from] FoundError),
    /// The card cannot be read.
    #[error("card `{}` is not one; make the hub again with `testudo init`", path.display())]
    Card {
        /// Which file.
        path: PathBuf,
    },
    /// The root key would stay with the keys that it certifies.
    #[error("root key `{}` would lie inside the hub's folder; name a file elsewhere, best on a medium that is taken offline", path.display())]
    RootInside {
        /// The file.
        path: PathBuf,
    },
    /// There is a root key already.
    #[error("root key `{}` exists already; name a new file, one root key serves one hub", path.display())]
    RootExists {
        /// The file.
        path: PathBuf,
    },
    /// A key in a token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
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

    /// Makes fresh keys in a folder that holds no hub yet, and a root key in a file outside of it.
    ///
    /// The configuration file is written last: a crash in between leaves a folder that `open`
    /// refuses and `create` refuses, and that holds nothing but keys nobody has seen.
    ///
    /// # Errors
    /// [`FolderError::Exists`], [`FolderError::RootInside`], [`FolderError::RootExists`] and everything that can
    /// go wrong with files.
    pub fn create(
        root: &Path,
        configuration: &str,
        root_key: &Path,
        card: impl FnOnce(&HubKeys, &SigningKey) -> Result<Card, SignerError>,
    ) -> Result<Card, FolderError> {
        let occupied = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            return Err(FolderError::Exists {
                path: root.to_owned(),
            });
        }
        check_root_key(root, root_key)?;
        let keys_folder = root.join("keys");
        for folder in [keys_folder.clone(), root.join("charter"), root.join("anchor")] {
            private_folder(&folder)?;
        }
        let mut entropy = Entropy::from_os()?;
        for name in [AUDIENCE, STORAGE] {
            write_secret(&keys_folder.join(name), &*Zeroizing::new(entropy.bytes32()))?;
        }
        for kind in OperationalKind::ALL {
            write_secret(&keys_folder.join(kind.file()), &kind.draw(&mut entropy))?;
        }
        let root_seed = Zeroizing::new(entropy.bytes32());
        write_secret(root_key, &*root_seed)?;
        let card = card(
            &read_keys(&[&keys_folder], None)?,
            &SigningKey::from_seed(root_seed),
        )?;
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
        self.read_keys(&[&self.config.keys])
    }

    /// Every secret but the storage key, each from the first of these folders that has it, or from the token.
    fn read_keys(&self, folders: &[&Path]) -> Result<HubKeys, FolderError> {
        let token = self.config.token.as_ref();
        let in_token = token.and_then(|keys| Some((&keys.token, keys.ledger.as_ref()?)));
        let ledger = in_token.map(|(token, label)| TokenSigner::shared(token, label));
        read_keys(folders, ledger.transpose()?)
    }

    /// The key that seals what is stored.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub fn storage_key(&self) -> Result<StorageKey, FolderError> {
        Ok(StorageKey::from_bytes(seed(self.config.keys.join(STORAGE))?))
    }

    /// What is wrong with the secret files, each looked at by itself.
    pub fn secret_faults(&self) -> Vec<FolderError> {
        let keys = &self.config.keys;
        let in_token = (self.config.token.as_ref()).is_some_and(|token| token.ledger.is_some());
        let fault = |kind: &OperationalKind| {
            let path = keys.join(kind.file());
            match kind {
                OperationalKind::Ledger if in_token => None,
                OperationalKind::Payload => seed::<PAYLOAD_BYTES>(path).err(),
                OperationalKind::Recipient | OperationalKind::RecipientClassical => identity(path).err(),
                _ => seed::<32>(path).err(),
            }
        };
        let others = [AUDIENCE, STORAGE];
        (OperationalKind::ALL.iter().filter_map(fault))
            .chain(
                others
                    .into_iter()
                    .filter_map(|name| seed::<32>(keys.join(name)).err()),
            )
            .collect()
    }

    /// The folder of the keys that openings of the ledger are sealed under.
    pub fn opening_keys(&self) -> PathBuf {
        self.config.keys.join(OPENINGS)
    }

    /// The charter as the operator of this hub accepted it; what has come since lies in the database.
    ///
    /// # Errors
    /// [`FolderError::NoCharter`], [`FolderError::Charter`].
    pub fn founding(&self) -> Result<Governance, FolderError> {
        let path = self.config.charter.join(CHARTER_FILE);
        let file = match std::fs::read(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(FolderError::NoCharter);
            }
            Err(source) => return Err(FolderError::Io { path, source }),
        };
        let path = self.config.charter.join(ACCEPTED_FILE);
        let accepted = read_secret(&path)?;
        let accepted = std::str::from_utf8(&accepted)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or(FolderError::Malformed { path })?;
        let notes = Packet::parse(&file)?.notes();
        Ok(Governance::found(&notes, Timestamp::from_millis(accepted))?)
    }

    /// The charter as this hub's own acts leave it, which may not have come to the hub itself yet.
    ///
    /// # Errors
    /// [`FolderError`] if an act cannot be read.
    pub fn seen_through_own_acts(&self, charter: &Charter) -> Result<Charter, FolderError> {
        let mut acts = OwnActs::default();
        for act in self.own_acts()? {
            // One that the charter does not bear out counts for nobody.
            let _passed_over = acts.take(act, charter);
        }
        Ok(charter.with_own_acts(&acts))
    }

    /// Puts a charter that the operator has compared in its place, durably.
    ///
    /// The charter is written last: a crash before it leaves a hub that has none.
    ///
    /// # Errors
    /// [`FolderError::Io`] if it cannot be written.
    pub fn accept_charter(&self, file: &[u8], now: Timestamp) -> Result<(), FolderError> {
        private_folder(&self.config.charter)?;
        let accepted = now.millis().to_string();
        write_secret(&self.config.charter.join(ACCEPTED_FILE), accepted.as_bytes())?;
        let path = self.config.charter.join(CHARTER_FILE);
        replace_file(&path, file).map_err(|source| FolderError::Io { path, source })
    }
}

/// Length of the seed of the signing key of envelopes, in bytes: 32 for each of its halves.
const PAYLOAD_BYTES: usize = 64;

const AUDIENCE: &str = "audience.key";
const STORAGE: &str = "storage.key";
const OPENINGS: &str = "openings";

/// Reads every secret but the storage key; `ledger` is the one that lies in a token, if it does.
fn read_keys(folders: &[&Path], ledger: Option<Arc<dyn Signer>>) -> Result<HubKeys, FolderError> {
    let at = |name: &str| {
        let mut paths = folders.iter().map(|folder| folder.join(name));
        let found = paths.find(|path| path.exists());
        // Where none has it, the error names the place where it belongs.
        found.unwrap_or_else(|| folders.last().map(|folder| folder.join(name)).unwrap_or_default())
    };
    let of = |kind: OperationalKind| at(kind.file());
    let key = |path: PathBuf| seed(path).map(|seed: Zeroizing<[u8; 32]>| SigningKey::from_seed(seed));
    Ok(HubKeys {
        transport: key(of(OperationalKind::Transport))?,
        payload: CompositeSigningKey::from_seed(seed(of(OperationalKind::Payload))?),
        ledger: match ledger {
            Some(ledger) => ledger,
            None => Arc::new(key(of(OperationalKind::Ledger))?),
        },
        cosigning: key(of(OperationalKind::Cosigning))?,
        identity: identity(of(OperationalKind::Recipient))?,
        classical: identity(of(OperationalKind::RecipientClassical))?,
        audience: Salt::from_bytes(seed(at(AUDIENCE))?),
    })
}

/// Reads the root key of a hub, on the machine where it lies.
///
/// # Errors
/// [`FolderError::Secret`], with the `chmod` line where others may read it.
pub fn read_root_key(path: &Path) -> Result<SigningKey, FolderError> {
    Ok(SigningKey::from_seed(seed::<32>(path.to_owned())?))
}

/// Refuses a root key that would stay beside what it certifies, or take another one's place.
fn check_root_key(root: &Path, root_key: &Path) -> Result<(), FolderError> {
    let path = || root_key.to_owned();
    let absolute = |path: &Path| {
        // Of the folder as it is, so that no link leads back inside; of one that is not there yet, its name.
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let found = folder.canonicalize().or_else(|_| std::path::absolute(folder));
        found.map(|folder| folder.join(path.file_name().unwrap_or_default()))
    };
    let io = |source| FolderError::Io { path: path(), source };
    if absolute(root_key)
        .map_err(io)?
        .starts_with(absolute(root).map_err(io)?)
    {
        return Err(FolderError::RootInside { path: path() });
    }
    if root_key.exists() {
        return Err(FolderError::RootExists { path: path() });
    }
    Ok(())
}

fn identity(path: PathBuf) -> Result<Identity, FolderError> {
    let secret = read_secret(&path)?;
    let identity = std::str::from_utf8(&secret)
        .ok()
        .and_then(|text| Identity::from_secret(text.trim()).ok());
    identity.ok_or(FolderError::Malformed { path })
}

/// Reads a secret of a fixed length.
pub(crate) fn seed<const BYTES: usize>(path: PathBuf) -> Result<Zeroizing<[u8; BYTES]>, FolderError> {
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
pub(crate) fn private_folder(path: &Path) -> Result<(), FolderError> {
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
