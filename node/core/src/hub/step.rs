//! One durable step: its changes, its ledger entries, and what may happen only afterwards.

use serde::Serialize;
use testudo_crypto::note::Note;
use testudo_policies::gate::Gate;
use testudo_protocol::exchange::{Control, PieceAsk};
use testudo_protocol::gossip::Statement;
use testudo_protocol::id::{Hash, HubId};
use testudo_protocol::ledger::{Entry, Record};
use testudo_protocol::wire;
use zeroize::Zeroizing;

use super::Hub;
use super::gossip::PassOn;
use super::lane::Released;
use super::release::Decided;
use crate::blob::{BlobId, BlobPlace};
use crate::input::{BatchId, CommandId};
use crate::outbound::Outbound;
use crate::output::{Change, Event, Family, Output};
use crate::records::{KeyRow, key};
use crate::refusal::Refusal;
use crate::views::Reply;

/// Changes that become durable together.
#[derive(Default)]
pub(super) struct Step {
    changes: Vec<Change>,
    after: Vec<After>,
}

/// What waits for a batch to be on stable storage.
pub(super) struct Pending {
    ledger_entries: u64,
    after: Vec<After>,
}

/// What happens once a step is durable.
pub(super) enum After {
    /// A decision is recorded: seal and release what it allows.
    Decided(Box<Decided>),
    /// Answer a command.
    Reply(CommandId, Reply),
    /// Send a message without content.
    Control(HubId, Control),
    /// Send what is queued for a peer.
    Push(HubId),
    /// Send a release for the first time, to all its receivers.
    Send(Box<Released>),
    /// A decision to pass an item on is recorded.
    PassOn(Box<PassOn>),
    /// Tell everybody by gossip.
    State(Statement),
    /// Tell every peer the recipient key of this week.
    Announce,
    /// Send the notices that a peer has not answered.
    Notices(HubId),
    /// Follow the charter as it stands with what is durable now.
    Charter,
    /// Pass a note of the charter on to everybody but the one it came from.
    TellNote(Hash, Option<HubId>),
    /// Answer a command that was refused after a part of it was carried out.
    Refuse(CommandId, Box<Refusal>),
    /// Begin the next release.
    NextJob,
    /// Remove the files of attachments.
    DestroyBlobs(Vec<BlobId>),
    /// See how much of a wanted attachment is here.
    Fetch(BlobPlace),
    /// Answer a hub that asks for a piece of an attachment.
    AnswerAsk(HubId, PieceAsk),
    /// Have a piece of an attachment read for a hub.
    Serve(HubId, PieceAsk),
    /// Tell the operator.
    Report(Event),
    /// Put policies in force.
    Policies(Box<Gate>),
    /// Lost leaves are back: see whether the fence can go.
    Recovered,
    /// Show a checkpoint to witnesses; always behind the anchor that names it.
    Publish(Note),
    /// Show a witness what is the published checkpoint then, for the so many-th time.
    Offer(HubId, u8),
    /// Replace the anchor.
    Anchor {
        /// Entries covered.
        size: u64,
        /// Root, in hexadecimal.
        root: String,
        /// The signed checkpoint.
        note: Vec<u8>,
    },
}

impl Step {
    pub(super) fn put_bytes(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        let value = Zeroizing::new(value);
        self.changes.push(Change::Put { family, key, value });
    }

    /// Stores a secret key.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(super) fn put_key(&mut self, key: Vec<u8>, row: &KeyRow) -> Result<(), Refusal> {
        let value = wire::encode_secret(row).map_err(|_| Refusal::Internal {
            what: "a record is over its limit",
        })?;
        let family = Family::Key;
        self.changes.push(Change::Put { family, key, value });
        Ok(())
    }

    /// Stores a structure.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if it is over the limit of the codec.
    pub(super) fn put<T: Serialize>(
        &mut self,
        family: Family,
        key: Vec<u8>,
        value: &T,
    ) -> Result<(), Refusal> {
        let value = wire::encode(value).map_err(|_| Refusal::Internal {
            what: "a record is over its limit",
        })?;
        self.put_bytes(family, key, value);
        Ok(())
    }

    pub(super) fn erase(&mut self, family: Family, key: Vec<u8>) {
        self.changes.push(Change::Erase { family, key });
    }

    pub(super) fn then(&mut self, after: After) {
        self.after.push(after);
    }
}

impl Pending {
    pub(super) fn then(&mut self, after: After) {
        self.after.push(after);
    }
}

