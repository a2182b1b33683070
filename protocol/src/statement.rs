//! What an authority has approved: how high a deployment may go, and how high a cipher suite.
//!
//! A statement is a C2SP signed note whose text is one JSON object. Whoever accredits signs it with a key that the hub
//! pins; it names one deployment or one suite, one federation and realm, a level and an end. Without one, or past its
//! end, the level is SENSITIVE NON-CLASSIFIED: no system handles classified information without accreditation (Council
//! Decision 2013/488/EU, Article 10(4) and (6)).

use serde::{Deserialize, Serialize};
use testudo_crypto::note::{Note, NoteError, NoteSigner, NoteVerifier};

use crate::id::{HubId, Timestamp};
use crate::label::Level;
use crate::realm::Realm;

/// Longest statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024;

/// How high one deployment may go. Made only by [`Accreditation::verify`].
///
/// ```compile_fail
/// # use testudo_protocol::statement::Accreditation;
/// let forged = Accreditation { level: unreachable!(), valid_until: 0 };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accreditation {
    level: Level,
    valid_until: u64,
}

/// How high one cipher suite may go. Made only by [`CryptoApproval::verify`].
///
/// ```compile_fail
/// # use testudo_protocol::statement::CryptoApproval;
/// let forged = CryptoApproval { suite: 1, level: unreachable!(), valid_until: 0 };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptoApproval {
    suite: u8,
    level: Level,
    valid_until: u64,
}

/// What an authority approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// One hub, as it is set up and run.
    Deployment {
        /// Which.
        hub: HubId,
    },
    /// One cipher suite.
    Suite {
        /// Its number.
        suite: u8,
    },
}

/// Signs a statement: what is approved, where, up to which level, until which Unix second.
///
/// # Errors
/// [`NoteError`] if the name of the signer does not fit a note.
pub fn sign(
    approval: Approval,
    realm: &Realm,
    level: Level,
    valid_until: u64,
    signer: &NoteSigner,
) -> Result<Vec<u8>, NoteError> {
    let (federation, realm) = (realm.federation().to_owned(), realm.name().to_owned());
    let text = match approval {
        Approval::Deployment { hub } => Text::Accreditation {
            federation,
            realm,
            hub,
            level,
            valid_until,
        },
        Approval::Suite { suite } => Text::CryptoApproval {
            federation,
            realm,
            suite,
            level,
            valid_until,
        },
    };
    // Plain data of texts and numbers always has a form.
    let json = serde_json::to_string(&text).unwrap_or_default();
    Ok(Note::sign(format!("{json}\n"), &[signer])?.to_bytes())
}

/// The text of a statement.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Text {
    #[serde(rename_all = "camelCase")]
    Accreditation {
        federation: String,
        realm: String,
        hub: HubId,
        level: Level,
        valid_until: u64,
    },
    #[serde(rename_all = "camelCase")]
    CryptoApproval {
        federation: String,
        realm: String,
        suite: u8,
        level: Level,
        valid_until: u64,
    },
}

