//! Heartbeats: what a voter's hub states daily about the charter that it follows.
//!
//! They tell a hub that nothing newer has been kept from it. An online key signs them, because they decide nothing.
//!
//! Layout, 185 bytes, integers big endian: version (1), hub (16), SHA-256 of the texts of constitution (32), directory
//! (32) and policy bundle (32), time in milliseconds (8), Ed25519 signature by the payload key (64) over the realm
//! tag and all before it.

use testudo_crypto::keys::{SigningKey, VerifyingKey};
use testudo_crypto::sign::{self, Domain, Signature};

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

    /// Checks signature and time.
    ///
    /// # Errors
    /// [`HeartbeatError::Signature`], [`HeartbeatError::Ahead`].
    pub fn verify(&self, key: &VerifyingKey, realm: &Realm, now: Timestamp) -> Result<(), HeartbeatError> {
        let hub = self.hub;
        let message = realm.bind(&unsigned(hub, &self.heads, self.time));
        sign::verify(key, DOMAIN, &message, &self.signature)
            .map_err(|_| HeartbeatError::Signature { hub })?;
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

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn beat(time: Timestamp, key: u8) -> Heartbeat {
        let heads = Heads {
            constitution: Hash::new([1; 32]),
            directory: Hash::new([2; 32]),
            bundle: Hash::new([3; 32]),
        };
        let key = SigningKey::from_seed([key; 32]);
        Heartbeat::sign("FR".parse().unwrap(), heads, time, &key, &realm())
    }

    fn realm() -> Realm {
        Realm::new("test", "live").unwrap()
    }

    #[test]
    fn a_heartbeat_comes_back_and_every_changed_byte_is_refused() {
        let key = SigningKey::from_seed([7; 32]).verifying_key();
        let good = beat(NOW, 7);
        let read = Heartbeat::decode(&good.to_bytes()).unwrap();
        assert_eq!(read, good);
        assert!(read.verify(&key, &realm(), NOW).is_ok());
        let bytes = good.to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = Heartbeat::decode(&changed).and_then(|beat| beat.verify(&key, &realm(), NOW));
            assert!(read.is_err(), "byte {at}");
            assert!(Heartbeat::decode(&bytes[..at]).is_err());
        }
        let hub = "FR".parse().unwrap();
        let exercise = Realm::new("test", "exercise").unwrap();
        let refused = good.verify(&key, &exercise, NOW);
        assert_eq!(refused, Err(HeartbeatError::Signature { hub }));
    }

    #[test]
    fn a_clock_a_day_off_is_nobodys_fault_and_does_not_count() {
        let key = SigningKey::from_seed([7; 32]).verifying_key();
        let early = beat(NOW.plus_millis(BEAT_MILLIS), 7);
        let refused = early.verify(&key, &realm(), NOW).unwrap_err();
        assert_eq!(
            refused,
            HeartbeatError::Ahead {
                hub: "FR".parse().unwrap()
            }
        );
        assert_eq!(refused.fault(), Fault::Environment);
    }
}
