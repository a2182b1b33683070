//! A key that signs, wherever it lies: in this process, or in a token that never gives it out.
//!
//! Only Ed25519, whose signature follows from key and message: what signs is a function of its inputs, also
//! where the key is elsewhere. A signer sees a [`Preimage`], which only this crate makes, so that no caller can
//! have bytes of its own choosing signed without a purpose in front of them.

use super::{BareSignatureError, Domain, Signature, preimage, sign_bare, verify_bare};
use crate::keys::{SigningKey, VerifyingKey};

/// The bytes that a signature covers: a domain and a message, or the text of a signed note.
///
/// ```compile_fail,E0423
/// let forged = testudo_crypto::sign::Preimage(b"anything");
/// ```
pub struct Preimage<'a>(&'a [u8]);

impl<'a> Preimage<'a> {
    /// For the constructions of this crate, each of which says why its bytes mean one thing only.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes to sign with plain Ed25519, without a hash or a context in front.
    pub const fn as_bytes(&self) -> &[u8] {
        self.0
    }
}

/// A key that did not sign. Why a token refused stands in the log of whoever speaks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The token does not answer, or does not let us in.
    #[error("the token that holds the key does not sign; check that it is there and unlocked")]
    Unavailable,
    /// What came back does not verify under the key that was named.
    #[error("the token has signed with another key than the one that is configured")]
    OtherKey,
}

/// Signs with an Ed25519 key.
pub trait Signer: Send + Sync {
    /// The public half.
    fn verifying_key(&self) -> VerifyingKey;

    /// Signs these bytes, as RFC 8032 says for Ed25519.
    ///
    /// # Errors
    /// [`SignerError`] if the key is elsewhere and cannot be used now. Nothing was signed.
    fn sign(&self, preimage: &Preimage<'_>) -> Result<Signature, SignerError>;
}

impl Signer for SigningKey {
    fn verifying_key(&self) -> VerifyingKey {
        Self::verifying_key(self)
    }

    fn sign(&self, preimage: &Preimage<'_>) -> Result<Signature, SignerError> {
        Ok(sign_bare(self, preimage.0))
    }
}

/// Signs `message` for one purpose with a key that may lie elsewhere, and verifies what comes back.
///
/// # Errors
/// [`SignerError`]; nothing was signed that could be used.
pub fn sign_with(signer: &dyn Signer, domain: Domain, message: &[u8]) -> Result<Signature, SignerError> {
    sign_checked(signer, &preimage(domain, message))
}

/// Signs the bytes of a published format, and verifies what comes back: a token may be another one than yesterday.
pub(crate) fn sign_checked(signer: &dyn Signer, bytes: &[u8]) -> Result<Signature, SignerError> {
    let signature = signer.sign(&Preimage::new(bytes))?;
    verify_bare(&signer.verifying_key(), bytes, &signature)
        .map_err(|BareSignatureError| SignerError::OtherKey)?;
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{sign, verify};

    /// A token that names one key and signs with another, or not at all.
    struct Faulty(SigningKey, Option<SigningKey>);

    impl Signer for Faulty {
        fn verifying_key(&self) -> VerifyingKey {
            self.0.verifying_key()
        }

        fn sign(&self, preimage: &Preimage<'_>) -> Result<Signature, SignerError> {
            let key = self.1.as_ref().ok_or(SignerError::Unavailable)?;
            Signer::sign(key, preimage)
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    #[test]
    fn a_signer_signs_what_the_key_itself_signs() {
        let domain = Domain::CARD;
        let by_trait = sign_with(&key(1), domain, b"message").unwrap();
        assert_eq!(by_trait, sign(&key(1), domain, b"message"));
        assert!(verify(&key(1).verifying_key(), domain, b"message", &by_trait).is_ok());
    }

    #[test]
    fn a_token_with_another_key_or_without_one_signs_nothing() {
        let other = Faulty(key(1), Some(key(2)));
        let refused = sign_with(&other, Domain::CARD, b"message");
        assert_eq!(refused, Err(SignerError::OtherKey));
        let gone = Faulty(key(1), None);
        let refused = sign_with(&gone, Domain::CARD, b"message");
        assert_eq!(refused, Err(SignerError::Unavailable));
    }
}
