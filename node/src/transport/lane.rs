//! The one call that lets anything leave this machine.

use testudo_core::outbound::Outbound;

use super::handle::{SendError, Transport};

impl Transport {
    /// Queues a frame for its receiver. Content comes only inside an [`Outbound`] that a permit
    /// was spent on; there is no other way to the wire.
    ///
    /// # Errors
    /// [`SendError`]; the core sends again after the next connection.
    pub fn transmit(&self, outbound: Outbound) -> Result<(), SendError> {
        let receiver = outbound.receiver();
        self.send(receiver.as_str(), outbound.into_frame())
    }
}
