//! What may leave the machine.
//!
//! The transport takes an [`Outbound`] and nothing else. One that carries content can only be
//! made from a permit, and uses it up.

use testudo_policies::gate::Gate;
use testudo_policies::permit::Permit;
use testudo_protocol::exchange::{CONTROL_BYTES_MAX, Control, Message, Piece};
use testudo_protocol::id::{HubId, ItemRef};

/// A frame that may be sent to one hub.
///
/// ```compile_fail
/// # use testudo_core::outbound::Outbound;
/// let forged = Outbound { receiver: unreachable!(), message: unreachable!() };
/// ```
pub struct Outbound {
    receiver: HubId,
    message: Message,
}

/// Why a permit does not cover a sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It was given for another item.
    #[error("permit is for another item")]
    OtherItem,
    /// Charter or policies have changed since it was given.
    #[error("permit was given under other grounds")]
    Stale,
}

impl Outbound {
    /// Spends a permit on one envelope to the permit's receiver.
    ///
    /// # Errors
    /// [`OutboundError`] if the permit is for something else or no longer stands; it is spent
    /// all the same.
    pub fn content(
        permit: Permit,
        item: ItemRef,
        envelope: Vec<u8>,
        gate: &Gate,
    ) -> Result<Self, OutboundError> {
        Self::permitted(permit, item, Message::Content(envelope), gate)
    }

    /// Spends a permit on an envelope that was sealed anew for the permit's receiver.
    ///
    /// # Errors
    /// As for [`Self::content`].
    pub fn resealed(
        permit: Permit,
        item: ItemRef,
        envelope: Vec<u8>,
        gate: &Gate,
    ) -> Result<Self, OutboundError> {
        Self::permitted(permit, item, Message::Resealed(envelope), gate)
    }

    /// Spends a permit on a piece of an attachment of the permit's item.
    ///
    /// # Errors
    /// As for [`Self::content`].
    pub fn piece(permit: Permit, piece: Piece, gate: &Gate) -> Result<Self, OutboundError> {
        let item = piece.item;
        Self::permitted(permit, item, Message::Piece(piece), gate)
    }

    fn permitted(
        permit: Permit,
        item: ItemRef,
        message: Message,
        gate: &Gate,
    ) -> Result<Self, OutboundError> {
        if permit.item() != item {
            return Err(OutboundError::OtherItem);
        }
        if !permit.stands_under(gate.charter().fingerprint(), gate.policies()) {
            return Err(OutboundError::Stale);
        }
        Ok(Self {
            receiver: permit.receiver(),
            message,
        })
    }

    /// A message without content.
    pub fn control(receiver: HubId, control: Control) -> Self {
        Self {
            receiver,
            message: Message::Control(control),
        }
    }

    /// To whom.
    pub fn receiver(&self) -> HubId {
        self.receiver
    }

    /// About how many bytes the frame has: those of what it carries.
    pub fn frame_bytes(&self) -> usize {
        match &self.message {
            Message::Content(bytes) | Message::Resealed(bytes) => bytes.len(),
            Message::Piece(piece) => piece.bytes.len(),
            Message::Control(_) => CONTROL_BYTES_MAX,
        }
    }

    /// The frame to write, once.
    pub fn into_frame(self) -> Vec<u8> {
        self.message.to_frame()
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbound({} {:?})", self.receiver, self.message)
    }
}
