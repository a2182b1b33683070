//! Which 32 bytes are a public key of X25519.
//!
//! X25519 takes any bytes. Keys come from other hubs, so they are looked at: points of small order give
//! every sealer the same secret, known to all, and second encodings give one key two texts.
//!
//! Source: RFC 7748 section 6.1.

use super::RecipientError;

/// Accepts the one encoding of a point that is not of small order.
///
/// # Errors
/// [`RecipientError::NotCanonical`] and [`RecipientError::SmallOrder`].
pub(super) fn check(point: &[u8; 32]) -> Result<(), RecipientError> {
    if !is_reduced(point) {
        return Err(RecipientError::NotCanonical);
    }
    if SMALL_ORDER.contains(point) {
        return Err(RecipientError::SmallOrder);
    }
    Ok(())
}

/// The reduced coordinates of every point of the curve and its twist whose order divides 8.
pub(super) const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

/// Whether a little endian coordinate is below 2^255 - 19.
fn is_reduced(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    *high < 0x7f || (*high == 0x7f && (*low < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}
