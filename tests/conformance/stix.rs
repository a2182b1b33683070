//! The assessments of the demo against two outside authorities: the OASIS
//! stix2-validator, run as it comes from PyPI, and the DISARM framework.

#![allow(
    clippy::disallowed_methods,
    reason = "reads the assessments and starts the validator"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::report::{Deviation, Report, Setting};

/// The release of stix2-validator that is run. 3.3.1 has no schemas in its packages and refuses every object, also OASIS's own examples.
const VALIDATOR: &str = "3.3.2";

/// Types of the FIMI extension, which `--strict-types` does not know.
const FIMI_TYPES: [&str; 5] = ["narrative", "channel", "event", "language", "media-content"];

/// Observables of STIX itself that `--strict-types` takes for custom types: it looks them up among the domain objects only.
const OBSERVABLES: [&str; 3] = ["domain-name", "url", "user-account"];

/// A warning of the validator that does not fail a file.
struct Accepted {
    case: &'static str,
    reason: &'static str,
    matches: fn(&str) -> bool,
}

/// Every other warning fails the file, as an error does.
const ACCEPTED: [Accepted; 5] = [
    Accepted {
        case: "--strict-types",
        reason: "narrative, channel, event, language and media-content are new types by extension, as OpenCTI writes them; the option also warns of the STIX observables domain-name, url and user-account",
        matches: |warning| {
            warning.ends_with("is not one of those defined in the specification.")
                && FIMI_TYPES
                    .iter()
                    .chain(&OBSERVABLES)
                    .any(|name| object_type(warning) == *name)
        },
    },
    Accepted {
        case: "{202} relationship-types",
        reason: "the FIMI practice relates its types in ways that STIX permits but does not suggest: channel publishes media-content, incident uses narrative",
        matches: |warning| warning.contains("{202}"),
    },
    Accepted {
        case: "{302} extref-hashes",
        reason: "sources are public web pages that may be edited; a hash of them would not hold",
        matches: |warning| warning.contains("{302}"),
    },
    Accepted {
        case: "{103} uuid-check",
        reason: "media-content is an observable with a UUIDv5; the validator knows no observable of that name and asks for a UUIDv4",
        matches: |warning| warning.contains("{103}") && object_type(warning) == "media-content",
    },
    Accepted {
        case: "{244} account-type",
        reason: "the open vocabulary for account types has no telegram",
        matches: |warning| warning.contains("{244}") && warning.contains("'telegram'"),
    },
];

/// Suite "stix-validator": one case for each bundle in `testnet/assessments`.
///
/// The validator is installed into a Python environment below `setting.local`. No Python, no PyPI or no bundle is a failure, not a skip.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report {
        suite: "stix-validator",
        source: format!("stix2-validator {VALIDATOR} from PyPI, STIX 2.1, all checks"),
        cases: 0,
        passed: 0,
        failed: Vec::new(),
        deviations: Vec::new(),
    };
    let outcome = assessments(setting).and_then(|files| {
        report.cases = files.len();
        let findings = validate(setting, &files)?;
        for file in &files {
            match judge(&findings, file) {
                Ok(accepted) => {
                    report.passed += 1;
                    note(&mut report.deviations, accepted);
                }
                Err(reason) => report.failed.push(format!("{}: {reason}", name(file))),
            }
        }
        Ok(())
    });
    if let Err(reason) = outcome {
        fail_whole(&mut report, reason);
    }
    report
}

/// Suite "disarm-ids": one case for each attack pattern in `testnet/assessments`; its DISARM id must exist under the same name.
pub fn run_disarm_ids(setting: &Setting) -> Report {
    let mut report = Report {
        suite: "disarm-ids",
        source: "DISARM framework, STIX bundle of release 1.6 (data/disarm-stix)".to_owned(),
        cases: 0,
        passed: 0,
        failed: Vec::new(),
        deviations: Vec::new(),
    };
    let outcome = disarm(setting).and_then(|known| {
        for file in assessments(setting)? {
            for object in objects(&file)?
                .iter()
                .filter(|object| object["type"] == "attack-pattern")
            {
                report.cases += 1;
                match same_name(&known, object) {
                    Ok(()) => report.passed += 1,
                    Err(reason) => report.failed.push(format!("{}: {reason}", name(&file))),
                }
            }
        }
        if report.cases == 0 {
            return Err("no attack pattern in any bundle".to_owned());
        }
        Ok(())
    });
    if let Err(reason) = outcome {
        fail_whole(&mut report, reason);
    }
    report
}

/// Counts a suite that could not run to its end as failed, with at least one case.
fn fail_whole(report: &mut Report, reason: String) {
    report.failed.push(reason);
    report.cases = report.cases.max(report.passed + report.failed.len());
}

/// The bundles, sorted by name; the folder `refused` beside them is wrong on purpose.
fn assessments(setting: &Setting) -> Result<Vec<PathBuf>, String> {
    let folder = setting.repository.join("testnet/assessments");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("testnet/assessments: {error}"))? {
        let path = entry
            .map_err(|error| format!("testnet/assessments: {error}"))?
            .path();
        if path.extension() == Some(OsStr::new("json")) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err("no bundle in testnet/assessments".to_owned());
    }
    Ok(files)
}

