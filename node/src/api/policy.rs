//! Showing and activating the policies in the hub's folders.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use testudo_core::views::PolicyDiff;
use testudo_policies::gate::Gate;
use testudo_protocol::id::Hash;
use tracing::{error, info};

use super::answer::Problem;
use crate::cli::chain;
use crate::process::HubHandle;

/// Which policies to activate.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateBody {
    /// The hash that the difference printed.
    pub hash: Hash,
}

/// What is active now.
#[derive(Clone, Serialize, Deserialize)]
pub struct Activated {
    /// The hash of the active policies.
    pub active: Hash,
}

pub(super) async fn diff(State(hub): State<HubHandle>) -> Result<Json<PolicyDiff>, Problem> {
    let engine = hub.read_policies().map_err(|error| refused(&chain(&error)))?;
    let diff = hub.read(move |hub, _| hub.policy_diff(engine)).await?;
    diff.map(Json).map_err(|error| refused(&chain(&error)))
}

/// The old policies stay in force until the new ones have been read, validated and compared with what was shown.
pub(super) async fn activate(
    State(hub): State<HubHandle>,
    Json(body): Json<ActivateBody>,
) -> Result<Json<Activated>, Problem> {
    let engine = hub.read_policies().map_err(|error| alarm(&chain(&error)))?;
    if let Some(reason) = engine.closed().first() {
        return Err(alarm(reason));
    }
    let charter = hub.read(|hub, _| hub.gate().charter().clone()).await?;
    let gate = Gate::new(engine, charter).map_err(|error| alarm(&chain(&error)))?;
    let active = gate.policies();
    if active != body.hash {
        let sentence =
            "the policy folders have changed since `testudo policy diff`; run it again and activate that";
        return Err(alarm(sentence));
    }
    hub.activate(gate).await?;
    info!(policy_set = %active, "policies activated");
    Ok(Json(Activated { active }))
}

fn refused(sentence: &str) -> Problem {
    Problem {
        code: "policies".to_owned(),
        sentence: sentence.to_owned(),
        rules: Vec::new(),
        exit: 78,
    }
}

/// Whoever asked is told, and so is whoever watches the hub: it does not run what its folders hold.
fn alarm(sentence: &str) -> Problem {
    error!(
        error = sentence,
        "policies not activated, the old ones stay in force"
    );
    refused(sentence)
}
