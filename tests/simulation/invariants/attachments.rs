//! Where attachments may be, and in what state.

use testudo_core::blob::{BlobRecord, BlobState};
use testudo_core::output::{Change, Family};
use testudo_core::records::ItemState;
use testudo_crypto::attachment::{groups, verified_groups};
use testudo_protocol::id::HubId;
use testudo_protocol::wire;

use super::{Held, broken};
use crate::world::World;

/// A row says that a file is whole only where every byte of it is there and agrees with the signed root.
pub fn invariant_what_is_said_to_be_whole_is(world: &World, hub: HubId, change: &Change) -> Held {
    const NAME: &str = "what_is_said_to_be_whole_is";
    let Change::Put {
        family: Family::Blob,
        value,
        ..
    } = change
    else {
        return Ok(());
    };
    let Ok(record) = wire::decode::<BlobRecord>(value) else {
        return broken(NAME, hub, "a row does not decode");
    };
    if record.state == BlobState::Whole && !is_whole(world, hub, &record) {
        return broken(NAME, hub, format_args!("{} {}", record.item, record.number));
    }
    Ok(())
}

fn is_whole(world: &World, hub: HubId, record: &BlobRecord) -> bool {
    let file = world.stations[&hub].blobs.file(record.blob);
    file.is_some_and(|file| {
        let (root, bytes) = (record.root.as_bytes(), record.sealed_bytes);
        verified_groups(root, bytes, &file.tree, file.sealed.as_slice()) == groups(bytes)
    })
}

/// At rest every file has a row, every row an item that stands, and nothing that was wanted still waits.
pub fn invariant_files_of_attachments_have_rows(world: &World, hub: HubId) -> Held {
    const NAME: &str = "files_of_attachments_have_rows";
    let station = &world.stations[&hub];
    let mut names = station.blobs.names();
    for record in station.disk.blobs() {
        let stands = station
            .disk
            .item(record.item)
            .is_some_and(|item| !matches!(item.state, ItemState::Retracted | ItemState::Expired));
        if !stands {
            return broken(
                NAME,
                hub,
                format_args!("{} is destroyed, its row is not", record.item),
            );
        }
        if record.state == BlobState::Wanted && world.watch.liars.is_empty() {
            return broken(NAME, hub, format_args!("{} is still wanted", record.item));
        }
        names.remove(&record.blob);
    }
    match names.first() {
        Some(blob) => broken(NAME, hub, format_args!("file {blob} has no row")),
        None => Ok(()),
    }
}
