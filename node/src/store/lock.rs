//! One process for one folder, and for one anchor.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// More digits than any process number has.
const PID_BYTES_MAX: u64 = 20;

/// The right to use what a lock file stands for. It holds the number of the process, for the message only. The kernel takes it back when the process ends, however it ends, so that
/// a file left behind by a crash locks nobody out. The file itself is never removed: removing it while
/// another process waits for it would let two of them in.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why the lock was not given.
pub(super) enum LockError {
    /// Another process has it; its number, if the file tells.
    Taken(Option<u32>),
    Io(io::Error),
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Lock, LockError> {
        let mut open = OpenOptions::new();
        // Not truncated here: until the lock is ours, the number in the file is that of its owner.
        let open = open
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = open.open(path).map_err(LockError::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Taken(owner(&mut file))),
            Err(error) => return Err(LockError::Io(error.into())),
        }
        note_owner(&mut file).map_err(LockError::Io)?;
        Ok(Lock { _file: file })
    }
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn note_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
