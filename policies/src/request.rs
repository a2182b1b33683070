//! One question to the policies: who asks to do what, with which item, for which receiver.
//!
//! The JSON names are the attribute names of the Cedar schema and part of the public interface.
//! Nothing has a default: a request that lacks an attribute, or holds a word or an attribute that
//! the engine does not know, is refused with every part that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::vocabulary::{Action, Caveat, Channel, Class, Level, Personal, Scope, Status, Tlp};

/// A peer as the signed directory describes it, never as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// The code by which labels and lists name the peer.
    pub code: String,
    /// The kind of membership.
    pub cls: Class,
    /// The standing in the directory.
    pub status: Status,
    /// True for member states and for EU institutions.
    pub eu_member: bool,
    /// Level up to which the peer's system is accredited.
    pub accredited_level: Level,
    /// Level up to which a security-of-information agreement with the EU reaches.
    pub soi_level: Level,
    /// Number of sponsors whose sponsorship is active.
    pub active_sponsors: u32,
    /// Whether there is a lawful basis for transferring personal data to the peer.
    pub transfer_basis: bool,
    /// Communities of interest the peer belongs to.
    pub communities: BTreeSet<String>,
    /// Exercises the peer is enrolled in.
    pub exercises: BTreeSet<String>,
    /// Obligations the peer's node can honour.
    pub caps: BTreeSet<String>,
    /// Originator's code to the level up to which a bilateral agreement with it reaches.
    pub tags: BTreeMap<String, Level>,
}

/// An item as its signed label describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assessment {
    /// Code of the originator.
    pub originator: String,
    /// Whether the label parsed, is free of contradictions, and is bound to the content.
    pub label_ok: bool,
    /// Level of protection.
    pub level: Level,
    /// Traffic Light Protocol marking.
    pub tlp: Tlp,
    /// How the audience is described.
    pub scope: Scope,
    /// Codes of the peers named one by one.
    pub rel_to: BTreeSet<String>,
    /// Classes named as a whole.
    pub rel_to_classes: BTreeSet<Class>,
    /// Codes of excluded peers.
    pub not_to: BTreeSet<String>,
    /// Communities of interest; empty means no such limit.
    pub communities: BTreeSet<String>,
    /// Caveats.
    pub caveats: BTreeSet<Caveat>,
    /// Codes of peers for which the originator's signed consent has been verified.
    pub consent: BTreeSet<String>,
    /// Identifier of the exercise; empty for a live item.
    pub exercise: String,
    /// Personal data in the item.
    pub personal: Personal,
    /// Unix seconds; 0 means no expiry.
    #[serde(deserialize_with = "seconds")]
    pub expires_at: i64,
    /// Obligations that every receiver takes on.
    pub obligations: BTreeSet<String>,
}

/// The circumstances in which the deciding hub asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    /// Code of the hub that would send.
    pub sender: String,
    /// Unix seconds.
    #[serde(deserialize_with = "seconds")]
    pub now: i64,
    /// Whether the local charter is still valid.
    pub charter_fresh: bool,
    /// Whether a fork of the charter has been detected.
    pub charter_forked: bool,
    /// The channel on which the item would move.
    pub channel: Channel,
    /// Level for which the cryptography in use has been approved.
    pub crypto_level: Level,
    /// Purpose of the processing; empty means none was stated.
    pub purpose: String,
    /// Urgency; it never widens what is allowed.
    pub priority: String,
}

/// One question: may `action` be done with `assessment` for `receiver`?
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The peers that the question is about: at least receiver, sender and originator.
    pub peers: Vec<Peer>,
    /// What is asked to be done.
    pub action: Action,
    /// Code of the receiver; for publish and downgrade, of the acting peer.
    pub receiver: String,
    /// The item.
    pub assessment: Assessment,
    /// The circumstances.
    pub context: Context,
}

/// Why a text is not a request: every part that is wrong, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("request is not understood: {}", .reasons.join("; "))]
pub struct RequestError {
    reasons: Vec<String>,
}

impl RequestError {
    pub(crate) fn new(reason: String) -> Self {
        Self {
            reasons: vec![reason],
        }
    }

    /// The reasons, one per part of the request.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl Request {
    /// Reads one request from a JSON value.
    ///
    /// # Errors
    /// [`RequestError`] with one reason per part that is absent, misspelt or unknown.
    pub fn from_json(value: &Value) -> Result<Self, RequestError> {
        let Value::Object(parts) = value else {
            return Err(RequestError::new("a request is a JSON object".to_owned()));
        };
        let mut reasons = Vec::new();
        for name in parts.keys().filter(|name| !PARTS.contains(&name.as_str())) {
            reasons.push(format!(
                "unknown attribute `{}`",
                name.chars().take(64).collect::<String>()
            ));
        }
        let peers = peers(parts, &mut reasons);
        let action = part(parts, "action", &mut reasons);
        let receiver = part(parts, "receiver", &mut reasons);
        let assessment = part(parts, "assessment", &mut reasons);
        let context = part(parts, "context", &mut reasons);
        match (peers, action, receiver, assessment, context) {
            (Some(peers), Some(action), Some(receiver), Some(assessment), Some(context))
                if reasons.is_empty() =>
            {
                Ok(Self {
                    peers,
                    action,
                    receiver,
                    assessment,
                    context,
                })
            }
            _ => Err(RequestError { reasons }),
        }
    }
}

