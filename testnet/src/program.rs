//! Running the binary as a person would, and reading its answer.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::answers::{Refusal, RefusalDocument};
use crate::fault::DemoError;

/// Longest time for one command; each answers within milliseconds.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(30);

/// The words of a command: text and paths as they come.
macro_rules! words {
    ($($word:expr),* $(,)?) => { Vec::from([$(::std::ffi::OsString::from(&$word)),*]) };
}
pub(crate) use words;

/// The binary `testudo`.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

/// What a command came to.
#[derive(Debug)]
pub enum Answer<T> {
    /// It was carried out.
    Done(T),
    /// It was refused, with this exit code and reason.
    Refused(i32, Refusal),
}

impl<T> Answer<T> {
    /// What it answered; a refusal is an error.
    ///
    /// # Errors
    /// [`DemoError::Command`].
    pub fn done(self, words: &[OsString]) -> Result<T, DemoError> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::Refused(_, refusal) => Err(DemoError::Command {
                command: spelled(words),
                sentence: refusal.sentence,
            }),
        }
    }
}

/// What a process left behind.
struct Finished {
    exit: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Program {
    /// The binary at this path.
    ///
    /// # Errors
    /// [`DemoError::NoProgram`] if there is none.
    pub fn at(path: &Path) -> Result<Self, DemoError> {
        match path.canonicalize() {
            Ok(path) if path.is_file() => Ok(Self { path }),
            _ => Err(DemoError::NoProgram {
                path: path.to_owned(),
            }),
        }
    }

    /// A command as it would be typed, the program included.
    pub fn typed(&self, words: &[OsString]) -> String {
        format!("{} {}", quoted(&self.path.to_string_lossy()), spelled(words))
    }

    /// Runs a command that has to succeed.
    ///
    /// # Errors
    /// [`DemoError::Command`] if it is refused or fails, [`DemoError::Answer`] if its answer cannot be read.
    pub fn run<T: DeserializeOwned>(&self, words: &[OsString]) -> Result<T, DemoError> {
        self.ask(words)?.done(words)
    }

    /// Runs a command that says how something is, in its answer and in its exit code.
    ///
    /// # Errors
    /// [`DemoError::Command`] if it ends with neither an answer nor a reason.
    pub fn look<T: DeserializeOwned>(&self, words: &[OsString]) -> Result<Answer<T>, DemoError> {
        let finished = self.finish(words)?;
        if let Ok(answer) = serde_json::from_slice(&finished.stdout) {
            return Ok(Answer::Done(answer));
        }
        let (exit, refusal) = refused(words, &finished)?;
        Ok(Answer::Refused(exit, refusal))
    }

    /// Runs a command that may be refused.
    ///
    /// # Errors
    /// [`DemoError::Command`] if it ends without the document that `--json` promises, [`DemoError::Answer`] if
    /// that cannot be read.
    pub fn ask<T: DeserializeOwned>(&self, words: &[OsString]) -> Result<Answer<T>, DemoError> {
        let finished = self.finish(words)?;
        if finished.exit == Some(0) {
            return serde_json::from_slice(&finished.stdout)
                .map(Answer::Done)
                .map_err(|source| DemoError::Answer {
                    command: spelled(words),
                    source,
                });
        }
        let (exit, refusal) = refused(words, &finished)?;
        Ok(Answer::Refused(exit, refusal))
    }

    /// Starts a hub that runs until it is stopped; `apart` puts it out of reach of the terminal's Ctrl-C.
    ///
    /// # Errors
    /// [`DemoError::Machine`] if it cannot be started.
    pub fn serve(&self, data: &Path, tap: &Path, log: File, apart: bool) -> Result<Child, DemoError> {
        let mut command = Command::new(&self.path);
        command.arg("serve").arg("--data").arg(data).arg("--tap").arg(tap);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log));
        if apart {
            command.process_group(0);
        }
        command.spawn().map_err(|source| DemoError::Machine {
            what: "a hub cannot be started",
            source,
        })
    }

    fn finish(&self, words: &[OsString]) -> Result<Finished, DemoError> {
        let machine = |what| move |source| DemoError::Machine { what, source };
        let mut child = Command::new(&self.path)
            .args(words)
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(machine("the program cannot be started"))?;
        let stdout = read_aside(child.stdout.take());
        let stderr = read_aside(child.stderr.take());
        // The pipes close when the process ends, so waiting for them is waiting for it.
        let Ok(stdout) = stdout.recv_timeout(COMMAND_TIME_MAX) else {
            end(&mut child);
            return Err(DemoError::TooLate {
                what: format!("`testudo {}` answered", spelled(words)),
                limit: COMMAND_TIME_MAX,
            });
        };
        let stderr = stderr.recv_timeout(COMMAND_TIME_MAX).unwrap_or_default();
        let status = child.wait().map_err(machine("a command cannot be waited for"))?;
        Ok(Finished {
            exit: status.code(),
            stdout,
            stderr,
        })
    }
}

/// Ends a process at once and takes its exit status off the system.
pub fn end(child: &mut Child) {
    // Both fail only for a process that has ended and been waited for, which is what is wanted.
    let _gone = child.kill();
    let _reaped = child.wait();
}

/// Reads a pipe to its end in a thread of its own, so that a long answer cannot block the process.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is shown to the caller, whose answer will not parse.
            let _read = pipe.read_to_end(&mut bytes);
        }
        // Nobody listens any more if the command took too long.
        let _sent = sender.send(bytes);
    });
    receiver
}

/// Exit code and reason of a command that did not do what it was asked.
fn refused(words: &[OsString], finished: &Finished) -> Result<(i32, Refusal), DemoError> {
    match (
        finished.exit,
        serde_json::from_slice::<RefusalDocument>(&finished.stdout),
    ) {
        (Some(exit), Ok(document)) => Ok((exit, document.error)),
        (exit, _) => {
            let exit = exit.map_or("a signal".to_owned(), |exit| format!("exit code {exit}"));
            let said = String::from_utf8_lossy(&finished.stderr);
            let sentence = format!("{exit} without a reason in JSON; it said: {}", said.trim());
            Err(DemoError::Command {
                command: spelled(words),
                sentence,
            })
        }
    }
}

/// A command as it would be typed.
pub fn spelled(words: &[OsString]) -> String {
    words
        .iter()
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=,:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(
            spelled(&words!["inbox", "--data", "a b/it's"]),
            r"inbox --data 'a b/it'\''s'"
        );
    }

    #[test]
    fn a_refusal_is_read_with_its_code() {
        let shell = Program::at(Path::new("/bin/sh")).unwrap();
        let script = r#"echo '{"error":{"code":"denied","sentence":"no","rules":["R-06a"]}}'; exit 4"#;
        match shell.ask::<serde_json::Value>(&words!["-c", script]).unwrap() {
            Answer::Refused(4, refusal) => assert_eq!(refusal.rules, ["R-06a"]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_end_without_a_reason_is_an_error() {
        let shell = Program::at(Path::new("/bin/sh")).unwrap();
        let error = shell
            .run::<serde_json::Value>(&words!["-c", "echo oops >&2; exit 3"])
            .unwrap_err();
        assert!(
            error
                .one_line()
                .contains("exit code 3 without a reason in JSON; it said: oops"),
            "{error}"
        );
    }
}
