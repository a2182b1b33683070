//! The page of `/metrics`, in the text format of Prometheus (version 0.0.4).
//!
//! Written by hand: a page of some thirty numbers, each read when it is asked for, needs no recorder that keeps
//! its own copy of them. Labels are hub codes, codes of findings and words of this program: their number is
//! bounded by the charter and by the table of codes. No id, title or marking of an item is one.

use std::fmt::Write as _;

use testudo_core::views::PeerView;

use super::finding::Level;
use super::status::StatusDocument;
use crate::telemetry::{Timing, counters, timings};

/// What stands before every name.
const PREFIX: &str = "testudo_";

/// The type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, about: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(
            self.0,
            "# HELP {PREFIX}{name} {about}\n# TYPE {PREFIX}{name} {kind}"
        );
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{PREFIX}{name} {value}"),
            labels => writeln!(self.0, "{PREFIX}{name}{{{labels}}} {value}"),
        };
    }

    fn gauge(&mut self, name: &str, about: &str, value: impl std::fmt::Display) {
        self.head(name, "gauge", about);
        self.line(name, "", value);
    }

    /// One line for each peer of which there is a value.
    fn peers<V: std::fmt::Display>(
        &mut self,
        (name, about): (&str, &str),
        peers: &[PeerView],
        value: impl Fn(&PeerView) -> Option<V>,
    ) {
        self.head(name, "gauge", about);
        for peer in peers {
            if let Some(value) = value(peer) {
                self.line(name, &format!("peer=\"{}\"", peer.hub), value);
            }
        }
    }
}

/// The page for one status.
#[must_use]
pub fn metrics(status: &StatusDocument) -> String {
    let mut page = Page::default();
    page.head("build_info", "gauge", "the program that runs");
    let labels = format!(
        "version=\"{}\",data_format=\"{}\"",
        status.program, status.data_format
    );
    page.line("build_info", &labels, 1);
    health(&mut page, status);
    ledger(&mut page, status);
    peers(&mut page, status);
    counted(&mut page);
    process(&mut page);
    page.0
}

fn health(page: &mut Page, status: &StatusDocument) {
    let fenced = u8::from(status.hub.fenced);
    page.gauge("ready", "1 while new work is taken", u8::from(status.is_ready()));
    page.gauge("fenced", "1 while nothing is signed or released", fenced);
    page.head("problems", "gauge", "what is not as it should be, by code");
    let mut seen: Vec<(&str, Level)> = status
        .problems
        .iter()
        .map(|it| (it.code.as_str(), it.level))
        .collect();
    seen.sort_unstable();
    let mut rest = seen.as_slice();
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|it| *it == first).count();
        let labels = format!("code=\"{}\",level=\"{}\"", first.0, first.1.as_str());
        page.line("problems", &labels, alike);
        rest = rest.get(alike..).unwrap_or_default();
    }
    let left = |until: u64| i128::from(until) - i128::from(status.time);
    let charter = left(status.hub.charter_valid_until);
    page.gauge(
        "charter_valid_seconds",
        "time until the charter ends; negative after it",
        charter,
    );
    if let Some(until) = status.hub.recipient_key_until {
        let about = "time until peers may no longer seal to this hub's newest key; it is renewed every week";
        page.gauge("recipient_key_valid_seconds", about, left(until));
    }
    page.head(
        "approval_valid_seconds",
        "gauge",
        "time until a statement of the authority ends",
    );
    for approval in &status.hub.approvals {
        page.line(
            "approval_valid_seconds",
            &format!("kind=\"{}\"", approval.kind),
            left(approval.valid_until),
        );
    }
    if let Some(disk) = &status.disk {
        page.gauge(
            "disk_free_bytes",
            "what the hub may still write to the disk of its database",
            disk.free_bytes,
        );
        page.gauge(
            "disk_floor_bytes",
            "below this many free bytes no new work is taken",
            disk.floor_bytes,
        );
    }
    let ok = u8::from(status.config.last_reload_ok);
    page.gauge(
        "config_last_reload_ok",
        "0 after a reload of the configuration that was refused",
        ok,
    );
    let at = status.config.last_reload.unwrap_or(0);
    page.gauge(
        "config_last_reload_timestamp_seconds",
        "when it was last tried; 0 for never",
        at,
    );
}

fn ledger(page: &mut Page, status: &StatusDocument) {
    page.gauge(
        "ledger_entries",
        "entries in this hub's ledger",
        status.hub.ledger_entries,
    );
    let Some(checkpoint) = &status.hub.checkpoint else {
        return;
    };
    page.gauge(
        "checkpoint_entries",
        "entries under the newest published checkpoint",
        checkpoint.size,
    );
    page.gauge(
        "checkpoint_cosigned",
        "peers that have cosigned it",
        checkpoint.cosigned.len(),
    );
    page.gauge(
        "checkpoint_quorum",
        "full members that make a quorum",
        checkpoint.quorum,
    );
    if let Some(at) = checkpoint.cosigned_at {
        let age = status.time.saturating_sub(at);
        page.gauge("checkpoint_age_seconds", "time since its latest cosignature", age);
    }
}

fn peers(page: &mut Page, status: &StatusDocument) {
    let now = status.time.saturating_mul(1_000);
    let all = &status.hub.peers;
    let connected = ("peer_connected", "1 while there is a connection");
    page.peers(connected, all, |peer| Some(u8::from(peer.connected)));
    let split = ("peer_split_view", "1 while its ledger shows two histories");
    page.peers(split, all, |peer| Some(u8::from(peer.split_view)));
    page.peers(
        ("outbox_items", "deliveries that wait for its receipt"),
        all,
        |peer| Some(peer.waiting),
    );
    let oldest = (
        "outbox_oldest_seconds",
        "age of the oldest of them; 0 if there is none",
    );
    page.peers(oldest, all, |peer| {
        Some(
            peer.oldest_waiting
                .map_or(0, |since| now.saturating_sub(since) / 1_000),
        )
    });
    let clock = (
        "peer_clock_ahead_seconds",
        "how far its clock is ahead of ours, by its last cosignature",
    );
    page.peers(clock, all, |peer| peer.clock_ahead_seconds);
}

fn counted(page: &mut Page) {
    let mut before = "";
    for counter in counters() {
        if counter.name != before {
            page.head(counter.name, "counter", counter.about);
            before = counter.name;
        }
        page.line(counter.name, counter.labels, counter.count);
    }
    let (writes, took) = timings(Timing::Write);
    page.head(
        "database_write_seconds",
        "summary",
        "synced writes of the database",
    );
    page.line("database_write_seconds_sum", "", took.as_secs_f64());
    page.line("database_write_seconds_count", "", writes);
}

/// What the system says about this process; left out where it says nothing.
fn process(page: &mut Page) {
    let about = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // In units of 1,024 bytes, whatever the page size of the machine.
    let resident = about
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    if let Some(kib) = resident.and_then(|text| text.trim().parse::<u64>().ok()) {
        let bytes = kib.saturating_mul(1_024);
        page.gauge(
            "process_resident_memory_bytes",
            "memory that this process holds",
            bytes,
        );
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.gauge(
            "process_open_fds",
            "files and sockets that it has open",
            open.count(),
        );
    }
}

#[cfg(test)]
mod tests;
