//! A witness and a mirror by Sunlight: cosigned checkpoints, and the tiles of a log of 300 leaves.
//!
//! A cosignature (type `0x04`) covers a time besides the checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle::{Root, TreeSize, tree_root};
use testudo_crypto::note::{Note, NoteError, NoteSignature};
use testudo_crypto::tlog::cosignature::{CosignatureError, CosignerKey};

use crate::report::{Report, Setting};
use crate::vectors::Vectors;

const ROME: &str = "000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706";
const MILAN: &str = "88ad7a28caeb0b2aa890fdf0304c2fcaf59fca2ee140134ff8c1300bac493482";
const TILE_HASHES: usize = 256;

/// Verifies every cosigned checkpoint and the mirrored tiles.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new(
        "skylight",
        "github.com/FiloSottile/sunlight ed0bc38, cmd/skylight/testdata, 300 leaves",
    );
    if let Err(problem) = check_all(setting, &mut report) {
        report.fail(problem);
    }
    report
}

fn check_all(setting: &Setting, report: &mut Report) -> Result<(), String> {
    let mut vectors = Vectors::open(setting, "sunlight-skylight")?;
    let data = "cmd/skylight/testdata";
    let cosigned = [
        (
            "witness/witness.v0.json",
            format!("witness/{ROME}/checkpoint"),
            "rome2026h1.example.org",
            ROME,
        ),
        (
            "witness2/witness.v0.json",
            format!("witness2/{MILAN}/checkpoint"),
            "milan2026h1.example.org",
            MILAN,
        ),
        (
            "witness/mirror/mirror.v0.json",
            format!("witness/mirror/{ROME}/checkpoint"),
            "rome2026h1.example.org",
            ROME,
        ),
    ];
    for (keys, checkpoint, origin, folder) in cosigned {
        let keys = vectors.read_json(&format!("{data}/{keys}"))?;
        let bytes = vectors.read(&format!("{data}/{checkpoint}"))?;
        report.check(format!("key of {checkpoint}"), cosigner(&keys).map(|_| ()));
        report.check(checkpoint.clone(), check_cosigned(&keys, &bytes, origin));
        let named = Digest::of(origin.as_bytes()).to_hex();
        let outcome = if named == folder {
            Ok(())
        } else {
            Err(format!("origin hashes to {named}"))
        };
        report.check(format!("folder of {checkpoint}"), outcome);
        report.check(
            format!("{checkpoint} at another time"),
            check_other_time(&keys, &bytes),
        );
    }

    let mirror = format!("{data}/witness/mirror/{ROME}");
    let full = vectors.read(&format!("{mirror}/tile/0/000"))?;
    let rest = vectors.read(&format!("{mirror}/tile/0/001.p/44"))?;
    let above = vectors.read(&format!("{mirror}/tile/1/000.p/1"))?;
    let checkpoint = checkpoint_of(&vectors.read(&format!("{mirror}/checkpoint"))?)?;
    report.check(
        "tile/0 gives the root of the mirror's checkpoint",
        tiles_agree(&full, &rest, checkpoint),
    );
    let outcome = if tree_root(&hashes(&full)?).as_bytes().as_slice() == above {
        Ok(())
    } else {
        Err("does not hash to it".into())
    };
    report.check("tile/0/000 gives tile/1/000.p/1", outcome);

    for decoy in ["witness/checkpoint", "witness/mirror/checkpoint"] {
        let bytes = vectors.read(&format!("{data}/{decoy}"))?;
        let outcome = match Note::parse(&bytes) {
            Err(NoteError::Text | NoteError::Unsigned) => Ok(()),
            other => Err(format!("decoy is read as {other:?}")),
        };
        report.check(decoy, outcome);
    }
    // The configuration of their server.
    vectors.pass_over(&format!("{data}/skylight.yaml"));
    vectors.finish(report);
    Ok(())
}

fn cosigner(keys: &Value) -> Result<CosignerKey, String> {
    let text = keys["verifier_keys"][0].as_str().ok_or("no verifier key")?;
    let key: CosignerKey = text.parse().map_err(|error| format!("verifier key: {error}"))?;
    if key.to_string() == text {
        Ok(key)
    } else {
        Err("verifier key is written back differently".into())
    }
}

fn check_cosigned(keys: &Value, bytes: &[u8], origin: &str) -> Result<(), String> {
    let note = Note::parse(bytes).map_err(|error| error.to_string())?;
    if note.to_bytes() != bytes {
        return Err("is written back differently".into());
    }
    // For our own verifier these keys are of unknown types: the note has no known signer.
    if note.verify(&[]) != Err(NoteError::NoKnownSigner) {
        return Err("verifies without a known key".into());
    }
    let checkpoint = checkpoint_of(bytes)?;
    if checkpoint.origin != origin || checkpoint.size != TreeSize::new(300) {
        return Err(format!("holds {checkpoint:?}"));
    }
    match cosigner(keys)?.cosigned(&note) {
        Ok(Some(time)) if time > 0 => Ok(()),
        other => Err(format!("cosigned: {other:?}")),
    }
}

/// The time is signed: another one is refused.
fn check_other_time(keys: &Value, bytes: &[u8]) -> Result<(), String> {
    let key = cosigner(keys)?;
    let note = Note::parse(bytes).map_err(|error| error.to_string())?;
    let line = (note.signatures().iter().find(|line| key.claims(line))).ok_or("no line of this cosigner")?;
    let blob = STANDARD.decode(line.to_line().trim_end().rsplit(' ').next().unwrap_or_default());
    let mut blob = blob.map_err(|error| error.to_string())?;
    // The last byte of the time stands behind the key id and seven others.
    let time = blob.get_mut(11).ok_or("line is too short")?;
    *time ^= 1;
    let changed = format!("\u{2014} {} {}", key.name(), STANDARD.encode(&blob));
    let changed = NoteSignature::parse(&changed).map_err(|error| error.to_string())?;
    match key.verify_line(note.text(), &changed) {
        Err(CosignatureError::Forged { .. }) => Ok(()),
        other => Err(format!("another time: {other:?}")),
    }
}

fn checkpoint_of(bytes: &[u8]) -> Result<Checkpoint, String> {
    let note = Note::parse(bytes).map_err(|error| error.to_string())?;
    Checkpoint::parse(note.text()).map_err(|error| error.to_string())
}

fn tiles_agree(full: &[u8], rest: &[u8], checkpoint: Checkpoint) -> Result<(), String> {
    let (full, rest) = (hashes(full)?, hashes(rest)?);
    if (full.len(), rest.len()) != (TILE_HASHES, 44) {
        return Err(format!("tiles hold {} and {} hashes", full.len(), rest.len()));
    }
    let root: Root = tree_root(&[full, rest].concat());
    if root == checkpoint.root {
        Ok(())
    } else {
        Err(format!("tiles give {root}"))
    }
}

fn hashes(tile: &[u8]) -> Result<Vec<Digest>, String> {
    let (hashes, rest) = tile.as_chunks::<32>();
    if rest.is_empty() {
        Ok(hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
    } else {
        Err("tile is no list of hashes".into())
    }
}
