//! One hub on a disk that forgets: what it does, what it promises, and whether it remembers.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use testudo::process::{Disk, Fatal, restore, settle};
use testudo::store::{Anchor, Family, Store, StoreKeys};
use testudo_core::hub::{Hub, HubConfig, Row, restore_governance};
use testudo_core::input::{Command, CommandId, Draft, Input, ReleaseCommand};
use testudo_core::output::Output;
use testudo_crypto::entropy::Entropy;
use testudo_crypto::merkle::{TreeSize, leaf_hash};
use testudo_crypto::vault::StorageKey;
use testudo_policies::explain::Language;
use testudo_protocol::charter::Heartbeat;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{HubId, ItemId, Timestamp};
use testudo_protocol::label::Tlp;
use testudo_protocol::week::Week;

use super::device::{Device, End};
use super::fuse::Mount;
use super::outside::{Outside, Promises};
use super::{chance, furnish};
use crate::dice::Dice;
use crate::drafts;
use crate::federation::{Federation, National, VOTERS, hub};

/// Where time begins, in milliseconds since 1970.
const EPOCH_MILLIS: u64 = 1_790_000_000_000;

/// Time between two checkpoints, and between two acts, in milliseconds.
const TICK_MILLIS: u64 = 10_000;

/// A bit more than a week, in milliseconds: keys turn.
const WEEK_MILLIS: u64 = 8 * 24 * 60 * 60 * 1_000;

/// Most steps of the disk between a start and its end; a start takes some two hundred.
const STEPS_MAX: u64 = 400;

/// Most syncs before the one that fails.
const SYNCS_MAX: u64 = 80;

/// Most acts of one life.
const ACTS_MAX: u64 = 12;

/// Whether writes wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    Always,
    Never,
}

/// A hub over all its processes.
pub struct Life {
    mount: Mount,
    folder: PathBuf,
    dice: Dice,
    sync: Sync,
    now: u64,
    commands: u64,
    promises: Promises,
}

/// A process.
struct Process {
    hub: Hub,
    disk: Disk,
}

impl Life {
    /// A hub that has its folders and has never run.
    pub fn begin(folder: &Path, seed: u64, sync: Sync) -> Result<Self, String> {
        let mut device = Device::new();
        furnish(&mut device).map_err(|number| format!("the disk refuses with error {number}"))?;
        let mount = Mount::new(folder, device).map_err(|error| format!("no FUSE mount: {error}"))?;
        Ok(Self {
            mount,
            folder: folder.to_owned(),
            dice: Dice::new(seed),
            sync,
            now: EPOCH_MILLIS,
            commands: 0,
            promises: Promises::default(),
        })
    }

    /// Starts whole and is looked at, then acts until the disk ends it, at any step.
    pub fn live_and_end(&mut self, end: End) -> Result<(), String> {
        // In one of four lives the disk goes already while the hub comes back from the last end.
        if self.dice.chance(25) {
            self.start_and_end(end)?;
        }
        let (mut process, begin) = self.start()?;
        self.look(&process)?;
        let steps = self.dice.between(0, STEPS_MAX);
        self.mount.device().cut_after(steps);
        let mut lives = self.move_on(&mut process, self.peers(), begin)?;
        if lives {
            must_have_left_its_fence(&process)?;
        }
        for _ in 0..self.dice.between(1, ACTS_MAX) {
            if !lives {
                break;
            }
            let input = self.next_act(&process);
            lives = self.move_on(&mut process, self.with_beats(input), Vec::new())?;
        }
        self.end(Some(process), end);
        Ok(())
    }