/// The parts of a request, all of them mandatory.
const PARTS: [&str; 5] = ["peers", "action", "receiver", "assessment", "context"];

fn part<T: DeserializeOwned>(parts: &Map<String, Value>, name: &str, reasons: &mut Vec<String>) -> Option<T> {
    let Some(value) = parts.get(name) else {
        reasons.push(format!("missing attribute `{name}`"));
        return None;
    };
    read(value, name, reasons)
}

fn peers(parts: &Map<String, Value>, reasons: &mut Vec<String>) -> Option<Vec<Peer>> {
    let values: Vec<Value> = part(parts, "peers", reasons)?;
    let read: Vec<Option<Peer>> = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let code = value.get("code").and_then(Value::as_str).unwrap_or("?");
            read(value, &format!("peer {} `{code}`", index + 1), reasons)
        })
        .collect();
    read.into_iter().collect()
}

fn read<T: DeserializeOwned>(value: &Value, name: &str, reasons: &mut Vec<String>) -> Option<T> {
    match T::deserialize(value) {
        Ok(read) => Some(read),
        Err(error) => {
            reasons.push(format!("{name}: {error}"));
            None
        }
    }
}

/// A point in time cannot lie before 1970: a negative number is a mistake, not an early expiry.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let seconds = i64::deserialize(deserializer)?;
    if seconds < 0 {
        return Err(serde::de::Error::custom(format!("time {seconds} is before 1970")));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn example() -> Value {
        json!({
            "peers": [peer("DE"), peer("FR")],
            "action": "release",
            "receiver": "FR",
            "assessment": {
                "originator": "DE", "labelOk": true, "level": 1, "tlp": "GREEN",
                "scope": "COMMUNITY", "relTo": [], "relToClasses": [], "notTo": [],
                "communities": [], "caveats": [], "consent": [], "exercise": "",
                "personal": "none", "expiresAt": 1_798_286_400, "obligations": []
            },
            "context": {
                "sender": "DE", "now": 1_795_694_400, "charterFresh": true,
                "charterForked": false, "channel": "live", "cryptoLevel": 2,
                "purpose": "situational-awareness", "priority": "routine"
            }
        })
    }

    fn peer(code: &str) -> Value {
        json!({
            "code": code, "cls": "member_state", "status": "active", "euMember": true,
            "accreditedLevel": 2, "soiLevel": 2, "activeSponsors": 0, "transferBasis": true,
            "communities": ["ras"], "exercises": [], "caps": ["expiry"], "tags": {}
        })
    }

    fn reasons(value: &Value) -> Vec<String> {
        Request::from_json(value)
            .expect_err("should be refused")
            .reasons()
            .to_vec()
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        let request = Request::from_json(&example()).expect("the example of the contract");
        assert_eq!(serde_json::to_value(&request).expect("serialises"), example());
    }

    #[test]
    fn each_absent_attribute_is_refused() {
        for part in ["/assessment", "/context", "/peers/0"] {
            let whole = example();
            let names: Vec<String> = whole
                .pointer(part)
                .and_then(Value::as_object)
                .expect("an object")
                .keys()
                .cloned()
                .collect();
            for name in names {
                let mut value = example();
                value
                    .pointer_mut(part)
                    .and_then(Value::as_object_mut)
                    .expect("object")
                    .remove(&name);
                assert!(
                    reasons(&value)[0].contains(&format!("missing field `{name}`")),
                    "{name}"
                );
            }
        }
        for name in PARTS {
            let mut value = example();
            value.as_object_mut().expect("object").remove(name);
            assert_eq!(reasons(&value), [format!("missing attribute `{name}`")]);
        }
    }

    #[test]
    fn every_wrong_part_is_named() {
        let mut value = example();
        value["assessment"]["tlp"] = json!("TLP:ORANGE");
        value["peers"][1]["cls"] = json!("observer");
        value["context"]["now"] = json!(-1);
        let reasons = reasons(&value);
        assert_eq!(reasons.len(), 3);
        assert!(
            reasons[0].contains("peer 2 `FR`: unknown class `observer`"),
            "{reasons:?}"
        );
        assert!(reasons[1].contains("unknown tlp `TLP:ORANGE`"), "{reasons:?}");
        assert!(reasons[2].contains("before 1970"), "{reasons:?}");
    }

    #[test]
    fn an_attribute_nobody_knows_is_refused() {
        let mut value = example();
        value["assessment"]["releasable"] = json!(true);
        assert!(reasons(&value)[0].contains("unknown field `releasable`"));
        let mut value = example();
        value["override"] = json!(true);
        assert_eq!(reasons(&value), ["unknown attribute `override`"]);
    }

    #[test]
    fn wrong_types_are_refused() {
        for (pointer, wrong) in [
            ("/assessment/level", json!(7)),
            ("/assessment/level", json!(1.0)),
            ("/assessment/level", json!("1")),
            ("/assessment/relTo", json!("FR")),
            ("/assessment/labelOk", json!("true")),
            ("/assessment/expiresAt", json!(null)),
            ("/peers/0/activeSponsors", json!(-1)),
            ("/peers/0/tags", json!({"DE": 9})),
            ("/peers", json!({})),
            ("/receiver", json!(["FR"])),
        ] {
            let mut value = example();
            *value.pointer_mut(pointer).expect("in the example") = wrong;
            assert_eq!(reasons(&value).len(), 1, "{pointer}");
        }
        assert_eq!(reasons(&json!([])), ["a request is a JSON object"]);
    }
}
