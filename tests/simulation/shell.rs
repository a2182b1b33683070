//! What the process around a hub does: outputs become effects, effects become inputs.

use testudo_core::blob::{BlobDone, BlobId, BlobJob, BlobJobId};
use testudo_core::hub::Anchor;
use testudo_core::input::{CommandId, Input};
use testudo_core::output::{Event, Output};
use testudo_core::refusal::Refusal;
use testudo_core::views::Reply;
use testudo_protocol::exchange::{CONTROL_BYTES_MAX, Control, Message};
use testudo_protocol::id::HubId;

use crate::disk::Job;
use crate::invariants::{self, Held};
use crate::network::Way;
use crate::world::{BlobTask, Happening, World};

/// Longest that a write or a reading takes, in milliseconds.
const DISK_MILLIS_MAX: u64 = 40;

/// Longest from the disk to the hub, in milliseconds.
const TOLD_MILLIS_MAX: u64 = 20;

/// Longest that sealing takes, in milliseconds.
const SEAL_MILLIS_MAX: u64 = 60;

/// Longest that a frame is under way, in milliseconds.
const FLIGHT_MILLIS_MAX: u64 = 250;

impl World {
    /// Moves a hub by one input and does what it wants done.
    pub(crate) fn feed(&mut self, code: HubId, input: Input) -> Held {
        let now = self.clock(code);
        let Some(hub) = self.station(code).hub.as_mut() else {
            return Ok(());
        };
        let outputs = hub.handle(now, input);
        self.carry_out_all(code, outputs)
    }

