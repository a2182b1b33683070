//! From numbers to findings: what of a status is a problem, and how bad.
//!
//! A warning leaves the exit code at zero: the hub does its work. Peers that are away are no failure of ours.

use testudo_core::views::{PeerView, Status};
use testudo_protocol::id::Timestamp;

use super::clock;
use super::disk::Disk;
use super::expiry::expiry;
use super::finding::{Finding, Level};
use crate::config::ReloadReport;

/// How old the oldest delivery to a peer may get before somebody should ask there, in milliseconds: a hub that
/// restarts is back within minutes, and dialling pauses for a quarter of an hour at most.
const OUTBOX_MILLIS_MAX: u64 = 60 * 60 * 1_000;

/// How far a peer's clock may be off before it is shown, in seconds. At five minutes nothing is cosigned any more.
const CLOCK_SECONDS_MAX: u64 = 2 * 60;

/// How long a hub may be without any peer after its start, in seconds: the first dials take moments.
const ALONE_SECONDS_MAX: u64 = 2 * 60;

/// Ticks without a cosignature after which somebody should look.
const TICKS_LATE: u64 = 3;

/// What the shell knows beside the core.
pub struct Circumstances {
    /// The time.
    pub now: Timestamp,
    /// The disk of the database, if the system tells.
    pub disk: Option<Disk>,
    /// What the last reload of the configuration came to.
    pub config: ReloadReport,
    /// Time between two checkpoints, in seconds.
    pub tick_seconds: u64,
    /// When this process began, in seconds since 1970.
    pub started: u64,
    /// Whether the hub has been told to end.
    pub stopping: bool,
}

/// Everything that is not as it should be, the worst first.
pub(super) fn problems(hub: &Status, around: &Circumstances) -> Vec<Finding> {
    let mut found: Vec<Finding> = hub.peers.iter().filter_map(split_view).collect();
    found.extend(fence(hub));
    found.extend(hub.peers.iter().filter_map(unproven));
    found.extend(time(around));
    found.extend(disk(hub, around));
    found.extend(ends(hub, around.now));
    found.extend(recipient_key(hub, around.now));
    found.extend(checkpoint(hub, around));
    found.extend(configuration(&around.config));
    found.extend(hub.peers.iter().flat_map(|peer| peer_problems(peer, around.now)));
    found.extend(loneliness(hub, around));
    found.retain(|finding| finding.level > Level::Ok);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    found
}

/// What `testudo status` ends with: the first failure decides.
pub(super) fn exit(problems: &[Finding]) -> u8 {
    let first = problems.iter().find(|finding| finding.level == Level::Fail);
    match first.map(|finding| finding.code.as_str()) {
        None => 0,
        Some("split-view" | "two-histories" | "unproven") => 65,
        Some("fenced" | "disk") => 75,
        Some(_) => 78,
    }
}

fn split_view(peer: &PeerView) -> Option<Finding> {
    peer.split_view.then(|| {
        Finding::fail(
            "split-view",
            format!(
                "TWO HISTORIES: the ledger of {} has two signed roots for one size",
                peer.hub
            ),
            format!(
                "speak to its operators by another way; when it is settled: testudo ledger resume {}",
                peer.hub
            ),
        )
    })
}

fn fence(hub: &Status) -> Option<Finding> {
    let fence = hub.fence.as_ref()?;
    Some(match fence.why.as_str() {
        "asking" => Finding::fail(
            "fenced",
            format!(
                "FENCED: {} of {} peers have said what they hold of this ledger; nothing is signed or released",
                fence.heard, fence.needed
            ),
            "it goes on when they have; where nobody can be asked: testudo ledger confirm --alone",
        ),
        "behind" => {
            let more = |size: Option<u64>| size.map_or_else(|| "no more".to_owned(), |size| size.to_string());
            Finding::fail(
                "fenced",
                format!(
                    "FENCED: the ledger has {} entries, peers hold {}, the anchor names {}; nothing is signed or released",
                    fence.entries,
                    more(fence.held_by_peers),
                    more(fence.anchored)
                ),
                "its leaves come back from peers; if there is a newer copy of the data folder, put it back",
            )
        }
        _ => Finding::fail(
            "two-histories",
            "FENCED: this hub has signed two histories; its ledger has come to its end",
            "stop every copy of it; the members have to admit it with another ledger key",
        ),
    })
}

fn unproven(peer: &PeerView) -> Option<Finding> {
    (peer.unproven > 0).then(|| {
        Finding::fail(
            "unproven",
            format!(
                "NOT IN ITS LEDGER: {} releases of {} whose decision it has not shown",
                peer.unproven, peer.hub
            ),
            format!(
                "ask its operators by another way; then: testudo ledger resume {}",
                peer.hub
            ),
        )
    })
}

/// How the disk is now, and how the hub found it when it last looked: it may have been told less than we are.
fn disk(hub: &Status, around: &Circumstances) -> Option<Finding> {
    let now = around.disk.as_ref().map(Disk::finding);
    if hub.storage_full && now.as_ref().is_none_or(|finding| finding.level < Level::Fail) {
        return Some(Finding::fail(
            "disk",
            "the hub found too little room on the disk of its database, or could not ask: no new work is taken",
            "make room on that disk; the hub goes on by itself",
        ));
    }
    now
}

