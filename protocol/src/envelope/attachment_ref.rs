//! What the signed header says of each attachment: its name, what it is, and all that is needed to fetch and open it.
//!
//! The entry stands inside the seal alone: name and key are content, and the root would tell a stranger who has seen the
//! sealed file which item it belongs to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use testudo_crypto::attachment::{Attachment, AttachmentError};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::Hash;

/// Most attachments of one item: a report with its evidence, and a header that stays small. More are a second item.
pub const ATTACHMENTS_MAX: usize = 16;

/// Longest name, in bytes: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;

/// Longest part of a media type, in bytes. Source: RFC 6838 section 4.2.
const MEDIA_PART_BYTES_MAX: usize = 127;

/// One attachment in a header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRef {
    /// Its name, as people see it.
    pub name: String,
    /// What it is, such as `image/png`.
    pub media_type: String,
    /// Length of its content, in bytes.
    pub content_bytes: u64,
    /// Length when sealed, in bytes.
    pub sealed_bytes: u64,
    /// The root of the BLAKE3 tree over the sealed bytes.
    pub root: Hash,
    /// The seed of the one-off identity that it is sealed to.
    pub key: AttachmentKey,
}

/// The secret of one attachment. Wiped on drop, and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct AttachmentKey([u8; 32]);

/// Why the attachments of a header are refused. Never shows a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentRefError {
    /// More than [`ATTACHMENTS_MAX`].
    #[error("{count} attachments, at most {ATTACHMENTS_MAX} are allowed; release the rest as another item")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A name that is empty, too long, or could be taken for something else than a file's name.
    #[error(
        "name of attachment {number} is not one: 1 to {NAME_BYTES_MAX} bytes, no strokes, no control characters; rename the file"
    )]
    Name {
        /// Which attachment, from 1.
        number: usize,
    },
    /// Two attachments with one name.
    #[error("attachment {number} has the name of an earlier one; rename the file")]
    SameName {
        /// Which attachment, from 1.
        number: usize,
    },
    /// No media type.
    #[error("media type of attachment {number} is not one; give it as in `image/png`")]
    MediaType {
        /// Which attachment, from 1.
        number: usize,
    },
    /// The lengths do not fit.
    #[error("lengths of attachment {number} do not fit")]
    Lengths {
        /// Which attachment, from 1.
        number: usize,
        /// What is wrong with them.
        #[source]
        source: AttachmentError,
    },
}

impl AttachmentKey {
    /// Wraps a seed.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl std::fmt::Debug for AttachmentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AttachmentKey")
    }
}

impl AttachmentRef {
    /// The entry for a sealed file.
    pub fn new(name: String, media_type: String, sealed: &Attachment) -> Self {
        Self {
            name,
            media_type,
            content_bytes: sealed.content_bytes(),
            sealed_bytes: sealed.sealed_bytes(),
            root: Hash::new(*sealed.root()),
            key: AttachmentKey(*sealed.seed()),
        }
    }

    /// What opens the sealed file.
    ///
    /// # Errors
    /// [`AttachmentError`] if the lengths do not fit each other.
    pub fn sealed(&self) -> Result<Attachment, AttachmentError> {
        let seed = Zeroizing::new(self.key.0);
        Attachment::new(seed, *self.root.as_bytes(), self.sealed_bytes, self.content_bytes)
    }

