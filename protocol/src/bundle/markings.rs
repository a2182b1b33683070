//! TLP markings inside a bundle, whichever family they come from.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{BundleError, text};
use crate::label::{Tlp, known_marking};

/// What each marking definition of the bundle means: a TLP label, or something else that is
/// carried but not interpreted.
pub(super) struct Markings<'a> {
    defined: BTreeMap<&'a str, Option<Tlp>>,
}

impl<'a> Markings<'a> {
    /// Reads the definitions; a definition that claims to be TLP must be one we know.
    pub(super) fn read(objects: &'a [Value]) -> Result<Self, BundleError> {
        let mut defined = BTreeMap::new();
        for object in objects
            .iter()
            .filter(|object| text(object, "type") == Some("marking-definition"))
        {
            let id = text(object, "id").unwrap_or_default();
            defined.insert(id, Self::meaning(id, object)?);
        }
        Ok(Self { defined })
    }

    fn meaning(id: &str, object: &Value) -> Result<Option<Tlp>, BundleError> {
        let tlp1 = object
            .get("definition")
            .and_then(|definition| text(definition, "tlp"));
        let tlp2 = (object.get("extensions").and_then(Value::as_object)).and_then(|extensions| {
            extensions
                .values()
                .find_map(|extension| text(extension, "tlp_2_0"))
        });
        let claims_tlp = text(object, "definition_type") == Some("tlp") || tlp2.is_some();
        let unknown = || BundleError::UnknownTlp { id: id.to_owned() };
        if let Some((known, _)) = known_marking(id) {
            return Ok(Some(known));
        }
        if !claims_tlp {
            return Ok(None);
        }
        let claimed = tlp2.or(tlp1).ok_or_else(unknown)?.to_uppercase();
        let claimed = if claimed == "WHITE" { "CLEAR" } else { &claimed };
        claimed.parse().map(Some).map_err(|_| unknown())
    }

    /// The strictest TLP marking on any object, granular markings included, and who carries it.
    pub(super) fn strictest(&self, objects: &[Value]) -> Result<Option<(Tlp, String)>, BundleError> {
        let mut strictest: Option<(Tlp, String)> = None;
        for object in objects {
            let id = text(object, "id").unwrap_or_default();
            for reference in references(object) {
                let Some(tlp) = self.resolve(id, reference)? else {
                    continue;
                };
                if strictest.as_ref().is_none_or(|(found, _)| tlp > *found) {
                    strictest = Some((tlp, id.to_owned()));
                }
            }
        }
        Ok(strictest)
    }

    fn resolve(&self, object: &str, reference: &str) -> Result<Option<Tlp>, BundleError> {
        if let Some((tlp, _)) = known_marking(reference) {
            return Ok(Some(tlp));
        }
        self.defined
            .get(reference)
            .copied()
            .ok_or_else(|| BundleError::UnknownMarking {
                object: object.to_owned(),
                marking: reference.chars().take(80).collect(),
            })
    }
}

fn references(object: &Value) -> impl Iterator<Item = &str> {
    let whole = object
        .get("object_marking_refs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let granular = object
        .get("granular_markings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    // A reference that is not text becomes the empty one, which nothing defines.
    let whole = whole.map(|reference| reference.as_str().unwrap_or_default());
    whole.chain(granular.filter_map(|marking| text(marking, "marking_ref")))
}
