//! `testudo statement`: what an authority signs about a deployment or a cipher suite, without any hub.
//!
//! Run by whoever accredits, on a machine of theirs: the key never comes near the hub that it raises.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use testudo_crypto::digest::{hex, unhex};
use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::NoteSigner;
use testudo_protocol::id::HubId;
use testudo_protocol::label::Level;
use testudo_protocol::realm::Realm;
use testudo_protocol::statement::{Approval, sign};
use zeroize::Zeroizing;

use super::outcome::{Answer, Failure, chain, exit};
use crate::store::{read_secret, write_secret};

/// What to sign.
#[derive(Subcommand)]
pub(super) enum StatementCommand {
    /// Make the key of an authority, and print the public half for `approvals.authority`.
    Key {
        /// The name that stands in its signatures, such as nsa.example/accreditation.
        #[arg(long)]
        name: String,
        /// Where to keep the secret half; must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// State up to which level one deployment may go: `approvals.accreditation`.
    Accredit {
        /// Which hub.
        #[arg(long, value_name = "CODE")]
        hub: String,
        #[command(flatten)]
        of: Terms,
    },
    /// State up to which level a cipher suite is approved: `approvals.crypto`.
    ApproveSuite {
        /// The number of the suite, as in `docs/spec/envelope.md`.
        #[arg(long, value_name = "NUMBER")]
        suite: u8,
        #[command(flatten)]
        of: Terms,
    },
}

/// For whom, up to which level, until when.
#[derive(Args)]
pub(super) struct Terms {
    /// The secret half of the authority's key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The federation.
    #[arg(long)]
    federation: String,
    /// `live`, or the name of an exercise.
    #[arg(long)]
    realm: String,
    /// The highest level, 0 to 6.
    #[arg(long)]
    level: u8,
    /// The end, in Unix seconds; that instant itself is past it.
    #[arg(long, value_name = "SECONDS")]
    until: u64,
    /// Where to write the statement; must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A key that was made.
#[derive(Serialize)]
struct Made {
    authority: String,
    key: PathBuf,
}

/// A statement that was signed.
#[derive(Serialize)]
struct Signed {
    authority: String,
    statement: PathBuf,
}

fn usage(sentence: String) -> Failure {
    Failure::new(exit::USAGE, "usage", sentence)
}

/// Neither a key nor a statement takes the place of another.
fn must_be_new(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        let sentence = format!("`{}` exists already; name a new file", path.display());
        return Err(Failure::new(exit::CANNOT_CREATE, "file-exists", sentence));
    }
    Ok(())
}

impl StatementCommand {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Key { name, out } => make_key(name, out),
            Self::Accredit { hub, of } => {
                let hub: HubId = hub.parse().map_err(|error| usage(format!("--hub: {error}")))?;
                of.sign(Approval::Deployment { hub })
            }
            Self::ApproveSuite { suite, of } => of.sign(Approval::Suite { suite: *suite }),
        }
    }
}

fn make_key(name: &str, out: &Path) -> Result<Answer, Failure> {
    must_be_new(out)?;
    let mut entropy =
        Entropy::from_os().map_err(|error| Failure::new(exit::GENERAL, "entropy", chain(&error)))?;
    let key = SigningKey::generate(&mut entropy);
    let signer = NoteSigner::new(name, &key).map_err(|error| usage(format!("--name: {}", chain(&error))))?;
    let mut text = Zeroizing::new(String::with_capacity(name.len() + 66));
    // Writing into a string does not fail.
    let _written = writeln!(text, "{name}\n{}", *Zeroizing::new(hex(key.seed().as_slice())));
    write_secret(out, text.as_bytes())
        .map_err(|error| Failure::new(exit::CANNOT_CREATE, "file", chain(&error)))?;
    let authority = signer.verifier().to_string();
    let text = format!(
        "made key {}\nauthority {authority}\nnext      the operator pins it: approvals.authority = \"{authority}\"",
        out.display()
    );
    let key = out.to_owned();
    Ok(Answer::of(&Made { authority, key }, text))
}

/// Reads the two lines of a key file: the name, and the seed in hexadecimal.
fn read_key(path: &Path) -> Result<NoteSigner, Failure> {
    let secret =
        read_secret(path).map_err(|error| Failure::new(exit::PERMISSION, "secret", chain(&error)))?;
    let malformed = || {
        let sentence = format!(
            "`{}` is not a key that `testudo statement key` made",
            path.display()
        );
        Failure::new(exit::DATA, "file-malformed", sentence)
    };
    let text = std::str::from_utf8(&secret).map_err(|_| malformed())?;
    let (name, seed) = text.trim_end().split_once('\n').ok_or_else(malformed)?;
    let seed = unhex(seed).map(Zeroizing::new).ok_or_else(malformed)?;
    let seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| malformed())?;
    NoteSigner::new(name, &SigningKey::from_seed(Zeroizing::new(seed))).map_err(|_| malformed())
}

impl Terms {
    fn sign(&self, approval: Approval) -> Result<Answer, Failure> {
        must_be_new(&self.out)?;
        let realm = Realm::new(&self.federation, &self.realm).map_err(|error| usage(error.to_string()))?;
        let level =
            Level::try_from(i64::from(self.level)).map_err(|error| usage(format!("--level: {error}")))?;
        let signer = read_key(&self.key)?;
        let statement = sign(approval, &realm, level, self.until, &signer)
            .map_err(|error| Failure::new(exit::GENERAL, "internal", chain(&error)))?;
        std::fs::write(&self.out, statement).map_err(|error| {
            let sentence = format!("cannot write `{}`: {error}", self.out.display());
            Failure::new(exit::CANNOT_CREATE, "file", sentence)
        })?;
        let authority = signer.verifier().to_string();
        let text = format!("signed    {}\nauthority {authority}", self.out.display());
        let statement = self.out.clone();
        Ok(Answer::of(&Signed { authority, statement }, text))
    }
}
