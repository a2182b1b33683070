//! Between the core's rows and the database's.

use std::collections::BTreeSet;

use testudo_core::hub::Row;
use testudo_core::output::{Change as CoreChange, Family as CoreFamily};
use testudo_core::records::key::is_erasure;

use crate::store::{Change, Family, ReadError, Store};

/// The database family of a kind of rows.
pub(super) fn family(family: CoreFamily) -> Family {
    match family {
        CoreFamily::Leaf => Family::Leaf,
        CoreFamily::Opening => Family::Opening,
        CoreFamily::Checkpoint => Family::Checkpoint,
        CoreFamily::Item => Family::Item,
        CoreFamily::Body => Family::Body,
        CoreFamily::Envelope => Family::Envelope,
        CoreFamily::Log => Family::Log,
        CoreFamily::Delivery => Family::Delivery,
        CoreFamily::Receipt => Family::Receipt,
        CoreFamily::Notice => Family::Notice,
        CoreFamily::Consent => Family::Consent,
        CoreFamily::Evidence => Family::Evidence,
        CoreFamily::Key => Family::Key,
        CoreFamily::Epoch => Family::Epoch,
        CoreFamily::Announcement => Family::Announcement,
        CoreFamily::Blob => Family::Blob,
        CoreFamily::OwnAct => Family::OwnAct,
        CoreFamily::Charter => Family::Charter,
        CoreFamily::Mirror => Family::Mirror,
        CoreFamily::Proof => Family::Proof,
    }
}

/// Splits the core's changes into those of one write and the rows whose bytes have to be gone.
///
/// An erased row is deleted in the write itself, so that it is gone for every reader with the
/// batch; the purge that follows only cleans the files.
pub(super) fn changes(wanted: Vec<CoreChange>) -> (Vec<Change>, Vec<(Family, Vec<u8>)>) {
    let mut write = Vec::new();
    let mut purge = Vec::new();
    for change in wanted {
        match change {
            CoreChange::Put {
                family: of,
                key,
                mut value,
            } => write.push(Change::put(family(of), key, std::mem::take(&mut *value))),
            CoreChange::Erase { family: of, key } => {
                write.push(Change::delete(family(of), key.clone()));
                purge.push((family(of), key));
            }
        }
    }
    (write, purge)
}

/// The rows among these that say what was erased by law: they outlive the database.
pub(super) fn erasures(wanted: &[CoreChange]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let erasure = |change: &CoreChange| match change {
        CoreChange::Put {
            family: CoreFamily::Notice,
            key,
            value,
        } if is_erasure(key) => Some((key.clone(), value.to_vec())),
        _ => None,
    };
    wanted.iter().filter_map(erasure).collect()
}

/// Reads every row that the core needs to rebuild itself, and what the register knows of erasures beyond the database.
///
/// # Errors
/// [`ReadError`] names the family.
pub fn load_rows(store: &Store) -> Result<Vec<Row>, ReadError> {
    let mut rows = Vec::new();
    for of in CoreFamily::ALL {
        // Envelopes are read when they are sent, mirrored leaves when their owner asks; evidence is for people.
        if matches!(
            of,
            CoreFamily::Envelope | CoreFamily::Evidence | CoreFamily::Mirror
        ) {
            continue;
        }
        rows.extend(
            store
                .scan(family(of))?
                .into_iter()
                .map(|(key, value)| (of, key, value.to_vec())),
        );
    }
    let known: BTreeSet<Vec<u8>> = (rows.iter())
        .filter(|(of, key, _)| *of == CoreFamily::Notice && is_erasure(key))
        .map(|(_, key, _)| key.clone())
        .collect();
    let registered = store.registered_erasures().into_iter();
    let unknown = registered.filter(|(key, _)| !known.contains(key));
    rows.extend(unknown.map(|(key, value)| (CoreFamily::Notice, key, value.to_vec())));
    Ok(rows)
}
