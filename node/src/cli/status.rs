//! `testudo status`: health first, and the exit code says it too.

use std::process::ExitCode;

use clap::Subcommand;
use testudo_core::views::{DeliveryView, PeerView};

use super::arguments::{At, StatusAt, item_id};
use super::client::Client;
use super::outcome::{Answer, Failure, exit};
use crate::health::StatusDocument;

/// What to look at.
#[derive(Subcommand)]
pub(super) enum StatusWhat {
    /// Who holds what of our releases, and who has not answered.
    Holdings {
        /// One item; all without it.
        item: Option<String>,
    },
}

pub(super) async fn run(at: StatusAt, what: Option<StatusWhat>) -> Result<Answer, Failure> {
    let data = at
        .data
        .ok_or_else(|| Failure::new(exit::USAGE, "usage", "name the hub with --data DIR"))?;
    let client = Client::new(&At { data })?;
    match what {
        None => {
            let status: StatusDocument = client.get("/v1/status").await?;
            // Somebody has to look: a script that only reads exit codes must not miss it.
            let code = ExitCode::from(status.exit);
            let document = serde_json::to_value(&status).unwrap_or_default();
            Ok(Answer::Decided(document, text(&status), code))
        }
        Some(StatusWhat::Holdings { item }) => {
            let path = match item {
                None => "/v1/holdings".to_owned(),
                Some(item) => format!("/v1/holdings/{}", item_id(&item)?),
            };
            let holdings: Vec<DeliveryView> = client.get(&path).await?;
            let text = holdings.iter().map(holding_text).collect::<String>();
            Ok(Answer::of(
                &holdings,
                if text.is_empty() {
                    "nothing released".to_owned()
                } else {
                    text
                },
            ))
        }
    }
}

fn text(status: &StatusDocument) -> String {
    let hub = &status.hub;
    let health = match (status.stopping, status.problems.len()) {
        (true, _) => "stopping".to_owned(),
        (false, 0) => "healthy".to_owned(),
        (false, count) => format!("{}, {count} to look at", status.health.as_str()),
    };
    let mut text = format!("hub {} in {}: {health}\n", hub.hub, hub.realm);
    for problem in &status.problems {
        text.push_str(&problem.to_text());
    }
    let days = hub.charter_valid_until.saturating_sub(status.time) / (24 * 60 * 60);
    text.push_str(&format!(
        "\ncharter {} for {days} more days, policies {}\nledger {} entries, root {}\n",
        hub.charter, hub.policies, hub.ledger_entries, hub.ledger_root
    ));
    match &hub.checkpoint {
        Some(checkpoint) => {
            let age = checkpoint.cosigned_at.map_or(String::new(), |at| {
                format!(", {} ago", elapsed(status.time.saturating_sub(at)))
            });
            text.push_str(&format!(
                "checkpoint of {} entries, cosigned by {}{age} ({}; a quorum is {} of {}); a quorum stands behind {} entries\n",
                checkpoint.size,
                checkpoint.cosigned.len(),
                checkpoint.grade,
                checkpoint.quorum,
                checkpoint.full_members,
                checkpoint.quorum_size
            ));
        }
        None => text.push_str("no checkpoint published yet\n"),
    }
    if let Some(disk) = &status.disk {
        text.push_str(&format!("{}\n", disk.finding().sentence));
    }
    for peer in &hub.peers {
        text.push_str(&peer_text(peer, status.time));
    }
    text
}

fn peer_text(peer: &PeerView, now: u64) -> String {
    let state = if peer.connected {
        "connected"
    } else {
        "not connected"
    };
    let oldest = peer.oldest_waiting.map_or(String::new(), |since| {
        format!(", the oldest for {}", elapsed(now.saturating_sub(since / 1_000)))
    });
    let clock = peer
        .clock_ahead_seconds
        .map_or(String::new(), |seconds| format!(", clock {seconds:+} s"));
    let alone = peer.went_on_alone.map_or(String::new(), |at| {
        format!(", went on alone {} ago", elapsed(now.saturating_sub(at / 1_000)))
    });
    format!(
        "{:<8} {state}, {} waiting{oldest}{clock}{alone}\n",
        peer.hub, peer.waiting
    )
}

/// A time in its largest unit, rounded down.
fn elapsed(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn holding_text(view: &DeliveryView) -> String {
    let mut state = view.state.clone();
    for (word, time) in [
        ("opened", view.opened),
        ("acknowledged", view.acknowledged),
        ("purged", view.purged),
    ] {
        if time.is_some() {
            state.push_str(", ");
            state.push_str(word);
        }
    }
    format!(
        "{}.{} {:<8} {state} ({}) {}\n",
        view.item,
        view.version,
        view.receiver,
        view.ledger,
        view.rules.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (86_399, "23 h"),
            (90_000, "1 d"),
        ] {
            assert_eq!(elapsed(seconds), text);
        }
    }
}
