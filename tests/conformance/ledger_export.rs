//! An exported ledger and a proof against an auditor that was written from the C2SP documents alone, in Python;
//! and ten named corruptions, each of which it has to refuse.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testudo_crypto::digest::hex;
use testudo_crypto::entropy::Entropy;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::merkle::{LeafIndex, TreeSize};
use testudo_crypto::note::{Note, NoteSigner};
use testudo_crypto::tlog::cosignature::{Cosigner, CosignerKey};
use testudo_crypto::tlog::proof::Proof;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::ledger::{Entry, Ledger, Published, Record, export};
use testudo_protocol::realm::Realm;

use crate::report::{Report, Setting};

/// The release of `cryptography` that the auditor uses, for Ed25519 alone.
const CRYPTOGRAPHY: &str = "50.0.2";

/// Entries in the ledger: tiles on two levels, and a partial one.
const ENTRIES: u64 = 640;

/// The entry that is proved.
const PROVED: u64 = 417;

/// Members that cosigned.
const WITNESSES: u8 = 3;

/// One way to damage an export: its name, the file, what becomes of it, and what the auditor has to say.
type Corruption = (
    &'static str,
    &'static str,
    fn(Vec<u8>) -> Option<Vec<u8>>,
    &'static str,
);

const CORRUPTIONS: [Corruption; 10] = [
    (
        "an entry is changed",
        "tile/entries/001",
        |bytes| flip(bytes, 40),
        "entries: give another root",
    ),
    (
        "an entry is cut off",
        "tile/entries/002.p/128",
        |bytes| cut(bytes, 1),
        "ends inside an entry",
    ),
    (
        "a bundle goes on",
        "tile/entries/000",
        |bytes| Some([bytes, vec![0]].concat()),
        "goes on behind",
    ),
    ("a bundle is missing", "tile/entries/001", |_| None, "missing"),
    (
        "a hash of a leaf is changed",
        "tile/0/001",
        |bytes| flip(bytes, 99),
        "another hash",
    ),
    (
        "a hash of a subtree is changed",
        "tile/1/000.p/2",
        |bytes| flip(bytes, 33),
        "another hash",
    ),
    (
        "the checkpoint names another size",
        "checkpoint",
        |bytes| replace(bytes, "\n640\n", "\n639\n"),
        "log: signature",
    ),
    (
        "the checkpoint names another origin",
        "checkpoint",
        |bytes| replace(bytes, "ledger/FR\n", "ledger/DE\n"),
        "another origin",
    ),
    (
        "the log's signature is cut out",
        "checkpoint",
        |bytes| without_line(bytes, "ledger/FR "),
        "not signed by the log",
    ),
    (
        "a witness is cut out",
        "checkpoint",
        |bytes| without_line(bytes, "witness/W1 "),
        "cosigned by 2",
    ),
];

/// The ledger, in parts.
struct Made {
    ledger: Ledger,
    leaves: Vec<Vec<u8>>,
    signer: NoteSigner,
    note: Note,
    cosigners: Vec<CosignerKey>,
}

/// Writes an export, then has it audited whole and damaged.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new(
        "ledger-export",
        format!("ledger_audit.py (C2SP documents of 2026-07), cryptography {CRYPTOGRAPHY}"),
    );
    if let Err(problem) = check_all(setting, &mut report) {
        report.fail(problem);
    }
    report
}

