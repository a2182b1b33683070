//! The secrets of one hub, one for each purpose.

use std::sync::Arc;

use testudo_crypto::commit::{Salt, commit};
use testudo_crypto::keys::{SigningKey, VerifyingKey};
use testudo_crypto::seal::Identity;
use testudo_crypto::sign::composite::CompositeSigningKey;
use testudo_crypto::sign::{self, Domain, Signer, SignerError};
use testudo_protocol::charter::{Card, KeyCertificate, MemberKeys, OwnAct, OwnActFields, OwnDeed};
use testudo_protocol::id::{AudienceId, Hash, HubId, Timestamp};
use testudo_protocol::label::Class;
use testudo_protocol::realm::Realm;

/// Signing keys, identity and the secret under which audiences are named.
pub struct HubKeys {
    /// Proves who is at the other end of a connection.
    pub transport: SigningKey,
    /// Signs envelopes, receipts, notices and tokens.
    pub payload: CompositeSigningKey,
    /// Signs checkpoints; may lie in a token.
    pub ledger: Arc<dyn Signer>,
    /// Cosigns the checkpoints of others.
    pub cosigning: SigningKey,
    /// Opens notices, which hold no content.
    pub identity: Identity,
    /// Opens content of suite 1.
    pub classical: Identity,
    /// Names audiences, so that a name says nothing about its members.
    pub audience: Salt,
}

impl HubKeys {
    /// The public halves.
    pub fn public(&self) -> MemberKeys {
        let hash = |key: &VerifyingKey| Hash::new(key.to_bytes());
        let payload = self.payload.verifying_key();
        let both = payload.to_bytes();
        let (_, post_quantum) = both.split_at_checked(32).unwrap_or_default();
        MemberKeys {
            transport: hash(&self.transport.verifying_key()),
            payload: hash(payload.classical()),
            payload_pq: testudo_crypto::digest::hex(post_quantum),
            ledger: hash(&self.ledger.verifying_key()),
            cosigning: hash(&self.cosigning.verifying_key()),
            recipient: self.identity.recipient().to_string(),
            recipient_classical: self.classical.recipient().to_string(),
        }
    }

    /// The first certificate over these keys, by the root key that is taken offline afterwards.
    ///
    /// # Errors
    /// [`SignerError`] if the root key lies in a token that does not sign.
    pub fn certify(
        &self,
        code: HubId,
        realm: &Realm,
        root: &dyn Signer,
        made: Timestamp,
        valid_until: u64,
    ) -> Result<KeyCertificate, SignerError> {
        let fields = OwnActFields {
            member: code,
            counter: 1,
            previous: Hash::new([0; 32]),
            made,
            deed: OwnDeed::Certify {
                keys: Box::new(self.public().operational()),
                valid_until,
            },
        };
        let act = OwnAct::sign(fields, root, realm)?;
        // An act that certifies always has a certificate's shape.
        KeyCertificate::of(&act, &root.verifying_key()).ok_or(SignerError::OtherKey)
    }

    /// The card with which this hub applies to a federation.
    pub fn card(
        &self,
        code: HubId,
        class: Class,
        realm: &Realm,
        address: std::net::SocketAddr,
        certificate: KeyCertificate,
    ) -> Card {
        let mut card = Card {
            code,
            class,
            federation: realm.federation().to_owned(),
            realm: realm.name().to_owned(),
            keys: self.public(),
            certificate,
            address,
            signature: String::new(),
        };
        let signature = sign::sign(self.payload.classical(), Domain::CARD, &card.preimage(realm));
        card.signature = testudo_crypto::digest::hex(&signature.to_bytes());
        card
    }

    /// The name of the audience of exactly these hubs, sorted, and of its log.
    ///
    /// `generation` counts how often the logs of this hub have been begun anew; nobody else can tell it.
    pub fn audience(&self, realm: &Realm, hubs: &[HubId], generation: u32) -> AudienceId {
        let mut codes: Vec<u8> = hubs.iter().flat_map(|hub| *hub.as_bytes()).collect();
        if generation > 0 {
            codes.extend_from_slice(&generation.to_be_bytes());
        }
        let tag = realm.tag();
        let name = commit(&self.audience, "testudo/audience/v1", &[tag.as_bytes(), &codes]);
        let mut id = [0; 16];
        for (slot, byte) in id.iter_mut().zip(name.as_bytes()) {
            *slot = *byte;
        }
        AudienceId::new(id)
    }
}

impl std::fmt::Debug for HubKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubKeys(payload {})", self.payload.verifying_key().id())
    }
}
