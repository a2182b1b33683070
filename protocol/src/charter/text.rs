//! Texts: readable JSON, and the name under which voters sign it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::TextError;
use super::kind::Kind;
use crate::id::{CharterVersion, HubId};
use crate::realm::Realm;

/// Longest text of one object, in bytes: a directory of 600 members, and what one frame takes.
pub const TEXT_BYTES_MAX: usize = 5 * 1024 * 1024;

/// The text to sign: indented JSON and a final newline.
pub fn to_text<T: Serialize>(document: &T) -> String {
    // Serialising plain data to a string has no way to fail.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

/// The name under which a voter signs, in the sense of C2SP signed-note.
pub fn signer_name(realm: &Realm, voter: HubId) -> String {
    format!("{}/{}/charter/{voter}", realm.federation(), realm.name())
}

#[derive(Deserialize)]
struct Heading {
    kind: Kind,
    federation: String,
    realm: String,
}

/// What a text says it is, and for which realm.
///
/// # Errors
/// [`TextError::TooLarge`], [`TextError::Json`] or a malformed name.
pub fn heading(text: &str) -> Result<(Kind, Realm), TextError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TextError::TooLarge {
            bytes: text.len(),
            max: TEXT_BYTES_MAX,
        });
    }
    let heading: Heading = parse(text)?;
    let realm = Realm::new(&heading.federation, &heading.realm).map_err(|_| TextError::Shape {
        what: "federation or realm name is malformed",
    })?;
    Ok((heading.kind, realm))
}

#[derive(Deserialize)]
struct Numbered {
    version: Option<CharterVersion>,
}

/// Whether a text is the first version of its chain.
pub fn is_first(text: &str) -> bool {
    parse::<Numbered>(text).is_ok_and(|numbered| numbered.version == Some(CharterVersion::new(1)))
}

/// Reads a text of a known kind; unknown keys in it are refused by the kinds themselves.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, TextError> {
    serde_json::from_str(text).map_err(|error| TextError::Json {
        line: error.line(),
        column: error.column(),
    })
}
