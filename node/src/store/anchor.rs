//! The anchor: a small file outside the database that remembers how far the ledger had come.
//!
//! A database that is behind its anchor is an old copy, and a hub that signed on from it would sign two
//! histories. The order of a tick is therefore: rows on stable storage, checkpoint signed, anchor
//! replaced, checkpoint published. A crash before the last step leaves an anchor that is ahead of what
//! peers have seen and level with the database; the same checkpoint is published at the next start.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use testudo_protocol::fault::Fault;
use thiserror::Error;

use super::lock::{Lock, LockError};
use super::replace::replace;

/// Longest note, in bytes: a checkpoint with the cosignatures of several hundred hubs.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Longest anchor file, in bytes: two notes in which every character is escaped.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The anchor file of one hub.
#[derive(Debug)]
pub struct Anchor {
    path: PathBuf,
    /// The right to replace it: a second database that stands at the same anchor has another lock than the first.
    lock: Option<Lock>,
}

/// One position of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: [u8; 32],
    /// The signed checkpoint as text.
    pub note: String,
}

/// What the anchor file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The newest position.
    pub newest: Mark,
    /// The position before it, of another size; none after the first.
    pub previous: Option<Mark>,
}

/// Why the anchor is not ours to replace. The hub does not start.
#[derive(Debug, Error)]
pub enum HoldAnchorError {
    /// Another process has it.
    #[error("anchor file `{}` is in use by {}, stop that hub first", path.display(), super::open::process(*pid))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("cannot lock anchor file `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the anchor was not read. The hub must not sign until it can be.
#[derive(Debug, Error)]
pub enum ReadAnchorError {
    /// The system refused.
    #[error("cannot read anchor file `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not hold what an anchor holds.
    #[error("anchor file `{}` is damaged, restore it with `testudo restore`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense, if it was the JSON.
        source: Option<serde_json::Error>,
    },
}

/// Why the anchor was not replaced. Whatever depends on the new position must not be published.
#[derive(Debug, Error)]
pub enum ReplaceAnchorError {
    /// The file stands elsewhere than the caller thinks: something else has moved it, or the
    /// database is an old copy.
    #[error("anchor file `{}` stands at size {found}, expected {expected}, stop signing", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// Size that the caller expected.
        expected: u64,
        /// Size that was found.
        found: u64,
    },
    /// The new position has fewer leaves than the old.
    #[error("anchor file `{}` stands at size {found}, expected no less and got {new}, stop signing", path.display())]
    Shrinks {
        /// The file.
        path: PathBuf,
        /// Size that was found.
        found: u64,
        /// Size that was offered.
        new: u64,
    },
    /// The new position has as many leaves as the old and another root: two histories.
    #[error("anchor file `{}` has another root for size {size}, stop signing", path.display())]
    Forks {
        /// The file.
        path: PathBuf,
        /// The size of both.
        size: u64,
    },
    /// The note is longer than allowed.
    #[error("a note of {found} bytes does not fit into the anchor file, expected at most {NOTE_BYTES_MAX}")]
    NoteTooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The old position could not be read.
    #[error(transparent)]
    Read(#[from] ReadAnchorError),
    /// The new position could not be written. The file holds the old or the new one, whole.
    #[error("cannot write anchor file `{}`, check its folder and the free space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ReadAnchorError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Environment
    }
}

impl ReplaceAnchorError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            ReplaceAnchorError::Stale { .. } => Fault::Operator,
            ReplaceAnchorError::Shrinks { .. }
            | ReplaceAnchorError::Forks { .. }
            | ReplaceAnchorError::NoteTooLong { .. } => Fault::Ours,
            ReplaceAnchorError::Read(error) => error.fault(),
            ReplaceAnchorError::Io { .. } => Fault::Environment,
        }
    }
}

impl Anchor {
    /// The anchor in this file, which need not exist yet; its folder must.
    #[must_use]
    pub fn new(path: &Path) -> Anchor {
        Anchor {
            path: path.into(),
            lock: None,
        }
    }

    /// Keeps every other process away from it, for as long as the value lives.
    ///
    /// # Errors
    /// [`HoldAnchorError`].
    pub fn hold(mut self) -> Result<Anchor, HoldAnchorError> {
        let path = self.path.with_extension("lock");
        let lock = Lock::take(&path).map_err(|error| match error {
            LockError::Taken(pid) => HoldAnchorError::InUse {
                path: self.path.clone(),
                pid,
            },
            LockError::Io(source) => HoldAnchorError::Io { path, source },
        })?;
        self.lock = Some(lock);
        Ok(self)
    }