    /// Starts whole, and acts until one sync fails. What the process says after that does not count, and there
    /// must be none: it ends, and so does the machine.
    pub fn live_with_a_failed_sync(&mut self) -> Result<(), String> {
        let (mut process, begin) = self.start()?;
        self.look(&process)?;
        let syncs = self.dice.between(0, SYNCS_MAX);
        self.mount.device().fail_sync_after(syncs);
        let mut settled = self.try_to_move_on(&mut process, self.peers(), begin)?;
        for _ in 0..ACTS_MAX {
            if settled.is_err() {
                break;
            }
            let input = self.next_act(&process);
            settled = self.try_to_move_on(&mut process, self.with_beats(input), Vec::new())?;
        }
        // Not asked within the next expression: the disk answers nobody while somebody looks at it.
        let has_failed = self.mount.device().has_failed();
        match settled {
            // The process ends. That the database refuses every later write is shown beside its code.
            Err(_) if has_failed => {}
            // Of a table file in the background: the next write is refused.
            Ok(()) => {}
            Err(fatal) => return Err(testudo::cli::chain(&fatal)),
        }
        self.mount.device().cut();
        self.end(Some(process), End::PowerLost);
        Ok(())
    }

    /// Starts, and loses its disk at a step of that.
    pub fn start_and_end(&mut self, end: End) -> Result<(), String> {
        let steps = self.dice.between(0, STEPS_MAX / 2);
        self.mount.device().cut_after(steps);
        let process = match self.start() {
            Ok((mut process, begin)) => {
                self.move_on(&mut process, self.peers(), begin)?;
                Some(process)
            }
            Err(_) if self.mount.device().is_dead() => None,
            Err(broken) => return Err(broken),
        };
        self.end(process, end);
        Ok(())
    }

    /// The process is gone, and the disk is what it is.
    fn end(&mut self, process: Option<Process>, end: End) {
        let was_cut = self.mount.device().is_dead();
        self.mount.device().cut();
        drop(process);
        self.mount.device().revive(end, &mut chance(&mut self.dice));
        self.promises.ends += 1;
        self.promises.cut += u64::from(was_cut);
    }

    fn start(&mut self) -> Result<(Process, Vec<Output>), String> {
        self.now += TICK_MILLIS;
        let me = hub("FR");
        let now = self.clock();
        let keys = StoreKeys {
            storage: StorageKey::from_bytes([7; 32]),
            openings: self.folder.join("keys/openings"),
            week: Week::of(now),
        };
        let store = Store::open(&self.folder.join("store"), keys, me.as_str());
        let store =
            store.map_err(|error| format!("the database does not open: {}", testudo::cli::chain(&error)))?;
        let store = match self.sync {
            Sync::Always => store,
            Sync::Never => store.unsynced(),
        };
        let federation = Federation::get();
        let entropy = Entropy::from_seed(self.dice.bytes32());
        let configure = |rows: &[Row]| {
            let governance = restore_governance(federation.governance().clone(), rows)?;
            Ok(HubConfig {
                me,
                keys: federation.keys(me),
                gate: federation.gate_under(National::Open, governance.charter(now)),
                governance,
                entropy,
                tick_millis: TICK_MILLIS,
                own_acts: Vec::new(),
                community_lane: testudo_core::hub::CommunityLane::Direct,
            })
        };
        let anchor = Anchor::new(&self.folder.join("anchor/anchor.json"));
        let (hub, begin, anchored) = restore(&store, &anchor, now, configure)
            .map_err(|error| format!("the hub does not come back: {}", testudo::cli::chain(&error)))?;
        let disk = Disk::new(store, anchor, anchored.map_or(0, |anchored| anchored.size));
        Ok((Process { hub, disk }, begin))
    }

