//! A hub's recipient key for one week, announced to its peers.
//!
//! Layout, integers big endian: version (1), hub (16), week (4), made (8), held since (8), length of the recipient
//! (4), the recipient's text, length of the signature (4), signature over the realm tag and all before it, in both
//! algorithms. Sealing to a key that somebody else announced would give him everything, so the announcement is
//! signed as payloads are.

use testudo_crypto::seal::Recipient;
use testudo_crypto::sign::Domain;
use testudo_crypto::sign::composite::CompositeSigningKey;

use crate::charter::Charter;
use crate::envelope::{PayloadSignature, Suite};
use crate::fault::Fault;
use crate::id::{HubId, Timestamp};
use crate::realm::Realm;
use crate::week::Week;
use crate::wire::{Reader, prefixed};

const VERSION: u8 = 1;
const DOMAIN: Domain = Domain::new("testudo/recipient-key/v1");

/// Farthest that another hub's clock may be ahead of ours, in milliseconds.
const AHEAD_MILLIS_MAX: u64 = 5 * 60 * 1_000;

/// What a hub states about its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncementFields {
    /// Whose key.
    pub hub: HubId,
    /// For which week.
    pub week: Week,
    /// When it was made. A later one for the same week replaces it: the hub has lost the first.
    pub made: Timestamp,
    /// When the oldest key was made that the hub still holds. What was sealed to an earlier one is lost to it.
    pub held_since: Timestamp,
    /// The key.
    pub recipient: Recipient,
}

/// A verified announcement. Made by its hub, or by [`Announcement::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    fields: AnnouncementFields,
    bytes: Vec<u8>,
}

/// Why an announcement does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// Not of this layout, or not of a hybrid key.
    #[error("announcement of a recipient key is malformed")]
    Malformed,
    /// The hub is no member, or did not sign it.
    #[error("announcement of a recipient key is not signed by {hub}")]
    Signature {
        /// Whom it names.
        hub: HubId,
    },
    /// It was made in the future, by our clock.
    #[error("announcement of {hub} was made more than five minutes ahead of this hub's clock")]
    Ahead {
        /// Whose.
        hub: HubId,
    },
}

impl AnnouncementError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed | Self::Signature { .. } => Fault::Peer,
            Self::Ahead { .. } => Fault::Environment,
        }
    }
}

impl Announcement {
    /// Signs an announcement. `hedge` is fresh randomness.
    pub fn sign(
        fields: AnnouncementFields,
        key: &CompositeSigningKey,
        realm: &Realm,
        hedge: [u8; 32],
    ) -> Self {
        let mut bytes = unsigned(&fields);
        let signature = PayloadSignature::sign(Suite::Hybrid, DOMAIN, &realm.bind(&bytes), key, hedge);
        bytes.extend_from_slice(&prefixed(&signature.to_bytes()));
        Self { fields, bytes }
    }

    /// Reads and verifies an announcement.
    ///
    /// # Errors
    /// [`AnnouncementError`], one for each check.
    pub fn verify(bytes: &[u8], charter: &Charter, now: Timestamp) -> Result<Self, AnnouncementError> {
        let malformed = |_| AnnouncementError::Malformed;
        let mut reader = Reader::new(bytes);
        if reader.u8().map_err(malformed)? != VERSION {
            return Err(AnnouncementError::Malformed);
        }
        let hub =
            HubId::from_wire(reader.array().map_err(malformed)?).map_err(|_| AnnouncementError::Malformed)?;
        let week = Week::new(reader.u32().map_err(malformed)?);
        let made = Timestamp::from_millis(reader.u64().map_err(malformed)?);
        let held_since = Timestamp::from_millis(reader.u64().map_err(malformed)?);
        let recipient: Recipient = std::str::from_utf8(reader.prefixed().map_err(malformed)?)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(Recipient::is_hybrid)
            .ok_or(AnnouncementError::Malformed)?;
        let fields = AnnouncementFields {
            hub,
            week,
            made,
            held_since,
            recipient,
        };
        let signature = reader.prefixed().map_err(malformed)?;
        let signature = PayloadSignature::from_bytes(signature)
            .filter(|signature| signature.suite() == Suite::Hybrid)
            .ok_or(AnnouncementError::Malformed)?;
        if !reader.rest().is_empty() {
            return Err(AnnouncementError::Malformed);
        }
        let unsigned = charter.realm().bind(&unsigned(&fields));
        let mut keys = charter.signing_keys_at(hub, made);
        let is_signed = keys.any(|key| signature.verifies(DOMAIN, &unsigned, key));
        if !is_signed {
            return Err(AnnouncementError::Signature { hub });
        }
        if made > now.plus_millis(AHEAD_MILLIS_MAX) {
            return Err(AnnouncementError::Ahead { hub });
        }
        let bytes = bytes.to_vec();
        Ok(Self { fields, bytes })
    }

