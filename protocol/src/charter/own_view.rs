//! The charter as it stands with every member's own acts: what the gate and all verification go by.
//!
//! The voters' texts do not change by this, nor their versions. An own act can replace the member's own keys and take
//! from its own standing; it can give it nothing. The fingerprint of the view changes, so that no permit outlives the
//! standing or the key on which it was given.

use std::collections::BTreeSet;

use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::composite::CompositeVerifyingKey;
use testudo_crypto::sign::{self, Domain, Signature};

use super::certificate::KeyCertificate;
use super::effective::Charter;
use super::keyring::{KeyRefusal, Keyring};
use super::member::{Member, Status};
use super::own_act::{KeyKind, OwnAct, OwnDeed};
use super::own_acts::{OwnActs, OwnChain};
use crate::id::{Hash, HubId, KeyTag, Timestamp};

impl Charter {
    /// This charter with all that its members have decided about themselves.
    ///
    /// Begins from what the voters signed, whatever acts this view was made with.
    ///
    /// A directory may have taken up a newer certificate than the acts that are known here: the newest one counts.
    #[must_use]
    pub fn with_own_acts(&self, acts: &OwnActs) -> Self {
        let mut view = self.clone();
        let mut heads = BTreeSet::new();
        for listed in self.listed.values() {
            let code = listed.code;
            let Some((root, base)) = self.certificates.get(&code) else {
                continue;
            };
            // The chain of another root key is of another time.
            let chain = acts.chain(code).filter(|chain| chain.root() == root);
            let chain = chain.map(|chain| chain.with_base(base));
            let (member, keyring) = match &chain {
                Some(chain) => (decided(listed, chain), chain.keyring()),
                None => (listed.clone(), Keyring::of(std::iter::once(base.fields()))),
            };
            heads.extend(chain.iter().flat_map(OwnChain::hashes));
            view.members.insert(code, member);
            view.keyrings.insert(code, keyring);
        }
        view.fingerprint = view.fingerprint_with(&heads);
        view
    }

    /// A member's root key and the certificate that the voters signed.
    pub fn certificate_act(&self, code: HubId) -> Option<(&VerifyingKey, &OwnAct)> {
        self.certificates.get(&code).map(|(root, act)| (root, act))
    }

    /// The payload key of a member in use, both halves; `None` if it was revoked.
    pub fn signing_key(&self, code: HubId) -> Option<&CompositeVerifyingKey> {
        self.keyrings.get(&code)?.payload()
    }

    /// The payload keys of a member that count for what was made at some time, the newest first.
    pub fn signing_keys_at(
        &self,
        code: HubId,
        made: Timestamp,
    ) -> impl Iterator<Item = &CompositeVerifyingKey> {
        let keyring = self.keyrings.get(&code);
        keyring
            .into_iter()
            .flat_map(move |keyring| keyring.payload_at(made))
    }

    /// The payload key of this name, for what a member made at this time.
    ///
    /// # Errors
    /// [`KeyRefusal`] says why it does not count.
    pub fn signing_key_named(
        &self,
        code: HubId,
        tag: KeyTag,
        made: Timestamp,
    ) -> Result<&CompositeVerifyingKey, KeyRefusal> {
        let keyring = self.keyrings.get(&code).ok_or(KeyRefusal::Unknown)?;
        keyring.payload_named(tag, made)
    }

    /// Whether a member stands behind a message that bears no time: an outer part, a receipt, a notice, a token.
    pub fn verifies(&self, code: HubId, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        self.check_signature(code, domain, message, signature).is_ok()
    }

    /// As [`Self::verifies`], and says whether a key that was revoked has signed.
    ///
    /// # Errors
    /// [`KeyRefusal::Revoked`] if one has, [`KeyRefusal::Unknown`] if no key of the member has.
    pub fn check_signature(
        &self,
        code: HubId,
        domain: Domain,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), KeyRefusal> {
        let bound = self.realm.bind(message);
        let by =
            |key: &CompositeVerifyingKey| sign::verify(key.classical(), domain, &bound, signature).is_ok();
        let keyring = self.keyrings.get(&code).ok_or(KeyRefusal::Unknown)?;
        if keyring.payload_keys().any(by) {
            Ok(())
        } else if keyring.revoked_payload_keys().any(by) {
            Err(KeyRefusal::Revoked)
        } else {
            Err(KeyRefusal::Unknown)
        }
    }

