//! Inclusion and consistency proofs of transparency-dev/merkle, good and bad.
//!
//! Proofs about subtrees are not part of the crate. Their verification is written here from the definition, over the
//! crate's hashes: it shows that hashes and shapes agree, and that the crate's verifiers serve as parts of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle::{
    LeafIndex, Root, TreeSize, empty_root, node_hash, verify_consistency, verify_inclusion,
};

use crate::report::{Report, Setting};
use crate::vectors::Vectors;

/// Inclusion 98, consistency 98, inclusion in subtrees 204, consistency of subtrees 118.
const FILES: usize = 518;

/// Where we answer differently.
const DEVIATIONS: [(&str, &str); 1] = [(
    "consistency/additional/size1-is-zero-and-size2-is-not-zero.json",
    "the empty tree is a prefix of every tree: an empty proof from size 0 and the empty root is accepted, as C2SP \
     tlog-witness asks for the first checkpoint of a log",
)];

/// Verifies every file.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new("merkle", "github.com/transparency-dev/merkle 417fb0c, testdata");
    let mut vectors = match Vectors::open(setting, "merkle-rfc6962") {
        Ok(vectors) => vectors,
        Err(problem) => {
            report.fail(problem);
            return report;
        }
    };
    vectors.expect_files(&mut report, FILES);
    for file in vectors.below("testdata/") {
        let name = file.trim_start_matches("testdata/").to_owned();
        let verdicts = vectors.read_json(&file).and_then(|vector| judge(&name, &vector));
        let deviation = DEVIATIONS.iter().find(|(case, _)| *case == name);
        match (verdicts, deviation) {
            (Err(problem), _) => report.check(name, Err(problem)),
            (Ok((ours, theirs)), Some((_, reason))) => report.deviate(name, reason, ours != theirs),
            (Ok((ours, theirs)), None) if ours == theirs => report.check(name, Ok(())),
            (Ok((ours, _)), None) => {
                report.check(
                    name,
                    Err(if ours {
                        "is accepted".into()
                    } else {
                        "is refused".into()
                    }),
                );
            }
        }
    }
    vectors.finish(&mut report);
    report
}

/// Whether we accept the proof, and whether the vector wants it accepted.
fn judge(name: &str, vector: &Value) -> Result<(bool, bool), String> {
    let wanted = !vector["wantErr"].as_bool().ok_or("no verdict")?;
    let check = match name.split('/').next() {
        Some("inclusion") => inclusion,
        Some("consistency") => consistency,
        Some("subtreeinclusion") => subtree_inclusion,
        Some("subtreeconsistency") => subtree_consistency,
        _ => return Err("unknown kind of vector".into()),
    };
    Ok((check(vector)?.is_some(), wanted))
}

fn inclusion(vector: &Value) -> Result<Option<()>, String> {
    let (index, size) = (number(vector, "leafIdx")?, number(vector, "treeSize")?);
    included(vector, index, size)
}

fn consistency(vector: &Value) -> Result<Option<()>, String> {
    let (old, new) = (number(vector, "size1")?, number(vector, "size2")?);
    let (old, new) = (TreeSize::new(old), TreeSize::new(new));
    let (Some(old_root), Some(new_root), Some(proof)) =
        (hash(&vector["root1"])?, hash(&vector["root2"])?, proof(vector)?)
    else {
        return Ok(None);
    };
    Ok(verify_consistency(old, Root::new(old_root), new, Root::new(new_root), &proof).ok())
}

/// The subtree `[start, end)` is a tree of its own.
fn subtree_inclusion(vector: &Value) -> Result<Option<()>, String> {
    let (start, end) = (number(vector, "start")?, number(vector, "end")?);
    let index = number(vector, "leafIdx")?.checked_sub(start);
    match index {
        Some(index) if is_subtree(start, end) => included(vector, index, end - start),
        _ => Ok(None),
    }
}

