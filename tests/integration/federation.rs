//! Hubs that follow one charter.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::hub::Hub;
use crate::program::{finish, testudo};
use crate::waiting::PATIENCE;

/// Hubs in a temporary folder.
pub struct Federation {
    // Before the folder, so that the processes end before their data goes.
    hubs: Vec<Hub>,
    folder: TempDir,
}

/// A charter file that every voter has signed.
pub struct Charter {
    /// The file.
    pub file: PathBuf,
    /// Its fingerprint.
    pub fingerprint: String,
}

impl Federation {
    /// Makes hubs without a charter; nothing runs yet.
    pub fn without_charter(codes: &[&'static str]) -> Self {
        let folder = tempfile::Builder::new().prefix("testudo-").tempdir().unwrap();
        let hubs = codes.iter().map(|code| Hub::init(folder.path(), code)).collect();
        Self { hubs, folder }
    }

    /// Makes hubs that have accepted one charter; nothing runs yet.
    pub fn of(codes: &[&'static str]) -> Self {
        let federation = Self::without_charter(codes);
        let charter = federation.charter("charter", codes);
        for hub in &federation.hubs {
            accept(hub, &charter);
        }
        federation
    }

    /// The same with taps on every hub.
    pub fn with_taps(codes: &[&'static str]) -> Self {
        let mut federation = Self::of(codes);
        for hub in &mut federation.hubs {
            hub.tap = Some(federation.folder.path().join(format!("{}.tap", hub.code)));
        }
        federation
    }

    /// Starts all hubs and waits until each is connected to all others and let go on by them.
    #[track_caller]
    pub fn start(&mut self) {
        let codes: Vec<_> = self.hubs.iter().map(|hub| hub.code).collect();
        self.hubs.iter_mut().for_each(Hub::spawn);
        for hub in &mut self.hubs {
            hub.wait_until_running();
            let others: Vec<_> = codes.iter().copied().filter(|code| *code != hub.code).collect();
            hub.wait_until_connected(&others);
        }
        self.hubs.iter().for_each(Hub::wait_until_unfenced);
    }

    /// The draft of a charter for some of the hubs, which nobody has signed.
    pub fn draft(&self, name: &str, codes: &[&str]) -> PathBuf {
        let file = self.folder.path().join(name);
        let mut command = testudo();
        command
            .args(["charter", "draft", "--valid-days", "30", "--json", "--out"])
            .arg(&file);
        for code in codes {
            let data = &self.hub(code).data;
            command.arg("--card").arg(data.join("card.json"));
            if *code != "MD" {
                command.arg("--voter").arg(data.join("governance/voter.json"));
            }
        }
        if codes.contains(&"MD") {
            command.args(["--sponsor", "MD=FR,EEAS"]);
        }
        finish(&mut command, PATIENCE).document();
        file
    }

    /// A charter for some of the hubs, signed by those of them that vote.
    pub fn charter(&self, name: &str, codes: &[&str]) -> Charter {
        let file = self.draft(name, codes);
        self.signed(&file, codes)
    }

    /// A draft, signed by those of the hubs that vote.
    pub fn signed(&self, file: &Path, codes: &[&str]) -> Charter {
        let file = file.to_owned();
        for code in codes.iter().filter(|code| **code != "MD") {
            self.hub(code)
                .answer(&["charter", "sign", file.to_str().unwrap()]);
        }
        let mut show = testudo();
        let shown = finish(show.args(["charter", "show", "--json"]).arg(&file), PATIENCE).document();
        let fingerprint = shown["fingerprint"].as_str().unwrap().to_owned();
        Charter { file, fingerprint }
    }

    /// The hub of this code.
    pub fn hub(&self, code: &str) -> &Hub {
        self.hubs.iter().find(|hub| hub.code == code).unwrap()
    }

    /// The hub of this code, to be started or stopped.
    pub fn hub_mut(&mut self, code: &str) -> &mut Hub {
        self.hubs.iter_mut().find(|hub| hub.code == code).unwrap()
    }

    /// All hubs.
    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }

    /// All hubs, to be set up.
    pub fn hubs_mut(&mut self) -> &mut [Hub] {
        &mut self.hubs
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Has a hub follow a charter.
#[track_caller]
pub fn accept(hub: &Hub, charter: &Charter) {
    let file = charter.file.to_str().unwrap();
    hub.answer(&["charter", "accept", file, "--fingerprint", &charter.fingerprint]);
}
