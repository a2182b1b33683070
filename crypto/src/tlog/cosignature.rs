//! Cosignatures: a witness states that, as of a time, a checkpoint is the largest it saw of a log, and
//! consistent with all that it saw before.
//!
//! ```text
//! signed bytes = "cosignature/v1\n" || "time " || seconds || "\n" || text of the checkpoint
//! line         = — <name> base64(key id (4) || seconds since 1970 (8, big endian) || Ed25519 signature (64))
//! ```
//!
//! The signed bytes do not name the witness: one key for each witness, which cosigns and does nothing else. A hub
//! has one beside the key of its own ledger.
//!
//! Source: C2SP tlog-cosignature, Ed25519 (type `0x04`).

use std::fmt;
use std::str::FromStr;

use crate::keys::{SigningKey, VerifyingKey};
use crate::note::{NamedKey, Note, NoteError, NoteKeyId, NoteSignature};
use crate::sign::{Signature, sign_bare, verify_bare};

/// The signature type for Ed25519 cosignatures.
const TYPE_COSIGNATURE: u8 = 0x04;

/// The latest time that a cosignature can carry, in seconds since 1970.
pub const TIME_MAX: u64 = i64::MAX as u64;

/// A secret key and the name that it cosigns under. Wiped on drop.
pub struct Cosigner {
    public: CosignerKey,
    key: SigningKey,
}

/// A public key and the name that it cosigns under.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey(NamedKey<TYPE_COSIGNATURE>);

/// Why a cosignature is not made, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// Later than [`TIME_MAX`].
    #[error("cosignature time {time} is above 2^63 - 1 seconds")]
    Time {
        /// The time, in seconds since 1970.
        time: u64,
    },
    /// A line of a known witness is not a time and an Ed25519 signature.
    #[error("cosignature of known witness key {id} has {bytes} bytes, expected 72")]
    Length {
        /// The id of the key.
        id: NoteKeyId,
        /// Bytes found after the key id.
        bytes: usize,
    },
    /// The cosignature of a known witness does not verify, for example because it was made for another
    /// log or size: the whole note is refused.
    #[error("cosignature of known witness key {id} does not verify for this checkpoint")]
    Forged {
        /// The id of the key.
        id: NoteKeyId,
    },
}

impl Cosigner {
    /// Pairs a copy of a key with its name.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name is empty or holds a space, a plus or a control character.
    pub fn new(name: impl Into<String>, key: &SigningKey) -> Result<Self, NoteError> {
        Ok(Self {
            public: CosignerKey::new(name, key.verifying_key())?,
            key: SigningKey::from_seed(key.seed()),
        })
    }

    /// The public half.
    pub fn key(&self) -> CosignerKey {
        self.public.clone()
    }

    /// Cosigns the text of a checkpoint as of `time`, in seconds since 1970.
    ///
    /// The caller has checked that it is consistent with all that it saw before, and has that on stable
    /// storage.
    ///
    /// # Errors
    /// [`CosignatureError::Time`].
    pub fn cosign(&self, checkpoint: &str, time: u64) -> Result<NoteSignature, CosignatureError> {
        if time > TIME_MAX {
            return Err(CosignatureError::Time { time });
        }
        let signature = sign_bare(&self.key, message(checkpoint, time).as_bytes());
        let bytes = [time.to_be_bytes().as_slice(), signature.as_bytes()].concat();
        Ok(NoteSignature::new(self.public.name(), self.public.id(), bytes))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.public.name())
    }
}

impl CosignerKey {
    /// Pairs a key with its name.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name is empty or holds a space, a plus or a control character.
    pub fn new(name: impl Into<String>, key: VerifyingKey) -> Result<Self, NoteError> {
        NamedKey::new(name, key).map(Self)
    }

    /// The name it cosigns under.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The public key.
    pub fn key(&self) -> VerifyingKey {
        *self.0.key()
    }

    /// The id that its lines carry.
    pub fn id(&self) -> NoteKeyId {
        self.0.id()
    }

    /// Whether a line says that it is by this key. Anybody can write such a line.
    pub fn claims(&self, line: &NoteSignature) -> bool {
        line.name() == self.name() && line.id() == self.id()
    }

    /// The time of one line over the text of a checkpoint, in seconds since 1970.
    ///
    /// # Errors
    /// [`CosignatureError`] if the line does not verify under this key.
    pub fn verify_line(&self, checkpoint: &str, line: &NoteSignature) -> Result<u64, CosignatureError> {
        let id = self.id();
        let bytes = line.bytes().len();
        let (time, signature) = (line.bytes().split_first_chunk::<8>())
            .and_then(|(time, rest)| Some((time, <[u8; 64]>::try_from(rest).ok()?)))
            .ok_or(CosignatureError::Length { id, bytes })?;
        let time = u64::from_be_bytes(*time);
        if time > TIME_MAX {
            return Err(CosignatureError::Time { time });
        }
        let signature = Signature::from_bytes(signature);
        verify_bare(self.0.key(), message(checkpoint, time).as_bytes(), &signature)
            .map(|()| time)
            .map_err(|_| CosignatureError::Forged { id })
    }

