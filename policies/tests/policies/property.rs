//! Random requests: Cedar and the straight-line rules agree on verdict and rule ids.
//!
//! Values are drawn so that about every second attribute stands in nobody's way; otherwise nearly
//! every request would be denied, and the permits would not be tested.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use testudo_policies::decision::Decision;
use testudo_policies::engine::Engine;
use testudo_policies::request::{Assessment, Context, Peer, Request};
use testudo_policies::vocabulary::{Action, Caveat, Channel, Class, Level, Personal, Scope, Status, Tlp};

use crate::{cases, straight_line};

/// Enough that each rule is seen both ways many times.
const REQUESTS: u32 = 3_000;

const CODES: [&str; 4] = ["DE", "FR", "UA", "CA"];
const NOW: i64 = 1_795_694_400;

fn codes(most: usize) -> impl Strategy<Value = BTreeSet<String>> {
    words(&CODES, most)
}

fn words(all: &'static [&'static str], most: usize) -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(all, 0..=most).prop_map(|words| words.into_iter().map(ToOwned::to_owned).collect())
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![6 => 0_i64..=2, 4 => 2_i64..=6].prop_map(|number| Level::try_from(number).expect("0 to 6"))
}

fn mostly(value: bool) -> impl Strategy<Value = bool> {
    prop_oneof![9 => Just(value), 1 => Just(!value)]
}

fn peer(code: &'static str) -> impl Strategy<Value = Peer> {
    let standing = (
        select(Class::ALL),
        prop_oneof![9 => Just(Status::Active), 1 => select(Status::ALL)],
        any::<bool>(),
        (level(), level(), 0_u32..4),
        mostly(true),
    );
    let sets = (
        words(&["ras", "ecne"], 2),
        words(&["EX26", "EX27"], 2),
        prop_oneof![3 => Just(BTreeSet::from(["expiry".to_owned(), "watermark".to_owned()])), 1 => words(&["expiry", "watermark"], 2)],
        btree_map(
            select(CODES.as_slice()).prop_map(ToOwned::to_owned),
            level(),
            0..3,
        ),
    );
    (standing, sets).prop_map(
        move |((cls, status, eu_member, levels, transfer_basis), sets)| Peer {
            code: code.to_owned(),
            cls,
            status,
            eu_member,
            accredited_level: levels.0,
            soi_level: levels.1,
            active_sponsors: levels.2,
            transfer_basis,
            communities: sets.0,
            exercises: sets.1,
            caps: sets.2,
            tags: sets.3,
        },
    )
}

fn assessment() -> impl Strategy<Value = Assessment> {
    let label = (
        select(CODES.as_slice()),
        mostly(true),
        level(),
        select(Tlp::ALL.to_vec()),
        select(Scope::ALL),
    );
    let audience = (
        codes(3),
        subsequence(Class::ALL, 0..=3),
        prop_oneof![4 => Just(BTreeSet::new()), 1 => codes(1)],
        prop_oneof![3 => Just(BTreeSet::new()), 1 => words(&["ras", "ecne"], 2)],
        prop_oneof![2 => Just(Vec::new()), 1 => subsequence(Caveat::ALL, 0..=2)],
        codes(4),
    );
    let content = (
        prop_oneof![3 => Just(""), 1 => Just("EX27")],
        prop_oneof![2 => Just(Personal::None), 1 => select(Personal::ALL)],
        prop_oneof![4 => Just(NOW + 1), 1 => Just(0), 1 => Just(NOW), 1 => Just(NOW - 1)],
        prop_oneof![2 => Just(BTreeSet::new()), 1 => words(&["expiry", "watermark"], 2)],
    );
    (label, audience, content).prop_map(|(label, audience, content)| Assessment {
        originator: label.0.to_owned(),
        label_ok: label.1,
        level: label.2,
        tlp: label.3,
        scope: label.4,
        rel_to: audience.0,
        rel_to_classes: audience.1.into_iter().collect(),
        not_to: audience.2,
        communities: audience.3,
        caveats: audience.4.into_iter().collect(),
        consent: audience.5,
        exercise: content.0.to_owned(),
        personal: content.1,
        expires_at: content.2,
        obligations: content.3,
    })
}

