//! The proof on the wire: what was sealed went to those it was for, and to nobody else.
//!
//! When a hub seals content, it records windows of the ciphertext; its tap records every byte of every stream.
//! A window that shows in the bytes towards a hub means that ciphertext went there. Whom it was for is taken
//! from the scenario. That every window is also found where it belongs shows that the search can find.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::expectations::Disclosure;
use crate::fault::DemoError;
use crate::folder::Folder;
use crate::hub::Hub;
use crate::window_search::{Search, WINDOW_BYTES, Window};

/// Where a hub with the tap records what it seals.
const CANARIES: &str = "canaries.jsonl";

/// Content that was sealed: sender, item, version.
type Content = (Hub, String, u32);

/// Whom each content was for, and its title.
type Audiences<'a> = BTreeMap<Content, (BTreeSet<Hub>, &'a str)>;

/// The windows of one ciphertext.
#[derive(Debug)]
struct Canary {
    content: Content,
    windows: Vec<Window>,
}

/// A canary as it is recorded.
#[derive(Deserialize)]
struct CanaryLine {
    item: String,
    version: u32,
    windows: Vec<String>,
}

/// A recording of bytes in one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Recording {
    /// Whose tap recorded it.
    by: Hub,
    /// Whether the recorder sent it.
    is_sent: bool,
    /// The other side: a code, or the key of an unlisted peer.
    peer: String,
}

/// What one recording held.
type Sightings = BTreeMap<Recording, BTreeSet<usize>>;

/// The numbers of a proof that held.
#[derive(Debug, PartialEq, Eq)]
pub struct Proof {
    /// Ciphertexts with canaries.
    pub ciphertexts: usize,
    /// Their windows.
    pub windows: usize,
    /// What was for each hub, and what was not.
    pub hubs: BTreeMap<Hub, Share>,
    /// Recordings searched.
    pub recordings: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What others sealed, from the place of one hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Contents that were for it.
    pub meant: usize,
    /// Those of them that showed in what went to it.
    pub found: usize,
    /// Contents that were not for it.
    pub not_meant: usize,
    /// Those of them that showed in what went to it.
    pub strayed: usize,
}

impl Recording {
    /// To whom its bytes went.
    fn towards(&self) -> &str {
        if self.is_sent { &self.peer } else { self.by.code() }
    }

    fn name(&self) -> String {
        format!(
            "{}/{}.{}",
            self.by,
            self.peer,
            if self.is_sent { "sent" } else { "received" }
        )
    }
}

/// Searches all recordings of a run for all that was sealed in it.
///
/// # Errors
/// [`DemoError::NotHeld`] if ciphertext went to somebody it was not for, or was not found where it had to be;
/// [`DemoError`] if a recording cannot be read.
pub fn prove(folder: &Folder, disclosures: &[Disclosure]) -> Result<Proof, DemoError> {
    let mut canaries = Vec::new();
    let mut recordings = Vec::new();
    for hub in Hub::ALL {
        let tap = folder.tap(hub);
        canaries.extend(read_canaries(hub, &tap.join(CANARIES))?);
        recordings.extend(list_recordings(hub, &tap)?);
    }
    leave_out_shared(&mut canaries);
    let numbered = canaries.iter().enumerate();
    let search =
        Search::new(numbered.flat_map(|(number, canary)| canary.windows.iter().map(move |w| (number, *w))));
    let mut sightings = Sightings::new();
    let mut bytes = 0;
    for (recording, path) in recordings {
        let scan = File::open(&path)
            .and_then(|file| search.scan(file))
            .map_err(|source| DemoError::File { path, source })?;
        bytes += scan.bytes;
        sightings.insert(recording, scan.found);
    }
    judge(&canaries, &sightings, disclosures, bytes).map_err(DemoError::NotHeld)
}

/// Compares what was seen with what the scenario meant; the sentence says what differs.
fn judge(
    canaries: &[Canary],
    sightings: &Sightings,
    disclosures: &[Disclosure],
    bytes: u64,
) -> Result<Proof, String> {
    let mut audiences = Audiences::new();
    for disclosure in disclosures {
        let content = (disclosure.sender, disclosure.item.clone(), disclosure.version);
        let audience = audiences
            .entry(content)
            .or_insert((BTreeSet::new(), &disclosure.title));
        audience.0.extend(&disclosure.receivers);
    }
    find_leak(canaries, sightings, &audiences)?;
    find_gap(canaries, sightings, &audiences)?;
    Ok(Proof {
        ciphertexts: canaries.len(),
        windows: canaries.iter().map(|canary| canary.windows.len()).sum(),
        hubs: Hub::ALL
            .into_iter()
            .map(|hub| (hub, share(hub, canaries, sightings, &audiences)))
            .collect(),
        recordings: sightings.len(),
        bytes,
    })
}