    /// What the file holds; none if there is no file. A ledger with leaves and without an anchor is a
    /// ledger that may have been rolled back.
    ///
    /// # Errors
    /// [`ReadAnchorError`].
    pub fn read(&self) -> Result<Option<Anchored>, ReadAnchorError> {
        let damaged = |source| ReadAnchorError::Damaged {
            path: self.path.clone(),
            source,
        };
        let failed = |source| ReadAnchorError::Io {
            path: self.path.clone(),
            source,
        };
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let written: WrittenPair = serde_json::from_slice(&bytes).map_err(|error| damaged(Some(error)))?;
        let newest = written.newest.read().ok_or_else(|| damaged(None))?;
        let previous = match written.previous {
            Some(previous) => Some(previous.read().ok_or_else(|| damaged(None))?),
            None => None,
        };
        Ok(Some(Anchored { newest, previous }))
    }

    /// Puts `new` in place if the file stands at `expected_previous_size`; no file counts as size 0.
    ///
    /// When it returns, the new position survives a loss of power. The same size with the same root is
    /// accepted, so that a tick that crashed can be finished; it replaces the note.
    ///
    /// # Errors
    /// [`ReplaceAnchorError`].
    pub fn replace(&mut self, expected_previous_size: u64, new: Mark) -> Result<(), ReplaceAnchorError> {
        if new.note.len() > NOTE_BYTES_MAX {
            return Err(ReplaceAnchorError::NoteTooLong {
                found: new.note.len(),
            });
        }
        let old = self.read()?;
        self.check(expected_previous_size, old.as_ref().map(|it| &it.newest), &new)?;
        let previous = old.and_then(|old| {
            if old.newest.size == new.size {
                old.previous
            } else {
                Some(old.newest)
            }
        });
        let written = WrittenPair {
            newest: Written::of(&new),
            previous: previous.as_ref().map(Written::of),
        };
        let failed = |source| ReplaceAnchorError::Io {
            path: self.path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(&written).map_err(|error| failed(error.into()))?;
        replace(&self.path, &text).map_err(failed)
    }

    fn check(&self, expected: u64, old: Option<&Mark>, new: &Mark) -> Result<(), ReplaceAnchorError> {
        let path = || self.path.clone();
        let found = old.map_or(0, |it| it.size);
        if found != expected {
            return Err(ReplaceAnchorError::Stale {
                path: path(),
                expected,
                found,
            });
        }
        if new.size < found {
            return Err(ReplaceAnchorError::Shrinks {
                path: path(),
                found,
                new: new.size,
            });
        }
        if old.is_some_and(|it| it.size == new.size && it.root != new.root) {
            return Err(ReplaceAnchorError::Forks {
                path: path(),
                size: new.size,
            });
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPair {
    newest: Written,
    previous: Option<Written>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    size: u64,
    root: String,
    note: String,
}

impl Written {
    fn of(mark: &Mark) -> Written {
        let root = mark.root.iter().map(|byte| format!("{byte:02x}")).collect();
        Written {
            size: mark.size,
            root,
            note: mark.note.clone(),
        }
    }

    fn read(self) -> Option<Mark> {
        Some(Mark {
            size: self.size,
            root: root(&self.root)?,
            note: self.note,
        })
    }
}

/// Reads 64 lower-case hexadecimal digits.
fn root(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit))
        .collect();
    if digits.len() == 64 {
        bytes.try_into().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(size: u64, root: u8) -> Mark {
        Mark {
            size,
            root: [root; 32],
            note: format!("testudo/se\n{size}\n\n— se \"x\"\n"),
        }
    }

    fn anchor() -> (tempfile::TempDir, Anchor) {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Anchor::new(&folder.path().join("anchor.json"));
        (folder, anchor)
    }

    #[test]
    fn the_last_two_are_kept() {
        let (_folder, mut anchor) = anchor();
        assert_eq!(anchor.read().unwrap(), None);
        anchor.replace(0, mark(3, 0xa1)).unwrap();
        assert_eq!(
            anchor.read().unwrap(),
            Some(Anchored {
                newest: mark(3, 0xa1),
                previous: None
            })
        );
        anchor.replace(3, mark(5, 0xb2)).unwrap();
        anchor.replace(5, mark(u64::MAX, 0xc3)).unwrap();
        let found = Anchor::new(&anchor.path).read().unwrap();
        assert_eq!(
            found,
            Some(Anchored {
                newest: mark(u64::MAX, 0xc3),
                previous: Some(mark(5, 0xb2))
            })
        );
    }

    #[test]
    fn a_stale_expectation_is_refused() {
        let (_folder, mut anchor) = anchor();
        assert!(matches!(
            anchor.replace(1, mark(3, 1)),
            Err(ReplaceAnchorError::Stale { found: 0, .. })
        ));
        anchor.replace(0, mark(3, 1)).unwrap();
        for expected in [0, 2, 4] {
            let error = anchor.replace(expected, mark(9, 2)).unwrap_err();
            assert!(
                matches!(error, ReplaceAnchorError::Stale { found: 3, .. }),
                "{error}"
            );
        }
        assert_eq!(
            anchor.read().unwrap(),
            Some(Anchored {
                newest: mark(3, 1),
                previous: None
            })
        );
    }

    #[test]
    fn shrinking_and_forking_are_refused() {
        let (_folder, mut anchor) = anchor();
        anchor.replace(0, mark(3, 1)).unwrap();
        assert!(matches!(
            anchor.replace(3, mark(2, 1)),
            Err(ReplaceAnchorError::Shrinks { new: 2, .. })
        ));
        assert!(matches!(
            anchor.replace(3, mark(3, 2)),
            Err(ReplaceAnchorError::Forks { size: 3, .. })
        ));
        assert_eq!(
            anchor.read().unwrap(),
            Some(Anchored {
                newest: mark(3, 1),
                previous: None
            })
        );
    }

    #[test]
    fn a_crashed_tick_can_be_finished() {
        let (_folder, mut anchor) = anchor();
        anchor.replace(0, mark(2, 1)).unwrap();
        anchor.replace(2, mark(3, 1)).unwrap();
        let cosigned = Mark {
            note: "more cosignatures".into(),
            ..mark(3, 1)
        };
        anchor.replace(3, cosigned.clone()).unwrap();
        assert_eq!(
            anchor.read().unwrap(),
            Some(Anchored {
                newest: cosigned,
                previous: Some(mark(2, 1))
            })
        );
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let (_folder, mut anchor) = anchor();
        anchor.replace(0, mark(3, 0xa1)).unwrap();
        let whole = std::fs::read_to_string(&anchor.path).unwrap();
        let short = whole.replacen("a1", "a", 1);
        let unknown = whole.replacen("\"size\"", "\"sise\"", 1);
        for text in [
            "",
            "{}",
            &whole[..whole.len() / 2],
            &whole.to_uppercase(),
            &whole.replace("a1", "g1"),
            &short,
            &unknown,
        ] {
            std::fs::write(&anchor.path, text).unwrap();
            assert!(
                matches!(anchor.read(), Err(ReadAnchorError::Damaged { .. })),
                "{text}"
            );
            assert!(matches!(
                anchor.replace(3, mark(4, 1)),
                Err(ReplaceAnchorError::Read(_))
            ));
            assert_eq!(std::fs::read_to_string(&anchor.path).unwrap(), text);
        }
    }

    #[test]
    fn the_longest_note_fits_and_a_longer_one_does_not() {
        let (_folder, mut anchor) = anchor();
        for size in [1, 2] {
            let longest = Mark {
                note: "\u{1}".repeat(NOTE_BYTES_MAX),
                ..mark(size, 1)
            };
            anchor.replace(size - 1, longest).unwrap();
        }
        assert!(anchor.read().unwrap().is_some());
        let longer = Mark {
            note: "x".repeat(NOTE_BYTES_MAX + 1),
            ..mark(3, 1)
        };
        assert!(matches!(
            anchor.replace(2, longer),
            Err(ReplaceAnchorError::NoteTooLong { .. })
        ));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let (folder, _) = anchor();
        let mut anchor = Anchor::new(&folder.path().join("no/anchor.json"));
        let error = anchor.replace(0, mark(1, 1)).unwrap_err();
        assert!(
            matches!(error, ReplaceAnchorError::Io { .. }) && error.to_string().contains("no/anchor.json")
        );
    }
}
