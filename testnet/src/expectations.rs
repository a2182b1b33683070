//! What the scenario expects, said before anything is asked, and what became of it.
//!
//! No hub is believed here: a hub whose gate is open would preview, release and record the same wrong thing.

use std::collections::BTreeSet;

use crate::answers::Verdict;
use crate::fault::DemoError;
use crate::hub::{Hub, codes};

/// Who must receive an item and who must not.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Those who must.
    pub receivers: &'static [Hub],
    /// Those who must not, each with rules that must be among the reasons.
    pub denied: &'static [(Hub, &'static [&'static str])],
}

/// Content that a hub sealed, and whom the scenario meant it for.
#[derive(Clone, Debug)]
pub struct Disclosure {
    /// Who sealed and sent it: the originator, or the forwarder.
    pub sender: Hub,
    /// The item.
    pub item: String,
    /// Its version.
    pub version: u32,
    /// Who was to get it.
    pub receivers: BTreeSet<Hub>,
    /// For people.
    pub title: String,
}

/// The expectations of a whole run.
#[derive(Debug)]
pub struct Promises {
    /// Whether a broken promise about a verdict is noted and the run goes on.
    tolerant: bool,
    broken: Vec<String>,
    disclosures: Vec<Disclosure>,
}

impl Expected {
    /// What a preview says otherwise.
    pub fn mismatch(&self, verdicts: &[Verdict]) -> Option<String> {
        let permitted: BTreeSet<Hub> = verdicts
            .iter()
            .filter(|verdict| verdict.is_permit())
            .map(|verdict| verdict.hub)
            .collect();
        let expected: BTreeSet<Hub> = self.receivers.iter().copied().collect();
        if permitted != expected {
            return Some(format!(
                "it permits {}, expected {}",
                codes(&permitted),
                codes(&expected)
            ));
        }
        self.denied.iter().find_map(|(hub, rules)| {
            let Some(verdict) = verdicts.iter().find(|verdict| verdict.hub == *hub) else {
                return Some(format!("it says nothing about {hub}, expected a denial"));
            };
            let missing = rules
                .iter()
                .find(|rule| !verdict.rules.iter().any(|given| given == *rule))?;
            Some(format!(
                "{hub} is denied by {}, expected {missing} among them",
                verdict.rules.join(", ")
            ))
        })
    }

    /// What a list of recipients says otherwise.
    pub fn mismatch_of_recipients(&self, recipients: &[Hub]) -> Option<String> {
        let found: BTreeSet<Hub> = recipients.iter().copied().collect();
        let expected: BTreeSet<Hub> = self.receivers.iter().copied().collect();
        (found != expected).then(|| format!("it names {}, expected {}", codes(&found), codes(&expected)))
    }
}

impl Promises {
    /// Nothing has been promised yet. A tolerant run goes on past verdicts that are wrong, so that a test can
    /// see whether the later checks find it too.
    pub fn new(tolerant: bool) -> Self {
        Self {
            tolerant,
            broken: Vec::new(),
            disclosures: Vec::new(),
        }
    }

    /// Requires something about verdicts and their effects.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] with the sentence, unless the run is tolerant.
    pub fn require(&mut self, held: bool, sentence: impl FnOnce() -> String) -> Result<(), DemoError> {
        if held {
            return Ok(());
        }
        let sentence = sentence();
        if self.tolerant {
            self.broken.push(sentence);
            Ok(())
        } else {
            Err(DemoError::NotHeld(sentence))
        }
    }

    /// Requires that nothing differs.
    ///
    /// # Errors
    /// As [`Promises::require`].
    pub fn require_none(&mut self, mismatch: Option<String>, of: &str) -> Result<(), DemoError> {
        let sentence = mismatch.map(|mismatch| format!("{of}: {mismatch}"));
        self.require(sentence.is_none(), || sentence.unwrap_or_default())
    }

    /// Remembers content that was sealed, and for whom.
    pub fn disclosed(&mut self, disclosure: Disclosure) {
        self.disclosures.push(disclosure);
    }

    /// Everything that was sealed.
    pub fn disclosures(&self) -> &[Disclosure] {
        &self.disclosures
    }

    /// The verdicts that were wrong in a tolerant run.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO_EEAS: Expected = Expected {
        receivers: &[Hub::Eeas],
        denied: &[(Hub::Md, &["R-07"])],
    };

    fn verdict(hub: Hub, rules: &[&str]) -> Verdict {
        Verdict {
            hub,
            decision: if rules.is_empty() { "permit" } else { "deny" }.to_owned(),
            rules: rules.iter().map(|&rule| rule.to_owned()).collect(),
            reasons: Vec::new(),
        }
    }

    #[test]
    fn the_expected_preview_differs_in_nothing() {
        let verdicts = [verdict(Hub::Eeas, &[]), verdict(Hub::Md, &["R-07", "R-09"])];
        assert_eq!(TO_EEAS.mismatch(&verdicts), None);
    }

    #[test]
    fn an_open_gate_is_seen() {
        let verdicts = [verdict(Hub::Eeas, &[]), verdict(Hub::Md, &[])];
        assert_eq!(
            TO_EEAS.mismatch(&verdicts).unwrap(),
            "it permits EEAS, MD, expected EEAS"
        );
        assert_eq!(
            TO_EEAS.mismatch_of_recipients(&[Hub::Eeas, Hub::Md]).unwrap(),
            "it names EEAS, MD, expected EEAS"
        );
    }

    #[test]
    fn a_denial_by_another_rule_is_seen() {
        let verdicts = [verdict(Hub::Eeas, &[]), verdict(Hub::Md, &["R-08"])];
        assert!(
            TO_EEAS
                .mismatch(&verdicts)
                .unwrap()
                .contains("expected R-07 among them")
        );
        let verdicts = [verdict(Hub::Eeas, &[])];
        assert!(
            TO_EEAS
                .mismatch(&verdicts)
                .unwrap()
                .contains("says nothing about MD")
        );
    }

    #[test]
    fn a_tolerant_run_goes_on_and_remembers() {
        let mut strict = Promises::new(false);
        assert!(strict.require(false, || "no".to_owned()).is_err());
        let mut tolerant = Promises::new(true);
        tolerant.require(false, || "no".to_owned()).unwrap();
        assert_eq!(tolerant.broken(), ["no"]);
    }
}
