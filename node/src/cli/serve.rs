//! `testudo serve`: the hub until it is told to stop.

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::arguments::{At, environment};
use super::outcome::{Answer, Failure, chain, exit};
use crate::api;
use crate::folder::HubFolder;
use crate::process;
use crate::telemetry;

/// How often the process looks whether the hub thread still runs.
const WATCH: Duration = Duration::from_millis(200);

pub(super) async fn run(at: &At, tap: Option<PathBuf>) -> Result<Answer, Failure> {
    let folder = HubFolder::open(&at.data, &environment())?;
    let log = &folder.config.log;
    telemetry::init(log.format, &log.filter)
        .map_err(|error| Failure::new(exit::GENERAL, "telemetry", chain(&error)))?;
    let tap = allowed(tap.or_else(|| folder.config.tap.clone()))?;
    let running = process::start(&folder, tap).await?;
    let control = match api::bind(&folder.config.control_socket, running.handle.clone()) {
        Ok(control) => control,
        Err(error) => {
            let sentence = chain(&error);
            // Nobody has been answered yet, so there is nothing to lose by stopping.
            let _stopped = running.stop().await;
            return Err(Failure::new(exit::CANNOT_CREATE, "control-socket", sentence));
        }
    };
    let hub = folder.card()?.code;
    info!(hub = %hub, "running");
    wait_for_the_end(&running).await?;
    control.close().await;
    let ended = running.stop().await;
    info!(hub = %hub, "stopped");
    ended.map_err(|sentence| Failure::new(exit::IO, "stopped", sentence))?;
    Ok(Answer::Silent)
}

#[cfg(feature = "tap")]
fn allowed(tap: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
    Ok(tap)
}

#[cfg(not(feature = "tap"))]
fn allowed(tap: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
    match tap {
        None => Ok(None),
        Some(_) => Err(Failure::new(
            exit::CONFIG,
            "tap",
            "this build has no tap; leave out --tap and `test.tap`",
        )),
    }
}

async fn wait_for_the_end(running: &process::Running) -> Result<(), Failure> {
    let failed = |error| {
        Failure::new(
            exit::GENERAL,
            "signals",
            format!("signals cannot be received: {error}"),
        )
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut watch = tokio::time::interval(WATCH);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = watch.tick() => {
                if running.has_ended() {
                    return Ok(());
                }
            }
        }
    }
}
