//! Parcels for hubs that no stream reaches: packed as a stream would be written, taken in as it would be read.
//!
//! While a parcel is packed the receiver counts as met, and what is sent to it goes into the parcel. So the gate is asked,
//! permits are spent, keys go before envelopes and owed items are sealed anew exactly as over a stream. It ends when
//! nothing is left to be read, sealed or sent. Nothing about the parcel is remembered: what has no receipt is packed again.

use std::collections::BTreeSet;

use testudo_crypto::seal::{self, SealError};
use testudo_protocol::announcement::Announcement;
use testudo_protocol::bundle::BUNDLE_BYTES_MAX;
use testudo_protocol::courier::{self, PARCEL_BYTES_MAX, Parcel, ParcelError, VerifiedParcel};
use testudo_protocol::envelope::Envelope;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::HubId;
use testudo_protocol::sync::Place;

use super::deliver::{FLIGHTS_MAX, Flight};
use super::step::{After, Step};
use super::{Hub, Loading, PeerFault};
use crate::input::{CommandId, SealId};
use crate::outbound::Outbound;
use crate::output::Output;
use crate::refusal::Refusal;
use crate::seal_order::SealOrder;
use crate::views::{LogGap, Reply, SealedParcel};

/// Faults that the answer to an import names; more say nothing new.
const FAULTS_SHOWN_MAX: usize = 16;

/// Bytes from which on a parcel takes no further window: one of the largest envelopes, with its padding, fits into what is
/// left.
const PARCEL_FULL_BYTES: usize = PARCEL_BYTES_MAX - FLIGHTS_MAX * (BUNDLE_BYTES_MAX + BUNDLE_BYTES_MAX / 8);

/// A parcel that is being packed.
pub(super) struct Packing {
    command: CommandId,
    to: HubId,
    frames: Vec<Outbound>,
    /// Envelopes and outer parts that are in it.
    pub(super) packed: BTreeSet<Flight>,
    bytes: usize,
    sealing: Option<SealId>,
}

impl Packing {
    /// Whether it is for this hub.
    pub(super) fn is_for(&self, hub: HubId) -> bool {
        self.to == hub
    }
}

impl Hub {
    /// Begins a parcel for a hub that is not connected.
    pub(super) fn ask_parcel(
        &mut self,
        command: CommandId,
        to: HubId,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if self.gate.charter().member(to).is_none() || to == self.me {
            return Err(Refusal::NotAMember { hub: to });
        }
        if self.packing.is_some() {
            return Err(Refusal::Busy { waiting: 1 });
        }
        if self.is_connected(to) {
            return Err(Refusal::Reachable { hub: to });
        }
        self.packing = Some(Packing {
            command,
            to,
            frames: Vec::new(),
            packed: BTreeSet::new(),
            bytes: 0,
            sealing: None,
        });
        self.begin_virtual_session(to, out);
        Ok(())
    }

    /// The hub is connected: what it is owed goes over its stream, and the parcel is not needed.
    pub(super) fn give_up_parcel(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if let Some(packing) = self.packing.take_if(|packing| packing.to == peer) {
            let refusal = Refusal::Reachable { hub: peer };
            out.push(Output::Reply(packing.command, Err(refusal)));
        }
    }

    /// Moves what is sent to the receiver of a parcel into it, and goes on packing until nothing is left.
    pub(super) fn fill_parcel(&mut self, out: &mut Vec<Output>) {
        loop {
            let Some(packing) = &mut self.packing else { return };
            if packing.sealing.is_some() {
                return;
            }
            for output in std::mem::take(out) {
                match output {
                    Output::Transmit(peer, outbound) if peer == packing.to => {
                        packing.bytes = packing.bytes.saturating_add(outbound.frame_bytes());
                        packing.frames.push(outbound);
                    }
                    other => out.push(other),
                }
            }
            let (to, full) = (packing.to, packing.bytes >= PARCEL_FULL_BYTES);
            if self.is_busy_with(to) {
                return;
            }
            let flown = self
                .peers
                .get_mut(&to)
                .map(|state| std::mem::take(&mut state.flights));
            if let Some(packing) = &mut self.packing {
                packing.packed.extend(flown.unwrap_or_default());
            }
            let before = out.len();
            if !full {
                self.push(to, out);
            }
            if out.len() == before {
                return self.seal_parcel(out);
            }
        }
    }

    /// Whether a session with this hub is one of a parcel, in which nobody answers.
    pub(super) fn packs_for(&self, hub: HubId) -> bool {
        self.packing.as_ref().is_some_and(|packing| packing.is_for(hub))
    }

    /// Whether something for this hub is being read, written or sealed.
    fn is_busy_with(&self, hub: HubId) -> bool {
        let loads = self.loading.values().any(|loading| match loading {
            Loading::Flight(loaded) | Loading::Outer(loaded) => loaded.peer == hub,
            _ => false,
        });
        let seals = self.sealing_notices.values().any(|peer| *peer == hub) || self.is_resealing_for(hub);
        loads || seals || self.awaits_disk_for(hub)
    }

    fn seal_parcel(&mut self, out: &mut Vec<Output>) {
        let Some(mut packing) = self.packing.take() else {
            return;
        };
        self.end_session(packing.to);
        let frames: Vec<Vec<u8>> = std::mem::take(&mut packing.frames)
            .into_iter()
            .map(Outbound::into_frame)
            .collect();
        let (key, realm) = (self.keys.payload.classical(), self.gate.charter().realm());
        let plaintext = courier::pack(self.me, packing.to, self.now, &frames, key, realm);
        match SealOrder::parcel(packing.to, plaintext, self.gate.charter()) {
            Ok(order) => {
                let seal = SealId(self.next_id());
                packing.sealing = Some(seal);
                self.packing = Some(packing);
                out.push(Output::Seal(seal, order));
            }
            Err(_) => {
                let refusal = Refusal::Internal {
                    what: "a member has no usable recipient key",
                };
                out.push(Output::Reply(packing.command, Err(refusal)));
            }
        }
    }

