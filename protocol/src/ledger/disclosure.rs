//! Openings handed out: all of a ledger's as a file, or one inside a proof.
//!
//! ```text
//! openings file   <index> <hex of the opening>\n           for each, in order of index
//! extra data      vkey <verifier key>\ncosigner <key>\n...opening <hex of the opening>\n
//! ```
//!
//! Whoever holds one knows what its entry says; nobody else's is disclosed with it.

use std::collections::BTreeMap;

use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::note::NoteVerifier;
use testudo_crypto::tlog::cosignature::CosignerKey;
use testudo_crypto::tlog::policy::WITNESSES_MAX;

/// What stands in the extra data of a proof: enough to check it with nothing else at hand.
///
/// The keys are the word of whoever made the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofExtra {
    /// The key of the ledger.
    pub vkey: NoteVerifier,
    /// The keys of the witnesses that cosigned.
    pub cosigners: Vec<CosignerKey>,
    /// The opening of the entry.
    pub opening: Vec<u8>,
}

/// A text that does not hold openings in their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the disclosed openings is malformed")]
pub struct DisclosureError {
    /// Which line, from 1.
    pub line: usize,
}

/// Writes openings as a file.
pub fn write_openings(openings: &BTreeMap<u64, Vec<u8>>) -> String {
    let line = |(index, opening): (&u64, &Vec<u8>)| format!("{index} {}\n", hex(opening));
    openings.iter().map(line).collect()
}

/// Reads a file of openings. Whether they fit their leaves is for the audit.
///
/// # Errors
/// [`DisclosureError`] names the line; indices must rise.
pub fn read_openings(text: &str) -> Result<BTreeMap<u64, Vec<u8>>, DisclosureError> {
    let mut openings = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        let read = || {
            let (index, opening) = text.split_once(' ')?;
            Some((index.parse::<u64>().ok()?, unhex(opening)?))
        };
        let (index, opening) = read().ok_or(DisclosureError { line })?;
        let rises = openings.last_key_value().is_none_or(|(last, _)| *last < index);
        if !rises {
            return Err(DisclosureError { line });
        }
        openings.insert(index, opening);
    }
    Ok(openings)
}

impl ProofExtra {
    /// The bytes for the proof.
    pub fn to_bytes(&self) -> Vec<u8> {
        let cosigners: String = self
            .cosigners
            .iter()
            .map(|key| format!("cosigner {key}\n"))
            .collect();
        format!("vkey {}\n{cosigners}opening {}\n", self.vkey, hex(&self.opening)).into_bytes()
    }

    /// Reads the extra data of a proof.
    ///
    /// # Errors
    /// [`DisclosureError`] names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, DisclosureError> {
        let malformed = |line| DisclosureError { line };
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(1))?;
        let mut lines = (1..).zip(text.lines());
        let vkey = (lines.next())
            .and_then(|(_, line)| line.strip_prefix("vkey ")?.parse().ok())
            .ok_or(malformed(1))?;
        let mut cosigners = Vec::new();
        for (number, line) in lines.by_ref() {
            if let Some(opening) = line.strip_prefix("opening ") {
                let opening = unhex(opening).ok_or(malformed(number))?;
                return match lines.next() {
                    None => Ok(Self {
                        vkey,
                        cosigners,
                        opening,
                    }),
                    Some((line, _)) => Err(malformed(line)),
                };
            }
            let key = line.strip_prefix("cosigner ").and_then(|key| key.parse().ok());
            cosigners.push(
                key.filter(|_| cosigners.len() < WITNESSES_MAX)
                    .ok_or(malformed(number))?,
            );
        }
        Err(malformed(cosigners.len().saturating_add(2)))
    }
}

#[cfg(test)]
mod tests {
    use testudo_crypto::keys::SigningKey;
    use testudo_crypto::note::NoteSigner;
    use testudo_crypto::tlog::cosignature::Cosigner;

    use super::*;

    #[test]
    fn openings_come_back_and_malformed_lines_are_named() {
        let openings = BTreeMap::from([(0, vec![1, 2]), (7, vec![3])]);
        let text = write_openings(&openings);
        assert_eq!(text, "0 0102\n7 03\n");
        assert_eq!(read_openings(&text), Ok(openings));
        for text in [
            "0 01\n0 02\n",
            "0 01\nx 02\n",
            "0 01\n1 0\n",
            "0 01\n1\n",
            "1 01\n0 02\n",
        ] {
            assert_eq!(read_openings(text), Err(DisclosureError { line: 2 }), "{text:?}");
        }
    }

    #[test]
    fn extra_data_come_back_and_malformed_lines_are_named() {
        let key = SigningKey::from_seed([1; 32]);
        let extra = ProofExtra {
            vkey: NoteSigner::new("log", &key).unwrap().verifier(),
            cosigners: vec![Cosigner::new("one", &key).unwrap().key(); 2],
            opening: vec![1, 2, 3],
        };
        let bytes = extra.to_bytes();
        assert_eq!(ProofExtra::parse(&bytes), Ok(extra));
        let text = String::from_utf8(bytes).unwrap();
        for (changed, line) in [
            (text.replacen("vkey", "key", 1), 1),
            (text.replacen("cosigner", "signer", 1), 2),
            (text.replace("opening 010203", "opening 01020"), 4),
            (format!("{text}more\n"), 5),
            (text.replace("opening 010203\n", ""), 4),
        ] {
            assert_eq!(
                ProofExtra::parse(changed.as_bytes()),
                Err(DisclosureError { line }),
                "{changed}"
            );
        }
    }
}
