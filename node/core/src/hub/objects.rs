//! Which objects stand in which items: how a source is known again when it comes back through another tool.
//!
//! Objects are kept by a pseudonym under the hub's own secret, beside the content of their item in memory and in its
//! body row alone: they are destroyed with it. At most [`BUNDLE_OBJECTS_MAX`] for each item that is held.
//!
//! [`BUNDLE_OBJECTS_MAX`]: testudo_protocol::bundle::BUNDLE_OBJECTS_MAX

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::commit::{Salt, commit};
use testudo_protocol::bundle::Bundle;
use testudo_protocol::id::ItemRef;

/// Domain of the pseudonyms of objects.
const TAG_LABEL: &str = "testudo/object-tag/v1";

/// The pseudonym of one STIX object.
pub(super) type ObjectTag = [u8; 16];

/// The objects of all items whose content is here, both ways.
#[derive(Default)]
pub(super) struct ObjectIndex {
    places: BTreeSet<(ObjectTag, ItemRef)>,
    of_item: BTreeMap<ItemRef, Vec<ObjectTag>>,
}

/// The first item, in the order of ids and versions.
const FIRST: ItemRef = ItemRef {
    item: testudo_protocol::id::ItemId::new([0; 16]),
    version: testudo_protocol::id::ItemVersion::new(0),
};

/// The last one.
const LAST: ItemRef = ItemRef {
    item: testudo_protocol::id::ItemId::new([0xff; 16]),
    version: testudo_protocol::id::ItemVersion::new(u32::MAX),
};

impl ObjectIndex {
    /// Notes the objects of an item that is stored.
    pub(super) fn insert(&mut self, item: ItemRef, tags: Vec<ObjectTag>) {
        self.places.extend(tags.iter().map(|tag| (*tag, item)));
        self.of_item.insert(item, tags);
    }

    /// Forgets an item whose content is destroyed.
    pub(super) fn forget(&mut self, item: ItemRef) {
        for tag in self.of_item.remove(&item).unwrap_or_default() {
            self.places.remove(&(tag, item));
        }
    }

    /// Every version of every item that holds an object.
    pub(super) fn holding(&self, tag: ObjectTag) -> impl Iterator<Item = ItemRef> {
        (self.places.range((tag, FIRST)..=(tag, LAST))).map(|(_, item)| *item)
    }
}

/// The pseudonym of an object id.
pub(super) fn tag(secret: &Salt, id: &str) -> ObjectTag {
    let name = commit(secret, TAG_LABEL, &[id.as_bytes()]);
    let mut tag = [0; 16];
    for (slot, byte) in tag.iter_mut().zip(name.as_bytes()) {
        *slot = *byte;
    }
    tag
}

/// The pseudonyms of what a bundle holds as its own matter.
pub(super) fn tags(secret: &Salt, bundle: &Bundle) -> Vec<ObjectTag> {
    bundle.own_ids().iter().map(|id| tag(secret, id)).collect()
}

#[cfg(test)]
mod tests {
    use testudo_protocol::id::{ItemId, ItemVersion};

    use super::*;

    fn item(id: u8, version: u32) -> ItemRef {
        ItemRef {
            item: ItemId::new([id; 16]),
            version: ItemVersion::new(version),
        }
    }

    #[test]
    fn an_object_is_found_in_every_item_and_forgotten_with_it() {
        let secret = Salt::from_bytes([7; 32]);
        let [one, two, other] = ["url--1", "url--2", "url--3"].map(|id| tag(&secret, id));
        let mut index = ObjectIndex::default();
        index.insert(item(0, 0), vec![one]);
        index.insert(item(0xff, u32::MAX), vec![one, two]);
        let holding = |index: &ObjectIndex, tag| index.holding(tag).collect::<Vec<_>>();
        assert_eq!(holding(&index, one), [item(0, 0), item(0xff, u32::MAX)]);
        assert_eq!(holding(&index, other), []);
        index.forget(item(0xff, u32::MAX));
        assert_eq!(holding(&index, one), [item(0, 0)]);
        assert_eq!(holding(&index, two), []);
        assert_eq!(index.of_item.len(), 1);
    }

    #[test]
    fn a_pseudonym_is_worth_nothing_at_another_hub() {
        let ours = tag(&Salt::from_bytes([7; 32]), "url--1");
        assert_ne!(ours, tag(&Salt::from_bytes([8; 32]), "url--1"));
    }
}
