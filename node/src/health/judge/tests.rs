use testudo_core::views::{ApprovalView, CheckpointView, FenceView};
use testudo_protocol::id::Hash;

use super::*;
use crate::store::FREE_BYTES_MIN;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;

/// A hub with one peer, at which nothing is wrong.
pub(in crate::health) fn healthy() -> (Status, Circumstances) {
    let peer = PeerView {
        hub: "SE".parse().unwrap(),
        connected: true,
        waiting: 0,
        oldest_waiting: None,
        clock_ahead_seconds: Some(-1),
        key_ahead: false,
        fault: None,
        split_view: false,
        unproven: 0,
        went_on_alone: None,
    };
    let hub = Status {
        hub: "FR".parse().unwrap(),
        realm: "test/live".to_owned(),
        charter: 1,
        charter_valid_until: NOW + 90 * DAY,
        recipient_key_until: Some(NOW + 7 * DAY),
        approvals: vec![ApprovalView {
            kind: "accreditation".to_owned(),
            valid_until: NOW + 90 * DAY,
        }],
        policies: Hash::new([7; 32]),
        fenced: false,
        storage_full: false,
        fence: None,
        ledger_entries: 64,
        ledger_root: "00".repeat(32),
        checkpoint: Some(CheckpointView {
            size: 64,
            cosigned: vec!["SE".parse().unwrap()],
            full_members: 1,
            quorum: 1,
            quorum_size: 64,
            grade: "quorum".to_owned(),
            cosigned_at: Some(NOW - 60),
        }),
        peers: vec![peer],
    };
    let around = Circumstances {
        now: Timestamp::from_seconds(NOW),
        disk: Some(Disk {
            folder: "store".into(),
            free_bytes: 1 << 40,
            floor_bytes: FREE_BYTES_MIN,
        }),
        config: ReloadReport::default(),
        tick_seconds: 900,
        started: NOW - DAY,
        stopping: false,
    };
    (hub, around)
}

fn fence(hub: &mut Status, why: &str) {
    hub.fenced = true;
    hub.fence = Some(FenceView {
        why: why.to_owned(),
        heard: 0,
        needed: 1,
        entries: 64,
        held_by_peers: Some(128),
        anchored: None,
    });
}

/// What `change` makes of a healthy hub: the level and code of each problem, and the exit code.
fn found(change: impl FnOnce(&mut Status, &mut Circumstances)) -> (Vec<(Level, String)>, u8) {
    let (mut hub, mut around) = healthy();
    change(&mut hub, &mut around);
    let problems = problems(&hub, &around);
    for problem in &problems {
        assert!(problem.fix.is_some(), "{problem:?} says nothing to do");
        assert!(!problem.sentence.ends_with('.') && !problem.sentence.contains('\n'));
    }
    let exit = exit(&problems);
    let seen = problems.into_iter().map(|problem| (problem.level, problem.code));
    (seen.collect(), exit)
}

#[track_caller]
fn check(change: impl FnOnce(&mut Status, &mut Circumstances), expected: &[(Level, &str)], exit: u8) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(level, code)| (*level, (*code).to_owned()))
        .collect();
    assert_eq!(found(change), (expected, exit));
}

#[test]
fn a_healthy_hub_has_no_problems() {
    check(|_, _| {}, &[], 0);
}

#[test]
fn failures_have_exit_codes_of_their_own() {
    use Level::Fail;
    check(|hub, _| fence(hub, "asking"), &[(Fail, "fenced")], 75);
    check(|hub, _| fence(hub, "behind"), &[(Fail, "fenced")], 75);
    check(
        |hub, _| fence(hub, "two-histories"),
        &[(Fail, "two-histories")],
        65,
    );
    check(|hub, _| hub.peers[0].unproven = 2, &[(Fail, "unproven")], 65);
    check(
        |hub, _| hub.peers[0].split_view = true,
        &[(Fail, "split-view")],
        65,
    );
    let low = |_: &mut Status, around: &mut Circumstances| {
        around.disk.as_mut().unwrap().free_bytes = FREE_BYTES_MIN - 1;
    };
    check(low, &[(Fail, "disk")], 75);
    check(|hub, _| hub.storage_full = true, &[(Fail, "disk")], 75);
    let untold = |hub: &mut Status, around: &mut Circumstances| {
        hub.storage_full = true;
        around.disk = None;
    };
    check(untold, &[(Fail, "disk")], 75);
    let told_twice = |hub: &mut Status, around: &mut Circumstances| {
        hub.storage_full = true;
        low(hub, around);
    };
    check(told_twice, &[(Fail, "disk")], 75);
    check(
        |hub, _| hub.charter_valid_until = NOW,
        &[(Fail, "charter-expiry")],
        78,
    );
    let both = |hub: &mut Status, _: &mut Circumstances| {
        fence(hub, "behind");
        hub.peers[0].split_view = true;
    };
    check(both, &[(Fail, "split-view"), (Fail, "fenced")], 65);
}