    /// Checks all attachments of one item.
    ///
    /// # Errors
    /// [`AttachmentRefError`], which names the first that is wrong by its number.
    pub fn check_all(all: &[Self]) -> Result<(), AttachmentRefError> {
        check_names(all.iter().map(|one| (one.name.as_str(), one.media_type.as_str())))?;
        for (number, one) in (1..).zip(all) {
            let lengths = |source| AttachmentRefError::Lengths { number, source };
            one.sealed().map_err(lengths)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for AttachmentRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AttachmentRef({} bytes)", self.content_bytes)
    }
}

/// Checks names and media types, of a draft or of a header.
///
/// # Errors
/// [`AttachmentRefError`], which names the first that is wrong by its number.
pub fn check_names<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), AttachmentRefError> {
    let mut names = BTreeSet::new();
    let mut count = 0;
    for (number, (name, media_type)) in (1..).zip(all) {
        count = number;
        if !is_name(name) {
            return Err(AttachmentRefError::Name { number });
        }
        if !names.insert(name) {
            return Err(AttachmentRefError::SameName { number });
        }
        if !is_media_type(media_type) {
            return Err(AttachmentRefError::MediaType { number });
        }
    }
    if count > ATTACHMENTS_MAX {
        return Err(AttachmentRefError::TooMany { count });
    }
    Ok(())
}

/// Whether a text can only be taken for the name of a file: it leads nowhere, and reads as it is written.
fn is_name(text: &str) -> bool {
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !matches!(text, "." | "..") && !text.contains(misleads)
}

/// Source: RFC 6838 section 4.2.
fn is_media_type(text: &str) -> bool {
    let mark = |byte: u8| matches!(byte, b'!' | b'#' | b'$' | b'&' | b'-' | b'^' | b'_' | b'.' | b'+');
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        part.len() <= MEDIA_PART_BYTES_MAX
            && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
    };
    text.split_once('/')
        .is_some_and(|(kind, of)| is_part(kind) && is_part(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[(&str, &str)]) -> Result<(), AttachmentRefError> {
        check_names(names.iter().copied())
    }

    #[test]
    fn names_that_could_be_taken_for_something_else_are_refused() {
        for name in ["photo.png", "Überblick 1.pdf", "..evidence", "写真.jpg"] {
            assert_eq!(check(&[(name, "image/png")]), Ok(()), "{name}");
        }
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\nb",
            "a\0b",
            "gnp\u{202e}.exe",
            "a\u{200b}b",
            &long,
        ] {
            let refused = Err(AttachmentRefError::Name { number: 2 });
            assert_eq!(
                check(&[("first", "text/plain"), (name, "image/png")]),
                refused,
                "{name:?}"
            );
        }
        let refused = Err(AttachmentRefError::SameName { number: 2 });
        assert_eq!(check(&[("a", "text/plain"), ("a", "image/png")]), refused);
    }

    #[test]
    fn media_types_have_two_plain_parts() {
        for media_type in ["image/png", "application/vnd.ms-excel", "image/svg+xml"] {
            assert_eq!(check(&[("a", media_type)]), Ok(()), "{media_type}");
        }
        for media_type in [
            "",
            "image",
            "image/",
            "/png",
            "image/p g",
            "image/png/x",
            "text/plain; charset=utf-8",
        ] {
            let refused = Err(AttachmentRefError::MediaType { number: 1 });
            assert_eq!(check(&[("a", media_type)]), refused, "{media_type}");
        }
    }

    #[test]
    fn more_than_one_item_takes_are_refused() {
        let names: Vec<String> = (0..=ATTACHMENTS_MAX).map(|at| at.to_string()).collect();
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "image/png")).collect();
        assert_eq!(check(&all[1..]), Ok(()));
        assert_eq!(
            check(&all),
            Err(AttachmentRefError::TooMany {
                count: ATTACHMENTS_MAX + 1
            })
        );
    }

    #[test]
    fn debug_output_shows_neither_name_nor_key() {
        let entry = AttachmentRef {
            name: "CANARY".to_owned(),
            media_type: "image/png".to_owned(),
            content_bytes: 1,
            sealed_bytes: 2,
            root: Hash::new([0xab; 32]),
            key: AttachmentKey::new([0xcd; 32]),
        };
        assert_eq!(
            format!("{entry:?} {:?}", entry.key),
            "AttachmentRef(1 bytes) AttachmentKey"
        );
    }
}
