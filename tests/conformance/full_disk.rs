//! A hub whose disk fills up: real processes, one of them on a small disk of memory.
//!
//! Fault cases F05 and F06: what is new is refused before anything is done, a peer gets no receipt, what is there
//! can be read, nothing is lost, and it goes on by itself when there is room.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;
use testudo::store::FREE_BYTES_MIN;

use crate::hub::{Hub, Outcome, found, said, wait};
use crate::isolated;
use crate::report::{Report, Setting};

/// What the child is called with.
pub const CHILD: &str = "--full-disk";

/// Room above the floor while the disk is not full, in bytes: more than the hub and this run need.
const ROOM_BYTES: u64 = 128 << 20;

/// Room that is left above nothing when it is full, in bytes: below the floor, and no danger to anything.
const LEFT_BYTES: u64 = FREE_BYTES_MIN / 2;

const CASES: [&str; 5] = [
    "with room both hubs take and give",
    "a release is refused before anything is done",
    "what is there can be read, and status says why",
    "the envelope of a peer is not taken and gets no receipt",
    "with room again it goes on by itself and both ledgers verify",
];

pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new("full-disk", "fault cases F05 and F06, two hubs, tmpfs");
    let assessment = setting
        .repository
        .join("testnet/assessments/portal-kombat-2024.json");
    let folder = setting.local.join("full-disk");
    // Of a run that was broken off.
    let _none = fs::remove_dir_all(&folder);
    let arguments: [&OsStr; 2] = [folder.as_ref(), assessment.as_ref()];
    if let Err(problem) = isolated::run(CHILD, &arguments, CASES.len(), &mut report) {
        report.fail(problem);
    }
    report
}

/// The child: plays the cases, each of which goes on from the last.
pub fn child() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(2).map(PathBuf::from).collect();
    let [folder, assessment] = arguments.as_slice() else {
        return ExitCode::FAILURE;
    };
    let scene = match Scene::set(folder, assessment) {
        Ok(scene) => scene,
        Err(problem) => {
            isolated::say("the hubs are set up", Err(problem));
            return ExitCode::FAILURE;
        }
    };
    let plays: [fn(&Scene) -> Outcome<()>; 5] = [
        Scene::both_work,
        Scene::release_is_refused,
        Scene::reads_work,
        Scene::envelope_is_not_taken,
        Scene::goes_on,
    ];
    for (case, play) in CASES.iter().zip(plays) {
        isolated::say(case, play(&scene));
    }
    ExitCode::SUCCESS
}

/// Two hubs that follow one charter and are connected.
struct Scene {
    small: PathBuf,
    assessment: PathBuf,
    fr: Hub,
    eeas: Hub,
}

impl Scene {
    fn set(folder: &Path, assessment: &Path) -> Outcome<Self> {
        let small = folder.join("small");
        fs::create_dir_all(&small).map_err(said)?;
        mount(&small)?;
        let fr = Hub::init(&small.join("FR"), "FR", "member_state")?;
        let eeas = Hub::init(&folder.join("EEAS"), "EEAS", "eu_institution")?;
        found(folder, &[&fr, &eeas])?;
        let mut scene = Self {
            small,
            assessment: assessment.to_owned(),
            fr,
            eeas,
        };
        for hub in [&mut scene.fr, &mut scene.eeas] {
            hub.serve()?;
        }
        wait("they are connected and nothing is wrong", || {
            scene.fr.is_connected() && scene.eeas.is_connected()
        })?;
        Ok(scene)
    }

    fn both_work(&self) -> Outcome<()> {
        self.release(&self.fr, "EEAS")?;
        self.release(&self.eeas, "FR")?;
        wait("both have it", || {
            self.fr.nothing_waits() && self.eeas.nothing_waits()
        })
    }

    fn release_is_refused(&self) -> Outcome<()> {
        let hash = self.preview(&self.fr, "EEAS")?;
        fs::write(
            self.filler(),
            vec![0; usize::try_from(self.free()? - LEFT_BYTES).map_err(said)?],
        )
        .map_err(said)?;
        wait("FR sees that its disk is full", || {
            self.fr.status("storageFull") == true
        })?;
        let before = self.fr.status("ledgerEntries");
        let (exit, answer) = self.fr.ask(&self.draft("release", "EEAS", Some(&hash)))?;
        if (exit, &answer["error"]["code"]) != (75, &Value::from("storage-full")) {
            return Err(format!("it ends with {exit}: {answer}"));
        }
        expect("entries", self.fr.status("ledgerEntries"), before)
    }