    /// Carries out outputs in their order, as far as the process lives.
    pub(crate) fn carry_out_all(&mut self, code: HubId, outputs: Vec<Output>) -> Held {
        for output in outputs {
            match self.station(code).fuse {
                Some(0) => {
                    self.crash(code);
                    return Ok(());
                }
                Some(left) => self.station(code).fuse = Some(left - 1),
                None => {}
            }
            self.carry_out(code, output)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, code: HubId, output: Output) -> Held {
        match output {
            Output::Persist(batch, changes) => self.ask_disk(code, Job::Write(batch, changes)),
            Output::Load(load, family, key) => self.ask_disk(code, Job::Read(load, family, key)),
            // As the process does it: nothing else is heard before it has been read.
            Output::LoadLeaves(load, indices) => {
                let leaves = self.station(code).disk.leaves_in(indices);
                self.feed(code, Input::Loaded(load, leaves))?;
            }
            Output::Seal(id, order) => {
                let sealed = order.carry_out();
                if let (Some(item), Ok(cipher)) = (order.item(), &sealed) {
                    self.watch.note_sealed(code, item, cipher);
                }
                self.station(code).sealed.insert(id.0, sealed);
                let life = self.station(code).life;
                let takes = self.dice.between(1, SEAL_MILLIS_MAX);
                self.after(takes, Happening::Sealed(code, life, id.0));
            }
            Output::Blob(id, job) => self.ask_for_blob_work(code, id, job),
            Output::DestroyBlobs(blobs) => self.destroy_blobs(code, &blobs),
            Output::Transmit(peer, outbound) => {
                invariants::invariant_no_output_leaks_content(code, &format!("{outbound:?}"))?;
                return self.transmit((code, peer), outbound.into_frame());
            }
            Output::Publish(publication) => {
                invariants::invariant_no_output_leaks_content(code, &format!("{publication:?}"))?;
                return self.publish(code, publication);
            }
            Output::Judge(id, judgement) => return self.judge(code, id, judgement),
            // Charter and communities stay as they are here.
            Output::Communities(_) => {}
            Output::Disconnect(peer) => {
                self.note(code, format_args!("disconnects {peer}"));
                self.cut(code, peer);
            }
            // The simulated network knows no keys.
            Output::Peers => self.note(code, format_args!("brings its peers into line")),
            Output::Anchor { size, root, note } => {
                self.note(code, format_args!("anchors {size}"));
                let anchor = Anchor { size, root };
                invariants::invariant_anchors_are_durable_and_signed(self, code, &anchor, &note)?;
                invariants::invariant_one_root_for_one_size(self, code, &anchor)?;
                self.station(code).disk.set_anchor(anchor);
            }
            Output::Reply(id, reply) => return self.reply(code, id, reply),
            Output::Report(event) => return self.report(code, event),
        }
        Ok(())
    }

    /// Work on files takes its time, in order.
    fn ask_for_blob_work(&mut self, code: HubId, id: BlobJobId, job: BlobJob) {
        let takes = self.dice.between(1, DISK_MILLIS_MAX);
        let done = self.station(code).blobs_free_at.max(self.now + takes);
        let life = self.station(code).life;
        let station = self.station(code);
        station.blobs_free_at = done;
        station.blob_work.push_back((id, BlobTask::Waits(job)));
        self.after(done - self.now, Happening::Blob(code, life));
    }

    pub(crate) fn on_blob(&mut self, code: HubId, life: u64) -> Held {
        let station = self.station(code);
        if station.life != life {
            return Ok(());
        }
        let Some((id, task)) = station.blob_work.pop_front() else {
            return Ok(());
        };
        let done = match task {
            BlobTask::Waits(job) => station.blobs.work(job),
            BlobTask::Done(done) => done,
        };
        self.feed(code, Input::Blob(id, done))
    }

    /// Files are gone when this returns, and nothing that was asked for before brings them back.
    fn destroy_blobs(&mut self, code: HubId, blobs: &[BlobId]) {
        self.note(code, format_args!("destroys {} files", blobs.len()));
        let station = self.station(code);
        for (_, task) in &mut station.blob_work {
            if let BlobTask::Waits(_) = task {
                let BlobTask::Waits(job) = std::mem::replace(task, BlobTask::Done(BlobDone::Kept)) else {
                    continue;
                };
                *task = BlobTask::Done(station.blobs.work(job));
            }
        }
        station.blobs.destroy(blobs);
    }

    fn ask_disk(&mut self, code: HubId, job: Job) {
        let takes = self.dice.between(1, DISK_MILLIS_MAX);
        let done = self.station(code).disk_free_at.max(self.now + takes);
        let life = self.station(code).life;
        self.station(code).disk_free_at = done;
        self.station(code).disk.ask(job);
        self.after(done - self.now, Happening::Disk(code, life));
    }

    pub(crate) fn on_disk(&mut self, code: HubId, life: u64) -> Held {
        if self.station(code).life != life {
            return Ok(());
        }
        invariants::before_write(self, code)?;
        let takes = self.dice.between(1, TOLD_MILLIS_MAX);
        let now = self.now;
        let station = self.station(code);
        if let Some(input) = station.disk.work() {
            station.told.push_back(input);
            station.told_at = station.told_at.max(now + takes);
            let wait = station.told_at - now;
            self.after(wait, Happening::Told(code, life));
        }
        Ok(())
    }

    pub(crate) fn on_told(&mut self, code: HubId, life: u64) -> Held {
        let station = self.station(code);
        if station.life != life {
            return Ok(());
        }
        match station.told.pop_front() {
            Some(input) => self.feed(code, input),
            None => Ok(()),
        }
    }

    /// Hands frames to the network as the edge gives them.
    fn transmit(&mut self, way: Way, frame: Vec<u8>) -> Held {
        let (from, to) = way;
        let mut edge = std::mem::replace(&mut self.edge, Box::new(crate::adversary::Honest));
        let frames = edge.send(&mut self.dice, from, to, frame);
        self.edge = edge;
        for (to, frame) in frames {
            let kind = kind(&frame);
            self.count(&format!("frame {kind}"));
            self.note(from, format_args!("sends {to} {kind}"));
            invariants::on_transmission(self, from, to, &frame)?;
            let takes = self.dice.between(1, FLIGHT_MILLIS_MAX);
            let arrival = self.now + takes;
            if let Some((at, epoch)) = self.network.send((from, to), frame, arrival) {
                self.after(at - self.now, Happening::Arrival((from, to), epoch));
            }
        }
        Ok(())
    }

    fn reply(&mut self, code: HubId, id: CommandId, reply: Result<Reply, Refusal>) -> Held {
        let asked = self.station(code).asked.remove(&id.0);
        let words = match &reply {
            Ok(reply) => format!("{reply:?}"),
            Err(refusal) => format!("{refusal:?} {refusal}"),
        };
        invariants::invariant_no_output_leaks_content(code, &words)?;
        let asked = invariants::invariant_every_command_is_answered_once(code, id, asked)?;
        match reply {
            Ok(reply) => {
                if let Reply::Packed { sealed, .. } = &reply {
                    self.parcels.push(sealed.0.clone());
                }
                self.count(&format!("done {}", asked.what));
                self.note(code, format_args!("has done {}", asked.what));
                invariants::on_reply(self, code, &reply, asked.previewed)
            }
            Err(refusal) => {
                self.station(code).blobs.destroy(&asked.staged);
                self.count(&format!("refused {} {}", asked.what, refusal.code()));
                self.note(code, format_args!("refuses {}: {}", asked.what, refusal.code()));
                invariants::invariant_no_hub_finds_a_defect_in_itself(code, &refusal)
            }
        }
    }

    fn report(&mut self, code: HubId, event: Event) -> Held {
        let words = format!("{event:?}");
        invariants::invariant_no_output_leaks_content(code, &words)?;
        match &event {
            // What was wrong may name lengths, which sealing changes from run to run.
            Event::PeerFault { peer, what } => {
                self.count(&format!("fault found: {what}"));
                self.note(code, format_args!("blames {peer}"));
            }
            _ => self.note(code, format_args!("reports {words}")),
        }
        invariants::on_report(self, code, &event)
    }
}

/// What a frame is, without anything that differs from run to run.
pub fn kind(frame: &[u8]) -> &'static str {
    // Behind schema and version stands the number of the variant; large frames are not read for their kind.
    if frame.len() > 2 * CONTROL_BYTES_MAX {
        return match frame.get(4) {
            Some(0) => "content",
            Some(1) => "resealed",
            Some(3) => "piece",
            _ => "charter note",
        };
    }
    match Message::decode(frame) {
        Ok(Message::Content(_)) => "content",
        Ok(Message::Resealed(_)) => "resealed",
        Ok(Message::Piece(_)) => "piece",
        Ok(Message::Control(Control::PieceAsk(_))) => "piece ask",
        Ok(Message::Control(Control::NotHere { .. })) => "not here",
        Ok(Message::Control(Control::Announce(_))) => "announce",
        Ok(Message::Control(Control::Hello { .. })) => "hello",
        Ok(Message::Control(Control::Welcome)) => "welcome",
        Ok(Message::Control(Control::OuterOnly(_))) => "outer only",
        Ok(Message::Control(Control::Expect { .. })) => "expect",
        Ok(Message::Control(Control::Receipt(_))) => "receipt",
        Ok(Message::Control(Control::Noted { .. })) => "noted",
        Ok(Message::Control(Control::Notice(_))) => "notice",
        Ok(Message::Control(Control::Consent(_))) => "consent",
        Ok(Message::Control(Control::ConsentAsk(_))) => "consent question",
        Ok(Message::Control(Control::ConsentDeclined(_))) => "consent refusal",
        Ok(Message::Control(Control::AddCheckpoint(_))) => "add checkpoint",
        Ok(Message::Control(Control::Cosigned { .. })) => "cosigned",
        Ok(Message::Control(Control::LastCheckpointAsk)) => "last checkpoint ask",
        Ok(Message::Control(Control::LastCheckpoint(_))) => "last checkpoint",
        Ok(Message::Control(Control::Evidence(_))) => "evidence",
        Ok(Message::Control(Control::OwnHeads(_))) => "own heads",
        Ok(Message::Control(Control::OwnActsWanted { .. })) => "own acts wanted",
        Ok(Message::Control(Control::OwnAct(_))) => "own act",
        Ok(Message::Control(Control::CharterHave { .. })) => "charter have",
        Ok(Message::Control(Control::CharterNote(_))) => "charter note",
        Ok(Message::Control(Control::Heartbeat(_))) => "heartbeat",
        Ok(Message::Control(Control::Follows { .. })) => "follows",
        Ok(Message::Control(Control::HeadsAsk)) => "heads ask",
        Ok(Message::Control(Control::Heads { .. })) => "heads",
        Ok(Message::Control(Control::LeavesAsk { .. })) => "leaves ask",
        Ok(Message::Control(Control::Leaves { .. })) => "leaves",
        Ok(Message::Control(Control::ProofAsk { .. })) => "proof ask",
        Ok(Message::Control(Control::Proof { .. })) => "proof",
        Ok(Message::Control(Control::Time(_))) => "time",
        Ok(Message::Control(Control::Alone(_))) => "alone",
        Err(_) => "nonsense",
    }
}
