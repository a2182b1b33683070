//! The label as it is signed: in the shape of a STANAG 4774 confidentiality label.
//!
//! A label is a policy identifier, a classification, and categories. A RESTRICTIVE category asks the receiver for
//! all of its values, a PERMISSIVE one for at least one, and an INFORMATIVE one limits nobody. The header carries
//! this shape and no other; [`Label`] is what it means to us. The way back is strict: an unknown policy, category
//! or type, a category of another type than its own, or one that comes twice is refused, never skipped.
//!
//! Source: the public schema `urn:nato:stanag:4774:confidentialitymetadatalabel:1:0`. Binding is the signature over
//! the header, which names the hash of the content (the idea of STANAG 4778). Originator and time of creation are
//! in the header itself and not repeated here.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Label, LabelError, Level, NationalMarking, Pap, Scope};
use crate::vocabulary;

/// The policy under which classification and categories have their values.
pub const POLICY_IDENTIFIER: &str = "urn:testudo:label:eu:1";

/// Longest text of a value, in bytes: a hub code or word with its prefix.
const VALUE_BYTES_MAX: usize = 160;

vocabulary! {
    /// What a category asks of a receiver.
    CategoryType, "category type", {
        /// All values.
        Restrictive = "RESTRICTIVE",
        /// At least one value.
        Permissive = "PERMISSIVE",
        /// Nothing.
        Informative = "INFORMATIVE",
    }
}

/// One category of a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Category {
    /// Which.
    pub tag_name: String,
    /// How its values count.
    #[serde(rename = "type")]
    pub kind: CategoryType,
    /// Its values, sorted.
    pub values: Vec<String>,
}

/// A label in the shape of STANAG 4774.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfidentialityLabel {
    /// Who defines all other values.
    pub policy_identifier: String,
    /// The name of the level.
    pub classification: String,
    /// The categories, in the order of the table in `docs/spec/label.md`; absent where a label says nothing.
    pub categories: Vec<Category>,
    /// The original marking, which the level maps.
    pub national_marking: Option<NationalMarking>,
}

/// Why a confidentiality label is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StanagError {
    /// Another policy defines its values.
    #[error("policy identifier is not `{POLICY_IDENTIFIER}`")]
    Policy,
    /// A classification that the policy does not have.
    #[error("classification is not the name of a level")]
    Classification,
    /// A category, or a type of it, that the policy does not have, one that comes twice, or in another order.
    #[error("category {position} is unknown, of another type, given twice, or out of order")]
    Category {
        /// Its position, from 1.
        position: usize,
    },
    /// A category that must be there is not.
    #[error("category `{tag}` is missing")]
    Missing {
        /// Which.
        tag: &'static str,
    },
    /// A value that its category does not have.
    #[error("category `{tag}` has a value that it does not know, or not exactly one")]
    Value {
        /// Of which category.
        tag: &'static str,
    },
    /// What it says contradicts itself.
    #[error(transparent)]
    Label(#[from] LabelError),
}

const TLP: &str = "TLP";
const RELEASABLE: &str = "Releasable To";
const NOT_RELEASABLE: &str = "Not Releasable To";
const COI: &str = "COI";
const CAVEAT: &str = "Caveat";
const EXERCISE: &str = "Exercise";
const PERSONAL: &str = "Personal Data";
const EXPIRES: &str = "Expires";
const OBLIGATION: &str = "Obligation";
const PAP: &str = "PAP";

/// Every category, with its type, in the order in which they stand.
const CATEGORIES: [(&str, CategoryType); 10] = [
    (TLP, CategoryType::Restrictive),
    (RELEASABLE, CategoryType::Permissive),
    (NOT_RELEASABLE, CategoryType::Restrictive),
    (COI, CategoryType::Permissive),
    (CAVEAT, CategoryType::Restrictive),
    (EXERCISE, CategoryType::Restrictive),
    (PERSONAL, CategoryType::Restrictive),
    (EXPIRES, CategoryType::Restrictive),
    (OBLIGATION, CategoryType::Restrictive),
    (PAP, CategoryType::Informative),
];

