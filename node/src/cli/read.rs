//! Commands that only look.

use std::process::ExitCode;

use clap::Subcommand;
use testudo_core::views::{DeliveryView, InboxEntry, Reply, Status};

use super::arguments::{At, ItemAt, StatusAt, item_id};
use super::client::Client;
use super::outcome::{Answer, Failure, exit};
use crate::api::ItemDocument;
use crate::process;

/// What to look at.
#[derive(Subcommand)]
pub(super) enum StatusWhat {
    /// Who holds what of our releases, and who has not answered.
    Holdings {
        /// One item; all without it.
        item: Option<String>,
    },
}

pub(super) async fn status(at: StatusAt, what: Option<StatusWhat>) -> Result<Answer, Failure> {
    let data = at
        .data
        .ok_or_else(|| Failure::new(exit::USAGE, "usage", "name the hub with --data DIR"))?;
    let client = Client::new(&At { data })?;
    match what {
        None => {
            let status: Status = client.get("/v1/status").await?;
            let text = status_text(&status);
            if status.peers.iter().any(|peer| peer.split_view) {
                // Somebody has to look: a script that only reads exit codes must not miss it.
                let document = serde_json::to_value(&status).unwrap_or_default();
                return Ok(Answer::Decided(document, text, ExitCode::from(exit::DATA)));
            }
            Ok(Answer::of(&status, text))
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

fn status_text(status: &Status) -> String {
    let health = if status.fenced {
        "FENCED: the ledger is behind its anchor or its peers; nothing is signed or released"
    } else if status.storage_full {
        "DISK NEARLY FULL: nothing new is released or taken until there is room"
    } else {
        "running"
    };
    let mut text = format!(
        "hub {} in {}: {health}\ncharter {}, policies {}\nledger {} entries, root {}\n",
        status.hub, status.realm, status.charter, status.policies, status.ledger_entries, status.ledger_root
    );
    match &status.checkpoint {
        Some(checkpoint) => text.push_str(&format!(
            "checkpoint of {} entries, cosigned by {} ({}; a quorum is {})\n",
            checkpoint.size,
            checkpoint.cosigned.len(),
            checkpoint.grade,
            checkpoint.quorum
        )),
        None => text.push_str("no checkpoint published yet\n"),
    }
    for peer in &status.peers {
        let split = if peer.split_view {
            "; TWO HISTORIES: its ledger has two signed roots for one size; look, then `testudo ledger resume`"
        } else {
            ""
        };
        let state = if peer.connected {
            "connected"
        } else {
            "not connected"
        };
        let fault = peer
            .fault
            .as_ref()
            .map(|fault| format!("; last fault: {fault}"))
            .unwrap_or_default();
        text.push_str(&format!(
            "{:<8} {state}, {} waiting{fault}{split}\n",
            peer.hub, peer.waiting
        ));
    }
    text
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
        "{}.{} {:<8} {state} {}\n",
        view.item,
        view.version,
        view.receiver,
        view.rules.join(" ")
    )
}

pub(super) async fn inbox(at: &At) -> Result<Answer, Failure> {
    listed(at, "/v1/inbox", testudo_core::hub::Hub::inbox).await
}

pub(super) async fn released(at: &At) -> Result<Answer, Failure> {
    listed(at, "/v1/released", testudo_core::hub::Hub::released).await
}

/// Asks the running hub, or reads a stopped hub's folder.
async fn listed(
    at: &At,
    path: &str,
    stored: impl Fn(&testudo_core::hub::Hub) -> Vec<InboxEntry>,
) -> Result<Answer, Failure> {
    let client = Client::new(at)?;
    let entries: Vec<InboxEntry> = if client.is_running().await {
        client.get(path).await?
    } else {
        stored(&process::load(client.folder())?.0)
    };
    let text = entries.iter().map(entry_text).collect::<String>();
    Ok(Answer::of(
        &entries,
        if text.is_empty() {
            "nothing yet".to_owned()
        } else {
            text
        },
    ))
}

fn entry_text(entry: &InboxEntry) -> String {
    let title = entry
        .title
        .as_deref()
        .map_or_else(|| "(content destroyed)".to_owned(), plain);
    let via = if entry.sender == entry.originator {
        String::new()
    } else {
        format!(" by way of {}", entry.sender)
    };
    let also: String = entry
        .also_via
        .iter()
        .map(|hub| format!(", also by way of {hub}"))
        .collect();
    format!(
        "{}.{} {:<9} TLP:{} from {}{via}{also}\n  {title}\n",
        entry.item, entry.version, entry.state, entry.label.tlp, entry.originator
    )
}

/// Text of others on one line, without characters that a terminal would obey.
fn plain(text: &str) -> String {
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if harmless(c) { c } else { '\u{fffd}' })
        .take(200)
        .collect()
}

pub(super) async fn show(item: &ItemAt) -> Result<Answer, Failure> {
    let client = Client::new(&item.at)?;
    let document: ItemDocument = client.get(&item.path("")?).await?;
    if document.bundle.is_some() {
        let _noted: Reply = client.post(&item.path("/open")?, &()).await?;
    }
    let mut text = entry_text(&document.entry);
    if let Some(bundle) = &document.bundle {
        text.push_str(&serde_json::to_string_pretty(bundle).unwrap_or_default());
    }
    Ok(Answer::of(&document, text))
}
