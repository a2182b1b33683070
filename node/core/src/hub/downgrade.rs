//! Lowering the label of one's own item: a new version, for which the gate is asked first (P-DOWNGRADE).

use testudo_policies::gate::{Answer, Question};
use testudo_policies::vocabulary::Action;
use testudo_protocol::id::ItemId;
use testudo_protocol::label::{Label, Scope};

use super::Hub;
use crate::refusal::Refusal;

impl Hub {
    /// Checks that a next version may have this label, if it is weaker than that of the version before.
    pub(super) fn may_lower(&self, item: ItemId, label: &Label) -> Result<(), Refusal> {
        let Some(previous) = self
            .latest(item)
            .filter(|previous| is_weaker(label, &previous.label))
        else {
            return Ok(());
        };
        // The question is about what stands: it is that item whose label is to be lowered.
        let question = Question {
            action: Action::Downgrade,
            sender: self.me,
            originator: previous.originator,
            item: previous.item,
            body_hash: previous.body_hash,
            label: &previous.label,
            licence: &previous.licence,
            purpose: &previous.purpose,
            consent: None,
            sources: &[],
            created: previous.created,
            now: self.now,
        };
        match self.gate.ask(&question, self.me) {
            Answer::Allowed(_) => Ok(()),
            Answer::Denied(denied) => Err(Refusal::NoDowngrade {
                item,
                rules: denied.rules().to_vec(),
            }),
        }
    }
}

/// Whether a label protects less than another. Who is named is no matter of protection: the preview shows who is added.
fn is_weaker(label: &Label, than: &Label) -> bool {
    label.level < than.level
        || label.tlp < than.tlp
        || !label.caveats.is_superset(&than.caveats)
        || (than.scope == Scope::List && label.scope == Scope::Community)
}
