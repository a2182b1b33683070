//! The bounded queue of frames to one peer.
//!
//! It accepts frames only while a session is open and forgets them when the session ends: what was not
//! delivered is the core's to send again, and only the core knows whether it still may.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// How many frames may wait for one peer. The core sends a window's worth at a time; more waiting than this
/// means that the peer does not read.
pub(super) const QUEUE_FRAMES_MAX: usize = 256;

/// How many bytes may wait for one peer: four of the largest frames. It bounds what a peer that stops
/// reading costs us.
pub(super) const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How many bytes the writer takes at once, so that a full queue makes room early.
const TAKE_BYTES_MAX: usize = 64 * 1024;

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushError {
    Closed,
    Full,
}

/// Frames on their way to one peer.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    open: bool,
}

impl Queue {
    /// Adds a frame without waiting.
    ///
    /// # Errors
    /// [`PushError::Closed`] outside a session, [`PushError::Full`] at either bound.
    pub(super) fn push(&self, frame: Vec<u8>) -> Result<(), PushError> {
        {
            let mut waiting = self.lock();
            if !waiting.open {
                return Err(PushError::Closed);
            }
            let bytes = waiting.bytes.saturating_add(frame.len());
            if waiting.frames.len() >= QUEUE_FRAMES_MAX || bytes > QUEUE_BYTES_MAX {
                return Err(PushError::Full);
            }
            waiting.bytes = bytes;
            waiting.frames.push_back(frame);
        }
        self.filled.notify_one();
        Ok(())
    }

    /// Begins a session with an empty queue.
    pub(super) fn open(&self) {
        *self.lock() = Waiting {
            open: true,
            ..Waiting::default()
        };
    }

    /// Ends the session and forgets what waits.
    pub(super) fn close(&self) {
        *self.lock() = Waiting::default();
    }

    /// Waits for frames and takes the oldest: at least one, and not many more bytes than fit a write.
    pub(super) async fn take(&self) -> Vec<Vec<u8>> {
        loop {
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Vec<u8>> {
        let mut waiting = self.lock();
        let mut taken = Vec::new();
        let mut taken_bytes = 0;
        while taken_bytes < TAKE_BYTES_MAX {
            let Some(frame) = waiting.frames.pop_front() else {
                break;
            };
            taken_bytes += frame.len();
            taken.push(frame);
        }
        waiting.bytes = waiting.bytes.saturating_sub(taken_bytes);
        taken
    }

    /// A panic elsewhere cannot leave the queue half-changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_while_open_and_forgets_on_close() {
        let queue = Queue::default();
        assert_eq!(queue.push(vec![1]), Err(PushError::Closed));
        queue.open();
        assert_eq!(queue.push(vec![1]), Ok(()));
        queue.close();
        assert_eq!(queue.push(vec![2]), Err(PushError::Closed));
        queue.open();
        assert!(queue.take_now().is_empty());
    }

    #[test]
    fn is_bounded_by_count() {
        let queue = Queue::default();
        queue.open();
        for _ in 0..QUEUE_FRAMES_MAX {
            assert_eq!(queue.push(vec![]), Ok(()));
        }
        assert_eq!(queue.push(vec![]), Err(PushError::Full));
    }

    #[test]
    fn is_bounded_by_bytes_and_makes_room_in_order() {
        let queue = Queue::default();
        queue.open();
        let frame = QUEUE_BYTES_MAX / 4;
        for i in 0..4 {
            assert_eq!(queue.push(vec![i; frame]), Ok(()));
        }
        assert_eq!(queue.push(vec![9]), Err(PushError::Full));
        let taken = queue.take_now();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0][0], 0);
        assert_eq!(queue.push(vec![9]), Ok(()));
    }
}
