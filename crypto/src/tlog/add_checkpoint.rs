//! What a log asks of a witness, and how the witness answers.
//!
//! ```text
//! old <size that the witness has>
//! <base64 of a hash of the consistency proof>     none to 63 of them
//! <empty line>
//! <checkpoint, a signed note>
//! ```
//!
//! Shapes only: whether the witness may cosign is decided where its state is kept.
//!
//! Source: C2SP tlog-witness, `add-checkpoint`.

use crate::base64_text::{self, Base64Error};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::digest::Digest;
use crate::merkle::TreeSize;
use crate::note::{Note, NoteError, NoteSignature};

use super::decimal;

/// Most hashes of the consistency proof in a request, as the protocol says.
pub const REQUEST_HASHES_MAX: usize = 63;

/// Most signatures on the checkpoint of a request, and most lines in an answer: the number that every
/// reader of notes has to take. A log has no reason to send what other witnesses said.
pub const REQUEST_SIGNATURES_MAX: usize = 16;

/// Longest request or answer, in bytes: 63 hashes, and 16 signatures of the largest kind.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// A request that has been read; nobody has been shown to have signed its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: Vec<Digest>,
    note: Note,
    checkpoint: Checkpoint,
}

/// Why bytes are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("witness request has {bytes} bytes, at most {REQUEST_BYTES_MAX} expected")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// Not text, or no empty line before the checkpoint.
    #[error("witness request has no empty line before its checkpoint")]
    Shape,
    /// The first line is not `old` and a canonical decimal number.
    #[error("witness request does not begin with `old` and a size")]
    Old,
    /// More than [`REQUEST_HASHES_MAX`] lines of proof.
    #[error("witness request has {hashes} hashes of proof, at most {REQUEST_HASHES_MAX} expected")]
    TooManyHashes {
        /// Lines found.
        hashes: usize,
    },
    /// A line of the proof is not one hash in canonical base64.
    #[error("line {line} of a witness request is no hash")]
    Hash {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: Base64Error,
    },
    /// The checkpoint is not a signed note.
    #[error("checkpoint of a witness request is no signed note")]
    Note(#[from] NoteError),
    /// More than [`REQUEST_SIGNATURES_MAX`].
    #[error(
        "checkpoint of a witness request has {signatures} signatures, at most {REQUEST_SIGNATURES_MAX} expected"
    )]
    TooManySignatures {
        /// Signatures found.
        signatures: usize,
    },
    /// The text of the note is not a checkpoint.
    #[error("checkpoint of a witness request is malformed")]
    Checkpoint(#[from] CheckpointError),
}

impl AddCheckpoint {
    /// Asks for a cosignature on `note`, from a witness that has the size `old`.
    ///
    /// # Errors
    /// [`AddCheckpointError`] if a limit is exceeded or the note is no checkpoint.
    pub fn new(old: TreeSize, proof: Vec<Digest>, note: Note) -> Result<Self, AddCheckpointError> {
        if proof.len() > REQUEST_HASHES_MAX {
            return Err(AddCheckpointError::TooManyHashes { hashes: proof.len() });
        }
        let signatures = note.signatures().len();
        if signatures > REQUEST_SIGNATURES_MAX {
            return Err(AddCheckpointError::TooManySignatures { signatures });
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self {
            old,
            proof,
            note,
            checkpoint,
        })
    }

