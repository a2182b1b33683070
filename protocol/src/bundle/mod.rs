//! A STIX 2.1 bundle: what an envelope carries.
//!
//! The bytes are kept as they came. Parsing reads only what release needs: shape, ids, the
//! root object and every TLP marking inside. Unknown types and properties pass untouched.
//! Source: STIX 2.1, sections 2.9, 3.2, 7.2 and 8.

mod markings;
mod objects;
mod sanitise;
mod strict_json;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::label::{Label, Tlp};
use markings::Markings;
use objects::Objects;
pub use sanitise::{CutError, Sanitised, sanitise};
pub use strict_json::StrictJsonError;

/// Largest bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most objects in one bundle.
pub const BUNDLE_OBJECTS_MAX: usize = 20_000;

/// Types that can be the root of an assessment, in the order in which they are preferred.
const ROOT_TYPES: [&str; 5] = ["report", "incident", "campaign", "grouping", "note"];

/// STIX 2.1 cyber-observables, the only objects that may leave out `spec_version`.
const OBSERVABLES: [&str; 18] = [
    "artifact",
    "autonomous-system",
    "directory",
    "domain-name",
    "email-addr",
    "email-message",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "mutex",
    "network-traffic",
    "process",
    "software",
    "url",
    "user-account",
    "windows-registry-key",
    "x509-certificate",
];

/// A bundle whose shape, ids and markings have been checked. `Debug` shows its length alone.
pub struct Bundle {
    bytes: Vec<u8>,
    root: Root,
    objects: usize,
    ids: Objects,
    strictest: Option<(Tlp, String)>,
}

struct Root {
    id: String,
    title: String,
}

