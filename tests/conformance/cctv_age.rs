//! The age test kit of C2SP: binary files, sealed to hybrid recipients or to X25519.
//!
//! Files of other kinds must be refused whatever they hold. Where the kit wants them opened that is a deviation, where
//! it wants them refused we agree, though for a reason of our own. Of a file that fails half way the kit wants the
//! content up to there; ours hands out nothing before the end.

use std::fmt;

use testudo_crypto::digest::Digest;
use testudo_crypto::seal::{Identity, OpenError, open};

use crate::inflate::inflate_zlib;
use crate::report::{Report, Setting};
use crate::vectors::Vectors;

const FILES: usize = 143;
const FOLDER: &str = "age/testdata/";
/// The largest content of the kit is 257 chunks of 64 KiB.
const CONTENT_BYTES_MAX: usize = 32 << 20;

/// One file of the kit.
#[derive(Default)]
struct Case {
    expect: String,
    payload: Option<String>,
    identities: Vec<String>,
    has_passphrase: bool,
    is_armored: bool,
    file: Vec<u8>,
}

/// How opening ends, in the kit's words.
#[derive(PartialEq, Eq)]
enum Outcome {
    Success(Digest),
    NoMatch,
    HmacFailure,
    HeaderFailure,
    PayloadFailure,
}

/// Opens every file.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new("age", "github.com/C2SP/CCTV 1e3d286, age/testdata");
    let mut vectors = match Vectors::open(setting, "cctv-age") {
        Ok(vectors) => vectors,
        Err(problem) => {
            report.fail(problem);
            return report;
        }
    };
    vectors.expect_files(&mut report, FILES);
    for file in vectors.below(FOLDER) {
        let name = file.trim_start_matches(FOLDER);
        match vectors.read(&file).and_then(|bytes| Case::parse(&bytes)) {
            Ok(case) => judge(name, &case, &mut report),
            Err(problem) => report.fail(format!("{name}: {problem}")),
        }
    }
    vectors.finish(&mut report);
    report
}

fn judge(name: &str, case: &Case, report: &mut Report) {
    let outcome = match case.open() {
        Ok(outcome) => outcome,
        Err(problem) => return report.fail(format!("{name}: {problem}")),
    };
    match case.is_not_ours() {
        Some(reason) if case.expect == "success" => {
            report.deviate(name, reason, !matches!(outcome, Outcome::Success(_)));
        }
        Some(_) => {
            let is_refused = !matches!(outcome, Outcome::Success(_));
            report.check(name, if is_refused { Ok(()) } else { Err("opens".into()) });
        }
        None => report.check(name, case.agrees(&outcome)),
    }
}

impl Case {
    /// A header of `key: value` lines, an empty line, the file.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .ok_or("no empty line")?;
        let (header, file) = bytes.split_at(end);
        let mut case = Self {
            file: file[2..].to_vec(),
            ..Self::default()
        };
        let header = std::str::from_utf8(header).map_err(|error| error.to_string())?;
        for line in header.lines() {
            let (key, value) = line
                .split_once(": ")
                .ok_or_else(|| format!("malformed line `{line}`"))?;
            match key {
                "expect" => case.expect = value.to_owned(),
                "payload" => case.payload = Some(value.to_owned()),
                "identity" => case.identities.push(value.to_owned()),
                "passphrase" => case.has_passphrase = true,
                "armored" => case.is_armored = value == "yes",
                "compressed" if value == "zlib" => case.file = inflate_zlib(&case.file)?,
                "file key" | "comment" => {}
                _ => return Err(format!("unknown line `{line}`")),
            }
        }
        Ok(case)
    }

    /// Why a file is not ours to read, whoever it is for.
    fn is_not_ours(&self) -> Option<&'static str> {
        if self.is_armored {
            Some("armor is never read")
        } else if self.has_passphrase && self.identities.is_empty() {
            Some("passphrases are never read")
        } else {
            None
        }
    }

    /// Opens with the identities of the case, or with a stranger's if there is none.
    fn open(&self) -> Result<Outcome, String> {
        let mut identities = Vec::new();
        for identity in &self.identities {
            identities.push(Identity::from_secret(identity).map_err(|error| error.to_string())?);
        }
        if identities.is_empty() {
            identities.push(Identity::x25519_generate());
        }
        let identities: Vec<&Identity> = identities.iter().collect();
        match open(&identities, &self.file, CONTENT_BYTES_MAX) {
            Ok(content) => Ok(Outcome::Success(Digest::of(&content))),
            Err(OpenError::NoMatch) => Ok(Outcome::NoMatch),
            Err(OpenError::HeaderChanged) => Ok(Outcome::HmacFailure),
            Err(OpenError::Prescan(_) | OpenError::Malformed) => Ok(Outcome::HeaderFailure),
            Err(OpenError::Damaged) => Ok(Outcome::PayloadFailure),
            Err(other) => Err(other.to_string()),
        }
    }

    fn agrees(&self, outcome: &Outcome) -> Result<(), String> {
        if outcome.to_string() != self.expect {
            return Err(format!("{outcome}, expected {}", self.expect));
        }
        match (outcome, &self.payload) {
            (Outcome::Success(found), Some(payload)) if found.to_hex() != *payload => {
                Err("opens with other content".into())
            }
            (Outcome::Success(_), None) => Err("names no content".into()),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success(_) => "success",
            Self::NoMatch => "no match",
            Self::HmacFailure => "HMAC failure",
            Self::HeaderFailure => "header failure",
            Self::PayloadFailure => "payload failure",
        })
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
