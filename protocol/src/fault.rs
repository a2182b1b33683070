//! Whose fault an error is, so that the caller knows whether to drop, retry or stop.

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer sent something that no honest peer sends: drop it and count it.
    Peer,
    /// A person gave something that has to be put right: say what, change nothing.
    Operator,
    /// Disk, clock or network: try again later.
    Environment,
    /// A broken promise of this program: stop.
    Ours,
}
