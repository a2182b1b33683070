//! Answers to a file of questions, as the command line and the API give them.

use serde::Serialize;
use serde_json::Value;

use crate::decision::Decision;
use crate::engine::{Asked, Engine};
use crate::request::{Request, RequestError};

/// One decision for one request, or one per request of an array, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The text held one request, or was not understood at all.
    One(Decision),
    /// The text held an array of requests.
    Many(Vec<Decision>),
}

impl Engine {
    /// Answers a JSON text: one request, or an array of them.
    ///
    /// A text or a request that is not understood is a denial with the reason in its errors.
    #[must_use]
    pub fn answer(&self, text: &[u8], asked: Asked) -> Answer {
        match serde_json::from_slice(text) {
            Ok(Value::Array(requests)) => Answer::Many(
                requests
                    .iter()
                    .map(|request| self.answer_value(request, asked))
                    .collect(),
            ),
            Ok(request) => Answer::One(self.answer_value(&request, asked)),
            Err(error) => {
                let error = RequestError::new(format!("not a JSON text: {error}"));
                Answer::One(self.refuse(error.reasons().to_vec()))
            }
        }
    }

    /// Answers one request that is already a JSON value.
    #[must_use]
    pub fn answer_value(&self, request: &Value, asked: Asked) -> Decision {
        match Request::from_json(request) {
            Ok(request) => self.decide_asking(&request, asked),
            Err(error) => self.refuse(error.reasons().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_denied_with_a_reason() {
        let engine = Engine::embedded().expect("the compiled-in policies load");
        for text in ["", "{", "null", "{}", "\"permit\""] {
            let Answer::One(decision) = engine.answer(text.as_bytes(), Asked::Everything) else {
                panic!("one text, one answer");
            };
            assert!(!decision.is_permit() && decision.is_default(), "{text}");
            assert!(!decision.errors().is_empty(), "{text}");
        }
    }

    #[test]
    fn an_array_is_answered_in_its_order() {
        let engine = Engine::embedded().expect("the compiled-in policies load");
        let Answer::Many(decisions) = engine.answer(br#"[{"receiver": 1}, 2]"#, Asked::Everything) else {
            panic!("an array, an array");
        };
        assert_eq!(decisions.len(), 2);
        assert_eq!(decisions[1].errors(), ["a request is a JSON object"]);
        assert_eq!(engine.answer(b"[]", Asked::Everything), Answer::Many(Vec::new()));
    }
}
