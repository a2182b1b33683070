//! A look at the header of an age file before the age library reads it.
//!
//! The library's parser takes headers of any length and number of stanzas, and needs time that grows
//! with the square of them. Here they are measured in one pass without allocating. The limits leave
//! room for [`RECIPIENTS_MAX`](super::RECIPIENTS_MAX) recipients of a post-quantum type, 1.6 kB each.
//!
//! One rule of form is checked as well, because the library does not: a stanza ends in a line shorter than the
//! others. What passes can still be malformed in other ways, which the library refuses.
//!
//! Source: C2SP age, "File format"; github.com/str4d/rage issues 166 and 368.

/// Longest header, in bytes.
pub const HEADER_BYTES_MAX: usize = 256 << 10;

/// Most stanzas in a header: one for each recipient, decoys and grease.
pub const STANZAS_MAX: usize = 160;

/// Longest line of a header, in bytes, without its newline.
pub const LINE_BYTES_MAX: usize = 1700;

const VERSION_LINE: &[u8] = b"age-encryption.org/v1";
const STANZA_MARK: &[u8] = b"->";
const MAC_MARK: &[u8] = b"---";
/// Base64 digits in every line of a stanza's body but its last, which has fewer or none.
const BODY_LINE_DIGITS: usize = 64;
/// Base64 digits of a 32-byte MAC, without padding.
const MAC_DIGITS: usize = 43;

/// The measure of a header within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderShape {
    /// Length of the header with its last newline, in bytes.
    pub header_bytes: usize,
    /// Number of stanzas.
    pub stanzas: usize,
}

/// Why a file is refused unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrescanError {
    /// Not a binary age file of version 1. Armored files end here.
    #[error("file does not start as a binary age file of version 1")]
    NotAge,
    /// The header does not end within [`HEADER_BYTES_MAX`] bytes or the file.
    #[error("header does not end within {HEADER_BYTES_MAX} bytes")]
    NoEnd,
    /// A line is longer than [`LINE_BYTES_MAX`].
    #[error("header has a line of more than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// More than [`STANZAS_MAX`].
    #[error("header has more than {STANZAS_MAX} stanzas")]
    TooManyStanzas,
    /// A stanza without its last line, which old files had and the specification forbids.
    #[error("header has a stanza without its last line")]
    OpenStanza,
    /// The last line is not a mark and a MAC.
    #[error("header ends in a malformed line")]
    MacLine,
}

/// Measures the header of an age file.
///
/// # Errors
/// [`PrescanError`] if a limit is exceeded, or if this is no binary age file.
pub fn prescan(sealed: &[u8]) -> Result<HeaderShape, PrescanError> {
    let within = sealed.get(..HEADER_BYTES_MAX).unwrap_or(sealed);
    // Each piece ends in a newline, but for a last one that the file or the limit cuts.
    let mut lines = within.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if first.strip_suffix(b"\n") != Some(VERSION_LINE) {
        return Err(PrescanError::NotAge);
    }
    let mut header_bytes = first.len();
    let mut stanzas = 0usize;
    let mut is_open = false;
    for piece in lines {
        let line = piece.strip_suffix(b"\n");
        if line.unwrap_or(piece).len() > LINE_BYTES_MAX {
            return Err(PrescanError::LineTooLong);
        }
        let line = line.ok_or(PrescanError::NoEnd)?;
        header_bytes = header_bytes.saturating_add(piece.len());
        if is_open && (line.starts_with(STANZA_MARK) || line.starts_with(MAC_MARK)) {
            return Err(PrescanError::OpenStanza);
        }
        if line.starts_with(MAC_MARK) {
            return if is_mac_line(line) {
                Ok(HeaderShape {
                    header_bytes,
                    stanzas,
                })
            } else {
                Err(PrescanError::MacLine)
            };
        }
        if line.starts_with(STANZA_MARK) {
            stanzas = stanzas.saturating_add(1);
            if stanzas > STANZAS_MAX {
                return Err(PrescanError::TooManyStanzas);
            }
            is_open = true;
        } else if line.len() < BODY_LINE_DIGITS {
            is_open = false;
        }
    }
    Err(PrescanError::NoEnd)
}

fn is_mac_line(line: &[u8]) -> bool {
    line.strip_prefix(MAC_MARK)
        .and_then(|rest| rest.strip_prefix(b" "))
        .is_some_and(|mac| mac.len() == MAC_DIGITS && mac.iter().all(is_base64_digit))
}

