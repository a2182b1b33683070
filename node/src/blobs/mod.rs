//! The files of attachments: `DIR/blobs/PSEUDONYM.age`, the sealed bytes, and `PSEUDONYM.tree`, the inner nodes beside it.
//!
//! ```text
//! upload --seal, sync--> staged --release--> row
//! fetch  --check, keep, keep, .., sync--> row says whole
//! a file that no row names --at start--> removed
//! ```
//!
//! What lies here is sealed to keys that lie in the database, and agrees with roots that originators signed, or is not
//! used. Work that the core asks for is done by one thread of its own, in order, so that a large file holds up neither the
//! hub nor its database; what a person uploads or reads is sealed and opened in the task that serves them.

mod folder;
mod pipe;
mod staging;
mod worker;

pub use folder::{BlobFolder, BlobFolderError};
pub use pipe::{CHUNKS_MAX, ChunkReader, ChunkWriter};
pub use staging::{StageError, Staged, Staging};
pub use worker::{BlobWorker, WorkerGone};
