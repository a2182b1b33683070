//! Randomness for code that may not ask the operating system.
//!
//! The shell draws one seed; the pure core draws everything else from it, so that a simulation with
//! a known seed repeats itself. After every draw the state is replaced by a one-way function of
//! itself: who reads the state later cannot compute what was drawn before.
//!
//! Source: the key erasure idea of "Fast-key-erasure random-number generators" (Bernstein, 2017),
//! with HMAC-SHA256 as the one-way function.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::mac::hmac_sha256;

const OUT: &[u8] = b"testudo/entropy/v1\0out\0";
const NEXT: &[u8] = b"testudo/entropy/v1\0next\0";

/// A ratcheting generator. Not `Clone`: two copies would hand out the same bytes twice.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy {
    state: [u8; 32],
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError(#[source] getrandom::Error);

impl Entropy {
    /// Starts from a seed of 32 uniformly random bytes.
    ///
    /// The output is no better than the seed: outside of a simulation use [`Entropy::from_os`].
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self { state: seed }
    }

    /// Starts from a seed drawn from the operating system.
    ///
    /// # Errors
    /// [`EntropyError`] if the system has none; there is no fallback.
    pub fn from_os() -> Result<Self, EntropyError> {
        let mut entropy = Self { state: [0; 32] };
        fill_from_os(&mut entropy.state)?;
        Ok(entropy)
    }

    /// Fills `target`, then moves on so that these bytes cannot be computed again.
    pub fn fill(&mut self, target: &mut [u8]) {
        for (counter, chunk) in (0u64..).zip(target.chunks_mut(32)) {
            let mut block = hmac_sha256(&self.state, &[OUT, &counter.to_be_bytes()]);
            for (slot, byte) in chunk.iter_mut().zip(&block) {
                *slot = *byte;
            }
            block.zeroize();
        }
        self.state = hmac_sha256(&self.state, &[NEXT]);
    }

    /// Draws 32 bytes.
    pub fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        bytes
    }

    /// Draws 16 bytes.
    pub fn bytes16(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(redacted)")
    }
}

/// Fills `target` from the operating system.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks: for the shell's seed, and for nonces that no restored backup may repeat"
)]
pub(crate) fn fill_from_os(target: &mut [u8]) -> Result<(), EntropyError> {
    getrandom::fill(target).map_err(EntropyError)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut entropy = Entropy::from_seed([seed; 32]);
            let mut long = [0; 100];
            entropy.fill(&mut long);
            (entropy.bytes32(), entropy.bytes16(), long)
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn draws_and_blocks_never_repeat() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut long = [0; 32 * 64];
        entropy.fill(&mut long);
        let mut seen: BTreeSet<Vec<u8>> = long.chunks(32).map(<[u8]>::to_vec).collect();
        seen.extend((0..64).map(|_| entropy.bytes32().to_vec()));
        assert_eq!(seen.len(), 128);
    }

    #[test]
    fn the_state_is_replaced_even_by_an_empty_draw() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let before = entropy.state;
        entropy.fill(&mut []);
        assert_ne!(entropy.state, before);
    }

    #[test]
    fn the_sequence_is_locked() {
        let mut entropy = Entropy::from_seed([0; 32]);
        let drawn = (
            crate::digest::hex(&entropy.bytes32()),
            crate::digest::hex(&entropy.bytes16()),
        );
        // Simulation records name seeds: another sequence here would make them all stale.
        assert_eq!(
            drawn.0,
            "25924f771f1bd6e0346d809c728d495d6fd1ff8163778f3405de24dcf77b7689"
        );
        assert_eq!(drawn.1, "8ef89337ce5c226a973be49b369c2cbf");
    }

    #[test]
    fn the_operating_system_gives_different_seeds() {
        let (mut one, mut two) = (Entropy::from_os().unwrap(), Entropy::from_os().unwrap());
        assert_ne!(one.bytes32(), two.bytes32());
        assert_eq!(format!("{one:?}"), "Entropy(redacted)");
    }
}