/// Why a text is not a bundle that can be shared. Object ids may be named, content never.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Over the size limit.
    #[error(
        "bundle is {found} bytes, at most {BUNDLE_BYTES_MAX} are allowed; split it or attach large media"
    )]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not strict JSON.
    #[error("bundle is not JSON that every hub reads the same way")]
    Json(#[from] StrictJsonError),
    /// A required property is missing or of the wrong type.
    #[error("`{field}` of {place} is missing or of the wrong type; expected {expected}")]
    Field {
        /// The property.
        field: &'static str,
        /// Which object, by index or id.
        place: String,
        /// What should be there.
        expected: &'static str,
    },
    /// Another version of STIX.
    #[error("`spec_version` of {place} must be \"2.1\"; convert the bundle to STIX 2.1 first")]
    Version {
        /// Which object.
        place: String,
    },
    /// Two objects with one id and one `modified`.
    #[error("`id` {id} appears twice with the same `modified`; remove one of them")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// No objects at all, or none that can be the root.
    #[error("`objects` holds no report, incident, campaign, grouping or note; add one as the root")]
    NoRoot,
    /// More than [`BUNDLE_OBJECTS_MAX`] objects.
    #[error("`objects` holds {found} objects, at most {BUNDLE_OBJECTS_MAX} are allowed")]
    TooManyObjects {
        /// How many.
        found: usize,
    },
    /// A marking that claims to be TLP and is none we know.
    #[error("marking {id} is not a known TLP label; use CLEAR, GREEN, AMBER, AMBER+STRICT or RED")]
    UnknownTlp {
        /// The marking definition.
        id: String,
    },
    /// A marking reference that nothing defines.
    #[error("`object_marking_refs` of {object} names {marking}, which neither the bundle nor TLP defines")]
    UnknownMarking {
        /// The object.
        object: String,
        /// The reference.
        marking: String,
    },
    /// The label is weaker than something inside.
    #[error(
        "label field `tlp` is {label} but {object} is marked {inside}; label the item {inside} or cut that object (R-18)"
    )]
    LabelTooWeak {
        /// The label given.
        label: Tlp,
        /// The marking found.
        inside: Tlp,
        /// The object that carries it.
        object: String,
    },
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`BundleError`] names the field and what to do; nothing of the content is in it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge { found: bytes.len() });
        }
        let value = strict_json::parse(&bytes)?;
        let objects = Self::objects_of(&value)?;
        check_ids(objects)?;
        let markings = Markings::read(objects)?;
        let strictest = markings.strictest(objects)?;
        let root = root_of(objects)?;
        let ids = Objects::read(objects);
        let objects = objects.len();
        Ok(Self {
            bytes,
            root,
            objects,
            ids,
            strictest,
        })
    }

    fn objects_of(value: &Value) -> Result<&[Value], BundleError> {
        let field = |field, expected| BundleError::Field {
            field,
            place: "the bundle".to_owned(),
            expected,
        };
        if value.get("type").and_then(Value::as_str) != Some("bundle") {
            return Err(field("type", "\"bundle\""));
        }
        if !value
            .get("id")
            .and_then(Value::as_str)
            .is_some_and(|id| is_stix_id(id, "bundle"))
        {
            return Err(field("id", "bundle--UUID"));
        }
        if value.get("spec_version").is_some_and(|version| version != "2.1") {
            return Err(BundleError::Version {
                place: "the bundle".to_owned(),
            });
        }
        let objects = value
            .get("objects")
            .and_then(Value::as_array)
            .ok_or_else(|| field("objects", "a list"))?;
        if objects.is_empty() {
            return Err(BundleError::NoRoot);
        }
        if objects.len() > BUNDLE_OBJECTS_MAX {
            return Err(BundleError::TooManyObjects { found: objects.len() });
        }
        Ok(objects)
    }

    /// Checks that a label is at least as strict as everything inside (R-18, high-water mark).
    ///
    /// # Errors
    /// [`BundleError::LabelTooWeak`] names the strictest object and the label to use.
    pub fn check_label(&self, label: &Label) -> Result<(), BundleError> {
        match &self.strictest {
            Some((inside, object)) if *inside > label.tlp => Err(BundleError::LabelTooWeak {
                label: label.tlp,
                inside: *inside,
                object: object.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The id of the root object.
    pub fn root_id(&self) -> &str {
        &self.root.id
    }

    /// The name of the root object, or its type if it has none: content, for the eyes of
    /// those who may open the item.
    pub fn title(&self) -> &str {
        &self.root.title
    }

    /// How many objects it holds.
    pub fn object_count(&self) -> usize {
        self.objects
    }

    /// The ids of its objects but for reference objects, by which a receiver knows them again.
    pub fn own_ids(&self) -> &BTreeSet<String> {
        &self.ids.own
    }

    /// The ids of all its objects, and of all to which it refers.
    pub fn mentioned_ids(&self) -> &BTreeSet<String> {
        &self.ids.mentioned
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({} bytes)", self.bytes.len())
    }
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Value::as_str)
}

/// Checks every object's type, id, version, and that no (id, modified) appears twice.
fn check_ids(objects: &[Value]) -> Result<(), BundleError> {
    let mut seen = BTreeMap::new();
    for (index, object) in objects.iter().enumerate() {
        let field = |field, expected| BundleError::Field {
            field,
            place: format!("object {index}"),
            expected,
        };
        let kind = text(object, "type").ok_or_else(|| field("type", "the object's STIX type"))?;
        let id = text(object, "id").ok_or_else(|| field("id", "type--UUID"))?;
        if !is_stix_id(id, kind) {
            return Err(field("id", "type--UUID, with the object's own type"));
        }
        match object.get("spec_version") {
            Some(version) if version == "2.1" => {}
            None if OBSERVABLES.contains(&kind) => {}
            _ => {
                return Err(BundleError::Version {
                    place: format!("object {index}"),
                });
            }
        }
        if seen.insert((id, text(object, "modified")), index).is_some() {
            return Err(BundleError::DuplicateId { id: id.to_owned() });
        }
    }
    Ok(())
}

fn is_stix_id(id: &str, kind: &str) -> bool {
    let uuid = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix("--"));
    uuid.is_some_and(|uuid| {
        uuid.len() == 36
            && uuid.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            })
    })
}

fn root_of(objects: &[Value]) -> Result<Root, BundleError> {
    let root = ROOT_TYPES
        .iter()
        .find_map(|wanted| objects.iter().find(|object| text(object, "type") == Some(wanted)))
        .ok_or(BundleError::NoRoot)?;
    let id = text(root, "id").unwrap_or_default().to_owned();
    let title = text(root, "name")
        .or_else(|| text(root, "type"))
        .unwrap_or_default()
        .to_owned();
    Ok(Root { id, title })
}

#[cfg(test)]
mod tests;
