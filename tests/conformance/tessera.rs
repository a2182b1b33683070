//! A log written by Tessera, Go's tiled log: its checkpoints, tiles and entries against our tree, and proofs of ours
//! between its roots.

use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle::{
    Frontier, LeafIndex, Root, TreeSize, leaf_hash, prove_consistency, prove_inclusion, verify_consistency,
    verify_inclusion,
};
use testudo_crypto::note::{Note, NoteVerifier};

use crate::report::{Report, Setting};
use crate::vectors::Vectors;

const LOG: &str = "testdata/log";
const ORIGIN: &str = "example.com/log/testdata";
const VERIFIER: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// The leaves as its builder spells them.
const LEAVES: [&str; 15] = [
    "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
    "threeten", "fourten", "fivten",
];

/// Verifies the whole log.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new(
        "tessera",
        "github.com/transparency-dev/tessera 1811ae1, testdata/log, 15 leaves",
    );
    if let Err(problem) = check_log(setting, &mut report) {
        report.fail(problem);
    }
    report
}

fn check_log(setting: &Setting, report: &mut Report) -> Result<(), String> {
    let mut vectors = Vectors::open(setting, "tessera-log")?;
    let leaves: Vec<Digest> = LEAVES.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
    let mut roots = Vec::new();
    let mut frontier = Frontier::new();
    for (size, next) in leaves.iter().map(Some).chain([None]).enumerate() {
        let name = format!("checkpoint.{size}");
        let bytes = vectors.read(&format!("{LOG}/{name}"))?;
        report.check(name, agrees(&bytes, size, frontier.root()));
        roots.push(frontier.root());
        if let Some(leaf) = next {
            frontier.append(*leaf);
        }
    }
    let latest = vectors.read(&format!("{LOG}/checkpoint"))?;
    report.check("checkpoint", agrees(&latest, LEAVES.len(), frontier.root()));

    for size in 1..=LEAVES.len() {
        let tile = vectors.read(&format!("{LOG}/tile/0/000.p/{size}"))?;
        let ours: Vec<u8> = leaves
            .iter()
            .take(size)
            .flat_map(|leaf| *leaf.as_bytes())
            .collect();
        report.check(format!("tile/0/000.p/{size}"), equal(&tile, &ours));

        let bundle = vectors.read(&format!("{LOG}/tile/entries/000.p/{size}"))?;
        let ours: Vec<u8> = LEAVES
            .iter()
            .take(size)
            .flat_map(|leaf| [&(leaf.len() as u16).to_be_bytes(), leaf.as_bytes()].concat())
            .collect();
        report.check(format!("tile/entries/000.p/{size}"), equal(&bundle, &ours));
    }
    check_proofs(&leaves, &roots, report);

    // How Tessera remembers its own progress, not part of the log.
    for file in ["treeState", "version", "publish.lock", "treeState.lock"] {
        vectors.pass_over(&format!("{LOG}/.state/{file}"));
    }
    vectors.finish(report);
    Ok(())
}

/// The note verifies, holds the size and our root, and is written back byte for byte.
fn agrees(bytes: &[u8], size: usize, root: Root) -> Result<(), String> {
    let known: NoteVerifier = VERIFIER
        .parse()
        .map_err(|error| format!("verifier key: {error}"))?;
    let note = Note::parse(bytes).map_err(|error| error.to_string())?;
    equal(&note.to_bytes(), bytes)?;
    let verified = note.verify(&[known]).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(verified.text()).map_err(|error| error.to_string())?;
    let ours = Checkpoint {
        origin: ORIGIN.into(),
        size: TreeSize::new(size as u64),
        root,
    };
    if checkpoint == ours {
        Ok(())
    } else {
        Err(format!("{checkpoint:?} is not {ours:?}"))
    }
}

/// Every tree of the log contains its leaves and is a prefix of the later ones.
fn check_proofs(leaves: &[Digest], roots: &[Root], report: &mut Report) {
    for (new, new_root) in roots.iter().enumerate() {
        let new_size = TreeSize::new(new as u64);
        for (index, leaf) in leaves.iter().enumerate().take(new) {
            let at = LeafIndex::new(index as u64);
            let outcome = prove_inclusion(leaves, at, new_size)
                .ok_or_else(|| "cannot be proved".to_owned())
                .and_then(|proof| {
                    verify_inclusion(*leaf, at, new_size, &proof, *new_root)
                        .map_err(|error| error.to_string())
                });
            report.check(format!("leaf {index} in tree {new}"), outcome);
        }
        for (old, old_root) in roots.iter().enumerate().take(new + 1) {
            let old_size = TreeSize::new(old as u64);
            let outcome = prove_consistency(leaves, old_size, new_size)
                .ok_or_else(|| "cannot be proved".to_owned())
                .and_then(|proof| {
                    verify_consistency(old_size, *old_root, new_size, *new_root, &proof)
                        .map_err(|error| error.to_string())
                });
            report.check(format!("tree {old} in tree {new}"), outcome);
        }
    }
}

fn equal(found: &[u8], ours: &[u8]) -> Result<(), String> {
    if found == ours {
        Ok(())
    } else {
        Err("differs from ours".into())
    }
}
