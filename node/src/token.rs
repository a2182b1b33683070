//! Keys that lie in a PKCS#11 token and never leave it: a hardware module, or a smart card.
//!
//! Ed25519 alone (`CKM_EDDSA` without parameters): it is what checkpoints and votes are signed with. The token is
//! named by its module, its label or slot, and the label of the key; the PIN is read from a file or from a systemd
//! credential, never from the configuration, the command line or the environment.
//!
//! Absent on purpose: making keys in the token, and ML-DSA. The first is the business of the token's own tools, the
//! second no token of today can do.
//!
//! Source: PKCS#11 version 3.0, sections 2.3.5 and 2.3.14; RFC 8032.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::{Preimage, SIGNATURE_BYTES, Signature, Signer, SignerError};
use testudo_protocol::fault::Fault;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::store::{ReadSecretError, read_secret};

/// Longest PIN, in bytes: more than any token takes.
const PIN_BYTES_MAX: usize = 256;

/// What a PIN begins with that is the name of a systemd credential and not a path.
const CREDENTIAL: &str = "credential:";

/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Which token, and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// The library that speaks to it.
    pub module: PathBuf,
    /// Its label or slot.
    pub place: TokenPlace,
    /// Where the PIN is read.
    pub pin: PinPlace,
}

/// How a token is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// By the label it was initialised with; slots may be numbered anew at every start.
    Label(String),
    /// By the number of its slot.
    Slot(u64),
}

/// Where a PIN is read. Never the PIN itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinPlace {
    /// A secret file.
    File(PathBuf),
    /// A systemd credential of this service.
    Credential(String),
}

impl PinPlace {
    /// A path, or `credential:NAME`; `None` if the name is no plain file name.
    pub fn parse(text: &str, folder: &Path) -> Option<Self> {
        match text.strip_prefix(CREDENTIAL) {
            Some(name) => {
                let plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
                plain.then(|| Self::Credential(name.to_owned()))
            }
            None => (!text.is_empty()).then(|| Self::File(folder.join(text))),
        }
    }
}

/// A text that names no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token is named by `label:` and its label, or by `slot:` and a number")]
pub struct TokenPlaceError;

impl FromStr for TokenPlace {
    type Err = TokenPlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("label", label)) if !label.is_empty() => Ok(Self::Label(label.to_owned())),
            Some(("slot", number)) => number.parse().map(Self::Slot).map_err(|_| TokenPlaceError),
            _ => Err(TokenPlaceError),
        }
    }
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "token `{label}`"),
            Self::Slot(slot) => write!(f, "token in slot {slot}"),
        }
    }
}

/// Why a key in a token cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The library is not one.
    #[error("PKCS#11 module `{}` cannot be loaded; name the library of the token, such as /usr/lib/softhsm/libsofthsm2.so", path.display())]
    Module {
        /// Which library.
        path: PathBuf,
        /// What the loader said.
        source: Error,
    },
    /// No such token is there.
    #[error("there is no {place}; plugged in are: {}", found.join(", "))]
    NoToken {
        /// Which was wanted.
        place: TokenPlace,
        /// The labels of those that are there.
        found: Vec<String>,
    },
    /// The token does not sign with Ed25519.
    #[error(
        "{place} has no Ed25519 (CKM_EDDSA); use a token or firmware that has it, or keep this key in a file"
    )]
    NoEd25519 {
        /// Which token.
        place: TokenPlace,
    },
    /// The PIN file cannot be read.
    #[error("PIN of the token cannot be read")]
    PinFile(#[from] ReadSecretError),
    /// There is no such credential.
    #[error(
        "systemd credential `{name}` with the PIN cannot be read; add LoadCredential={name}:FILE to the unit of the hub"
    )]
    Credential {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no PIN.
    #[error(
        "PIN of the token is not 1 to {PIN_BYTES_MAX} bytes of text; the file holds the PIN and nothing else"
    )]
    Pin,
    /// The token says that the PIN is wrong.
    #[error("{place} refuses the PIN; correct it before the token locks itself after a few tries")]
    WrongPin {
        /// Which token.
        place: TokenPlace,
    },
    /// The token has locked itself.
    #[error("{place} is locked after too many wrong PINs; its security officer has to unlock it")]
    Locked {
        /// Which token.
        place: TokenPlace,
    },
    /// No key of that label.
    #[error(
        "{place} has no Ed25519 key pair labelled `{label}` with a public part; make or import one with the token's own tools"
    )]
    NoKey {
        /// Which token.
        place: TokenPlace,
        /// The label.
        label: String,
    },
    /// Several keys of that label.
    #[error("{place} has several keys labelled `{label}`; give each a label of its own")]
    Ambiguous {
        /// Which token.
        place: TokenPlace,
        /// The label.
        label: String,
    },
    /// A key of another kind.
    #[error("key `{label}` in {place} is no acceptable Ed25519 key")]
    OtherKind {
        /// Which token.
        place: TokenPlace,
        /// The label.
        label: String,
    },
    /// Anything else that the token says.
    #[error("{place} cannot be used")]
    Refused {
        /// Which token.
        place: TokenPlace,
        /// What it said.
        source: Error,
    },
}

