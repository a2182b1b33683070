//! The label itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{LABEL_ENTRIES_MAX, Level, Tlp};
use crate::id::HubId;
use crate::vocabulary;

vocabulary! {
    /// The class of a member in the charter.
    Class, "class", {
        /// A member state of the European Union.
        MemberState = "member_state",
        /// An institution of the European Union.
        EuInstitution = "eu_institution",
        /// A candidate country.
        Associated = "associated",
        /// A like-minded partner.
        Likeminded = "likeminded",
        /// A civil-society or research organisation behind a host hub.
        Stakeholder = "stakeholder",
    }
}

vocabulary! {
    /// Whether a label names receivers or addresses the community of the charter.
    Scope, "scope", {
        /// Exactly the hubs and classes listed; an empty list means nobody.
        List = "LIST",
        /// The community that the charter defines.
        Community = "COMMUNITY",
    }
}

vocabulary! {
    /// A limit beside level and TLP.
    Caveat, "caveat", {
        /// European Union classified information.
        Euci = "EUCI",
        /// Council distribution marking.
        Limite = "LIMITE",
        /// European Union members and institutions alone.
        EuOnly = "EU-ONLY",
        /// Originator controlled: no onward disclosure without consent.
        Orcon = "ORCON",
    }
}

vocabulary! {
    /// Personal data in the item.
    Personal, "personal", {
        /// None.
        None = "none",
        /// Pseudonymised.
        Pseudonymised = "pseudonymised",
        /// Identified persons.
        Identified = "identified",
        /// Special categories, such as political opinions.
        Special = "special",
    }
}

vocabulary! {
    /// Permissible Actions Protocol: what a receiver may do with it. TLP limits spread, PAP limits use.
    Pap, "pap", {
        /// No restriction.
        Clear = "CLEAR",
        /// Active actions are allowed.
        Green = "GREEN",
        /// Passive cross-checks only.
        Amber = "AMBER",
        /// Only actions that cannot be noticed.
        Red = "RED",
    }
}

/// A national marking, kept beside the level it maps to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NationalMarking {
    /// The state or institution that defines the marking.
    pub authority: HubId,
    /// Its exact text.
    pub text: String,
}

/// The originator's signed handling instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Label {
    /// Handling level.
    pub level: Level,
    /// TLP 2.0 label.
    pub tlp: Tlp,
    /// Named receivers or the community.
    pub scope: Scope,
    /// Hubs it may go to.
    #[serde(default)]
    pub rel_to: BTreeSet<HubId>,
    /// Classes of members it may go to.
    #[serde(default)]
    pub rel_to_classes: BTreeSet<Class>,
    /// Hubs it may never go to.
    #[serde(default)]
    pub not_to: BTreeSet<HubId>,
    /// Communities of interest; empty means no such limit.
    #[serde(default)]
    pub communities: BTreeSet<String>,
    /// Caveats.
    #[serde(default)]
    pub caveats: BTreeSet<Caveat>,
    /// Name of the exercise; empty for live items.
    #[serde(default)]
    pub exercise: String,
    /// Personal data inside.
    pub personal: Personal,
    /// End of life in Unix seconds; 0 for none. The instant itself counts as expired.
    #[serde(default)]
    pub expires_at: u64,
    /// What the receiving hub must be able to honour.
    #[serde(default)]
    pub obligations: BTreeSet<String>,
    /// What receivers may do with it, if the originator says so; it decides nothing about release.
    #[serde(default)]
    pub pap: Option<Pap>,
    /// The original national marking, if there was one.
    #[serde(default)]
    pub national: Option<NationalMarking>,
}

/// A label that contradicts itself or is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A list longer than [`LABEL_ENTRIES_MAX`].
    #[error("label field `{field}`: {found} entries, at most {LABEL_ENTRIES_MAX} are allowed")]
    TooMany {
        /// Which field.
        field: &'static str,
        /// How many.
        found: usize,
    },
    /// Scope COMMUNITY together with a list of receivers.
    #[error("label field `scope`: COMMUNITY does not go with relTo or relToClasses; use scope LIST")]
    CommunityWithList,
    /// Scope LIST with nobody in it.
    #[error("label field `relTo`: scope LIST names nobody; name hubs in relTo or classes in relToClasses")]
    Nobody,
    /// A hub both addressed and excluded.
    #[error("label field `notTo`: {hub} is also in relTo; take it out of one of them")]
    Contradiction {
        /// The hub.
        hub: HubId,
    },
    /// TLP:RED without named hubs.
    #[error(
        "label field `relTo`: TLP RED goes to hubs by name; name them in relTo and leave relToClasses empty"
    )]
    RedByClass,
    /// Text too long.
    #[error("label field `{field}`: text is over {max} bytes")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// The limit.
        max: usize,
    },
}

