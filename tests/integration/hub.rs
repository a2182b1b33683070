//! One hub: its folder, its process, and the commands that are given to it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::{Finished, Process, finish, testudo};
use crate::waiting::{PATIENCE, wait_until};

/// A number that is free as a UDP and as a TCP port, held so.
pub struct Port {
    udp: UdpSocket,
    _tcp: TcpListener,
}

impl Port {
    fn free() -> Self {
        loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            // A few numbers are free for UDP and in use for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                return Self { udp, _tcp: tcp };
            }
        }
    }

    /// Which it is.
    pub fn address(&self) -> SocketAddr {
        self.udp.local_addr().unwrap()
    }
}

/// A hub. Its process does not outlive the value.
pub struct Hub {
    /// Its code in the charter.
    pub code: &'static str,
    /// Its data folder.
    pub data: PathBuf,
    /// What it writes on standard error.
    pub log: PathBuf,
    /// What its tap records, if it has one.
    pub tap: Option<PathBuf>,
    /// Variables that the hub is started with.
    pub environment: BTreeMap<&'static str, &'static str>,
    /// Holds the hub's ports until the hub takes them.
    pub port: Option<Port>,
    process: Option<Process>,
}

impl Hub {
    /// Makes a hub in a folder; it does not run yet.
    pub fn init(folder: &Path, code: &'static str) -> Self {
        let port = Port::free();
        let listen = port.address().to_string();
        let class = match code {
            "EEAS" => "eu_institution",
            "MD" => "associated",
            _ => "member_state",
        };
        let hub = Self {
            code,
            data: folder.join(code),
            log: folder.join(format!("{code}.log")),
            tap: None,
            environment: BTreeMap::new(),
            port: Some(port),
            process: None,
        };
        let made = hub.ask(&[
            "init",
            "--hub",
            code,
            "--class",
            class,
            "--federation",
            "test",
            "--realm",
            "live",
            "--listen",
            &listen,
            "--root-key",
            hub.root_key().to_str().unwrap(),
        ]);
        made.document();
        hub
    }

    /// Where its root key lies: beside the data folder, as if it were another machine.
    pub fn root_key(&self) -> PathBuf {
        self.data.with_extension("root.key")
    }

