//! The key of an audience: an entry of the log that its envelopes follow in.
//!
//! ```text
//! inner  = length || fields || secret (32) || length || signature
//! plain  = PADME(inner), at least 4 KiB
//! cipher = age(plain) to the weekly key of each member that has one
//! ```
//!
//! The list of recipients stands here once, and not in the envelopes, so that their size does not grow with it.
//! Every member holds the secret, so it authenticates nobody: that is what the signature here and in each envelope
//! is for. An envelope opens under the latest key of its log alone, since a log is taken over in its order.

use serde::{Deserialize, Serialize};
use testudo_crypto::pad::pad;
use testudo_crypto::seal::AudienceSecret;
use testudo_crypto::sign::Domain;
use testudo_crypto::sign::composite::CompositeSigningKey;
use zeroize::Zeroizing;

use super::outer::OuterFields;
use super::payload_signature::PayloadSignature;
use super::recipients::Recipients;
use super::suite::Suite;
use crate::charter::Charter;
use crate::id::{AudienceId, CharterVersion, HubId, KeyTag, Sequence, Timestamp};
use crate::week::Week;
use crate::wire::{self, EncodeError, Reader, prefixed};

const DOMAIN: Domain = Domain::new("testudo/audience-key/v1");
const SECRET_BYTES: usize = 32;

/// What the originator states about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceKeyFields {
    /// Cipher suite.
    pub suite: Suite,
    /// The federation.
    pub federation: String,
    /// `live`, or the exercise.
    pub realm: String,
    /// Whose envelopes it opens.
    pub originator: HubId,
    /// Which of the originator's keys signed.
    pub key: KeyTag,
    /// The charter under which the audience was drawn up.
    pub charter: CharterVersion,
    /// The audience.
    pub audience: AudienceId,
    /// Counts the keys of this audience, from 1.
    pub epoch: u32,
    /// Position in the log.
    pub sequence: Sequence,
    /// When it was made.
    pub created: Timestamp,
    /// The week it is for.
    pub week: Week,
    /// The audience, whether they could be sealed to or not.
    pub recipients: Recipients,
}

/// A secret and whose it is. Made by its originator, or by opening a verified entry.
#[derive(Debug)]
pub struct AudienceKey {
    epoch: u32,
    week: Week,
    recipients: Recipients,
    secret: AudienceSecret,
}

/// Why an entry is not the key of an audience.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudienceKeyError {
    /// The layout is wrong.
    #[error("audience key is malformed")]
    Malformed,
    /// A suite that the charter does not name.
    #[error("audience key is of suite {found}, which the charter does not name")]
    Suite {
        /// The suite.
        found: Suite,
    },
    /// Federation or realm is another.
    #[error("audience key belongs to another federation or realm")]
    Realm,
    /// Not signed by the originator, with the key that it names.
    #[error("audience key is not signed by {originator}")]
    Signature {
        /// Whom it names.
        originator: HubId,
    },
    /// Another place than the outer part says.
    #[error("audience key and its outer part disagree on `{field}`")]
    Disagreement {
        /// On what.
        field: &'static str,
    },
    /// This hub is not in the audience.
    #[error("this hub is not in the audience of the key")]
    NotForUs,
}

/// What an envelope's stanza is bound to, besides the secret: its place in its log.
pub fn sealing_context(originator: HubId, audience: AudienceId, epoch: u32, sequence: Sequence) -> Vec<u8> {
    [
        originator.as_bytes().as_slice(),
        audience.as_bytes(),
        &epoch.to_be_bytes(),
        &sequence.get().to_be_bytes(),
    ]
    .concat()
}

impl AudienceKey {
    /// Joins a secret that this hub keeps with what it is for.
    pub fn new(epoch: u32, week: Week, recipients: Recipients, secret: AudienceSecret) -> Self {
        Self {
            epoch,
            week,
            recipients,
            secret,
        }
    }