fn share(hub: Hub, canaries: &[Canary], sightings: &Sightings, audiences: &Audiences<'_>) -> Share {
    let towards = sightings
        .iter()
        .filter(|(recording, _)| recording.towards() == hub.code());
    let seen: BTreeSet<&Content> = towards
        .flat_map(|(_, numbers)| numbers)
        .filter_map(|number| canaries.get(*number).map(|canary| &canary.content))
        .collect();
    let mut share = Share::default();
    for (content, (receivers, _)) in audiences {
        let shows = usize::from(seen.contains(content));
        if receivers.contains(&hub) {
            share.meant += 1;
            share.found += shows;
        } else if content.0 != hub {
            share.not_meant += 1;
            share.strayed += shows;
        }
    }
    share
}

fn find_leak(canaries: &[Canary], sightings: &Sightings, audiences: &Audiences<'_>) -> Result<(), String> {
    let mut leaks = Vec::new();
    for (recording, seen) in sightings {
        for canary in seen.iter().filter_map(|number| canaries.get(*number)) {
            let audience = audiences.get(&canary.content);
            let is_meant = |hub: &Hub| hub.code() == recording.towards();
            if !audience.is_some_and(|(receivers, _)| receivers.iter().any(is_meant)) {
                let title = audience.map_or("an item that the scenario does not know", |(_, title)| title);
                leaks.push((canary, title, recording));
            }
        }
    }
    let Some((canary, title, recording)) = leaks.first() else {
        return Ok(());
    };
    let (sender, item, version) = &canary.content;
    let others = match leaks.len() - 1 {
        0 => String::new(),
        count => format!(", and {count} more like it"),
    };
    Err(format!(
        "canary proof: ciphertext of “{title}” ({sender}, item {item}, version {version}) went to {}, whom it was \
         not for: seen in {}{others}",
        recording.towards(),
        recording.name(),
    ))
}

fn find_gap(canaries: &[Canary], sightings: &Sightings, audiences: &Audiences<'_>) -> Result<(), String> {
    for (content, (receivers, title)) in audiences {
        let (sender, item, version) = content;
        let same = canaries
            .iter()
            .enumerate()
            .filter(|(_, canary)| canary.content == *content);
        let numbers: Vec<usize> = same.map(|(number, _)| number).collect();
        if !numbers.iter().any(|number| {
            canaries
                .get(*number)
                .is_some_and(|canary| !canary.windows.is_empty())
        }) {
            return Err(format!(
                "canary proof: {sender} recorded no canary for “{title}” (item {item}, version {version}); was the \
                 program built with the tap?"
            ));
        }
        for receiver in receivers {
            let recording = Recording {
                by: *sender,
                is_sent: true,
                peer: receiver.code().to_owned(),
            };
            let seen = sightings.get(&recording);
            if !seen.is_some_and(|seen| numbers.iter().any(|number| seen.contains(number))) {
                return Err(format!(
                    "canary proof: “{title}” (item {item}, version {version}) was not found in {}, where it must be",
                    recording.name()
                ));
            }
        }
    }
    Ok(())
}

/// Takes out the windows that several contents have, such as the line with which every age file begins: where one
/// of them shows, it does not say what went there.
fn leave_out_shared(canaries: &mut [Canary]) {
    let mut owners: HashMap<Window, BTreeSet<Content>> = HashMap::new();
    for canary in canaries.iter() {
        for window in &canary.windows {
            owners.entry(*window).or_default().insert(canary.content.clone());
        }
    }
    for canary in canaries {
        canary
            .windows
            .retain(|window| owners.get(window).is_some_and(|contents| contents.len() == 1));
    }
}

fn read_canaries(hub: Hub, path: &Path) -> Result<Vec<Canary>, DemoError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        // A hub that has sealed nothing has recorded nothing; what is missing is missed by the proof.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(DemoError::File {
                path: path.to_owned(),
                source,
            });
        }
    };
    let malformed = || DemoError::NotHeld(format!("canary proof: {} is malformed", path.display()));
    text.lines()
        .map(|line| read_canary(hub, line).ok_or_else(malformed))
        .collect()
}

fn read_canary(hub: Hub, line: &str) -> Option<Canary> {
    let line: CanaryLine = serde_json::from_str(line).ok()?;
    let windows = line
        .windows
        .iter()
        .map(|window| read_window(window))
        .collect::<Option<_>>()?;
    Some(Canary {
        content: (hub, line.item, line.version),
        windows,
    })
}

fn read_window(hex: &str) -> Option<Window> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * WINDOW_BYTES || !hex.is_ascii() {
        return None;
    }
    let mut window = [0; WINDOW_BYTES];
    for (at, byte) in window.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(window)
}

fn list_recordings(hub: Hub, tap: &Path) -> Result<Vec<(Recording, PathBuf)>, DemoError> {
    let failed = |source| DemoError::File {
        path: tap.to_owned(),
        source,
    };
    let mut recordings = Vec::new();
    for entry in tap.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let is_sent = match part(path.extension()).as_deref() {
            Some("sent") => true,
            Some("received") => false,
            _ => continue,
        };
        let peer = part(path.file_stem()).unwrap_or_default();
        recordings.push((
            Recording {
                by: hub,
                is_sent,
                peer,
            },
            path,
        ));
    }
    Ok(recordings)
}

#[cfg(test)]
mod tests;
