//! The one way in which the demo releases: preview, compare, release, compare, see who opened it.

use std::ffi::OsString;

use crate::answers::{Delivery, Preview, Released};
use crate::assessments::Assessment;
use crate::expectations::{Disclosure, Expected, Promises};
use crate::fault::DemoError;
use crate::federation::Federation;
use crate::hub::{Hub, codes};
use crate::program::{Answer, words};
use crate::report::Screen;
use crate::waiting::{PATIENCE, wait_until};

/// What every step of the demo works with.
#[derive(Debug)]
pub struct Stage {
    /// The hubs.
    pub federation: Federation,
    /// What is expected of them.
    pub promises: Promises,
    /// What a person sees.
    pub screen: Screen,
}

/// A release as a person would ask for it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who releases.
    pub from: Hub,
    /// What.
    pub assessment: Assessment,
    /// Its audience in words.
    pub audience: &'static str,
    /// TLP and audience as flags.
    pub label: &'static [&'static str],
    /// The item it corrects.
    pub corrects: Option<String>,
    /// Who must get it, whatever a hub says.
    pub expected: Expected,
}

/// Label flags that all items of the demo share.
const LABEL: [&str; 6] = [
    "--level",
    "1",
    "--personal",
    "none",
    "--purpose",
    "situational-awareness",
];

impl Stage {
    /// Previews, releases, waits until every receiver has opened it, and prints what became of it.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] if anything differs from what the draft expects.
    pub fn release(&mut self, draft: &Draft) -> Result<Released, DemoError> {
        let preview = self.preview(draft)?;
        let released = self.release_as_previewed(draft, &preview)?;
        for receiver in draft.expected.receivers {
            self.open(*receiver, draft, &released)?;
        }
        let outcome = self.wait_until_opened(draft, &released)?;
        self.check_denied(draft, &released, &preview, &outcome)?;
        self.show_outcome(&outcome);
        Ok(released)
    }

    /// Previews a draft, prints who would get it and why not, and compares that with what is expected.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] if the preview differs.
    pub fn preview(&mut self, draft: &Draft) -> Result<Preview, DemoError> {
        let preview: Preview = self
            .federation
            .desk(draft.from)
            .run(self.words("preview", draft))?;
        let rows: Vec<Vec<String>> = (preview.verdicts.iter())
            .map(|verdict| {
                let gets_it = if verdict.is_permit() { "yes" } else { "no" };
                let cells = [
                    verdict.hub.code(),
                    gets_it,
                    &verdict.rules.join(" "),
                    &verdict.reasons.join(" "),
                ];
                cells.map(str::to_owned).to_vec()
            })
            .collect();
        self.screen
            .table(&["preview", "gets it", "rules", "why not"], &rows);
        let mismatch = draft.expected.mismatch(&preview.verdicts);
        self.promises.require_none(mismatch, &of("preview", draft))?;
        Ok(preview)
    }

    /// Releases what was previewed, compares the recipients, and remembers for whom it was.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] if others are named than the preview permitted, or than are expected.
    pub fn release_as_previewed(&mut self, draft: &Draft, preview: &Preview) -> Result<Released, DemoError> {
        let released: Released = self
            .federation
            .desk(draft.from)
            .run(self.release_words(draft, preview))?;
        self.remember(draft, preview, &released)?;
        Ok(released)
    }

    /// The command that releases what was previewed.
    pub fn release_words(&self, draft: &Draft, preview: &Preview) -> Vec<OsString> {
        let mut words = self.words("release", draft);
        words.extend(words!["--preview", preview.hash]);
        words
    }

    /// Compares the recipients of a release with preview and expectation, and remembers for whom it was.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] if others are named than the preview permitted, or than are expected.
    pub fn remember(
        &mut self,
        draft: &Draft,
        preview: &Preview,
        released: &Released,
    ) -> Result<(), DemoError> {
        let permitted = preview.verdicts.iter().filter(|verdict| verdict.is_permit());
        let mut permitted: Vec<Hub> = permitted.map(|verdict| verdict.hub).collect();
        let mut recipients = released.recipients.clone();
        permitted.sort();
        recipients.sort();
        self.promises.require(permitted == recipients, || {
            let (named, permitted) = (codes(&recipients), codes(&permitted));
            format!(
                "{}: it names {named}, the preview permitted {permitted}",
                of("release", draft)
            )
        })?;
        let mismatch = draft.expected.mismatch_of_recipients(&recipients);
        self.promises.require_none(mismatch, &of("release", draft))?;
        self.promises.disclosed(Disclosure {
            sender: draft.from,
            item: released.item.clone(),
            version: released.version,
            receivers: draft.expected.receivers.iter().copied().collect(),
            title: draft.assessment.title(),
        });
        Ok(())
    }