    /// A command about this hub: the words, `--json` and `--data`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = testudo();
        command.args(words).arg("--json").arg("--data").arg(&self.data);
        command
    }

    /// Gives a command that may be refused.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Finished {
        finish(&mut self.command(words), PATIENCE)
    }

    /// Gives a command that is carried out, and returns its document.
    #[track_caller]
    pub fn answer(&self, words: &[&str]) -> Value {
        self.ask(words).document()
    }

    /// Previews a draft; `flags` are its label, separated by spaces.
    #[track_caller]
    pub fn preview(&self, bundle: &Path, flags: &str) -> Finished {
        self.ask(&draft("preview", bundle, flags))
    }

    /// Releases a draft under a preview hash.
    #[track_caller]
    pub fn release_as(&self, bundle: &Path, flags: &str, preview: &str) -> Finished {
        let mut words = draft("release", bundle, flags);
        words.extend(["--preview", preview]);
        self.ask(&words)
    }

    /// Previews and releases a draft, and returns the item's id.
    #[track_caller]
    pub fn release(&self, bundle: &Path, flags: &str) -> String {
        let preview = self.preview(bundle, flags).document();
        let released = self.release_as(bundle, flags, preview["hash"].as_str().unwrap());
        released.document()["item"].as_str().unwrap().to_owned()
    }

    /// Starts the hub's process and does not wait for it.
    pub fn spawn(&mut self) {
        self.port = None;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut serve = self.serve();
        self.process = Some(Process::spawn(serve.stdout(log.try_clone().unwrap()).stderr(log)));
    }

    /// The command that runs the hub.
    pub fn serve(&self) -> Command {
        let mut serve = self.command(&["serve"]);
        if let Some(tap) = &self.tap {
            serve.arg("--tap").arg(tap);
        }
        serve.envs(&self.environment);
        serve
    }

    /// Tries to run the hub where it must refuse to.
    #[track_caller]
    pub fn try_serve(&self) -> Finished {
        finish(&mut self.serve(), PATIENCE)
    }

    /// Starts the hub and waits until it answers.
    #[track_caller]
    pub fn start(&mut self) {
        self.spawn();
        self.wait_until_running();
    }

    /// Waits until the hub answers.
    #[track_caller]
    pub fn wait_until_running(&mut self) {
        wait_until(PATIENCE, "a hub answers", || {
            self.must_run();
            self.status().map(drop)
        });
    }

    /// How the hub is, whatever the exit code says about it; nothing if no hub answers.
    pub fn status(&self) -> Option<Value> {
        let document: Value = serde_json::from_str(&self.ask(&["status"]).stdout).ok()?;
        (!document["health"].is_null()).then_some(document)
    }

    /// Two people let the hub go on that cannot ask its peers.
    #[track_caller]
    pub fn confirm_alone(&self) {
        for person in ["d-07", "d-12"] {
            self.answer(&["ledger", "confirm", "--alone", "--person", person]);
        }
    }

    /// Waits until peers have let the hub go on.
    #[track_caller]
    pub fn wait_until_unfenced(&self) {
        wait_until(PATIENCE, "a hub is not fenced any more", || {
            (self.status()?["fenced"] == false).then_some(())
        });
    }

    /// Waits until the hub is connected to all of these.
    #[track_caller]
    pub fn wait_until_connected(&self, codes: &[&str]) {
        wait_until(PATIENCE, "a hub is connected to its peers", || {
            codes.iter().all(|code| self.is_connected(code)).then_some(())
        });
    }

    /// Whether the hub has a connection to this one.
    #[track_caller]
    pub fn is_connected(&self, code: &str) -> bool {
        let status = self.status().expect("a running hub says how it is");
        let mut peers = status["peers"].as_array().unwrap().iter();
        peers.any(|peer| peer["hub"] == code && peer["connected"] == true)
    }

    /// Waits until everything that the hub released has arrived where it was to go.
    #[track_caller]
    pub fn wait_until_delivered(&self) {
        wait_until(PATIENCE, "everything is delivered", || {
            let holdings = self.answer(&["status", "holdings"]);
            let queued = |holding: &Value| holding["state"] == "queued";
            (!holdings.as_array().unwrap().iter().any(queued)).then_some(())
        });
    }

    /// Items and versions that came in, in the order of the inbox.
    #[track_caller]
    pub fn inbox(&self) -> Vec<(String, u64)> {
        let inbox = self.answer(&["inbox"]);
        let entry = |entry: &Value| {
            let item = entry["item"].as_str().unwrap().to_owned();
            (item, entry["version"].as_u64().unwrap())
        };
        inbox.as_array().unwrap().iter().map(entry).collect()
    }

    /// The audit of the hub's ledger, whether the hub runs or not.
    #[track_caller]
    pub fn audit(&self) -> Value {
        let audit = self.answer(&["ledger", "verify"]);
        assert_eq!(audit["ok"], true);
        audit
    }

    /// What the hub has said so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Sends its process a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name);
    }

    /// Waits until its process has ended, and returns the exit code.
    #[track_caller]
    pub fn wait_until_ended(&mut self) -> Option<i32> {
        let exit = self.process.as_mut().unwrap().wait();
        self.process = None;
        exit
    }

    /// Ends it with SIGKILL: it is gone when this returns.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it with SIGTERM, which it must take as a wish and not as an accident.
    #[track_caller]
    pub fn stop(&mut self) {
        let exit = self.process.as_mut().unwrap().terminate();
        assert_eq!(exit, Some(0), "{}", self.log());
        self.process = None;
    }

    /// Fails the test if the hub has ended by itself.
    #[track_caller]
    pub fn must_run(&mut self) {
        let ended = self.process.as_mut().unwrap().ended();
        assert_eq!(ended, None, "hub {} ended: {}", self.code, self.log());
    }
}

/// Lines of a hub's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

impl Drop for Hub {
    /// A test that fails shows what its hubs said last.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("log of {}:\n{}\n", self.code, lines[last..].join("\n"));
        }
    }
}

fn draft<'a>(act: &'a str, bundle: &'a Path, flags: &'a str) -> Vec<&'a str> {
    let mut words = vec![act, bundle.to_str().unwrap()];
    words.extend(flags.split_whitespace());
    words
}
