//! The signature inside: one or two algorithms, by suite.
//!
//! All of them sign the same message, `suite || SHA-512(bytes)` under a domain of its own, and all of them must
//! verify.

use testudo_crypto::sign::composite::{self, CompositeSignature, CompositeSigningKey, CompositeVerifyingKey};
use testudo_crypto::sign::{self, Domain, SIGNATURE_BYTES, Signature, payload_message};

use super::suite::Suite;

/// A payload signature, not yet checked against anything.
#[derive(Clone, PartialEq, Eq)]
pub enum PayloadSignature {
    /// Ed25519.
    Classical(Signature),
    /// Ed25519 and ML-DSA-65.
    Hybrid(Box<CompositeSignature>),
}

impl PayloadSignature {
    /// Signs `signed` for a purpose. `hedge` is fresh randomness for ML-DSA.
    pub fn sign(
        suite: Suite,
        domain: Domain,
        signed: &[u8],
        key: &CompositeSigningKey,
        hedge: [u8; 32],
    ) -> Self {
        let message = payload_message(suite.number(), signed);
        match suite {
            Suite::Classical => Self::Classical(sign::sign(key.classical(), domain, &message)),
            Suite::Hybrid => Self::Hybrid(Box::new(composite::sign(key, domain, &message, hedge))),
        }
    }

    /// The suite that this is a signature of.
    pub const fn suite(&self) -> Suite {
        match self {
            Self::Classical(_) => Suite::Classical,
            Self::Hybrid(_) => Suite::Hybrid,
        }
    }

    /// Whether every algorithm of the suite verifies.
    pub fn verifies(&self, domain: Domain, signed: &[u8], key: &CompositeVerifyingKey) -> bool {
        let message = payload_message(self.suite().number(), signed);
        match self {
            Self::Classical(signature) => sign::verify(key.classical(), domain, &message, signature).is_ok(),
            Self::Hybrid(signature) => composite::verify(key, domain, &message, signature).is_ok(),
        }
    }

    /// The bytes: 64 of suite 1, 3,373 of suite 2.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Classical(signature) => signature.to_bytes().to_vec(),
            Self::Hybrid(signature) => signature.as_bytes().to_vec(),
        }
    }

    /// Reads the bytes; their length tells the suite.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(bytes) = <[u8; SIGNATURE_BYTES]>::try_from(bytes) {
            return Some(Self::Classical(Signature::from_bytes(bytes)));
        }
        let signature = CompositeSignature::from_bytes(bytes)?;
        Some(Self::Hybrid(Box::new(signature)))
    }
}

impl std::fmt::Debug for PayloadSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PayloadSignature(suite {})", self.suite())
    }
}