    fn clock(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Gives the hub inputs; false if the disk has ended it.
    fn move_on(
        &mut self,
        process: &mut Process,
        inputs: VecDeque<Input>,
        outputs: Vec<Output>,
    ) -> Result<bool, String> {
        match self.try_to_move_on(process, inputs, outputs)? {
            Ok(()) => Ok(true),
            Err(_) if self.mount.device().is_dead() => Ok(false),
            Err(fatal) => Err(testudo::cli::chain(&fatal)),
        }
    }

    fn try_to_move_on(
        &mut self,
        process: &mut Process,
        mut inputs: VecDeque<Input>,
        mut outputs: Vec<Output>,
    ) -> Result<Result<(), Fatal>, String> {
        let now = self.clock();
        loop {
            let mut outside = Outside::new(&mut self.promises);
            let (hub, disk) = (&mut process.hub, &mut process.disk);
            let settled = settle(hub, disk, &mut outside, &|| now, inputs, outputs);
            let Outside { answers, broken, .. } = outside;
            if let Some(broken) = broken {
                return Err(broken);
            }
            if settled.is_err() {
                return Ok(settled);
            }
            // The round is over: whatever was entered is on disk, and somebody may rely on it.
            self.remember(process, process.hub.status().ledger_entries)?;
            if answers.is_empty() {
                return Ok(settled);
            }
            (inputs, outputs) = (answers, Vec::new());
        }
    }

    /// Takes over the leaves that are on disk since the last look: `least` of them at least.
    fn remember(&mut self, process: &Process, least: u64) -> Result<(), String> {
        for index in self.promises.leaves.len() as u64.. {
            match leaf(&process.disk, index) {
                Ok(None) if index >= least => return Ok(()),
                Ok(Some(leaf)) => {
                    self.promises.tree.append(leaf_hash(&leaf));
                    self.promises.leaves.push(leaf);
                }
                // Only the disk can take them away now.
                _ if self.mount.device().is_dead() => return Ok(()),
                found => return Err(format!("leaf {index} of {least} is {found:?}")),
            }
        }
        Ok(())
    }

    /// Whether a hub that has come back knows what it has let others see.
    fn look(&mut self, process: &Process) -> Result<(), String> {
        let promises = &self.promises;
        let status = process.hub.status();
        // Before its peers have answered it signs nothing; more than that must not stand in its way.
        if status.fence.is_none_or(|fence| fence.why != "asking") {
            return Err(format!(
                "it is not where its anchor stands: {} entries, {} were promised",
                status.ledger_entries,
                promises.leaves.len()
            ));
        }
        for (index, promised) in (0..).zip(&promises.leaves) {
            let found = leaf(&process.disk, index)?;
            if found.as_ref() != Some(promised) {
                let what = if found.is_some() { "another" } else { "gone" };
                return Err(format!("leaf {index}, on which something rested, is {what}"));
            }
        }
        // What the process has only in mind yet is not counted.
        self.remember(process, 0)?;
        let promises = &self.promises;
        for (size, root) in &promises.published {
            if promises.tree.root_at(TreeSize::new(*size)) != Some(*root) {
                return Err(format!(
                    "size {size} has another root than was shown to a witness"
                ));
            }
        }
        for item in promises.released.difference(&promises.erased) {
            if process.hub.item(*item).is_none() {
                return Err(format!("item {item}, whose release was acknowledged, is gone"));
            }
        }
        for item in &promises.erased {
            if process.hub.item(*item).is_some() {
                return Err(format!("item {item}, whose erasure was acknowledged, is back"));
            }
        }
        Ok(())
    }

    /// Peers that have just connected, and state as voters that there is nothing newer than what all know.
    fn peers(&self) -> VecDeque<Input> {
        peers().into_iter().chain(self.beats()).collect()
    }

    /// An act, behind what voters state every day: without it a hub goes by a charter that may be old, and releases
    /// nothing.
    fn with_beats(&self, act: Input) -> VecDeque<Input> {
        self.beats().into_iter().chain([act]).collect()
    }

    fn beats(&self) -> Vec<Input> {
        let federation = Federation::get();
        let governance = federation.governance();
        let others = VOTERS.map(hub).into_iter().filter(|code| *code != hub("FR"));
        let beat = |code: HubId| {
            let key = federation.keys(code).payload;
            let beat = Heartbeat::sign(
                code,
                governance.heads(),
                self.clock(),
                key.classical(),
                governance.realm(),
            );
            Input::Frame(
                code,
                Message::Control(Control::Heartbeat(beat.to_bytes())).to_frame(),
            )
        };
        others.map(beat).collect()
    }

    fn next_act(&mut self, process: &Process) -> Input {
        self.now += TICK_MILLIS;
        match self.dice.below(100) {
            0..45 => self.release(process),
            45..55 => self.erase(),
            55..58 => {
                self.now += WEEK_MILLIS;
                process.disk.begin_week(self.clock());
                Input::Tick
            }
            58..66 => Input::Stop,
            _ => Input::Tick,
        }
    }

    fn release(&mut self, process: &Process) -> Input {
        let label = drafts::listed(Tlp::Amber, [hub("DE")].into_iter());
        let bundle = drafts::bundle(&mut self.dice, &label, "power");
        let draft = Draft {
            bundle,
            label,
            licence: None,
            purpose: "situational-awareness".to_owned(),
            corrects: None,
            attachments: Vec::new(),
            derived: None,
        };
        // One bundle in a while is marked more strictly than its label; then nothing is released.
        match process.hub.preview(draft.clone(), Language::English) {
            Ok(preview) => {
                let preview = preview.hash;
                self.command(Command::Release(Box::new(ReleaseCommand { draft, preview })))
            }
            Err(_) => Input::Tick,
        }
    }

    fn erase(&mut self) -> Input {
        let kept: Vec<ItemId> = (self.promises.released)
            .difference(&self.promises.erased)
            .copied()
            .collect();
        let basis = "gdpr-17.1.d".parse();
        match (self.dice.pick(&kept), basis) {
            (Some(item), Ok(basis)) => {
                let item = *item;
                // From here on it may be gone, whether or not the answer is seen.
                self.promises.released.remove(&item);
                self.command(Command::Erase { item, basis })
            }
            _ => Input::Tick,
        }
    }

    fn command(&mut self, command: Command) -> Input {
        self.commands += 1;
        Input::Command(CommandId(self.commands), command)
    }

    /// What has happened so far.
    pub fn summary(&self) -> String {
        let promises = &self.promises;
        format!(
            "{} ends, {} of them in the middle of something; {} entries, {} checkpoints shown, {} releases kept, {} erasures",
            promises.ends,
            promises.cut,
            promises.leaves.len(),
            promises.published.len(),
            promises.released.len(),
            promises.erased.len()
        )
    }

    /// A run in which nothing happened shows nothing.
    pub fn has_done_something(&self) -> Result<(), String> {
        let promises = &self.promises;
        let enough = promises.cut * 4 > promises.ends
            && promises.published.len() > 10
            && promises.released.len() > 10
            && !promises.erased.is_empty();
        if enough {
            Ok(())
        } else {
            Err(format!("too little happened: {}", self.summary()))
        }
    }
}

/// All others are reached at once.
fn peers() -> VecDeque<Input> {
    let members = Federation::get().charter().members();
    let others = members.filter(|member| member.code != hub("FR"));
    others.map(|member| Input::Connected(member.code)).collect()
}

/// Every peer has answered: a hub that is still fenced has lost what it let one of them see.
fn must_have_left_its_fence(process: &Process) -> Result<(), String> {
    match process.hub.status().fence {
        None => Ok(()),
        Some(fence) => Err(format!(
            "it stays fenced ({}) with {} entries; peers hold {:?}",
            fence.why, fence.entries, fence.held_by_peers
        )),
    }
}

fn leaf(disk: &Disk, index: u64) -> Result<Option<Vec<u8>>, String> {
    let found = disk.store().get(Family::Leaf, &index.to_be_bytes());
    let found = found.map_err(|error| testudo::cli::chain(&error))?;
    Ok(found.map(|leaf| leaf.to_vec()))
}
