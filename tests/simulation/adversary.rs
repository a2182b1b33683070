//! Hubs that send something else than what their core says, and the edge at which they do it.
//!
//! A lying hub is an ordinary hub with one method swapped: its frames pass through [`Liar`] on the
//! way out. What others send to it passes there too, so that it can hand that on.

use std::collections::{BTreeMap, BTreeSet};

use testudo_protocol::envelope::{Envelope, Outer, OuterFields};
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{EnvelopeHash, Hash, HubId, ItemId, ItemRef, ItemVersion, Sequence, Timestamp};
use testudo_protocol::receipt::{Act, Receipt, ReceiptFields};

use crate::dice::Dice;
use crate::federation::Federation;

/// Frames of one peer that a liar keeps.
const KEPT_MAX: usize = 50;

/// How often a liar lies where it could, in per cent.
const LIES_PER_CENT: u64 = 35;

/// A frame and whom it goes to.
pub type Addressed = (HubId, Vec<u8>);

/// The edge of all hubs: what leaves one of them instead of a frame.
pub trait Edge {
    /// The frames that leave `from` instead of one frame to `to`, in their order.
    fn send(&mut self, dice: &mut Dice, from: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed>;

    /// Hubs whose frames are not all their own.
    fn liars(&self) -> BTreeSet<HubId> {
        BTreeSet::new()
    }
}

/// Everyone sends what the core says.
pub struct Honest;

impl Edge for Honest {
    fn send(&mut self, _: &mut Dice, _: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        vec![(to, frame)]
    }
}

/// Everyone sends what the core says, and one hub may be found at fault for it.
pub struct Suspect(pub HubId);

impl Edge for Suspect {
    fn send(&mut self, _: &mut Dice, _: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        vec![(to, frame)]
    }

    fn liars(&self) -> BTreeSet<HubId> {
        BTreeSet::from([self.0])
    }
}

/// What a liar does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Sends frames again that it sent to the same hub before.
    Replays,
    /// Sends envelopes to hubs that they are not for.
    Misdirects,
    /// Sends frames of other hubs as its own.
    Impersonates,
    /// Changes a byte of a frame.
    Flips,
    /// Sends receipts for what it never got.
    InventsReceipts,
    /// Sends outer parts for places of its logs where they do not belong.
    MisplacesOuters,
    /// Signs two envelopes for one place of a log.
    Equivocates,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Replays,
        Self::Misdirects,
        Self::Impersonates,
        Self::Flips,
        Self::InventsReceipts,
        Self::MisplacesOuters,
        Self::Equivocates,
    ];

    /// What somebody must have said about the liar in the end; nothing where a lie does no harm.
    pub const fn found_out(self) -> Option<&'static str> {
        match self {
            // Taken for a repetition after a loss, which it cannot be told from.
            // An outer part below our height is one that we have forgotten, as far as anyone can tell.
            Self::Replays | Self::MisplacesOuters => None,
            Self::Misdirects => Some("does not open with a key of this hub"),
            Self::Impersonates => Some("of another hub"),
            Self::Flips => Some(""),
            Self::InventsReceipts => Some("was not sent to it"),
            Self::Equivocates => Some("equivocation"),
        }
    }
}

/// One hub that lies in one way.
pub struct Liar {
    hub: HubId,
    lie: Lie,
    sent: BTreeMap<HubId, Vec<Vec<u8>>>,
    heard: Vec<Vec<u8>>,
}

