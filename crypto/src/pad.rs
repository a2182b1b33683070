//! Padding that hides the exact length of what is sealed.
//!
//! `length as u64, big endian || bytes || zeros`, up to a PADMÉ size and at least 4 KiB: at most 12 %
//! more, and an observer learns only the order of magnitude. There is one padded form for each
//! content; [`unpad`] refuses every other, so nothing can hide in the padding.
//!
//! Source: "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs" (Nikitin et
//! al., 2019), section 4.

/// Smallest padded size, in bytes: most assessments look alike.
pub const PADDED_BYTES_MIN: usize = 4096;

/// Length of the length, in bytes.
const PREFIX_BYTES: usize = 8;

/// Why bytes are not the padded form of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PadError {
    /// Shorter than the smallest padded form.
    #[error("padded form has {bytes} bytes, at least {PADDED_BYTES_MIN} expected")]
    TooShort {
        /// Bytes found.
        bytes: usize,
    },
    /// The length in front is more than there is.
    #[error("padded form of {bytes} bytes announces {announced} bytes of content")]
    LengthOutOfRange {
        /// Content length announced.
        announced: u64,
        /// Bytes found.
        bytes: usize,
    },
    /// The whole is not as long as content of this length is padded to.
    #[error("padded form has {bytes} bytes, {expected} expected")]
    WrongSize {
        /// Bytes found.
        bytes: usize,
        /// Bytes that the announced content is padded to.
        expected: usize,
    },
    /// Something stands in the padding.
    #[error("padding is not zero")]
    NotZero,
}

/// Pads `content` to [`padded_len`] bytes. The result holds the content in clear.
pub fn pad(content: &[u8]) -> Vec<u8> {
    let total = padded_len(content.len());
    let mut padded = Vec::with_capacity(total);
    padded.extend_from_slice(&(content.len() as u64).to_be_bytes());
    padded.extend_from_slice(content);
    padded.resize(total, 0);
    padded
}

/// Returns the content of a padded form.
///
/// # Errors
/// [`PadError`] if `padded` is not exactly what [`pad`] makes of its content: whoever sealed it is
/// at fault.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PadError> {
    let bytes = padded.len();
    if bytes < PADDED_BYTES_MIN {
        return Err(PadError::TooShort { bytes });
    }
    let (prefix, rest) = padded.split_first_chunk().ok_or(PadError::TooShort { bytes })?;
    let announced = u64::from_be_bytes(*prefix);
    let (content, zeros) = usize::try_from(announced)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(PadError::LengthOutOfRange { announced, bytes })?;
    let expected = padded_len(content.len());
    if bytes != expected {
        return Err(PadError::WrongSize { bytes, expected });
    }
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(PadError::NotZero);
    }
    Ok(content)
}

/// The padded size of content of `content_bytes` bytes, in bytes.
///
/// Saturates near the end of the address space, where no content can be.
pub fn padded_len(content_bytes: usize) -> usize {
    padme(content_bytes.saturating_add(PREFIX_BYTES)).max(PADDED_BYTES_MIN)
}

/// Rounds up so that only as many leading bits vary as the exponent has bits.
fn padme(length: usize) -> usize {
    let Some(exponent) = length.checked_ilog2() else {
        return 0;
    };
    let Some(exponent_bits) = exponent.checked_ilog2() else {
        return length;
    };
    // PADMÉ: the exponent needs exponent_bits + 1 bits, all lower bits of the length become zero.
    let mask = (1usize << exponent.saturating_sub(exponent_bits.saturating_add(1))).saturating_sub(1);
    length.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_agree_with_the_paper() {
        // E = floor(log2 L), S = floor(log2 E) + 1, the lowest E - S bits are zero.
        for (length, expected) in [
            (9, 10),
            (100, 104),
            (500, 512),
            (3000, 3072),
            (10_000, 10_240),
            (1 << 20, 1 << 20),
        ] {
            assert_eq!(padme(length), expected, "length {length}");
        }
        assert_eq!((padme(0), padme(1), padme(2), padme(3)), (0, 1, 2, 3));
    }

    #[test]
    fn small_content_is_padded_to_the_floor() {
        assert_eq!(pad(b"").len(), PADDED_BYTES_MIN);
        assert_eq!(padded_len(PADDED_BYTES_MIN - PREFIX_BYTES), PADDED_BYTES_MIN);
        assert!(padded_len(PADDED_BYTES_MIN - PREFIX_BYTES + 1) > PADDED_BYTES_MIN);
    }

    #[test]
    fn padding_costs_at_most_twelve_percent() {
        for length in PADDED_BYTES_MIN..200_000 {
            let padded = padded_len(length);
            assert!(padded * 100 <= (length + PREFIX_BYTES) * 112, "length {length}");
        }
    }

    #[test]
    fn another_size_for_the_same_content_is_refused() {
        let longer = [pad(b"content"), vec![0; 128]].concat();
        let bytes = longer.len();
        assert_eq!(
            unpad(&longer),
            Err(PadError::WrongSize {
                bytes,
                expected: PADDED_BYTES_MIN
            })
        );
        let shorter = &pad(&[1; 5000])[..5100];
        assert!(matches!(
            unpad(shorter),
            Err(PadError::WrongSize { bytes: 5100, .. })
        ));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        for announced in [PADDED_BYTES_MIN as u64 - 7, u64::from(u32::MAX), u64::MAX] {
            let mut padded = pad(b"");
            padded[..8].copy_from_slice(&announced.to_be_bytes());
            let refused = PadError::LengthOutOfRange {
                announced,
                bytes: PADDED_BYTES_MIN,
            };
            assert_eq!(unpad(&padded), Err(refused));
        }
    }

    #[test]
    fn every_bit_of_the_padding_is_checked() {
        let padded = pad(b"content");
        for bit in (PREFIX_BYTES + 7) * 8..padded.len() * 8 {
            let mut changed = padded.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unpad(&changed), Err(PadError::NotZero), "bit {bit}");
        }
    }

    #[test]
    fn a_truncated_form_is_refused() {
        let padded = pad(b"content");
        for bytes in 0..padded.len() {
            assert_eq!(unpad(&padded[..bytes]), Err(PadError::TooShort { bytes }));
        }
    }

    proptest! {
        #[test]
        fn padding_round_trips(content in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let padded = pad(&content);
            prop_assert_eq!(padded.len(), padded_len(content.len()));
            prop_assert_eq!(unpad(&padded), Ok(content.as_slice()));
        }

        #[test]
        fn a_size_covers_its_content_and_grows_with_it(length in 0usize..1 << 40) {
            prop_assert!(padded_len(length) >= length + PREFIX_BYTES);
            prop_assert!(padded_len(length) <= padded_len(length + 1));
        }

        #[test]
        fn what_unpads_is_what_pad_makes(mut padded in proptest::collection::vec(any::<u8>(), 4096..6000), length in 0u64..6000) {
            padded[..8].copy_from_slice(&length.to_be_bytes());
            if let Ok(content) = unpad(&padded) {
                prop_assert_eq!(pad(content), padded);
            }
        }
    }
}