    /// Hands out a parcel that has been sealed; false if the sealing was something else.
    pub(super) fn on_parcel_sealed(
        &mut self,
        id: SealId,
        result: &Result<Vec<u8>, SealError>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(packing) = self.packing.take_if(|packing| packing.sealing == Some(id)) else {
            return false;
        };
        let to = packing.to;
        let packed: BTreeSet<_> = packing.packed.iter().map(|flight| flight.item).collect();
        let left = (self.deliveries.open(to))
            .filter(|delivery| !packed.contains(&delivery.item))
            .count();
        let reply = match result {
            Ok(sealed) => Ok(Reply::Packed {
                to,
                items: packed.len(),
                left,
                sealed: SealedParcel(sealed.clone()),
            }),
            Err(_) => Err(Refusal::Internal {
                what: "sealing failed",
            }),
        };
        out.push(Output::Reply(packing.command, reply));
        true
    }

    /// Takes in a parcel: each frame as from a stream of the member that signed the whole.
    ///
    /// What it says was taken is durable when the command is answered.
    pub(super) fn take_parcel(
        &mut self,
        command: CommandId,
        sealed: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let bytes = seal::open(&[&self.keys.identity], sealed, PARCEL_BYTES_MAX)
            .map_err(|_| Refusal::ParcelNotOurs)?;
        let parcel = Parcel::decode(&bytes).and_then(|parcel| parcel.verify(self.me, self.gate.charter()));
        let parcel = parcel.map_err(Refusal::Parcel)?;
        let from = parcel.from;
        if from == self.me {
            return Err(Refusal::Parcel(ParcelError::Signature { from }));
        }
        let reply = self.unpack(&parcel, out);
        let mut step = Step::default();
        step.then(After::Reply(command, reply));
        self.commit(step, out);
        Ok(())
    }

    fn unpack(&mut self, parcel: &VerifiedParcel<'_>, out: &mut Vec<Output>) -> Reply {
        let from = parcel.from;
        let (mut taken, mut known) = (0_usize, 0_usize);
        let mut gaps: Vec<LogGap> = Vec::new();
        let mut faults = Vec::new();
        for frame in parcel.frames() {
            match self.take_frame(from, frame, out) {
                Ok(Some(Place::Next)) => taken = taken.saturating_add(1),
                Ok(Some(Place::Past)) => known = known.saturating_add(1),
                Ok(Some(Place::Gap)) => {
                    if let Some(gap) = self.gap_before(frame).filter(|gap| !gaps.contains(gap)) {
                        gaps.push(gap);
                    }
                }
                Ok(_) => {}
                Err(fault) if faults.len() < FAULTS_SHOWN_MAX => faults.push(fault.0),
                Err(_) => {}
            }
        }
        Reply::Unpacked {
            from,
            packed: parcel.time.seconds(),
            taken,
            known,
            gaps,
            faults,
        }
    }

    /// Takes one frame; for an envelope, where it stood in its log.
    fn take_frame(
        &mut self,
        from: HubId,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<Option<Place>, PeerFault> {
        let message = Message::decode(frame).map_err(|error| PeerFault::of(&error))?;
        match message {
            Message::Content(bytes) => {
                let envelope = Envelope::decode(&bytes).map_err(|error| PeerFault::of(&error))?;
                let place = self
                    .head(envelope.outer().fields())
                    .place(envelope.outer().fields());
                self.on_envelope(from, envelope, &bytes, out)?;
                Ok(Some(place))
            }
            Message::Resealed(bytes) => {
                let envelope = Envelope::decode_resealed(&bytes).map_err(|error| PeerFault::of(&error))?;
                let place = self
                    .head(envelope.outer().fields())
                    .place(envelope.outer().fields());
                self.on_envelope(from, envelope, &bytes, out)?;
                Ok(Some(place))
            }
            Message::Control(control) => {
                if self.is_carried(from, &control) {
                    self.on_control(from, control, out)?;
                }
                Ok(None)
            }
            // Pieces answer questions: they do not travel in parcels.
            Message::Piece(_) => Ok(None),
        }
    }

    /// Whether a message means something outside of a conversation.
    fn is_carried(&self, from: HubId, control: &Control) -> bool {
        match control {
            Control::OuterOnly(_)
            | Control::Receipt(_)
            | Control::Notice(_)
            | Control::Consent(_)
            | Control::ConsentAsk(_)
            | Control::ConsentDeclined(_)
            | Control::Evidence(_)
            | Control::OwnAct(_) => true,
            // An old parcel must not turn a key back.
            Control::Announce(bytes) => {
                let known = self.announced.get(&from).map(|known| known.fields().made);
                Announcement::verify(bytes, self.gate.charter(), self.now)
                    .is_ok_and(|announced| known.is_none_or(|known| announced.fields().made > known))
            }
            _ => false,
        }
    }

    /// What is missing before the envelope of a frame.
    fn gap_before(&self, frame: &[u8]) -> Option<LogGap> {
        let bytes = match Message::decode(frame).ok()? {
            Message::Content(bytes) | Message::Resealed(bytes) => bytes,
            Message::Control(_) | Message::Piece(_) => return None,
        };
        let envelope = Envelope::decode(&bytes).ok();
        let envelope = envelope.or_else(|| Envelope::decode_resealed(&bytes).ok())?;
        let fields = *envelope.outer().fields();
        Some(LogGap {
            log: fields.audience,
            wanted: self.head(&fields).height.next().get(),
        })
    }
}