impl TokenError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused { .. } => Fault::Environment,
            _ => Fault::Operator,
        }
    }
}

/// One Ed25519 key in a token, with an open session to it.
pub struct TokenSigner {
    session: Mutex<Session>,
    private: ObjectHandle,
    public: VerifyingKey,
    name: String,
}

impl TokenSigner {
    /// Opens the token, logs in and finds the key.
    ///
    /// # Errors
    /// [`TokenError`] says what is missing and what to do.
    pub fn open(config: &TokenConfig, label: &str) -> Result<Self, TokenError> {
        let pkcs11 = module(&config.module)?;
        let place = || config.place.clone();
        let refused = |source| TokenError::Refused {
            place: place(),
            source,
        };
        let slot = find_slot(&pkcs11, &config.place)?;
        let mechanisms = pkcs11.get_mechanism_list(slot).map_err(refused)?;
        if !mechanisms.contains(&MechanismType::EDDSA) {
            return Err(TokenError::NoEd25519 { place: place() });
        }
        let session = pkcs11.open_ro_session(slot).map_err(refused)?;
        log_in(&session, config)?;
        let one = |class| {
            let wanted = [
                Attribute::Class(class),
                Attribute::Label(label.as_bytes().to_vec()),
            ];
            let found = session.find_objects(&wanted).map_err(refused)?;
            match found[..] {
                [one] => Ok(one),
                [] => Err(TokenError::NoKey {
                    place: place(),
                    label: label.to_owned(),
                }),
                _ => Err(TokenError::Ambiguous {
                    place: place(),
                    label: label.to_owned(),
                }),
            }
        };
        let private = one(ObjectClass::PRIVATE_KEY)?;
        let public = one(ObjectClass::PUBLIC_KEY)?;
        let read = session.get_attributes(public, &[AttributeType::EcPoint]);
        let point = read
            .map_err(refused)?
            .into_iter()
            .find_map(|attribute| match attribute {
                Attribute::EcPoint(point) => Some(point),
                _ => None,
            });
        let public = point.as_deref().and_then(public_key);
        let public = public.ok_or_else(|| TokenError::OtherKind {
            place: place(),
            label: label.to_owned(),
        })?;
        Ok(Self {
            session: Mutex::new(session),
            private,
            public,
            name: format!("`{label}` in {}", config.place),
        })
    }

    /// The same, to be shared.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn shared(config: &TokenConfig, label: &str) -> Result<Arc<dyn Signer>, TokenError> {
        Ok(Arc::new(Self::open(config, label)?))
    }
}

impl Signer for TokenSigner {
    fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    fn sign(&self, preimage: &Preimage<'_>) -> Result<Signature, SignerError> {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        // A session is in no state that a panic elsewhere could have broken: each signature is one call.
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = session
            .sign(&mechanism, self.private, preimage.as_bytes())
            .map_err(|error| {
                tracing::error!(error = %error, "the token with key {} does not sign", self.name);
                SignerError::Unavailable
            })?;
        let bytes: [u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| SignerError::OtherKey)?;
        Ok(Signature::from_bytes(bytes))
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSigner({})", self.public.id())
    }
}

/// The library, loaded and initialised once for this process: a second initialisation would be refused.
fn module(path: &Path) -> Result<Pkcs11, TokenError> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let failed = |source| TokenError::Module {
        path: path.to_owned(),
        source,
    };
    // What is in the map is whole: an entry is added in one call.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.get(path) {
        return Ok(known.clone());
    }
    let pkcs11 = Pkcs11::new(path).map_err(failed)?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    loaded.insert(path.to_owned(), pkcs11.clone());
    Ok(pkcs11)
}

