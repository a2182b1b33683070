//! The files that travel between a hub and the machine with its root key. Neither holds a secret.

use std::path::Path;

use serde::{Deserialize, Serialize};
use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::sign::{SIGNATURE_BYTES, Signature};
use testudo_protocol::charter::{Card, OWN_ACT_BYTES_MAX, OwnAct, OwnActFields};
use testudo_protocol::id::Hash;
use testudo_protocol::realm::Realm;

use super::super::outcome::{Failure, exit};
use super::refused;

/// Largest file, in bytes: an act in hexadecimal, and names.
const FILE_BYTES_MAX: u64 = 4 * OWN_ACT_BYTES_MAX as u64;

/// What the root key is asked to sign.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestFile {
    pub federation: String,
    pub realm: String,
    /// The root key that is asked.
    pub root: Hash,
    /// The act with zeros in the place of its signature, in hexadecimal.
    unsigned: String,
}

/// A signed act.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActFile {
    /// The act, in hexadecimal.
    act: String,
}

impl RequestFile {
    pub fn new(card: &Card, fields: OwnActFields) -> Self {
        let unsigned = OwnAct::join(fields, &Signature::from_bytes([0; SIGNATURE_BYTES]));
        Self {
            federation: card.federation.clone(),
            realm: card.realm.clone(),
            root: card.certificate.root,
            unsigned: hex(unsigned.to_bytes()),
        }
    }

    pub fn read(path: &Path) -> Result<Self, Failure> {
        parse(path, "request")
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        write(path, self)
    }

    pub fn fields(&self) -> Result<OwnActFields, Failure> {
        decode(&self.unsigned, "request").map(|act| act.fields().clone())
    }

    pub fn realm(&self) -> Result<Realm, Failure> {
        Realm::new(&self.federation, &self.realm).map_err(|error| refused(error.to_string()))
    }
}

impl ActFile {
    pub fn new(act: &OwnAct) -> Self {
        Self {
            act: hex(act.to_bytes()),
        }
    }

    pub fn read(path: &Path) -> Result<Self, Failure> {
        parse(path, "act")
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        write(path, self)
    }

    pub fn act(&self) -> Result<OwnAct, Failure> {
        decode(&self.act, "act")
    }
}

fn decode(text: &str, what: &str) -> Result<OwnAct, Failure> {
    let malformed = || refused(format!("{what} holds no own act of this version"));
    let bytes = unhex(text).ok_or_else(malformed)?;
    OwnAct::decode(&bytes).map_err(|_| malformed())
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path, what: &str) -> Result<T, Failure> {
    let failed = |error: std::io::Error| {
        let sentence = format!("{what} `{}` cannot be read: {error}", path.display());
        Failure::new(exit::NOT_FOUND, "file", sentence)
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(refused(format!(
            "{what} has {length} bytes, at most {FILE_BYTES_MAX} expected"
        )));
    }
    let text = std::fs::read(path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| refused(format!("{what} is malformed: {error}")))
}

fn write<T: Serialize>(path: &Path, file: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(file).unwrap_or_default();
    text.push('\n');
    std::fs::write(path, text).map_err(|error| {
        let sentence = format!("`{}` cannot be written: {error}", path.display());
        Failure::new(exit::CANNOT_CREATE, "file", sentence)
    })
}
