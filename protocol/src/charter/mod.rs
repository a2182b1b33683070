//! What the members have signed: who is in, with which keys, under which policies.
//!
//! ```text
//! texts --voters sign--> notes --Governance::take--> chains and acts --Governance::charter(now)--> Charter
//! ```
//!
//! Members decide, no centre does: three chains of versions (constitution, directory, policy bundle) follow the rules of
//! TUF's root role, and acts that only take away take effect on receipt. Thresholds and acts: `docs/spec/charter.md`.
//! What members decide about themselves, without a vote, is a chain of own acts beside these (`docs/adr/0007`), through
//! which the charter is seen: `Charter::with_own_acts`. Nothing here knows files, peers or the screen.

mod kind;
mod text;
mod threshold;

mod act;
mod bundle;
mod constitution;
mod directory;
mod member;

mod change;
mod error;
mod signed;

mod governance;
mod heartbeat;

mod effective;

mod certificate;
mod keyring;
mod operational_keys;
mod own_act;
mod own_acts;
mod own_view;

mod draft;
mod packet;
mod words;

pub use act::{Act, ActKind, HOLD_SECONDS, OBJECTION_SECONDS, REASON_BYTES_MAX};
pub use bundle::{BUNDLE_DAYS_MIN, PolicyBundle};
pub use certificate::KeyCertificate;
pub use change::{Change, changes, sponsors_needed};
pub use constitution::{CONSTITUTION_DAYS_MAX, Constitution, Settled};
pub use directory::{DIRECTORY_DAYS_MAX, Directory, Lift, MEMBERS_MAX, SPONSOR_DAYS_MAX, is_voting_class};
pub use draft::{Draft, DraftError, Founding, Intent};
pub use effective::Charter;
pub use error::{TakeError, TextError};
pub use governance::{ACTS_OF_ONE_MAX, Effect, Fork, FoundError, Governance, Taken, Tally};
pub use heartbeat::{BEAT_MILLIS, FRESH_MILLIS, Heads, Heartbeat, HeartbeatError};
pub use keyring::{KeyRefusal, OVERLAP_MILLIS};
pub use kind::{Chain, DAY_SECONDS, Kind, Place};
pub use member::{Card, CardError, Member, MemberKeys, Status};
pub use operational_keys::OperationalKeys;
pub use own_act::{KeyKind, OWN_ACT_BYTES_MAX, OwnAct, OwnActError, OwnActFields, OwnDeed};
pub use own_acts::{OWN_ACTS_MAX, OwnActs, OwnChain, OwnHead, OwnTakeError, OwnTaken, SplitActs};
pub use packet::{PACKET_BYTES_MAX, Packet, PacketError};
pub use signed::{Signed, text_hash};
pub use text::{TEXT_BYTES_MAX, heading, is_first, signer_name, to_text};
pub use threshold::{
    KeyOf, Need, Share, Thresholds, VOTE_KEYS, VOTER_KEYS, VOTERS_MAX, VoteError, Voter, votes,
};
pub use words::words;
