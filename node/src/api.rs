//! HTTP on the control socket: how the command line reaches a running hub.
//!
//! First version: a Unix socket that only the hub's own user can open. People, roles, TLS and
//! TAXII come later, on the same routes.

mod answer;
mod attachments;
mod body;
mod charter;
mod courier;
mod draft;
mod health;
mod keys;
mod policy;
mod routes;
mod socket;

pub use answer::{ErrorBody, Problem};
pub use attachments::{AttachmentLine, StagedBody};
pub use body::{
    AttachmentBody, BranchBody, CharterDocument, CharterNoteBody, ConfirmBody, ConsentAskBody, ConsentBody,
    ConsentRefusalBody, DraftBody, EraseBody, ForwardBody, ItemDocument, ReleaseBody,
};
pub use courier::PARCEL_HEADER;
pub use draft::{ApproveBody, KeepBody, PersonBody, ReleaseDraftBody};
pub use health::{HealthListener, ListenError, listen};
pub use keys::Followed;
pub use policy::{ActivateBody, Activated};
pub use socket::{BindError, Control, bind};