fn check_all(setting: &Setting, report: &mut Report) -> Result<(), String> {
    let python = crate::stix::environment(setting, &[("cryptography", CRYPTOGRAPHY)])?;
    let script = setting.repository.join("tests/conformance/ledger_audit.py");
    let audit = |words: &[&str]| {
        let output = Command::new(&python).arg(&script).args(words).output();
        let output = output.map_err(|error| format!("python: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok::<_, String>((output.status.success(), said))
    };
    let made = made()?;
    let files = export(&made.leaves, &made.note, &made.signer.verifier(), &made.cosigners);
    let files: BTreeMap<String, Vec<u8>> = files.map_err(|error| error.to_string())?.into_iter().collect();
    report.check(
        "our own reader",
        Published::read(|path| files.get(path).cloned())
            .map(|_| ())
            .map_err(|error| error.to_string()),
    );
    let folder = setting.local.join("ledger-export");
    let path = folder.display().to_string();
    write(&folder, &files)?;
    let quorum = WITNESSES.to_string();
    report.check(
        "the export as written",
        accepted(audit(&["export", &path, &quorum])?),
    );

    let proof = proof(&made)?;
    let file = setting.local.join("item.tlog-proof");
    let leaf = hex(made.leaves.get(PROVED as usize).ok_or("no such leaf")?);
    let proof_path = file.display().to_string();
    let prove = |bytes: &[u8]| {
        fs::write(&file, bytes).map_err(|error| error.to_string())?;
        audit(&["proof", &proof_path, &path, &leaf])
    };
    report.check("a proof", accepted(prove(&proof)?));
    let other = replace(proof, "\nindex 417\n", "\nindex 418\n").ok_or("no index")?;
    report.check(
        "a proof of another entry",
        refused(prove(&other)?, "does not lead to the root"),
    );

    for (name, file, damage, reason) in CORRUPTIONS {
        let mut damaged = files.clone();
        let bytes = damaged.remove(file).ok_or_else(|| format!("no file {file}"))?;
        if let Some(changed) = damage(bytes.clone()) {
            if changed == bytes {
                return Err(format!("{name}: nothing was changed"));
            }
            damaged.insert(file.to_owned(), changed);
        }
        write(&folder, &damaged)?;
        report.check(name, refused(audit(&["export", &path, &quorum])?, reason));
    }
    Ok(())
}

fn made() -> Result<Made, String> {
    let realm = Realm::new("conformance", "live").map_err(|error| error.to_string())?;
    let hub: HubId = "FR".parse().map_err(|_| "hub code")?;
    let mut ledger = Ledger::new(&realm, hub);
    let mut entropy = Entropy::from_seed([3; 32]);
    let mut leaves = Vec::new();
    for _ in 0..ENTRIES {
        let record = Record {
            time: Timestamp::from_seconds(1_700_000_000),
            entry: Entry::Filler,
        };
        let appended = ledger
            .append(record, &mut entropy)
            .map_err(|error| error.to_string())?;
        leaves.push(appended.leaf.as_bytes().to_vec());
    }
    let signer = NoteSigner::new(ledger.origin(), &SigningKey::from_seed([1; 32]))
        .map_err(|error| error.to_string())?;
    let mut note = ledger.checkpoint(&signer).map_err(|error| error.to_string())?;
    let mut cosigners = Vec::new();
    for number in 1..=WITNESSES {
        let name = format!("conformance/live/witness/W{number}");
        let cosigner = Cosigner::new(name, &SigningKey::from_seed([100 + number; 32]));
        let cosigner = cosigner.map_err(|error| error.to_string())?;
        let line = cosigner.cosign(note.text(), 1_700_000_100 + u64::from(number));
        note.attach(line.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        cosigners.push(cosigner.key());
    }
    Ok(Made {
        ledger,
        leaves,
        signer,
        note,
        cosigners,
    })
}

fn proof(made: &Made) -> Result<Vec<u8>, String> {
    let hashes = made
        .ledger
        .prove_inclusion(PROVED, TreeSize::new(ENTRIES))
        .ok_or("no proof")?;
    let extra = Some(b"extra data".to_vec());
    let proof = Proof::new(extra, LeafIndex::new(PROVED), hashes, made.note.clone());
    Ok(proof.map_err(|error| error.to_string())?.to_bytes())
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write the export: {error}");
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    for (path, bytes) in files {
        let path: PathBuf = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
        fs::write(path, bytes).map_err(failed)?;
    }
    Ok(())
}

fn accepted((accepted, said): (bool, String)) -> Result<(), String> {
    if accepted {
        Ok(())
    } else {
        Err(format!("is refused: {said}"))
    }
}

fn refused((accepted, said): (bool, String), reason: &str) -> Result<(), String> {
    if accepted {
        Err("is accepted".to_owned())
    } else if said.contains(reason) {
        Ok(())
    } else {
        Err(format!("is refused for another reason: {said}"))
    }
}

fn flip(mut bytes: Vec<u8>, at: usize) -> Option<Vec<u8>> {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    Some(bytes)
}

fn cut(mut bytes: Vec<u8>, count: usize) -> Option<Vec<u8>> {
    bytes.truncate(bytes.len().saturating_sub(count));
    Some(bytes)
}

fn replace(bytes: Vec<u8>, from: &str, to: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8(bytes).ok()?;
    Some(text.replacen(from, to, 1).into_bytes())
}

fn without_line(bytes: Vec<u8>, part: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8(bytes).ok()?;
    let kept = |line: &&str| !(line.starts_with('\u{2014}') && line.contains(part));
    Some(
        text.split_inclusive('\n')
            .filter(kept)
            .collect::<String>()
            .into_bytes(),
    )
}
