//! HTTP on the control socket: how the command line reaches a running hub.
//!
//! First version: a Unix socket that only the hub's own user can open. People, roles, TLS and
//! TAXII come later, on the same routes.

mod answer;
mod body;
mod courier;
mod charter;
mod policy;
mod routes;
mod socket;

pub use answer::{ErrorBody, Problem};
pub use body::{
    BranchBody, CharterDocument, CharterNoteBody, ConsentAskBody, ConsentBody, ConsentRefusalBody, DraftBody,
    EraseBody, ForwardBody, ItemDocument, ReleaseBody,
};
pub use courier::PARCEL_HEADER;
pub use policy::{ActivateBody, Activated};
pub use socket::{BindError, Control, bind};
