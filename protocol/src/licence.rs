//! What a holder may do onward with an item, as its originator signed it.
//!
//! A licence stands beside the label and never widens it against a prohibition: whoever is covered by it is
//! consented to in advance, as by a token, and every rule is asked all the same. Outside it a forward is refused
//! at the hub that would forward and at the one that would receive.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{HubId, Timestamp};
use crate::label::{Class, LABEL_ENTRIES_MAX, Label, Tlp};

/// How an item may be passed on. On the wire the number of the variant, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Licence {
    /// To nobody without the originator's token for that receiver, whatever the label.
    Consent,
    /// To nobody; the originator gives no token either.
    Nobody,
    /// As far as the label and the rules let it go, with a token where they ask for one.
    AsLabelled,
    /// To these without asking; to everyone else with a token.
    Named {
        /// Hubs by name.
        hubs: BTreeSet<HubId>,
        /// Every hub of these classes.
        classes: BTreeSet<Class>,
        /// Until when, in Unix seconds; 0 for no end. The instant itself is past it.
        until: u64,
    },
}

/// What a licence says about one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// The originator has consented in advance.
    Granted,
    /// Label and rules decide.
    AsLabelled,
    /// Only with a token.
    WithToken,
    /// Not at all.
    Never,
}

/// A licence that is out of range or contradicts the label beside it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenceError {
    /// It names neither hub nor class.
    #[error("licence names nobody; name hubs or classes, or use the licence `consent` or `nobody`")]
    Nobody,
    /// A list longer than [`LABEL_ENTRIES_MAX`].
    #[error("licence: {found} hubs, at most {LABEL_ENTRIES_MAX} are allowed")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// TLP:RED is never passed on.
    #[error("licence names receivers, and TLP RED is passed on to nobody; use the licence `nobody`")]
    Red,
    /// A class for classified information.
    #[error(
        "licence names a class, and consent for classified information names each receiver (R-05c, R-06a)"
    )]
    Classified,
    /// A hub that the label excludes.
    #[error("licence names {hub}, which label field `notTo` excludes; take it out of one of them")]
    Contradiction {
        /// The hub.
        hub: HubId,
    },
}

impl Licence {
    /// Checks that the licence is bounded and does not contradict the label.
    ///
    /// # Errors
    /// [`LicenceError`] says what to change.
    pub fn check(&self, label: &Label) -> Result<(), LicenceError> {
        let Self::Named { hubs, classes, .. } = self else {
            return Ok(());
        };
        if hubs.is_empty() && classes.is_empty() {
            return Err(LicenceError::Nobody);
        }
        if hubs.len() > LABEL_ENTRIES_MAX {
            return Err(LicenceError::TooMany { found: hubs.len() });
        }
        if label.tlp == Tlp::Red {
            return Err(LicenceError::Red);
        }
        if label.level.is_classified() && !classes.is_empty() {
            return Err(LicenceError::Classified);
        }
        match hubs.intersection(&label.not_to).next() {
            Some(hub) => Err(LicenceError::Contradiction { hub: *hub }),
            None => Ok(()),
        }
    }

    /// What it says about one receiver at one time.
    #[must_use]
    pub fn about(&self, receiver: HubId, class: Class, now: Timestamp) -> Onward {
        match self {
            Self::Consent => Onward::WithToken,
            Self::Nobody => Onward::Never,
            Self::AsLabelled => Onward::AsLabelled,
            Self::Named { hubs, classes, until } => {
                let is_over = *until > 0 && Timestamp::from_seconds(*until) <= now;
                if !is_over && (hubs.contains(&receiver) || classes.contains(&class)) {
                    Onward::Granted
                } else {
                    Onward::WithToken
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Level, Personal, Scope};
    use crate::wire;

    const END: u64 = 1_800_000_000;

    fn hub(code: &str) -> HubId {
        code.parse().unwrap()
    }

    fn label(tlp: Tlp, level: Level) -> Label {
        Label {
            level,
            tlp,
            scope: Scope::List,
            rel_to: [hub("FR")].into(),
            rel_to_classes: BTreeSet::new(),
            not_to: [hub("CA")].into(),
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

    fn named(hubs: &[&str], classes: &[Class], until: u64) -> Licence {
        Licence::Named {
            hubs: hubs.iter().map(|code| hub(code)).collect(),
            classes: classes.iter().copied().collect(),
            until,
        }
    }

    #[test]
    fn a_licence_covers_whom_it_names_until_its_end() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let licence = named(&["EEAS"], &[Class::Associated], END);
        let about = |code, class, seconds| licence.about(hub(code), class, at(seconds));
        assert_eq!(about("EEAS", Class::EuInstitution, END - 1), Onward::Granted);
        assert_eq!(about("MD", Class::Associated, END - 1), Onward::Granted);
        assert_eq!(about("SE", Class::MemberState, END - 1), Onward::WithToken);
        assert_eq!(about("EEAS", Class::EuInstitution, END), Onward::WithToken);
        let endless = named(&["EEAS"], &[], 0);
        let late = endless.about(hub("EEAS"), Class::EuInstitution, at(u64::MAX / 2_000));
        assert_eq!(late, Onward::Granted);
        for (licence, says) in [
            (Licence::Consent, Onward::WithToken),
            (Licence::Nobody, Onward::Never),
            (Licence::AsLabelled, Onward::AsLabelled),
        ] {
            assert_eq!(licence.about(hub("EEAS"), Class::EuInstitution, at(1)), says);
        }
    }

    #[test]
    fn a_licence_does_not_contradict_its_label() {
        let amber = label(Tlp::Amber, Level::NORMAL);
        assert_eq!(named(&["EEAS"], &[], 0).check(&amber), Ok(()));
        assert_eq!(named(&[], &[], 0).check(&amber), Err(LicenceError::Nobody));
        let excluded = named(&["CA"], &[], 0).check(&amber);
        assert_eq!(excluded, Err(LicenceError::Contradiction { hub: hub("CA") }));
        let red = label(Tlp::Red, Level::NORMAL);
        assert_eq!(named(&["EEAS"], &[], 0).check(&red), Err(LicenceError::Red));
        assert_eq!(Licence::Nobody.check(&red), Ok(()));
        let classified = label(Tlp::Amber, Level::RESTRICTED);
        let by_class = named(&[], &[Class::MemberState], 0).check(&classified);
        assert_eq!(by_class, Err(LicenceError::Classified));
        assert_eq!(named(&["EEAS"], &[], 0).check(&classified), Ok(()));
        let many = Licence::Named {
            hubs: (0..=LABEL_ENTRIES_MAX).map(|at| hub(&format!("H{at}"))).collect(),
            classes: BTreeSet::new(),
            until: 0,
        };
        assert!(matches!(many.check(&amber), Err(LicenceError::TooMany { .. })));
    }

    #[test]
    fn every_licence_survives_text_and_wire() {
        let all = [
            Licence::Consent,
            Licence::Nobody,
            Licence::AsLabelled,
            named(&["EEAS"], &[Class::MemberState], END),
        ];
        for licence in all {
            let bytes = wire::encode(&licence).unwrap();
            assert_eq!(wire::decode::<Licence>(&bytes).unwrap(), licence);
            let text = serde_json::to_string(&licence).unwrap();
            assert_eq!(serde_json::from_str::<Licence>(&text).unwrap(), licence);
        }
        assert_eq!(serde_json::to_value(Licence::AsLabelled).unwrap(), "as-labelled");
        assert_eq!(wire::encode(&Licence::Consent).unwrap(), [0, 0, 0, 0]);
    }
}
