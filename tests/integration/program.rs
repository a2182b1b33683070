//! Running a program and reading what it leaves behind.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::waiting::{PATIENCE, wait_until};

/// A program that the same build has put beside this test.
pub fn built(name: &str) -> PathBuf {
    let path = target_folder().join(name);
    assert!(
        path.is_file(),
        "`{}` is not there; run `make build` first",
        path.display()
    );
    path
}

/// The folder of the profile that this test was built in.
pub fn target_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// The binary `testudo`, with nothing in its environment.
pub fn testudo() -> Command {
    let mut command = Command::new(built("testudo"));
    command.env_clear();
    command
}

/// A process that does not outlive this value.
pub struct Process(Child);

impl Process {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let line = format!("kill -{name} \"$0\"");
        let told = Command::new("/bin/sh").args(["-c", &line, &id]).status();
        assert!(told.unwrap().success(), "process {id} cannot be sent {name}");
    }

    /// Waits until it has ended, and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        wait_until(PATIENCE, "a process has ended", || self.ended()).code()
    }

    /// Asks it to stop (SIGTERM) and returns its exit code.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after these two.
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub exit: i32,
    /// Its answer.
    pub stdout: String,
    /// Its progress, or the sentence that says why not.
    pub stderr: String,
}

/// Runs a command to its end, which must come before the deadline.
#[track_caller]
pub fn finish(command: &mut Command, deadline: Duration) -> Finished {
    // Files, not pipes: nobody has to read while the command still writes.
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap());
    let mut process = Process::spawn(command);
    let status = wait_until(deadline, "a command has ended", || process.ended());
    Finished {
        exit: status
            .code()
            .unwrap_or_else(|| panic!("a command was ended by a signal: {status}")),
        stdout: read(&mut stdout),
        stderr: read(&mut stderr),
    }
}

fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Finished {
    /// The document of a command that was carried out.
    #[track_caller]
    pub fn document(&self) -> Value {
        assert_eq!(self.exit, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Checks a refusal under `--json`: the exit code, one sentence on standard error that says all of `says`, and the
    /// same in the document. Returns the document's `error`.
    #[track_caller]
    pub fn refused(&self, exit: i32, code: &str, says: &[&str]) -> Value {
        assert_eq!(self.exit, exit, "{self:?}");
        let document: Value = serde_json::from_str(&self.stdout).unwrap();
        let keys =
            |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(keys(&document), BTreeSet::from(["error"].map(str::to_owned)));
        let error = document["error"].clone();
        let expected = ["code", "exit", "rules", "sentence"].map(str::to_owned);
        assert_eq!(keys(&error), BTreeSet::from(expected));
        assert_eq!(error["code"], code, "{self:?}");
        assert_eq!(error["exit"], exit);
        assert!(error["rules"].is_array());
        let sentence = error["sentence"].as_str().unwrap();
        assert_eq!(self.stderr, format!("testudo: {sentence}\n"), "not one line");
        assert!(!sentence.ends_with('.') && !sentence.is_empty(), "{sentence}");
        for part in says {
            assert!(sentence.contains(part), "`{part}` is not in: {sentence}");
        }
        error
    }
}
