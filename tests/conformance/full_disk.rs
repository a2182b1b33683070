//! A hub whose disk fills up: real processes, one of them on a small disk of memory.
//!
//! Fault cases F05 and F06: what is new is refused before anything is done, a peer gets no receipt, what is there
//! can be read, nothing is lost, and it goes on by itself when there is room.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testudo::store::FREE_BYTES_MIN;

use crate::isolated;
use crate::report::{Report, Setting};

/// What the child is called with.
pub const CHILD: &str = "--full-disk";

/// Room above the floor while the disk is not full, in bytes: more than the hub and this run need.
const ROOM_BYTES: u64 = 128 << 20;

/// Room that is left above nothing when it is full, in bytes: below the floor, and no danger to anything.
const LEFT_BYTES: u64 = FREE_BYTES_MIN / 2;

/// Between two looks at something that another process does.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest wait for one thing.
const PATIENCE: Duration = Duration::from_secs(30);

const CASES: [&str; 5] = [
    "with room both hubs take and give",
    "a release is refused before anything is done",
    "what is there can be read, and status says why",
    "the envelope of a peer is not taken and gets no receipt",
    "with room again it goes on by itself and both ledgers verify",
];

type Outcome<T> = Result<T, String>;

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
        let charter = folder.join("charter");
        let charter = charter.to_str().ok_or("a folder has no name in letters")?;
        let mut draft = testudo()?;
        draft.args([
            "charter",
            "draft",
            "--valid-days",
            "30",
            "--json",
            "--out",
            charter,
        ]);
        for hub in [&fr, &eeas] {
            draft.arg("--card").arg(hub.data.join("card.json"));
            draft.arg("--voter").arg(hub.data.join("governance/voter.json"));
        }
        carried_out(&mut draft)?;
        for hub in [&fr, &eeas] {
            hub.answer(&["charter", "sign", charter])?;
        }
        let shown = carried_out(testudo()?.args(["charter", "show", "--json", charter]))?;
        let fingerprint = shown["fingerprint"].as_str().unwrap_or_default();
        let mut scene = Self {
            small,
            assessment: assessment.to_owned(),
            fr,
            eeas,
        };
        for hub in [&mut scene.fr, &mut scene.eeas] {
            hub.answer(&["charter", "accept", charter, "--fingerprint", fingerprint])?;
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

/// One hub and its process, which does not outlive it.
struct Hub {
    data: PathBuf,
    process: Option<Child>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself; either way it is gone after these two.
            let _gone = process.kill();
            let _waited = process.wait();
        }
    }
}

impl Hub {
    fn init(data: &Path, code: &str, class: &str) -> Outcome<Self> {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let listen = port.map_err(said)?.to_string();
        let hub = Self {
            data: data.to_owned(),
            process: None,
        };
        let words = [
            "init",
            "--hub",
            code,
            "--class",
            class,
            "--federation",
            "test",
            "--realm",
            "live",
        ];
        // Beside the data folder, as if it were another machine.
        let root_key = data.with_extension("root.key");
        let root_key = root_key.to_str().ok_or("a folder has no name in letters")?;
        hub.answer(&[&words[..], &["--listen", &listen, "--root-key", root_key]].concat())?;
        Ok(hub)
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    fn command(&self, words: &[&str]) -> Outcome<Command> {
        let mut command = testudo()?;
        command.args(words).arg("--json").arg("--data").arg(&self.data);
        Ok(command)
    }

    fn serve(&mut self) -> Outcome<()> {
        let mut serve = self.command(&["serve"])?;
        let log = fs::File::create(self.log()).map_err(said)?;
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(serve.spawn().map_err(said)?);
        wait("a hub answers", || {
            // It may have a word to say: nothing is signed before peers have answered.
            self.status("peers").is_array()
        })
    }

    fn ask(&self, words: &[&str]) -> Outcome<(i32, Value)> {
        finished(&mut self.command(words)?)
    }

    fn answer(&self, words: &[&str]) -> Outcome<Value> {
        carried_out(&mut self.command(words)?)
    }

    fn status(&self, field: &str) -> Value {
        // A full disk has an exit code of its own.
        self.ask(&["status"])
            .map_or(Value::Null, |(_, status)| status[field].clone())
    }

    fn is_connected(&self) -> bool {
        let status = self.ask(&["status"]);
        status.is_ok_and(|(exit, status)| exit == 0 && status["peers"][0]["connected"] == true)
    }

    fn nothing_waits(&self) -> bool {
        let holdings = self.answer(&["status", "holdings"]).unwrap_or_default();
        let delivered = |holding: &Value| holding["state"] == "delivered";
        holdings
            .as_array()
            .is_some_and(|holdings| holdings.iter().all(delivered))
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

/// The binary beside this test, with nothing in its environment.
fn testudo() -> Outcome<Command> {
    let me = env::current_exe().map_err(said)?;
    let path = me.ancestors().nth(2).map(|folder| folder.join("testudo"));
    let path = path
        .filter(|path| path.is_file())
        .ok_or("`testudo` is not built; run `make build` first")?;
    let mut command = Command::new(path);
    command.env_clear();
    Ok(command)
}

fn finished(command: &mut Command) -> Outcome<(i32, Value)> {
    let output = command.stdin(Stdio::null()).output().map_err(said)?;
    let exit = output.status.code().ok_or("a command was ended by a signal")?;
    Ok((exit, serde_json::from_slice(&output.stdout).unwrap_or_default()))
}

fn carried_out(command: &mut Command) -> Outcome<Value> {
    match finished(command)? {
        (0, document) => Ok(document),
        (exit, document) => Err(format!("{command:?} ended with {exit}: {document}")),
    }
}

fn expect(what: &str, found: Value, expected: Value) -> Outcome<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found}, expected {expected}"))
    }
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) -> Outcome<()> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("waited {PATIENCE:?} in vain until {what}"));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn said(error: impl ToString) -> String {
    error.to_string()
}
