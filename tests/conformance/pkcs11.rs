//! Keys in a PKCS#11 token, for real: SoftHSM2 as Debian builds it, and the hub's own binary as its user.
//!
//! The token is given a known key, so that what it is and what it signs can be compared. Each case that must be
//! refused says which words the operator has to read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use testudo_crypto::keys::SigningKey;

use crate::report::{Report, Setting};

/// Where Debian and others put the library.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

const TOKEN: &str = "testudo conformance";
const KEY: &str = "ledger";
const PIN: &str = "4711-secret";

/// The secret of the key in the token.
const SEED: [u8; 32] = [0x5e; 32];

/// What an Ed25519 seed stands behind in PKCS#8 (RFC 8410).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Longest that a hub may take to begin and to sign its first checkpoint.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs all cases on a token of their own.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new("pkcs11", "SoftHSM2 (Debian package softhsm2), CKM_EDDSA");
    match Bench::new(setting) {
        Ok(bench) => bench.check_all(&mut report),
        Err(problem) => report.fail(problem),
    }
    report
}

struct Bench {
    folder: PathBuf,
    module: PathBuf,
    testudo: PathBuf,
}

impl Bench {
    /// A token with one key, and a hub.
    fn new(setting: &Setting) -> Result<Self, String> {
        let folder = setting.local.join("pkcs11");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        fs::create_dir_all(folder.join("tokens")).map_err(|error| error.to_string())?;
        let module = MODULES.iter().map(PathBuf::from).find(|path| path.is_file());
        let test = std::env::current_exe().map_err(|error| error.to_string())?;
        let target = test.ancestors().nth(2).ok_or("the test has no target folder")?;
        let bench = Self {
            module: module.ok_or("no libsofthsm2.so; run: bash .ci/setup conformance")?,
            testudo: target.join("testudo"),
            folder,
        };
        bench.write_configuration("softhsm2.conf", "ALL")?;
        bench.write_configuration("without-eddsa.conf", "CKM_SHA256,CKM_ECDSA")?;
        let pem = bench.folder.join("key.pem");
        let der = BASE64_STANDARD.encode([PKCS8.as_slice(), &SEED].concat());
        let text = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        fs::write(&pem, text).map_err(|error| error.to_string())?;
        let pem = pem.to_string_lossy().into_owned();
        let pin = ["--pin", PIN];
        let init = [
            "--init-token",
            "--free",
            "--label",
            TOKEN,
            "--so-pin",
            "so-4711-secret",
        ];
        bench.softhsm(&[init.as_slice(), &pin].concat())?;
        let import = ["--import", &pem, "--token", TOKEN, "--label", KEY, "--id", "01"];
        bench.softhsm(&[import.as_slice(), &pin].concat())?;
        bench.write_pin("pin", PIN, 0o600)?;
        Ok(bench)
    }