const TEXT_BYTES_MAX: usize = 128;

impl Label {
    /// Checks that the label does not contradict itself and is bounded.
    ///
    /// # Errors
    /// [`LabelError`] names the field and what to change.
    pub fn check(&self) -> Result<(), LabelError> {
        let counts = [
            ("relTo", self.rel_to.len()),
            ("relToClasses", self.rel_to_classes.len()),
            ("notTo", self.not_to.len()),
            ("communities", self.communities.len()),
            ("obligations", self.obligations.len()),
        ];
        for (field, found) in counts {
            if found > LABEL_ENTRIES_MAX {
                return Err(LabelError::TooMany { field, found });
            }
        }
        let texts = (self.communities.iter().map(|text| ("communities", text)))
            .chain(self.obligations.iter().map(|text| ("obligations", text)))
            .chain([("exercise", &self.exercise)])
            .chain(self.national.iter().map(|marking| ("national", &marking.text)));
        for (field, text) in texts {
            if text.len() > TEXT_BYTES_MAX {
                return Err(LabelError::TooLong {
                    field,
                    max: TEXT_BYTES_MAX,
                });
            }
        }
        let listed = !self.rel_to.is_empty() || !self.rel_to_classes.is_empty();
        match self.scope {
            Scope::Community if listed => return Err(LabelError::CommunityWithList),
            Scope::List if !listed => return Err(LabelError::Nobody),
            Scope::Community | Scope::List => {}
        }
        if let Some(hub) = self.rel_to.intersection(&self.not_to).next() {
            return Err(LabelError::Contradiction { hub: *hub });
        }
        if self.tlp == Tlp::Red && (self.rel_to.is_empty() || !self.rel_to_classes.is_empty()) {
            return Err(LabelError::RedByClass);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(tlp: Tlp, hubs: &[&str]) -> Label {
        Label {
            level: Level::NORMAL,
            tlp,
            scope: Scope::List,
            rel_to: hubs.iter().map(|hub| hub.parse().unwrap()).collect(),
            rel_to_classes: BTreeSet::new(),
            not_to: BTreeSet::new(),
            communities: BTreeSet::new(),
            caveats: BTreeSet::new(),
            exercise: String::new(),
            personal: Personal::None,
            expires_at: 0,
            obligations: BTreeSet::new(),
            pap: None,
            national: None,
        }
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(listed(Tlp::Amber, &["EEAS"]).check(), Ok(()));
        assert_eq!(listed(Tlp::Amber, &[]).check(), Err(LabelError::Nobody));

        let mut label = listed(Tlp::Amber, &["EEAS"]);
        label.scope = Scope::Community;
        assert_eq!(label.check(), Err(LabelError::CommunityWithList));

        let mut label = listed(Tlp::Amber, &["EEAS"]);
        label.not_to = label.rel_to.clone();
        assert!(matches!(label.check(), Err(LabelError::Contradiction { .. })));

        let mut label = listed(Tlp::Red, &["EEAS"]);
        label.rel_to_classes.insert(Class::MemberState);
        assert_eq!(label.check(), Err(LabelError::RedByClass));
    }

    #[test]
    fn unknown_words_and_fields_do_not_parse() {
        let good = serde_json::to_value(listed(Tlp::Green, &["EEAS"])).unwrap();
        assert!(serde_json::from_value::<Label>(good.clone()).is_ok());
        for (field, bad) in [
            ("tlp", serde_json::json!("ORANGE")),
            ("level", serde_json::json!(7)),
            ("scope", serde_json::json!("ALL")),
            ("relToClasses", serde_json::json!(["everyone"])),
            ("surprise", serde_json::json!(1)),
        ] {
            let mut value = good.clone();
            value[field] = bad;
            assert!(serde_json::from_value::<Label>(value).is_err(), "{field}");
        }
        let mut missing = good;
        missing.as_object_mut().unwrap().remove("personal");
        assert!(
            serde_json::from_value::<Label>(missing).is_err(),
            "personal has no default"
        );
    }
}