    /// Reads a request; [`AddCheckpoint::to_bytes`] of the result is `bytes` again.
    ///
    /// # Errors
    /// [`AddCheckpointError`]; to be answered with [`AddCheckpointReply::BadRequest`].
    pub fn parse(bytes: &[u8]) -> Result<Self, AddCheckpointError> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(AddCheckpointError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| AddCheckpointError::Shape)?;
        // No line of the head is empty, so the first empty line ends it.
        let (head, note) = text.split_once("\n\n").ok_or(AddCheckpointError::Shape)?;
        let mut lines = head.split('\n');
        let old = (lines.next())
            .and_then(|line| line.strip_prefix("old "))
            .and_then(decimal)
            .ok_or(AddCheckpointError::Old)?;
        let mut proof = Vec::new();
        for (line, text) in (2..).zip(lines.clone().take(REQUEST_HASHES_MAX)) {
            let hash = base64_text::decode_hash(text);
            proof.push(hash.map_err(|source| AddCheckpointError::Hash { line, source })?);
        }
        let hashes = lines.count();
        if hashes > REQUEST_HASHES_MAX {
            return Err(AddCheckpointError::TooManyHashes { hashes });
        }
        Self::new(TreeSize::new(old), proof, Note::parse(note.as_bytes())?)
    }

    /// The request as it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("old {}\n", self.old);
        for hash in &self.proof {
            head.push_str(&base64_text::encode(hash.as_bytes()));
            head.push('\n');
        }
        head.push('\n');
        [head.into_bytes(), self.note.to_bytes()].concat()
    }

    /// The size that the log thinks the witness has.
    pub fn old(&self) -> TreeSize {
        self.old
    }

    /// The consistency proof from there to the checkpoint.
    pub fn proof(&self) -> &[Digest] {
        &self.proof
    }

    /// The signed note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// What the note says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddCheckpointReply {
    /// Its cosignatures; the checkpoint is on its stable storage.
    Cosigned(Vec<NoteSignature>),
    /// The request is malformed, or its old size is above that of its checkpoint.
    BadRequest,
    /// No trusted key signed the checkpoint, or one that claims to did not.
    Forbidden,
    /// It does not witness this log.
    UnknownOrigin,
    /// It has another size than the log thought: this one.
    Conflict(TreeSize),
    /// The proof does not connect the two, or one size has two roots.
    Unprocessable,
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A status that the protocol does not have.
    #[error("witness answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("answer of a witness has {bytes} bytes, at most {REQUEST_BYTES_MAX} expected")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// The size in a conflict is not a canonical decimal number in one line.
    #[error("witness reported a conflict without a size")]
    Size,
    /// No signature line, or one that is malformed.
    #[error("witness cosigned without a well-formed signature line")]
    Lines,
    /// More lines than [`REQUEST_SIGNATURES_MAX`].
    #[error("witness answered with more than {REQUEST_SIGNATURES_MAX} signature lines")]
    TooManyLines,
}

