//! The ladder up which a received envelope climbs.
//!
//! ```text
//! bytes --decode--> Envelope --verify--> Verified --open--> Opened
//!                                                 --open_key--> AudienceKey
//! ```
//!
//! An envelope can also come resealed: the untouched signed part under another ciphertext, beside its original
//! outer part. Then the hash of the ciphertext says nothing, and everything else is checked as ever.
//!
//! Each step is the only constructor of its result.

use testudo_crypto::digest::Digest;
use testudo_crypto::pad::unpad;
use testudo_crypto::seal::{self, Identity};

use zeroize::Zeroizing;

use super::ENVELOPE_BYTES_MAX;
use super::audience_key::{AudienceKey, AudienceKeyError, sealing_context};
use super::header::Kind;
use super::outer::{LogEntry, Outer, OuterError, OuterFields};
use super::recipients::Recipients;
use super::signed_part::{ForwardBody, SignedPart, SignedPartError, VerifiedPart};
use crate::bundle::{Bundle, BundleError};
use crate::charter::{Charter, Status};
use crate::consent::{ConsentError, ConsentToken};
use crate::fault::Fault;
use crate::id::{EnvelopeHash, Hash, HubId, Timestamp};
use crate::wire::{self, EncodeError, Reader, prefixed};

/// An envelope as it stands on the wire: decoded, not believed.
#[derive(Clone)]
pub struct Envelope {
    outer: Outer,
    cipher: Vec<u8>,
    seal: Sealed,
}

/// Which ciphertext an envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sealed {
    /// The one that the outer part names.
    Once,
    /// Another one, for one recipient that could not open the first.
    Again,
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({}, {} bytes)", self.outer.link(), self.cipher.len())
    }
}

/// An envelope whose sender is a member and stands behind these very bytes.
///
/// ```compile_fail
/// # use testudo_protocol::envelope::Verified;
/// let forged = Verified { envelope: unreachable!() };
/// ```
#[derive(Debug)]
pub struct Verified {
    envelope: Envelope,
}

/// An opened envelope: decrypted, signed by its originator, meant for this hub.
///
/// ```compile_fail
/// # use testudo_protocol::envelope::Opened;
/// let forged = Opened { carrier: unreachable!(), payload: unreachable!(), recipients: unreachable!() };
/// ```
#[derive(Debug)]
pub struct Opened {
    carrier: VerifiedPart,
    payload: Payload,
    recipients: Vec<HubId>,
}

/// What was inside.
#[derive(Debug)]
pub enum Payload {
    /// The sender's own item.
    Own(Bundle),
    /// Another hub's item, forwarded untouched.
    Forwarded(Box<Forwarded>),
}

/// Another hub's item inside an envelope of the forwarder.
#[derive(Debug)]
pub struct Forwarded {
    original: VerifiedPart,
    bundle: Bundle,
    consent: Option<ConsentToken>,
}

/// Why an envelope is refused before it is opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Over the limit.
    #[error("envelope is {bytes} bytes, at most {ENVELOPE_BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The outer part is refused.
    #[error("outer part is refused")]
    Outer(#[from] OuterError),
    /// The ciphertext is another one than the outer part names.
    #[error("ciphertext differs from what the outer part names")]
    Cipher,
    /// The sender is a member, but not in good standing.
    #[error("sender is not active")]
    Inactive,
    /// Past its end of life.
    #[error("envelope has expired")]
    Expired,
}

impl EnvelopeError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

