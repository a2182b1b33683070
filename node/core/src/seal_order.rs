//! An order to seal: age draws its own randomness, so sealing is an effect of the shell.

use testudo_crypto::seal::{self, Recipient, SealError};
use testudo_policies::permit::Permit;
use testudo_protocol::charter::Charter;
use testudo_protocol::id::{HubId, ItemRef};
use testudo_protocol::notice::Notice;
use zeroize::Zeroizing;

/// A plaintext and exactly those who may open it.
pub struct SealOrder {
    item: Option<ItemRef>,
    recipients: Vec<Recipient>,
    plaintext: Zeroizing<Vec<u8>>,
}

/// A permitted receiver has no usable recipient key in the charter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("member {code} has no usable recipient key in the charter")]
pub struct NoRecipientKey {
    /// Who.
    pub code: HubId,
}

impl SealOrder {
    /// Spends one permit for each recipient on sealing content to them.
    ///
    /// # Errors
    /// [`NoRecipientKey`] names the first member that cannot be sealed to.
    pub fn content(
        permits: Vec<Permit>,
        charter: &Charter,
        plaintext: Vec<u8>,
    ) -> Result<Self, NoRecipientKey> {
        let recipients: Result<_, _> = permits
            .iter()
            .map(|permit| recipient(charter, permit.receiver()))
            .collect();
        let item = permits.first().map(Permit::item);
        Ok(Self {
            item,
            recipients: recipients?,
            plaintext: Zeroizing::new(plaintext),
        })
    }

    /// Seals a notice, which holds no content and needs no permit, to the hub it is for.
    ///
    /// # Errors
    /// [`NoRecipientKey`] if that hub cannot be sealed to.
    pub fn notice(notice: &Notice, charter: &Charter) -> Result<Self, NoRecipientKey> {
        let recipient = recipient(charter, notice.fields().addressee)?;
        Ok(Self {
            item: None,
            recipients: vec![recipient],
            plaintext: Zeroizing::new(notice.to_bytes()),
        })
    }

    /// Which item's content this is; `None` for a notice, which has none.
    pub fn item(&self) -> Option<ItemRef> {
        self.item
    }

    /// Carries out the order.
    ///
    /// # Errors
    /// [`SealError`] from age.
    pub fn carry_out(&self) -> Result<Vec<u8>, SealError> {
        seal::seal(&self.recipients, &self.plaintext)
    }
}

fn recipient(charter: &Charter, code: HubId) -> Result<Recipient, NoRecipientKey> {
    charter
        .member(code)
        .and_then(|member| member.keys.recipient())
        .ok_or(NoRecipientKey { code })
}