fn find_slot(pkcs11: &Pkcs11, place: &TokenPlace) -> Result<Slot, TokenError> {
    let refused = |source| TokenError::Refused {
        place: place.clone(),
        source,
    };
    let mut found = Vec::new();
    for slot in pkcs11.get_slots_with_initialized_token().map_err(refused)? {
        let info = pkcs11.get_token_info(slot).map_err(refused)?;
        let is_it = match place {
            TokenPlace::Label(label) => info.label() == label,
            TokenPlace::Slot(number) => slot.id() == *number,
        };
        if is_it {
            return Ok(slot);
        }
        found.push(format!("`{}` in slot {}", info.label(), slot.id()));
    }
    if found.is_empty() {
        found.push("none".to_owned());
    }
    Err(TokenError::NoToken {
        place: place.clone(),
        found,
    })
}

fn log_in(session: &Session, config: &TokenConfig) -> Result<(), TokenError> {
    let pin = pin(&config.pin)?;
    let place = config.place.clone();
    match session.login(UserType::User, Some(&pin)) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            Err(TokenError::WrongPin { place })
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(TokenError::Locked { place }),
        Err(source) => Err(TokenError::Refused { place, source }),
    }
}

fn pin(place: &PinPlace) -> Result<AuthPin, TokenError> {
    let bytes = match place {
        PinPlace::File(path) => read_secret(path)?,
        PinPlace::Credential(name) => {
            let failed = |source| TokenError::Credential {
                name: name.clone(),
                source,
            };
            let folder = std::env::var_os(CREDENTIALS).ok_or_else(|| {
                let missing =
                    std::io::Error::new(std::io::ErrorKind::NotFound, "the service has no credentials");
                failed(missing)
            })?;
            Zeroizing::new(std::fs::read(Path::new(&folder).join(name)).map_err(failed)?)
        }
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| TokenError::Pin)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.len() > PIN_BYTES_MAX {
        return Err(TokenError::Pin);
    }
    Ok(AuthPin::from(text))
}

/// The key of a `CKA_EC_POINT`: an OCTET STRING in DER, or the 32 bytes as some tokens give them.
fn public_key(point: &[u8]) -> Option<VerifyingKey> {
    let bytes = match point {
        [0x04, 0x20, bytes @ ..] if bytes.len() == 32 => bytes,
        bytes => bytes,
    };
    VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use testudo_crypto::keys::SigningKey;

    use super::*;

    #[test]
    fn a_point_is_read_with_and_without_its_der_header() {
        let key = SigningKey::from_seed([1; 32]).verifying_key();
        let raw = key.to_bytes();
        let der = [&[0x04, 0x20], raw.as_slice()].concat();
        assert_eq!(public_key(&raw), Some(key));
        assert_eq!(public_key(&der), Some(key));
        for wrong in [
            &der[..33],
            &raw[..31],
            &[0x04, 0x20],
            &[0; 32],
            &[der.as_slice(), &[0]].concat(),
        ] {
            assert_eq!(public_key(wrong), None, "{} bytes", wrong.len());
        }
    }

    #[test]
    fn a_pin_is_named_by_path_or_credential() {
        let folder = Path::new("/hub");
        let file = PinPlace::File("/hub/keys/pin".into());
        assert_eq!(PinPlace::parse("keys/pin", folder), Some(file));
        let credential = PinPlace::Credential("pin".to_owned());
        assert_eq!(PinPlace::parse("credential:pin", folder), Some(credential));
        for wrong in ["", "credential:", "credential:..", "credential:../pin"] {
            assert_eq!(PinPlace::parse(wrong, folder), None, "{wrong}");
        }
    }

    #[test]
    fn a_pin_is_one_line_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        let read = |bytes: &[u8]| {
            crate::store::write_secret(&path, bytes).unwrap();
            pin(&PinPlace::File(path.clone()))
        };
        assert!(read(b"1234\n").is_ok());
        for wrong in [b"".as_slice(), b"\n", &[0xff, 0xfe], &[b'1'; PIN_BYTES_MAX + 1]] {
            assert!(matches!(read(wrong), Err(TokenError::Pin)));
        }
        assert!(!format!("{:?}", read(b"CANARY").unwrap()).contains("CANARY"));
    }
}