    /// The latest time at which this witness cosigned a note, in seconds since 1970; `None` if it did not.
    ///
    /// # Errors
    /// [`CosignatureError`] if one line in its name does not verify: the note is refused, whatever its
    /// other lines say.
    pub fn cosigned(&self, note: &Note) -> Result<Option<u64>, CosignatureError> {
        let mut latest = None;
        for line in note.signatures().iter().filter(|line| self.claims(line)) {
            latest = latest.max(Some(self.verify_line(note.text(), line)?));
        }
        Ok(latest)
    }
}

/// Writes `name+id+base64(0x04 || key)`.
impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}, {})", self.name(), self.id())
    }
}

/// Reads `name+id+base64(0x04 || key)`; the text of the result is the same again.
impl FromStr for CosignerKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

fn message(checkpoint: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{checkpoint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::note::NoteSigner;

    const TEXT: &str = "log\n3\nWqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n";

    fn cosigner(name: &str, seed: u8) -> Cosigner {
        Cosigner::new(name, &SigningKey::from_seed([seed; 32])).unwrap()
    }

    fn note() -> Note {
        let signer = NoteSigner::new("log", &SigningKey::from_seed([1; 32])).unwrap();
        Note::sign(TEXT.into(), &[&signer]).unwrap()
    }

    #[test]
    fn a_cosignature_says_when() {
        let witness = cosigner("witness", 2);
        let mut note = note();
        assert_eq!(witness.key().cosigned(&note), Ok(None));
        for time in [7, 9, 8] {
            note.attach(witness.cosign(TEXT, time).unwrap()).unwrap();
        }
        let note = Note::parse(&note.to_bytes()).unwrap();
        assert_eq!(
            witness.key().cosigned(&note),
            Ok(Some(8)),
            "a new line replaces the old"
        );
        assert_eq!(cosigner("witness", 3).key().cosigned(&note), Ok(None));
        assert_eq!(cosigner("other", 2).key().cosigned(&note), Ok(None));
    }

    #[test]
    fn a_cosignature_for_another_log_time_or_size_is_refused() {
        let witness = cosigner("witness", 2);
        let id = witness.key().id();
        let others = [
            witness.cosign(&TEXT.replace("log", "gol"), 7).unwrap(),
            witness.cosign(&TEXT.replace('3', "4"), 7).unwrap(),
            NoteSignature::new("witness", id, {
                let line = witness.cosign(TEXT, 7).unwrap();
                [8u64.to_be_bytes().as_slice(), &line.bytes()[8..]].concat()
            }),
        ];
        for line in others {
            let mut note = note();
            note.attach(line).unwrap();
            assert_eq!(
                witness.key().cosigned(&note),
                Err(CosignatureError::Forged { id })
            );
        }
    }

    #[test]
    fn a_line_of_another_length_or_an_impossible_time_is_refused() {
        let witness = cosigner("witness", 2);
        let id = witness.key().id();
        for bytes in [1, 64, 71, 73] {
            let line = NoteSignature::new("witness", id, vec![0; bytes]);
            assert_eq!(
                witness.key().verify_line(TEXT, &line),
                Err(CosignatureError::Length { id, bytes })
            );
        }
        let time = TIME_MAX + 1;
        assert_eq!(
            witness.cosign(TEXT, time).unwrap_err(),
            CosignatureError::Time { time }
        );
        let line = NoteSignature::new("witness", id, [time.to_be_bytes().as_slice(), &[0; 64]].concat());
        assert_eq!(
            witness.key().verify_line(TEXT, &line),
            Err(CosignatureError::Time { time })
        );
    }

    #[test]
    fn signed_bytes_are_no_checkpoint() {
        assert!(Checkpoint::parse(&message(TEXT, 7)).is_err());
    }

    #[test]
    fn keys_have_one_text_and_one_type() {
        let key = cosigner("witness", 2).key();
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let log = NoteSigner::new("witness", &SigningKey::from_seed([2; 32])).unwrap();
        let as_log = log.verifier().to_string();
        assert_eq!(as_log.parse::<CosignerKey>(), Err(NoteError::VerifierKey));
        assert!(key.to_string().parse::<crate::note::NoteVerifier>().is_err());
        for text in [
            "",
            "a",
            "a+b",
            "witness+00000000+BAAA",
            &key.to_string().replace("witness", "other"),
        ] {
            assert!(text.parse::<CosignerKey>().is_err(), "{text}");
        }
    }
}
