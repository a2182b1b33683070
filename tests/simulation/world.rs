//! The world: ten hubs, their disks and streams, one clock, and the queue of what happens next.
//!
//! Everything that happens is an entry of one queue, ordered by virtual time and by when it was
//! planned; nothing depends on the machine. The world plays the shell of every hub.

use std::collections::{BTreeMap, VecDeque};

use testudo_core::blob::{BlobDone, BlobId, BlobJob, BlobJobId};
use testudo_core::hub::{CommunityLane, Hub, HubConfig, restore_governance};
use testudo_core::input::{Command, CommandId, Input, ReleaseCommand, SealId};
use testudo_crypto::entropy::Entropy;
use testudo_crypto::seal::SealError;
use testudo_protocol::id::{Hash, HubId, ItemId, Timestamp};

use crate::adversary::{Edge, Honest};
use crate::blobs::Blobs;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::federation::{Federation, National, hub};
use crate::gossip::{Flight, Gossip};
use crate::invariants::{self, Broken, Held};
use crate::network::{Network, Way};
use crate::watch::Watch;

/// Where virtual time begins, in milliseconds since 1970.
const EPOCH_MILLIS: u64 = crate::federation::BEGIN.millis();

/// Farthest that the clock of a hub is ahead, in milliseconds.
const SKEW_MILLIS_MAX: u64 = 2_000;

/// How often a hub comes back with another national policy, in per cent.
const POLICY_PER_CENT: u64 = 15;

/// How often a hub comes back with its clock set anew, in per cent.
const CLOCK_PER_CENT: u64 = 25;

/// Time between the ticks of a hub, in milliseconds.
const TICK_MILLIS: u64 = 500;

/// Time between the checkpoints of a hub, in milliseconds.
const CHECKPOINT_MILLIS: u64 = 10_000;

/// Time that liars have after the last fault, in milliseconds: nobody comes to rest with them there.
const LYING_MILLIS: u64 = 8_000;

/// More steps than any run takes: beyond them the hubs talk in circles.
const STEPS_MAX: u64 = 60_000;

/// One hub with what surrounds it.
pub struct Station {
    /// The machine; nothing while its process is down.
    pub hub: Option<Hub>,
    /// What survives the process.
    pub disk: Disk,
    /// The files of attachments, which survive it too, as far as they were synced.
    pub blobs: Blobs,
    /// Counts the processes of this hub, so that effects of an earlier one are void.
    pub life: u64,
    /// The national policy that it runs under.
    pub national: National,
    /// Outputs until the process dies, if it is to die.
    pub fuse: Option<u64>,
    /// Commands that have not been answered: what was asked and who was to get it.
    pub asked: BTreeMap<u64, Asked>,
    /// Whether other keys lie in its folder than those it began with.
    pub rotated: bool,
    /// What it has decided about itself, as it lies in its folder.
    pub own_acts: Vec<Vec<u8>>,
    pub(crate) told: VecDeque<Input>,
    pub(crate) disk_free_at: u64,
    pub(crate) told_at: u64,
    pub(crate) sealed: BTreeMap<u64, Result<Vec<u8>, SealError>>,
    /// Work on files, in order: what is still to be done, or what came of it.
    pub(crate) blob_work: VecDeque<(BlobJobId, BlobTask)>,
    pub(crate) blobs_free_at: u64,
    pub(crate) ahead_millis: u64,
    pub(crate) behind_millis: u64,
}

/// A command under way.
pub struct Asked {
    /// What kind of command.
    pub what: &'static str,
    /// Whom the preview named, for a release.
    pub previewed: Option<Vec<HubId>>,
    /// Sealed files that nobody needs if the command is refused.
    pub staged: Vec<BlobId>,
}

/// Work on a file of an attachment.
pub(crate) enum BlobTask {
    /// Still to be done.
    Waits(BlobJob),
    /// Done, and not told yet.
    Done(BlobDone),
}

/// What can happen next.
pub(crate) enum Happening {
    /// A frame arrives.
    Arrival(Way, u64),
    /// A message of gossip arrives.
    Gossip(Flight),
    /// A sender notices that its stream is gone.
    Lost(Way, u64),
    /// A stream opens over the connection of a generation.
    Open(Way, u64),
    /// A pair tries to connect.
    Redial(HubId, HubId),
    /// The disk has done what comes next.
    Disk(HubId, u64),
    /// A hub hears from its disk.
    Told(HubId, u64),
    /// A sealing is done.
    Sealed(HubId, u64, u64),
    /// Work on the file of an attachment is done.
    Blob(HubId, u64),
    /// Time passes at a hub.
    Tick(HubId),
    /// Somebody does something.
    Work,
    /// A previewed draft is approved.
    Approve(HubId, Box<ReleaseCommand>, Vec<HubId>),
    /// Somebody forwards an item.
    Forward(HubId, ItemId, HubId),
    /// Something breaks.
    Fault,
    /// A process that was asked to stop ends.
    Stop(HubId),
    /// A process starts again.
    Restart(HubId),
    /// A hub is back on the network.
    Rejoin(HubId),
    /// No more faults: everything comes back.
    Heal,
    /// Those who lie are shut out for good.
    Banish,
}

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where chance begins.
    pub seed: u64,
    /// Commands given.
    pub commands: u64,
    /// Faults struck.
    pub faults: u64,
    /// Time within which they come, in milliseconds.
    pub span_millis: u64,
}