/// Why an envelope is refused after decryption was tried. Holds nothing of the content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No key of this hub opens it, or the ciphertext is malformed.
    #[error("envelope does not open with a key of this hub")]
    Sealed(#[from] seal::OpenError),
    /// Padding or layout is wrong.
    #[error("plaintext layout is wrong")]
    Layout,
    /// The signed part is refused.
    #[error("signed part is refused")]
    Signed(#[from] SignedPartError),
    /// An audience key where content was expected, or the other way round.
    #[error("log entry carries something else than is asked of it")]
    OtherEntry,
    /// The audience key is refused.
    #[error("audience key is refused")]
    Key(#[from] AudienceKeyError),
    /// Outer and inner part disagree.
    #[error("outer and inner part disagree on `{field}`")]
    Disagreement {
        /// What they disagree on.
        field: &'static str,
    },
    /// This hub is not under the recipients root.
    #[error("this hub is not among the signed recipients")]
    NotForUs,
    /// Names a charter this hub does not have yet.
    #[error("envelope names charter version {theirs}, this hub has {ours}")]
    NewerCharter {
        /// The version named.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The body is not a bundle, or is stricter than its label.
    #[error("body is refused")]
    Bundle(#[from] BundleError),
    /// The consent token is refused.
    #[error("consent token is refused")]
    Consent(#[from] ConsentError),
}

impl OpenError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NewerCharter { .. } => Fault::Environment,
            _ => Fault::Peer,
        }
    }
}

impl Envelope {
    /// Joins a signed outer part and its ciphertext, on the sending side.
    ///
    /// # Errors
    /// [`EnvelopeError`] if they do not belong together.
    pub fn new(outer: Outer, cipher: Vec<u8>) -> Result<Self, EnvelopeError> {
        let bytes = cipher.len().saturating_add(Outer::BYTES);
        if bytes > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge { bytes });
        }
        let stated = outer.fields();
        let same_length = u64::try_from(cipher.len()).is_ok_and(|length| length == stated.cipher_bytes);
        if !same_length || Hash::from(Digest::of(&cipher)) != stated.cipher_hash {
            return Err(EnvelopeError::Cipher);
        }
        let seal = Sealed::Once;
        Ok(Self { outer, cipher, seal })
    }

    /// Joins an original outer part and a ciphertext made later, for one recipient.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`].
    pub fn resealed(outer: Outer, cipher: Vec<u8>) -> Result<Self, EnvelopeError> {
        let bytes = cipher.len().saturating_add(Outer::BYTES);
        if bytes > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge { bytes });
        }
        let seal = Sealed::Again;
        Ok(Self { outer, cipher, seal })
    }

    /// Reads an envelope: bounds, layout, ciphertext hash.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (outer, cipher) = split(bytes)?;
        Self::new(outer, cipher.to_vec())
    }

    /// Reads an envelope that was resealed: bounds and layout.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode_resealed(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (outer, cipher) = split(bytes)?;
        Self::resealed(outer, cipher.to_vec())
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.outer.to_bytes(), self.cipher.clone()].concat()
    }

    /// The outer part.
    pub fn outer(&self) -> &Outer {
        &self.outer
    }

    /// The ciphertext.
    pub fn cipher(&self) -> &[u8] {
        &self.cipher
    }

    /// The hash by which receipts name it: the link of its outer part.
    pub fn hash(&self) -> EnvelopeHash {
        self.outer.link()
    }

    /// Checks that an active member stands behind it and that it has not expired.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn verify(self, charter: &Charter, now: Timestamp) -> Result<Verified, EnvelopeError> {
        let fields = self.outer.fields();
        if fields.expires != Timestamp::default() && now >= fields.expires {
            return Err(EnvelopeError::Expired);
        }
        self.outer.verify(charter)?;
        let active = charter
            .member(fields.sender)
            .is_some_and(|member| member.status == Status::Active);
        if active {
            Ok(Verified { envelope: self })
        } else {
            Err(EnvelopeError::Inactive)
        }
    }
}

/// The outer part and the rest; nothing is copied before the bound is checked.
fn split(bytes: &[u8]) -> Result<(Outer, &[u8]), EnvelopeError> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
    }
    let (outer, cipher) = bytes
        .split_at_checked(Outer::BYTES)
        .ok_or(OuterError::Malformed)?;
    Ok((Outer::decode(outer)?, cipher))
}