/// Why a file is not the statement that is wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Over the size limit.
    #[error("statement is {found} bytes, at most {STATEMENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not a note, or not signed by the pinned authority.
    #[error("statement is not signed by the authority that this hub pins")]
    Note(#[from] NoteError),
    /// Not the JSON of a statement.
    #[error("statement text is not as expected at line {line} column {column}")]
    Text {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// About something else.
    #[error("statement is about {found}, expected {wanted}")]
    Other {
        /// What it is about.
        found: &'static str,
        /// What it has to be about.
        wanted: &'static str,
    },
}

const THIS_DEPLOYMENT: &str = "this hub in this federation and realm";
const ANOTHER_DEPLOYMENT: &str = "another hub, federation or realm";

fn read(file: &[u8], authority: &NoteVerifier) -> Result<Text, StatementError> {
    if file.len() > STATEMENT_BYTES_MAX {
        return Err(StatementError::TooLarge { found: file.len() });
    }
    let verified = Note::parse(file)?.verify(std::slice::from_ref(authority))?;
    serde_json::from_str(verified.text()).map_err(|error| StatementError::Text {
        line: error.line(),
        column: error.column(),
    })
}

fn is_here(realm: &Realm, federation: &str, name: &str) -> bool {
    realm.federation() == federation && realm.name() == name
}

/// The level while a statement is valid; the instant of its end itself is past it.
fn level_at(level: Level, valid_until: u64, now: Timestamp) -> Level {
    if now.seconds() < valid_until {
        level.max(Level::UNACCREDITED_MAX)
    } else {
        Level::UNACCREDITED_MAX
    }
}

impl Accreditation {
    /// Checks signature, federation, realm and hub. The end is checked at each use.
    ///
    /// # Errors
    /// [`StatementError`] says which does not fit.
    pub fn verify(
        file: &[u8],
        authority: &NoteVerifier,
        realm: &Realm,
        me: HubId,
    ) -> Result<Self, StatementError> {
        let wanted = THIS_DEPLOYMENT;
        match read(file, authority)? {
            Text::Accreditation {
                federation,
                realm: name,
                hub,
                level,
                valid_until,
            } if is_here(realm, &federation, &name) && hub == me => Ok(Self { level, valid_until }),
            Text::Accreditation { .. } => Err(StatementError::Other {
                found: ANOTHER_DEPLOYMENT,
                wanted,
            }),
            Text::CryptoApproval { .. } => Err(StatementError::Other {
                found: "a cipher suite",
                wanted,
            }),
        }
    }

    /// The highest level that the deployment may handle now.
    #[must_use]
    pub fn ceiling(&self, now: Timestamp) -> Level {
        level_at(self.level, self.valid_until, now)
    }

    /// When it ceases to hold.
    #[must_use]
    pub fn valid_until(&self) -> Timestamp {
        Timestamp::from_seconds(self.valid_until)
    }
}

impl CryptoApproval {
    /// Checks signature, federation and realm. Suite and end are checked at each use.
    ///
    /// # Errors
    /// [`StatementError`] says which does not fit.
    pub fn verify(file: &[u8], authority: &NoteVerifier, realm: &Realm) -> Result<Self, StatementError> {
        match read(file, authority)? {
            Text::CryptoApproval {
                federation,
                realm: name,
                suite,
                level,
                valid_until,
            } if is_here(realm, &federation, &name) => Ok(Self {
                suite,
                level,
                valid_until,
            }),
            Text::CryptoApproval { .. } => Err(StatementError::Other {
                found: "another federation or realm",
                wanted: "a cipher suite in this federation and realm",
            }),
            Text::Accreditation { .. } => Err(StatementError::Other {
                found: "a deployment",
                wanted: "a cipher suite in this federation and realm",
            }),
        }
    }

    /// The highest level for which a suite is approved now.
    #[must_use]
    pub fn level(&self, suite: u8, now: Timestamp) -> Level {
        if suite == self.suite {
            level_at(self.level, self.valid_until, now)
        } else {
            Level::UNACCREDITED_MAX
        }
    }

    /// When it ceases to hold.
    #[must_use]
    pub fn valid_until(&self) -> Timestamp {
        Timestamp::from_seconds(self.valid_until)
    }
}

#[cfg(test)]
mod tests {
    use testudo_crypto::keys::SigningKey;
    use testudo_crypto::note::NoteSigner;

    use super::*;

    const END: u64 = 1_800_000_000;

    fn authority() -> NoteSigner {
        NoteSigner::new("nsa.example/accreditation", &SigningKey::from_seed([9; 32])).unwrap()
    }

    fn signed(text: &str) -> Vec<u8> {
        Note::sign(format!("{text}\n"), &[&authority()])
            .unwrap()
            .to_bytes()
    }

    fn realm() -> Realm {
        Realm::new("test", "live").unwrap()
    }

    fn accreditation(hub: &str, realm: &str, level: u8) -> Vec<u8> {
        signed(&format!(
            r#"{{"kind":"accreditation","federation":"test","realm":"{realm}","hub":"{hub}","level":{level},"validUntil":{END}}}"#
        ))
    }

    fn approval(suite: u8, level: u8) -> Vec<u8> {
        signed(&format!(
            r#"{{"kind":"crypto-approval","federation":"test","realm":"live","suite":{suite},"level":{level},"validUntil":{END}}}"#
        ))
    }

    fn accredited(file: &[u8]) -> Result<Accreditation, StatementError> {
        Accreditation::verify(file, &authority().verifier(), &realm(), "FR".parse().unwrap())
    }

    #[test]
    fn a_statement_counts_until_its_end() {
        let statement = accredited(&accreditation("FR", "live", 3)).unwrap();
        let at = |seconds| statement.ceiling(Timestamp::from_seconds(seconds));
        assert_eq!(at(END - 1), Level::RESTRICTED);
        assert_eq!(at(END), Level::SENSITIVE);
        // A statement raises the ceiling and never lowers it below what needs none.
        let low = accredited(&accreditation("FR", "live", 0)).unwrap();
        assert_eq!(low.ceiling(Timestamp::from_seconds(1)), Level::SENSITIVE);
    }

    #[test]
    fn what_is_signed_is_what_is_read() {
        let hub = "FR".parse().unwrap();
        let signed = sign(
            Approval::Deployment { hub },
            &realm(),
            Level::RESTRICTED,
            END,
            &authority(),
        )
        .unwrap();
        assert_eq!(signed, accreditation("FR", "live", 3));
        let signed = sign(
            Approval::Suite { suite: 2 },
            &realm(),
            Level::RESTRICTED,
            END,
            &authority(),
        )
        .unwrap();
        assert_eq!(signed, approval(2, 3));
    }

    #[test]
    fn an_approval_names_its_suite() {
        let file = approval(2, 4);
        let approval = CryptoApproval::verify(&file, &authority().verifier(), &realm()).unwrap();
        let now = Timestamp::from_seconds(END - 1);
        assert_eq!(approval.level(2, now).get(), 4);
        assert_eq!(approval.level(1, now), Level::SENSITIVE);
        assert_eq!(approval.level(2, Timestamp::from_seconds(END)), Level::SENSITIVE);
    }

    #[test]
    fn what_is_not_for_this_hub_or_not_by_the_authority_is_refused() {
        let other = |file: &[u8]| matches!(accredited(file), Err(StatementError::Other { .. }));
        assert!(other(&accreditation("DE", "live", 3)));
        assert!(other(&accreditation("FR", "EX27", 3)));
        assert!(other(&approval(1, 3)));
        let wrong_kind =
            CryptoApproval::verify(&accreditation("FR", "live", 3), &authority().verifier(), &realm());
        assert!(matches!(wrong_kind, Err(StatementError::Other { .. })));

        let stranger = NoteSigner::new("nsa.example/accreditation", &SigningKey::from_seed([8; 32])).unwrap();
        let file = accreditation("FR", "live", 3);
        let refused = Accreditation::verify(&file, &stranger.verifier(), &realm(), "FR".parse().unwrap());
        assert!(matches!(refused, Err(StatementError::Note(_))));
        let mut bent = file.clone();
        let at = bent.windows(9).position(|part| part == b"\"level\":3").unwrap();
        bent[at + 8] = b'6';
        assert!(matches!(accredited(&bent), Err(StatementError::Note(_))));

        let text = |text: &str| matches!(accredited(&signed(text)), Err(StatementError::Text { .. }));
        assert!(text("{}"));
        assert!(text(
            r#"{"kind":"accreditation","federation":"test","realm":"live","hub":"FR","level":7,"validUntil":1}"#
        ));
        let large = vec![b' '; STATEMENT_BYTES_MAX + 1];
        assert!(matches!(accredited(&large), Err(StatementError::TooLarge { .. })));
    }
}
