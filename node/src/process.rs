//! The running hub: one thread that owns core, database and anchor, and everything around it.
//!
//! ```text
//! commands, frames, ticks --bounded queue--> hub thread: handle, write, send --> replies, frames
//! ```
//!
//! The thread drains what the core wants done before it takes the next input, so that a peer
//! cannot make our queues grow, and writes all batches of one round in one synced write.

#[cfg(feature = "tap")]
mod canary;
mod disk;
mod driver;
mod rows;
mod settle;
mod start;

pub use disk::{Disk, Fatal};
pub use driver::{HubHandle, Look, PolicyReader, Request, Stopped};
pub use rows::load_rows;
pub use settle::{Effects, settle};
pub use start::{Loaded, Running, StartError, load, restore, start};
pub(crate) use start::{engine, policy_folder};
