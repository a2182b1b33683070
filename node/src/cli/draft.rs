//! Drafts that are kept for a second person: `draft`, `drafts`, `review`, `approve`, `refuse`, `discard`.

use std::path::PathBuf;

use clap::Args;
use testudo_core::views::{DraftView, Reply};
use testudo_protocol::id::{DraftId, Hash, ItemId};

use super::act::said;
use super::arguments::{At, item_id};
use super::client::Client;
use super::label::{Handling, Inherited, read_bundle};
use super::outcome::{Answer, Failure, exit};
use crate::api::{ApproveBody, DraftBody, ItemDocument, KeepBody, PersonBody};

/// Keeps a draft: from a file, or cut down from an item of this hub's own.
#[derive(Args)]
pub(super) struct Keep {
    /// A file with a STIX 2.1 bundle.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    bundle: Option<PathBuf>,
    /// The item of this hub's own that it is made from; what is not given is as in its label.
    #[arg(long, value_name = "ITEM")]
    from: Option<String>,
    /// The ids of the objects to cut.
    #[arg(long, value_delimiter = ',', value_name = "OBJECT,...", requires = "from")]
    cut: Vec<String>,
    #[command(flatten)]
    handling: Handling,
    /// The item that this corrects.
    #[arg(long, value_name = "ITEM")]
    corrects: Option<String>,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    at: At,
}

/// Lowers the label of an item of this hub's own: the draft of a new version with the same contents.
#[derive(Args)]
pub(super) struct Downgrade {
    /// The item.
    item: String,
    #[command(flatten)]
    handling: Handling,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    at: At,
}

/// Who acts.
#[derive(Args)]
pub(super) struct Who {
    /// Your code on the duty roster.
    #[arg(long, value_name = "CODE")]
    person: String,
}

/// One draft.
#[derive(Args)]
pub(super) struct DraftAt {
    /// The draft's id.
    draft: String,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    at: At,
}

/// An approval.
#[derive(Args)]
pub(super) struct Approve {
    #[command(flatten)]
    draft: DraftAt,
    /// The hash that `testudo preview --draft` printed.
    #[arg(long, value_name = "HASH")]
    preview: String,
}

pub(super) fn draft_id(text: &str) -> Result<DraftId, Failure> {
    text.parse().map_err(|error| {
        let sentence = format!("draft id: {error}; `testudo drafts` lists them");
        Failure::new(exit::USAGE, "usage", sentence)
    })
}

pub(super) fn preview_hash(text: &str) -> Result<Hash, Failure> {
    text.parse().map_err(|error| {
        let sentence = format!("--preview: {error}; `testudo preview` prints it");
        Failure::new(exit::USAGE, "usage", sentence)
    })
}

/// What an item of this hub's own says about handling.
async fn inherited(client: &Client, item: ItemId) -> Result<Inherited, Failure> {
    let document: ItemDocument = client.get(&format!("/v1/items/{item}")).await?;
    Ok(Inherited {
        label: document.entry.label,
        purpose: document.entry.purpose,
    })
}

impl Keep {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let client = Client::new(&self.at)?;
        let from = self.from.as_deref().map(item_id).transpose()?;
        let base = match from {
            Some(item) => Some(inherited(&client, item).await?),
            None => None,
        };
        let bundle = match &self.bundle {
            Some(path) => read_bundle(path)?,
            None => String::new(),
        };
        let corrects = self.corrects.as_deref().map(item_id).transpose()?;
        let draft = self.handling.draft(bundle, corrects, base.as_ref())?;
        keep(&client, draft, from, self.cut.clone(), &self.who).await
    }
}

impl Downgrade {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let client = Client::new(&self.at)?;
        let item = item_id(&self.item)?;
        let base = inherited(&client, item).await?;
        let draft = self.handling.draft(String::new(), Some(item), Some(&base))?;
        keep(&client, draft, Some(item), Vec::new(), &self.who).await
    }
}

async fn keep(
    client: &Client,
    draft: DraftBody,
    from: Option<ItemId>,
    cut: Vec<String>,
    who: &Who,
) -> Result<Answer, Failure> {
    let body = KeepBody {
        draft,
        from,
        cut,
        person: who.person.clone(),
    };
    let reply: Reply = client.post("/v1/drafts", &body).await?;
    Ok(said(&reply))
}

impl DraftAt {
    /// An act that needs nothing but the draft and who does it.
    pub(super) async fn run(&self, act: &str) -> Result<Answer, Failure> {
        let body = PersonBody {
            person: self.who.person.clone(),
        };
        let path = format!("/v1/drafts/{}/{act}", draft_id(&self.draft)?);
        let reply: Reply = Client::new(&self.at)?.post(&path, &body).await?;
        Ok(said(&reply))
    }
}

impl Approve {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let body = ApproveBody {
            preview: preview_hash(&self.preview)?,
            person: self.draft.who.person.clone(),
        };
        let path = format!("/v1/drafts/{}/approve", draft_id(&self.draft.draft)?);
        let reply: Reply = Client::new(&self.draft.at)?.post(&path, &body).await?;
        Ok(said(&reply))
    }
}

pub(super) async fn list(at: &At) -> Result<Answer, Failure> {
    let drafts: Vec<DraftView> = Client::new(at)?.get("/v1/drafts").await?;
    let text: String = drafts.iter().map(line).collect();
    let text = if text.is_empty() {
        "no drafts".to_owned()
    } else {
        text
    };
    Ok(Answer::of(&drafts, text))
}

fn line(draft: &DraftView) -> String {
    let second = draft
        .second
        .as_ref()
        .map(|name| format!(", second {name}"))
        .unwrap_or_default();
    let from = draft
        .derived_from
        .map(|item| format!(", {} objects cut from {item}", draft.cut.len()))
        .unwrap_or_default();
    format!(
        "{} {:<9} TLP:{} by {}{second}{from}\n",
        draft.draft, draft.state, draft.label.tlp, draft.maker
    )
}