/// The whole of a run.
pub struct World {
    /// Its set-up.
    pub plan: Plan,
    /// All chance.
    pub dice: Dice,
    /// Virtual time since the start, in milliseconds.
    pub now: u64,
    /// The hubs.
    pub stations: BTreeMap<HubId, Station>,
    /// The streams between them.
    pub network: Network,
    /// What they gossip.
    pub gossip: Gossip,
    /// How envelopes leave that are for a community.
    pub lane: CommunityLane,
    /// What the invariants remember.
    pub watch: Watch,
    /// What happened, without anything that depends on the randomness of sealing.
    pub trace: Vec<String>,
    /// How often each fault was struck and each thing happened.
    pub counts: BTreeMap<String, u64>,
    /// Parcels that were packed, for somebody to carry.
    pub parcels: Vec<Vec<u8>>,
    /// Where frames leave a hub.
    pub edge: Box<dyn Edge>,
    queue: BTreeMap<(u64, u64), Happening>,
    planned: u64,
    steps: u64,
    /// Entries of the queue that are neither ticks nor what hubs tell everybody of their ledgers, as long as they live.
    busy: u64,
    calm: bool,
    /// Whether those who lie have been shut out.
    pub(crate) banished: bool,
    /// The contents of attachments that were drafted, by the hash that a preview names.
    pub(crate) contents: BTreeMap<Hash, Vec<u8>>,
    commands: u64,
}

impl World {
    /// Ten honest hubs that have never run.
    pub fn new(plan: Plan) -> Self {
        Self::with_edge(plan, Box::new(Honest))
    }

    /// Ten hubs whose frames pass an edge.
    pub fn with_edge(plan: Plan, edge: Box<dyn Edge>) -> Self {
        let mut world = Self {
            plan,
            dice: Dice::new(plan.seed),
            now: 0,
            stations: BTreeMap::new(),
            network: Network::default(),
            gossip: Gossip::new(),
            lane: CommunityLane::Direct,
            watch: Watch::new(edge.liars()),
            trace: Vec::new(),
            counts: BTreeMap::new(),
            parcels: Vec::new(),
            edge,
            queue: BTreeMap::new(),
            planned: 0,
            steps: 0,
            busy: 0,
            calm: false,
            banished: false,
            contents: BTreeMap::new(),
            commands: 0,
        };
        world.plan_run();
        world
    }

    fn plan_run(&mut self) {
        let codes = Federation::get().codes();
        for (at, code) in codes.iter().enumerate() {
            let station = Station::new(self.dice.below(SKEW_MILLIS_MAX));
            self.stations.insert(*code, station);
            self.after(0, Happening::Restart(*code));
            let first_tick = self.dice.between(1, TICK_MILLIS);
            self.after(first_tick, Happening::Tick(*code));
            for peer in codes.iter().skip(at + 1) {
                self.plan_redial(*code, *peer, 1, 200);
            }
        }
        for _ in 0..self.plan.commands {
            let at = self.dice.between(300, self.plan.span_millis);
            self.after(at, Happening::Work);
        }
        for _ in 0..self.plan.faults {
            let at = self.dice.between(300, self.plan.span_millis);
            self.after(at, Happening::Fault);
        }
        // After the last approval and the last onward disclosure that follow from the work.
        let heal = self.plan.span_millis + 4_000;
        self.after(heal, Happening::Heal);
        if !self.watch.liars.is_empty() {
            self.after(heal + LYING_MILLIS, Happening::Banish);
        }
    }

    /// Runs until nothing is left to do, then asks the invariants of the end.
    pub fn run(&mut self) -> Held {
        let mut quiet_since = None;
        while self.step()? {
            // A last round of ticks, for checkpoints over what came last. What hubs say to their witnesses then
            // goes on for as long as they live: it is a moment without it that shows that all else is done.
            match quiet_since {
                _ if !self.calm => quiet_since = None,
                _ if self.busy > 0 => {}
                None => quiet_since = Some(self.now),
                Some(since) if self.now > since + 2 * CHECKPOINT_MILLIS => break,
                Some(_) => {}
            }
        }
        invariants::at_the_end(self)
    }

