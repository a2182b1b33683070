//! What has happened since the process began, as numbers.
//!
//! One array of counters for the process, as there is one log: whoever notices a thing counts it beside the
//! line that says so. Labels are words of this file, so their number is fixed; no id, title or name of an item
//! can become one. What can be read from the hub's state (sizes, ages, peers) is not counted here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A receiver was allowed in a decision to release.
    Allowed,
    /// A receiver was denied in one.
    Denied,
    /// A policy could not be evaluated, and denied.
    PolicyFailed,
    /// An item was stored that came from a peer.
    Arrived,
    /// A receipt came.
    Receipted,
    /// A delivery was held back when it was asked for again.
    Withheld,
    /// A peer broke the protocol.
    PeerFault,
    /// Evidence that some log or ledger has two histories.
    Equivocation,
    /// A checkpoint was signed.
    Checkpoint,
    /// A connection of somebody who is not a member was turned away.
    Stranger,
    /// A frame over the limit was refused.
    FrameRefused,
    /// A reload of the configuration was refused.
    ReloadRefused,
}

/// A counter as it is shown.
pub struct Shown {
    /// The name of the metric, without our prefix.
    pub name: &'static str,
    /// What it counts.
    pub about: &'static str,
    /// The labels, as Prometheus writes them; empty for none.
    pub labels: &'static str,
    /// How often it happened.
    pub count: u64,
}

/// All counters; those of one name stand together.
const ALL: [(Counter, &str, &str, &str); 12] = [
    (
        Counter::Allowed,
        "verdicts_total",
        "receivers decided about, by outcome",
        "outcome=\"allowed\"",
    ),
    (
        Counter::Denied,
        "verdicts_total",
        "receivers decided about, by outcome",
        "outcome=\"denied\"",
    ),
    (
        Counter::PolicyFailed,
        "policy_failures_total",
        "decisions in which a policy could not be evaluated, and denied",
        "",
    ),
    (
        Counter::Arrived,
        "items_arrived_total",
        "items stored that came from peers",
        "",
    ),
    (
        Counter::Receipted,
        "receipts_total",
        "receipts that came from peers",
        "",
    ),
    (
        Counter::Withheld,
        "deliveries_withheld_total",
        "deliveries held back when the gate was asked again",
        "",
    ),
    (
        Counter::PeerFault,
        "peer_faults_total",
        "times that a peer broke the protocol",
        "",
    ),
    (
        Counter::Equivocation,
        "equivocations_total",
        "pieces of evidence that a log or ledger has two histories",
        "",
    ),
    (Counter::Checkpoint, "checkpoints_total", "checkpoints signed", ""),
    (
        Counter::Stranger,
        "strangers_total",
        "connections turned away that no member made",
        "",
    ),
    (
        Counter::FrameRefused,
        "frames_refused_total",
        "frames refused for their length",
        "",
    ),
    (
        Counter::ReloadRefused,
        "config_reloads_refused_total",
        "reloads of the configuration that were refused",
        "",
    ),
];

static COUNTS: [AtomicU64; ALL.len()] = [const { AtomicU64::new(0) }; ALL.len()];

/// Counts `times` more of a thing.
pub fn count(what: Counter, times: u64) {
    let at = ALL.iter().position(|(counter, ..)| *counter == what);
    if let Some(counter) = at.and_then(|at| COUNTS.get(at)) {
        counter.fetch_add(times, Ordering::Relaxed);
    }
}

/// All counters as they stand.
pub fn counters() -> impl Iterator<Item = Shown> {
    ALL.iter()
        .zip(&COUNTS)
        .map(|((_, name, about, labels), count)| Shown {
            name,
            about,
            labels,
            count: count.load(Ordering::Relaxed),
        })
}

/// A thing that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// One synced write of the database.
    Write,
}

static WRITES: AtomicU64 = AtomicU64::new(0);
static WRITE_NANOS: AtomicU64 = AtomicU64::new(0);

/// Adds one to the things of a kind that have taken time.
pub fn count_timing(what: Timing, took: Duration) {
    match what {
        Timing::Write => {
            WRITES.fetch_add(1, Ordering::Relaxed);
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            WRITE_NANOS.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}

/// How many synced writes there were, and how long all of them took together.
pub fn timings(what: Timing) -> (u64, Duration) {
    match what {
        Timing::Write => (
            WRITES.load(Ordering::Relaxed),
            Duration::from_nanos(WRITE_NANOS.load(Ordering::Relaxed)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_counts_its_own() {
        let of = |labels| counters().find(|it| it.labels == labels).unwrap().count;
        let (allowed, denied) = (of("outcome=\"allowed\""), of("outcome=\"denied\""));
        count(Counter::Allowed, 3);
        assert_eq!(of("outcome=\"allowed\""), allowed + 3);
        assert_eq!(of("outcome=\"denied\""), denied);
    }

    #[test]
    fn those_of_one_name_stand_together_and_no_two_are_alike() {
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for it in counters() {
            assert!(it.name.ends_with("_total") && !it.about.is_empty());
            assert!(!seen.contains(&(it.name, it.labels)));
            let before = seen.iter().any(|(name, _)| *name == it.name);
            assert_eq!(
                before,
                seen.last().is_some_and(|(name, _)| *name == it.name),
                "{}",
                it.name
            );
            seen.push((it.name, it.labels));
        }
    }
}
