//! Acts that change under what this hub decides: entered before they count.

use testudo_policies::gate::Gate;
use testudo_protocol::id::Hash;
use testudo_protocol::ledger::{Entry, OperatorAct};

use super::Hub;
use super::step::{After, Step};
use crate::output::{Event, Family, Output};

/// Row of the charter that the ledger named last.
pub(super) const CHARTER_ROW: &[u8] = b"charter";

/// Row of the policies that the ledger named last.
pub(super) const POLICIES_ROW: &[u8] = b"policies";

impl Hub {
    /// Enters that the operators started this hub, once for each process, and the charter and policies under which
    /// it runs if they are others than before.
    pub(super) fn enter_grounds(&mut self, step: &mut Step) {
        if !std::mem::replace(&mut self.entered_start, true) {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            let act = OperatorAct::Started { version };
            // Entries are far below the codec's limit, here and below.
            let _bounded = self.enter(step, Entry::Operator { act });
        }
        let charter = self.gate.charter().fingerprint();
        if self.entered_charter.replace(charter) != Some(charter) {
            let members = self.gate.charter().members().count();
            let entry = Entry::Charter {
                version: self.gate.charter().version(),
                charter,
                members: u32::try_from(members).unwrap_or(u32::MAX),
            };
            let _bounded = self.enter(step, entry);
            step.put_bytes(
                Family::Checkpoint,
                CHARTER_ROW.to_vec(),
                charter.as_bytes().to_vec(),
            );
        }
        self.enter_policies(step, self.gate.policies());
    }

    fn enter_policies(&mut self, step: &mut Step, policies: Hash) {
        if self.entered_policies.replace(policies) == Some(policies) {
            return;
        }
        let _bounded = self.enter(step, Entry::PoliciesActivated { policies });
        step.put_bytes(
            Family::Checkpoint,
            POLICIES_ROW.to_vec(),
            policies.as_bytes().to_vec(),
        );
    }

    /// Puts other policies in force once the entry that names them is durable: from then on every question is
    /// asked of them.
    ///
    /// Nothing is sent by this. Each permit is minted by the gate that sends, so that what was allowed before is
    /// asked again; a release whose decision is being written ends with `preview-changed`.
    pub(super) fn on_policies(&mut self, gate: Gate, out: &mut Vec<Output>) {
        // Policies alone change here; another charter has its own way in.
        if gate.charter().fingerprint() != self.gate.charter().fingerprint() {
            return;
        }
        if self.is_fenced() {
            // It enters nothing; what it runs under is entered when the fence is gone, before anything is asked.
            self.put_policies_in_force(gate, out);
            return;
        }
        let mut step = Step::default();
        self.enter_policies(&mut step, gate.policies());
        step.then(After::Policies(Box::new(gate)));
        self.commit(step, out);
    }

    pub(super) fn put_policies_in_force(&mut self, gate: Gate, out: &mut Vec<Output>) {
        let policies = gate.policies();
        // Policies change nothing about what the authorities have approved, nor about what members have decided, which
        // may have become something else while the entry was written.
        let charter = self.gate.charter().clone();
        self.gate = gate.with_approvals(self.gate.approvals().clone());
        if let Err(error) = self.adopt(charter) {
            self.report_blocked(&error, out);
        }
        // What was allowed before must not be passed on afterwards.
        self.regather(out);
        out.push(Output::Report(Event::PoliciesActivated { policies }));
    }
}
