//! The straight answer to "may this hub have this item", asked past the gate.
//!
//! Questions are built here from label and charter, so that a mistake in how the gate builds its
//! own shows as a difference.

use std::sync::OnceLock;

use serde_json::{Value, json};
use testudo_policies::engine::Asked;
use testudo_policies::prepared::Prepared;
use testudo_policies::request::{Assessment, Context, Peer};
use testudo_policies::vocabulary::{Action, Channel, Level};
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::licence::Licence;

use crate::federation::{Federation, National};

/// One question without its receiver.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// Release or forward.
    pub action: Action,
    /// Who sends.
    pub sender: HubId,
    /// Who signed the label.
    pub originator: HubId,
    /// The label.
    pub label: &'a Label,
    /// The purpose of the release.
    pub purpose: &'a str,
    /// Under which national policy.
    pub national: National,
    /// Whether the originator has consented to this sender and this receiver.
    pub consented: bool,
    /// When.
    pub now: Timestamp,
}

/// Whether the policies of the federation let `receiver` have the item.
pub fn permits(case: &Case<'_>, receiver: HubId) -> bool {
    let context = Context {
        sender: case.sender.to_string(),
        now: i64::try_from(case.now.seconds()).expect("a time of this age"),
        charter_fresh: true,
        charter_forked: false,
        channel: Channel::Live,
        crypto_level: Level::SENSITIVE,
        purpose: case.purpose.to_owned(),
        priority: "routine".to_owned(),
    };
    let code = receiver.to_string();
    let item = assessment(case, &code);
    prepared(case.national)
        .decide(case.action, &code, &item, &context, Asked::Sending)
        .is_permit()
}

/// Whether a licence names a receiver, itself or by its class; in a run none has an end.
pub fn covers(licence: &Licence, receiver: HubId) -> bool {
    let mut members = Federation::get().charter().members();
    let class = members
        .find(|member| member.code == receiver)
        .map(|member| member.class);
    match licence {
        Licence::Named { hubs, classes, .. } => {
            hubs.contains(&receiver) || class.is_some_and(|class| classes.contains(&class))
        }
        Licence::Consent | Licence::Nobody | Licence::AsLabelled => false,
    }
}

fn assessment(case: &Case<'_>, receiver: &str) -> Assessment {
    let mut item = serde_json::to_value(case.label).expect("a label is plain data");
    let fields = item.as_object_mut().expect("a label is an object");
    fields.remove("national");
    fields.remove("pap");
    fields.insert("originator".to_owned(), json!(case.originator));
    fields.insert("labelOk".to_owned(), json!(case.label.check().is_ok()));
    let consent = if case.consented && case.action == Action::Forward {
        vec![receiver]
    } else {
        Vec::new()
    };
    if let Some(Value::Array(named)) = fields.get_mut("relTo") {
        named.extend(consent.iter().map(|code| json!(code)));
    }
    fields.insert("consent".to_owned(), json!(consent));
    serde_json::from_value(item).expect("label and policies share their words")
}

fn prepared(national: National) -> &'static Prepared {
    static OPEN: OnceLock<Prepared> = OnceLock::new();
    static STRICT: OnceLock<Prepared> = OnceLock::new();
    let cell = match national {
        National::Open => &OPEN,
        National::Strict => &STRICT,
    };
    cell.get_or_init(|| {
        let engine = Federation::get().engine(national);
        engine.prepare(&peers()).expect("the members fit the schema")
    })
}

fn peers() -> Vec<Peer> {
    let members = Federation::get().charter().members();
    members
        .map(|member| {
            let peer = json!({
                "code": member.code, "cls": member.class, "status": member.status,
                "euMember": member.eu_member, "accreditedLevel": member.accredited_level,
                "soiLevel": member.soi_level, "activeSponsors": member.sponsors.len(),
                "transferBasis": member.transfer_basis, "communities": member.communities,
                "exercises": member.exercises, "caps": member.caps, "tags": {},
            });
            serde_json::from_value(peer).expect("charter and policies share their words")
        })
        .collect()
}
