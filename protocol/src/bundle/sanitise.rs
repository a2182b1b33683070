//! A lower version of one's own bundle: objects cut out, every reference to them with them, and the rest marked anew.
//!
//! Only the originator derives from its own item, so that the ids stay and what has changed says when. What a
//! text says about an object that was cut is for the two people who look at it: no program can see that.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{BundleError, strict_json, text};
use crate::label::{Tlp, known_marking, marking_of};

/// How the rest of a bundle is to be marked.
#[derive(Clone, Debug)]
pub struct Sanitised<'a> {
    /// The ids of the objects to cut.
    pub cut: &'a BTreeSet<String>,
    /// The TLP label that stricter markings become.
    pub tlp: Tlp,
    /// The id of the new bundle.
    pub id: &'a str,
    /// When, as STIX writes it.
    pub modified: &'a str,
}

/// Why objects cannot be cut. Ids of objects may be named, content never.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no such object in it.
    #[error("no object {id} in this item; `testudo show` lists its objects")]
    NoSuchObject {
        /// Which.
        id: String,
    },
    /// An object that stays would refer to one that goes, by a property that it cannot do without.
    #[error("{object} refers to {to} by `{field}` and cannot do without it; cut it too")]
    Leans {
        /// What stays.
        object: String,
        /// What goes.
        to: String,
        /// By which property.
        field: String,
    },
}

/// Cuts objects out of a bundle and marks the rest anew.
///
/// # Errors
/// [`CutError`] names the object that is not there, or the one that has to go as well.
pub fn sanitise(bundle: &[u8], wanted: &Sanitised<'_>) -> Result<Vec<u8>, CutError> {
    let mut value = strict_json::parse(bundle).map_err(BundleError::from)?;
    let malformed = || BundleError::Field {
        field: "objects",
        place: "the bundle".to_owned(),
        expected: "a list",
    };
    let objects = value
        .get_mut("objects")
        .and_then(Value::as_array_mut)
        .ok_or_else(malformed)?;
    let there: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| text(object, "id"))
        .map(str::to_owned)
        .collect();
    if let Some(id) = wanted.cut.difference(&there).next() {
        return Err(CutError::NoSuchObject {
            id: id.chars().take(100).collect(),
        });
    }
    objects.retain(|object| {
        let id = text(object, "id").unwrap_or_default();
        // The definition of a marking that nothing carries any more would only say what there was.
        let is_stricter = known_marking(id).is_some_and(|(tlp, _)| tlp > wanted.tlp);
        !wanted.cut.contains(id) && !is_stricter
    });
    for object in objects {
        let id = text(object, "id").unwrap_or_default().to_owned();
        let Some(fields) = object.as_object_mut() else {
            continue;
        };
        let is_pruned = prune(fields, &id, wanted.cut)?;
        let is_marked = mark(fields, wanted.tlp);
        if (is_pruned || is_marked) && fields.contains_key("modified") {
            fields.insert("modified".to_owned(), Value::from(wanted.modified));
        }
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".to_owned(), Value::from(wanted.id));
    }
    Ok(value.to_string().into_bytes())
}

/// Takes references to what is cut out of lists; whether there were any.
fn prune(fields: &mut Map<String, Value>, object: &str, cut: &BTreeSet<String>) -> Result<bool, CutError> {
    let mut is_pruned = false;
    let mut emptied = Vec::new();
    for (name, value) in fields.iter_mut() {
        let leans = |to: &str| CutError::Leans {
            object: object.to_owned(),
            to: to.to_owned(),
            field: name.clone(),
        };
        match value {
            Value::String(id) if name.ends_with("_ref") && cut.contains(id.as_str()) => {
                return Err(leans(id.as_str()));
            }
            Value::Array(ids) if name.ends_with("_refs") => {
                let gone = ids
                    .iter()
                    .find_map(|id| id.as_str().filter(|id| cut.contains(*id)));
                let Some(gone) = gone.map(str::to_owned) else {
                    continue;
                };
                ids.retain(|id| id.as_str().is_none_or(|id| !cut.contains(id)));
                is_pruned = true;
                if ids.is_empty() {
                    // STIX asks for a list that is not empty, or for none.
                    if name == "object_refs" {
                        return Err(leans(&gone));
                    }
                    emptied.push(name.clone());
                }
            }
            Value::Object(inner) => is_pruned |= prune(inner, object, cut)?,
            Value::Array(values) => {
                for inner in values.iter_mut().filter_map(Value::as_object_mut) {
                    is_pruned |= prune(inner, object, cut)?;
                }
            }
            _ => {}
        }
    }
    for name in emptied {
        fields.remove(&name);
    }
    Ok(is_pruned)
}

