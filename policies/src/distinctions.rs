//! How far the loaded policies can tell two peers apart.
//!
//! Cedar has no function from an entity to a text and no order on entities. So two peers of equal
//! attributes, class and tags get one answer about one item, if each is in the same lists of the item
//! and neither is its sender or originator: exchanging the two changes nothing that a policy can see,
//! unless the policy names one of them, or looks at `code`, the one attribute in which they differ.
//! This module finds those two exceptions in the policies.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// What sets single peers apart, beside their attributes and their place in the item's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Distinctions {
    named: BTreeSet<String>,
    by_code: bool,
}

impl Distinctions {
    /// Takes in one policy; one that cannot be read sets every peer apart.
    pub(crate) fn take_in(&mut self, policy: &Policy) {
        match policy.to_json() {
            Ok(json) => self.walk(&json),
            Err(_) => self.by_code = true,
        }
    }

    /// Whether some policy may tell this peer from all others.
    pub(crate) fn sets_apart(&self, code: &str) -> bool {
        self.by_code || self.named.contains(code)
    }

    fn walk(&mut self, json: &Value) {
        if self.is_entity(json) || self.is_comparison_of_code(json) {
            return;
        }
        if let Some(access) = json.get(".")
            && access.get("attr").and_then(Value::as_str) == Some("code")
            && !access.get("left").is_some_and(is_of_the_item)
        {
            self.by_code = true;
        }
        match json {
            Value::Array(values) => values.iter().for_each(|value| self.walk(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.walk(value)),
            _ => {}
        }
    }

    /// `Peer::"FR"`, in a scope or in a condition.
    fn is_entity(&mut self, json: &Value) -> bool {
        let (Some(kind), Some(id)) = (text(json, "type"), text(json, "id")) else {
            return false;
        };
        if kind == "Peer" {
            self.named.insert(id.to_owned());
        }
        true
    }

    /// `principal.code == "FR"` and `["FR", "SE"].contains(principal.code)`: as good as naming them.
    fn is_comparison_of_code(&mut self, json: &Value) -> bool {
        let operands = |operator: &str| {
            let operation = json.get(operator)?;
            Some((operation.get("left")?, operation.get("right")?))
        };
        let compared = operands("==").or_else(|| operands("!="));
        let codes = match compared {
            Some((left, right)) if is_code_of_principal(left) => literal(right).map(|code| vec![code]),
            Some((left, right)) if is_code_of_principal(right) => literal(left).map(|code| vec![code]),
            Some(_) => None,
            None => operands("contains")
                .filter(|(_, right)| is_code_of_principal(right))
                .and_then(|(left, _)| left.get("Set")?.as_array()?.iter().map(literal).collect()),
        };
        let found = codes.is_some();
        self.named
            .extend(codes.into_iter().flatten().map(ToOwned::to_owned));
        found
    }
}

fn text<'a>(json: &'a Value, field: &str) -> Option<&'a str> {
    json.get(field)?.as_str()
}

fn literal(json: &Value) -> Option<&str> {
    json.get("Value")?.as_str()
}

fn is_code_of_principal(json: &Value) -> bool {
    json.get(".").is_some_and(|access| {
        text(access, "attr") == Some("code")
            && access.get("left").and_then(|left| text(left, "Var")) == Some("principal")
    })
}

/// `resource.originator`, `context.sender` and the like: one value for all receivers of an item.
fn is_of_the_item(json: &Value) -> bool {
    match json.get(".") {
        Some(access) => access.get("left").is_some_and(is_of_the_item),
        None => matches!(text(json, "Var"), Some("resource" | "context")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{LayerSource, Layers};

    fn found(text: &str) -> Distinctions {
        let mut distinctions = Distinctions::default();
        let set: cedar_policy::PolicySet = text.parse().expect("Cedar");
        set.policies().for_each(|policy| distinctions.take_in(policy));
        distinctions
    }

    fn named(codes: &[&str]) -> Distinctions {
        Distinctions {
            named: codes.iter().map(|code| (*code).to_owned()).collect(),
            by_code: false,
        }
    }

    #[test]
    fn the_baseline_names_nobody() {
        let LayerSource::Files(files) = Layers::embedded().baseline else {
            panic!("the baseline is compiled in")
        };
        for file in files {
            let text = String::from_utf8(file.bytes).expect("text");
            assert_eq!(found(&text), Distinctions::default(), "{}", file.name);
        }
    }

    #[test]
    fn whoever_is_named_is_set_apart() {
        for (text, codes) in [
            (
                r#"forbid (principal == Peer::"FR", action, resource);"#,
                &["FR"][..],
            ),
            (r#"forbid (principal in Peer::"FR", action, resource);"#, &["FR"]),
            (
                r#"forbid (principal, action, resource) when { [Peer::"FR", Peer::"SE"].contains(principal) };"#,
                &["FR", "SE"],
            ),
            (
                r#"forbid (principal, action, resource) unless { principal.code != "FR" };"#,
                &["FR"],
            ),
            (
                r#"forbid (principal, action, resource) when { ["FR", "SE"].contains(principal.code) };"#,
                &["FR", "SE"],
            ),
            (
                r#"forbid (principal, action, resource) when { resource.originator.code == "FR" && context.sender.code == "SE" };"#,
                &[],
            ),
            (
                r#"forbid (principal in Class::"associated", action == Action::"release", resource);"#,
                &[],
            ),
        ] {
            assert_eq!(found(text), named(codes), "{text}");
        }
    }

    #[test]
    fn whoever_looks_at_the_code_otherwise_tells_everybody_apart() {
        for text in [
            r#"forbid (principal, action, resource) when { principal.code like "F*" };"#,
            r#"forbid (principal, action, resource) when { resource.exercise == principal.code };"#,
            r#"forbid (principal, action, resource) when { resource.communities.contains(principal.code) };"#,
            r#"forbid (principal, action, resource) when { principal.hasTag(principal.code) };"#,
            r#"forbid (principal, action, resource) when { (if resource.labelOk then principal else resource.originator).code == "FR" };"#,
            r#"forbid (principal, action, resource) when { ["FR", resource.exercise].contains(principal.code) };"#,
        ] {
            assert!(found(text).sets_apart("anybody"), "{text}");
        }
    }
}
