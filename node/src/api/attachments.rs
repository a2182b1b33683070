//! Attachments: handed over before a release, fetched, and read.

use std::io::Write as _;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use testudo_core::blob::BlobId;
use testudo_core::hub::Hub;
use testudo_core::hub::attachment::attachments_of;
use testudo_core::input::Command;
use testudo_core::views::{AttachmentView, Reply};
use testudo_crypto::attachment::{Attachment, OpenAttachmentError};
use testudo_protocol::envelope::AttachmentRef;
use testudo_protocol::id::ItemId;
use tokio::sync::mpsc;
use tracing::warn;

use super::answer::Problem;
use super::routes::{Answer, act, item_id};
use crate::blobs::{CHUNKS_MAX, ChunkReader, ChunkWriter, StageError};
use crate::cli::chain;
use crate::process::HubHandle;
use crate::store::{Family, Store};

/// Where a content that was handed over lies until its release.
#[derive(Clone, Serialize, Deserialize)]
pub struct StagedBody {
    /// What a release names it by.
    pub staged: String,
}

/// One attachment of an item, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentLine {
    /// Its name; absent once the content of the item is destroyed.
    pub name: Option<String>,
    /// What it is.
    pub media_type: Option<String>,
    /// How it stands.
    #[serde(flatten)]
    pub view: AttachmentView,
}

/// Seals a content as it comes, in flat memory. It is on stable storage when this answers, and forgotten unless a release
/// takes it up.
pub(super) async fn stage(State(hub): State<HubHandle>, body: Body) -> Answer<StagedBody> {
    let (sender, receiver) = mpsc::channel::<Option<Bytes>>(CHUNKS_MAX);
    let staging = hub.staging().clone();
    let sealing = tokio::task::spawn_blocking(move || staging.seal(ChunkReader::new(receiver)));
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = match chunks.next().await {
            Some(Ok(chunk)) => Some(chunk),
            // Whoever sent it broke off: without the word for its end it is not sealed.
            Some(Err(_)) => break,
            None => None,
        };
        let is_last = chunk.is_none();
        if sender.send(chunk).await.is_err() || is_last {
            break;
        }
    }
    drop(sender);
    match sealing.await {
        Ok(Ok(blob)) => Ok(Json(StagedBody {
            staged: blob.to_string(),
        })),
        Ok(Err(error)) => Err(not_staged(&error)),
        Err(_) => Err(Problem::internal("sealing ended unexpectedly")),
    }
}

fn not_staged(error: &StageError) -> Problem {
    let (code, exit) = match error {
        StageError::TooMany => ("busy", 75),
        StageError::NoRoom => ("no-room", 75),
        StageError::Seal(_) | StageError::Entropy(_) => ("attachment-not-sealed", 74),
    };
    Problem {
        code: code.to_owned(),
        sentence: chain(error),
        rules: Vec::new(),
        exit,
    }
}

/// The attachments of an item, with their names if its content is here.
pub(super) async fn list(
    State(hub): State<HubHandle>,
    Path(item): Path<String>,
) -> Answer<Vec<AttachmentLine>> {
    let item = item_id(&item)?;
    let found = hub.read(move |hub, store| hub.item(item).map(|(_, row)| lines(hub, store, item, &row)));
    match found.await? {
        Some(Ok(lines)) => Ok(Json(lines)),
        Some(Err(problem)) => Err(problem),
        None => Err(no_such_item()),
    }
}

/// The attachments of an item whose body lies under a key.
pub(super) fn lines(
    hub: &Hub,
    store: &Store,
    item: ItemId,
    row: &[u8],
) -> Result<Vec<AttachmentLine>, Problem> {
    let entries = entries(store, row)?;
    let line = |view: AttachmentView| {
        let at = usize::try_from(view.number.saturating_sub(1)).ok();
        let entry = at.and_then(|at| entries.get(at));
        AttachmentLine {
            name: entry.map(|entry| entry.name.clone()),
            media_type: entry.map(|entry| entry.media_type.clone()),
            view,
        }
    };
    Ok(hub.attachments(item).into_iter().map(line).collect())
}

fn entries(store: &Store, row: &[u8]) -> Result<Vec<AttachmentRef>, Problem> {
    let body = store.get(Family::Body, row);
    let body = body.map_err(|error| Problem::internal(&chain(&error)))?;
    Ok(body.and_then(|body| attachments_of(&body)).unwrap_or_default())
}

/// Has an attachment fetched; it goes on by itself.
pub(super) async fn fetch(
    State(hub): State<HubHandle>,
    Path((item, number)): Path<(String, u32)>,
) -> Answer<Reply> {
    let item = item_id(&item)?;
    let number = number.checked_sub(1).ok_or_else(no_such_attachment)?;
    let views = hub.read(move |hub, _| hub.attachments(item)).await?;
    let missing = |view: &AttachmentView| view.sealed.saturating_sub(view.fetched);
    let wanted = usize::try_from(number).ok().and_then(|at| views.get(at));
    if !hub.staging().folder().has_room(wanted.map_or(0, missing)) {
        return Err(Problem {
            code: "no-room".to_owned(),
            sentence: "the disk of the hub has no room for this attachment; make room and ask again"
                .to_owned(),
            rules: Vec::new(),
            exit: 75,
        });
    }
    act(&hub, Command::Fetch { item, number }).await
}

/// The content of an attachment that has been fetched, as it is opened.
pub(super) async fn content(
    State(hub): State<HubHandle>,
    Path((item, number)): Path<(String, u32)>,
) -> Result<Response, Problem> {
    let item = item_id(&item)?;
    let number = number.checked_sub(1).ok_or_else(no_such_attachment)?;
    let found = hub
        .read(move |hub, store| whole(hub, store, item, number))
        .await?;
    let (blob, attachment) = found?;
    let (sender, mut receiver) = mpsc::channel(CHUNKS_MAX);
    let folder = hub.staging().folder().clone();
    tokio::task::spawn_blocking(move || {
        let mut writer = ChunkWriter::new(sender);
        let opened = folder.unseal(blob, &attachment, &mut writer);
        if let Err(error) = opened.and_then(|()| (&mut writer).flush().map_err(OpenAttachmentError::Write)) {
            warn!(item = %item, error = %chain(&error), "an attachment does not open");
            writer.fail();
        }
    });
    let chunks = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    Ok(Body::from_stream(chunks).into_response())
}

fn whole(hub: &Hub, store: &Store, item: ItemId, number: u32) -> Result<(BlobId, Attachment), Problem> {
    let record = hub.whole_blob(item, number).ok_or_else(not_fetched)?;
    let (_, row) = hub.item(item).ok_or_else(no_such_item)?;
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    let entry = entries(store, &row)?
        .into_iter()
        .nth(at)
        .ok_or_else(no_such_attachment)?;
    let attachment = entry
        .sealed()
        .map_err(|error| Problem::internal(&chain(&error)))?;
    Ok((record.blob, attachment))
}

fn no_such_item() -> Problem {
    Problem::not_found("no such item here; `testudo inbox` lists those that are")
}

fn no_such_attachment() -> Problem {
    Problem::not_found("no such attachment; `testudo show` lists them with their numbers")
}

fn not_fetched() -> Problem {
    Problem::not_found("this attachment is not here; `testudo object fetch` fetches it")
}
