//! JSON that has one reading: no duplicate keys, bounded depth, no trailing text.
//!
//! Two hubs that read one signed body differently would disagree about its markings, so
//! whatever allows two readings is refused. (RFC 8259 leaves duplicate keys open.)

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting of lists and objects.
pub const JSON_DEPTH_MAX: usize = 64;

/// Why a text has no single reading. Line and column point into the author's own file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}: {what}")]
pub struct StrictJsonError {
    line: usize,
    column: usize,
    what: &'static str,
}

const DUPLICATE: &str = "a key appears twice in one object";
const DEEP: &str = "nesting is deeper than 64";

/// Parses a text.
///
/// # Errors
/// [`StrictJsonError`] with position and reason, without the text itself.
pub fn parse(bytes: &[u8]) -> Result<Value, StrictJsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let located = |error: serde_json::Error| {
        let message = error.to_string();
        let what = if message.starts_with(DUPLICATE) {
            DUPLICATE
        } else if message.starts_with(DEEP) || message.starts_with("recursion limit") {
            DEEP
        } else if error.is_eof() {
            "the text ends too early"
        } else {
            "not valid JSON"
        };
        StrictJsonError {
            line: error.line(),
            column: error.column(),
            what,
        }
    };
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .map_err(located)?;
    deserializer.end().map_err(located)?;
    Ok(value)
}

/// Builds a [`Value`], counting depth and refusing a second use of a key.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH_MAX {
            Err(E::custom(DEEP))
        } else {
            Ok(Self {
                depth: self.depth.saturating_add(1),
            })
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> &'static str {
        parse(text.as_bytes()).unwrap_err().what
    }

    #[test]
    fn what_allows_two_readings_is_refused() {
        assert_eq!(what(r#"{"a":1,"b":{"c":1,"c":2}}"#), DUPLICATE);
        assert_eq!(what(r#"{"a":1} {}"#), "not valid JSON");
        assert_eq!(what("{\"a\":"), "the text ends too early");
        assert_eq!(what("\"\\ud800\""), "not valid JSON");
        assert_eq!(what("NaN"), "not valid JSON");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(what(&nested(JSON_DEPTH_MAX + 1)), DEEP);
        assert_eq!(what(&nested(100_000)), DEEP);
    }

    #[test]
    fn values_are_those_that_serde_json_reads() {
        let text = r#"{"a":[1,-2,2.5,null,true,"x"],"b":{"c":18446744073709551615}}"#;
        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }
}
