//! The routes of the control socket.

use axum::extract::{DefaultBodyLimit, FromRef, Path, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::routing::{get, post};
use axum::{Json, Router};
use testudo_core::hub::read::bundle_of;
use testudo_core::input::Command;
use testudo_core::views::{ConsentAskView, DeliveryView, InboxEntry, Preview, Reply};
use testudo_policies::explain::Language;
use testudo_protocol::bundle::BUNDLE_BYTES_MAX;
use testudo_protocol::courier::PARCEL_BYTES_MAX;
use testudo_protocol::id::{ItemId, Timestamp};

use super::answer::Problem;
use super::body::{
    ConfirmBody, ConsentAskBody, ConsentBody, ConsentRefusalBody, DraftBody, EraseBody, ForwardBody,
    ItemDocument, ReleaseBody,
};
use super::{attachments, charter, courier, draft, keys, policy};
use crate::health::{StatusDocument, Vitals};
use crate::process::HubHandle;
use crate::store::Family;

pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// More than any label and purpose take in JSON, in bytes.
const LABEL_BYTES_MAX: usize = 64 * 1024;

/// Largest request, in bytes: a bundle of the largest size, every byte of it escaped in JSON, and its label.
const REQUEST_BYTES_MAX: usize = 2 * BUNDLE_BYTES_MAX + LABEL_BYTES_MAX;

impl FromRef<Vitals> for HubHandle {
    fn from_ref(vitals: &Vitals) -> Self {
        vitals.hub().clone()
    }
}

pub(super) fn router(vitals: Vitals) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/inbox", get(inbox))
        .route("/v1/released", get(released))
        .route("/v1/holdings", get(holdings))
        .route("/v1/holdings/{item}", get(item_holdings))
        .route("/v1/preview", post(preview))
        .route("/v1/release", post(release))
        .route("/v1/attachments", post(attachments::stage))
        .route("/v1/drafts", get(draft::list).post(draft::keep))
        .route("/v1/drafts/{draft}/preview", get(draft::preview))
        .route("/v1/drafts/{draft}/review", post(draft::review))
        .route("/v1/drafts/{draft}/approve", post(draft::approve))
        .route("/v1/drafts/{draft}/refuse", post(draft::refuse))
        .route("/v1/drafts/{draft}/discard", post(draft::discard))
        .route("/v1/drafts/{draft}/release", post(draft::release))
        .route("/v1/items/{item}", get(show))
        .route("/v1/items/{item}/attachments", get(attachments::list))
        .route(
            "/v1/items/{item}/attachments/{number}/fetch",
            post(attachments::fetch),
        )
        .route(
            "/v1/items/{item}/attachments/{number}/content",
            get(attachments::content),
        )
        .route("/v1/items/{item}/open", post(open))
        .route("/v1/items/{item}/acknowledge", post(acknowledge))
        .route("/v1/items/{item}/forward", post(forward))
        .route("/v1/items/{item}/consent", post(consent))
        .route("/v1/items/{item}/consent/ask", post(consent_ask))
        .route("/v1/items/{item}/consent/refuse", post(consent_refuse))
        .route("/v1/consents", get(consents))
        .route("/v1/items/{item}/retract", post(retract))
        .route("/v1/items/{item}/erase", post(erase))
        .route("/v1/keys/follow", post(keys::follow))
        .route("/v1/charter", get(charter::all))
        .route("/v1/charter/status", get(charter::status))
        .route("/v1/charter/notes", post(charter::submit))
        .route("/v1/charter/choose", post(charter::choose))
        .route("/v1/ledger", get(ledger))
        .route("/v1/policy/diff", get(policy::diff))
        .route("/v1/policy/activate", post(policy::activate))
        .route("/v1/ledger/resume/{hub}", post(resume))
        .route("/v1/ledger/confirm-alone", post(confirm_alone))
        .route("/v1/courier/pack/{hub}", post(courier::pack))
        .route(
            "/v1/courier/take",
            post(courier::take).layer(DefaultBodyLimit::max(2 * PARCEL_BYTES_MAX)),
        )
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(vitals)
}

pub(super) fn item_id(text: &str) -> Result<ItemId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("an item id is 32 hexadecimal digits; `testudo inbox` lists them"))
}

pub(super) async fn act(hub: &HubHandle, command: Command) -> Answer<Reply> {
    hub.command(command)
        .await?
        .map(Json)
        .map_err(|refusal| Problem::from(&refusal))
}

async fn status(State(vitals): State<Vitals>) -> Answer<StatusDocument> {
    Ok(Json(vitals.status().await?))
}

async fn inbox(State(hub): State<HubHandle>) -> Answer<Vec<InboxEntry>> {
    Ok(Json(hub.read(|hub, _| hub.inbox()).await?))
}

async fn released(State(hub): State<HubHandle>) -> Answer<Vec<InboxEntry>> {
    Ok(Json(hub.read(|hub, _| hub.released()).await?))
}

async fn holdings(State(hub): State<HubHandle>) -> Answer<Vec<DeliveryView>> {
    Ok(Json(hub.read(|hub, _| hub.deliveries(None)).await?))
}

async fn item_holdings(State(hub): State<HubHandle>, Path(item): Path<String>) -> Answer<Vec<DeliveryView>> {
    let item = item_id(&item)?;
    Ok(Json(hub.read(move |hub, _| hub.deliveries(Some(item))).await?))
}