/// The value of [`RELEASABLE`] that stands for the community of the charter.
const COMMUNITY: &str = "community";
const CLASS_PREFIX: &str = "class:";
const PEER_PREFIX: &str = "peer:";

impl From<&Label> for ConfidentialityLabel {
    fn from(label: &Label) -> Self {
        let classes = label
            .rel_to_classes
            .iter()
            .map(|class| format!("{CLASS_PREFIX}{class}"));
        let peers = |hubs: &BTreeSet<crate::id::HubId>| -> Vec<String> {
            hubs.iter().map(|hub| format!("{PEER_PREFIX}{hub}")).collect()
        };
        let releasable = match label.scope {
            Scope::Community => vec![COMMUNITY.to_owned()],
            Scope::List => classes.chain(peers(&label.rel_to)).collect(),
        };
        let one_unless = |is_absent: bool, value: String| if is_absent { Vec::new() } else { vec![value] };
        let values = [
            vec![label.tlp.to_string()],
            releasable,
            peers(&label.not_to),
            label.communities.iter().cloned().collect(),
            label.caveats.iter().map(ToString::to_string).collect(),
            one_unless(label.exercise.is_empty(), label.exercise.clone()),
            vec![label.personal.to_string()],
            one_unless(label.expires_at == 0, label.expires_at.to_string()),
            label.obligations.iter().cloned().collect(),
            label.pap.iter().map(ToString::to_string).collect(),
        ];
        let categories = CATEGORIES.iter().zip(values);
        Self {
            policy_identifier: POLICY_IDENTIFIER.to_owned(),
            classification: label.level.name().to_owned(),
            categories: categories
                .filter(|(_, values)| !values.is_empty())
                .map(|((tag, kind), values)| Category {
                    tag_name: (*tag).to_owned(),
                    kind: *kind,
                    values,
                })
                .collect(),
            national_marking: label.national.clone(),
        }
    }
}

