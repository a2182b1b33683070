//! Signatures with a stated purpose.
//!
//! Every signature covers `domain || 0x00 || message`: one made for a receipt never verifies as a
//! consent. Verification is the strict one, single, never in batches: a batch may accept what a
//! single check refuses, and two hubs must not disagree about one signature.
//!
//! Signed notes are the exception: their format fixes the signed bytes (see [`note`](crate::note)),
//! so the keys that sign notes sign nothing else.
//!
//! Suite 1 signs with Ed25519 alone, as here; suite 2 with a [`composite`] of it and ML-DSA-65.
//!
//! Source: RFC 8032 (Ed25519); the domains are registered in `docs/spec/`.

use std::fmt;

use ed25519_dalek::Signer as _;

use crate::digest::{hex, sha512};
use crate::keys::{SigningKey, VerifyingKey};

pub mod composite;
pub mod mldsa;
mod signer;

pub(crate) use signer::sign_checked;
pub use signer::{Preimage, Signer, SignerError, sign_with};

/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// What a signature is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Domain(&'static str);

impl Domain {
    /// The originator's signature over an envelope header, see [`payload_message`].
    pub const PAYLOAD: Self = Self::new("testudo/payload/v1");
    /// The sender's signature over the outer part of an envelope.
    pub const OUTER: Self = Self::new("testudo/outer/v1");
    /// A receipt by the receiving hub.
    pub const RECEIPT: Self = Self::new("testudo/receipt/v1");
    /// A content-free notice.
    pub const NOTICE: Self = Self::new("testudo/notice/v1");
    /// The originator's consent to one forward.
    pub const CONSENT: Self = Self::new("testudo/consent/v1");
    /// A vote on a charter act.
    pub const CHARTER: Self = Self::new("testudo/charter/v1");
    /// The heads of a hub's logs.
    pub const HEADS: Self = Self::new("testudo/heads/v1");
    /// A parcel that is carried by hand.
    pub const COURIER: Self = Self::new("testudo/courier/v1");
    /// A hub's card: its keys and addresses.
    pub const CARD: Self = Self::new("testudo/card/v1");

    /// Names a domain. Use a registered constant; `name` must not hold a zero byte.
    pub const fn new(name: &'static str) -> Self {
        // The zero byte ends the domain: one inside it would let two pairs of domain and message
        // share their signed bytes. Checked when the constant is compiled.
        let mut rest = name.as_bytes();
        while let [first, tail @ ..] = rest {
            assert!(*first != 0, "a domain holds no zero byte");
            rest = tail;
        }
        Self(name)
    }

    /// The name, without the zero byte that ends it in signed bytes.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An Ed25519 signature, not yet checked against anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// Wraps 64 bytes. Whether they are a signature shows in [`verify`].
    pub const fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(bytes)
    }

    /// The signature as bytes.
    pub const fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        self.0
    }

    /// The signature as borrowed bytes.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Signature({}..)", hex(&[a, b, c, d]))
    }
}

/// A signature that does not verify: other key, other domain, other bytes, or no signature at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature under domain `{domain}` does not verify")]
pub struct SignatureError {
    /// The domain that was checked.
    pub domain: Domain,
}

/// A signature over the bytes of a published format that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BareSignatureError;

/// Signs `message` for one purpose.
pub fn sign(key: &SigningKey, domain: Domain, message: &[u8]) -> Signature {
    sign_bare(key, &preimage(domain, message))
}

/// Checks a signature made by [`sign`].
///
/// # Errors
/// [`SignatureError`] if it does not verify, which says nothing about who is at fault.
///
/// Source: RFC 8032 section 5.1.7, without cofactor, with canonical `S` and no point of small order.
pub fn verify(
    key: &VerifyingKey,
    domain: Domain,
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    verify_bare(key, &preimage(domain, message), signature).map_err(|_| SignatureError { domain })
}

/// What an originator signs under [`Domain::PAYLOAD`]: `suite || SHA-512(header)`.
///
/// Short, so that a hardware module can sign the whole of it. `header` is the encoded header as it
/// stands in the envelope, never a re-encoding.
pub fn payload_message(suite: u8, header: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(65);
    message.push(suite);
    message.extend_from_slice(&sha512(header));
    message
}

/// Signs bytes whose format fixes them, without a domain in front.
pub(crate) fn sign_bare(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.inner().sign(message).to_bytes())
}

/// Checks an Ed25519 signature over exactly `message`, without a domain in front.
///
/// Only for published formats that fix the signed bytes, such as witness cosignatures; ours use
/// [`verify`]. There is no counterpart that signs.
///
/// # Errors
/// [`BareSignatureError`] if it does not verify.
///
/// Source: as for [`verify`].
pub fn verify_bare(
    key: &VerifyingKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BareSignatureError> {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.inner()
        .verify_strict(message, &signature)
        .map_err(|_| BareSignatureError)
}

fn preimage(domain: Domain, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(domain.0.len().saturating_add(1).saturating_add(message.len()));
    bytes.extend_from_slice(domain.0.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(message);
    bytes
}

#[cfg(test)]
mod tests;
