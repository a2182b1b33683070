//! `testudo serve`: the hub until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use testudo_protocol::id::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::arguments::{At, environment};
use super::outcome::{Answer, Failure, chain, exit};
use crate::api;
use crate::clock;
use crate::config::{Current, FILE_NAME};
use crate::folder::HubFolder;
use crate::health::{Vitals, is_set};
use crate::notify::Notifier;
use crate::process::{self, Running};
use crate::telemetry::{self, Counter, LogControl, count};

/// How often the process looks whether the hub thread still runs.
const WATCH: Duration = Duration::from_millis(200);

/// How often the hub thread is asked for a sign of life, where no service manager asks more often.
const BEAT: Duration = Duration::from_secs(5);

/// How long requests that are under way may take after the hub was told to end.
const DRAIN: Duration = Duration::from_secs(30);

/// How often a clock that was never set is looked at again.
const CLOCK_POLL: Duration = Duration::from_secs(1);

pub(super) async fn run(at: &At, tap: Option<PathBuf>) -> Result<Answer, Failure> {
    let folder = HubFolder::open(&at.data, &environment())?;
    let log = &folder.config.log;
    let log = telemetry::init(log.format, &log.filter)
        .map_err(|error| Failure::new(exit::GENERAL, "telemetry", chain(&error)))?;
    let tap = allowed(tap.or_else(|| folder.config.tap.clone()))?;
    let mut signals = Signals::new()?;
    let notifier = Arc::new(Notifier::from_environment());
    tokio::select! {
        () = signals.end() => return Ok(Answer::Silent),
        () = wait_for_the_time(clock::now, CLOCK_POLL, &notifier) => {}
    }

    let running = process::start(&folder, tap).await?;
    let file = folder.root().join(FILE_NAME);
    let current = Arc::new(Current::new(folder.config.clone(), &file, environment()));
    let vitals = Vitals::new(running.handle.clone(), current.clone());
    let doors = match Doors::open(&folder, &vitals).await {
        Ok(doors) => doors,
        Err(failure) => {
            // Nobody has been answered yet, so there is nothing to lose by stopping.
            let _stopped = running.stop().await;
            return Err(failure);
        }
    };
    let hub = folder.card()?.code;
    info!(hub = %hub, "running");
    notifier.ready();
    // Goes on while the hub ends, which may take longer than the service manager waits for a sign of life.
    let signs_of_life = tokio::spawn(pass_on_signs_of_life(vitals.clone(), notifier.clone()));
    serve(&running, &mut signals, (&current, &log), &notifier).await;

    // From here on `/readyz` says no, before anything else is done.
    vitals.begin_to_stop();
    notifier.stopping();
    info!(hub = %hub, "stopping");
    let ended = tokio::select! {
        ended = doors.close_and_stop(running) => ended,
        () = signals.end() => {
            warn!(hub = %hub, "told to end a second time, ending at once");
            let sentence = "told to end a second time; what was acknowledged is on disk, what was under way is whole or absent";
            return Err(Failure::new(exit::GENERAL, "ended-at-once", sentence));
        }
    };
    signs_of_life.abort();
    info!(hub = %hub, "stopped");
    ended.map_err(|sentence| Failure::new(exit::IO, "stopped", sentence))?;
    Ok(Answer::Silent)
}

/// Where the hub is asked.
struct Doors {
    control: api::Control,
    health: Option<api::HealthListener>,
}

impl Doors {
    async fn open(folder: &HubFolder, vitals: &Vitals) -> Result<Self, Failure> {
        let health = match &folder.config.health {
            Some(at) => Some(
                api::listen(at, vitals.clone())
                    .await
                    .map_err(|error| Failure::new(exit::UNAVAILABLE, "health-listener", chain(&error)))?,
            ),
            None => None,
        };
        let control = api::bind(&folder.config.control_socket, vitals.clone())
            .map_err(|error| Failure::new(exit::CANNOT_CREATE, "control-socket", chain(&error)))?;
        Ok(Self { control, health })
    }

