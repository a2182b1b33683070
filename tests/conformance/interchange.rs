//! Files across implementations: what we seal they open, and what they seal we open.
//!
//! Hybrid files with the npm package `age-encryption`, by the author of the format; X25519 files with Debian's `age`. For
//! one and for forty recipients, of which the first and the last open, with content of no byte and of 5 MiB.
//! Keys pass as text, in both directions: half of the recipients are made here, half by the other side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testudo_crypto::entropy::Entropy;
use testudo_crypto::seal::{ExposeSecret as _, Identity, Recipient, open, seal};

use crate::npm;
use crate::programs::{call, run};
use crate::report::{Report, Setting};

/// The release of age-encryption that is run.
const PACKAGE: &str = "0.3.1";

const RECIPIENTS: [usize; 2] = [1, 40];
const CONTENT_BYTES: [usize; 2] = [0, 5 << 20];
const CONTENT_BYTES_MAX: usize = 8 << 20;

/// Another implementation, and the type of its keys.
trait Other {
    /// Identities with the recipients that the other side computes for them.
    fn keys(&self, count: usize) -> Result<Vec<(String, String)>, String>;
    fn our_identity(&self) -> Result<Identity, String>;
    fn seal(&self, recipients: &Path, plain: &Path, sealed: &Path) -> Result<(), String>;
    fn open(&self, identity: &Path, sealed: &Path, plain: &Path) -> Result<(), String>;
}

/// Hybrid files with the npm package.
pub fn run_npm(setting: &Setting) -> Report {
    let mut report = Report::new(
        "age-npm",
        format!("age-encryption {PACKAGE} from npm, hybrid, both directions"),
    );
    match Npm::installed(setting) {
        Ok(npm) => exchange(&npm, &npm.folder, &mut report),
        Err(problem) => report.fail(problem),
    }
    report
}

/// X25519 files with Debian's package.
pub fn run_debian(setting: &Setting) -> Report {
    let mut report = Report::new("age-debian", "age of Debian, X25519, both directions");
    match call(Command::new("age").arg("--version")) {
        Ok(version) => {
            report.source = format!("age {} of Debian, X25519, both directions", version.trim());
            let folder = setting.local.join("age-debian");
            let made = fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()));
            match made {
                Ok(()) => exchange(
                    &Debian {
                        folder: folder.clone(),
                    },
                    &folder,
                    &mut report,
                ),
                Err(problem) => report.fail(problem),
            }
        }
        Err(problem) => report.fail(format!("{problem}; install the package `age`")),
    }
    report
}

fn exchange(other: &impl Other, folder: &Path, report: &mut Report) {
    for recipients in RECIPIENTS {
        let keys = match keys(other, recipients) {
            Ok(keys) => keys,
            Err(problem) => return report.fail(problem),
        };
        for bytes in CONTENT_BYTES {
            let content = content(bytes);
            let case = format!("{recipients} recipients, {bytes} bytes");
            report.check(
                format!("{case}, sealed here"),
                sealed_here(other, folder, &keys, &content),
            );
            report.check(
                format!("{case}, sealed there"),
                sealed_there(other, folder, &keys, &content),
            );
        }
    }
}

/// Bytes without a pattern that a mixed-up chunk would keep.
fn content(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    Entropy::from_seed([5; 32]).fill(&mut content);
    content
}

/// Identities and recipients, made by the two sides in turn. Both must compute the same recipient for an identity.
fn keys(other: &impl Other, count: usize) -> Result<Vec<(String, String)>, String> {
    let mut keys = Vec::new();
    for (place, theirs) in other.keys(count)?.into_iter().enumerate() {
        if place % 2 == 1 {
            let identity = other.our_identity()?;
            keys.push((
                identity.to_secret().expose_secret().to_owned(),
                identity.recipient().to_string(),
            ));
            continue;
        }
        let (identity, recipient) = theirs;
        let identity_here = Identity::from_secret(&identity).map_err(|error| error.to_string())?;
        if identity_here.recipient().as_str() != recipient {
            return Err("the two sides compute different recipients for one identity".into());
        }
        keys.push((identity, recipient));
    }
    Ok(keys)
}

fn sealed_here(
    other: &impl Other,
    folder: &Path,
    keys: &[(String, String)],
    content: &[u8],
) -> Result<(), String> {
    let recipients: Result<Vec<Recipient>, _> = keys.iter().map(|(_, recipient)| recipient.parse()).collect();
    let recipients = recipients.map_err(|error| error.to_string())?;
    let sealed = seal(&recipients, content).map_err(|error| error.to_string())?;
    let sealed_file = write(folder, "sealed-here.age", &sealed)?;
    for (identity, _) in keys.first().into_iter().chain(keys.last()) {
        let identity = write(folder, "identity.txt", format!("{identity}\n").as_bytes())?;
        let plain = folder.join("plain.out");
        other.open(&identity, &sealed_file, &plain)?;
        if fs::read(&plain).map_err(|error| error.to_string())? != content {
            return Err("opens with other content".into());
        }
    }
    Ok(())
}

