//! The settings as a JSON Schema, for editors that complete and check while somebody types.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key};

/// Number of the layout of the configuration file. There has been no other.
pub const CONFIG_FORMAT: u32 = 1;

/// The schema of a configuration file, made from the table of keys.
#[must_use]
pub fn schema() -> Value {
    let mut sections: Map<String, Value> = Map::new();
    for key in KEYS {
        let section = sections.entry(key.section()).or_insert_with(section);
        section["properties"][key.name()] = property(key);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of one Testudo hub",
        "x-testudo-config-format": CONFIG_FORMAT,
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

fn section() -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": {}})
}

fn property(key: &Key) -> Value {
    let mut property = json!({
        "type": "string",
        "description": key.about.replace('\n', " "),
        "examples": [key.sample],
        "x-testudo-environment": key.variable(),
        "x-testudo-needs-restart": !key.live,
    });
    if let Some(default) = key.default {
        property["default"] = default.into();
    }
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_setting_and_no_other() {
        let schema = schema();
        let mut found = 0;
        for (section, body) in schema["properties"].as_object().unwrap() {
            assert_eq!(body["additionalProperties"], false);
            for (name, property) in body["properties"].as_object().unwrap() {
                let path = format!("{section}.{name}");
                let key = KEYS.iter().find(|key| key.path == path).unwrap();
                assert_eq!(property["default"].as_str(), key.default);
                assert_eq!(property["x-testudo-environment"], key.variable());
                found += 1;
            }
        }
        assert_eq!(found, KEYS.len());
    }
}