impl Liar {
    /// Makes a hub lie.
    pub fn new(hub: HubId, lie: Lie) -> Self {
        Self {
            hub,
            lie,
            sent: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    /// What it sends beside or instead of one frame.
    fn twist(&self, dice: &mut Dice, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        let other = *dice.pick(Federation::get().codes()).expect("there are hubs");
        let before = self.sent.get(&to).map(Vec::as_slice).unwrap_or_default();
        let more = match self.lie {
            Lie::Flips => return vec![(to, flipped(dice, frame))],
            Lie::Replays => dice.pick(before).cloned().map(|old| (to, old)),
            Lie::Misdirects => content(&frame).map(|_| (other, frame.clone())),
            Lie::Impersonates => dice.pick(&self.heard).cloned().map(|heard| (to, heard)),
            Lie::InventsReceipts => Some((to, self.invented_receipt(dice))),
            Lie::MisplacesOuters => content(&frame).map(|envelope| (to, self.misplaced(dice, &envelope))),
            Lie::Equivocates => content(&frame).map(|envelope| (to, self.second(&envelope))),
        };
        let more = more.filter(|(to, _)| *to != self.hub);
        let mut frames: Vec<Addressed> = more.into_iter().collect();
        // Now and then the lie comes first.
        let at = if dice.chance(30) { frames.len() } else { 0 };
        frames.insert(at, (to, frame));
        frames
    }

    fn invented_receipt(&self, dice: &mut Dice) -> Vec<u8> {
        let fields = ReceiptFields {
            act: Act::Delivered,
            envelope: EnvelopeHash::new(dice.bytes32()),
            item: ItemRef {
                item: ItemId::new([0xab; 16]),
                version: ItemVersion::new(1),
            },
            receiver: self.hub,
            time: Timestamp::from_millis(1),
        };
        let federation = Federation::get();
        let receipt = Receipt::sign(
            fields,
            federation.keys(self.hub).payload.classical(),
            federation.charter().realm(),
        );
        Message::Control(Control::Receipt(receipt.to_bytes())).to_frame()
    }

    fn signed(&self, fields: OuterFields) -> Outer {
        let federation = Federation::get();
        Outer::sign(
            fields,
            federation.keys(self.hub).payload.classical(),
            federation.charter().realm(),
        )
    }

    /// An outer part ahead of its place, behind it, or linked to something that never was.
    fn misplaced(&self, dice: &mut Dice, envelope: &Envelope) -> Vec<u8> {
        let mut fields = *envelope.outer().fields();
        match dice.below(3) {
            0 => fields.sequence = Sequence::new(fields.sequence.get() + 7),
            1 => fields.sequence = Sequence::new(0),
            _ => fields.previous = EnvelopeHash::new(dice.bytes32()),
        }
        Message::Control(Control::OuterOnly(self.signed(fields).to_bytes())).to_frame()
    }

    /// Another envelope for the same place.
    fn second(&self, envelope: &Envelope) -> Vec<u8> {
        let mut cipher = envelope.cipher().to_vec();
        cipher.reverse();
        let fields = OuterFields {
            cipher_hash: Hash::from(testudo_crypto::digest::Digest::of(&cipher)),
            ..*envelope.outer().fields()
        };
        let second = Envelope::new(self.signed(fields), cipher).expect("of the same size");
        Message::Content(second.to_bytes()).to_frame()
    }
}

impl Edge for Liar {
    fn send(&mut self, dice: &mut Dice, from: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        if to == self.hub && self.heard.len() < KEPT_MAX && !is_witness_talk(&frame) {
            self.heard.push(frame.clone());
        }
        if from != self.hub {
            return vec![(to, frame)];
        }
        let frames = if dice.chance(LIES_PER_CENT) {
            self.twist(dice, to, frame.clone())
        } else {
            vec![(to, frame.clone())]
        };
        let sent = self.sent.entry(to).or_default();
        if sent.len() < KEPT_MAX {
            sent.push(frame);
        }
        frames
    }

    fn liars(&self) -> BTreeSet<HubId> {
        BTreeSet::from([self.hub])
    }
}

fn content(frame: &[u8]) -> Option<Envelope> {
    match Message::decode(frame) {
        Ok(Message::Content(bytes)) => Envelope::decode(&bytes).ok(),
        _ => None,
    }
}

/// Checkpoints and what is said about them name nobody by themselves: passing them on is no lie.
fn is_witness_talk(frame: &[u8]) -> bool {
    matches!(
        Message::decode(frame),
        Ok(Message::Control(
            Control::AddCheckpoint(_)
                | Control::Cosigned { .. }
                | Control::LastCheckpointAsk
                | Control::LastCheckpoint(_)
                | Control::Evidence(_)
                | Control::HeadsAsk
                | Control::Heads { .. }
                | Control::LeavesAsk { .. }
                | Control::Leaves { .. }
                | Control::ProofAsk { .. }
                | Control::Proof { .. }
                | Control::Time(_)
        ))
    )
}

fn flipped(dice: &mut Dice, mut frame: Vec<u8>) -> Vec<u8> {
    let at = dice.below(frame.len() as u64) as usize;
    if let Some(byte) = frame.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
    frame
}