fn time(around: &Circumstances) -> Option<Finding> {
    (!clock::is_set(around.now)).then(|| {
        Finding::fail(
            "clock",
            format!(
                "the clock of this machine says {} seconds since 1970",
                around.now.seconds()
            ),
            "set it, and let it be kept by a time service",
        )
    })
}

fn ends(hub: &Status, now: Timestamp) -> Vec<Finding> {
    let charter = expiry(
        "charter-expiry",
        &format!("charter version {}", hub.charter),
        Timestamp::from_seconds(hub.charter_valid_until),
        now,
        (
            "nothing is released or received but governance",
            "have the voters sign a new version: testudo charter propose --renew",
        ),
    );
    let approvals = hub.approvals.iter().map(|approval| {
        let found = expiry(
            "approval-expiry",
            &format!("the statement `{}` of the authority", approval.kind),
            Timestamp::from_seconds(approval.valid_until),
            now,
            (
                "nothing above level 2 is handled",
                "ask the authority for a new statement",
            ),
        );
        // The hub goes on below that level, as it would without any statement.
        Finding {
            level: found.level.min(Level::Warn),
            ..found
        }
    });
    [charter].into_iter().chain(approvals).collect()
}

fn recipient_key(hub: &Status, now: Timestamp) -> Option<Finding> {
    let until = hub.recipient_key_until?;
    (until <= now.seconds() && !hub.fenced).then(|| {
        Finding::warn(
            "recipient-key",
            "this hub has no recipient key of this week; peers cannot seal to it",
            "look at the clock of this machine; the key is made at the next tick",
        )
    })
}

fn checkpoint(hub: &Status, around: &Circumstances) -> Option<Finding> {
    let late = around.tick_seconds.saturating_mul(TICKS_LATE);
    let running = around.now.seconds().saturating_sub(around.started);
    let full = hub.checkpoint.as_ref().is_none_or(|it| it.quorum > 0);
    let age = hub.checkpoint.as_ref().and_then(|it| it.cosigned_at);
    let age = age.map_or(running, |at| around.now.seconds().saturating_sub(at).min(running));
    (age > late && full && !hub.peers.is_empty() && !hub.fenced).then(|| {
        Finding::warn(
            "checkpoint",
            format!("no peer has cosigned this ledger for {} minutes", age / 60),
            "look at the peers below; a ledger that nobody cosigns rests on this hub's own word",
        )
    })
}

fn configuration(config: &ReloadReport) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(error) = &config.error {
        found.push(Finding::warn(
            "config-reload",
            format!("the last reload was refused, the configuration before it is in force: {error}"),
            "mend the file, try it with `testudo config check`, and reload again",
        ));
    }
    if !config.needs_restart.is_empty() {
        found.push(Finding::warn(
            "restart-needed",
            format!(
                "changed settings count only after a restart: {}",
                config.needs_restart.join(", ")
            ),
            "restart the hub when it suits",
        ));
    }
    found
}

fn peer_problems(peer: &PeerView, now: Timestamp) -> Vec<Finding> {
    let hub = peer.hub;
    let mut found = Vec::new();
    let waited = peer
        .oldest_waiting
        .map(|since| now.millis().saturating_sub(since));
    if let Some(waited) = waited.filter(|waited| *waited > OUTBOX_MILLIS_MAX) {
        let state = if peer.connected { "connected" } else { "away" };
        found.push(Finding::warn(
            "outbox",
            format!(
                "{} deliveries wait for {hub} ({state}), the oldest for {} hours",
                peer.waiting,
                waited / OUTBOX_MILLIS_MAX
            ),
            format!("ask the operators of {hub}; nothing is lost, it is sent when {hub} is back"),
        ));
    }
    let off = peer.clock_ahead_seconds.unwrap_or(0);
    if off.unsigned_abs() > CLOCK_SECONDS_MAX || peer.key_ahead {
        let how = if off < 0 { "behind" } else { "ahead of" };
        let sentence = if peer.key_ahead {
            format!(
                "the clock of {hub} is more than five minutes ahead of ours: nothing is sent to it until they agree"
            )
        } else {
            format!("the clock of {hub} is {} seconds {how} ours", off.unsigned_abs())
        };
        let fix = "compare this machine's clock with a time service, then ask them to do the same";
        found.push(Finding::warn("peer-clock", sentence, fix));
    }
    if let Some(fault) = &peer.fault {
        found.push(Finding::warn(
            "peer-fault",
            format!("{hub} broke the protocol: {fault}"),
            format!("tell the operators of {hub}; this goes away with the next restart"),
        ));
    }
    found
}

/// With no connection at all, the reason is more likely here than there.
fn loneliness(hub: &Status, around: &Circumstances) -> Option<Finding> {
    let running = around.now.seconds().saturating_sub(around.started);
    let alone = !hub.peers.is_empty() && hub.peers.iter().all(|peer| !peer.connected);
    (alone && running > ALONE_SECONDS_MAX).then(|| {
        Finding::warn(
            "no-peers",
            format!("none of {} peers is connected", hub.peers.len()),
            "look at this machine's network and firewall: testudo doctor",
        )
    })
}

#[cfg(test)]
pub(super) mod tests;
