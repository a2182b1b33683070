//! One layer of settings: what one source says, each value with the place where it stands.

use std::collections::BTreeMap;

use config::{Map, Source, Value};

use super::error::Origin;
use super::keys::{KEYS, Key};

/// What the file or the environment says, known keys only.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Layer {
    /// Notes the value of `key`.
    pub(super) fn put(&mut self, key: &Key, value: &str, origin: Origin) {
        self.values.insert(key.path, (value.to_owned(), origin));
    }
}

// The crate's own sources for files and for the environment lose line and column, and fold upper
// and lower case together. This one is handed what has been read with its positions.
impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let place = |(path, (text, origin)): (&&'static str, &(String, Origin))| {
            (
                (*path).to_owned(),
                Value::new(Some(&origin.to_string()), text.as_str()),
            )
        };
        Ok(self.values.iter().map(place).collect())
    }
}

/// For every setting, the place that decides it: the last layer that names it.
pub(super) fn origins(file: &Layer, environment: &Layer) -> BTreeMap<&'static str, Origin> {
    let decide = |key: &Key| {
        let named = environment
            .values
            .get(key.path)
            .or_else(|| file.values.get(key.path));
        (
            key.path,
            named.map_or(Origin::Default, |(_, origin)| origin.clone()),
        )
    };
    KEYS.iter().map(decide).collect()
}
