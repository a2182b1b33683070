//! What a draft draws on: items of other hubs whose objects it holds or mentions, whatever tool they came through.
//!
//! The high-water mark: such a draft takes at least the strictest level and TLP, every caveat and the narrower
//! scope of its sources, and is passed on only by consent. The gate sees to the rest: nobody receives it who may not
//! have each source from this hub, with its originator's consent where the source asks for one.
//!
//! An object is no source if some hub has given it TLP:CLEAR and at most NORMAL, or if this hub had released it
//! itself before it came from another.

use std::collections::{BTreeMap, BTreeSet};

use testudo_policies::gate::Source;
use testudo_protocol::bundle::Bundle;
use testudo_protocol::id::{HubId, ItemRef};
use testudo_protocol::label::{Caveat, Label, Level, Scope, Tlp};
use testudo_protocol::licence::Licence;

use super::{Hub, objects};
use crate::records::{ItemRecord, ItemState};
use crate::refusal::{Refusal, Stricter};
use crate::views::SourceView;

/// Items that one draft may draw on; each is asked about for every receiver.
const SOURCES_MAX: usize = 64;

/// The items that a draft draws on, each with the ids that tell so.
pub(super) type Drawn = BTreeMap<ItemRef, BTreeSet<String>>;

impl Hub {
    /// Finds the sources of a bundle.
    pub(super) fn drawn_on(&self, bundle: &Bundle) -> Result<Drawn, Refusal> {
        let mut drawn = Drawn::new();
        for id in bundle.mentioned_ids() {
            for item in self.sources_of_object(id) {
                drawn.entry(item).or_default().insert(id.clone());
            }
        }
        if drawn.len() > SOURCES_MAX {
            return Err(Refusal::TooManySources {
                found: drawn.len(),
                max: SOURCES_MAX,
            });
        }
        Ok(drawn)
    }

    /// The items of other hubs under whose label an object stands: of each item the latest version that holds it.
    fn sources_of_object(&self, id: &str) -> Vec<ItemRef> {
        let tag = objects::tag(&self.keys.audience, id);
        let holding = self.objects.holding(tag).filter_map(|item| self.items.get(&item));
        let (own, foreign): (Vec<&ItemRecord>, Vec<&ItemRecord>) = holding
            .filter(|record| record.originator == self.me || is_held(record))
            .partition(|record| record.originator == self.me);
        if foreign.iter().any(|record| is_public(&record.label)) {
            return Vec::new();
        }
        let ours_since = own.iter().map(|record| record.stored).min();
        let later = |record: &&&ItemRecord| ours_since.is_none_or(|since| record.stored < since);
        let mut latest = BTreeMap::new();
        for record in foreign.iter().filter(later) {
            // In the order of versions, so that the last one stays.
            latest.insert(record.item.item, record.item);
        }
        latest.into_values().collect()
    }

    /// Checks that a label and a licence are at least as strict as every source.
    pub(super) fn check_sources(
        &self,
        label: &Label,
        licence: &Licence,
        drawn: &Drawn,
    ) -> Result<(), Refusal> {
        let sources: Vec<(&ItemRecord, &BTreeSet<String>)> = drawn
            .iter()
            .filter_map(|(item, ids)| Some((self.items.get(item)?, ids)))
            .collect();
        let weaker = |(record, _): &&(&ItemRecord, &BTreeSet<String>)| {
            let source = &record.label;
            label.level < source.level
                || label.tlp < source.tlp
                || !label.caveats.is_superset(&source.caveats)
                || (source.scope == Scope::List && label.scope == Scope::Community)
        };
        let passes_on = !drawn.is_empty() && !matches!(licence, Licence::Consent | Licence::Nobody);
        let offended: Vec<_> = sources
            .iter()
            .filter(|source| passes_on || weaker(source))
            .collect();
        let Some((first, _)) = offended.first() else {
            return Ok(());
        };
        let level = sources.iter().map(|(record, _)| record.label.level).max();
        let tlp = sources.iter().map(|(record, _)| record.label.tlp).max();
        let caveats: BTreeSet<Caveat> = (sources.iter())
            .flat_map(|(record, _)| record.label.caveats.iter().copied())
            .collect();
        let is_listed = |(record, _): &(&ItemRecord, &BTreeSet<String>)| record.label.scope == Scope::List;
        Err(Refusal::SourceStricter(Box::new(Stricter {
            item: first.item.item,
            originator: first.originator,
            level: level.unwrap_or(Level::PUBLIC).max(label.level),
            tlp: tlp.unwrap_or(Tlp::Clear).max(label.tlp),
            caveats,
            by_name: label.scope == Scope::Community && sources.iter().any(is_listed),
            by_consent: passes_on,
            cut: offended.iter().flat_map(|(_, ids)| ids.iter().cloned()).collect(),
        })))
    }

    /// Sources as the gate is asked about them; `None` if one of them is withdrawn, expired or gone.
    pub(super) fn sources<'a>(
        &'a self,
        items: impl IntoIterator<Item = &'a ItemRef>,
    ) -> Option<Vec<Source<'a>>> {
        items.into_iter().map(|item| self.source(*item)).collect()
    }

    fn source(&self, item: ItemRef) -> Option<Source<'_>> {
        let record = self.items.get(&item).filter(|record| is_held(record))?;
        let ours = |(of, holder, _): &(ItemRef, HubId, HubId)| *of == item && *holder == self.me;
        let consents = self.consents.iter().filter(|(place, _)| ours(place));
        Some(Source {
            originator: record.originator,
            item,
            body_hash: record.body_hash,
            label: &record.label,
            licence: &record.licence,
            purpose: &record.purpose,
            consents: consents.map(|(_, token)| token).collect(),
            created: record.created,
        })
    }

    /// What a draft draws on, for whoever looks at its preview.
    pub(super) fn source_views(&self, drawn: &Drawn) -> Vec<SourceView> {
        let view = |(item, ids): (&ItemRef, &BTreeSet<String>)| {
            let record = self.items.get(item)?;
            Some(SourceView {
                item: item.item,
                version: item.version,
                originator: record.originator,
                level: record.label.level,
                tlp: record.label.tlp,
                objects: ids.iter().cloned().collect(),
            })
        };
        drawn.iter().filter_map(view).collect()
    }
}

/// Whether the content of an item is here and still counts.
fn is_held(record: &ItemRecord) -> bool {
    matches!(record.state, ItemState::Released | ItemState::Corrected)
}

/// Whether anybody may have it: what P-PUBLIC asks for.
fn is_public(label: &Label) -> bool {
    label.tlp == Tlp::Clear && label.level <= Level::NORMAL
}
