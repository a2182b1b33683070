//! What the originator signed, kept to the byte on every hop.

use testudo_crypto::digest::Digest;
use testudo_crypto::sign::Domain;
use testudo_crypto::sign::composite::{CompositeSigningKey, CompositeVerifyingKey};

use super::attachment_ref::{AttachmentRef, AttachmentRefError};
use super::header::Header;
use super::payload_signature::PayloadSignature;
use super::suite::Suite;
use crate::charter::{Charter, KeyRefusal};
use crate::fault::Fault;
use crate::id::{Hash, ItemRef, KeyTag};
use crate::wire::{self, EncodeError, Reader, prefixed};

/// Header bytes, signature and body as they were made.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedPart {
    header: Vec<u8>,
    signature: PayloadSignature,
    body: Vec<u8>,
}

impl std::fmt::Debug for SignedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SignedPart(header {} bytes, body {} bytes)",
            self.header.len(),
            self.body.len()
        )
    }
}

/// A signed part whose signature, header and body hash hold. Made only by [`SignedPart::verify`].
///
/// ```compile_fail
/// # use testudo_protocol::envelope::VerifiedPart;
/// let forged = VerifiedPart { part: unreachable!(), header: unreachable!() };
/// ```
#[derive(Debug)]
pub struct VerifiedPart {
    part: SignedPart,
    header: Header,
}

/// Why a signed part is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedPartError {
    /// The layout is wrong.
    #[error("signed part is malformed")]
    Malformed,
    /// A cipher suite that the charter does not name, or another than that of the signature.
    #[error("suite {found} is not one that the charter names, or not that of the signature")]
    Suite {
        /// The suite of the header.
        found: Suite,
    },
    /// Federation or realm is another.
    #[error("item belongs to another federation or realm")]
    Realm,
    /// The originator is not a member of our charter.
    #[error("originator is not a member of charter version {ours}")]
    Originator {
        /// Our version.
        ours: u32,
    },
    /// The key is not the originator's, or not any more.
    #[error("signed with a key that does not count")]
    Key(#[from] KeyRefusal),
    /// The signature does not verify.
    #[error("payload signature does not verify")]
    Signature,
    /// The body is another one than was signed.
    #[error("body hash differs from the signed one")]
    Body,
    /// The label contradicts itself.
    #[error("label contradicts itself")]
    Label,
    /// The attachments cannot be what they are said to be.
    #[error("attachments are malformed")]
    Attachments(#[from] AttachmentRefError),
    /// The licence is out of range or contradicts the label.
    #[error("licence contradicts itself or the label")]
    Licence,
    /// The item claims to be derived from itself.
    #[error("item cannot be derived from what it names")]
    Derivation,
}

impl SignedPartError {
    /// Whose fault it is: always the sender's.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl SignedPart {
    /// Signs a header that names this body, in the header's suite. `hedge` is fresh randomness.
    ///
    /// # Errors
    /// [`EncodeError`] if the header is over the limit.
    pub fn sign(
        header: &Header,
        body: Vec<u8>,
        key: &CompositeSigningKey,
        hedge: [u8; 32],
    ) -> Result<Self, EncodeError> {
        let header_bytes = wire::encode(header)?;
        let signature = PayloadSignature::sign(header.suite, Domain::PAYLOAD, &header_bytes, key, hedge);
        Ok(Self {
            header: header_bytes,
            signature,
            body,
        })
    }

    /// The bytes: header, signature and body, each behind its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            prefixed(&self.header),
            prefixed(&self.signature.to_bytes()),
            prefixed(&self.body),
        ]
        .concat()
    }

    /// Reads the bytes of [`Self::to_bytes`] from the front of a reader.
    ///
    /// # Errors
    /// [`SignedPartError::Malformed`] if they are cut short.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, SignedPartError> {
        let malformed = |_| SignedPartError::Malformed;
        let header = reader.prefixed().map_err(malformed)?.to_vec();
        let signature = PayloadSignature::from_bytes(reader.prefixed().map_err(malformed)?)
            .ok_or(SignedPartError::Malformed)?;
        let body = reader.prefixed().map_err(malformed)?.to_vec();
        Ok(Self {
            header,
            signature,
            body,
        })
    }

    /// The header, unverified: for content that was verified before it was stored.
    pub fn stored_header(&self) -> Option<Header> {
        wire::decode(&self.header).ok()
    }

    /// The body, unverified: for content that was verified before it was stored.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Verifies signature before content: suite, originator's key, signature, realm, body.
    ///
    /// The header has to be decoded to know whose key to use; nothing of it is believed
    /// before the signature over these very bytes has been checked.
    ///
    /// # Errors
    /// [`SignedPartError`], one for each check.
    pub fn verify(self, charter: &Charter) -> Result<VerifiedPart, SignedPartError> {
        let header: Header = wire::decode(&self.header).map_err(|_| SignedPartError::Malformed)?;
        if !charter.reads(header.suite) || header.suite != self.signature.suite() {
            return Err(SignedPartError::Suite { found: header.suite });
        }
        if charter.member(header.originator).is_none() {
            return Err(SignedPartError::Originator {
                ours: charter.version().get(),
            });
        }
        let key = charter.signing_key_named(header.originator, header.key, header.created)?;
        if !self.signature.verifies(Domain::PAYLOAD, &self.header, key) {
            return Err(SignedPartError::Signature);
        }
        if header.federation != charter.realm().federation() || header.realm != charter.realm().name() {
            return Err(SignedPartError::Realm);
        }
        if Hash::from(Digest::of(&self.body)) != header.body_hash {
            return Err(SignedPartError::Body);
        }
        header.label.check().map_err(|_| SignedPartError::Label)?;
        AttachmentRef::check_all(&header.attachments)?;
        header
            .licence
            .check(&header.label)
            .map_err(|_| SignedPartError::Licence)?;
        let is_itself = |source: ItemRef| source.item == header.item.item;
        if header.derived_from.is_some_and(is_itself) {
            return Err(SignedPartError::Derivation);
        }
        Ok(VerifiedPart { part: self, header })
    }
}

impl VerifiedPart {
    /// The signed header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The body that the header names.
    pub fn body(&self) -> &[u8] {
        &self.part.body
    }

    /// The untouched part, for storing and forwarding.
    pub fn part(&self) -> &SignedPart {
        &self.part
    }
}

/// The tag by which a header names a key.
pub fn key_tag(key: &CompositeVerifyingKey) -> KeyTag {
    KeyTag::new(*key.id().as_bytes())
}

/// The body of a forward: the consent token and the original signed part.
#[derive(Debug)]
pub struct ForwardBody {
    /// The originator's consent, encoded; empty where none is needed.
    pub token: Vec<u8>,
    /// The untouched original.
    pub original: SignedPart,
}

impl ForwardBody {
    /// The bytes that the forwarder's header names.
    pub fn to_bytes(&self) -> Vec<u8> {
        [prefixed(&self.token), self.original.to_bytes()].concat()
    }

    /// Reads a forward's body, to the last byte.
    ///
    /// # Errors
    /// [`SignedPartError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SignedPartError> {
        let mut reader = Reader::new(bytes);
        let token = reader
            .prefixed()
            .map_err(|_| SignedPartError::Malformed)?
            .to_vec();
        let original = SignedPart::read(&mut reader)?;
        if reader.rest().is_empty() {
            Ok(Self { token, original })
        } else {
            Err(SignedPartError::Malformed)
        }
    }
}
