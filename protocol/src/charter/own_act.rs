//! What a member decides about itself: which keys are its own, which one is lost, that it leaves.
//!
//! Nobody votes about these. Each is signed by the member's root key, which lies offline, names the act before it
//! by its hash, and counts up by one. The first act certifies the keys on the member's card.
//!
//! Layout, integers big endian: version (1), act (1), member (16), counter (8), SHA-256 of the act before it or
//! zeros (32), made in milliseconds (8), length of the body (4), body, Ed25519 signature by the root key (64) over
//! the realm tag and all before it.
//!
//! ```text
//! certify (0): valid until in seconds (8), transport (32), payload (32), ledger (32), cosigning (32),
//!              then behind its length (4) each: ML-DSA-65 payload key, recipient, classical recipient
//! revoke (1):  which kind of key (1), the key (32), suspected since in milliseconds (8)
//! exit (2):    nothing
//! ```

use testudo_crypto::digest::Digest;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::{self, Domain, Signature, Signer, SignerError};

use super::operational_keys::OperationalKeys;
use crate::fault::Fault;
use crate::id::{Hash, HubId, Timestamp};
use crate::realm::Realm;
use crate::vocabulary;
use crate::wire::{Reader, TruncatedError, prefixed};

const VERSION: u8 = 1;
const DOMAIN: Domain = Domain::new("testudo/own-act/v1");

/// Longest act, in bytes: one that certifies all keys has about 4,300. One fits a control message.
pub const OWN_ACT_BYTES_MAX: usize = 8 * 1024;

vocabulary! {
    /// A key that can be revoked: one of those that sign.
    KeyKind, "key", {
        /// Proves who is at the other end of a connection.
        Transport = "transport",
        /// Signs envelopes, receipts, notices and tokens; both halves.
        Payload = "payload",
        /// Signs the ledger's checkpoints.
        Ledger = "ledger",
        /// Cosigns the checkpoints of others.
        Cosigning = "cosigning",
    }
}

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnDeed {
    /// From here on these keys are the member's own.
    Certify {
        /// The keys.
        keys: Box<OperationalKeys>,
        /// Until when they sign, Unix seconds.
        valid_until: u64,
    },
    /// This key is not to be believed any more.
    Revoke {
        /// What it was for.
        kind: KeyKind,
        /// The key; of a payload key its Ed25519 half.
        key: Hash,
        /// Since when somebody else may have had it.
        since: Timestamp,
    },
    /// The member leaves.
    Exit,
}

/// The statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnActFields {
    /// Who decides about itself.
    pub member: HubId,
    /// Counts the member's acts, from 1.
    pub counter: u64,
    /// SHA-256 of the act before it; zeros before the first.
    pub previous: Hash,
    /// When it was made, by the clock of the machine that signed.
    pub made: Timestamp,
    /// What is decided.
    pub deed: OwnDeed,
}

/// An act with its signature, not yet held against a charter.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnAct {
    fields: OwnActFields,
    bytes: Vec<u8>,
}

/// Why bytes are no act of this member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnActError {
    /// Not of this layout.
    #[error("own act is malformed")]
    Malformed,
    /// Certified keys that are weak, malformed or serve two purposes.
    #[error("own act of {member} certifies a key that is weak, malformed or used twice")]
    Keys {
        /// Whose.
        member: HubId,
    },
    /// The member's root key did not sign it.
    #[error("own act of {member} is not signed by its root key")]
    Signature {
        /// Whose.
        member: HubId,
    },
}

impl OwnActError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl From<TruncatedError> for OwnActError {
    fn from(_: TruncatedError) -> Self {
        Self::Malformed
    }
}

impl OwnAct {
    /// Signs an act with the root key, which may lie in a token.
    ///
    /// # Errors
    /// [`SignerError`] if that token does not sign.
    pub fn sign(fields: OwnActFields, root: &dyn Signer, realm: &Realm) -> Result<Self, SignerError> {
        let mut bytes = unsigned(&fields);
        let signature = sign::sign_with(root, DOMAIN, &realm.bind(&bytes))?;
        bytes.extend_from_slice(signature.as_bytes());
        Ok(Self { fields, bytes })
    }

