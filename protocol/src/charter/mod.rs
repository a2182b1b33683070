//! What the members have signed: who is in, with which keys, under which policies.
//!
//! First version: one static file, a C2SP signed note over readable JSON, signed by every
//! voter it names (policy.md: "version 1: all"). The chains of constitution, directory and
//! policy bundle, votes and forks come later; see `docs/adr/0003`.

mod document;
mod member;
mod signed;

pub use document::{CharterDocument, Voter};
pub use member::{Card, CardError, Member, MemberKeys, Status};
pub use signed::{Charter, CharterError};
