//! Salted commitments: what is said now and shown later, or erased.
//!
//! A commitment hides its content while the salt is secret, and binds to it once both are shown.
//! Each needs a salt of its own, drawn fresh and never derived from another: destroying the salt is
//! then enough to erase the content, whatever else is known.
//!
//! Source: HMAC-SHA256 (RFC 2104) under a key of fixed length, which makes it binding; the registered
//! labels are in `docs/spec/`.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::digest::{Digest, hex};
use crate::entropy::Entropy;
use crate::mac::hmac_sha256;
use crate::merkle::leaf_hash;

const SALTED_LEAF_LABEL: &str = "testudo/salted-leaf/v1";

/// The secret half of a commitment, 32 random bytes. Wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Salt([u8; 32]);

/// The public half of a commitment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment([u8; 32]);

impl Salt {
    /// Draws a fresh salt.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes32())
    }

    /// Wraps a salt that was kept, given as an array or as a [`Zeroizing`] one.
    pub fn from_bytes(bytes: impl Into<Zeroizing<[u8; 32]>>) -> Self {
        Self(*bytes.into())
    }

    /// The salt as bytes, for keeping it and for showing it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(redacted)")
    }
}

impl Commitment {
    /// Wraps a commitment that was read from elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The commitment as bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({self})")
    }
}

/// Commits to `parts` for one purpose: `HMAC-SHA256(salt, label || 0x00 || parts)`.
///
/// `label` holds no zero byte. The parts are plainly concatenated: all but the last must have a fixed
/// width. To check an opening, compute the commitment again and compare.
pub fn commit(salt: &Salt, label: &str, parts: &[&[u8]]) -> Commitment {
    let mut message = Vec::with_capacity(parts.len().saturating_add(2));
    message.push(label.as_bytes());
    message.push(&[0]);
    message.extend_from_slice(parts);
    Commitment(hmac_sha256(&salt.0, &message))
}

/// The leaf hash of one salted value, for a [tree](crate::merkle) whose members are shown one by one.
///
/// Each value has its own salt: whoever is shown one value and its path learns nothing of the others.
pub fn salted_leaf(salt: &Salt, value: &[u8]) -> Digest {
    leaf_hash(commit(salt, SALTED_LEAF_LABEL, &[value]).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{LeafIndex, TreeSize, prove_inclusion, tree_root, verify_inclusion};

    fn salt(byte: u8) -> Salt {
        Salt::from_bytes([byte; 32])
    }

    #[test]
    fn a_commitment_is_the_hmac_of_label_and_parts() {
        // Python: hmac.new(b"\x07" * 32, b"label\0onetwo", "sha256").hexdigest()
        let expected = "439f5e550832a9abbceec6de8ccfdf18d63ff0d3a7cea730ad0e3075fed3d75d";
        assert_eq!(commit(&salt(7), "label", &[b"one", b"two"]).to_string(), expected);
    }

    #[test]
    fn salt_label_and_content_all_bind() {
        let base = commit(&salt(1), "label", &[b"one"]);
        assert_eq!(base, commit(&salt(1), "label", &[b"o", b"ne"]));
        assert_ne!(base, commit(&salt(2), "label", &[b"one"]));
        assert_ne!(base, commit(&salt(1), "labe", &[b"lone"]));
        assert_ne!(base, commit(&salt(1), "label", &[b"two"]));
    }

    #[test]
    fn one_member_is_shown_without_the_others() {
        let names: [&[u8]; 5] = [b"AT", b"BE", b"CZ", b"DK", b"EE"];
        let leaves: Vec<Digest> = (1..)
            .zip(names)
            .map(|(byte, name)| salted_leaf(&salt(byte), name))
            .collect();
        let (size, index) = (TreeSize::new(5), LeafIndex::new(2));
        let proof = prove_inclusion(&leaves, index, size).unwrap();
        let shown = salted_leaf(&salt(3), b"CZ");
        assert_eq!(
            verify_inclusion(shown, index, size, &proof, tree_root(&leaves)),
            Ok(())
        );
        let guessed = salted_leaf(&salt(9), b"CZ");
        assert!(verify_inclusion(guessed, index, size, &proof, tree_root(&leaves)).is_err());
    }

    #[test]
    fn a_salt_does_not_print() {
        assert_eq!(format!("{:?}", salt(7)), "Salt(redacted)");
    }
}
