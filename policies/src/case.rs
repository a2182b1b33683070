//! One checked example of what the rules mean: a request, and the answer it must get.
//!
//! `cases/permit` and `cases/deny` hold the federation's; a country can keep its own beside its
//! policies and run them before it activates a change.

use serde::Deserialize;
use serde_json::Value;

use crate::engine::{Asked, Engine};

/// A request with the answer that it must get.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows, for people.
    pub why: String,
    /// The request as it would be sent; it may be one that must not be understood.
    pub request: Value,
    /// The answer it must get.
    pub expect: Expected,
}

/// The answer that a case must get.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// `permit` or `deny`.
    pub decision: ExpectedVerdict,
    /// The exact rule ids, sorted.
    pub rules: Vec<String>,
    /// A part of one of the errors; where it is absent there must be no error.
    #[serde(default)]
    pub error: Option<String>,
}

/// The verdict that a case must get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedVerdict {
    /// The request is permitted.
    Permit,
    /// The request is denied.
    Deny,
}

/// A text that is not a case.
#[derive(Debug, thiserror::Error)]
#[error("read the case")]
pub struct CaseError(#[from] serde_json::Error);

/// A case that got another answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct CaseFailure {
    expected: String,
    found: String,
}

impl Case {
    /// Reads a case from a JSON text.
    ///
    /// # Errors
    /// [`CaseError`] if the text is not a case.
    pub fn from_json(text: &[u8]) -> Result<Self, CaseError> {
        Ok(serde_json::from_slice(text)?)
    }

    /// Asks all layers and compares verdict, rules and errors.
    ///
    /// # Errors
    /// [`CaseFailure`] with both answers.
    pub fn check(&self, engine: &Engine) -> Result<(), CaseFailure> {
        let decision = engine.answer_value(&self.request, Asked::Everything);
        let errors_agree = match &self.expect.error {
            Some(part) => decision.errors().iter().any(|error| error.contains(part)),
            None => decision.errors().is_empty(),
        };
        let permit = self.expect.decision == ExpectedVerdict::Permit;
        if permit == decision.is_permit() && self.expect.rules == decision.rules() && errors_agree {
            return Ok(());
        }
        Err(CaseFailure {
            expected: summary(permit, &self.expect.rules, self.expect.error.as_slice()),
            found: summary(decision.is_permit(), decision.rules(), decision.errors()),
        })
    }
}

fn summary(permit: bool, rules: &[String], errors: &[String]) -> String {
    let verdict = if permit { "permit" } else { "deny" };
    let errors = if errors.is_empty() {
        String::new()
    } else {
        format!(" with errors: {}", errors.join("; "))
    };
    format!("{verdict} by [{}]{errors}", rules.join(", "))
}
