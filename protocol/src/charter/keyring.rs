//! The keys of one member over time: the ones in use, those they replaced, those that were revoked.
//!
//! A key that was replaced still verifies what it signed in its time. A revoked one verifies nothing any more, and
//! what it signed after the suspected day is in doubt.

use std::collections::BTreeMap;

use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::composite::CompositeVerifyingKey;

use super::operational_keys::OperationalKeys;
use super::own_act::{KeyKind, OwnActFields, OwnDeed};
use crate::id::{Hash, KeyTag, Timestamp};

/// How long a key may go on signing after the act that replaces it was made, in milliseconds: seven days. The act is
/// signed on an offline machine, and carried back before the hub changes over.
pub const OVERLAP_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Why a payload key does not count for what it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// It is none of the member's.
    #[error("payload key is none that the member's root key certified")]
    Unknown,
    /// The member has revoked it.
    #[error("payload key was revoked by its member")]
    Revoked,
    /// It was replaced, or its certificate ended, before this was made.
    #[error("payload key was replaced, or its certificate has ended, before this was signed")]
    Over,
}

/// The keys of one member, as its own acts leave them.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyring {
    /// The newest first.
    payload: Vec<PayloadKey>,
    /// The newest first.
    ledger: Vec<VerifyingKey>,
    cosigning: Vec<VerifyingKey>,
    current: Option<OperationalKeys>,
    revoked: BTreeMap<(KeyKind, Hash), Timestamp>,
}

#[derive(Clone, Debug)]
struct PayloadKey {
    key: CompositeVerifyingKey,
    tag: KeyTag,
    /// What is said to be made later does not count.
    until: Timestamp,
    suspected_since: Option<Timestamp>,
}

impl Keyring {
    /// Goes through a member's acts in their order.
    pub fn of<'a>(acts: impl Iterator<Item = &'a OwnActFields>) -> Self {
        let mut certified: Vec<(&OwnActFields, &OperationalKeys, Timestamp)> = Vec::new();
        let mut revoked = BTreeMap::new();
        for act in acts {
            match &act.deed {
                OwnDeed::Certify { keys, valid_until } => {
                    certified.push((act, keys.as_ref(), Timestamp::from_seconds(*valid_until)));
                }
                OwnDeed::Revoke { kind, key, since } => {
                    let earliest: &mut Timestamp = revoked.entry((*kind, *key)).or_insert(*since);
                    *earliest = (*earliest).min(*since);
                }
                OwnDeed::Exit => {}
            }
        }
        let mut ring = Self {
            current: certified.last().map(|(_, keys, _)| (*keys).clone()),
            revoked,
            ..Self::default()
        };
        let mut replaced: Option<Timestamp> = None;
        for (act, keys, valid_until) in certified.iter().rev() {
            let over = replaced.map(|made| made.plus_millis(OVERLAP_MILLIS));
            let until = over.map_or(*valid_until, |over| over.min(*valid_until));
            ring.add(keys, until);
            replaced = Some(act.made);
        }
        ring
    }

    fn add(&mut self, keys: &OperationalKeys, until: Timestamp) {
        if let Ok(key) = keys.payload_key() {
            let tag = KeyTag::new(*key.id().as_bytes());
            // A key that is certified again goes on: the newest certificate counts.
            if !self.payload.iter().any(|known| known.tag == tag) {
                let suspected_since = self.revoked.get(&(KeyKind::Payload, keys.payload)).copied();
                self.payload.push(PayloadKey {
                    key,
                    tag,
                    until,
                    suspected_since,
                });
            }
        }
        for (kind, list) in [
            (KeyKind::Ledger, &mut self.ledger),
            (KeyKind::Cosigning, &mut self.cosigning),
        ] {
            let key = keys.signing(kind);
            let usable = VerifyingKey::from_bytes(key.as_bytes()).ok();
            list.extend(usable.filter(|usable| !list.contains(usable)));
        }
    }

    /// Whether the key in use of this kind was revoked and not replaced since.
    pub fn is_revoked(&self, kind: KeyKind) -> bool {
        (self.current.as_ref()).is_some_and(|keys| self.revoked.contains_key(&(kind, keys.signing(kind))))
    }

    /// The payload key in use.
    pub fn payload(&self) -> Option<&CompositeVerifyingKey> {
        let newest = self.payload.first()?;
        newest.suspected_since.is_none().then_some(&newest.key)
    }

    /// The payload keys that count for what was made at some time, the newest first.
    pub fn payload_at(&self, made: Timestamp) -> impl Iterator<Item = &CompositeVerifyingKey> {
        self.payload
            .iter()
            .filter(move |known| known.suspected_since.is_none() && made <= known.until)
            .map(|known| &known.key)
    }

    /// The payload keys that count for what bears no time, the newest first.
    pub fn payload_keys(&self) -> impl Iterator<Item = &CompositeVerifyingKey> {
        self.payload_at(Timestamp::default())
    }

    /// The payload keys that count for nothing any more.
    pub fn revoked_payload_keys(&self) -> impl Iterator<Item = &CompositeVerifyingKey> {
        let revoked = |known: &&PayloadKey| known.suspected_since.is_some();
        self.payload.iter().filter(revoked).map(|known| &known.key)
    }

    /// The payload key of this name, if it counts for what was made at this time.
    pub fn payload_named(&self, tag: KeyTag, made: Timestamp) -> Result<&CompositeVerifyingKey, KeyRefusal> {
        let known = self.payload.iter().find(|known| known.tag == tag);
        let known = known.ok_or(KeyRefusal::Unknown)?;
        if known.suspected_since.is_some() {
            Err(KeyRefusal::Revoked)
        } else if made > known.until {
            Err(KeyRefusal::Over)
        } else {
            Ok(&known.key)
        }
    }

    /// Whether what this key signed, and says was made at this time, may be somebody else's.
    pub fn is_in_doubt(&self, tag: KeyTag, made: Timestamp) -> bool {
        let known = self.payload.iter().find(|known| known.tag == tag);
        known
            .and_then(|known| known.suspected_since)
            .is_some_and(|since| made >= since)
    }

    /// The keys that signed this member's checkpoints, the newest first, also those that were revoked.
    pub fn ledger(&self) -> &[VerifyingKey] {
        &self.ledger
    }

    /// The keys with which this member cosigned, the newest first, also those that were revoked.
    pub fn cosigning(&self) -> &[VerifyingKey] {
        &self.cosigning
    }

    /// Whether one of these was revoked.
    pub fn has_revoked(&self, kind: KeyKind, key: &VerifyingKey) -> bool {
        self.revoked.contains_key(&(kind, Hash::new(key.to_bytes())))
    }
}
