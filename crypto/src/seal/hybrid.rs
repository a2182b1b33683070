//! The stanza `mlkem768x25519`: a file key for one hybrid recipient.
//!
//! Stanzas carry no hint of whom they are for: an identity tries each, at the price of one decapsulation.
//!
//! Source: C2SP age, "The MLKEM768-X25519 (i.e. X-Wing) hybrid post-quantum recipient type".

use std::collections::HashSet;
use std::io;

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::xwing::{PublicKey, RANDOMNESS_BYTES, SHARE_BYTES, SecretKey};
use super::{file_key, hpke, wrapped_len};
use crate::entropy::fill_from_os;

const TAG: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
/// Recipients with other labels are refused beside this one: the file would be as weak as the weaker.
pub(super) const LABEL: &str = "postquantum";

/// A recipient as the age library takes it.
pub(super) struct HybridRecipient<'a>(pub(super) &'a PublicKey);

/// An identity as the age library takes it.
pub(super) struct HybridIdentity<'a>(pub(super) &'a SecretKey);

impl age::Recipient for HybridRecipient<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let mut randomness = Zeroizing::new([0; RANDOMNESS_BYTES]);
        fill_from_os(&mut *randomness).map_err(|error| EncryptError::Io(io::Error::other(error)))?;
        let wrapped = self.0.encapsulate(&randomness).ok().and_then(|made| {
            let body = hpke::seal(&made.secret, INFO, file_key.expose_secret())?;
            Some((made.share, body))
        });
        let (share, body) =
            wrapped.ok_or_else(|| EncryptError::Io(io::Error::other("the file key was not wrapped")))?;
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: vec![BASE64_STANDARD_NO_PAD.encode(share.as_slice())],
            body,
        };
        Ok((vec![stanza], HashSet::from([LABEL.to_owned()])))
    }
}

impl age::Identity for HybridIdentity<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != TAG {
            return None;
        }
        let Some(share) = share_of(stanza) else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        let Ok(secret) = self.0.decapsulate(&share) else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        // A body that does not open belongs to another recipient.
        hpke::open(&secret, INFO, &stanza.body)
            .and_then(|key| file_key(&key))
            .map(Ok)
    }
}

/// The share of a well-formed stanza. A body of another length is refused before it is decrypted: a longer one could
/// be made to open under many keys.
fn share_of(stanza: &Stanza) -> Option<Box<[u8; SHARE_BYTES]>> {
    let [argument] = stanza.args.as_slice() else {
        return None;
    };
    if stanza.body.len() != wrapped_len(FILE_KEY_BYTES) {
        return None;
    }
    let share = BASE64_STANDARD_NO_PAD.decode(argument).ok()?;
    share.into_boxed_slice().try_into().ok()
}
