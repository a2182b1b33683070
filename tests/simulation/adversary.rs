//! Where frames leave a hub, and hubs that send something else than what their core says.

use std::collections::BTreeSet;

use testudo_protocol::id::HubId;

use crate::dice::Dice;

/// The edge of all hubs: what leaves one of them instead of a frame.
pub trait Edge {
    /// The frames that leave `from`, each with its receiver.
    fn send(&mut self, dice: &mut Dice, from: HubId, to: HubId, frame: Vec<u8>) -> Vec<(HubId, Vec<u8>)>;

    /// Hubs whose frames are not all their own.
    fn liars(&self) -> BTreeSet<HubId> {
        BTreeSet::new()
    }
}

/// Everyone sends what the core says.
pub struct Honest;

impl Edge for Honest {
    fn send(&mut self, _: &mut Dice, _: HubId, to: HubId, frame: Vec<u8>) -> Vec<(HubId, Vec<u8>)> {
        vec![(to, frame)]
    }
}