    /// Answers what was asked, then ends the hub; those who watch it are answered to the last.
    async fn close_and_stop(self, running: Running) -> Result<(), String> {
        self.control.close(DRAIN).await;
        let ended = running.stop().await;
        if let Some(health) = self.health {
            health.close();
        }
        ended
    }
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

/// What the process is told from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| {
            signal(kind).map_err(|error| {
                let sentence = format!("signals cannot be received: {error}");
                Failure::new(exit::GENERAL, "signals", sentence)
            })
        };
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    /// Waits until somebody wants the process to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Until somebody wants the hub to end, or it has ended by itself.
async fn serve(
    running: &Running,
    signals: &mut Signals,
    (current, log): (&Current, &LogControl),
    notifier: &Notifier,
) {
    let mut watch = interval(WATCH);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => reload(current, log, notifier),
            _ = watch.tick() => {
                if running.has_ended() {
                    return;
                }
            }
        }
    }
}

/// Asks the hub thread for signs of life and passes them on. A thread that is stuck is waited for here and
/// nowhere else; meanwhile nobody is told that it lives.
async fn pass_on_signs_of_life(vitals: Vitals, notifier: Arc<Notifier>) {
    // Twice in the time that the service manager grants, so that one late answer does no harm.
    let mut beat = interval(notifier.watchdog().map_or(BEAT, |granted| BEAT.min(granted / 2)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if vitals.beat().await.is_err() {
            // The hub has ended.
            return;
        }
        notifier.alive();
    }
}

/// Takes over what can change while the hub runs. After an error the configuration before it stays, whole.
fn reload(current: &Current, log: &LogControl, notifier: &Notifier) {
    notifier.reloading();
    match current.reload(clock::now()) {
        Ok(reloaded) => {
            if let Err(error) = log.set_filter(&reloaded.log.filter) {
                error!(error = %chain(&error), "the log filter stays as it was");
            }
            let changed = reloaded.changed.join(", ");
            info!(
                count = reloaded.changed.len(),
                "configuration reloaded; changed: {changed}"
            );
            if !reloaded.needs_restart.is_empty() {
                let waiting = reloaded.needs_restart.join(", ");
                warn!("changed settings wait for a restart: {waiting}");
            }
        }
        Err(error) => {
            count(Counter::ReloadRefused, 1);
            error!(error = %chain(&error), "configuration not reloaded, the one before it stays in force");
        }
    }
    notifier.ready();
}

/// A machine that has just woken up may believe that it is 1970. What a hub signs then it has signed for ever.
async fn wait_for_the_time(now: impl Fn() -> Timestamp, poll: Duration, notifier: &Notifier) {
    let mut looks = 0_u64;
    let mut pause = interval(poll);
    while !is_set(now()) {
        if looks.is_multiple_of(30) {
            warn!("the clock of this machine is not set; waiting until it is, before anything is signed");
            notifier.waiting_for_the_clock();
        }
        looks = looks.wrapping_add(1);
        pause.tick().await;
    }
    if looks > 0 {
        info!("the clock is set");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::health::EARLIEST;

    fn soon<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn a_start_in_1970_waits_for_the_clock() {
        let asked = Cell::new(0);
        let now = || {
            asked.set(asked.get() + 1);
            if asked.get() < 40 {
                Timestamp::from_seconds(asked.get())
            } else {
                EARLIEST
            }
        };
        let notifier = Notifier::from_environment();
        soon(wait_for_the_time(now, Duration::from_millis(1), &notifier));
        assert_eq!(asked.get(), 40);
    }

    #[test]
    fn a_clock_that_is_set_is_not_waited_for() {
        let notifier = Notifier::from_environment();
        soon(wait_for_the_time(
            || EARLIEST,
            Duration::from_secs(3_600),
            &notifier,
        ));
    }

    #[test]
    fn the_unit_grants_the_time_that_the_hub_takes() {
        let unit = include_str!("../../packaging/systemd/testudo.service");
        let value = |key: &str| {
            let line = unit
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{key} is missing"))
        };
        let seconds = |key: &str| Duration::from_secs(value(key).parse().unwrap());
        assert!(seconds("TimeoutStopSec") > DRAIN + BEAT);
        assert!(seconds("WatchdogSec") > BEAT * 2);
        assert_eq!(value("Type"), "notify");
        let given_up: Vec<u8> = value("RestartPreventExitStatus")
            .split(' ')
            .map(|code| code.parse().unwrap())
            .collect();
        assert_eq!(given_up, [exit::DATA, exit::PERMISSION, exit::CONFIG]);
    }
}