/// The values of each category that is there.
struct Values(BTreeMap<&'static str, Vec<String>>);

impl Values {
    fn read(categories: Vec<Category>) -> Result<Self, StanagError> {
        let mut found = BTreeMap::new();
        let mut known = CATEGORIES.iter();
        for (index, category) in categories.into_iter().enumerate() {
            let refused = || StanagError::Category { position: index + 1 };
            // Taking from what is left of the table refuses what comes twice or out of order, too.
            let (tag, _) = known
                .find(|(tag, kind)| *tag == category.tag_name && *kind == category.kind)
                .ok_or_else(refused)?;
            let is_sound = !category.values.is_empty()
                && category.values.iter().all(|value| value.len() <= VALUE_BYTES_MAX);
            if !is_sound {
                return Err(StanagError::Value { tag });
            }
            found.insert(*tag, category.values);
        }
        Ok(Self(found))
    }

    fn all(&mut self, tag: &'static str) -> Vec<String> {
        self.0.remove(tag).unwrap_or_default()
    }

    fn words<T: Ord>(
        &mut self,
        tag: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<BTreeSet<T>, StanagError> {
        let values = self.all(tag);
        let words: Option<BTreeSet<T>> = values.iter().map(|value| read(value)).collect();
        words.ok_or(StanagError::Value { tag })
    }

    fn at_most_one<T>(
        &mut self,
        tag: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StanagError> {
        match self.all(tag).as_slice() {
            [] => Ok(None),
            [value] => read(value).map(Some).ok_or(StanagError::Value { tag }),
            _ => Err(StanagError::Value { tag }),
        }
    }

    fn one<T>(&mut self, tag: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, StanagError> {
        self.at_most_one(tag, read)?.ok_or(StanagError::Missing { tag })
    }
}

impl TryFrom<ConfidentialityLabel> for Label {
    type Error = StanagError;

    fn try_from(shape: ConfidentialityLabel) -> Result<Self, StanagError> {
        if shape.policy_identifier != POLICY_IDENTIFIER {
            return Err(StanagError::Policy);
        }
        let level = Level::of_name(&shape.classification).ok_or(StanagError::Classification)?;
        let mut values = Values::read(shape.categories)?;
        let releasable = values.all(RELEASABLE);
        let peer = |value: &str| value.strip_prefix(PEER_PREFIX)?.parse().ok();
        let (mut rel_to, mut rel_to_classes) = (BTreeSet::new(), BTreeSet::new());
        let scope = if releasable == [COMMUNITY] {
            Scope::Community
        } else {
            for value in &releasable {
                let class = value
                    .strip_prefix(CLASS_PREFIX)
                    .and_then(|class| class.parse().ok());
                match (class, peer(value)) {
                    (Some(class), _) => rel_to_classes.insert(class),
                    (None, Some(hub)) => rel_to.insert(hub),
                    (None, None) => return Err(StanagError::Value { tag: RELEASABLE }),
                };
            }
            Scope::List
        };
        let own = |value: &str| Some(value.to_owned());
        let label = Self {
            level,
            tlp: values.one(TLP, |value| value.parse().ok())?,
            scope,
            rel_to,
            rel_to_classes,
            not_to: values.words(NOT_RELEASABLE, peer)?,
            communities: values.words(COI, own)?,
            caveats: values.words(CAVEAT, |value| value.parse().ok())?,
            exercise: values.at_most_one(EXERCISE, own)?.unwrap_or_default(),
            personal: values.one(PERSONAL, |value| value.parse().ok())?,
            expires_at: values
                .at_most_one(EXPIRES, |value| {
                    value.parse().ok().filter(|seconds: &u64| *seconds > 0)
                })?
                .unwrap_or(0),
            obligations: values.words(OBLIGATION, own)?,
            pap: values.at_most_one(PAP, |value| value.parse::<Pap>().ok())?,
            national: shape.national_marking,
        };
        label.check()?;
        Ok(label)
    }
}

/// Writes a label in this shape.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(label: &Label, serializer: S) -> Result<S::Ok, S::Error> {
    ConfidentialityLabel::from(label).serialize(serializer)
}

/// Reads a label from this shape.
///
/// # Errors
/// Those of the deserializer, and [`StanagError`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
    let shape = ConfidentialityLabel::deserialize(deserializer)?;
    Label::try_from(shape).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::super::{Caveat, Class, Personal, Tlp};
    use super::*;

    fn label() -> Label {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Label {
            level: Level::SENSITIVE,
            tlp: Tlp::Amber,
            scope: Scope::List,
            rel_to: ["UA".parse().unwrap()].into(),
            rel_to_classes: [Class::MemberState].into(),
            not_to: ["XX".parse().unwrap()].into(),
            communities: texts(&["ecne"]),
            caveats: [Caveat::Orcon, Caveat::Limite].into(),
            exercise: "EX27".to_owned(),
            personal: Personal::Identified,
            expires_at: 1_798_286_400,
            obligations: texts(&["expiry"]),
            pap: Some(Pap::Amber),
            national: Some(NationalMarking {
                authority: "DE".parse().unwrap(),
                text: "VS-NUR FÜR DEN DIENSTGEBRAUCH".to_owned(),
            }),
        }
    }

    #[test]
    fn the_shape_is_the_published_one() {
        let shape = serde_json::to_value(ConfidentialityLabel::from(&label())).unwrap();
        assert_eq!(
            shape,
            serde_json::json!({
                "policyIdentifier": "urn:testudo:label:eu:1",
                "classification": "SENSITIVE NON-CLASSIFIED",
                "categories": [
                    {"tagName": "TLP", "type": "RESTRICTIVE", "values": ["AMBER"]},
                    {"tagName": "Releasable To", "type": "PERMISSIVE", "values": ["class:member_state", "peer:UA"]},
                    {"tagName": "Not Releasable To", "type": "RESTRICTIVE", "values": ["peer:XX"]},
                    {"tagName": "COI", "type": "PERMISSIVE", "values": ["ecne"]},
                    {"tagName": "Caveat", "type": "RESTRICTIVE", "values": ["LIMITE", "ORCON"]},
                    {"tagName": "Exercise", "type": "RESTRICTIVE", "values": ["EX27"]},
                    {"tagName": "Personal Data", "type": "RESTRICTIVE", "values": ["identified"]},
                    {"tagName": "Expires", "type": "RESTRICTIVE", "values": ["1798286400"]},
                    {"tagName": "Obligation", "type": "RESTRICTIVE", "values": ["expiry"]},
                    {"tagName": "PAP", "type": "INFORMATIVE", "values": ["AMBER"]},
                ],
                "nationalMarking": {"authority": "DE", "text": "VS-NUR FÜR DEN DIENSTGEBRAUCH"},
            })
        );
    }

    #[test]
    fn every_label_comes_back_as_it_was() {
        let mut community = label();
        community.scope = Scope::Community;
        community.rel_to.clear();
        community.rel_to_classes.clear();
        let mut plain = community.clone();
        plain.not_to.clear();
        plain.communities.clear();
        plain.caveats.clear();
        plain.exercise.clear();
        plain.expires_at = 0;
        plain.obligations.clear();
        plain.pap = None;
        plain.national = None;
        for label in [label(), community, plain] {
            assert_eq!(Label::try_from(ConfidentialityLabel::from(&label)), Ok(label));
        }
    }

    #[test]
    fn what_the_policy_does_not_know_is_refused() {
        let shape = || ConfidentialityLabel::from(&label());
        let refused = |change: &dyn Fn(&mut ConfidentialityLabel)| {
            let mut shape = shape();
            change(&mut shape);
            Label::try_from(shape).unwrap_err()
        };
        assert_eq!(
            refused(&|shape| shape.policy_identifier.push('0')),
            StanagError::Policy
        );
        assert_eq!(
            refused(&|shape| shape.classification = "RESTRICTED".to_owned()),
            StanagError::Classification
        );
        let position = |position| StanagError::Category { position };
        assert_eq!(
            refused(&|shape| shape.categories[9].kind = CategoryType::Restrictive),
            position(10)
        );
        assert_eq!(refused(&|shape| shape.categories.swap(0, 1)), position(2));
        assert_eq!(
            refused(&|shape| shape.categories.insert(1, shape.categories[0].clone())),
            position(2)
        );
        assert_eq!(
            refused(&|shape| shape.categories[4].tag_name = "Handling".to_owned()),
            position(5)
        );
        assert_eq!(
            refused(&|shape| drop(shape.categories.remove(0))),
            StanagError::Missing { tag: "TLP" }
        );
        let value = |tag| StanagError::Value { tag };
        assert_eq!(
            refused(&|shape| shape.categories[0].values = vec!["ORANGE".to_owned()]),
            value("TLP")
        );
        assert_eq!(
            refused(&|shape| shape.categories[0].values.push("RED".to_owned())),
            value("TLP")
        );
        assert_eq!(
            refused(&|shape| shape.categories[1].values.push(COMMUNITY.to_owned())),
            value("Releasable To")
        );
        assert_eq!(
            refused(&|shape| shape.categories[7].values = vec!["0".to_owned()]),
            value("Expires")
        );
        assert_eq!(refused(&|shape| shape.categories[3].values.clear()), value("COI"));
        assert_eq!(
            refused(&|shape| drop(shape.categories.remove(1))),
            StanagError::Label(LabelError::Nobody)
        );
    }
}
