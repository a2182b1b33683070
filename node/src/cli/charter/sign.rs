//! Signing on a machine that has a file and keys, and nothing else.

use std::path::Path;

use serde_json::json;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::NoteSigner;
use testudo_protocol::charter::{Draft, Governance, Place, heading, signer_name, to_text, words};
use testudo_protocol::id::Hash;

use super::file::{Opened, open, refused, usage, write};
use crate::cli::outcome::{Answer, Failure, chain, exit};
use crate::governance_keys::{self, GovernanceKeys, MemoryError};

pub(super) fn sign(file: &Path, keys: Option<&Path>, data: Option<&Path>) -> Result<Answer, Failure> {
    let folder = match (keys, data) {
        (Some(keys), _) => keys.to_owned(),
        (None, Some(data)) => data.join(governance_keys::FOLDER),
        (None, None) => return Err(usage("name the folder of governance keys with --keys DIR")),
    };
    let keys = GovernanceKeys::open(&folder)?;
    let mut opened = open(file)?;
    if opened.drafts.is_empty() {
        return Err(usage(format!(
            "`{}` proposes nothing that is still to be signed",
            file.display()
        )));
    }
    let mut text = String::new();
    let mut done = Vec::new();
    for at in opened.drafts.clone() {
        let (what, line) = match &opened.governance {
            Some(governance) => {
                let governance = governance.clone();
                sign_next(&mut opened, at, &governance, &keys)?
            }
            None => sign_first(&mut opened, at, &keys)?,
        };
        text.push_str(&line);
        done.push(what);
    }
    write(file, &opened.packet)?;
    text.push_str(&format!("{} has signed {}", keys.code, file.display()));
    Ok(Answer::of(
        &json!({"signed": keys.code.to_string(), "objects": done}),
        text,
    ))
}

/// The first versions: nothing is there to compare them with but what people read to each other.
fn sign_first(
    opened: &mut Opened,
    at: usize,
    keys: &GovernanceKeys,
) -> Result<(serde_json::Value, String), Failure> {
    let draft = object(opened, at)?.clone();
    let (kind, realm) = heading(draft.text()).map_err(|error| refused(chain(&error)))?;
    let constitution = opened.packet.objects.first().map(Draft::text).unwrap_or_default();
    let is_named =
        |key: &SigningKey| constitution.contains(&Hash::new(key.verifying_key().to_bytes()).to_string());
    if !keys.keys().iter().all(is_named) {
        return Err(refused(format!(
            "{} is not a voter of this draft with its present governance keys",
            keys.code
        )));
    }
    let hash = draft.hash();
    for key in keys.keys() {
        let signer = NoteSigner::new(signer_name(&realm, keys.code), key).map_err(failed)?;
        object(opened, at)?.sign(&signer).map_err(failed)?;
    }
    let line = format!(
        "{kind} 1 of {}/{}\n  fingerprint {hash}\n  in words    {}\n",
        realm.federation(),
        realm.name(),
        words(hash)
    );
    Ok((json!({"kind": kind, "hash": hash, "as": "vote"}), line))
}

/// A version signs in two rounds, so that two texts under one number rarely come about: first everybody says that he
/// would, then everybody does.
fn sign_next(
    opened: &mut Opened,
    at: usize,
    governance: &Governance,
    keys: &GovernanceKeys,
) -> Result<(serde_json::Value, String), Failure> {
    let draft = object(opened, at)?.clone();
    let tally = governance
        .tally(&draft, &opened.intents)
        .map_err(|error| refused(chain(&error)))?;
    let is_voter = tally
        .needs
        .iter()
        .any(|(need, _)| need.among.contains(&keys.code));
    if !is_voter {
        return Err(refused(format!(
            "{} does not vote on this: {}",
            keys.code, tally.title
        )));
    }
    let hash = draft.hash();
    let realm = governance.realm();
    let name = signer_name(realm, keys.code);
    let mut line = format!(
        "{}\n  {}\n  fingerprint {hash}\n  in words    {}\n",
        tally.title,
        tally.lines.join("\n  "),
        words(hash)
    );
    let said = tally.is_agreed();
    if said {
        if let Some(place) = tally.place {
            keys.remember(&memory_of(governance, &place), hash)
                .map_err(split)?;
        }
        for key in keys.keys() {
            let signer = NoteSigner::new(name.clone(), key).map_err(failed)?;
            object(opened, at)?.sign(&signer).map_err(failed)?;
        }
        line.push_str("  signed: this is the vote\n");
    } else if let Some(place) = tally.place {
        let text = to_text(&governance.intent(&place, hash));
        let intents = (opened.packet.objects.iter()).position(|object| object.text() == text);
        let intent_at = intents.unwrap_or(opened.packet.objects.len());
        if intents.is_none() {
            opened.packet.objects.push(Draft::new(text));
        }
        for key in keys.keys() {
            let signer = NoteSigner::new(name.clone(), key).map_err(failed)?;
            object(opened, intent_at)?.sign(&signer).map_err(failed)?;
        }
        line.push_str(
            "  signed as an intent: sign again when enough voters have said the same, which is then the vote\n",
        );
    }
    let round = if said { "vote" } else { "intent" };
    Ok((json!({"title": tally.title, "hash": hash, "as": round}), line))
}

fn object(opened: &mut Opened, at: usize) -> Result<&mut Draft, Failure> {
    opened
        .packet
        .objects
        .get_mut(at)
        .ok_or_else(|| refused("the packet has lost an object"))
}

fn memory_of(governance: &Governance, place: &Place) -> String {
    let realm = governance.realm();
    format!(
        "{}/{}/{}/{}",
        realm.federation(),
        realm.name(),
        place.chain,
        place.version
    )
}

fn failed(error: testudo_crypto::note::NoteError) -> Failure {
    refused(chain(&error))
}

fn split(error: MemoryError) -> Failure {
    match error {
        MemoryError::Folder(error) => error.into(),
        MemoryError::Other { .. } => Failure::new(exit::POLICY, "signed-already", chain(&error)),
    }
}