    fn words(&self, verb: &str, draft: &Draft) -> Vec<OsString> {
        let mut words = words![
            verb,
            self.federation.folder().assessments().join(draft.assessment.file)
        ];
        words.extend(draft.label.iter().chain(&LABEL).map(OsString::from));
        if let Some(item) = &draft.corrects {
            words.extend(words!["--corrects", item]);
        }
        words
    }

    /// Waits until the item is in the receiver's inbox, opens it, and compares the content.
    fn open(&mut self, receiver: Hub, draft: &Draft, released: &Released) -> Result<(), DemoError> {
        let desk = self.federation.desk(receiver);
        let what = format!("{receiver} has “{}” in its inbox", draft.assessment.title());
        wait_until(&what, PATIENCE, || {
            let entries = desk.inbox_of(&released.item)?;
            Ok(entries
                .iter()
                .any(|entry| entry.version == released.version)
                .then_some(()))
        })?;
        match desk.show(&released.item)? {
            Answer::Done(shown) if shown.bundle.as_ref() == Some(&draft.assessment.bundle()) => Ok(()),
            Answer::Done(_) => {
                let sentence = format!("{receiver} opened something else than {} released", draft.from);
                Err(DemoError::NotHeld(sentence))
            }
            Answer::Refused(_, refusal) => Err(DemoError::NotHeld(format!(
                "{receiver} could not open it: {}",
                refusal.sentence
            ))),
        }
    }

    /// Waits until the originator knows that every receiver has opened it; returns what became of all.
    fn wait_until_opened(&self, draft: &Draft, released: &Released) -> Result<Vec<Delivery>, DemoError> {
        let desk = self.federation.desk(draft.from);
        let receivers = draft.expected.receivers;
        let what = format!("{} knows that {} opened it", draft.from, codes(receivers));
        wait_until(&what, PATIENCE, || {
            let mut holdings = desk.holdings_of(&released.item)?;
            holdings.retain(|delivery| delivery.version == released.version);
            let opened = |hub: &Hub| {
                holdings
                    .iter()
                    .any(|delivery| delivery.receiver == *hub && delivery.opened.is_some())
            };
            Ok(receivers.iter().all(opened).then_some(holdings))
        })
    }

    /// Who was denied has nothing, and the record of the release says why.
    fn check_denied(
        &mut self,
        draft: &Draft,
        released: &Released,
        preview: &Preview,
        outcome: &[Delivery],
    ) -> Result<(), DemoError> {
        for (hub, _) in draft.expected.denied {
            let held = self.federation.desk(*hub).inbox_of(&released.item)?;
            self.promises.require(held.is_empty(), || {
                format!("{hub} has “{}”, denied to it", draft.assessment.title())
            })?;
            let previewed = preview.verdicts.iter().find(|verdict| verdict.hub == *hub);
            let recorded = outcome.iter().find(|delivery| delivery.receiver == *hub);
            let same = match (previewed, recorded) {
                (Some(previewed), Some(recorded)) => {
                    recorded.state == "not sent" && recorded.rules == previewed.rules
                }
                _ => false,
            };
            self.promises.require(same, || {
                format!(
                    "{}: the record of {hub}'s denial is not what the preview said",
                    of("release", draft)
                )
            })?;
        }
        Ok(())
    }

    fn show_outcome(&self, outcome: &[Delivery]) {
        let rows: Vec<Vec<String>> = (outcome.iter())
            .map(|delivery| {
                let outcome = match delivery.state.as_str() {
                    "not sent" => "denied",
                    "delivered" if delivery.opened.is_some() => "opened",
                    other => other,
                };
                vec![
                    delivery.receiver.to_string(),
                    outcome.to_owned(),
                    delivery.rules.join(" "),
                ]
            })
            .collect();
        self.screen.table(&["hub", "outcome", "rules"], &rows);
    }
}

/// What a sentence about a draft begins with.
fn of(act: &str, draft: &Draft) -> String {
    format!("{act} of “{}” by {}", draft.assessment.title(), draft.from)
}
