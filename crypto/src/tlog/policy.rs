//! Which checkpoints to trust: logs, witnesses, and how many of these make a quorum.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <name>...
//! quorum <name>|none
//! ```
//!
//! A group has witnessed a checkpoint if enough of its members have. Each name is a member of one group
//! at most, so that nobody counts twice; a group that cannot reach the quorum alone never does, however
//! many are in it.
//!
//! Source: C2SP tlog-policy. It asks readers to take 32 logs, witnesses and groups; a federation has up to a
//! hundred hubs, and ours takes that.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{Note, NoteError, NoteVerifier};

use super::cosignature::{CosignatureError, CosignerKey};
use super::decimal;

/// Most logs in a policy.
pub const LOGS_MAX: usize = 128;
/// Most witnesses in a policy.
pub const WITNESSES_MAX: usize = 128;
/// Most groups in a policy.
pub const GROUPS_MAX: usize = 128;
/// Longest policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;

/// What has been said about logs, witnesses and quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<NoteVerifier>,
    /// INVARIANT (backward references): a group names only nodes before it.
    nodes: Vec<Node>,
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: Vec<u8>,
    rule: Rule,
    is_member: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Witness(CosignerKey),
    Group { threshold: usize, members: Vec<usize> },
}

/// A checkpoint that its log signed and a quorum cosigned. Made only by [`Policy::verify`].
///
/// ```compile_fail,E0451
/// let forged = testudo_crypto::tlog::policy::Trusted { checkpoint: unreachable!(), cosigned: Vec::new() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    checkpoint: Checkpoint,
    cosigned: Vec<(String, u64)>,
}

/// Why a text is not a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Longer than [`POLICY_BYTES_MAX`].
    #[error("policy has {bytes} bytes, at most {POLICY_BYTES_MAX} expected")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// The last line does not end in a newline.
    #[error("last line of the policy does not end in a newline")]
    Unterminated,
    /// A control character other than tab.
    #[error("line {line} of the policy holds a control character")]
    Octet {
        /// Which line, from 1.
        line: usize,
    },
    /// Not `log`, `witness`, `group` or `quorum`.
    #[error("line {line} of the policy begins with none of `log`, `witness`, `group` and `quorum`")]
    Keyword {
        /// Which line, from 1.
        line: usize,
    },
    /// Too few or too many words.
    #[error("line {line} of the policy has another number of words than its kind takes")]
    Words {
        /// Which line, from 1.
        line: usize,
    },
    /// Not a verifier key of the type that a log or a witness has.
    #[error("key in line {line} of the policy cannot be used")]
    Key {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: NoteError,
    },
    /// A second log or witness with the same public key.
    #[error("key in line {line} of the policy stands in an earlier line")]
    DuplicateKey {
        /// Which line, from 1.
        line: usize,
    },
    /// A name that is taken, or `none`.
    #[error("name in line {line} of the policy is taken")]
    DuplicateName {
        /// Which line, from 1.
        line: usize,
    },
    /// A name that no earlier line defines.
    #[error("line {line} of the policy uses a name that no earlier line defines")]
    UnknownName {
        /// Which line, from 1.
        line: usize,
    },
    /// A member of two groups, or twice of one.
    #[error("line {line} of the policy makes a member of what is one already")]
    MemberTwice {
        /// Which line, from 1.
        line: usize,
    },
    /// Not `all`, `any` or a number from 1 to the number of members.
    #[error("threshold in line {line} of the policy is not `all`, `any` or a number of its members")]
    Threshold {
        /// Which line, from 1.
        line: usize,
    },
    /// More logs, witnesses or groups than are taken.
    #[error("line {line} of the policy is one `{what}` too many")]
    TooMany {
        /// Which line, from 1.
        line: usize,
        /// Of what.
        what: &'static str,
    },
    /// No line `quorum`.
    #[error("policy has no line `quorum`")]
    NoQuorum,
    /// A second line `quorum`.
    #[error("line {line} of the policy is a second `quorum`")]
    SecondQuorum {
        /// Which line, from 1.
        line: usize,
    },
}