/// What a hub needs to open envelopes.
#[derive(Debug)]
pub struct Opener<'a> {
    /// This hub.
    pub me: HubId,
    /// Its age identities, this week's first.
    pub identities: &'a [&'a Identity],
    /// The latest key of the log that the envelope is in.
    pub audience: Option<&'a AudienceKey>,
    /// Its charter.
    pub charter: &'a Charter,
    /// The time.
    pub now: Timestamp,
}

impl Verified {
    /// What the sender states outside.
    pub fn fields(&self) -> &OuterFields {
        self.envelope.outer.fields()
    }

    /// The envelope itself.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Decrypts, verifies the signature inside, and checks that outside and inside agree,
    /// that this hub is meant, and that the body is as strict as its label says.
    ///
    /// # Errors
    /// [`OpenError`], one for each check.
    pub fn open(&self, opener: &Opener<'_>) -> Result<Opened, OpenError> {
        if self.fields().entry != LogEntry::Content {
            return Err(OpenError::OtherEntry);
        }
        let key = opener
            .audience
            .filter(|key| self.envelope.seal == Sealed::Once && key.epoch() == self.fields().epoch);
        let plain = self.decrypt(key, opener.identities)?;
        let inner = unpad(&plain).map_err(|_| OpenError::Layout)?;
        let mut reader = Reader::new(inner);
        let part = SignedPart::read(&mut reader)?;
        let listed = reader.prefixed().map_err(|_| OpenError::Layout)?;
        if !reader.rest().is_empty() {
            return Err(OpenError::Layout);
        }
        let carrier = part.verify(opener.charter)?;
        self.check_agreement(&carrier)?;
        let header = carrier.header();
        let is_meant = |recipients: &Recipients| {
            recipients.is_canonical()
                && recipients.root() == header.recipients_root
                && recipients.contains(opener.me)
        };
        // The list stands beside the signature, or once for all in the audience's key.
        let recipients: Recipients = match (listed, key) {
            ([], Some(key)) => key.recipients().clone(),
            ([], None) => return Err(OpenError::NotForUs),
            (listed, _) => wire::decode(listed).map_err(|_| OpenError::Layout)?,
        };
        if !is_meant(&recipients) {
            return Err(OpenError::NotForUs);
        }
        if header.charter > opener.charter.version() {
            let (theirs, ours) = (header.charter.get(), opener.charter.version().get());
            return Err(OpenError::NewerCharter { theirs, ours });
        }
        let payload = Payload::read(&carrier, opener)?;
        Ok(Opened {
            carrier,
            payload,
            recipients: recipients.hubs().collect(),
        })
    }

    /// Opens the key of an audience and verifies whose it is.
    ///
    /// # Errors
    /// [`OpenError`], one for each check.
    pub fn open_key(&self, opener: &Opener<'_>) -> Result<AudienceKey, OpenError> {
        if self.fields().entry != LogEntry::AudienceKey {
            return Err(OpenError::OtherEntry);
        }
        let plain = self.decrypt(None, opener.identities)?;
        let inner = unpad(&plain).map_err(|_| OpenError::Layout)?;
        let key = AudienceKey::read(inner, self.fields(), opener.me, opener.charter)?;
        Ok(key)
    }

    /// Under the audience's key if the envelope was sealed so, else with an identity.
    fn decrypt(
        &self,
        key: Option<&AudienceKey>,
        identities: &[&Identity],
    ) -> Result<Zeroizing<Vec<u8>>, seal::OpenError> {
        let (fields, cipher) = (self.fields(), &self.envelope.cipher);
        if let Some(key) = key {
            let context = sealing_context(fields.sender, fields.audience, fields.epoch, fields.sequence);
            let opened = seal::open_with_audience(key.secret(), &context, cipher, ENVELOPE_BYTES_MAX);
            if !matches!(opened, Err(seal::OpenError::NoMatch)) {
                return opened;
            }
        }
        seal::open(identities, cipher, ENVELOPE_BYTES_MAX)
    }