    /// Whether what a member signed with this key, and dated so, may be somebody else's.
    pub fn is_in_doubt(&self, code: HubId, tag: KeyTag, made: Timestamp) -> bool {
        (self.keyrings.get(&code)).is_some_and(|keyring| keyring.is_in_doubt(tag, made))
    }

    /// Whether the key of this kind that a member works with was revoked and not replaced since.
    pub fn is_revoked(&self, code: HubId, kind: KeyKind) -> bool {
        (self.keyrings.get(&code)).is_some_and(|keyring| keyring.is_revoked(kind))
    }

    /// Whether a member has ever revoked a payload key.
    pub fn has_revoked_payload_key(&self, code: HubId) -> bool {
        let keyring = self.keyrings.get(&code);
        keyring.is_some_and(|keyring| keyring.revoked_payload_keys().next().is_some())
    }

    /// Whether the payload key of this name was revoked by its member.
    pub fn is_key_revoked(&self, code: HubId, tag: KeyTag) -> bool {
        let named = self.signing_key_named(code, tag, Timestamp::default());
        named == Err(KeyRefusal::Revoked)
    }

    /// The keys that signed a member's checkpoints and are not revoked, the newest first.
    pub fn ledger_keys(&self, code: HubId) -> impl Iterator<Item = &VerifyingKey> {
        let keyring = self.keyrings.get(&code).into_iter();
        keyring.flat_map(|ring| {
            let counts = |key: &&VerifyingKey| !ring.has_revoked(KeyKind::Ledger, key);
            ring.ledger().iter().filter(counts)
        })
    }

    /// As [`Self::ledger_keys`], with those that were revoked: what was proven against a ledger stays proven.
    pub fn ledger_keys_ever(&self, code: HubId) -> &[VerifyingKey] {
        self.keyrings.get(&code).map_or(&[], Keyring::ledger)
    }

    /// The keys with which a member cosigned and that are not revoked, the newest first.
    pub fn cosigning_keys(&self, code: HubId) -> impl Iterator<Item = &VerifyingKey> {
        let keyring = self.keyrings.get(&code).into_iter();
        keyring.flat_map(|ring| {
            let counts = |key: &&VerifyingKey| !ring.has_revoked(KeyKind::Cosigning, key);
            ring.cosigning().iter().filter(counts)
        })
    }

    /// Who else works with one of these keys, votes with it, or has it as root.
    pub(super) fn owner_of_any(&self, keys: &[Hash], but: HubId) -> Option<HubId> {
        let others = self.members.values().filter(|member| member.code != but);
        let uses = |member: &&Member| {
            let own = member.keys.all();
            keys.iter()
                .any(|key| own.contains(key) || member.certificate.root == *key)
        };
        others.into_iter().find(uses).map(|member| member.code)
    }
}

/// A member as its own acts leave it.
fn decided(pinned: &Member, chain: &OwnChain) -> Member {
    let mut member = pinned.clone();
    let newest = chain.newest_certificate();
    if let Some(act) = newest
        && let OwnDeed::Certify { keys, .. } = &act.fields().deed
        && let Some(certificate) = KeyCertificate::of(act, chain.root())
    {
        member.keys = (**keys).clone().into();
        member.certificate = certificate;
    }
    // What the others have decided about it stays; its own acts only take away.
    if pinned.status == Status::Active || pinned.status == Status::Held {
        // Of two histories none is believed, also if one of them ends.
        if chain.split().is_some() {
            member.status = Status::Held;
        } else if chain.has_exited() {
            member.status = Status::Exited;
        }
    }
    member
}