fn included(vector: &Value, index: u64, size: u64) -> Result<Option<()>, String> {
    let (Some(leaf), Some(root), Some(proof)) =
        (hash(&vector["leafHash"])?, hash(&vector["root"])?, proof(vector)?)
    else {
        return Ok(None);
    };
    let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
    Ok(verify_inclusion(leaf, index, size, &proof, Root::new(root)).ok())
}

fn subtree_consistency(vector: &Value) -> Result<Option<()>, String> {
    let (start, end) = (number(vector, "start")?, number(vector, "end")?);
    let size = number(vector, "size")?;
    let (Some(subtree), Some(root), Some(proof)) =
        (hash(&vector["root1"])?, hash(&vector["root2"])?, proof(vector)?)
    else {
        return Ok(None);
    };
    let accepted = if start == end {
        end <= size && proof.is_empty() && subtree == empty_root().digest()
    } else if end > size || !is_subtree(start, end) {
        false
    } else {
        subtree_connects(start, end, size, subtree, root, &proof)
    };
    Ok(accepted.then_some(()))
}

/// Whether `[start, end)` is aligned to the smallest power of two that covers it.
fn is_subtree(start: u64, end: u64) -> bool {
    let width = end.checked_sub(start).filter(|width| *width > 0);
    width
        .and_then(u64::checked_next_power_of_two)
        .is_some_and(|cover| start.is_multiple_of(cover))
}

/// Section 4.4.3 of draft-ietf-plants-merkle-tree-certs; `start < end <= size`.
fn subtree_connects(
    start: u64,
    end: u64,
    size: u64,
    subtree: Digest,
    root: Digest,
    proof: &[Digest],
) -> bool {
    let (mut first, mut last, mut end_of_tree) = (start, end - 1, size - 1);
    // Up to the node whose subtree ends where the given one does.
    let ends_the_tree = last == end_of_tree;
    while first != last && (ends_the_tree || last & 1 == 1) {
        (first, last, end_of_tree) = (first >> 1, last >> 1, end_of_tree >> 1);
    }
    let mut hashes = proof.iter();
    // A complete subtree, or one at the end of the tree, is itself the node to start from.
    let seed = if first == last {
        Some(&subtree)
    } else {
        hashes.next()
    };
    let Some(seed) = seed else {
        return false;
    };
    let (mut subtree_node, mut tree_node) = (*seed, *seed);
    for hash in hashes {
        if end_of_tree == 0 {
            return false;
        }
        if last & 1 == 1 || last == end_of_tree {
            if first < last {
                subtree_node = node_hash(hash, &subtree_node);
            }
            tree_node = node_hash(hash, &tree_node);
            while last & 1 == 0 {
                (first, last, end_of_tree) = (first >> 1, last >> 1, end_of_tree >> 1);
            }
        } else {
            tree_node = node_hash(&tree_node, hash);
        }
        (first, last, end_of_tree) = (first >> 1, last >> 1, end_of_tree >> 1);
    }
    end_of_tree == 0 && subtree_node == subtree && tree_node == root
}

fn number(vector: &Value, name: &str) -> Result<u64, String> {
    vector[name].as_u64().ok_or_else(|| format!("no number `{name}`"))
}

/// The hashes of the proof; `None` if one of them is no hash.
fn proof(vector: &Value) -> Result<Option<Vec<Digest>>, String> {
    match &vector["proof"] {
        Value::Null => Ok(Some(Vec::new())),
        Value::Array(hashes) => hashes.iter().map(hash).collect(),
        _ => Err("proof is no list".into()),
    }
}

/// A hash; `None` if it does not have 32 bytes, which no type of ours can hold.
///
/// Where a value does not matter the vectors write a text that says so. Another hash takes its place, the same for
/// the same text, so that sizes and proofs are what decides.
fn hash(value: &Value) -> Result<Option<Digest>, String> {
    let text = value.as_str().ok_or("hash is no text")?;
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    if bytes.starts_with(b"don't care") {
        return Ok(Some(Digest::of(&bytes)));
    }
    Ok(bytes.try_into().ok().map(Digest::from_bytes))
}
