//! What the members have signed: who is in, with which keys, under which policies.
//!
//! First version: one static file, a C2SP signed note over readable JSON, signed by every
//! voter it names (policy.md: "version 1: all"). The chains of constitution, directory and
//! policy bundle, votes and forks come later; see `docs/adr/0003`. What members decide about
//! themselves, without a vote, is a chain of own acts beside it, through which the charter is
//! seen; see `docs/adr/0007`.

mod document;
mod member;
mod signed;

mod certificate;
mod effective;
mod keyring;
mod operational_keys;
mod own_act;
mod own_acts;

pub use certificate::KeyCertificate;
pub use document::{CharterDocument, Voter};
pub use keyring::{KeyRefusal, OVERLAP_MILLIS};
pub use member::{Card, CardError, Member, MemberKeys, Status};
pub use operational_keys::OperationalKeys;
pub use own_act::{KeyKind, OWN_ACT_BYTES_MAX, OwnAct, OwnActError, OwnActFields, OwnDeed};
pub use own_acts::{OWN_ACTS_MAX, OwnActs, OwnChain, OwnHead, SplitActs, TakeError, Taken};
pub use signed::{Charter, CharterError};
