//! Signed notes: text for people and machines, with any number of signatures below it.
//!
//! ```text
//! <text, ends in a newline>
//! <empty line>
//! — <name> <base64 of key id and signature>
//! ```
//!
//! Checkpoints and charter acts are notes. Ed25519 only (type `0x01`); lines of other types are kept
//! and ignored, as the format asks. The signed bytes are the text itself, without a domain in front:
//! a key that signs notes signs nothing else.
//!
//! A [`Note`] has only been read. A [`VerifiedNote`] has been checked against named keys, by the one
//! function that makes it.
//!
//! ```compile_fail,E0451
//! let forged = testudo_crypto::note::VerifiedNote { text: String::new(), signers: Vec::new() };
//! ```
//!
//! Source: C2SP signed-note.

use std::fmt;

use crate::base64_text::{self, Base64Error};
use crate::keys::KeyError;
use crate::sign::{Signature, SignerError, verify_bare};

mod key;
mod named_key;

pub use key::{NoteKeyId, NoteSigner, NoteVerifier};
pub(crate) use named_key::NamedKey;

/// Longest note, in bytes: a directory of several hundred members with their keys fits, and one frame between hubs takes it.
pub const NOTE_BYTES_MAX: usize = 5 * 1024 * 1024 + 64 * 1024;

/// Most signatures on a note. A new constitution carries two for each voter of the old and of the new one;
/// the format asks for at least 16.
pub const SIGNATURES_MAX: usize = 256;

/// What starts a signature line: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// A text with signatures of which none has been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: NoteKeyId,
    bytes: Vec<u8>,
}

/// A text that at least one known key signed, and no known key disowns.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedNote {
    text: String,
    signers: Vec<String>,
}

/// Why bytes are not a note, or a note is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// More than [`NOTE_BYTES_MAX`].
    #[error("note has {bytes} bytes, at most {NOTE_BYTES_MAX} expected")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// More than [`SIGNATURES_MAX`].
    #[error("note has more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// The text is not UTF-8, holds a control character or does not end in a newline.
    #[error("note text must be UTF-8 without control characters and end in a newline")]
    Text,
    /// No empty line with signature lines below it.
    #[error("note has no signatures")]
    Unsigned,
    /// A line below the last empty line is not a signature line.
    #[error("note has a malformed signature line")]
    SignatureLine,
    /// A signature line holds base64 that another text stands for as well.
    #[error("note has a signature line whose base64 is not minimal")]
    NotMinimal,
    /// A key name is empty or holds a space, a plus or a control character.
    #[error("note key name must not be empty or hold spaces, plus signs or control characters")]
    Name,
    /// A verifier key is not `name+id+key` in canonical form, or is of another type than Ed25519.
    #[error("note verifier key is malformed")]
    VerifierKey,
    /// The public key in a verifier key is not acceptable.
    #[error("note verifier key is not acceptable")]
    Key(#[from] KeyError),
    /// Two different keys were given that share a name and an id.
    #[error("two known keys share note key id {id}")]
    Ambiguous {
        /// The id shared.
        id: NoteKeyId,
    },
    /// The signature of a known key does not verify: the whole note is refused.
    #[error("signature of known note key {id} does not verify")]
    Forged {
        /// The id of the key.
        id: NoteKeyId,
    },
    /// No known key signed the note.
    #[error("no known key signed the note")]
    NoKnownSigner,
    /// The key that was to sign lies in a token that did not.
    #[error("note is not signed")]
    Signer(#[from] SignerError),
}

impl Note {
    /// Signs `text`, which ends in a newline.
    ///
    /// # Errors
    /// [`NoteError::Text`], [`NoteError::Unsigned`] without a signer, a limit exceeded, or
    /// [`NoteError::Signer`] if a key lies in a token that does not sign.
    pub fn sign(text: String, signers: &[&NoteSigner]) -> Result<Self, NoteError> {
        if !is_text(&text) {
            return Err(NoteError::Text);
        }
        if signers.is_empty() {
            return Err(NoteError::Unsigned);
        }
        let mut note = Self {
            text,
            signatures: Vec::new(),
        };
        for signer in signers {
            note.add_signature(signer)?;
        }
        Ok(note)
    }

    /// Reads a note; [`Note::to_bytes`] of the result is `bytes` again.
    ///
    /// # Errors
    /// [`NoteError`] for anything that is not canonical. Nothing is verified yet.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if !is_text(note) {
            return Err(NoteError::Text);
        }
        // The text may hold empty lines: the last one divides.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line)?);
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }

    /// The text, with its final newline. Nobody has been shown to have signed it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order, none of them checked.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Whether one key signed the note.
    ///
    /// # Errors
    /// [`NoteError::Forged`] if a line of this key does not verify.
    pub fn is_signed_by(&self, verifier: &NoteVerifier) -> Result<bool, NoteError> {
        let mut found = false;
        for signature in self.signatures.iter().filter(|line| line.is_of(verifier)) {
            if !signature.verifies(verifier, self.text.as_bytes()) {
                return Err(NoteError::Forged { id: signature.id });
            }
            found = true;
        }
        Ok(found)
    }

    /// Drops the lines of every key but these.
    pub fn retain_signers(&mut self, kept: &[NoteVerifier]) {
        self.signatures
            .retain(|line| kept.iter().any(|verifier| line.is_of(verifier)));
    }

    /// Adds a signature, or replaces one by the same key.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`]; the note is unchanged then.
    pub fn add_signature(&mut self, signer: &NoteSigner) -> Result<(), NoteError> {
        let bytes = signer.sign(self.text.as_bytes())?.to_bytes().to_vec();
        self.attach(NoteSignature::new(signer.name(), signer.id(), bytes))
    }

    /// Adds a signature line that somebody else made, or replaces one by the same key.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`]; the note is unchanged then.
    pub fn attach(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|held| held.name != signature.name || held.id != signature.id);
        signatures.push(signature);
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let note = Self {
            text: self.text.clone(),
            signatures,
        };
        let bytes = note.to_bytes().len();
        if bytes > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes });
        }
        *self = note;
        Ok(())
    }

    /// The note as it is sent and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut note = format!("{}\n", self.text);
        for signature in &self.signatures {
            note.push_str(&signature.to_line());
        }
        note.into_bytes()
    }

    /// Checks the note against the keys that the caller knows.
    ///
    /// Signatures of unknown keys are ignored, also if they share a name or an id with a known one.
    /// How many signers are enough is for the caller to say.
    ///
    /// # Errors
    /// [`NoteError::Forged`] if one known key's signature fails, whatever the others say.
    /// [`NoteError::NoKnownSigner`] if none is left. [`NoteError::Ambiguous`] if `known` is at fault.
    ///
    /// Source: C2SP signed-note, "Signatures".
    pub fn verify(&self, known: &[NoteVerifier]) -> Result<VerifiedNote, NoteError> {
        let mut signers: Vec<String> = Vec::new();
        for signature in &self.signatures {
            let Some(verifier) = signature.verifier(known)? else {
                continue;
            };
            if !signature.verifies(verifier, self.text.as_bytes()) {
                return Err(NoteError::Forged { id: signature.id });
            }
            if !signers.contains(&signature.name) {
                signers.push(signature.name.clone());
            }
        }
        if signers.is_empty() {
            return Err(NoteError::NoKnownSigner);
        }
        Ok(VerifiedNote {
            text: self.text.clone(),
            signers,
        })
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Note({}b, {} signatures)",
            self.text.len(),
            self.signatures.len()
        )
    }
}