/// Lowers the TLP markings of one object; whether there were any to lower.
fn mark(fields: &mut Map<String, Value>, tlp: Tlp) -> bool {
    let mut is_marked = false;
    let mut lower = |reference: &mut Value| {
        let known = reference.as_str().and_then(known_marking);
        if let Some((_, family)) = known.filter(|(found, _)| *found > tlp) {
            *reference = Value::from(marking_of(tlp, family));
            is_marked = true;
        }
    };
    if let Some(references) = fields
        .get_mut("object_marking_refs")
        .and_then(Value::as_array_mut)
    {
        references.iter_mut().for_each(&mut lower);
        let mut seen = BTreeSet::new();
        references.retain(|reference| seen.insert(reference.to_string()));
    }
    if let Some(granular) = fields.get_mut("granular_markings").and_then(Value::as_array_mut) {
        let references = granular
            .iter_mut()
            .filter_map(|marking| marking.get_mut("marking_ref"));
        references.for_each(&mut lower);
    }
    is_marked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AMBER: &str = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421";
    const AMBER_1: &str = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82";
    const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";
    const GREEN_1: &str = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da";
    const OLD: &str = "2026-01-01T00:00:00.000Z";
    const NEW: &str = "2026-11-27T10:00:00.000Z";

    fn bundle() -> Value {
        json!({"type": "bundle", "id": "bundle--1", "objects": [
            {"type": "report", "id": "report--1", "modified": OLD, "object_refs": ["channel--1", "channel--2"],
             "object_marking_refs": [AMBER, AMBER_1], "x_seen": {"also_refs": ["channel--2"]}},
            {"type": "channel", "id": "channel--1", "modified": OLD, "object_marking_refs": [GREEN]},
            {"type": "channel", "id": "channel--2", "modified": OLD},
            {"type": "relationship", "id": "relationship--1", "source_ref": "channel--1", "target_ref": "channel--2"},
            {"type": "note", "id": "note--1", "modified": OLD,
             "granular_markings": [{"marking_ref": AMBER, "selectors": ["content"]}]},
            {"type": "marking-definition", "id": AMBER, "name": "TLP:AMBER"},
        ]})
    }

    fn cut(ids: &[&str]) -> Result<Value, CutError> {
        let wanted = Sanitised {
            cut: &ids.iter().map(|id| (*id).to_owned()).collect(),
            tlp: Tlp::Green,
            id: "bundle--2",
            modified: NEW,
        };
        let bytes = sanitise(bundle().to_string().as_bytes(), &wanted)?;
        Ok(serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn what_is_cut_is_named_nowhere_any_more() {
        let rest = cut(&["channel--2", "relationship--1"]).unwrap();
        let text = rest.to_string();
        for gone in ["channel--2", "relationship--1", AMBER, AMBER_1, "bundle--1"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        let report = &rest["objects"][0];
        assert_eq!(report["object_refs"], json!(["channel--1"]));
        assert_eq!(report["object_marking_refs"], json!([GREEN, GREEN_1]));
        assert_eq!(report["x_seen"], json!({}));
        assert_eq!(report["modified"], NEW);
        assert_eq!(rest["objects"][1]["modified"], OLD, "nothing changed in it");
        assert_eq!(rest["objects"][2]["granular_markings"][0]["marking_ref"], GREEN);
        assert_eq!(rest["objects"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn what_leans_on_a_cut_object_has_to_go_too() {
        let leans = |ids: &[&str]| match cut(ids).unwrap_err() {
            CutError::Leans { object, field, .. } => (object, field),
            other => panic!("{other}"),
        };
        assert_eq!(
            leans(&["channel--2"]),
            ("relationship--1".to_owned(), "target_ref".to_owned())
        );
        assert_eq!(
            leans(&["channel--1", "channel--2", "relationship--1"]),
            ("report--1".to_owned(), "object_refs".to_owned())
        );
        assert!(matches!(cut(&["channel--9"]), Err(CutError::NoSuchObject { .. })));
    }
}
