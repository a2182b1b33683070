//! Keys that take the place of others: drawn, kept aside, and put in place once the root key has certified them.
//!
//! What makes the change is the signed act in `own-acts/`. Before it is there, the new keys are nobody's; from then
//! on every start finishes what a crash left half done.

use std::path::{Path, PathBuf};

use testudo_core::keys::HubKeys;
use testudo_crypto::entropy::Entropy;
use testudo_crypto::seal::{ExposeSecret, Identity};
use testudo_crypto::sign::composite::CompositeSigningKey;
use testudo_protocol::charter::{Card, KeyCertificate, OperationalKeys, OwnAct, OwnDeed};
use testudo_protocol::realm::Realm;
use testudo_protocol::vocabulary;
use zeroize::Zeroizing;

use super::{FolderError, HubFolder, private_folder};
use crate::store::{read_secret, write_secret};

const OWN_ACTS: &str = "own-acts";
const NEXT: &str = "next";

vocabulary! {
    /// A key of daily work, each in a file of its own.
    OperationalKind, "key", {
        /// Proves who is at the other end of a connection.
        Transport = "transport",
        /// Signs envelopes, receipts, notices and tokens.
        Payload = "payload",
        /// Signs the ledger's checkpoints.
        Ledger = "ledger",
        /// Cosigns the checkpoints of others.
        Cosigning = "cosigning",
        /// Opens notices.
        Recipient = "recipient",
        /// Opens content of suite 1.
        RecipientClassical = "recipient-classical",
    }
}

impl OperationalKind {
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Transport => "transport.key",
            Self::Payload => "payload.key",
            Self::Ledger => "ledger.key",
            Self::Cosigning => "cosigning.key",
            Self::Recipient => "recipient.age",
            Self::RecipientClassical => "recipient-classical.age",
        }
    }

    /// A fresh key, as its file holds it.
    pub(super) fn draw(self, entropy: &mut Entropy) -> Zeroizing<Vec<u8>> {
        let text = |identity: &Identity| {
            let secret = identity.to_secret();
            Zeroizing::new(secret.expose_secret().as_bytes().to_vec())
        };
        match self {
            Self::Payload => Zeroizing::new(CompositeSigningKey::generate(entropy).seed().to_vec()),
            Self::Recipient => text(&Identity::generate_hybrid(entropy)),
            Self::RecipientClassical => text(&Identity::x25519_generate()),
            Self::Transport | Self::Ledger | Self::Cosigning => {
                Zeroizing::new(Zeroizing::new(entropy.bytes32()).to_vec())
            }
        }
    }
}

impl HubFolder {
    /// Draws new keys of these kinds and keeps them aside; what was kept aside before is drawn anew.
    ///
    /// # Errors
    /// [`FolderError`] if they cannot be written.
    pub fn stage_keys(&self, kinds: &[OperationalKind]) -> Result<OperationalKeys, FolderError> {
        let next = self.next_keys();
        remove_folder(&next)?;
        private_folder(&next)?;
        let mut entropy = Entropy::from_os()?;
        for kind in kinds {
            write_secret(&next.join(kind.file()), &kind.draw(&mut entropy))?;
        }
        Ok(self.staged_keys()?.public().operational())
    }

    /// What this hub has decided about itself since its first card, in order.
    ///
    /// # Errors
    /// [`FolderError::Io`], [`FolderError::Malformed`].
    pub fn own_acts(&self) -> Result<Vec<OwnAct>, FolderError> {
        let folder = self.root.join(OWN_ACTS);
        let io = |source| FolderError::Io {
            path: folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut acts = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "act") {
                let act = OwnAct::decode(&read_secret(&path)?);
                acts.push(act.map_err(|_| FolderError::Malformed { path })?);
            }
        }
        acts.sort_by_key(|act| act.fields().counter);
        Ok(acts)
    }

    /// Keeps an act that has been verified, durably: from here on it holds, and the next start follows it.
    ///
    /// # Errors
    /// [`FolderError::WriteSecret`].
    pub fn keep_own_act(&self, act: &OwnAct) -> Result<(), FolderError> {
        let folder = self.root.join(OWN_ACTS);
        private_folder(&folder)?;
        let path = folder.join(format!("{:06}.act", act.fields().counter));
        Ok(write_secret(&path, act.to_bytes())?)
    }

    /// The keys kept aside, if they are what an act certifies.
    ///
    /// # Errors
    /// [`FolderError`] if there are none, or they cannot be read.
    pub fn staged_keys(&self) -> Result<HubKeys, FolderError> {
        self.read_keys(&[&self.next_keys(), &self.config.keys])
    }

    /// Puts the keys in place that the newest act certifies, and brings the card into line.
    ///
    /// Each file is durable in its new place before it leaves the old one: a crash in between leaves the rest for
    /// the next start, which reads both places.
    ///
    /// # Errors
    /// [`FolderError`] if a file cannot be read or written.
    pub fn finish_rotation(&self) -> Result<(), FolderError> {
        let acts = self.own_acts()?;
        let certified = acts.iter().rev().find_map(|act| match &act.fields().deed {
            OwnDeed::Certify { keys, .. } => Some((act, keys.as_ref())),
            _ => None,
        });
        let Some((act, certified)) = certified else {
            return Ok(());
        };
        let card = self.card()?;
        let next = self.next_keys();
        if card.certificate.counter >= act.fields().counter && !next.exists() {
            return Ok(());
        }
        let keys = self.staged_keys()?;
        if keys.public().operational() != *certified {
            // Drawn for another rotation that nobody has signed yet.
            return Ok(());
        }
        for kind in OperationalKind::ALL {
            let staged = next.join(kind.file());
            if staged.exists() {
                write_secret(&self.config.keys.join(kind.file()), &read_secret(&staged)?)?;
                remove_file(&staged)?;
            }
        }
        let card = renewed(&card, &keys, act).ok_or_else(|| FolderError::Card {
            path: self.root.join("card.json"),
        })?;
        let text = serde_json::to_string_pretty(&card).unwrap_or_default();
        write_secret(&self.root.join("card.json"), text.as_bytes())?;
        remove_folder(&next)
    }

    fn next_keys(&self) -> PathBuf {
        self.config.keys.join(NEXT)
    }
}

/// The same card with other keys; `None` if it names no realm or root key.
fn renewed(card: &Card, keys: &HubKeys, act: &OwnAct) -> Option<Card> {
    let realm = Realm::new(&card.federation, &card.realm).ok()?;
    let certificate = KeyCertificate::of(act, &card.certificate.root_key()?)?;
    Some(keys.card(card.code, card.class, &realm, card.address, certificate))
}

fn remove_file(path: &Path) -> Result<(), FolderError> {
    std::fs::remove_file(path).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        source,
    })
}

fn remove_folder(path: &Path) -> Result<(), FolderError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(FolderError::Io {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
