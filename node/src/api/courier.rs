//! Parcels over the control socket: bytes out, bytes in.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use testudo_core::input::Command;
use testudo_core::views::Reply;

use super::answer::Problem;
use crate::process::HubHandle;

/// Carries the document about a parcel, which itself is the body.
pub const PARCEL_HEADER: HeaderName = HeaderName::from_static("testudo-parcel");

const OCTETS: &str = "application/octet-stream";

/// Packs a parcel for one hub.
pub(super) async fn pack(State(hub): State<HubHandle>, Path(to): Path<String>) -> Result<Response, Problem> {
    let to = to.parse();
    let to =
        to.map_err(|_| Problem::not_found("a hub is named by its code; `testudo charter show` lists them"))?;
    let packed = hub.command(Command::PackParcel { to }).await?;
    let mut reply = packed.map_err(|refusal| Problem::from(&refusal))?;
    let parcel = match &mut reply {
        Reply::Packed { sealed, .. } => std::mem::take(sealed).0,
        _ => Vec::new(),
    };
    let document = serde_json::to_string(&reply).unwrap_or_default();
    Ok((
        [(CONTENT_TYPE, OCTETS.to_owned()), (PARCEL_HEADER, document)],
        parcel,
    )
        .into_response())
}

/// Takes in a parcel.
pub(super) async fn take(State(hub): State<HubHandle>, sealed: Bytes) -> Result<Json<Reply>, Problem> {
    let sealed = Vec::from(sealed);
    let taken = hub.command(Command::TakeParcel { sealed }).await?;
    taken.map(Json).map_err(|refusal| Problem::from(&refusal))
}
