//! The charter over the control socket.

use axum::Json;
use axum::extract::State;
use testudo_core::input::Command;
use testudo_core::views::{CharterView, Reply};

use super::body::{BranchBody, CharterDocument, CharterNoteBody};
use super::routes::{Answer, act};
use crate::process::HubHandle;

pub(super) async fn all(State(hub): State<HubHandle>) -> Answer<CharterDocument> {
    let notes = hub.read(|hub, _| hub.governance().notes()).await?;
    // A note is text: it was parsed as such when it came.
    let notes = notes
        .into_iter()
        .filter_map(|(_, note)| String::from_utf8(note).ok());
    Ok(Json(CharterDocument {
        notes: notes.collect(),
    }))
}

pub(super) async fn status(State(hub): State<HubHandle>) -> Answer<CharterView> {
    Ok(Json(hub.read(|hub, _| hub.charter_view()).await?))
}

pub(super) async fn submit(State(hub): State<HubHandle>, Json(body): Json<CharterNoteBody>) -> Answer<Reply> {
    let notes = vec![body.note.into_bytes()];
    act(&hub, Command::SubmitCharter { notes }).await
}

pub(super) async fn choose(State(hub): State<HubHandle>, Json(body): Json<BranchBody>) -> Answer<Reply> {
    let BranchBody { branch } = body;
    act(&hub, Command::ChooseBranch { branch }).await
}
