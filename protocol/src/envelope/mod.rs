//! The envelope: signed inside, sealed outside, with a thin outer part for order.
//!
//! ```text
//! inner  = length || header || signature || length || body || length || recipients
//! plain  = PADME(inner), at least 4 KiB
//! cipher = age(plain) to each recipient
//! outer  = sender, audience, epoch, sequence, previous link, hash and length of cipher, expiry, signature
//! ```
//!
//! Audience, recipients and decision are inside the signature, so a recipient cannot hand
//! the item on as if it had been meant for somebody else. Signed bytes are the bytes
//! received. Layouts: `docs/spec/envelope.md`.

mod header;
mod outer;
mod received;
mod recipients;
mod signed_part;

pub use header::{DecisionRef, Header, Kind, Licence, SUITE};
pub use outer::{Outer, OuterError, OuterFields};
pub use received::{Envelope, EnvelopeError, Forwarded, OpenError, Opened, Opener, Payload, Verified};
pub use recipients::{RecipientEntry, Recipients};
pub use signed_part::{ForwardBody, SignedPart, SignedPartError, VerifiedPart, key_tag};

/// Largest envelope, in bytes: a bundle of the largest size, padded and sealed.
pub const ENVELOPE_BYTES_MAX: usize = 6 * 1024 * 1024;
