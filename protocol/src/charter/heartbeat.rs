//! Heartbeats: what a voter's hub states daily about the charter that it follows.
//!
//! They tell a hub that nothing newer has been kept from it. An online key signs them, because they decide nothing.
//!
//! Layout, 185 bytes, integers big endian: version (1), hub (16), SHA-256 of the texts of constitution (32), directory
//! (32) and policy bundle (32), time in milliseconds (8), Ed25519 signature by the payload key (64) over the realm
//! tag and all before it.

use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::composite::CompositeVerifyingKey;
use testudo_crypto::sign::{self, Domain, Signature};

use super::effective::Charter;
use crate::fault::Fault;
use crate::id::{Hash, HubId, Timestamp};
use crate::realm::Realm;
use crate::wire::Reader;

const VERSION: u8 = 1;
const DOMAIN: Domain = Domain::new("testudo/heartbeat/v1");

/// How old a heartbeat may be that still counts, in milliseconds: 72 hours.
pub const FRESH_MILLIS: u64 = 72 * 60 * 60 * 1_000;

/// How often a voter's hub states anew what it follows, in milliseconds.
pub const BEAT_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// Farthest that a voter's clock may be ahead of ours, in milliseconds.
const AHEAD_MILLIS_MAX: u64 = 5 * 60 * 1_000;

/// The newest versions of the three chains that a hub follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// SHA-256 of the constitution's text.
    pub constitution: Hash,
    /// Of the directory's.
    pub directory: Hash,
    /// Of the policy bundle's, whether in force already or not.
    pub bundle: Hash,
}

/// A signed statement. Believe it only after [`Heartbeat::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whose.
    pub hub: HubId,
    /// What it follows.
    pub heads: Heads,
    /// When.
    pub time: Timestamp,
    signature: Signature,
}

/// Why a heartbeat does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// Not of this layout.
    #[error("heartbeat is malformed")]
    Malformed,
    /// The hub is no voter, or did not sign it.
    #[error("heartbeat is not signed by the voter {hub}")]
    Signature {
        /// Whom it names.
        hub: HubId,
    },
    /// It was made in the future, by our clock.
    #[error("heartbeat of {hub} was made more than five minutes ahead of this hub's clock")]
    Ahead {
        /// Whose.
        hub: HubId,
    },
}

impl HeartbeatError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed => Fault::Peer,
            // Passed on by somebody who knows another directory or has another clock.
            Self::Signature { .. } | Self::Ahead { .. } => Fault::Environment,
        }
    }
}

impl Heartbeat {
    /// Signs a statement.
    pub fn sign(hub: HubId, heads: Heads, time: Timestamp, key: &SigningKey, realm: &Realm) -> Self {
        let message = realm.bind(&unsigned(hub, &heads, time));
        let signature = sign::sign(key, DOMAIN, &message);
        Self {
            hub,
            heads,
            time,
            signature,
        }
    }

    /// The encoded statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = unsigned(self.hub, &self.heads, self.time);
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes
    }

    /// Reads a statement, to the last byte.
    ///
    /// # Errors
    /// [`HeartbeatError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeartbeatError> {
        Self::read(bytes).ok_or(HeartbeatError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8().ok()?;
        let hub = HubId::from_wire(reader.array().ok()?).ok()?;
        let heads = Heads {
            constitution: Hash::new(reader.array().ok()?),
            directory: Hash::new(reader.array().ok()?),
            bundle: Hash::new(reader.array().ok()?),
        };
        let time = Timestamp::from_millis(reader.u64().ok()?);
        let signature = Signature::from_bytes(reader.array().ok()?);
        let is_whole = version == VERSION && reader.rest().is_empty();
        is_whole.then_some(Self {
            hub,
            heads,
            time,
            signature,
        })
    }

    /// Checks voter, signature and time.
    ///
    /// # Errors
    /// [`HeartbeatError::Signature`], [`HeartbeatError::Ahead`].
    pub fn verify(&self, charter: &Charter, now: Timestamp) -> Result<(), HeartbeatError> {
        let hub = self.hub;
        let message = charter.realm().bind(&unsigned(hub, &self.heads, self.time));
        let mut keys = charter.signing_keys_at(hub, self.time);
        let has_signed = |key: &CompositeVerifyingKey| {
            sign::verify(key.classical(), DOMAIN, &message, &self.signature).is_ok()
        };
        if !charter.voters().contains(&hub) || !keys.any(has_signed) {
            return Err(HeartbeatError::Signature { hub });
        }
        if self.time > now.plus_millis(AHEAD_MILLIS_MAX) {
            return Err(HeartbeatError::Ahead { hub });
        }
        Ok(())
    }
}

