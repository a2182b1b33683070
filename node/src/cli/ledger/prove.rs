//! `testudo ledger prove` and `check-proof`: one entry, shown to somebody who has nothing else.

use std::path::Path;

use serde::Serialize;
use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::merkle::LeafIndex;
use testudo_crypto::tlog::policy::Policy;
use testudo_crypto::tlog::proof::Proof;
use testudo_protocol::id::ItemId;
use testudo_protocol::ledger::{Entry, Opening, ProofExtra};

use super::document::StoredLedger;
use super::export::{unwritable, write_private};
use super::verify::read_file;
use crate::cli::outcome::{Answer, Failure, chain, exit};

/// What a proof shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// The position of the entry.
    index: u64,
    /// What kind of entry.
    kind: &'static str,
    /// When it was made, in milliseconds since 1970.
    time: u64,
    /// The entry itself.
    entry: Entry,
    /// Of whose ledger.
    origin: String,
    /// The key that signed it.
    vkey: String,
    /// Entries under the checkpoint.
    size: u64,
    /// Who cosigned it.
    cosigned: Vec<String>,
    /// Whether a policy vouches for these keys, or the proof alone.
    by_policy: bool,
}

/// Proves that an item was released or received: its newest such entry.
pub(super) fn prove(ledger: &StoredLedger, item: ItemId, out: &Path) -> Result<Answer, Failure> {
    let about = |entry: &Entry| match entry {
        Entry::Release { item: of, .. } => of.item == item,
        Entry::Received { item: Some(of), .. } => of.item == item,
        _ => false,
    };
    let found = ledger.entries().filter(|(_, _, entry)| about(entry)).last();
    let Some((index, _, _)) = found else {
        let sentence =
            format!("no entry about item {item}, or it was erased; `testudo ledger show` lists the entries");
        return Err(Failure::new(exit::NOT_FOUND, "no-such-entry", sentence));
    };
    let malformed = |sentence: String| Failure::new(exit::DATA, "ledger", sentence);
    let note = ledger
        .covering(index)
        .map_err(malformed)?
        .ok_or_else(super::no_checkpoint)?;
    let checkpoint = super::document::checkpoint_by(note, &ledger.vkey).map_err(malformed)?;
    let hashes = ledger
        .tree()
        .prove_inclusion(LeafIndex::new(index), checkpoint.size)
        .ok_or_else(|| {
            let sentence = format!(
                "entry {index} is newer than the last checkpoint of {} entries; ask again after the next one",
                checkpoint.size
            );
            Failure::new(exit::LATER, "not-yet-covered", sentence)
        })?;
    let mut cosigners = ledger.cosigners.clone();
    cosigners.retain(|key| key.cosigned(note).is_ok_and(|time| time.is_some()));
    let opening = ledger.openings.get(&index).cloned().unwrap_or_default();
    let extra = ProofExtra {
        vkey: ledger.vkey.clone(),
        cosigners,
        opening,
    };
    let proof = Proof::new(
        Some(extra.to_bytes()),
        LeafIndex::new(index),
        hashes,
        note.clone(),
    )
    .map_err(|error| malformed(chain(&error)))?;
    write_private(out, &proof.to_bytes()).map_err(|error| unwritable(out, &error))?;
    let shown = shown(&proof, &extra, None)?;
    let text = format!("{}\nproof is in `{}`", sentence(&shown), out.display());
    Ok(Answer::of(&shown, text))
}

/// Checks a proof with nothing but itself, or with a policy.
pub(super) fn check(file: &Path, policy: Option<&Path>) -> Result<Answer, Failure> {
    let malformed = |error: &dyn std::error::Error| Failure::new(exit::DATA, "proof", chain(error));
    let proof = Proof::parse(&read_file(file)?).map_err(|error| malformed(&error))?;
    let extra = ProofExtra::parse(proof.extra().unwrap_or_default()).map_err(|error| malformed(&error))?;
    let policy = policy
        .map(|path| Policy::parse(&read_file(path)?).map_err(|error| malformed(&error)))
        .transpose()?;
    let shown = shown(&proof, &extra, policy.as_ref())?;
    Ok(Answer::of(&shown, sentence(&shown)))
}

fn shown(proof: &Proof, extra: &ProofExtra, policy: Option<&Policy>) -> Result<Shown, Failure> {
    let refused = |sentence: String| Failure::new(exit::DATA, "proof", sentence);
    let index = proof.index().get();
    let origin = Checkpoint::parse(proof.note().text())
        .map_err(|error| refused(chain(&error)))?
        .origin;
    let opening = Opening::unchecked(&extra.opening)
        .ok_or_else(|| refused("opening in the proof cannot be read".to_owned()))?;
    let leaf = opening
        .leaf(&origin, index)
        .map_err(|error| refused(chain(&error)))?;
    let trusted = match policy {
        Some(policy) => proof.verify(leaf.hash(), policy, None),
        None => proof.verify(leaf.hash(), &Policy::unwitnessed(), Some(&extra.vkey)),
    };
    let trusted = trusted.map_err(|error| refused(chain(&error)))?;
    let mut cosigned: Vec<String> = trusted.cosigned().iter().map(|(name, _)| name.clone()).collect();
    if policy.is_none() {
        for key in &extra.cosigners {
            let time = key
                .cosigned(proof.note())
                .map_err(|error| refused(chain(&error)))?;
            cosigned.extend(time.map(|_| key.name().to_owned()));
        }
    }
    let record = opening.record();
    Ok(Shown {
        index,
        kind: record.entry.kind(),
        time: record.time.millis(),
        entry: record.entry.clone(),
        origin,
        vkey: extra.vkey.to_string(),
        size: trusted.checkpoint().size.get(),
        cosigned,
        by_policy: policy.is_some(),
    })
}

fn sentence(shown: &Shown) -> String {
    let keys = if shown.by_policy {
        "its keys are those of the policy".to_owned()
    } else {
        format!(
            "the keys are the proof's own word, compare with the charter: {}",
            shown.vkey
        )
    };
    format!(
        "entry {} of `{}` is a {} and stands under a signed checkpoint of {} entries, cosigned by {}; {keys}",
        shown.index,
        shown.origin,
        shown.kind,
        shown.size,
        shown.cosigned.len()
    )
}