#[test]
fn a_clock_that_was_never_set_fails() {
    let (problems, exit) = found(|_, around| around.now = Timestamp::from_seconds(3));
    assert_eq!(
        (problems[0].clone(), exit),
        ((Level::Fail, "clock".to_owned()), 78)
    );
}

#[test]
fn what_ends_soon_is_a_warning_and_no_failure() {
    use Level::Warn;
    check(
        |hub, _| hub.charter_valid_until = NOW + 30 * DAY,
        &[(Warn, "charter-expiry")],
        0,
    );
    check(
        |hub, _| hub.approvals[0].valid_until = NOW,
        &[(Warn, "approval-expiry")],
        0,
    );
    check(
        |hub, _| hub.recipient_key_until = Some(NOW),
        &[(Warn, "recipient-key")],
        0,
    );
}

#[test]
fn a_peer_is_named_for_what_it_does() {
    use Level::Warn;
    let clock = |seconds| {
        move |hub: &mut Status, _: &mut Circumstances| {
            hub.peers[0].clock_ahead_seconds = Some(seconds);
        }
    };
    check(clock(120), &[], 0);
    check(clock(121), &[(Warn, "peer-clock")], 0);
    check(clock(-121), &[(Warn, "peer-clock")], 0);
    check(clock(i64::MIN), &[(Warn, "peer-clock")], 0);
    check(|hub, _| hub.peers[0].key_ahead = true, &[(Warn, "peer-clock")], 0);
    let fault = |hub: &mut Status, _: &mut Circumstances| {
        hub.peers[0].fault = Some("a frame is malformed".to_owned())
    };
    check(fault, &[(Warn, "peer-fault")], 0);
    let waits = |millis| {
        move |hub: &mut Status, _: &mut Circumstances| {
            hub.peers[0].waiting = 1;
            hub.peers[0].oldest_waiting = Some(NOW * 1_000 - millis);
        }
    };
    check(waits(OUTBOX_MILLIS_MAX), &[], 0);
    check(waits(OUTBOX_MILLIS_MAX + 1), &[(Warn, "outbox")], 0);
}

#[test]
fn a_peer_that_is_away_is_no_problem_of_ours_but_all_of_them_are() {
    let away = |hub: &mut Status, _: &mut Circumstances| hub.peers[0].connected = false;
    check(away, &[(Level::Warn, "no-peers")], 0);
    let just_started = |hub: &mut Status, around: &mut Circumstances| {
        hub.peers[0].connected = false;
        around.started = NOW - ALONE_SECONDS_MAX;
    };
    check(just_started, &[], 0);
    let one_of_two = |hub: &mut Status, _: &mut Circumstances| {
        let mut other = hub.peers[0].clone();
        other.connected = false;
        hub.peers.push(other);
    };
    check(one_of_two, &[], 0);
}

#[test]
fn a_ledger_that_nobody_cosigns_is_seen() {
    let late = |hub: &mut Status, _: &mut Circumstances| {
        hub.checkpoint.as_mut().unwrap().cosigned_at = Some(NOW - 3 * 900 - 1);
    };
    check(late, &[(Level::Warn, "checkpoint")], 0);
    check(|hub, _| hub.checkpoint = None, &[(Level::Warn, "checkpoint")], 0);
    let started = |hub: &mut Status, around: &mut Circumstances| {
        hub.checkpoint = None;
        around.started = NOW - 900;
    };
    check(started, &[], 0);
}

#[test]
fn the_configuration_that_is_not_in_force_is_told() {
    let refused = |_: &mut Status, around: &mut Circumstances| {
        around.config.error = Some("hub.toml:1:1: unknown key".to_owned());
        around.config.needs_restart = vec!["network.listen".to_owned()];
    };
    let expected = [(Level::Warn, "config-reload"), (Level::Warn, "restart-needed")];
    check(refused, &expected, 0);
}