    fn check_agreement(&self, carrier: &VerifiedPart) -> Result<(), OpenError> {
        let (outside, inside) = (self.fields(), carrier.header());
        let pairs = [
            ("suite", outside.suite == inside.suite),
            ("sender", outside.sender == inside.originator),
            ("audience", outside.audience == inside.audience),
            ("epoch", outside.epoch == inside.epoch),
            ("sequence", outside.sequence == inside.sequence),
            ("expiry", outside.expires == inside.expires),
        ];
        match pairs.into_iter().find(|(_, agrees)| !agrees) {
            Some((field, _)) => Err(OpenError::Disagreement { field }),
            None => Ok(()),
        }
    }
}

impl Payload {
    fn read(carrier: &VerifiedPart, opener: &Opener<'_>) -> Result<Self, OpenError> {
        if carrier.header().kind != Kind::Forward {
            return Ok(Self::Own(bundle_of(carrier)?));
        }
        let ForwardBody { token, original } = ForwardBody::decode(carrier.body())?;
        let original = original.verify(opener.charter)?;
        let (outside, inside) = (carrier.header(), original.header());
        // What is fetched apart is named by whoever made it.
        if !outside.attachments.is_empty() {
            return Err(OpenError::Disagreement {
                field: "forwarded attachments",
            });
        }
        // Nobody relabels: the forwarder's header repeats item, label and licence of the original.
        let repeats = (outside.item == inside.item)
            && (outside.label == inside.label)
            && (outside.licence == inside.licence)
            && (outside.derived_from == inside.derived_from);
        if inside.kind == Kind::Forward || !repeats {
            return Err(OpenError::Disagreement {
                field: "forwarded item",
            });
        }
        let consent = match token.as_slice() {
            [] => None,
            bytes => {
                let token = ConsentToken::decode(bytes)?;
                token.verify(opener.charter, &inside.into(), opener.me, opener.now)?;
                Some(token)
            }
        };
        let bundle = bundle_of(&original)?;
        Ok(Self::Forwarded(Box::new(Forwarded {
            original,
            bundle,
            consent,
        })))
    }
}

fn bundle_of(part: &VerifiedPart) -> Result<Bundle, BundleError> {
    let bundle = Bundle::parse(part.body().to_vec())?;
    bundle.check_label(&part.header().label)?;
    Ok(bundle)
}

impl Opened {
    /// The part that the sender signed.
    pub fn carrier(&self) -> &VerifiedPart {
        &self.carrier
    }

    /// The part that the originator signed: the same unless this is a forward.
    pub fn original(&self) -> &VerifiedPart {
        match &self.payload {
            Payload::Own(_) => &self.carrier,
            Payload::Forwarded(forwarded) => &forwarded.original,
        }
    }

    /// Everyone for whom the sender has sealed it, this hub among them.
    pub fn recipients(&self) -> &[HubId] {
        &self.recipients
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        match &self.payload {
            Payload::Own(bundle) => bundle,
            Payload::Forwarded(forwarded) => &forwarded.bundle,
        }
    }

    /// The originator's verified consent, if this is a forward with one.
    pub fn consent(&self) -> Option<&ConsentToken> {
        match &self.payload {
            Payload::Own(_) => None,
            Payload::Forwarded(forwarded) => forwarded.consent.as_ref(),
        }
    }
}

impl SignedPart {
    /// The plaintext to seal for these recipients, padded so that its length says little.
    ///
    /// # Errors
    /// [`EncodeError`] if the list is over the limit.
    pub fn plaintext(&self, recipients: &Recipients) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
        Ok(self.padded(&wire::encode(recipients)?))
    }

    /// The plaintext to seal under the key of an audience, which holds the list of recipients.
    pub fn plaintext_for_audience(&self) -> Zeroizing<Vec<u8>> {
        self.padded(&[])
    }

    fn padded(&self, listed: &[u8]) -> Zeroizing<Vec<u8>> {
        let inner = Zeroizing::new([self.to_bytes(), prefixed(listed)].concat());
        Zeroizing::new(testudo_crypto::pad::pad(&inner))
    }
}

#[cfg(test)]
mod tests;
