//! The envelope: signed inside, sealed outside, with a thin outer part for order.
//!
//! ```text
//! inner  = length || header || signature || length || body || length || recipients
//! plain  = PADME(inner), at least 4 KiB
//! cipher = age(plain) under the audience's key, or to each recipient
//! outer  = suite, entry, sender, audience, epoch, sequence, previous link, hash and length of cipher, expiry, signature
//! ```
//!
//! Audience, recipients and decision are inside the signature, so a recipient cannot hand
//! the item on as if it had been meant for somebody else. Signed bytes are the bytes
//! received. Layouts: `docs/spec/envelope.md`.

mod attachment_ref;
mod audience_key;
mod header;
mod outer;
mod payload_signature;
mod received;
mod recipients;
mod signed_part;
mod suite;

pub use attachment_ref::{
    ATTACHMENTS_MAX, AttachmentKey, AttachmentRef, AttachmentRefError, NAME_BYTES_MAX, check_names,
};
pub use audience_key::{AudienceKey, AudienceKeyError, AudienceKeyFields, sealing_context};
pub use header::{DecisionRef, Header, Kind};
pub use outer::{LogEntry, Outer, OuterError, OuterFields};
pub use payload_signature::PayloadSignature;
pub use received::{Envelope, EnvelopeError, Forwarded, OpenError, Opened, Opener, Payload, Verified};
pub use recipients::{RECIPIENTS_MAX, RecipientEntry, Recipients};
pub use signed_part::{ForwardBody, SignedPart, SignedPartError, VerifiedPart, key_tag};
pub use suite::{Suite, SuiteError};

/// Largest envelope, in bytes: a bundle of the largest size, padded and sealed.
pub const ENVELOPE_BYTES_MAX: usize = 6 * 1024 * 1024;