    /// Joins a statement and a signature that were written apart, as a card does.
    pub fn join(fields: OwnActFields, signature: &Signature) -> Self {
        let mut bytes = unsigned(&fields);
        bytes.extend_from_slice(signature.as_bytes());
        Self { fields, bytes }
    }

    /// Reads an act, to the last byte.
    ///
    /// # Errors
    /// [`OwnActError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OwnActError> {
        if bytes.len() > OWN_ACT_BYTES_MAX {
            return Err(OwnActError::Malformed);
        }
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        let act = reader.u8()?;
        let member = HubId::from_wire(reader.array()?).map_err(|_| OwnActError::Malformed)?;
        let counter = reader.u64()?;
        let previous = Hash::new(reader.array()?);
        let made = Timestamp::from_millis(reader.u64()?);
        let deed = OwnDeed::decode(act, reader.prefixed()?)?;
        let signature: [u8; sign::SIGNATURE_BYTES] = reader.array()?;
        if version != VERSION || counter == 0 || !reader.rest().is_empty() {
            return Err(OwnActError::Malformed);
        }
        let fields = OwnActFields {
            member,
            counter,
            previous,
            made,
            deed,
        };
        let act = Self::join(fields, &Signature::from_bytes(signature));
        // One statement has one encoding: its hash is its name in the chain.
        if act.bytes == bytes {
            Ok(act)
        } else {
            Err(OwnActError::Malformed)
        }
    }

    /// Checks keys and signature.
    ///
    /// # Errors
    /// [`OwnActError::Keys`] or [`OwnActError::Signature`].
    pub fn verify(&self, root: &VerifyingKey, realm: &Realm) -> Result<(), OwnActError> {
        let member = self.fields.member;
        if let OwnDeed::Certify { keys, .. } = &self.fields.deed
            && !keys.are_sound()
        {
            return Err(OwnActError::Keys { member });
        }
        let refused = OwnActError::Signature { member };
        let (unsigned, signature) =
            (self.bytes.split_last_chunk::<{ sign::SIGNATURE_BYTES }>()).ok_or(OwnActError::Malformed)?;
        let signature = Signature::from_bytes(*signature);
        sign::verify(root, DOMAIN, &realm.bind(unsigned), &signature).map_err(|_| refused)
    }

    /// The statement. Believe it only after [`Self::verify`].
    pub fn fields(&self) -> &OwnActFields {
        &self.fields
    }

    /// The signed bytes.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature, as a card shows it.
    pub fn signature(&self) -> Option<Signature> {
        let (_, signature) = self.bytes.split_last_chunk::<{ sign::SIGNATURE_BYTES }>()?;
        Some(Signature::from_bytes(*signature))
    }

    /// Its name: what the next act points back to.
    pub fn hash(&self) -> Hash {
        Hash::from(Digest::of(&self.bytes))
    }
}

impl std::fmt::Debug for OwnAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OwnActFields { member, counter, .. } = &self.fields;
        write!(f, "OwnAct({member} {counter} {})", self.fields.deed.as_str())
    }
}

impl OwnDeed {
    /// The word for people.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Certify { .. } => "certify",
            Self::Revoke { .. } => "revoke",
            Self::Exit => "exit",
        }
    }

    const fn number(&self) -> u8 {
        match self {
            Self::Certify { .. } => 0,
            Self::Revoke { .. } => 1,
            Self::Exit => 2,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Certify { keys, valid_until } => {
                [valid_until.to_be_bytes().to_vec(), keys.encode()].concat()
            }
            Self::Revoke { kind, key, since } => {
                let kind = KeyKind::ALL.iter().position(|known| known == kind);
                let mut bytes = vec![kind.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)];
                bytes.extend_from_slice(key.as_bytes());
                bytes.extend_from_slice(&since.millis().to_be_bytes());
                bytes
            }
            Self::Exit => Vec::new(),
        }
    }

    fn decode(act: u8, body: &[u8]) -> Result<Self, OwnActError> {
        let mut reader = Reader::new(body);
        let deed = match act {
            0 => Self::Certify {
                valid_until: reader.u64()?,
                keys: Box::new(OperationalKeys::decode(&mut reader)?),
            },
            1 => Self::Revoke {
                kind: *KeyKind::ALL
                    .get(usize::from(reader.u8()?))
                    .ok_or(OwnActError::Malformed)?,
                key: Hash::new(reader.array()?),
                since: Timestamp::from_millis(reader.u64()?),
            },
            2 => Self::Exit,
            _ => return Err(OwnActError::Malformed),
        };
        if reader.rest().is_empty() {
            Ok(deed)
        } else {
            Err(OwnActError::Malformed)
        }
    }
}