fn unsigned(hub: HubId, heads: &Heads, time: Timestamp) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(hub.as_bytes());
    for hash in [heads.constitution, heads.directory, heads.bundle] {
        bytes.extend_from_slice(hash.as_bytes());
    }
    bytes.extend_from_slice(&time.millis().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::{OwnAct, OwnActFields, OwnActs, OwnDeed};
    use crate::fixture::{charter, hub, operational, realm, root_key, secrets};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// FR's, whose secrets are the first of the fixture.
    fn beat(time: Timestamp, realm: &Realm) -> Heartbeat {
        let heads = Heads {
            constitution: Hash::new([1; 32]),
            directory: Hash::new([2; 32]),
            bundle: Hash::new([3; 32]),
        };
        let key = secrets(1).payload;
        Heartbeat::sign(hub("FR"), heads, time, key.classical(), realm)
    }

    #[test]
    fn a_heartbeat_comes_back_and_every_changed_byte_is_refused() {
        let (charter, _) = charter();
        let good = beat(NOW, &realm());
        let read = Heartbeat::decode(&good.to_bytes()).unwrap();
        assert_eq!(read, good);
        assert!(read.verify(&charter, NOW).is_ok());
        let bytes = good.to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = Heartbeat::decode(&changed).and_then(|beat| beat.verify(&charter, NOW));
            assert!(read.is_err(), "byte {at}");
            assert!(Heartbeat::decode(&bytes[..at]).is_err());
        }
        let exercise = Realm::new("test", "exercise").unwrap();
        let refused = beat(NOW, &exercise).verify(&charter, NOW);
        assert_eq!(refused, Err(HeartbeatError::Signature { hub: hub("FR") }));
    }

    #[test]
    fn a_heartbeat_is_signed_with_the_key_that_the_voter_has_certified_since() {
        let (charter, _) = charter();
        let new = secrets(7);
        let act = OwnAct::sign(
            OwnActFields {
                member: hub("FR"),
                counter: 2,
                previous: charter.certificate_act(hub("FR")).unwrap().1.hash(),
                made: NOW,
                deed: OwnDeed::Certify {
                    keys: Box::new(operational(7)),
                    valid_until: 2_000_000_000,
                },
            },
            &root_key(1),
            charter.realm(),
        );
        let mut acts = OwnActs::default();
        acts.take(act.unwrap(), &charter).unwrap();
        let heads = beat(NOW, &realm()).heads;
        let newer = Heartbeat::sign(hub("FR"), heads, NOW, new.payload.classical(), &realm());
        assert!(newer.verify(&charter, NOW).is_err(), "not certified");
        assert!(newer.verify(&charter.with_own_acts(&acts), NOW).is_ok());
    }

    #[test]
    fn a_clock_a_day_off_is_nobodys_fault_and_does_not_count() {
        let (charter, _) = charter();
        let early = beat(NOW.plus_millis(BEAT_MILLIS), &realm());
        let refused = early.verify(&charter, NOW).unwrap_err();
        assert_eq!(
            refused,
            HeartbeatError::Ahead {
                hub: "FR".parse().unwrap()
            }
        );
        assert_eq!(refused.fault(), Fault::Environment);
    }
}
