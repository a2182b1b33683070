//! Random drafts: a label, and a bundle that fits it or does not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testudo_protocol::community::Community;
use testudo_protocol::id::HubId;
use testudo_protocol::label::{Caveat, Class, Label, Level, Personal, Scope, Tlp};
use testudo_protocol::licence::Licence;

use crate::dice::Dice;
use crate::federation::Federation;

/// Real assessments, from the weakest marking to the strictest.
const ASSESSMENTS: [(Tlp, &str); 4] = [
    (
        Tlp::Clear,
        include_str!("../../testnet/assessments/pravda-llm-grooming-2025.json"),
    ),
    (
        Tlp::Green,
        include_str!("../../testnet/assessments/doppelgaenger-rrn-2023.json"),
    ),
    (
        Tlp::Amber,
        include_str!("../../testnet/assessments/portal-kombat-2024.json"),
    ),
    (
        Tlp::AmberStrict,
        include_str!("../../testnet/assessments/storm-1516-2025.json"),
    ),
];

/// Shortest and longest life of an item that expires, in seconds: within a run.
const LIFE_SECONDS: (u64, u64) = (5, 40);

/// A label such as an analyst might give; a few contradict themselves.
pub fn label(dice: &mut Dice, originator: HubId, now_seconds: u64) -> Label {
    let hubs: Vec<HubId> = Federation::get()
        .codes()
        .iter()
        .copied()
        .filter(|hub| *hub != originator)
        .collect();
    let tlp = match dice.below(100) {
        0..20 => Tlp::Clear,
        20..45 => Tlp::Green,
        45..75 => Tlp::Amber,
        75..87 => Tlp::AmberStrict,
        _ => Tlp::Red,
    };
    let community = matches!(tlp, Tlp::Clear | Tlp::Green) && dice.chance(60);
    let level = match dice.below(100) {
        0..25 => 0,
        25..80 => 1,
        80..98 => 2,
        _ => 3,
    };
    let mut label = plain(level, tlp);
    if !community {
        label.scope = Scope::List;
        label.rel_to = dice.some(&hubs, 45).into_iter().collect();
        if tlp != Tlp::Red && dice.chance(40) {
            label.rel_to_classes = dice.some(&CLASSES, 40).into_iter().collect();
        }
    }
    if dice.chance(25) {
        // One in a while is also in `rel_to`, which contradicts itself.
        label.not_to = dice.some(&hubs, 15).into_iter().collect();
        if dice.chance(85) {
            let excluded = label.not_to.clone();
            label.rel_to.retain(|hub| !excluded.contains(hub));
        }
    }
    limit(dice, &mut label, now_seconds);
    label
}

/// A licence such as an analyst might give; most leave it to the label, a few contradict it.
pub fn licence(dice: &mut Dice, label: &Label) -> Option<Licence> {
    let hubs = Federation::get().codes();
    match dice.below(100) {
        0..60 => None,
        60..70 => Some(Licence::AsLabelled),
        70..80 => Some(Licence::Consent),
        80..85 => Some(Licence::Nobody),
        _ => {
            let mut named: BTreeSet<HubId> = dice.some(hubs, 30).into_iter().collect();
            if dice.chance(90) {
                named.retain(|hub| !label.not_to.contains(hub));
            }
            Some(Licence::Named {
                hubs: named,
                classes: dice.some(&CLASSES, 20).into_iter().collect(),
                until: 0,
            })
        }
    }
}

/// A label that names hubs and limits nothing else.
pub fn listed(tlp: Tlp, hubs: impl Iterator<Item = HubId>) -> Label {
    Label {
        scope: Scope::List,
        rel_to: hubs.collect(),
        ..plain(1, tlp)
    }
}

/// A label for exactly the other members of one community of the originator, if it is in one.
pub fn for_community(dice: &mut Dice, originator: HubId) -> Label {
    let of_hub = Community::all_of(Federation::get().charter(), originator);
    let community = dice.pick(&of_hub).expect("everybody is in one");
    let others = community
        .members()
        .iter()
        .copied()
        .filter(|hub| *hub != originator);
    listed(Tlp::Amber, others)
}

const CLASSES: [Class; 5] = [
    Class::MemberState,
    Class::EuInstitution,
    Class::Associated,
    Class::Likeminded,
    Class::Stakeholder,
];

fn plain(level: u8, tlp: Tlp) -> Label {
    Label {
        level: Level::try_from(i64::from(level)).expect("levels are 0 to 6"),
        tlp,
        scope: Scope::Community,
        rel_to: BTreeSet::new(),
        rel_to_classes: BTreeSet::new(),
        not_to: BTreeSet::new(),
        communities: BTreeSet::new(),
        caveats: BTreeSet::new(),
        exercise: String::new(),
        personal: Personal::None,
        expires_at: 0,
        obligations: BTreeSet::new(),
        pap: None,
        national: None,
    }
}

/// Limits beside the audience.
fn limit(dice: &mut Dice, label: &mut Label, now_seconds: u64) {
    if dice.chance(15) {
        label.communities.insert("elections".to_owned());
    }
    if dice.chance(12) {
        label.caveats.insert(Caveat::Orcon);
    }
    if dice.chance(10) {
        label.caveats.insert(Caveat::EuOnly);
    }
    if dice.chance(12) {
        label.expires_at = now_seconds + dice.between(LIFE_SECONDS.0, LIFE_SECONDS.1);
    }
    if dice.chance(10) {
        label.personal = Personal::Identified;
    }
    if dice.chance(10) {
        label.obligations.insert("purge".to_owned());
    }
}

/// A bundle whose root carries a marker, now and then a real assessment; a few are marked more
/// strictly than their label.
pub fn bundle(dice: &mut Dice, label: &Label, marker: &str) -> Vec<u8> {
    let fitting: Vec<&str> = ASSESSMENTS
        .iter()
        .filter(|(marking, _)| *marking <= label.tlp)
        .map(|(_, text)| *text)
        .collect();
    if dice.chance(12)
        && let Some(text) = dice.pick(&fitting)
    {
        return marked(text, marker);
    }
    let marking = if dice.chance(3) { Tlp::Red } else { label.tlp };
    let report = format!("report--{}", uuid(dice));
    let url = format!("url--{}", uuid(dice));
    let bundle = json!({
        "type": "bundle",
        "id": format!("bundle--{}", uuid(dice)),
        "objects": [
            {
                "type": "report", "spec_version": "2.1", "id": report,
                "created": "2026-09-01T00:00:00.000Z", "modified": "2026-09-01T00:00:00.000Z",
                "published": "2026-09-01T00:00:00.000Z", "name": marker,
                "object_refs": [url], "object_marking_refs": [marking_id(marking)],
            },
            { "type": "url", "id": url, "value": format!("https://example.org/{marker}") },
        ],
    });
    bundle.to_string().into_bytes()
}

fn marked(assessment: &str, marker: &str) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_str(assessment).expect("an assessment is JSON");
    bundle["objects"][0]["name"] = json!(marker);
    bundle.to_string().into_bytes()
}

fn marking_id(tlp: Tlp) -> String {
    let uuid = match tlp {
        Tlp::Clear => "94868c89-83c2-464b-929b-a1a8aa3c8487",
        Tlp::Green => "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        Tlp::Amber => "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        Tlp::AmberStrict => "939a9414-2ddd-4d32-a0cd-375ea402b003",
        Tlp::Red => "e828b379-4e03-4974-9ac4-e53a884c97c1",
    };
    format!("marking-definition--{uuid}")
}

fn uuid(dice: &mut Dice) -> String {
    let hex: String = dice
        .bytes32()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