async fn preview(
    State(hub): State<HubHandle>,
    headers: HeaderMap,
    Json(draft): Json<DraftBody>,
) -> Answer<Preview> {
    let language = language(&headers);
    let preview = hub
        .read(move |hub, _| hub.preview(draft.into(), language))
        .await?;
    preview.map(Json).map_err(|refusal| Problem::from(&refusal))
}

/// The first language that the request asks for, if it is one of ours.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let first = asked
        .unwrap_or_default()
        .split([',', ';'])
        .next()
        .unwrap_or_default();
    Language::of_locale(first.trim())
}

async fn release(State(hub): State<HubHandle>, Json(body): Json<ReleaseBody>) -> Answer<Reply> {
    let command = body.command(hub.staging())?;
    act(&hub, Command::Release(Box::new(command))).await
}

async fn show(State(hub): State<HubHandle>, Path(item): Path<String>) -> Answer<ItemDocument> {
    let item = item_id(&item)?;
    let found = hub.read(move |hub, store| {
        let (entry, key) = hub.item(item)?;
        let row = store.get(Family::Body, &key);
        let row = row.map_err(|error| Problem::internal(&crate::cli::chain(&error)));
        Some(row.and_then(|row| {
            Ok(ItemDocument {
                entry,
                bundle: row.and_then(|row| bundle_value(&row)),
                attachments: attachments::lines(hub, store, item, &key)?,
            })
        }))
    });
    match found.await? {
        Some(Ok(document)) => Ok(Json(document)),
        Some(Err(problem)) => Err(problem),
        None => Err(Problem::not_found(
            "no such item here; `testudo inbox` lists those that are",
        )),
    }
}

fn bundle_value(row: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(&bundle_of(row)?).ok()
}

async fn open(State(hub): State<HubHandle>, Path(item): Path<String>) -> Answer<Reply> {
    act(
        &hub,
        Command::Open {
            item: item_id(&item)?,
        },
    )
    .await
}

async fn acknowledge(State(hub): State<HubHandle>, Path(item): Path<String>) -> Answer<Reply> {
    act(
        &hub,
        Command::Acknowledge {
            item: item_id(&item)?,
        },
    )
    .await
}

async fn forward(
    State(hub): State<HubHandle>,
    Path(item): Path<String>,
    Json(body): Json<ForwardBody>,
) -> Answer<Reply> {
    act(
        &hub,
        Command::Forward {
            item: item_id(&item)?,
            to: body.to,
        },
    )
    .await
}

async fn consent(
    State(hub): State<HubHandle>,
    Path(item): Path<String>,
    Json(body): Json<ConsentBody>,
) -> Answer<Reply> {
    let ConsentBody {
        holder,
        recipient,
        until,
        purpose,
    } = body;
    let until = Timestamp::from_seconds(until);
    act(
        &hub,
        Command::Consent {
            item: item_id(&item)?,
            holder,
            recipient,
            until,
            purpose,
        },
    )
    .await
}

async fn consent_ask(
    State(hub): State<HubHandle>,
    Path(item): Path<String>,
    Json(body): Json<ConsentAskBody>,
) -> Answer<Reply> {
    let ConsentAskBody {
        recipient,
        purpose,
        deadline,
    } = body;
    let command = Command::AskConsent {
        item: item_id(&item)?,
        recipient,
        purpose,
        deadline: Timestamp::from_seconds(deadline),
    };
    act(&hub, command).await
}

async fn consent_refuse(
    State(hub): State<HubHandle>,
    Path(item): Path<String>,
    Json(body): Json<ConsentRefusalBody>,
) -> Answer<Reply> {
    let ConsentRefusalBody { holder, recipient } = body;
    let command = Command::RefuseConsent {
        item: item_id(&item)?,
        holder,
        recipient,
    };
    act(&hub, command).await
}

async fn consents(State(hub): State<HubHandle>) -> Answer<Vec<ConsentAskView>> {
    Ok(Json(hub.read(|hub, _| hub.consent_asks()).await?))
}

async fn retract(State(hub): State<HubHandle>, Path(item): Path<String>) -> Answer<Reply> {
    act(
        &hub,
        Command::Retract {
            item: item_id(&item)?,
        },
    )
    .await
}

async fn erase(
    State(hub): State<HubHandle>,
    Path(item): Path<String>,
    Json(body): Json<EraseBody>,
) -> Answer<Reply> {
    let item = item_id(&item)?;
    let EraseBody { basis } = body;
    act(&hub, Command::Erase { item, basis }).await
}

async fn resume(State(hub): State<HubHandle>, Path(of): Path<String>) -> Answer<Reply> {
    let of = of.parse();
    let of =
        of.map_err(|_| Problem::not_found("a hub is named by its code; `testudo charter show` lists them"))?;
    act(&hub, Command::ResumeWitness { hub: of }).await
}

async fn confirm_alone(State(hub): State<HubHandle>, Json(body): Json<ConfirmBody>) -> Answer<Reply> {
    let person = draft::person(body.person)?;
    act(&hub, Command::ConfirmAlone { person }).await
}

async fn ledger(State(hub): State<HubHandle>) -> Answer<crate::cli::LedgerDocument> {
    let stored = hub.read(crate::cli::stored_ledger).await?;
    stored.map(Json).map_err(|sentence| Problem::internal(&sentence))
}
