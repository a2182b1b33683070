//! Random charters, labels and policies: preview and enforcement ask one gate, and the gate agrees on verdict and
//! rule ids with rules that are written straight down in Rust.

use std::collections::BTreeSet;

use serde_json::json;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::{Note, NoteSigner};
use testudo_policies::gate::{Answer, Approvals, Gate, Question};
use testudo_policies::request::{Assessment, Context, Peer, Request};
use testudo_policies::vocabulary::{Action, Channel, Class, Level, Status};
use testudo_protocol::charter::{Charter, Member};
use testudo_protocol::id::{Hash, HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use testudo_protocol::label::{Label, Tlp};
use testudo_protocol::licence::Licence;
use testudo_protocol::statement::{Accreditation, CryptoApproval};

use crate::dice::Dice;
use crate::drafts;
use crate::federation::{Federation, National, hub};
use crate::{law, straight_line};

/// Charters drawn; each takes a signature of every voter.
const CHARTERS: u64 = 40;

/// Labels drawn for each charter.
const LABELS: u64 = 25;

const NOW_SECONDS: u64 = 1_795_694_400;

/// The charter with every member's standing thrown anew.
fn charter(dice: &mut Dice) -> Charter {
    Federation::get().charter_with(Timestamp::from_seconds(NOW_SECONDS), |member| {
        let level = |dice: &mut Dice| u8::try_from(dice.below(7)).expect("0 to 6");
        if dice.chance(15) {
            member.status = *dice.pick(Status::ALL).expect("there are some");
        }
        member.accredited_level = level(dice);
        member.soi_level = level(dice);
        member.transfer_basis = dice.chance(70);
        member.communities = some(dice, &["elections", "health"]);
        member.caps = some(dice, &["expiry", "purge"]);
    })
}

fn some(dice: &mut Dice, words: &[&'static str]) -> BTreeSet<String> {
    dice.some(words, 70).into_iter().map(ToOwned::to_owned).collect()
}

fn peer(charter: &Charter, member: &Member) -> Peer {
    let level = |level: u8| Level::try_from(i64::from(level)).expect("0 to 6");
    let active = |code: &&HubId| {
        charter
            .member(**code)
            .is_some_and(|member| member.status == Status::Active)
    };
    Peer {
        code: member.code.to_string(),
        cls: member.class,
        status: member.status,
        eu_member: matches!(member.class, Class::MemberState | Class::EuInstitution),
        accredited_level: level(member.accredited_level),
        soi_level: level(member.soi_level),
        active_sponsors: u32::try_from(member.sponsors.keys().filter(active).count()).expect("a few"),
        transfer_basis: member.transfer_basis,
        communities: member.communities.clone(),
        exercises: member.exercises.clone(),
        caps: member.caps.clone(),
        tags: Default::default(),
    }
}

fn request(charter: &Charter, label: &Label, action: Action, sender: HubId) -> Request {
    let mut item = serde_json::to_value(label).expect("a label is plain data");
    let fields = item.as_object_mut().expect("a label is an object");
    fields.remove("national");
    fields.remove("pap");
    fields.insert("originator".to_owned(), json!("FR"));
    fields.insert("labelOk".to_owned(), json!(label.check().is_ok()));
    fields.insert("consent".to_owned(), json!([]));
    let assessment: Assessment = serde_json::from_value(item).expect("label and policies share their words");
    Request {
        peers: charter.members().map(|member| peer(charter, member)).collect(),
        action,
        receiver: String::new(),
        assessment,
        context: Context {
            sender: sender.to_string(),
            now: i64::try_from(NOW_SECONDS).expect("a time of this age"),
            charter_fresh: true,
            charter_forked: false,
            channel: Channel::Live,
            crypto_level: Level::SENSITIVE,
            purpose: "situational-awareness".to_owned(),
            priority: "routine".to_owned(),
        },
    }
}

/// The straight answer: `None` for a permit, the rules of a denial otherwise.
fn straight(request: &Request, national: National) -> Option<Vec<String>> {
    let (permitted, rules) = straight_line::decide(request);
    let disclose = matches!(request.action, Action::Release | Action::Forward);
    let is_national = national == National::Strict && disclose && request.receiver == "CA";
    let mut denials = if permitted { Vec::new() } else { rules };
    if is_national {
        denials.push("N-CA".to_owned());
        denials.sort();
    }
    match (permitted && !is_national, denials.is_empty()) {
        (true, _) => None,
        (false, true) => Some(vec!["default".to_owned()]),
        (false, false) => Some(denials),
    }
}

/// The straight answer where the originator's licence stands beside the rules.
fn straight_with(
    plain: &Request,
    licence: &Licence,
    receiver: HubId,
    national: National,
) -> Option<Vec<String>> {
    let mut request = plain.clone();
    request.receiver = receiver.to_string();
    let is_forward = request.action == Action::Forward;
    let is_covered = is_forward && law::covers(licence, receiver);
    if is_covered {
        request.assessment.consent.insert(receiver.to_string());
        request.assessment.rel_to.insert(receiver.to_string());
    }
    let denials = straight(&request, national);
    if !is_forward || is_covered || *licence == Licence::AsLabelled {
        return denials;
    }
    let mut denials = denials.unwrap_or_default();
    denials.retain(|rule| rule != "default");
    denials.push("R-22".to_owned());
    denials.sort();
    Some(denials)
}

fn denial(answer: &Answer) -> Option<Vec<String>> {
    match answer {
        Answer::Allowed(_) => None,
        Answer::Denied(denied) => Some(denied.rules().to_vec()),
    }
}

#[test]
fn the_gate_agrees_with_the_straight_line_rules_for_random_charters_and_labels() {
    let mut dice = Dice::new(5);
    let (mut permits, mut denials) = (0_u32, 0_u32);
    for _ in 0..CHARTERS {
        let charter = charter(&mut dice);
        let national = if dice.chance(50) {
            National::Open
        } else {
            National::Strict
        };
        let engine = Federation::get().engine(national).clone();
        let gate = Gate::new(engine, charter.clone()).expect("the charter names this baseline");
        let receivers: Vec<HubId> = charter.members().map(|member| member.code).collect();
        for _ in 0..LABELS {
            let label = drafts::label(&mut dice, hub("FR"), NOW_SECONDS);
            let action = if dice.chance(80) {
                Action::Release
            } else {
                Action::Forward
            };
            let licence = drafts::licence(&mut dice, &label).unwrap_or(Licence::AsLabelled);
            let sender = hub(if action == Action::Release { "FR" } else { "DE" });
            let now = Timestamp::from_seconds(NOW_SECONDS);
            let question = Question {
                action,
                sender,
                originator: hub("FR"),
                item: ItemRef {
                    item: ItemId::new([1; 16]),
                    version: ItemVersion::new(1),
                },
                body_hash: Hash::new([2; 32]),
                label: &label,
                licence: &licence,
                purpose: "situational-awareness",
                consent: None,
                sources: &[],
                created: now,
                now,
            };
            let plain = request(&charter, &label, action, sender);
            let previewed = gate.ask_each(&question, &receivers);
            for (receiver, previewed) in receivers.iter().zip(&previewed) {
                let expected = straight_with(&plain, &licence, *receiver, national);
                assert_eq!(denial(previewed), expected, "preview of {receiver} for {label:?}");
                assert_eq!(
                    denial(&gate.ask(&question, *receiver)),
                    expected,
                    "sending to {receiver}"
                );
                *(if expected.is_none() {
                    &mut permits
                } else {
                    &mut denials
                }) += 1;
            }
        }
    }
    // A run that permits or denies everything would show nothing.
    assert!(
        permits > 1_000 && denials > 1_000,
        "{permits} permits, {denials} denials"
    );
}

/// A statement of an authority about level 3, valid for one more hour.
fn statement(about: &str, signer: &NoteSigner) -> Vec<u8> {
    let end = NOW_SECONDS + 3_600;
    let text =
        format!(r#"{{{about},"federation":"simulation","realm":"live","level":3,"validUntil":{end}}}"#);
    Note::sign(format!("{text}\n"), &[signer])
        .expect("a note")
        .to_bytes()
}

#[test]
fn what_a_deployment_may_handle_follows_the_statements_of_its_authority() {
    let charter = Federation::get().charter_with(Timestamp::from_seconds(NOW_SECONDS), |member| {
        member.accredited_level = 3;
    });
    let signer = NoteSigner::new("authority", &SigningKey::from_seed([77; 32])).expect("a name");
    let authority = signer.verifier();
    let accreditation = statement(r#""kind":"accreditation","hub":"FR""#, &signer);
    let suite = u8::from(charter.writes());
    let crypto = statement(&format!(r#""kind":"crypto-approval","suite":{suite}"#), &signer);
    let other_suite = statement(r#""kind":"crypto-approval","suite":200"#, &signer);
    let verified = |file: &[u8]| CryptoApproval::verify(file, &authority, charter.realm()).expect("it fits");
    let accreditation = Accreditation::verify(&accreditation, &authority, charter.realm(), hub("FR"));
    let accreditation = Some(accreditation.expect("it is for FR"));

    let mut label = drafts::listed(Tlp::Amber, [hub("DE")].into_iter());
    label.level = Level::RESTRICTED;
    let answer = |crypto, seconds| {
        let approvals = Approvals {
            accreditation,
            crypto,
            channel: None,
        };
        let engine = Federation::get().engine(National::Open).clone();
        let gate = Gate::new(engine, charter.clone()).expect("the charter names this baseline");
        let gate = gate.with_approvals(approvals);
        let now = Timestamp::from_seconds(seconds);
        let question = Question {
            action: Action::Release,
            sender: hub("FR"),
            originator: hub("FR"),
            item: ItemRef {
                item: ItemId::new([1; 16]),
                version: ItemVersion::new(1),
            },
            body_hash: Hash::new([2; 32]),
            label: &label,
            licence: &Licence::AsLabelled,
            purpose: "situational-awareness",
            consent: None,
            sources: &[],
            created: now,
            now,
        };
        (gate.ceiling(now), denial(&gate.ask(&question, hub("DE"))))
    };
    let r04 = || Some(vec!["R-04".to_owned()]);
    let approved = Some(verified(&crypto));
    let last = NOW_SECONDS + 3_599;
    assert_eq!(answer(approved, last), (Level::RESTRICTED, None));
    assert_eq!(answer(None, last), (Level::RESTRICTED, r04()));
    assert_eq!(
        answer(Some(verified(&other_suite)), last),
        (Level::RESTRICTED, r04())
    );
    assert_eq!(answer(approved, last + 1), (Level::SENSITIVE, r04()));
}
