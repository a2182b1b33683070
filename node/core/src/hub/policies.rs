//! Other policies: what they would change, and putting them in force.

use testudo_policies::engine::Engine;
use testudo_policies::gate::{GateError, Question, Source, Trial};
use testudo_policies::vocabulary::Action;
use testudo_protocol::id::HubId;

use super::Hub;
use crate::records::{ItemRecord, ItemState};
use crate::views::{PolicyDiff, PolicyDifference};

impl Hub {
    /// What other policies would answer about every valid item of our own and every member. Changes nothing.
    ///
    /// # Errors
    /// [`GateError`] if the members do not fit the other policies.
    pub fn policy_diff(&self, engine: Engine) -> Result<PolicyDiff, GateError> {
        let trial = Trial::new(engine, self.gate.charter().clone())?;
        let members = self.gate.charter().members().map(|member| member.code);
        let receivers: Vec<HubId> = members.filter(|code| *code != self.me).collect();
        let own = |record: &&ItemRecord| record.originator == self.me && record.state == ItemState::Released;
        let mut diff = PolicyDiff {
            active: self.gate.policies(),
            proposed: trial.policies(),
            items: 0,
            answers: 0,
            differences: Vec::new(),
        };
        for record in self.items.values().filter(own) {
            // Of an item whose sources are gone nothing is sent any more, whatever the policies say.
            let Some(sources) = self.sources(&record.sources) else {
                continue;
            };
            let question = self.question_again(record, &sources);
            let before = self.gate.verdicts(&question, &receivers);
            let after = trial.verdicts(&question, &receivers);
            diff.items += 1;
            diff.answers += receivers.len();
            let pairs = receivers.iter().zip(before.into_iter().zip(after));
            diff.differences.extend(
                pairs
                    .filter(|(_, (before, after))| before.is_some() != after.is_some())
                    .map(|(hub, (before, after))| PolicyDifference {
                        item: record.item.item,
                        version: record.item.version,
                        hub: *hub,
                        before: verdict(before.is_some()).to_owned(),
                        after: verdict(after.is_some()).to_owned(),
                        rules: before
                            .or(after)
                            .map(|denied| denied.rules().to_vec())
                            .unwrap_or_default(),
                    }),
            );
        }
        Ok(diff)
    }

    /// The release of one of our own items, as it would be asked now.
    pub(super) fn question_again<'a>(
        &self,
        record: &'a ItemRecord,
        sources: &'a [Source<'a>],
    ) -> Question<'a> {
        Question {
            action: Action::Release,
            sender: self.me,
            originator: record.originator,
            item: record.item,
            body_hash: record.body_hash,
            label: &record.label,
            licence: &record.licence,
            purpose: &record.purpose,
            consent: None,
            sources,
            created: record.created,
            now: self.now,
        }
    }
}

const fn verdict(is_denied: bool) -> &'static str {
    if is_denied { "deny" } else { "permit" }
}