    /// Runs until a line of the trace says that something has happened.
    pub fn run_until(&mut self, what: &str) -> Held {
        let mut seen = self.trace.len();
        loop {
            if !self.step()? {
                panic!("never: {what}");
            }
            if self.trace[seen..].iter().any(|line| line.contains(what)) {
                return Ok(());
            }
            seen = self.trace.len();
        }
    }

    /// Time passes in which nothing happens; what was planned happens as much later. What is under way arrives first: a
    /// word of before would be a lie after it.
    /// Does whatever is planned for the next so many milliseconds.
    pub fn run_for(&mut self, millis: u64) -> Held {
        let end = self.now + millis;
        while self
            .queue
            .first_key_value()
            .is_some_and(|((at, _), _)| *at <= end)
        {
            self.step()?;
        }
        self.now = self.now.max(end);
        Ok(())
    }

    /// Time passes in which nothing happens; what was planned happens as much later.
    pub fn leap(&mut self, millis: u64) {
        let under_way = |happening: &Happening| matches!(happening, Happening::Arrival(..));
        while self.queue.values().any(under_way) {
            self.step().expect("holds");
        }
        self.now += millis;
        let planned = std::mem::take(&mut self.queue).into_iter();
        self.queue = planned
            .map(|((at, order), happening)| ((at + millis, order), happening))
            .collect();
    }

    /// Does what comes next; false if nothing does.
    fn step(&mut self) -> Result<bool, Broken> {
        let Some(((at, _), happening)) = self.queue.pop_first() else {
            return Ok(false);
        };
        self.now = at;
        self.steps += 1;
        if self.steps > STEPS_MAX {
            invariants::broken_circle(self)?;
        }
        self.busy -= u64::from(keeps_busy(&happening));
        self.happen(happening)?;
        Ok(true)
    }

    fn happen(&mut self, happening: Happening) -> Held {
        match happening {
            Happening::Arrival(way, epoch) => self.on_arrival(way, epoch),
            Happening::Gossip(flight) => self.on_gossip(flight),
            Happening::Lost(way, epoch) => self.on_lost(way, epoch),
            Happening::Open(way, generation) => self.on_open(way, generation),
            Happening::Redial(one, other) => self.on_redial(one, other),
            Happening::Disk(hub, life) => self.on_disk(hub, life),
            Happening::Told(hub, life) => self.on_told(hub, life),
            Happening::Sealed(hub, life, id) => self.on_sealed(hub, life, id),
            Happening::Blob(hub, life) => self.on_blob(hub, life),
            Happening::Tick(hub) => {
                self.after(TICK_MILLIS, Happening::Tick(hub));
                self.feed(hub, Input::Tick)
            }
            Happening::Work => self.work(),
            Happening::Approve(hub, release, previewed) => self.approve(hub, *release, previewed),
            Happening::Forward(hub, item, to) => {
                self.command(hub, "forward", None, Command::Forward { item, to })
            }
            Happening::Fault => self.strike(),
            Happening::Stop(hub) => {
                self.crash(hub);
                Ok(())
            }
            Happening::Restart(hub) => self.start(hub),
            Happening::Rejoin(hub) => {
                self.network.set_partitioned(hub, false);
                Ok(())
            }
            Happening::Heal => {
                self.heal();
                Ok(())
            }
            Happening::Banish => {
                self.banish();
                Ok(())
            }
        }
    }

    /// Plans something for so many milliseconds from now.
    pub(crate) fn after(&mut self, millis: u64, happening: Happening) {
        self.planned += 1;
        self.busy += u64::from(keeps_busy(&happening));
        self.queue.insert((self.now + millis, self.planned), happening);
    }

    /// The clock of a hub.
    pub fn clock(&self, hub: HubId) -> Timestamp {
        let station = &self.stations[&hub];
        Timestamp::from_millis(EPOCH_MILLIS + self.now + station.ahead_millis - station.behind_millis)
    }

    /// The station of a hub.
    pub(crate) fn station(&mut self, hub: HubId) -> &mut Station {
        self.stations.get_mut(&hub).expect("a hub of the federation")
    }

    /// Whether the process of a hub runs.
    pub fn is_up(&self, hub: HubId) -> bool {
        self.stations[&hub].hub.is_some()
    }

    pub(crate) fn become_calm(&mut self) {
        self.calm = true;
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, hub: HubId, what: std::fmt::Arguments<'_>) {
        self.trace.push(format!("{:>6} {hub} {what}", self.now));
    }