fn unsigned(fields: &OwnActFields) -> Vec<u8> {
    let mut bytes = vec![VERSION, fields.deed.number()];
    bytes.extend_from_slice(fields.member.as_bytes());
    bytes.extend_from_slice(&fields.counter.to_be_bytes());
    bytes.extend_from_slice(fields.previous.as_bytes());
    bytes.extend_from_slice(&fields.made.millis().to_be_bytes());
    bytes.extend_from_slice(&prefixed(&fields.deed.encode()));
    bytes
}

#[cfg(test)]
mod tests {
    use testudo_crypto::keys::SigningKey;

    use super::*;
    use crate::fixture::{hub, operational, root_key};

    fn realm() -> Realm {
        Realm::new("test", "live").unwrap()
    }

    fn deeds() -> [OwnDeed; 3] {
        [
            OwnDeed::Certify {
                keys: Box::new(operational(7)),
                valid_until: 2_000_000_000,
            },
            OwnDeed::Revoke {
                kind: KeyKind::Ledger,
                key: operational(7).ledger,
                since: Timestamp::from_seconds(1_800_000_000),
            },
            OwnDeed::Exit,
        ]
    }

    fn act(deed: OwnDeed, root: &SigningKey, realm: &Realm) -> OwnAct {
        let fields = OwnActFields {
            member: hub("FR"),
            counter: 2,
            previous: Hash::new([9; 32]),
            made: Timestamp::from_seconds(1_800_000_000),
            deed,
        };
        OwnAct::sign(fields, root, realm).unwrap()
    }

    #[test]
    fn an_act_comes_back_as_it_was_signed() {
        for deed in deeds() {
            let signed = act(deed, &root_key(1), &realm());
            let read = OwnAct::decode(signed.to_bytes()).unwrap();
            assert_eq!(read, signed);
            assert!(read.verify(&root_key(1).verifying_key(), &realm()).is_ok());
            assert!(signed.to_bytes().len() <= OWN_ACT_BYTES_MAX);
        }
    }

    #[test]
    fn another_root_another_realm_and_every_changed_byte_are_refused() {
        let key = root_key(1).verifying_key();
        let member = hub("FR");
        let refused = Err(OwnActError::Signature { member });
        for deed in deeds() {
            let good = act(deed.clone(), &root_key(1), &realm());
            let forged = act(deed.clone(), &root_key(2), &realm());
            assert_eq!(forged.verify(&key, &realm()), refused);
            let exercise = Realm::new("test", "exercise").unwrap();
            assert_eq!(act(deed, &root_key(1), &exercise).verify(&key, &realm()), refused);
            let bytes = good.to_bytes();
            for at in (0..bytes.len()).step_by(5) {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1;
                let read = OwnAct::decode(&changed).and_then(|act| act.verify(&key, &realm()));
                assert!(read.is_err(), "byte {at}");
                assert!(OwnAct::decode(&bytes[..at]).is_err(), "{at} bytes");
            }
            assert!(OwnAct::decode(&[bytes, &[0]].concat()).is_err());
        }
        let long = vec![0; OWN_ACT_BYTES_MAX + 1];
        assert_eq!(OwnAct::decode(&long), Err(OwnActError::Malformed));
    }

    #[test]
    fn a_weak_key_is_not_certified() {
        let mut keys = operational(7);
        keys.cosigning = Hash::new([0; 32]);
        let deed = OwnDeed::Certify {
            keys: Box::new(keys),
            valid_until: 2_000_000_000,
        };
        let weak = act(deed, &root_key(1), &realm());
        let refused = weak.verify(&root_key(1).verifying_key(), &realm());
        assert_eq!(refused, Err(OwnActError::Keys { member: hub("FR") }));
    }
}
