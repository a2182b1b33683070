//! Following what this hub has decided about its own keys.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use testudo_core::input::Command;
use tracing::info;

use super::answer::Problem;
use crate::cli::chain;
use crate::process::HubHandle;

/// The hub goes by its newest act.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// Whether it has to be started again: a transport key is changed only there.
    pub restart: bool,
}

/// Takes the acts and keys that lie in the hub's folder now.
///
/// Each act is durable and told to the peers before the keys are changed that it certifies.
pub(super) async fn follow(State(hub): State<HubHandle>) -> Result<Json<Followed>, Problem> {
    let (acts, keys) = hub
        .read_keys()
        .map_err(|error| Problem::internal(&chain(&error)))?;
    for act in acts {
        hub.command(Command::OwnAct(act))
            .await?
            .map_err(|refusal| Problem::from(&refusal))?;
    }
    let transport = keys.transport.verifying_key();
    hub.rekey(keys).await?;
    let restart = hub.transport_key() != transport;
    info!("own acts followed");
    Ok(Json(Followed { restart }))
}