    /// Counts something.
    pub(crate) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Starts the process of a hub from what its disk holds.
    fn start(&mut self, code: HubId) -> Held {
        if self.is_up(code) {
            return Ok(());
        }
        self.change_surroundings(code);
        let federation = Federation::get();
        let keys = if self.stations[&code].rotated {
            federation.other_keys(code)
        } else {
            federation.keys(code)
        };
        let now = self.clock(code);
        let rows = self.stations[&code].disk.rows();
        let governance = match restore_governance(federation.governance().clone(), &rows) {
            Ok(governance) => governance,
            Err(error) => return invariants::broken_restore(code, &error),
        };
        let gate = federation.gate_under(self.stations[&code].national, governance.charter(now));
        let config = HubConfig {
            me: code,
            keys,
            governance,
            gate,
            entropy: Entropy::from_seed(self.dice.bytes32()),
            tick_millis: CHECKPOINT_MILLIS,
            own_acts: self.stations[&code].own_acts.clone(),
            community_lane: self.lane,
        };
        let disk = &self.stations[&code].disk;
        let restored = Hub::restore(config, rows, disk.anchors().last(), now);
        let (hub, outputs) = match restored {
            Ok(restored) => restored,
            Err(error) => return invariants::broken_restore(code, &error),
        };
        self.note(code, format_args!("starts"));
        let station = self.station(code);
        station.life += 1;
        station.blobs.keep_only(&hub.blobs());
        station.hub = Some(hub);
        invariants::after_restart(self, code)?;
        self.carry_out_all(code, outputs)
    }

    /// A hub may come back with another national policy, and with a clock that was set back.
    fn change_surroundings(&mut self, code: HubId) {
        let is_first = self.stations[&code].life == 0;
        // CA would apply its own policy to what others forward to it.
        let may_change = !is_first && code != hub("CA");
        if may_change && self.dice.chance(POLICY_PER_CENT) {
            self.count("struck: national policy changed");
            let station = self.station(code);
            station.national = match station.national {
                National::Open => National::Strict,
                National::Strict => National::Open,
            };
        }
        if !is_first && self.dice.chance(CLOCK_PER_CENT) {
            self.count("struck: clock set");
            let ahead = self.dice.below(SKEW_MILLIS_MAX);
            self.station(code).ahead_millis = ahead;
        }
    }

    /// Gives a hub a command.
    pub(crate) fn command(
        &mut self,
        hub: HubId,
        what: &'static str,
        previewed: Option<Vec<HubId>>,
        command: Command,
    ) -> Held {
        if !self.is_up(hub) {
            return Ok(());
        }
        self.commands += 1;
        let id = self.commands;
        self.count(&format!("command {what}"));
        self.note(hub, format_args!("is asked to {what}"));
        let staged = match &command {
            Command::Release(release) => (release.draft.attachments.iter())
                .filter_map(|one| one.staged.as_ref().map(|staged| staged.blob))
                .collect(),
            _ => Vec::new(),
        };
        let asked = Asked {
            what,
            previewed,
            staged,
        };
        self.station(hub).asked.insert(id, asked);
        self.feed(hub, Input::Command(CommandId(id), command))
    }

    fn on_sealed(&mut self, hub: HubId, life: u64, id: u64) -> Held {
        let station = self.station(hub);
        if station.life != life {
            return Ok(());
        }
        match station.sealed.remove(&id) {
            Some(sealed) => self.feed(hub, Input::Sealed(SealId(id), sealed)),
            None => Ok(()),
        }
    }
}

impl Station {
    fn new(ahead_millis: u64) -> Self {
        Self {
            hub: None,
            disk: Disk::default(),
            blobs: Blobs::default(),
            life: 0,
            national: National::Open,
            fuse: None,
            asked: BTreeMap::new(),
            rotated: false,
            own_acts: Vec::new(),
            told: VecDeque::new(),
            disk_free_at: 0,
            told_at: 0,
            sealed: BTreeMap::new(),
            blob_work: VecDeque::new(),
            blobs_free_at: 0,
            ahead_millis,
            behind_millis: 0,
        }
    }

    /// The process dies: all that it knew and had not written is gone.
    pub(crate) fn die(&mut self) {
        self.hub = None;
        self.life += 1;
        self.fuse = None;
        self.disk.lose_power();
        self.blobs.lose_power();
        self.blob_work.clear();
        self.blobs_free_at = 0;
        self.told.clear();
        self.sealed.clear();
        self.asked.clear();
        self.disk_free_at = 0;
        self.told_at = 0;
    }
}

fn keeps_busy(happening: &Happening) -> bool {
    match happening {
        Happening::Tick(_) => false,
        Happening::Gossip(flight) => !flight.is_statement,
        _ => true,
    }
}