    fn reads_work(&self) -> Outcome<()> {
        let inbox = self.fr.answer(&["inbox"])?;
        let item = inbox[0]["item"].as_str().unwrap_or_default();
        self.fr.answer(&["show", item])?;
        self.fr.answer(&["ledger", "verify"])?;
        expect(
            "items",
            Value::from(inbox.as_array().map_or(0, Vec::len)),
            Value::from(1),
        )?;
        let (exit, status) = self.fr.ask(&["status"])?;
        expect("status ends with", exit.into(), Value::from(75))?;
        expect(
            "problem",
            status["problems"][0]["code"].clone(),
            Value::from("disk"),
        )
    }

    fn envelope_is_not_taken(&self) -> Outcome<()> {
        self.release(&self.eeas, "FR")?;
        wait("FR turns it away", || {
            fs::read_to_string(self.fr.log()).is_ok_and(|log| log.contains("an envelope was not taken"))
        })?;
        let inbox = self.fr.answer(&["inbox"])?;
        expect(
            "items",
            Value::from(inbox.as_array().map_or(0, Vec::len)),
            Value::from(1),
        )?;
        let holdings = self.eeas.answer(&["status", "holdings"])?;
        let states: Vec<&Value> = holdings
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| &one["state"])
            .collect();
        let queued = states.iter().filter(|state| **state == "queued").count();
        expect("envelopes without a receipt", queued.into(), Value::from(1))
    }

    fn goes_on(&self) -> Outcome<()> {
        fs::remove_file(self.filler()).map_err(said)?;
        wait("FR sees that there is room", || {
            self.fr.status("storageFull") == false
        })?;
        wait("what was turned away has arrived", || self.eeas.nothing_waits())?;
        self.release(&self.fr, "EEAS")?;
        wait("everything has arrived", || self.fr.nothing_waits())?;
        let inbox = self.fr.answer(&["inbox"])?;
        expect(
            "items",
            Value::from(inbox.as_array().map_or(0, Vec::len)),
            Value::from(2),
        )?;
        for hub in [&self.fr, &self.eeas] {
            expect(
                "verdict",
                hub.answer(&["ledger", "verify"])?["ok"].clone(),
                Value::from(true),
            )?;
        }
        Ok(())
    }

    fn filler(&self) -> PathBuf {
        self.small.join("filler")
    }

    /// Bytes that are free on the small disk.
    fn free(&self) -> Outcome<u64> {
        let output = Command::new("df")
            .args(["--block-size=1", "--output=avail"])
            .arg(&self.small)
            .output()
            .map_err(said)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let free = text.lines().nth(1).and_then(|line| line.trim().parse().ok());
        free.ok_or_else(|| format!("df says `{text}`"))
    }

    fn draft<'a>(&'a self, act: &'a str, to: &'a str, preview: Option<&'a str>) -> Vec<&'a str> {
        let mut words = vec![act, self.assessment.to_str().unwrap_or_default()];
        words.extend("--level 1 --personal none --purpose situational-awareness --tlp AMBER".split(' '));
        words.extend(["--rel-to", to]);
        words.extend(preview.into_iter().flat_map(|hash| ["--preview", hash]));
        words
    }

    fn preview(&self, hub: &Hub, to: &str) -> Outcome<String> {
        let preview = hub.answer(&self.draft("preview", to, None))?;
        Ok(preview["hash"].as_str().unwrap_or_default().to_owned())
    }

    fn release(&self, hub: &Hub, to: &str) -> Outcome<()> {
        let hash = self.preview(hub, to)?;
        hub.answer(&self.draft("release", to, Some(&hash))).map(drop)
    }
}

/// A disk of memory, mounted where nobody else sees it.
fn mount(folder: &Path) -> Outcome<()> {
    let size = format!("size={}", FREE_BYTES_MIN + ROOM_BYTES);
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
        .arg(folder)
        .status()
        .map_err(said)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("mount ended with {status}"))
    }
}

fn expect(what: &str, found: Value, expected: Value) -> Outcome<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found}, expected {expected}"))
    }
}
