//! Ledgers: they only grow, every act rests on an earlier decision, and what was signed stays true.

use std::collections::BTreeMap;

use testudo_core::hub::Anchor;
use testudo_core::output::{Change, Family};
use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::merkle::Frontier;
use testudo_crypto::note::Note;
use testudo_protocol::envelope::Envelope;
use testudo_protocol::exchange::Message;
use testudo_protocol::id::HubId;
use testudo_protocol::ledger::{Entry, Leaf, Witnessed, audit};
use testudo_protocol::wire;

use super::{Broken, Held, broken};
use crate::disk::Disk;
use crate::federation::Federation;
use crate::world::World;

const NAME: &str = "ledgers_only_grow_and_verify";

/// A leaf or an opening is written once, and a leaf stays. An opening may go by an erasure: the audit refuses a gap
/// that no entry explains.
pub fn check_change(disk: &Disk, hub: HubId, change: &Change) -> Held {
    let (family, key, value) = match change {
        Change::Put { family, key, value } => (*family, key, Some(value)),
        Change::Erase { family, key } => (*family, key, None),
    };
    let is_ledger = matches!(family, Family::Leaf | Family::Opening);
    match (disk.row(family, key), value) {
        (Some(old), Some(new)) if is_ledger && old != new.as_slice() => {
            broken(NAME, hub, format_args!("writes over a row of family {family:?}"))
        }
        (Some(_), None) if family == Family::Leaf => broken(NAME, hub, "erases a leaf"),
        _ => Ok(()),
    }
}

/// An anchor is only set over entries that are on disk, and its note says the same.
pub fn invariant_anchors_are_durable_and_signed(
    world: &World,
    hub: HubId,
    anchor: &Anchor,
    note: &[u8],
) -> Held {
    const NAME: &str = "anchors_are_durable_and_signed";
    let roots = roots(&world.stations[&hub].disk, hub)?;
    if roots.get(&anchor.size) != Some(&anchor.root) {
        return broken(
            NAME,
            hub,
            format_args!("anchors {} entries that its disk does not hold", anchor.size),
        );
    }
    let verifier = Federation::get().ledger_verifier(hub, note);
    let verified = Note::parse(note).and_then(|note| note.verify(std::slice::from_ref(&verifier)));
    let signed = verified.ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    match signed {
        Some(signed) if signed.size.get() == anchor.size && signed.root.digest().to_hex() == anchor.root => {
            Ok(())
        }
        _ => broken(NAME, hub, "anchors something else than it signed"),
    }
}

/// No hub ever signs two roots for one size, whatever happens to its disk.
pub fn invariant_one_root_for_one_size(world: &mut World, hub: HubId, anchor: &Anchor) -> Held {
    let signed = world.watch.roots.entry((hub, anchor.size)).or_default();
    if !signed.is_empty() && *signed != anchor.root {
        return broken(
            "one_root_for_one_size",
            hub,
            format_args!("signs another root for {} entries", anchor.size),
        );
    }
    signed.clone_from(&anchor.root);
    Ok(())
}

/// No hub ever gives one place of a log to two envelopes, whatever happens to its disk.
pub fn invariant_one_envelope_for_one_place(world: &mut World, hub: HubId, frame: &[u8]) -> Held {
    let envelope = match Message::decode(frame) {
        Ok(Message::Content(bytes)) => Envelope::decode(&bytes),
        Ok(Message::Resealed(bytes)) => Envelope::decode_resealed(&bytes),
        _ => return Ok(()),
    };
    let Ok(envelope) = envelope else { return Ok(()) };
    let fields = envelope.outer().fields();
    let place = (hub, fields.audience, fields.sequence);
    let before = world.watch.places.insert(place, envelope.hash());
    if before.is_some_and(|before| before != envelope.hash()) {
        return broken(
            "one_envelope_for_one_place",
            hub,
            format_args!("signs another envelope for place {} of a log", fields.sequence),
        );
    }
    Ok(())
}

/// The tree contains every older checkpoint, the audit finds nothing, every release has its
/// decision on the same item, and the hub has lost nothing of it.
pub fn invariant_ledgers_only_grow_and_verify(world: &World, hub: HubId) -> Held {
    let station = &world.stations[&hub];
    let disk = &station.disk;
    let why = (station.hub.as_ref()).and_then(|hub| hub.status().fence.map(|fence| fence.why));
    match why.as_deref() {
        None | Some("asking") => {}
        // Its ledger is short, and it knows.
        Some("behind") if world.watch.rolled_back.contains(&hub) => return Ok(()),
        Some(why) => return broken(NAME, hub, format_args!("is fenced: {why}")),
    }
    let roots = roots(disk, hub)?;
    for anchor in disk.anchors() {
        if roots.get(&anchor.size) != Some(&anchor.root) {
            return broken(NAME, hub, format_args!("checkpoint {} is no prefix", anchor.size));
        }
    }
    let federation = Federation::get();
    let origin = federation.ledger_origin(hub);
    let newest = disk.row(Family::Checkpoint, b"own");
    let verifier = federation.ledger_verifier(hub, newest.unwrap_or_default());
    let checkpoint = newest.map(|note| (note, &verifier));
    if let Err(error) = audit(&origin, &disk.leaves(), &disk.openings(), checkpoint) {
        return broken(NAME, hub, error);
    }
    let entries: BTreeMap<u64, Entry> = disk.entries(&origin).into_iter().collect();
    for (index, entry) in &entries {
        let Entry::Release { item, decision, .. } = entry else {
            continue;
        };
        match entries.get(decision) {
            Some(Entry::Decision(decided)) if decided.item == *item && decision < index => {}
            _ => return broken(NAME, hub, format_args!("release {index} without its decision")),
        }
    }
    Ok(())
}

/// Whatever a witness cosigned of a ledger is still a prefix of it, and every ledger has a witness.
pub fn invariant_what_was_cosigned_stays(world: &World, hub: HubId) -> Held {
    const NAME: &str = "what_was_cosigned_stays";
    let roots = roots(&world.stations[&hub].disk, hub)?;
    let row = [b"w".as_slice(), hub.as_bytes()].concat();
    let mut witnesses = 0;
    for (witness, station) in &world.stations {
        let Some(held) = station.disk.row(Family::Checkpoint, &row) else {
            continue;
        };
        let held: Witnessed = match wire::decode(held) {
            Ok(held) => held,
            Err(error) => return broken(NAME, *witness, error),
        };
        let root = testudo_crypto::digest::hex(held.root.as_bytes());
        if roots.get(&held.size) != Some(&root) || held.stopped.is_some() {
            return broken(
                NAME,
                hub,
                format_args!("{witness} cosigned {} entries that it has not", held.size),
            );
        }
        witnesses += 1;
    }
    if witnesses == 0 {
        return broken(NAME, hub, "nobody has cosigned it");
    }
    Ok(())
}

/// The root at every size, in hexadecimal.
fn roots(disk: &Disk, hub: HubId) -> Result<BTreeMap<u64, String>, Broken> {
    let mut frontier = Frontier::new();
    let mut roots = BTreeMap::new();
    for (index, bytes) in disk.leaves().iter().enumerate() {
        match Leaf::from_bytes(bytes) {
            Some(leaf) => frontier.append(leaf.hash()),
            None => return broken(NAME, hub, format_args!("leaf {index} is malformed")),
        };
        roots.insert(frontier.size().get(), frontier.root().digest().to_hex());
    }
    Ok(roots)
}
