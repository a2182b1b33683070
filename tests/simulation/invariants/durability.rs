//! What was acknowledged is there after any crash, once.

use std::collections::BTreeSet;

use testudo_core::records::ItemState;
use testudo_protocol::id::{HubId, ItemId};
use testudo_protocol::ledger::{Entry, Outcome};
use testudo_protocol::receipt::Act;

use super::{Held, broken};
use crate::disk::Disk;
use crate::federation::Federation;
use crate::watch::Promise;
use crate::world::World;

const SURVIVES: &str = "acknowledged_survives";
const TWICE: &str = "nothing_is_taken_twice";

/// Whatever a hub has answered, receipted or noted is on its disk.
pub fn invariant_acknowledged_survives(world: &World, hub: HubId) -> Held {
    let disk = &world.stations[&hub].disk;
    let promises = world.watch.promises.get(&hub);
    for promise in promises.into_iter().flatten() {
        is_kept(disk, hub, promise)?;
    }
    Ok(())
}

/// Whether a disk keeps one promise.
pub fn is_kept(disk: &Disk, hub: HubId, promise: &Promise) -> Held {
    let kept = match promise {
        Promise::Released(item, recipients) => {
            let queued = |receiver: &HubId| disk.delivery(*item, *receiver).is_some();
            disk.item(*item).is_some() && recipients.iter().all(queued)
        }
        Promise::Consented(item, holder, recipient) => disk.consents().any(|token| {
            let fields = token.fields();
            (fields.item.item, fields.holder, fields.recipient) == (*item, *holder, *recipient)
        }),
        Promise::Withdrawn(item) => disk
            .versions(*item)
            .all(|record| record.state == ItemState::Retracted),
        Promise::Read(item, act) => disk.versions(*item).any(|record| match act {
            Act::Acknowledged => record.acknowledged.is_some(),
            _ => record.opened.is_some(),
        }),
        Promise::Receipted(item, act, envelope) => {
            let record = disk.item(*item);
            match act {
                Act::Delivered => record.is_some(),
                Act::Opened => record.is_some_and(|record| record.opened.is_some()),
                Act::Acknowledged => record.is_some_and(|record| record.acknowledged.is_some()),
                Act::Purged => !disk.has_body(*item),
                Act::Objected => has_objected(disk, hub, *envelope),
            }
        }
        Promise::Credited(item, receiver, act) => {
            disk.delivery(*item, *receiver).is_some_and(|delivery| match act {
                Act::Delivered => delivery.delivered.is_some(),
                Act::Opened => delivery.opened.is_some(),
                Act::Acknowledged => delivery.acknowledged.is_some(),
                Act::Purged => delivery.purged.is_some(),
                Act::Objected => true,
            })
        }
    };
    if kept {
        Ok(())
    } else {
        broken(SURVIVES, hub, format_args!("does not know any more: {promise:?}"))
    }
}

fn has_objected(disk: &Disk, hub: HubId, wanted: testudo_protocol::id::EnvelopeHash) -> bool {
    let entries = disk.entries(&Federation::get().ledger_origin(hub));
    entries.iter().any(|(_, entry)| match entry {
        Entry::Received {
            envelope, outcome, ..
        } => *envelope == wanted && *outcome == Outcome::Objected,
        _ => false,
    })
}

/// A hub has told its operator that a reading is noted: it must be for some act.
pub fn keep_reading(world: &mut World, hub: HubId, item: ItemId) -> Held {
    let versions: Vec<_> = world.stations[&hub].disk.versions(item).collect();
    let read = [
        (Act::Opened, versions.iter().any(|record| record.opened.is_some())),
        (
            Act::Acknowledged,
            versions.iter().any(|record| record.acknowledged.is_some()),
        ),
    ];
    if !read.iter().any(|(_, noted)| *noted) {
        return broken(SURVIVES, hub, format_args!("no reading of {item} is on disk"));
    }
    for (act, _) in read.into_iter().filter(|(_, noted)| *noted) {
        world.watch.promise(hub, Promise::Read(item, act));
    }
    Ok(())
}

/// An item is accepted once, whatever arrived how often, and a receipt is entered once.
pub fn invariant_nothing_is_taken_twice(world: &World, hub: HubId) -> Held {
    let disk = &world.stations[&hub].disk;
    let mut accepted = BTreeSet::new();
    let mut receipted = BTreeSet::new();
    let mut released = BTreeSet::new();
    for (index, entry) in disk.entries(&Federation::get().ledger_origin(hub)) {
        let again = match entry {
            Entry::Received {
                item: Some(item),
                outcome: Outcome::Accepted,
                ..
            } => !accepted.insert(item),
            Entry::Receipt {
                envelope,
                receiver,
                act,
            } => !receipted.insert((envelope, receiver, act)),
            Entry::Release {
                audience, sequence, ..
            } => !released.insert((audience, sequence)),
            _ => false,
        };
        if again {
            return broken(TWICE, hub, format_args!("entry {index} repeats an earlier one"));
        }
    }
    for record in disk.items().filter(|record| record.originator != hub) {
        if !accepted.contains(&record.item) {
            return broken(
                TWICE,
                hub,
                format_args!("{} is held without an entry", record.item),
            );
        }
    }
    Ok(())
}