    fn write_configuration(&self, name: &str, mechanisms: &str) -> Result<(), String> {
        let tokens = self.folder.join("tokens");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.mechanisms = {mechanisms}\n",
            tokens.display()
        );
        fs::write(self.folder.join(name), text).map_err(|error| error.to_string())
    }

    fn write_pin(&self, name: &str, pin: &str, mode: u32) -> Result<PathBuf, String> {
        let path = self.folder.join(name);
        let written = fs::write(&path, pin);
        written
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|error| error.to_string())?;
        Ok(path)
    }

    fn softhsm(&self, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new("softhsm2-util");
        command
            .args(words)
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"));
        command.arg("--module").arg(&self.module);
        let output = command
            .output()
            .map_err(|error| format!("softhsm2-util: {error}"))?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(format!("softhsm2-util {}: {said}", words.first().unwrap_or(&"")))
        }
    }

    /// A command of the hub in this folder, with the token in its configuration.
    fn testudo(&self, hub: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(&self.testudo);
        command
            .env_clear()
            .args(words)
            .arg("--json")
            .arg("--data")
            .arg(hub);
        command.env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"));
        command.env("TESTUDO__TOKEN__MODULE", &self.module);
        command.env("TESTUDO__TOKEN__PLACE", format!("label:{TOKEN}"));
        command.env("TESTUDO__TOKEN__PIN", self.folder.join("pin"));
        command.env("TESTUDO__TOKEN__LEDGER", KEY);
        command
    }

    fn check_all(&self, report: &mut Report) {
        let hub = self.folder.join("FR");
        let made = self.init(&hub);
        report.check("a hub is made", made.map(|_| ()));
        report.check("the root key certifies the key in the token", self.certify(&hub));
        report.check("checkpoints are signed in the token", self.serve(&hub));
        for (case, change, words) in self.refusals() {
            report.check(case, self.refused(&hub, change, words));
        }
        report.check(
            "the PIN comes from a systemd credential",
            self.by_credential(&hub),
        );
    }

    fn init(&self, hub: &Path) -> Result<Value, String> {
        let root = self.folder.join("FR.root.key");
        let mut init = self.testudo(
            hub,
            &[
                "init",
                "--hub",
                "FR",
                "--class",
                "member_state",
                "--federation",
                "test",
                "--realm",
                "live",
            ],
        );
        init.args(["--listen", "127.0.0.1:0"]).arg("--root-key").arg(root);
        answer(&mut init)
    }

    fn rotate(&self, hub: &Path) -> Command {
        let mut rotate = self.testudo(hub, &["key", "rotate", "--key", "cosigning"]);
        rotate.arg("--root-key").arg(self.folder.join("FR.root.key"));
        rotate
    }

    fn certify(&self, hub: &Path) -> Result<(), String> {
        answer(&mut self.rotate(hub))?;
        let card = fs::read(hub.join("card.json")).map_err(|error| error.to_string())?;
        let card: Value = serde_json::from_slice(&card).map_err(|error| error.to_string())?;
        let expected = SigningKey::from_seed(SEED).verifying_key().to_string();
        if card["keys"]["ledger"] == expected.as_str() {
            Ok(())
        } else {
            Err(format!(
                "the card names {}, expected {expected}",
                card["keys"]["ledger"]
            ))
        }
    }

    /// A federation of one: the first checkpoint comes with the first tick.
    fn serve(&self, hub: &Path) -> Result<(), String> {
        let charter = self.folder.join("charter");
        let mut draft = Command::new(&self.testudo);
        draft
            .env_clear()
            .args(["charter", "draft", "--json", "--valid-days", "30", "--card"]);
        draft
            .arg(hub.join("card.json"))
            .arg("--voter")
            .arg(hub.join("governance/voter.json"));
        draft.arg("--out").arg(&charter);
        answer(&mut draft)?;
        let file = charter.to_string_lossy().into_owned();
        answer(&mut self.testudo(hub, &["charter", "sign", &file]))?;
        let mut show = Command::new(&self.testudo);
        let shown = answer(show.env_clear().args(["charter", "show", &file, "--json"]))?;
        let fingerprint = shown["fingerprint"].as_str().unwrap_or_default();
        answer(&mut self.testudo(hub, &["charter", "accept", &file, "--fingerprint", fingerprint]))?;
        let mut serve = self.testudo(hub, &["serve"]);
        let log = fs::File::create(self.folder.join("FR.log")).map_err(|error| error.to_string())?;
        let other = log.try_clone().map_err(|error| error.to_string())?;
        let child = serve.stdin(Stdio::null()).stdout(other).stderr(log).spawn();
        let running = Running(child.map_err(|error| error.to_string())?);
        let began = Instant::now();
        // An audit of a stopped hub's folder would hold the database that the hub is about to open.
        while answer(&mut self.testudo(hub, &["status"])).is_err() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
        let audit = loop {
            let audit = answer(&mut self.testudo(hub, &["ledger", "verify"]));
            let signed = audit
                .as_ref()
                .is_ok_and(|audit| audit["covered"].as_u64().unwrap_or(0) > 0);
            if signed || began.elapsed() > PATIENCE {
                break audit?;
            }
            // The hub says nothing of its own accord; asking it is the only way to learn.
            std::thread::sleep(Duration::from_millis(100));
        };
        drop(running);
        let log = fs::read_to_string(self.folder.join("FR.log")).map_err(|error| error.to_string())?;
        if log.contains(PIN) {
            return Err("the PIN stands in the log".to_owned());
        }
        if audit["ok"] == true && audit["covered"].as_u64().unwrap_or(0) > 0 {
            Ok(())
        } else {
            Err(format!("the audit says {audit}; the hub says {log}"))
        }
    }

    /// What is changed, and what the operator has to read.
    fn refusals(&self) -> Vec<(&'static str, Change, Vec<&'static str>)> {
        vec![
            (
                "a wrong PIN",
                Box::new(|bench, command| {
                    let pin = bench.write_pin("wrong-pin", "0000", 0o600)?;
                    command.env("TESTUDO__TOKEN__PIN", pin);
                    Ok(())
                }),
                vec!["refuses the PIN", "before the token locks itself"],
            ),
            (
                "a PIN that others can read",
                Box::new(|bench, command| {
                    let pin = bench.write_pin("open-pin", PIN, 0o644)?;
                    command.env("TESTUDO__TOKEN__PIN", pin);
                    Ok(())
                }),
                vec!["mode 0644", "run: chmod 600"],
            ),
            (
                "a key that is not there",
                Box::new(|_, command| {
                    command.env("TESTUDO__TOKEN__LEDGER", "nothing");
                    Ok(())
                }),
                vec!["no Ed25519 key pair labelled `nothing`"],
            ),
            (
                "a token that is not there",
                Box::new(|_, command| {
                    command.env("TESTUDO__TOKEN__PLACE", "label:nowhere");
                    Ok(())
                }),
                vec!["there is no token `nowhere`", TOKEN],
            ),
            (
                "a token without Ed25519",
                Box::new(|bench, command| {
                    command.env("SOFTHSM2_CONF", bench.folder.join("without-eddsa.conf"));
                    Ok(())
                }),
                vec!["has no Ed25519 (CKM_EDDSA)", "keep this key in a file"],
            ),
            (
                "a library that is none",
                Box::new(|bench, command| {
                    command.env("TESTUDO__TOKEN__MODULE", bench.folder.join("key.pem"));
                    Ok(())
                }),
                vec!["cannot be loaded", "name the library of the token"],
            ),
            (
                "a credential that is not there",
                Box::new(|_, command| {
                    command.env("TESTUDO__TOKEN__PIN", "credential:pin");
                    Ok(())
                }),
                vec!["systemd credential `pin`", "LoadCredential=pin:FILE"],
            ),
        ]
    }

    fn refused(&self, hub: &Path, change: Change, words: Vec<&str>) -> Result<(), String> {
        let mut command = self.rotate(hub);
        change(self, &mut command)?;
        match answer(&mut command) {
            Ok(document) => Err(format!("was accepted: {document}")),
            Err(said) => match words.iter().find(|word| !said.contains(**word)) {
                Some(word) => Err(format!("expected `{word}`, found: {said}")),
                None if said.contains(PIN) => Err("the PIN stands in the message".to_owned()),
                None => Ok(()),
            },
        }
    }

    fn by_credential(&self, hub: &Path) -> Result<(), String> {
        let mut command = self.rotate(hub);
        command.env("TESTUDO__TOKEN__PIN", "credential:pin");
        command.env("CREDENTIALS_DIRECTORY", &self.folder);
        answer(&mut command).map(|_| ())
    }
}

/// What a case changes about a command that would succeed.
type Change = Box<dyn Fn(&Bench, &mut Command) -> Result<(), String>>;

/// A hub that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after these two.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The document that a command prints; what it says instead if it fails.
fn answer(command: &mut Command) -> Result<Value, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("{printed}{said}"));
    }
    serde_json::from_str(&printed).map_err(|error| format!("{error}: {printed}"))
}