fn is_base64_digit(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(stanzas: &str) -> Vec<u8> {
        format!("age-encryption.org/v1\n{stanzas}--- {}\n", "A".repeat(MAC_DIGITS)).into_bytes()
    }

    fn check(file: &[u8], expected: PrescanError) {
        assert_eq!(prescan(file), Err(expected));
    }

    #[test]
    fn a_header_is_measured_up_to_its_last_newline() {
        let file = [
            header("-> X25519 a\nb\n-> X25519 c\nd\n"),
            b"payload\n--- \n-> ".to_vec(),
        ]
        .concat();
        let header_bytes = file.len() - b"payload\n--- \n-> ".len();
        assert_eq!(
            prescan(&file),
            Ok(HeaderShape {
                header_bytes,
                stanzas: 2
            })
        );
    }

    #[test]
    fn the_limits_are_where_they_are_said_to_be() {
        let most = "-> a\n\n".repeat(STANZAS_MAX);
        assert_eq!(prescan(&header(&most)).unwrap().stanzas, STANZAS_MAX);
        check(&header(&format!("{most}-> a\n")), PrescanError::TooManyStanzas);

        let longest = format!("{}\n", "a".repeat(LINE_BYTES_MAX));
        assert!(prescan(&header(&longest)).is_ok());
        check(&header(&format!("a{longest}")), PrescanError::LineTooLong);

        let fixed = header("").len();
        let fill = |bytes: usize| {
            let mut lines = "a\n".repeat((bytes - fixed) / 2);
            lines.extend(((bytes - fixed) % 2 == 1).then_some('\n'));
            header(&lines)
        };
        assert_eq!(
            prescan(&fill(HEADER_BYTES_MAX)).unwrap().header_bytes,
            HEADER_BYTES_MAX
        );
        check(&fill(HEADER_BYTES_MAX + 1), PrescanError::NoEnd);
    }

    #[test]
    fn a_line_without_an_end_is_refused_as_soon_as_it_is_too_long() {
        let file = [
            b"age-encryption.org/v1\n".to_vec(),
            vec![b'a'; LINE_BYTES_MAX + 1],
        ]
        .concat();
        check(&file, PrescanError::LineTooLong);
        check(&file[..file.len() - 1], PrescanError::NoEnd);
    }

    #[test]
    fn other_files_are_refused_at_their_first_line() {
        let files: [&[u8]; 6] = [
            b"",
            b"age-encryption.org/v1",
            b"age-encryption.org/v1\r\n",
            b"age-encryption.org/v2\n",
            b"-----BEGIN AGE ENCRYPTED FILE-----\n",
            b"\n",
        ];
        for file in files {
            check(file, PrescanError::NotAge);
        }
    }

    #[test]
    fn a_stanza_ends_in_a_short_line() {
        let full = "A".repeat(BODY_LINE_DIGITS);
        for complete in [
            String::from("-> a\n\n"),
            format!("-> a\n{full}\nA\n"),
            format!("-> a\n{full}\n\n"),
        ] {
            assert!(prescan(&header(&complete)).is_ok(), "{complete:?}");
            assert!(prescan(&header(&complete.repeat(2))).is_ok(), "{complete:?}");
        }
        for open in [String::from("-> a\n"), format!("-> a\n{full}\n")] {
            check(&header(&open), PrescanError::OpenStanza);
            check(&header(&format!("{open}-> a\n\n")), PrescanError::OpenStanza);
        }
    }

    #[test]
    fn the_last_line_is_a_mark_and_a_mac() {
        for mac in [
            "",
            " ",
            &format!(" {}", "A".repeat(42)),
            &format!(" {}", "A".repeat(44)),
            &"A".repeat(43),
            &format!(" {}=", "A".repeat(42)),
        ] {
            check(
                format!("age-encryption.org/v1\n-> a\n\n---{mac}\n").as_bytes(),
                PrescanError::MacLine,
            );
        }
    }

    #[test]
    fn a_truncated_header_is_refused() {
        let file = header("-> X25519 a\nb\n");
        for bytes in 0..file.len() {
            assert!(prescan(&file[..bytes]).is_err(), "{bytes} bytes");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(tail: Vec<u8>) {
            let _ = prescan(&tail);
            let file = [b"age-encryption.org/v1\n".to_vec(), tail].concat();
            if let Ok(shape) = prescan(&file) {
                prop_assert!(shape.header_bytes <= file.len());
            }
        }
    }
}
