//! Which objects a bundle holds as its own matter, and which ids it mentions.
//!
//! An object that was received under a label is known again by its id, whatever tool it came back through.
//! Reference objects are not: places, techniques of a public catalogue, markings, languages, and organisations by
//! name are everybody's, and having one from somebody says nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;

/// Types of objects that are reference objects whatever they hold.
const REFERENCE_TYPES: [&str; 4] = [
    "extension-definition",
    "language",
    "location",
    "marking-definition",
];

/// Classes of identities that are names of organisations and sectors; a person or a group is none.
const REFERENCE_IDENTITIES: [&str; 3] = ["class", "organization", "system"];

/// Catalogues of techniques, as external references name them: DISARM, and its STIX edition.
const CATALOGUES: [&str; 2] = ["disarm", "mitre-attack"];

/// The prefix under which OpenCTI has types of its own.
const OPENCTI_PREFIX: &str = "x-opencti-";

/// What a bundle says of itself by ids. `Debug` is left out: ids of objects are not for logs.
pub(super) struct Objects {
    /// Of every object that is no reference object.
    pub(super) own: BTreeSet<String>,
    /// Of every object, and in every reference to one.
    pub(super) mentioned: BTreeSet<String>,
}

impl Objects {
    pub(super) fn read(objects: &[Value]) -> Self {
        let mut mentioned = BTreeSet::new();
        for object in objects {
            mentioned.extend(text(object, "id").map(ToOwned::to_owned));
            mention(object, &mut mentioned);
        }
        let own = objects.iter().filter(|object| !is_reference(object));
        Self {
            own: own
                .filter_map(|object| text(object, "id"))
                .map(ToOwned::to_owned)
                .collect(),
            mentioned,
        }
    }
}

/// Collects what stands in properties that end in `_ref` and `_refs`, at any depth.
fn mention(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| mention(value, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(id) if name.ends_with("_ref") => {
                        found.insert(id.clone());
                    }
                    Value::Array(ids) if name.ends_with("_refs") => {
                        found.extend(ids.iter().filter_map(Value::as_str).map(ToOwned::to_owned));
                    }
                    other => mention(other, found),
                }
            }
        }
        _ => {}
    }
}

fn is_reference(object: &Value) -> bool {
    let kind = text(object, "type").unwrap_or_default();
    match kind.strip_prefix(OPENCTI_PREFIX).unwrap_or(kind) {
        "attack-pattern" => is_of_a_catalogue(object),
        "identity" => {
            text(object, "identity_class").is_some_and(|class| REFERENCE_IDENTITIES.contains(&class))
        }
        kind => REFERENCE_TYPES.contains(&kind),
    }
}

/// Whether a technique names its place in a public catalogue, such as `T0085.003`.
fn is_of_a_catalogue(object: &Value) -> bool {
    let references = object.get("external_references").and_then(Value::as_array);
    references.into_iter().flatten().any(|reference| {
        let source = text(reference, "source_name").unwrap_or_default().to_lowercase();
        CATALOGUES.contains(&source.as_str()) && text(reference, "external_id").is_some_and(is_technique)
    })
}

fn is_technique(id: &str) -> bool {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    id.strip_prefix('T')
        .is_some_and(|rest| match rest.split_once('.') {
            Some((technique, part)) => digits(technique, 4) && digits(part, 3),
            None => digits(rest, 4),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects() -> Vec<Value> {
        vec![
            json!({"type": "report", "id": "report--1", "created_by_ref": "identity--1",
                   "object_refs": ["channel--1", "channel--2"],
                   "extensions": {"x": {"seen_in_refs": ["event--1"], "author_ref": "identity--2"}}}),
            json!({"type": "channel", "id": "channel--1"}),
            json!({"type": "location", "id": "location--1"}),
            json!({"type": "x-opencti-language", "id": "x-opencti-language--1"}),
            json!({"type": "identity", "id": "identity--1", "identity_class": "organization"}),
            json!({"type": "identity", "id": "identity--2", "identity_class": "individual"}),
            json!({"type": "identity", "id": "identity--3"}),
            json!({"type": "attack-pattern", "id": "attack-pattern--1",
                   "external_references": [{"source_name": "DISARM", "external_id": "T0085.003"}]}),
            json!({"type": "attack-pattern", "id": "attack-pattern--2",
                   "external_references": [{"source_name": "DISARM", "external_id": "our own"}]}),
            json!({"type": "attack-pattern", "id": "attack-pattern--3"}),
        ]
    }

    #[test]
    fn reference_objects_are_nobodys_own() {
        let own: Vec<String> = Objects::read(&objects()).own.into_iter().collect();
        assert_eq!(
            own,
            [
                "attack-pattern--2",
                "attack-pattern--3",
                "channel--1",
                "identity--2",
                "identity--3",
                "report--1"
            ]
        );
    }

    #[test]
    fn whatever_refers_to_an_object_mentions_it() {
        let mentioned = Objects::read(&objects()).mentioned;
        for id in [
            "report--1",
            "channel--1",
            "channel--2",
            "event--1",
            "identity--2",
            "location--1",
        ] {
            assert!(mentioned.contains(id), "{id}");
        }
        assert_eq!(mentioned.len(), 12, "{mentioned:?}");
    }

    #[test]
    fn a_technique_has_the_form_of_its_catalogue() {
        for good in ["T0085", "T0085.003"] {
            assert!(is_technique(good), "{good}");
        }
        for bad in ["T085", "T0085.03", "t0085", "T0085.", "T00850", "TA01", ""] {
            assert!(!is_technique(bad), "{bad}");
        }
    }
}