impl AddCheckpointReply {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict(_) => 409,
            Self::Unprocessable => 422,
        }
    }

    /// The type of the body, where the protocol fixes one.
    pub fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Conflict(_) => Some("text/x.tlog.size"),
            _ => None,
        }
    }

    /// The body; empty where the protocol asks for none.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(lines) => lines.iter().map(NoteSignature::to_line).collect(),
            Self::Conflict(size) => format!("{size}\n"),
            _ => String::new(),
        }
    }

    /// Reads an answer. Bodies that the protocol does not define are ignored.
    ///
    /// # Errors
    /// [`ReplyError`]. Whether lines verify, and for what, is still to be checked.
    pub fn parse(status: u16, body: &[u8]) -> Result<Self, ReplyError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(ReplyError::TooLong { bytes: body.len() });
        }
        let text = std::str::from_utf8(body).ok();
        let line = text.and_then(|text| text.strip_suffix('\n'));
        match status {
            200 => {
                let lines = line.ok_or(ReplyError::Lines)?;
                if lines.split('\n').count() > REQUEST_SIGNATURES_MAX {
                    return Err(ReplyError::TooManyLines);
                }
                let lines: Result<Vec<_>, _> = lines.split('\n').map(NoteSignature::parse).collect();
                lines.map(Self::Cosigned).map_err(|_| ReplyError::Lines)
            }
            400 => Ok(Self::BadRequest),
            403 => Ok(Self::Forbidden),
            404 => Ok(Self::UnknownOrigin),
            409 => (line.and_then(decimal))
                .map(|size| Self::Conflict(TreeSize::new(size)))
                .ok_or(ReplyError::Size),
            422 => Ok(Self::Unprocessable),
            _ => Err(ReplyError::Status { status }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::SigningKey;
    use crate::note::NoteSigner;
    use crate::tlog::cosignature::Cosigner;

    const TEXT: &str = "log\n3\nWqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n";
    const HASH: &str = "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n";

    fn note(signatures: u8) -> Note {
        let signers: Vec<NoteSigner> = (0..signatures)
            .map(|seed| NoteSigner::new(format!("log{seed}"), &SigningKey::from_seed([seed; 32])).unwrap())
            .collect();
        Note::sign(TEXT.into(), &signers.iter().collect::<Vec<_>>()).unwrap()
    }

    fn request(head: &str) -> Vec<u8> {
        [head.as_bytes(), b"\n", &note(1).to_bytes()].concat()
    }

    fn check(head: &str, expected: AddCheckpointError) {
        assert_eq!(AddCheckpoint::parse(&request(head)), Err(expected), "{head:?}");
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let bytes = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
                     5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
                     example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
                     \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
                     \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
        let request = AddCheckpoint::parse(bytes.as_bytes()).unwrap();
        assert_eq!(request.old(), TreeSize::new(20_852_014));
        assert_eq!(request.proof().len(), 4);
        assert_eq!(request.checkpoint().size, TreeSize::new(20_852_163));
        assert_eq!(request.to_bytes(), bytes.as_bytes());
    }

    #[test]
    fn each_malformed_request_has_its_error() {
        for head in [
            "", "\n", "old\n", "old \n", "old 01\n", "old +1\n", "new 1\n", "old 1 \n", "OLD 1\n",
        ] {
            let error = AddCheckpoint::parse(&request(head)).unwrap_err();
            assert!(
                matches!(error, AddCheckpointError::Old | AddCheckpointError::Shape),
                "{head:?} {error:?}"
            );
        }
        let hash = |source| AddCheckpointError::Hash { line: 2, source };
        check("old 1\nAA==\n", hash(Base64Error::NotAHash { bytes: 1 }));
        check("old 1\n*\n", hash(Base64Error::Malformed));
        let stray = HASH.replace("Kk=", "Kl=");
        check(&format!("old 1\n{stray}"), hash(Base64Error::NotMinimal));
        let many = format!("old 1\n{}", HASH.repeat(64));
        check(&many, AddCheckpointError::TooManyHashes { hashes: 64 });
        assert!(AddCheckpoint::parse(&request(&format!("old 1\n{}", HASH.repeat(63)))).is_ok());
        assert_eq!(
            AddCheckpoint::parse(&vec![b'a'; REQUEST_BYTES_MAX + 1]),
            Err(AddCheckpointError::TooLong {
                bytes: REQUEST_BYTES_MAX + 1
            })
        );
    }

    #[test]
    fn seventeen_signatures_are_refused_and_sixteen_are_not() {
        let of = |signatures| [b"old 0\n\n".as_slice(), &note(signatures).to_bytes()].concat();
        assert!(AddCheckpoint::parse(&of(16)).is_ok());
        assert_eq!(
            AddCheckpoint::parse(&of(17)),
            Err(AddCheckpointError::TooManySignatures { signatures: 17 })
        );
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        let witness = Cosigner::new("w", &SigningKey::from_seed([9; 32])).unwrap();
        let line = witness.cosign(TEXT, 7).unwrap();
        for reply in [
            AddCheckpointReply::Cosigned(vec![line.clone(), line.clone()]),
            AddCheckpointReply::BadRequest,
            AddCheckpointReply::Forbidden,
            AddCheckpointReply::UnknownOrigin,
            AddCheckpointReply::Conflict(TreeSize::new(41)),
            AddCheckpointReply::Unprocessable,
        ] {
            let read = AddCheckpointReply::parse(reply.status(), reply.body().as_bytes());
            assert_eq!(read, Ok(reply));
        }
        let parse = |status, body: &str| AddCheckpointReply::parse(status, body.as_bytes()).unwrap_err();
        assert_eq!(parse(500, ""), ReplyError::Status { status: 500 });
        for body in ["", "41", "041\n", "41\n\n", "-1\n"] {
            assert_eq!(parse(409, body), ReplyError::Size, "{body:?}");
        }
        for body in [
            "",
            "\n",
            "x\n",
            &line.to_line().repeat(2).replacen('\n', "\n\n", 1),
        ] {
            assert_eq!(parse(200, body), ReplyError::Lines, "{body:?}");
        }
        assert_eq!(parse(200, &line.to_line().repeat(17)), ReplyError::TooManyLines);
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back_alike(head in "(old |new )?[0-9]{0,3}\n([A-Za-z0-9+/]{43}=\n){0,3}") {
            let bytes = request(&head);
            if let Ok(request) = AddCheckpoint::parse(&bytes) {
                prop_assert_eq!(request.to_bytes(), bytes);
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, status: u16) {
            let _ = AddCheckpoint::parse(&bytes);
            let _ = AddCheckpointReply::parse(status, &bytes);
        }
    }
}