fn sealed_there(
    other: &impl Other,
    folder: &Path,
    keys: &[(String, String)],
    content: &[u8],
) -> Result<(), String> {
    let list: String = keys
        .iter()
        .map(|(_, recipient)| format!("{recipient}\n"))
        .collect();
    let recipients = write(folder, "recipients.txt", list.as_bytes())?;
    let plain = write(folder, "plain.in", content)?;
    let sealed_file = folder.join("sealed-there.age");
    other.seal(&recipients, &plain, &sealed_file)?;
    let sealed = fs::read(&sealed_file).map_err(|error| error.to_string())?;
    for (identity, _) in keys.first().into_iter().chain(keys.last()) {
        let identity = Identity::from_secret(identity).map_err(|error| error.to_string())?;
        let opened = open(&[&identity], &sealed, CONTENT_BYTES_MAX).map_err(|error| error.to_string())?;
        if opened.as_slice() != content {
            return Err("opens with other content".into());
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let file = folder.join(name);
    fs::write(&file, bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(file)
}

struct Npm {
    folder: PathBuf,
    script: PathBuf,
}

impl Npm {
    fn installed(setting: &Setting) -> Result<Self, String> {
        Ok(Self {
            folder: npm::installed(setting, "node", &[("age-encryption", PACKAGE)])?,
            script: setting.repository.join("tests/conformance/age_encryption.mjs"),
        })
    }

    fn package(&self) -> PathBuf {
        self.folder.join("node_modules/age-encryption")
    }

    fn command(&self, act: &str) -> Command {
        let mut command = Command::new("node");
        command
            .arg(&self.script)
            .arg(self.package().join("dist/index.js"))
            .arg(act);
        command
    }
}

impl Other for Npm {
    fn keys(&self, count: usize) -> Result<Vec<(String, String)>, String> {
        let file = self.folder.join("keys.txt");
        call(self.command("keys").arg(count.to_string()).arg(&file))?;
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        text.lines()
            .map(|line| {
                line.split_once(' ')
                    .map(|(one, two)| (one.to_owned(), two.to_owned()))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| "keys.txt: a line without two keys".into())
    }

    fn our_identity(&self) -> Result<Identity, String> {
        let mut entropy = Entropy::from_os().map_err(|error| error.to_string())?;
        Ok(Identity::generate_hybrid(&mut entropy))
    }

    fn seal(&self, recipients: &Path, plain: &Path, sealed: &Path) -> Result<(), String> {
        call(self.command("seal").args([recipients, plain, sealed])).map(drop)
    }

    fn open(&self, identity: &Path, sealed: &Path, plain: &Path) -> Result<(), String> {
        call(self.command("open").args([identity, sealed, plain])).map(drop)
    }
}

struct Debian {
    folder: PathBuf,
}

impl Other for Debian {
    fn keys(&self, count: usize) -> Result<Vec<(String, String)>, String> {
        let file = self.folder.join("key.txt");
        let mut keys = Vec::new();
        for _ in 0..count {
            let identity = call(&mut Command::new("age-keygen"))?;
            let identity = identity
                .lines()
                .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
                .ok_or("age-keygen: no key")?
                .to_owned();
            fs::write(&file, &identity).map_err(|error| error.to_string())?;
            let recipient = call(Command::new("age-keygen").arg("-y").arg(&file))?;
            keys.push((identity, recipient.trim().to_owned()));
        }
        Ok(keys)
    }

    fn our_identity(&self) -> Result<Identity, String> {
        Ok(Identity::x25519_generate())
    }

    fn seal(&self, recipients: &Path, plain: &Path, sealed: &Path) -> Result<(), String> {
        let mut command = Command::new("age");
        command.arg("--encrypt").arg("--recipients-file").arg(recipients);
        call(command.arg("--output").arg(sealed).arg(plain)).map(drop)
    }

    fn open(&self, identity: &Path, sealed: &Path, plain: &Path) -> Result<(), String> {
        // By standard output: with `--output` this version makes no file for content of no byte.
        let output = fs::File::create(plain).map_err(|error| error.to_string())?;
        let mut command = Command::new("age");
        command
            .arg("--decrypt")
            .arg("--identity")
            .arg(identity)
            .arg(sealed);
        run(command.stdout(output)).map(drop)
    }
}
