//! A hub as a process of its own, and what is asked of it over the command line.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Between two looks at something that another process does.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest wait for one thing.
const PATIENCE: Duration = Duration::from_secs(30);

pub type Outcome<T> = Result<T, String>;

/// One hub and its process, which does not outlive it.
pub struct Hub {
    pub data: PathBuf,
    pub listen: SocketAddr,
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
    pub fn init(data: &Path, code: &str, class: &str) -> Outcome<Self> {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let listen = port.map_err(said)?;
        let hub = Self {
            data: data.to_owned(),
            listen,
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
        let listen = listen.to_string();
        hub.answer(&[&words[..], &["--listen", &listen, "--root-key", root_key]].concat())?;
        Ok(hub)
    }

    pub fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    fn command(&self, words: &[&str]) -> Outcome<Command> {
        let mut command = testudo()?;
        command.args(words).arg("--json").arg("--data").arg(&self.data);
        Ok(command)
    }

    pub fn serve(&mut self) -> Outcome<()> {
        let mut serve = self.command(&["serve"])?;
        let log = fs::File::create(self.log()).map_err(said)?;
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(serve.spawn().map_err(said)?);
        wait("a hub answers", || {
            // It may have a word to say: nothing is signed before peers have answered.
            self.status("peers").is_array()
        })
    }

    pub fn ask(&self, words: &[&str]) -> Outcome<(i32, Value)> {
        finished(&mut self.command(words)?)
    }

    pub fn answer(&self, words: &[&str]) -> Outcome<Value> {
        carried_out(&mut self.command(words)?)
    }

    pub fn status(&self, field: &str) -> Value {
        // A full disk has an exit code of its own.
        self.ask(&["status"])
            .map_or(Value::Null, |(_, status)| status[field].clone())
    }

    pub fn is_connected(&self) -> bool {
        let status = self.ask(&["status"]);
        status.is_ok_and(|(exit, status)| exit == 0 && status["peers"][0]["connected"] == true)
    }

    pub fn nothing_waits(&self) -> bool {
        let holdings = self.answer(&["status", "holdings"]).unwrap_or_default();
        let delivered = |holding: &Value| holding["state"] == "delivered";
        holdings
            .as_array()
            .is_some_and(|holdings| holdings.iter().all(delivered))
    }
}

/// Lets hubs follow one charter, of which each is a voter.
pub fn found(folder: &Path, hubs: &[&Hub]) -> Outcome<()> {
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
    for hub in hubs {
        draft.arg("--card").arg(hub.data.join("card.json"));
        draft.arg("--voter").arg(hub.data.join("governance/voter.json"));
    }
    carried_out(&mut draft)?;
    for hub in hubs {
        hub.answer(&["charter", "sign", charter])?;
    }
    let shown = carried_out(testudo()?.args(["charter", "show", "--json", charter]))?;
    let fingerprint = shown["fingerprint"].as_str().unwrap_or_default();
    for hub in hubs {
        hub.answer(&["charter", "accept", charter, "--fingerprint", fingerprint])?;
    }
    Ok(())
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

pub fn wait(what: &str, mut holds: impl FnMut() -> bool) -> Outcome<()> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("waited {PATIENCE:?} in vain until {what}"));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

pub fn said(error: impl ToString) -> String {
    error.to_string()
}