impl Hub {
    /// Adds an entry to the ledger as part of a step and returns its index and opening.
    ///
    /// A crash before the step is durable leaves neither the entry nor the act it describes.
    pub(super) fn enter(&mut self, step: &mut Step, entry: Entry) -> Result<(u64, Vec<u8>), Refusal> {
        let about = entry.clone();
        let record = Record {
            time: self.now,
            entry,
        };
        let appended = self
            .ledger
            .append(record, &mut self.entropy)
            .map_err(|_| Refusal::Internal {
                what: "a ledger entry is over its limit",
            })?;
        self.note_entry(appended.index, &about);
        step.put_bytes(
            Family::Leaf,
            key::index(appended.index),
            appended.leaf.as_bytes().to_vec(),
        );
        step.put_bytes(
            Family::Opening,
            key::index(appended.index),
            appended.opening.clone(),
        );
        Ok((appended.index, appended.opening))
    }

    /// Hands a step to the shell; what waits for it runs on [`Hub::on_persisted`].
    pub(super) fn commit(&mut self, step: Step, out: &mut Vec<Output>) {
        let batch = BatchId(self.next_id());
        let pending = Pending {
            ledger_entries: self.ledger.size().get(),
            after: step.after,
        };
        self.pending.insert(batch, pending);
        out.push(Output::Persist(batch, step.changes));
    }

    pub(super) fn on_persisted(&mut self, batch: BatchId, out: &mut Vec<Output>) {
        let Some(pending) = self.pending.remove(&batch) else {
            return;
        };
        self.ledger.mark_durable(pending.ledger_entries);
        for after in pending.after {
            self.run(after, out);
        }
    }

    /// Whether something for this hub waits for the disk.
    pub(super) fn awaits_disk_for(&self, hub: HubId) -> bool {
        let is_for = |after: &After| match after {
            After::Control(to, _) | After::Push(to) | After::Notices(to) => *to == hub,
            _ => false,
        };
        let mut waiting = self.pending.values().flat_map(|pending| &pending.after);
        waiting.any(is_for)
    }

    fn run(&mut self, after: After, out: &mut Vec<Output>) {
        match after {
            After::Decided(decided) => self.on_decided(*decided, out),
            After::Reply(command, reply) => out.push(Output::Reply(command, Ok(reply))),
            After::Control(peer, control) => self.transmit_control(peer, control, out),
            After::Push(peer) => self.push(peer, out),
            After::Send(released) => self.send_released(*released, out),
            After::PassOn(pass_on) => self.pass_on(*pass_on, out),
            After::State(statement) => self.state_to_all(statement, out),
            After::Announce => self.announce(out),
            After::Notices(peer) => self.send_notices(peer, out),
            After::Charter => self.follow_charter(out),
            After::TellNote(hash, from) => self.tell_note(hash, from, out),
            After::Refuse(command, refusal) => out.push(Output::Reply(command, Err(*refusal))),
            After::NextJob => self.next_job(out),
            After::DestroyBlobs(blobs) => out.push(Output::DestroyBlobs(blobs)),
            After::Fetch(place) => self.check_file(place, out),
            After::AnswerAsk(peer, ask) => self.on_piece_ask(peer, ask, out),
            After::Serve(peer, ask) => self.serve(peer, ask, out),
            After::Report(event) => out.push(Output::Report(event)),
            After::Policies(gate) => self.put_policies_in_force(*gate, out),
            After::Recovered => self.on_recovered(out),
            After::Publish(note) => self.publish(note, out),
            After::Offer(peer, tries) => self.show_published(peer, tries, out),
            After::Anchor { size, root, note } => {
                out.push(Output::Anchor { size, root, note });
                out.push(Output::Report(Event::Checkpoint { size }));
            }
        }
    }

    /// Sends a message once every step so far is durable.
    ///
    /// INVARIANT (durable before said): no message tells a peer what a crash could still undo. A
    /// receipt, a notice or a token that is repeated may come from a step that is under way.
    pub(super) fn send_control(&mut self, peer: HubId, control: Control, out: &mut Vec<Output>) {
        match self.newest_pending() {
            Some(newest) => newest.then(After::Control(peer, control)),
            None => self.transmit_control(peer, control, out),
        }
    }

    /// The newest step that is not durable yet.
    pub(super) fn newest_pending(&mut self) -> Option<&mut Pending> {
        self.pending.values_mut().next_back()
    }

    /// Sends a message that rests on nothing but what is durable already.
    pub(super) fn transmit_control(&mut self, peer: HubId, control: Control, out: &mut Vec<Output>) {
        if self.is_connected(peer) && self.may_tell(peer, &control) {
            out.push(Output::Transmit(peer, Outbound::control(peer, control)));
        }
    }
}
