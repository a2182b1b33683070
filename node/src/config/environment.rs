//! Reads the settings among the environment variables that the caller hands in.

use std::collections::BTreeMap;

use super::error::{Origin, Problem, unknown};
use super::keys::{ENVIRONMENT_PREFIX, KEYS};
use super::layer::Layer;
use super::secret;
use super::suggest::did_you_mean;

/// The known settings in `environment`, and a problem for every other variable with our prefix.
///
/// The value is taken as it is: newlines, dollar signs and quotes mean themselves.
pub(super) fn read(environment: &BTreeMap<String, String>) -> (Layer, Vec<Problem>) {
    let (mut layer, mut problems) = (Layer::default(), Vec::new());
    for (name, value) in environment {
        // In any case, so that `testudo__log__filter` is reported and not silently without effect.
        if !name
            .get(..ENVIRONMENT_PREFIX.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(ENVIRONMENT_PREFIX))
        {
            continue;
        }
        let origin = Origin::Environment { name: name.clone() };
        match KEYS.iter().find(|key| key.variable() == *name) {
            Some(key) if secret::is_one(value) => {
                problems.push(Problem::new(origin, secret::refusal(key.path)));
            }
            Some(key) => layer.put(key, value, origin),
            None => {
                let variables = KEYS.iter().map(|key| (key.variable(), key.variable()));
                let guess = did_you_mean(&name.to_uppercase(), variables);
                problems.push(Problem::new(origin, unknown("variable", name, guess)));
            }
        }
    }
    (layer, problems)
}
