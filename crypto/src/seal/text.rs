//! Keys as text: Bech32 of any length, and one text for one key.
//!
//! Source: BIP 173 without its limit of 90 characters, as C2SP age wants it.

use age_core::primitives::{bech32_decode, bech32_encode};
use bech32::Hrp;
use zeroize::Zeroizing;

/// What stands before the data.
pub(super) struct Prefix(&'static str);

impl Prefix {
    /// Of an X25519 recipient.
    pub(super) const RECIPIENT: Self = Self("age");
    /// Of a hybrid recipient.
    pub(super) const HYBRID_RECIPIENT: Self = Self("age1pq");
    /// Of a hybrid identity, written in upper case.
    pub(super) const HYBRID_IDENTITY: Self = Self("age-secret-key-pq-");

    fn hrp(&self) -> Hrp {
        Hrp::parse_unchecked(self.0)
    }

    /// Writes bytes in lower case. May hold a secret: wiped on drop.
    pub(super) fn encode(&self, bytes: &[u8]) -> Zeroizing<String> {
        Zeroizing::new(bech32_encode(self.hrp(), bytes))
    }

    /// Reads the bytes of a lower-case text, and refuses every text but the one that [`encode`](Self::encode) writes.
    pub(super) fn decode(&self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = bech32_decode(
            text,
            |_| (),
            |hrp| if hrp == self.hrp() { Ok(()) } else { Err(()) },
            |_, bytes| Ok(Zeroizing::new(bytes.collect::<Vec<u8>>())),
        )
        .ok()?;
        (*self.encode(&bytes) == text).then_some(bytes)
    }
}
