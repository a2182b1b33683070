//! One file that shows, offline, that an entry is in a log.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>                      may be absent; nothing authenticates it by itself
//! index <position of the entry>
//! <base64 of a hash of the inclusion proof>      none to 64 of them
//! <empty line>
//! <checkpoint, a signed note>
//! ```
//!
//! Reading a proof shows nothing yet: [`Proof::verify`] holds it against a leaf and a [`Policy`].
//!
//! Source: C2SP tlog-proof.

use crate::base64_text::{self, Base64Error};
use crate::digest::Digest;
use crate::merkle::{InclusionError, LeafIndex, PROOF_HASHES_MAX, verify_inclusion};
use crate::note::{Note, NoteError, NoteVerifier};

use super::decimal;
use super::policy::{Policy, Trusted, UntrustedError};

/// Longest extra data, in bytes. It holds the opening of one entry.
pub const EXTRA_BYTES_MAX: usize = 256 * 1024;

/// Longest file, in bytes: extra data, hashes and a checkpoint with a hundred large signatures.
pub const PROOF_BYTES_MAX: usize = 2 * 1024 * 1024;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof that has been read, and not been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    extra: Option<Vec<u8>>,
    index: LeafIndex,
    hashes: Vec<Digest>,
    note: Note,
}

/// Why bytes are not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Longer than [`PROOF_BYTES_MAX`].
    #[error("proof has {bytes} bytes, at most {PROOF_BYTES_MAX} expected")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// The first line names another format or version.
    #[error("proof does not begin with `{FIRST_LINE}`")]
    Format,
    /// Not text, or no empty line before the checkpoint.
    #[error("proof has no empty line before its checkpoint")]
    Shape,
    /// The extra data are not canonical base64.
    #[error("extra data of a proof cannot be read")]
    Extra(#[source] Base64Error),
    /// The extra data are longer than [`EXTRA_BYTES_MAX`].
    #[error("extra data of a proof have {bytes} bytes, at most {EXTRA_BYTES_MAX} expected")]
    ExtraTooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// No line `index` with a canonical decimal number.
    #[error("proof has no line `index` with a position")]
    Index,
    /// A line is not one hash in canonical base64.
    #[error("hash {hash} of a proof cannot be read")]
    Hash {
        /// Which one, from 1.
        hash: usize,
        /// What is wrong with it.
        source: Base64Error,
    },
    /// More than [`PROOF_HASHES_MAX`] hashes.
    #[error("proof has {hashes} hashes, at most {PROOF_HASHES_MAX} expected")]
    TooManyHashes {
        /// Hashes found.
        hashes: usize,
    },
    /// The checkpoint is not a signed note.
    #[error("checkpoint of a proof is no signed note")]
    Note(#[from] NoteError),
}

/// Why a proof shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprovenError {
    /// The checkpoint is not to be trusted.
    #[error("checkpoint of the proof is not trusted")]
    Untrusted(#[from] UntrustedError),
    /// The hashes do not lead from the leaf to the checkpoint.
    #[error("entry is not shown to be in the log")]
    NotIncluded(#[from] InclusionError),
}

impl Proof {
    /// Joins the parts of a proof.
    ///
    /// # Errors
    /// [`ProofError::TooManyHashes`] or [`ProofError::ExtraTooLong`].
    pub fn new(
        extra: Option<Vec<u8>>,
        index: LeafIndex,
        hashes: Vec<Digest>,
        note: Note,
    ) -> Result<Self, ProofError> {
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(ProofError::TooManyHashes { hashes: hashes.len() });
        }
        match extra.as_ref().map(Vec::len) {
            Some(bytes) if bytes > EXTRA_BYTES_MAX => Err(ProofError::ExtraTooLong { bytes }),
            _ => Ok(Self {
                extra,
                index,
                hashes,
                note,
            }),
        }
    }

    /// Reads a proof; [`Proof::to_bytes`] of the result is `bytes` again.
    ///
    /// # Errors
    /// [`ProofError`] names the part that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::Shape)?;
        let (first, rest) = text.split_once('\n').ok_or(ProofError::Format)?;
        if first != FIRST_LINE {
            return Err(ProofError::Format);
        }
        // No line of the head is empty, so the first empty line ends it.
        let (head, note) = rest.split_once("\n\n").ok_or(ProofError::Shape)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.next_if(|line| line.starts_with("extra")) {
            Some(line) => {
                let encoded = line
                    .strip_prefix("extra ")
                    .ok_or(ProofError::Extra(Base64Error::Malformed))?;
                Some(base64_text::decode(encoded).map_err(ProofError::Extra)?)
            }
            None => None,
        };
        let index = (lines.next())
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal)
            .ok_or(ProofError::Index)?;
        let found = lines.clone().count();
        if found > PROOF_HASHES_MAX {
            return Err(ProofError::TooManyHashes { hashes: found });
        }
        let mut hashes = Vec::with_capacity(found);
        for (hash, line) in (1..).zip(lines) {
            let read = base64_text::decode_hash(line);
            hashes.push(read.map_err(|source| ProofError::Hash { hash, source })?);
        }
        let note = Note::parse(note.as_bytes())?;
        Self::new(extra, LeafIndex::new(index), hashes, note)
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            head.push_str(&format!("extra {}\n", base64_text::encode(extra)));
        }
        head.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            head.push_str(&base64_text::encode(hash.as_bytes()));
            head.push('\n');
        }
        head.push('\n');
        [head.into_bytes(), self.note.to_bytes()].concat()
    }

    /// Data that nothing in the proof vouches for; absent and empty are not the same.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The position of the entry.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The checkpoint, unchecked.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Shows that the leaf with this hash is in a log that `policy` trusts.
    ///
    /// `log` is the key of a log that the caller knows besides those of the policy.
    ///
    /// # Errors
    /// [`UnprovenError`].
    pub fn verify(
        &self,
        leaf_hash: Digest,
        policy: &Policy,
        log: Option<&NoteVerifier>,
    ) -> Result<Trusted, UnprovenError> {
        let trusted = policy.verify(&self.note, log)?;
        let checkpoint = trusted.checkpoint();
        verify_inclusion(
            leaf_hash,
            self.index,
            checkpoint.size,
            &self.hashes,
            checkpoint.root,
        )?;
        Ok(trusted)
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let extra = self.extra.as_ref().map_or(0, Vec::len);
        let hashes = self.hashes.len();
        write!(f, "Proof({}, {hashes} hashes, {extra}b)", self.index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::keys::SigningKey;
    use crate::merkle::{Tree, leaf_hash};
    use crate::note::NoteSigner;

    const HASH: &str = "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n";

    fn signer() -> NoteSigner {
        NoteSigner::new("log", &SigningKey::from_seed([1; 32])).unwrap()
    }

    fn tree() -> Tree {
        let mut tree = Tree::new();
        for leaf in 0u8..13 {
            tree.append(leaf_hash(&[leaf]));
        }
        tree
    }

    fn proof(extra: Option<Vec<u8>>) -> Proof {
        let tree = tree();
        let checkpoint = Checkpoint {
            origin: "log".into(),
            size: tree.size(),
            root: tree.root(),
        };
        let note = Note::sign(checkpoint.to_text(), &[&signer()]).unwrap();
        let index = LeafIndex::new(11);
        let hashes = tree.prove_inclusion(index, tree.size()).unwrap();
        Proof::new(extra, index, hashes, note).unwrap()
    }

    fn check(text: &str, expected: ProofError) {
        let note = String::from_utf8(proof(None).note.to_bytes()).unwrap();
        let bytes = format!("{text}\n{note}");
        assert_eq!(Proof::parse(bytes.as_bytes()), Err(expected), "{text:?}");
    }

    #[test]
    fn a_proof_is_written_read_and_verified() {
        for extra in [None, Some(Vec::new()), Some(b"opening".to_vec())] {
            let proof = proof(extra.clone());
            let read = Proof::parse(&proof.to_bytes()).unwrap();
            assert_eq!((read.extra(), read.index().get()), (extra.as_deref(), 11));
            let policy = Policy::unwitnessed();
            let key = signer().verifier();
            assert_eq!(
                read.verify(leaf_hash(&[11]), &policy, Some(&key))
                    .unwrap()
                    .checkpoint()
                    .size
                    .get(),
                13
            );
            assert!(matches!(
                read.verify(leaf_hash(&[12]), &policy, Some(&key)),
                Err(UnprovenError::NotIncluded(_))
            ));
            assert!(matches!(
                read.verify(leaf_hash(&[11]), &policy, None),
                Err(UnprovenError::Untrusted(_))
            ));
        }
    }

    #[test]
    fn each_malformed_proof_has_its_error() {
        let first = FIRST_LINE;
        check("c2sp.org/tlog-proof@v2\nindex 1\n", ProofError::Format);
        check(&format!("{first}\r\nindex 1\n"), ProofError::Format);
        for index in [
            "",
            "index\n",
            "index \n",
            "index 01\n",
            "index -1\n",
            "index 1 \n",
            "Index 1\n",
            "indx 1\n",
        ] {
            let text = format!("{first}\n{index}");
            if !index.is_empty() {
                check(&text, ProofError::Index);
            }
        }
        check(
            &format!("{first}\nextra AA\nindex 1\n"),
            ProofError::Extra(Base64Error::Malformed),
        );
        check(
            &format!("{first}\nextra\nindex 1\n"),
            ProofError::Extra(Base64Error::Malformed),
        );
        check(
            &format!("{first}\nextra AB==\nindex 1\n"),
            ProofError::Extra(Base64Error::NotMinimal),
        );
        check(
            &format!("{first}\nextra AA==\nextra AA==\nindex 1\n"),
            ProofError::Index,
        );
        check(
            &format!("{first}\nindex 1\nextra AA==\n"),
            ProofError::Hash {
                hash: 1,
                source: Base64Error::Malformed,
            },
        );
        let short = ProofError::Hash {
            hash: 2,
            source: Base64Error::NotAHash { bytes: 1 },
        };
        check(&format!("{first}\nindex 1\n{HASH}AA==\n"), short);
        let stray = ProofError::Hash {
            hash: 1,
            source: Base64Error::NotMinimal,
        };
        check(
            &format!("{first}\nindex 1\n{}", HASH.replace("Kk=", "Kl=")),
            stray,
        );
    }

    #[test]
    fn sixty_five_hashes_are_refused_and_sixty_four_are_read() {
        check(
            &format!("{FIRST_LINE}\nindex 1\n{}", HASH.repeat(65)),
            ProofError::TooManyHashes { hashes: 65 },
        );
        let hashes = vec![Digest::of(b""); 64];
        let longest = Proof::new(None, LeafIndex::new(1), hashes.clone(), proof(None).note).unwrap();
        assert_eq!(Proof::parse(&longest.to_bytes()), Ok(longest));
        let longer = [hashes, vec![Digest::of(b"")]].concat();
        assert_eq!(
            Proof::new(None, LeafIndex::new(1), longer, proof(None).note),
            Err(ProofError::TooManyHashes { hashes: 65 })
        );
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = proof(None).to_bytes();
        let (key, policy) = (signer().verifier(), Policy::unwitnessed());
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let shown = Proof::parse(&changed)
                .is_ok_and(|proof| proof.verify(leaf_hash(&[11]), &policy, Some(&key)).is_ok());
            assert!(!shown, "bit {bit}");
        }
    }

    #[test]
    fn debug_output_shows_no_extra_data() {
        let text = format!("{:?}", proof(Some(b"CANARY".to_vec())));
        assert_eq!(text, "Proof(11, 4 hashes, 6b)");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, head in "(extra |index )?[A-Za-z0-9=]{0,8}\n{1,2}") {
            let _ = Proof::parse(&bytes);
            let text = format!("{FIRST_LINE}\n{head}");
            if let Ok(proof) = Proof::parse(text.as_bytes()) {
                prop_assert_eq!(proof.to_bytes(), text.as_bytes());
            }
        }
    }
}