/// Why a checkpoint is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UntrustedError {
    /// The note is no checkpoint.
    #[error("note is no checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// No log of this origin is known.
    #[error("no known log has the origin `{origin}`")]
    UnknownLog {
        /// The origin.
        origin: String,
    },
    /// A log that is known signed a checkpoint of another origin: two logs under one key.
    #[error("checkpoint of `{origin}` is signed by the key of log `{log}`")]
    OtherOrigin {
        /// The origin in the checkpoint.
        origin: String,
        /// Whose key it is.
        log: String,
    },
    /// The log did not sign it, or its signature does not verify.
    #[error("signature of the log is refused")]
    Log(#[source] NoteError),
    /// The line of a known witness does not verify.
    #[error("a cosignature is refused")]
    Cosignature(#[from] CosignatureError),
    /// Not enough witnesses cosigned.
    #[error("checkpoint is cosigned by {found} of {known} known witnesses, which is no quorum")]
    NoQuorum {
        /// How many cosigned.
        found: usize,
        /// How many are known.
        known: usize,
    },
}

impl Policy {
    /// No logs, no witnesses, `quorum none`: the caller knows its log.
    pub fn unwitnessed() -> Self {
        Self {
            logs: Vec::new(),
            nodes: Vec::new(),
            quorum: None,
        }
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: bytes.len() });
        }
        let lines = match bytes.strip_suffix(b"\n") {
            Some(lines) => lines,
            None if bytes.is_empty() => return Err(PolicyError::NoQuorum),
            None => return Err(PolicyError::Unterminated),
        };
        let mut policy = Self::unwitnessed();
        let mut has_quorum = false;
        for (line, text) in (1..).zip(lines.split(|octet| *octet == b'\n')) {
            if text
                .iter()
                .any(|octet| matches!(octet, 0x00..=0x08 | 0x0b..=0x1f | 0x7f))
            {
                return Err(PolicyError::Octet { line });
            }
            let words: Vec<&[u8]> = text
                .split(|octet| matches!(octet, b' ' | b'\t'))
                .filter(|word| !word.is_empty())
                .collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with(b"#") => {}
                [b"log", key] | [b"log", key, _] => policy.add_log(line, key)?,
                [b"witness", name, key] | [b"witness", name, key, _] => {
                    policy.add_witness(line, name, key)?
                }
                [b"group", name, threshold, members @ ..] => {
                    policy.add_group(line, name, threshold, members)?
                }
                [b"quorum", _] if has_quorum => return Err(PolicyError::SecondQuorum { line }),
                [b"quorum", name] => {
                    has_quorum = true;
                    policy.quorum = match *name {
                        b"none" => None,
                        name => Some(policy.find(line, name)?),
                    };
                }
                [b"log" | b"witness" | b"group" | b"quorum", ..] => return Err(PolicyError::Words { line }),
                _ => return Err(PolicyError::Keyword { line }),
            }
        }
        if has_quorum {
            Ok(policy)
        } else {
            Err(PolicyError::NoQuorum)
        }
    }

    fn add_log(&mut self, line: usize, key: &[u8]) -> Result<(), PolicyError> {
        let key: NoteVerifier = read_key(line, key)?;
        if self.logs.iter().any(|known| known.key() == key.key()) {
            return Err(PolicyError::DuplicateKey { line });
        }
        if self.logs.len() == LOGS_MAX {
            return Err(PolicyError::TooMany { line, what: "log" });
        }
        self.logs.push(key);
        Ok(())
    }

    fn add_witness(&mut self, line: usize, name: &[u8], key: &[u8]) -> Result<(), PolicyError> {
        let key: CosignerKey = read_key(line, key)?;
        if self.witnesses().any(|known| known.key() == key.key()) {
            return Err(PolicyError::DuplicateKey { line });
        }
        if self.witnesses().count() == WITNESSES_MAX {
            return Err(PolicyError::TooMany {
                line,
                what: "witness",
            });
        }
        self.define(line, name, Rule::Witness(key))
    }

    fn add_group(
        &mut self,
        line: usize,
        name: &[u8],
        threshold: &[u8],
        members: &[&[u8]],
    ) -> Result<(), PolicyError> {
        if members.is_empty() {
            return Err(PolicyError::Words { line });
        }
        if self.nodes.len().saturating_sub(self.witnesses().count()) == GROUPS_MAX {
            return Err(PolicyError::TooMany { line, what: "group" });
        }
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            number => (std::str::from_utf8(number).ok())
                .and_then(decimal)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=members.len()).contains(number))
                .ok_or(PolicyError::Threshold { line })?,
        };
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let index = self.find(line, member)?;
            let node = self
                .nodes
                .get_mut(index)
                .ok_or(PolicyError::UnknownName { line })?;
            if node.is_member {
                return Err(PolicyError::MemberTwice { line });
            }
            node.is_member = true;
            found.push(index);
        }
        self.define(
            line,
            name,
            Rule::Group {
                threshold,
                members: found,
            },
        )
    }

    fn define(&mut self, line: usize, name: &[u8], rule: Rule) -> Result<(), PolicyError> {
        if name == b"none" || self.nodes.iter().any(|node| node.name == name) {
            return Err(PolicyError::DuplicateName { line });
        }
        self.nodes.push(Node {
            name: name.to_vec(),
            rule,
            is_member: false,
        });
        Ok(())
    }

    fn find(&self, line: usize, name: &[u8]) -> Result<usize, PolicyError> {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.ok_or(PolicyError::UnknownName { line })
    }

    /// The keys of the logs.
    pub fn logs(&self) -> &[NoteVerifier] {
        &self.logs
    }

    /// The keys of the witnesses, in the order of their lines.
    pub fn witnesses(&self) -> impl Iterator<Item = &CosignerKey> {
        self.nodes.iter().filter_map(|node| match &node.rule {
            Rule::Witness(key) => Some(key),
            Rule::Group { .. } => None,
        })
    }

    /// Checks that a log signed a checkpoint and that a quorum cosigned it.
    ///
    /// `log` is a key that the caller knows besides those of the policy. Lines of unknown keys are
    /// ignored; one line of a known key that fails refuses the whole. How old cosignatures are is for
    /// the caller to judge.
    ///
    /// # Errors
    /// [`UntrustedError`].
    pub fn verify(&self, note: &Note, log: Option<&NoteVerifier>) -> Result<Trusted, UntrustedError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let known: Vec<NoteVerifier> = self.logs.iter().chain(log).cloned().collect();
        let of_origin: Vec<NoteVerifier> = (known.iter())
            .filter(|key| key.name() == checkpoint.origin)
            .cloned()
            .collect();
        if of_origin.is_empty() {
            let origin = checkpoint.origin;
            let signed = |key: &&NoteVerifier| {
                let mut lines = note.signatures().iter();
                lines.any(|line| line.name() == key.name() && line.id() == key.id())
            };
            return Err(match known.iter().find(signed) {
                Some(key) => UntrustedError::OtherOrigin {
                    origin,
                    log: key.name().to_owned(),
                },
                None => UntrustedError::UnknownLog { origin },
            });
        }
        note.verify(&of_origin).map_err(UntrustedError::Log)?;
        let mut cosigned = Vec::new();
        let mut holds: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            holds.push(match &node.rule {
                Rule::Witness(key) => {
                    let time = key.cosigned(note)?;
                    cosigned.extend(time.map(|time| (key.name().to_owned(), time)));
                    time.is_some()
                }
                Rule::Group { threshold, members } => {
                    let held = members.iter().filter(|member| holds.get(**member) == Some(&true));
                    held.count() >= *threshold
                }
            });
        }
        let quorum = self.quorum.is_none_or(|node| holds.get(node) == Some(&true));
        if quorum {
            Ok(Trusted { checkpoint, cosigned })
        } else {
            Err(UntrustedError::NoQuorum {
                found: cosigned.len(),
                known: self.witnesses().count(),
            })
        }
    }
}

impl Trusted {
    /// What the note says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The known witnesses that cosigned, and when, in seconds since 1970.
    pub fn cosigned(&self) -> &[(String, u64)] {
        &self.cosigned
    }
}

fn read_key<K: std::str::FromStr<Err = NoteError>>(line: usize, text: &[u8]) -> Result<K, PolicyError> {
    let text = std::str::from_utf8(text).map_err(|_| NoteError::VerifierKey);
    text.and_then(str::parse)
        .map_err(|source| PolicyError::Key { line, source })
}

#[cfg(test)]
mod tests;
