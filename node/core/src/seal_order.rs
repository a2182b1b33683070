//! An order to seal: age draws its own randomness, so sealing is an effect of the shell.

use testudo_crypto::seal::{self, AudienceSecret, Recipient, SealError};
use testudo_policies::permit::Permit;
use testudo_protocol::charter::Charter;
use testudo_protocol::id::{HubId, ItemRef};
use testudo_protocol::notice::Notice;
use zeroize::Zeroizing;

/// A plaintext and exactly those who may open it.
pub struct SealOrder {
    item: Option<ItemRef>,
    to: SealTo,
    plaintext: Zeroizing<Vec<u8>>,
}

/// To what content is sealed.
pub(crate) enum SealTo {
    /// To the keys of hubs.
    Hubs(Vec<(HubId, Recipient)>),
    /// Under the secret of an audience, at one place of its log.
    Audience {
        secret: AudienceSecret,
        context: Vec<u8>,
    },
}

/// Somebody would be sealed to without a permit, or has no key to seal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} has no permit for this item, or no usable recipient key")]
pub struct NotSealable {
    /// Who.
    pub code: HubId,
}

impl SealOrder {
    /// Spends one permit for each receiver on sealing content to them.
    ///
    /// Whom an audience's secret reaches was settled when its key was sealed, see [`Self::audience_key`].
    ///
    /// # Errors
    /// [`NotSealable`] names the first hub that has no permit.
    pub(crate) fn content(
        permits: Vec<Permit>,
        to: SealTo,
        plaintext: Zeroizing<Vec<u8>>,
    ) -> Result<Self, NotSealable> {
        if let SealTo::Hubs(hubs) = &to {
            check_permits(&permits, hubs)?;
        }
        let item = permits.first().map(Permit::item);
        Ok(Self { item, to, plaintext })
    }

    /// Seals the key of an audience to members that have a permit for the item that it is made for.
    ///
    /// # Errors
    /// [`NotSealable`] names the first hub that has no permit.
    pub(crate) fn audience_key(
        permits: &[Permit],
        hubs: Vec<(HubId, Recipient)>,
        plaintext: Zeroizing<Vec<u8>>,
    ) -> Result<Self, NotSealable> {
        check_permits(permits, &hubs)?;
        let item = permits.first().map(Permit::item);
        let to = SealTo::Hubs(hubs);
        Ok(Self { item, to, plaintext })
    }

    /// Seals a notice, which holds no content and needs no permit, to the hub it is for.
    ///
    /// # Errors
    /// [`NotSealable`] if that hub has no key in the charter.
    pub fn notice(notice: &Notice, charter: &Charter) -> Result<Self, NotSealable> {
        let code = notice.fields().addressee;
        let recipient = charter.member(code).and_then(|member| member.keys.recipient());
        let recipient = recipient.ok_or(NotSealable { code })?;
        Ok(Self {
            item: None,
            to: SealTo::Hubs(vec![(code, recipient)]),
            plaintext: Zeroizing::new(notice.to_bytes()),
        })
    }

    /// Seals a parcel to the hub it is for. What is content in it was sealed and permitted before.
    ///
    /// # Errors
    /// [`NotSealable`] if that hub has no key in the charter.
    pub(crate) fn parcel(code: HubId, plaintext: Vec<u8>, charter: &Charter) -> Result<Self, NotSealable> {
        let recipient = charter.member(code).and_then(|member| member.keys.recipient());
        let recipient = recipient.ok_or(NotSealable { code })?;
        Ok(Self {
            item: None,
            to: SealTo::Hubs(vec![(code, recipient)]),
            plaintext: Zeroizing::new(plaintext),
        })
    }

    /// Which item's content or key this is; `None` for a notice and a parcel, which have none of their own.
    pub fn item(&self) -> Option<ItemRef> {
        self.item
    }

    /// Carries out the order.
    ///
    /// # Errors
    /// [`SealError`] from age.
    pub fn carry_out(&self) -> Result<Vec<u8>, SealError> {
        match &self.to {
            SealTo::Hubs(hubs) => {
                let recipients: Vec<Recipient> =
                    hubs.iter().map(|(_, recipient)| recipient.clone()).collect();
                seal::seal(&recipients, &self.plaintext)
            }
            SealTo::Audience { secret, context } => seal::seal_to_audience(secret, context, &self.plaintext),
        }
    }
}

/// INVARIANT (no seal without a permit): whoever content or its key is sealed to holds a permit for it.
fn check_permits(permits: &[Permit], hubs: &[(HubId, Recipient)]) -> Result<(), NotSealable> {
    let is_permitted = |code: HubId| permits.iter().any(|permit| permit.receiver() == code);
    match hubs.iter().find(|(code, _)| !is_permitted(*code)) {
        Some((code, _)) => Err(NotSealable { code: *code }),
        None => Ok(()),
    }
}
