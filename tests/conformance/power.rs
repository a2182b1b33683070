//! Real RocksDB, real anchor and real key files on a disk that forgets: what was acknowledged is there after any
//! loss of power, and no ledger ever has two roots for one size.
//!
//! The disk is a file system of ours ([`fuse`], [`device`]) that is cut off in the middle of what a hub does, at a
//! step that a seed decides, over and over again on the same folder. `TESTUDO_POWER_SEED=17` takes another seed,
//! `TESTUDO_POWER_CYCLES=5000` takes longer.

mod device;
mod fuse;
mod life;
mod outside;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use device::{Device, End, Kind, ROOT};
use fuse::Mount;
use life::{Life, Sync};

use crate::dice::Dice;
use crate::isolated;
use crate::report::{Report, Setting};

/// What the child is called with.
pub const CHILD: &str = "--power";

/// Ends of a process in each case.
const CYCLES: u64 = 60;

/// First starts that are cut off.
const FIRST_STARTS: u64 = 20;

/// Lives in which one sync fails.
const FAILED_SYNCS: u64 = 30;

/// Losses of power within which unsynced writes must have been missed.
const UNSYNCED_CYCLES: u64 = 60;

type Case = (&'static str, fn(&Path, u64) -> Result<(), String>);

const CASES: [Case; 6] = [
    ("the disk forgets what was not synced", forgets),
    ("a hub is killed at any step", |folder, seed| {
        lives(folder, seed, End::Killed)
    }),
    ("a hub loses power at any step", |folder, seed| {
        lives(folder, seed, End::PowerLost)
    }),
    ("a hub loses power during its first start", first_starts),
    ("a failed sync is final and loses nothing", failed_sync),
    ("without sync the same run loses what it acknowledged", unsynced),
];

/// Runs the cases in the child and reads what it says.
pub fn run(setting: &Setting) -> Report {
    let source = format!("own FUSE disk, seed {}, {} cycles", seed(), cycles());
    let mut report = Report::new("power-loss", source);
    let folder = setting.local.join("power");
    // Of a run that was broken off.
    let _none = std::fs::remove_dir_all(&folder);
    if let Err(problem) = isolated::run(CHILD, &[folder.as_ref()], CASES.len(), &mut report) {
        report.fail(problem);
    }
    report
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

fn seed() -> u64 {
    number("TESTUDO_POWER_SEED").unwrap_or(1)
}

fn cycles() -> u64 {
    number("TESTUDO_POWER_CYCLES").unwrap_or(CYCLES)
}

/// The child: one line for each case.
pub fn child() -> ExitCode {
    let Some(folder) = env::args().nth(2) else {
        return ExitCode::FAILURE;
    };
    for (at, (case, run)) in CASES.iter().enumerate() {
        let mounted = Path::new(&folder).join(at.to_string());
        isolated::say(case, run(&mounted, seed()));
    }
    ExitCode::SUCCESS
}

/// The disk itself: without this, the cases below could not fail.
fn forgets(folder: &Path, _: u64) -> Result<(), String> {
    use std::fs::{self, File};
    let mount = Mount::new(folder, Device::new()).map_err(|error| format!("no FUSE mount: {error}"))?;
    let wrong = |what: &str| Err(format!("wrong: {what}"));
    let run = || -> std::io::Result<Vec<(&str, bool)>> {
        let (kept, lost, renamed) = (folder.join("kept"), folder.join("lost"), folder.join("renamed"));
        fs::write(&kept, "synced")?;
        File::open(&kept)?.sync_all()?;
        fs::write(folder.join("old"), "old")?;
        File::open(folder.join("old"))?.sync_all()?;
        File::open(folder)?.sync_all()?;
        fs::write(&kept, "synced and more")?;
        fs::write(&lost, "never synced")?;
        File::open(&lost)?.sync_all()?;
        fs::rename(folder.join("old"), &renamed)?;
        let before = fs::read_to_string(&kept)?;
        mount.device().cut();
        let is_dead = fs::read(&kept).is_err();
        // Nothing of what was not synced survives by chance.
        mount.device().revive(End::PowerLost, &mut |_| 1);
        Ok(vec![
            ("what is written is read", before == "synced and more"),
            ("a dead disk answers nothing", is_dead),
            ("what was synced is there", fs::read_to_string(&kept)? == "synced"),
            ("a name that no folder's sync has covered is gone", !lost.exists()),
            (
                "neither has the rename happened",
                !renamed.exists() && fs::read_to_string(folder.join("old"))? == "old",
            ),
        ])
    };
    let seen = run().map_err(|error| error.to_string())?;
    match seen.iter().find(|(_, holds)| !holds) {
        Some((what, _)) => wrong(what),
        None => Ok(()),
    }
}

fn lives(folder: &Path, seed: u64, end: End) -> Result<(), String> {
    let mut life = Life::begin(folder, seed, Sync::Always)?;
    for cycle in 0..cycles() {
        life.live_and_end(end)
            .map_err(|broken| format!("seed {seed}, cycle {cycle}: {broken}"))?;
    }
    eprintln!("{end:?}: {}", life.summary());
    life.has_done_something()
}

fn first_starts(folder: &Path, seed: u64) -> Result<(), String> {
    for start in 0..FIRST_STARTS {
        let folder = folder.join(start.to_string());
        let mut life = Life::begin(&folder, seed.wrapping_add(start), Sync::Always)?;
        for cycle in 0..3 {
            life.start_and_end(End::PowerLost)
                .map_err(|broken| format!("seed {seed}, start {start}.{cycle}: {broken}"))?;
        }
    }
    Ok(())
}

/// Fault case F07: the disk works but for one sync.
fn failed_sync(folder: &Path, seed: u64) -> Result<(), String> {
    let mut life = Life::begin(folder, seed, Sync::Always)?;
    for cycle in 0..FAILED_SYNCS {
        life.live_with_a_failed_sync()
            .map_err(|broken| format!("seed {seed}, cycle {cycle}: {broken}"))?;
    }
    life.has_done_something()
}

/// The control: writes that do not wait for the disk must be found out by the very same run.
fn unsynced(folder: &Path, seed: u64) -> Result<(), String> {
    let mut life = Life::begin(folder, seed, Sync::Never)?;
    for cycle in 0..UNSYNCED_CYCLES {
        if let Err(broken) = life.live_and_end(End::PowerLost) {
            eprintln!("unsynced: found out in cycle {cycle}: {broken}");
            return Ok(());
        }
    }
    Err(format!(
        "seed {seed}: {UNSYNCED_CYCLES} losses of power did not show that nothing is synced"
    ))
}

/// The folders that `testudo init` makes, on the disk for good.
fn furnish(device: &mut Device) -> Result<(), i32> {
    for name in ["keys", "anchor"] {
        let id = device.make(ROOT, name, 0o700, Kind::Folder(device::Folder::default()))?;
        device.sync_folder(id)?;
    }
    device.sync_folder(ROOT)
}

/// Chance for the disk.
fn chance(dice: &mut Dice) -> impl FnMut(u64) -> u64 + '_ {
    |bound| dice.below(bound)
}
