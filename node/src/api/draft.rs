//! Drafts that are kept for a second person.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use testudo_core::hub::Hub;
use testudo_core::input::{Command, DeriveFrom, KeepDraft};
use testudo_core::person::Person;
use testudo_core::refusal::Refusal;
use testudo_core::views::{DraftView, Preview, Reply};
use testudo_protocol::id::{DraftId, Hash, ItemId};

use super::answer::Problem;
use super::body::DraftBody;
use super::routes::{Answer, act, language};
use crate::process::HubHandle;
use crate::store::Family;

/// The person whom a code names.
pub(super) fn person(code: String) -> Result<Person, Problem> {
    Person::try_from(code).map_err(|_| Problem::from(&Refusal::PersonCode))
}

/// A draft to be kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeepBody {
    /// The draft; its bundle is left empty where it is made from an item.
    pub draft: DraftBody,
    /// The item of our own that it is made from.
    #[serde(default)]
    pub from: Option<ItemId>,
    /// The ids of the objects to cut out of that.
    #[serde(default)]
    pub cut: Vec<String>,
    /// The code of its maker on the duty roster.
    pub person: String,
}

/// What somebody does with a draft.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonBody {
    /// Their code on the duty roster.
    pub person: String,
}

/// An approval.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// The hash that the preview printed.
    pub preview: Hash,
    /// The code of the second person on the duty roster.
    pub person: String,
}

/// The release of an approved draft.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDraftBody {
    /// The preview that was approved.
    pub preview: Hash,
}

fn draft_id(text: &str) -> Result<DraftId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("a draft id is 32 hexadecimal digits; `testudo drafts` lists them"))
}

pub(super) async fn list(State(hub): State<HubHandle>) -> Answer<Vec<DraftView>> {
    Ok(Json(hub.read(|hub, _| hub.drafts()).await?))
}

pub(super) async fn keep(State(hub): State<HubHandle>, Json(body): Json<KeepBody>) -> Answer<Reply> {
    let KeepBody {
        draft,
        from,
        cut,
        person: code,
    } = body;
    let cut = cut.into_iter().collect();
    let wanted = KeepDraft {
        draft: draft.into(),
        from: from.map(|item| DeriveFrom { item, cut }),
        person: person(code)?,
    };
    act(&hub, Command::KeepDraft(Box::new(wanted))).await
}

pub(super) async fn preview(
    State(hub): State<HubHandle>,
    Path(draft): Path<String>,
    headers: HeaderMap,
) -> Answer<Preview> {
    let (draft, language) = (draft_id(&draft)?, language(&headers));
    let preview = hub.read(move |hub, store| {
        let bundle = store.get(Family::Body, &Hub::draft_row(draft))?;
        Ok::<_, crate::store::ReadError>(hub.preview_draft(draft, bundle.map(|row| row.to_vec()), language))
    });
    let preview = preview
        .await?
        .map_err(|error| Problem::internal(&crate::cli::chain(&error)))?;
    preview.map(Json).map_err(|refusal| Problem::from(&refusal))
}

pub(super) async fn review(
    State(hub): State<HubHandle>,
    Path(draft): Path<String>,
    Json(body): Json<PersonBody>,
) -> Answer<Reply> {
    let (draft, person) = (draft_id(&draft)?, person(body.person)?);
    act(&hub, Command::ReviewDraft { draft, person }).await
}

pub(super) async fn approve(
    State(hub): State<HubHandle>,
    Path(draft): Path<String>,
    Json(body): Json<ApproveBody>,
) -> Answer<Reply> {
    let command = Command::ApproveDraft {
        draft: draft_id(&draft)?,
        preview: body.preview,
        person: person(body.person)?,
    };
    act(&hub, command).await
}

pub(super) async fn refuse(
    State(hub): State<HubHandle>,
    Path(draft): Path<String>,
    Json(body): Json<PersonBody>,
) -> Answer<Reply> {
    let (draft, person) = (draft_id(&draft)?, person(body.person)?);
    act(&hub, Command::RefuseDraft { draft, person }).await
}

pub(super) async fn discard(State(hub): State<HubHandle>, Path(draft): Path<String>) -> Answer<Reply> {
    let draft = draft_id(&draft)?;
    act(&hub, Command::DiscardDraft { draft }).await
}

pub(super) async fn release(
    State(hub): State<HubHandle>,
    Path(draft): Path<String>,
    Json(body): Json<ReleaseDraftBody>,
) -> Answer<Reply> {
    let command = Command::ReleaseDraft {
        draft: draft_id(&draft)?,
        preview: body.preview,
    };
    act(&hub, command).await
}
