//! The federation and the realm, which every signature is bound to.
//!
//! An exercise item cannot enter live traffic, nor the other way round, because the
//! bytes that were signed name the realm they were signed for.

use testudo_crypto::digest::Digest;

/// Longest federation or realm name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A federation and one realm of it: `live`, or the name of an exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    federation: String,
    name: String,
}

/// A federation or realm name that is not 1 to 64 characters of `a`–`z`, `0`–`9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("federation and realm names are 1 to 64 characters of a-z, 0-9 and -")]
pub struct RealmNameError;

impl Realm {
    /// Names a realm.
    ///
    /// # Errors
    /// [`RealmNameError`] if a name is empty, too long or has other characters.
    pub fn new(federation: &str, name: &str) -> Result<Self, RealmNameError> {
        let good = |text: &str| {
            !text.is_empty()
                && text.len() <= NAME_BYTES_MAX
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if good(federation) && good(name) {
            Ok(Self {
                federation: federation.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(RealmNameError)
        }
    }

    /// The federation.
    pub fn federation(&self) -> &str {
        &self.federation
    }

    /// `live`, or the name of the exercise.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is live traffic.
    pub fn is_live(&self) -> bool {
        self.name == "live"
    }

    /// The 32 bytes that stand in front of every signed message other than a payload header,
    /// which names federation and realm itself.
    ///
    /// SHA-256 over `testudo/realm/v1`, a zero byte, and both names, each after its length
    /// as one byte.
    pub fn tag(&self) -> Digest {
        let length = |text: &str| [u8::try_from(text.len()).unwrap_or(u8::MAX)];
        Digest::of_parts(&[
            b"testudo/realm/v1\0".as_slice(),
            &length(&self.federation),
            self.federation.as_bytes(),
            &length(&self.name),
            self.name.as_bytes(),
        ])
    }

    /// `message` behind the tag of this realm.
    pub fn bind(&self, message: &[u8]) -> Vec<u8> {
        [self.tag().as_bytes().as_slice(), message].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realms_and_federations_have_different_tags() {
        let live = Realm::new("eu-fimi", "live").unwrap();
        assert_ne!(live.tag(), Realm::new("eu-fimi", "exercise-26").unwrap().tag());
        assert_ne!(
            Realm::new("a", "bc").unwrap().tag(),
            Realm::new("ab", "c").unwrap().tag(),
            "names do not run into each other"
        );
        assert!(Realm::new("EU", "live").is_err());
        assert!(Realm::new("", "live").is_err());
    }
}