    /// The statement.
    pub fn fields(&self) -> &AnnouncementFields {
        &self.fields
    }

    /// The signed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Whether this one replaces an earlier one of the same hub.
    pub fn replaces(&self, earlier: &Self) -> bool {
        let of = |announcement: &Self| (announcement.fields.week, announcement.fields.made);
        of(self) > of(earlier)
    }
}

fn unsigned(fields: &AnnouncementFields) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(fields.hub.as_bytes());
    bytes.extend_from_slice(&fields.week.get().to_be_bytes());
    bytes.extend_from_slice(&fields.made.millis().to_be_bytes());
    bytes.extend_from_slice(&fields.held_since.millis().to_be_bytes());
    bytes.extend_from_slice(&prefixed(fields.recipient.as_str().as_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{charter, hub, identity};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn fields(made: Timestamp) -> AnnouncementFields {
        AnnouncementFields {
            hub: hub("FR"),
            week: Week::of(NOW),
            made,
            held_since: made,
            recipient: identity(40).recipient(),
        }
    }

    #[test]
    fn an_announcement_comes_back_as_it_was_signed() {
        let (charter, all) = charter();
        let signed = Announcement::sign(fields(NOW), &all[0].payload, charter.realm(), [1; 32]);
        let read = Announcement::verify(&signed.to_bytes(), &charter, NOW).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.fields(), &fields(NOW));
    }

    #[test]
    fn another_signer_another_realm_and_a_changed_byte_are_refused() {
        let (charter, all) = charter();
        let refused = |bytes: &[u8]| Announcement::verify(bytes, &charter, NOW).unwrap_err();
        let signature = AnnouncementError::Signature { hub: hub("FR") };

        let forged = Announcement::sign(fields(NOW), &all[1].payload, charter.realm(), [1; 32]);
        assert_eq!(refused(&forged.to_bytes()), signature);
        let exercise = Realm::new("test", "exercise").unwrap();
        let elsewhere = Announcement::sign(fields(NOW), &all[0].payload, &exercise, [1; 32]);
        assert_eq!(refused(&elsewhere.to_bytes()), signature);

        let good = Announcement::sign(fields(NOW), &all[0].payload, charter.realm(), [1; 32]).to_bytes();
        for at in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[at] ^= 1;
            refused(&changed);
            refused(&good[..at]);
        }
        refused(&[good, vec![0]].concat());
    }

    #[test]
    fn one_from_the_future_is_nobodys_fault_and_does_not_count() {
        let (charter, all) = charter();
        let made = NOW.plus_millis(AHEAD_MILLIS_MAX + 1);
        let early = Announcement::sign(fields(made), &all[0].payload, charter.realm(), [1; 32]);
        let refused = Announcement::verify(&early.to_bytes(), &charter, NOW).unwrap_err();
        assert_eq!(refused, AnnouncementError::Ahead { hub: hub("FR") });
        assert_eq!(refused.fault(), Fault::Environment);
    }

    #[test]
    fn a_later_key_replaces_an_earlier_one() {
        let (charter, all) = charter();
        let made = |millis: u64| {
            let fields = fields(Timestamp::from_millis(millis));
            Announcement::sign(fields, &all[0].payload, charter.realm(), [1; 32])
        };
        assert!(made(2).replaces(&made(1)));
        assert!(!made(1).replaces(&made(1)));
        assert!(!made(1).replaces(&made(2)));
    }
}
