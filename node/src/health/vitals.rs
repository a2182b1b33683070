//! A running hub as those see it who watch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::judge::Circumstances;
use super::status::StatusDocument;
use crate::clock;
use crate::config::Current;
use crate::process::{HubHandle, Stopped};

/// The one place that knows hub, configuration and end; cheap to clone.
#[derive(Clone)]
pub struct Vitals(Arc<Inner>);

struct Inner {
    hub: HubHandle,
    current: Arc<Current>,
    started: u64,
    stopping: AtomicBool,
    begun: Instant,
    /// When the hub thread last answered, in milliseconds since `begun`.
    last_beat: AtomicU64,
}

impl Vitals {
    /// Of a hub that has just been started.
    #[must_use]
    pub fn new(hub: HubHandle, current: Arc<Current>) -> Self {
        Self(Arc::new(Inner {
            hub,
            current,
            started: clock::now().seconds(),
            stopping: AtomicBool::new(false),
            begun: Instant::now(),
            last_beat: AtomicU64::new(0),
        }))
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &HubHandle {
        &self.0.hub
    }

    /// From now on no new work is taken, and everybody who asks is told so.
    pub fn begin_to_stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the hub has been told to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Asks the hub thread for a sign of life; waits as long as it takes.
    ///
    /// # Errors
    /// [`Stopped`] if the hub has ended.
    pub async fn beat(&self) -> Result<(), Stopped> {
        self.0.hub.read(|_, _| ()).await?;
        let since = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_beat.store(since, Ordering::Relaxed);
        Ok(())
    }

    /// How long the hub thread has not answered.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.0.last_beat.load(Ordering::Relaxed));
        self.0.begun.elapsed().saturating_sub(last)
    }

    /// How the hub is now.
    ///
    /// # Errors
    /// [`Stopped`] if the hub has ended.
    pub async fn status(&self) -> Result<StatusDocument, Stopped> {
        let hub = self.0.hub.read(|hub, _| hub.status()).await?;
        let config = self.0.current.started_with();
        let around = Circumstances {
            now: clock::now(),
            disk: Disk::of(&config.store()).ok(),
            config: self.0.current.report(),
            tick_seconds: config.tick.millis() / 1_000,
            started: self.0.started,
            stopping: self.is_stopping(),
        };
        Ok(StatusDocument::new(hub, around))
    }
}