/// The sender is mostly the originator, and the channel mostly fits, or little would be permitted.
fn context(assessment: &Assessment) -> impl Strategy<Value = Context> + use<> {
    let fitting = if assessment.exercise.is_empty() {
        Channel::Live
    } else {
        Channel::Exercise
    };
    (
        prop_oneof![3 => Just(assessment.originator.clone()), 1 => select(CODES.as_slice()).prop_map(ToOwned::to_owned)],
        (mostly(true), mostly(false)),
        prop_oneof![9 => Just(fitting), 1 => select(Channel::ALL)],
        level(),
        prop_oneof![3 => Just("situational-awareness"), 1 => Just("")],
        select(["routine", "flash"].as_slice()),
    )
        .prop_map(|(sender, charter, channel, crypto_level, purpose, priority)| Context {
            sender,
            now: NOW,
            charter_fresh: charter.0,
            charter_forked: charter.1,
            channel,
            crypto_level,
            purpose: purpose.to_owned(),
            priority: priority.to_owned(),
        })
}

pub fn request() -> impl Strategy<Value = Request> {
    let peers = (peer(CODES[0]), peer(CODES[1]), peer(CODES[2]), peer(CODES[3]));
    let asked = assessment().prop_flat_map(|assessment| (context(&assessment), Just(assessment)));
    (peers, select(Action::ALL), select(CODES.as_slice()), asked).prop_map(
        |(peers, action, receiver, (context, assessment))| Request {
            peers: vec![peers.0, peers.1, peers.2, peers.3],
            action,
            receiver: receiver.to_owned(),
            assessment,
            context,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: REQUESTS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cedar_and_the_straight_line_rules_agree(request in request()) {
        let decision = ask(&request);
        let (permitted, rules) = straight_line::decide(&request);
        prop_assert_eq!(decision.errors(), &[] as &[String]);
        prop_assert_eq!(decision.is_permit(), permitted);
        prop_assert_eq!(decision.rules(), &rules[..]);
        prop_assert_eq!(decision.is_default(), !permitted && rules.is_empty());
    }

    #[test]
    fn urgency_changes_nothing(mut request in request()) {
        "routine".clone_into(&mut request.context.priority);
        let routine = ask(&request);
        "flash".clone_into(&mut request.context.priority);
        prop_assert_eq!(ask(&request), routine);
    }
}

/// One engine per test, not one per request.
fn ask(request: &Request) -> Decision {
    thread_local! {
        static ENGINE: Engine = Engine::embedded().expect("the compiled-in policies load");
    }
    ENGINE.with(|engine| engine.decide(request))
}

/// The generator is worth little if it never reaches a rule.
#[test]
fn the_generator_reaches_every_rule_and_both_verdicts() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..REQUESTS {
        let drawn = request().new_tree(&mut runner).expect("a request").current();
        for rule in straight_line::decide(&drawn).1 {
            *seen.entry(rule).or_default() += 1;
        }
    }
    let engine = Engine::embedded().expect("the compiled-in policies load");
    for rule in engine.rules().keys().filter(|rule| !rule.ends_with("-DEFAULT")) {
        assert!(seen.contains_key(rule), "never drawn: {rule}; {seen:?}");
    }
}

#[test]
fn the_cases_agree_with_the_straight_line_rules() {
    for file in cases::read_all()
        .iter()
        .filter(|file| file.case.expect.error.is_none())
    {
        let request = Request::from_json(&file.case.request).expect("a case that is understood");
        let (permitted, rules) = straight_line::decide(&request);
        let expected = file.case.expect.decision == testudo_policies::case::ExpectedVerdict::Permit;
        assert_eq!(
            (permitted, &rules),
            (expected, &file.case.expect.rules),
            "{}",
            file.path.display()
        );
    }
}
