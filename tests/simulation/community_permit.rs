//! A permit for a community takes a yes for each of its members, and stands for no other set.

use testudo_core::outbound::OutboundError;
use testudo_core::publication::Publication;
use testudo_crypto::entropy::Entropy;
use testudo_policies::gate::{Answer, Gate, Question};
use testudo_policies::permit::{Allowed, CommunityMintError, CommunityPermit, MintError};
use testudo_policies::vocabulary::Action;
use testudo_protocol::charter::{Charter, Status};
use testudo_protocol::community::Community;
use testudo_protocol::id::{Hash, HubId, ItemId, ItemRef, ItemVersion, Timestamp};
use testudo_protocol::label::{Label, Tlp};
use testudo_protocol::ledger::{Decision, DecisionAct, Entry, Ledger, Record, Recorded};
use testudo_protocol::licence::Licence;

use crate::drafts;
use crate::federation::{BEGIN, Federation, National, hub};

const NOW_SECONDS: u64 = BEGIN.seconds();

/// The members of the community "core" but for FR.
const OTHERS: [&str; 5] = ["DE", "EEAS", "PL", "RO", "SE"];

fn item(number: u8) -> ItemRef {
    ItemRef {
        item: ItemId::new([number; 16]),
        version: ItemVersion::new(1),
    }
}

fn gate(charter: &Charter) -> Gate {
    let engine = Federation::get().engine(National::Open).clone();
    Gate::new(engine, charter.clone()).expect("the charter names this baseline")
}

/// FR's community of the six.
fn core(charter: &Charter) -> Community {
    let mut found = Community::all_of(charter, hub("FR")).into_iter();
    let core = found.find(|community| community.members().len() == 6);
    core.expect("FR is in it")
}

fn label() -> Label {
    drafts::listed(Tlp::Amber, OTHERS.iter().map(|code| hub(code)))
}

/// The gate's yes for each of these.
fn allowed(gate: &Gate, action: Action, sender: &str, receivers: &[&str]) -> Vec<Allowed> {
    let now = Timestamp::from_seconds(NOW_SECONDS);
    let label = label();
    let question = Question {
        action,
        sender: hub(sender),
        originator: hub("FR"),
        item: item(1),
        body_hash: Hash::new([2; 32]),
        label: &label,
        licence: &Licence::AsLabelled,
        purpose: "situational-awareness",
        consent: None,
        sources: &[],
        created: now,
        now,
    };
    let receivers: Vec<HubId> = receivers.iter().map(|code| hub(code)).collect();
    let answers = gate.ask_each(&question, &receivers).into_iter();
    let yes = |answer| match answer {
        Answer::Allowed(allowed) => allowed,
        Answer::Denied(denied) => panic!("{denied:?}"),
    };
    answers.map(yes).collect()
}

/// A durable decision about an item, under what the gate asks.
fn recorded(gate: &Gate, act: DecisionAct, item: ItemRef) -> Recorded {
    let mut ledger = Ledger::new(gate.charter().realm(), hub("FR"));
    let entry = Entry::Decision(Decision {
        act,
        item,
        body_hash: Hash::new([2; 32]),
        charter: gate.charter_version(),
        policies: gate.policies(),
        verdicts_root: Hash::new([3; 32]),
        allowed: 5,
        denied: 0,
    });
    let record = Record {
        time: Timestamp::from_seconds(NOW_SECONDS),
        entry,
    };
    let appended = ledger
        .append(record, &mut Entropy::from_seed([4; 32]))
        .expect("it is small");
    ledger.mark_durable(1);
    ledger.recorded(0, &appended.opening).expect("it is durable")
}

#[test]
fn every_member_has_to_be_permitted_and_nobody_else_may_be() {
    let charter = Federation::get().charter();
    let (gate, community) = (gate(charter), core(charter));
    let mint = |receivers: &[&str]| {
        let allowed = allowed(&gate, Action::Release, "FR", receivers);
        let recorded = recorded(&gate, DecisionAct::Release, item(1));
        CommunityPermit::mint(&community, hub("FR"), hub("FR"), allowed, &recorded)
    };
    let permit = mint(&OTHERS).expect("all are permitted");
    assert_eq!(permit.community(), community.tag());
    let other = Err(CommunityMintError::OtherMembers);
    assert_eq!(mint(&OTHERS[1..]), other, "one is missing");
    assert_eq!(mint(&[]), other, "all are missing");
    assert_eq!(mint(&["DE", "DE", "EEAS", "PL", "RO"]), other, "one counts twice");
}

#[test]
fn a_relay_asks_for_all_but_itself_and_the_originator_on_a_decision_of_its_own() {
    let charter = Federation::get().charter();
    let (gate, community) = (gate(charter), core(charter));
    let mint = |action, act, receivers: &[&str]| {
        let allowed = allowed(&gate, action, "DE", receivers);
        let recorded = recorded(&gate, act, item(1));
        CommunityPermit::mint(&community, hub("DE"), hub("FR"), allowed, &recorded)
    };
    assert!(mint(Action::Relay, DecisionAct::Relay, &OTHERS[1..]).is_ok());
    let other = Err(CommunityMintError::Member(MintError::OtherItem));
    assert_eq!(
        mint(Action::Relay, DecisionAct::Release, &OTHERS[1..]),
        other,
        "the release's decision"
    );
    assert_eq!(
        mint(Action::Relay, DecisionAct::Relay, &OTHERS[2..]),
        Err(CommunityMintError::OtherMembers)
    );
}

#[test]
fn a_permit_is_for_one_item_and_falls_with_the_members_and_the_charter() {
    let charter = Federation::get().charter();
    let (gate, community) = (gate(charter), core(charter));
    let permit = |number| {
        let allowed = allowed(&gate, Action::Release, "FR", &OTHERS);
        let recorded = recorded(&gate, DecisionAct::Release, item(number));
        CommunityPermit::mint(&community, hub("FR"), hub("FR"), allowed, &recorded)
    };
    assert_eq!(permit(9), Err(CommunityMintError::Member(MintError::OtherItem)));
    let spend = |item, community: &Community, gate: &Gate| {
        let permit = permit(1).expect("all are permitted");
        Publication::content(permit, item, b"envelope".to_vec(), community, gate).err()
    };
    assert_eq!(spend(item(1), &community, &gate), None);
    assert_eq!(spend(item(2), &community, &gate), Some(OutboundError::OtherItem));

    // RO is suspended: the others are another community, under another charter.
    let suspended = |member: &mut testudo_protocol::charter::Member| {
        if member.code == hub("RO") {
            member.status = Status::Suspended;
        }
    };
    let next = Federation::get().charter_with(Timestamp::from_seconds(NOW_SECONDS), suspended);
    let next_gate = self::gate(&next);
    let fewer = Community::all_of(&next, hub("FR"));
    let fewer = fewer
        .iter()
        .find(|one| one.members().len() == 5)
        .expect("without RO");
    assert_ne!(fewer.tag(), community.tag());
    assert_eq!(spend(item(1), fewer, &next_gate), Some(OutboundError::Stale));
    let strict = Gate::new(
        Federation::get().engine(National::Strict).clone(),
        charter.clone(),
    );
    let strict = strict.expect("the charter names this baseline");
    assert_eq!(
        spend(item(1), &community, &strict),
        Some(OutboundError::Stale),
        "other policies"
    );
}
