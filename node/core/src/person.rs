//! Who acts, where it takes two: a code of the duty roster.
//!
//! There are no accounts yet. What a hub can check is that two different codes were given, and what it keeps is the code: the
//! roster of the agency says whose it was. Names of people have no place in a hub.

use serde::{Deserialize, Serialize};
use testudo_crypto::digest::Digest;
use testudo_protocol::id::Hash;

/// Longest code of a person, in bytes.
pub const PERSON_BYTES_MAX: usize = 32;

const DOMAIN: &[u8] = b"testudo/person/v1\0";

/// The code of a person: 1 to 32 lower-case letters, digits, dots and hyphens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Person(String);

/// What is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a person is named by a code of the duty roster: 1 to {PERSON_BYTES_MAX} lower-case letters, digits, dots and hyphens"
)]
pub struct PersonError;

impl Person {
    /// The code as it is shown to people.
    pub fn code(&self) -> &str {
        &self.0
    }

    /// Stands for the person in a ledger entry.
    pub fn hash(&self) -> Hash {
        Digest::of(&[DOMAIN, self.0.as_bytes()].concat()).into()
    }
}

impl TryFrom<String> for Person {
    type Error = PersonError;

    fn try_from(code: String) -> Result<Self, PersonError> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        if (1..=PERSON_BYTES_MAX).contains(&code.len()) && code.bytes().all(plain) {
            Ok(Self(code))
        } else {
            Err(PersonError)
        }
    }
}

impl From<Person> for String {
    fn from(person: Person) -> Self {
        person.0
    }
}

/// Without the code: what is written down for debugging names nobody.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_somebody_and_a_name_does_not() {
        let code = Person::try_from("d-07".to_owned()).unwrap();
        assert_eq!(code.code(), "d-07");
        for bad in ["", "Ann", "a b", "a\n", "é", &"x".repeat(33)] {
            assert_eq!(Person::try_from(bad.to_owned()), Err(PersonError), "{bad}");
        }
        assert_eq!(format!("{code:?}"), "Person");
    }
}
