//! One hub as an operating-system process.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use crate::fault::DemoError;
use crate::folder::Folder;
use crate::hub::Hub;
use crate::program::{Program, end};
use crate::waiting::{PATIENCE, wait_until};

/// How much of a log's end is looked at when something failed.
const LOG_TAIL_BYTES: u64 = 16 * 1024;

/// A hub that runs, or has run. It does not outlive the value, unless it is let go.
#[derive(Debug)]
pub struct HubProcess {
    hub: Hub,
    data: PathBuf,
    tap: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl HubProcess {
    /// A hub in this folder that does not run yet.
    pub fn new(hub: Hub, folder: &Folder) -> Self {
        Self {
            hub,
            data: folder.data(hub),
            tap: folder.tap(hub),
            log: folder.log(hub),
            child: None,
        }
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it; `apart` puts it out of reach of the terminal's Ctrl-C.
    ///
    /// # Errors
    /// [`DemoError`] if the log cannot be opened or the process not be started.
    pub fn start(&mut self, program: &Program, apart: bool) -> Result<(), DemoError> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|source| DemoError::File {
                path: self.log.clone(),
                source,
            })?;
        self.child = Some(program.serve(&self.data, &self.tap, log, apart)?);
        Ok(())
    }

    /// Fails if it has ended by itself.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] with how it ended.
    pub fn must_run(&mut self) -> Result<(), DemoError> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(DemoError::NotHeld(format!(
                "hub {} ended by itself: {status}",
                self.hub
            ))),
        }
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    /// Asks it to stop, with SIGTERM.
    ///
    /// # Errors
    /// [`DemoError::Machine`] if the system refuses.
    pub fn ask_to_stop(&self) -> Result<(), DemoError> {
        let pid = self
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return Ok(());
        };
        kill_process(pid, Signal::TERM).map_err(|error| DemoError::Machine {
            what: "a hub cannot be stopped",
            source: error.into(),
        })
    }

    /// Waits until it has ended with exit code 0.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] if it ends otherwise, [`DemoError::TooLate`] if it does not end.
    pub fn wait_until_stopped(&mut self) -> Result<(), DemoError> {
        if self.child.is_none() {
            return Ok(());
        }
        let what = format!("hub {} has stopped after SIGTERM", self.hub);
        let status = wait_until(&what, PATIENCE, || self.ended())?;
        self.child = None;
        if status.success() {
            Ok(())
        } else {
            Err(DemoError::NotHeld(format!(
                "hub {} did not stop cleanly: {status}",
                self.hub
            )))
        }
    }

    /// Lets it run on when this value is gone.
    pub fn let_go(&mut self) {
        self.child = None;
    }

    /// The last lines of its log.
    pub fn last_words(&self, lines: usize) -> Vec<String> {
        let tail = File::open(&self.log).and_then(|mut log| {
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        // A log that cannot be read has nothing to add to the failure that is being shown.
        let text = String::from_utf8_lossy(&tail.unwrap_or_default()).into_owned();
        let mut last: Vec<String> = text.lines().rev().take(lines).map(str::to_owned).collect();
        last.reverse();
        last
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, DemoError> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        child.try_wait().map_err(|source| DemoError::Machine {
            what: "a hub cannot be waited for",
            source,
        })
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
