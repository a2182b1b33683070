//! The thread that works on files for the core.
//!
//! One queue in, in order; results are taken by the hub thread between its rounds. Neither side ever waits for room at the
//! other, so that they cannot wait for each other: how much the core asks for at once is bounded there.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use testudo_core::blob::{BlobDone, BlobId, BlobJob, BlobJobId};

use super::folder::BlobFolder;

/// What the thread is asked.
enum Task {
    /// Work whose result goes to the core.
    Work(BlobJobId, BlobJob),
    /// Remove files; whoever asks waits.
    Destroy(Vec<BlobId>, mpsc::Sender<io::Result<()>>),
}

/// A piece of work and what came of it.
type Finished = (BlobJobId, io::Result<BlobDone>);

/// The way to the thread.
pub struct BlobWorker {
    tasks: mpsc::Sender<Task>,
    done: Arc<Mutex<VecDeque<Finished>>>,
}

/// The thread has ended, which it does not do by itself.
#[derive(Debug, thiserror::Error)]
#[error("the thread of attachments has ended")]
pub struct WorkerGone;

impl BlobWorker {
    /// Starts the thread. `poke` tells the hub thread that there is a result to take; it must not wait.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(folder: BlobFolder, poke: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (tasks, queue) = mpsc::channel::<Task>();
        let done: Arc<Mutex<VecDeque<Finished>>> = Arc::default();
        let results = done.clone();
        let thread = std::thread::Builder::new().name("blobs".to_owned());
        thread.spawn(move || {
            for task in queue {
                match task {
                    Task::Work(id, job) => {
                        let result = folder.work(job);
                        lock(&results).push_back((id, result));
                        poke();
                    }
                    Task::Destroy(blobs, answer) => {
                        // Whoever asked waits for it; if it has gone, the process is ending.
                        let _gone = answer.send(folder.destroy(&blobs));
                    }
                }
            }
        })?;
        Ok(Self { tasks, done })
    }

    /// Has something worked on, behind all that was asked for before.
    ///
    /// # Errors
    /// [`WorkerGone`].
    pub fn ask(&self, id: BlobJobId, job: BlobJob) -> Result<(), WorkerGone> {
        self.tasks.send(Task::Work(id, job)).map_err(|_| WorkerGone)
    }

    /// Removes files and waits until they are gone, behind all that was asked for before: nothing that was under way can
    /// bring them back.
    ///
    /// # Errors
    /// If a file cannot be removed, or the thread is gone.
    pub fn destroy(&self, blobs: Vec<BlobId>) -> io::Result<()> {
        let (answer, answered) = mpsc::channel();
        let gone = || io::Error::other(WorkerGone);
        self.tasks
            .send(Task::Destroy(blobs, answer))
            .map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    /// Everything that was done since this was last called.
    pub fn take_done(&self) -> VecDeque<Finished> {
        std::mem::take(&mut *lock(&self.done))
    }
}

/// A panic elsewhere cannot leave the queue half-changed, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
