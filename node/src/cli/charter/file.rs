//! Charter files: reading, writing, and what goes to and comes from a hub.

use std::path::Path;

use testudo_core::views::Reply;
use testudo_protocol::charter::{Draft, Governance, Kind, Packet, heading, is_first};
use testudo_protocol::id::Hash;

use crate::api::{BranchBody, CharterDocument, CharterNoteBody};
use crate::cli::act;
use crate::cli::arguments::At;
use crate::cli::client::Client;
use crate::cli::outcome::{Answer, Failure, chain, exit};
use crate::{clock, process};

pub(super) fn usage(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::USAGE, "usage", sentence)
}

pub(super) fn refused(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::DATA, "charter", sentence)
}

pub(super) fn read(path: &Path) -> Result<Packet, Failure> {
    let bytes =
        std::fs::read(path).map_err(|error| usage(format!("cannot read `{}`: {error}", path.display())))?;
    Packet::parse(&bytes).map_err(|error| refused(chain(&error)))
}

pub(super) fn write(path: &Path, packet: &Packet) -> Result<(), Failure> {
    std::fs::write(path, packet.to_bytes()).map_err(|error| {
        let sentence = format!("cannot write `{}`: {error}", path.display());
        Failure::new(exit::CANNOT_CREATE, "file", sentence)
    })
}

/// A file apart: what has been agreed, what is proposed, and who has said that it would sign.
pub(super) struct Opened {
    pub(super) packet: Packet,
    /// Nothing where the file founds a federation that not everyone has signed.
    pub(super) governance: Option<Governance>,
    /// Places of the drafts in the packet.
    pub(super) drafts: Vec<usize>,
    pub(super) intents: Vec<Draft>,
}

/// Reads a file and verifies everything in it that is agreed.
pub(super) fn open(path: &Path) -> Result<Opened, Failure> {
    let packet = read(path)?;
    let mut agreed = Vec::new();
    let mut drafts = Vec::new();
    let mut intents = Vec::new();
    for (at, object) in packet.objects.iter().enumerate() {
        let (kind, _) = heading(object.text()).map_err(|error| refused(chain(&error)))?;
        match kind {
            Kind::Intent => intents.push(object.clone()),
            _ => drafts.push(at),
        }
    }
    // What can be taken is agreed; what cannot is a draft, and says itself what it lacks.
    let notes: Vec<(usize, Vec<u8>)> = (drafts.iter())
        .filter_map(|at| Some((*at, packet.objects.get(*at)?.note()?.to_bytes())))
        .collect();
    let first = |at: usize| (packet.objects.get(at)).is_some_and(|object| is_first(object.text()));
    let founding: Vec<Vec<u8>> = (notes.iter())
        .filter(|(at, _)| first(*at))
        .map(|(_, note)| note.clone())
        .collect();
    let mut governance = Governance::found(&founding, clock::now()).ok();
    if let Some(governance) = &mut governance {
        for (at, note) in &notes {
            if first(*at) || governance.take(note, clock::now()).is_ok() {
                agreed.push(*at);
            }
        }
    }
    drafts.retain(|at| !agreed.contains(at));
    Ok(Opened {
        packet,
        governance,
        drafts,
        intents,
    })
}

/// What a hub knows, by way of the running process or from its folder.
pub(in crate::cli) async fn of_hub(at: &At) -> Result<Governance, Failure> {
    let client = Client::new(at)?;
    if !client.is_running().await {
        let founding = client.folder()?.founding()?;
        // A hub that has never run has no database yet, and looking makes none.
        if !client.folder()?.config.store().exists() {
            return Ok(founding);
        }
        let (hub, ..) = process::load(client.folder()?)?;
        return Ok(hub.governance().clone());
    }
    let document: CharterDocument = client.get("/v1/charter").await?;
    let notes: Vec<Vec<u8>> = document.notes.into_iter().map(String::into_bytes).collect();
    Governance::found(&notes, clock::now()).map_err(|error| refused(chain(&error)))
}

/// Everything that is agreed, as a packet.
pub(super) fn packet_of(governance: &Governance) -> Result<Packet, Failure> {
    let objects = governance
        .notes()
        .into_iter()
        .map(|(_, note)| Draft::parse(&note));
    let objects = objects.collect::<Result<Vec<_>, _>>();
    Ok(Packet {
        objects: objects.map_err(|error| refused(chain(&error)))?,
    })
}

pub(super) async fn export(out: &Path, at: &At) -> Result<Answer, Failure> {
    let governance = of_hub(at).await?;
    let packet = packet_of(&governance)?;
    write(out, &packet)?;
    let pinned = governance.pinned();
    let text = format!(
        "wrote {} objects to {}\nfingerprint {pinned}\nin words    {}",
        packet.objects.len(),
        out.display(),
        testudo_protocol::charter::words(pinned)
    );
    let document = serde_json::json!({"file": out, "objects": packet.objects.len(), "fingerprint": pinned});
    Ok(Answer::of(&document, text))
}

pub(super) async fn submit(file: &Path, at: &At) -> Result<Answer, Failure> {
    let known = of_hub(at).await?;
    let packet = read(file)?;
    let client = Client::new(at)?;
    let mut taken = Vec::new();
    for object in &packet.objects {
        let (kind, _) = heading(object.text()).map_err(|error| refused(chain(&error)))?;
        let Some(note) = object.note().filter(|_| kind != Kind::Intent) else {
            continue;
        };
        let is_known = known
            .note(object.hash())
            .is_some_and(|(_, held)| held == note.to_bytes());
        if is_known {
            continue;
        }
        let note = String::from_utf8(note.to_bytes()).unwrap_or_default();
        let reply: Reply = client
            .post("/v1/charter/notes", &CharterNoteBody { note })
            .await?;
        if let Reply::CharterTaken { taken: hashes } = reply {
            taken.extend(hashes);
        }
    }
    Ok(act::said(&Reply::CharterTaken { taken }))
}

pub(super) async fn choose(branch: &str, at: &At) -> Result<Answer, Failure> {
    let branch: Hash = branch
        .parse()
        .map_err(|error| usage(format!("branch: {error}")))?;
    let reply: Reply = Client::new(at)?
        .post("/v1/charter/choose", &BranchBody { branch })
        .await?;
    Ok(act::said(&reply))
}