/// Runs the validator over all files at once: its schemas take longer to load than a bundle to check.
fn validate(setting: &Setting, files: &[PathBuf]) -> Result<Vec<Value>, String> {
    let python = environment(setting, &[("stix2-validator", VALIDATOR)])?;
    let output = call(
        Command::new(python)
            .arg(setting.repository.join("tests/conformance/stix_validate.py"))
            .args(files),
    )?;
    match serde_json::from_str(&output) {
        Ok(Value::Array(findings)) => Ok(findings),
        Ok(_) => Err("stix_validate.py: not an array".to_owned()),
        Err(error) => Err(format!("stix_validate.py: {error}")),
    }
}

/// The interpreter of an environment that has these releases from PyPI; made and filled on first use.
pub(crate) fn environment(setting: &Setting, wanted: &[(&str, &str)]) -> Result<PathBuf, String> {
    let folder = setting.local.join("python");
    let python = folder.join("bin/python");
    if !python.exists() {
        fs::create_dir_all(&setting.local).map_err(|error| format!("{}: {error}", name(&setting.local)))?;
        call(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    for (package, release) in wanted {
        let installed = format!("import importlib.metadata as m; print(m.version('{package}'))");
        if call(Command::new(&python).args(["-c", &installed])).is_ok_and(|found| found.trim() == *release) {
            continue;
        }
        call(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg(format!("{package}=={release}")),
        )?;
    }
    Ok(python)
}

/// Standard output of a command that must succeed; else the end of what it wrote to standard error.
fn call(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.trim().lines().last().unwrap_or("no message");
        return Err(format!("{program}: {}: {last}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{program}: {error}"))
}

/// The accepted warnings of one file, or why it fails. A file without findings was not read and fails.
fn judge(findings: &[Value], file: &Path) -> Result<Vec<&'static Accepted>, String> {
    let finding = findings
        .iter()
        .find(|finding| finding["file"].as_str().map(Path::new) == Some(file))
        .ok_or("not read")?;
    if let Some(error) = texts(finding, "errors")?.first() {
        return Err((*error).to_owned());
    }
    let mut accepted = Vec::new();
    for warning in texts(finding, "warnings")? {
        accepted.push(
            ACCEPTED
                .iter()
                .find(|one| (one.matches)(warning))
                .ok_or(warning)?,
        );
    }
    Ok(accepted)
}

/// The texts of a list in the validator's findings.
fn texts<'a>(finding: &'a Value, list: &str) -> Result<Vec<&'a str>, String> {
    let found = finding[list]
        .as_array()
        .and_then(|texts| texts.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    found.ok_or_else(|| format!("no list of {list} from stix_validate.py"))
}

/// Type of the object that a warning begins with: `url--6f…: Object type …`.
fn object_type(warning: &str) -> &str {
    warning.split_once("--").map_or("", |(kind, _)| kind)
}

/// Adds each accepted warning once.
fn note(deviations: &mut Vec<Deviation>, accepted: Vec<&'static Accepted>) {
    for one in accepted {
        if deviations.iter().all(|known| known.case != one.case) {
            deviations.push(Deviation {
                case: one.case.to_owned(),
                reason: one.reason.to_owned(),
            });
        }
    }
}

/// DISARM's techniques: external id to name.
fn disarm(setting: &Setting) -> Result<BTreeMap<String, String>, String> {
    let file = setting.shared.join("data/disarm-stix/DISARM.json");
    let mut known = BTreeMap::new();
    for object in objects(&file)?
        .iter()
        .filter(|object| object["type"] == "attack-pattern")
    {
        let ids = object["external_references"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|reference| reference["external_id"].as_str());
        for id in ids {
            known.insert(
                id.to_owned(),
                object["name"].as_str().unwrap_or_default().to_owned(),
            );
        }
    }
    if known.is_empty() {
        return Err("no technique in DISARM.json".to_owned());
    }
    Ok(known)
}

/// Whether an attack pattern names exactly one DISARM technique, and by its name.
fn same_name(known: &BTreeMap<String, String>, object: &Value) -> Result<(), String> {
    let references = object["external_references"].as_array().into_iter().flatten();
    let ids: Vec<&str> = references
        .filter(|reference| reference["source_name"] == "DISARM")
        .filter_map(|reference| reference["external_id"].as_str())
        .collect();
    let [id] = ids.as_slice() else {
        return Err(format!(
            "{}: {} DISARM ids instead of one",
            object["id"],
            ids.len()
        ));
    };
    match known.get(*id) {
        None => Err(format!("{id}: not in DISARM")),
        Some(name) if object["name"] == name.as_str() => Ok(()),
        Some(name) => Err(format!(
            "{id}: called {} here, \"{name}\" in DISARM",
            object["name"]
        )),
    }
}

/// The objects of a bundle.
fn objects(file: &Path) -> Result<Vec<Value>, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", name(file)))?;
    let mut bundle: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", name(file)))?;
    match bundle["objects"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Err(format!("{}: no objects", name(file))),
    }
}

/// File name for messages: no path of this machine goes into a report.
fn name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
