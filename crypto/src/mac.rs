//! HMAC-SHA256 under a 32-byte key.
//!
//! Private: each caller puts its own label in front, so that no two purposes share a message.
//!
//! Source: RFC 2104, RFC 4231.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Authenticates the plain concatenation of `parts`.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // RFC 2104 fills a short key with zeros up to the hash block. Doing so here makes the call
    // infallible, where a slice of any length would need an error that cannot happen.
    let mut block = Zeroizing::new([0u8; 64]);
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    #[test]
    fn hmac_agrees_with_a_32_byte_key_computed_elsewhere() {
        // Python: hmac.new(bytes(range(32)), b"Hi There", "sha256").hexdigest()
        let key: [u8; 32] = std::array::from_fn(|index| index as u8);
        let expected = "278639ec02309d3afded1b273f1349ba63b9089c12476d716bee3ecc94673e9e";
        assert_eq!(hex(&hmac_sha256(&key, &[b"Hi ", b"There"])), expected);
    }
}