impl NoteSignature {
    /// A line by a key whose name has been checked.
    pub(crate) fn new(name: &str, id: NoteKeyId, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            id,
            bytes,
        }
    }

    /// The name in the line. Anybody can write any name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id in the line.
    pub fn id(&self) -> NoteKeyId {
        self.id
    }

    /// The bytes after the key id: for type `0x01` an Ed25519 signature.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads one line, without its newline; [`NoteSignature::to_line`] of the result is the line again.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`], [`NoteError::NotMinimal`] or [`NoteError::Name`].
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let (name, encoded) = line
            .strip_prefix(SIGNATURE_MARK)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::SignatureLine)?;
        if !is_name(name) {
            return Err(NoteError::Name);
        }
        // The engine refuses missing padding and stray bits: one signature, one line.
        let decoded = base64_text::decode(encoded).map_err(|error| match error {
            Base64Error::NotMinimal => NoteError::NotMinimal,
            _ => NoteError::SignatureLine,
        })?;
        let (id, bytes) = decoded.split_first_chunk().ok_or(NoteError::SignatureLine)?;
        if bytes.is_empty() {
            return Err(NoteError::SignatureLine);
        }
        let id = NoteKeyId::from_bytes(*id);
        Ok(Self {
            name: name.to_owned(),
            id,
            bytes: bytes.to_vec(),
        })
    }

    /// The line as it is sent and stored, with its newline.
    pub fn to_line(&self) -> String {
        let encoded = base64_text::encode(&[self.id.as_bytes().as_slice(), &self.bytes].concat());
        format!("{SIGNATURE_MARK}{} {encoded}\n", self.name)
    }

    fn is_of(&self, verifier: &NoteVerifier) -> bool {
        verifier.name() == self.name && verifier.id() == self.id
    }

    fn verifier<'a>(&self, known: &'a [NoteVerifier]) -> Result<Option<&'a NoteVerifier>, NoteError> {
        let mut matching = known.iter().filter(|key| self.is_of(key));
        let first = matching.next();
        if matching.any(|other| Some(other) != first) {
            return Err(NoteError::Ambiguous { id: self.id });
        }
        Ok(first)
    }

    fn verifies(&self, verifier: &NoteVerifier, text: &[u8]) -> bool {
        <[u8; 64]>::try_from(self.bytes.as_slice())
            .is_ok_and(|bytes| verify_bare(&verifier.key(), text, &Signature::from_bytes(bytes)).is_ok())
    }
}

impl fmt::Debug for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSignature({}, {}b)", self.id, self.bytes.len())
    }
}

impl VerifiedNote {
    /// The text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the known keys that signed, in the order of their lines, each once.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }
}

impl fmt::Debug for VerifiedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VerifiedNote({}b, signers {:?})",
            self.text.len(),
            self.signers
        )
    }
}

fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.bytes().any(|byte| byte < 0x20 && byte != b'\n')
}

/// Whether a text can be the name of a key.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c.is_ascii_control())
}

#[cfg(test)]
mod tests;
