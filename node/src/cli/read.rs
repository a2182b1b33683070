//! Commands that only look.

use testudo_core::views::{InboxEntry, Reply};

use super::arguments::{At, ItemAt};
use super::client::Client;
use super::object::line_text;
use super::outcome::{Answer, Failure};
use crate::api::ItemDocument;
use crate::process;

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
        stored(&process::load(client.folder()?)?.0)
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
    let ledger = entry
        .ledger
        .as_ref()
        .map_or_else(String::new, |grade| format!(", {grade}"));
    let also: String = entry
        .also_via
        .iter()
        .map(|hub| format!(", also by way of {hub}"))
        .collect();
    format!(
        "{}.{} {:<9} TLP:{} from {}{via}{also}{ledger}\n  {title}\n",
        entry.item, entry.version, entry.state, entry.label.tlp, entry.originator
    )
}

/// Text of others on one line, without characters that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
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
    text.extend(document.attachments.iter().map(line_text));
    if let Some(bundle) = &document.bundle {
        text.push_str(&serde_json::to_string_pretty(bundle).unwrap_or_default());
    }
    Ok(Answer::of(&document, text))
}