    /// Counts the keys of its audience.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The week it is for: it is destroyed with the recipient keys of that week.
    pub fn week(&self) -> Week {
        self.week
    }

    /// The audience.
    pub fn recipients(&self) -> &Recipients {
        &self.recipients
    }

    /// The secret.
    pub fn secret(&self) -> &AudienceSecret {
        &self.secret
    }

    /// The plaintext of the entry, signed and padded. `hedge` is fresh randomness.
    ///
    /// # Errors
    /// [`EncodeError`] if the list is over the limit.
    pub fn plaintext(
        fields: &AudienceKeyFields,
        secret: &AudienceSecret,
        key: &CompositeSigningKey,
        hedge: [u8; 32],
    ) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
        let fields_bytes = wire::encode(fields)?;
        let secret = secret.to_bytes();
        let signed = Zeroizing::new([fields_bytes.as_slice(), secret.as_slice()].concat());
        let signature = PayloadSignature::sign(fields.suite, DOMAIN, &signed, key, hedge);
        let inner = Zeroizing::new(
            [
                prefixed(&fields_bytes).as_slice(),
                secret.as_slice(),
                &prefixed(&signature.to_bytes()),
            ]
            .concat(),
        );
        Ok(Zeroizing::new(pad(&inner)))
    }

    /// Reads and verifies the unpadded plaintext of an entry.
    ///
    /// # Errors
    /// [`AudienceKeyError`], one for each check.
    pub(super) fn read(
        inner: &[u8],
        outer: &OuterFields,
        me: HubId,
        charter: &Charter,
    ) -> Result<Self, AudienceKeyError> {
        let malformed = |_| AudienceKeyError::Malformed;
        let mut reader = Reader::new(inner);
        let fields_bytes = reader.prefixed().map_err(malformed)?;
        let secret: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(reader.array().map_err(malformed)?);
        let signature = reader.prefixed().map_err(malformed)?;
        let signature = PayloadSignature::from_bytes(signature).ok_or(AudienceKeyError::Malformed)?;
        let fields: AudienceKeyFields =
            wire::decode(fields_bytes).map_err(|_| AudienceKeyError::Malformed)?;
        if !reader.rest().is_empty() || !fields.recipients.is_canonical() {
            return Err(AudienceKeyError::Malformed);
        }
        if !charter.reads(fields.suite) || fields.suite != signature.suite() {
            return Err(AudienceKeyError::Suite { found: fields.suite });
        }
        let originator = fields.originator;
        let unsigned = || AudienceKeyError::Signature { originator };
        let key = charter
            .signing_key_named(originator, fields.key, fields.created)
            .map_err(|_| unsigned())?;
        let signed = Zeroizing::new([fields_bytes, secret.as_slice()].concat());
        if !signature.verifies(DOMAIN, &signed, key) {
            return Err(unsigned());
        }
        if fields.federation != charter.realm().federation() || fields.realm != charter.realm().name() {
            return Err(AudienceKeyError::Realm);
        }
        fields.check_agreement(outer)?;
        if !fields.recipients.contains(me) {
            return Err(AudienceKeyError::NotForUs);
        }
        Ok(Self {
            epoch: fields.epoch,
            week: fields.week,
            recipients: fields.recipients,
            secret: AudienceSecret::from_bytes(*secret),
        })
    }
}

impl AudienceKeyFields {
    fn check_agreement(&self, outer: &OuterFields) -> Result<(), AudienceKeyError> {
        let pairs = [
            ("sender", outer.sender == self.originator),
            ("suite", outer.suite == self.suite),
            ("audience", outer.audience == self.audience),
            ("epoch", outer.epoch == self.epoch),
            ("sequence", outer.sequence == self.sequence),
        ];
        match pairs.into_iter().find(|(_, agrees)| !agrees) {
            Some((field, _)) => Err(AudienceKeyError::Disagreement { field }),
            None => Ok(()),
        }
    }
}
