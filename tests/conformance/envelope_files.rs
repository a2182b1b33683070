//! Golden envelopes against a reader that was written from `docs/spec` alone, in Python; and entries with one bit
//! changed, each of which it has to refuse.

use std::process::Command;

use serde_json::Value;

use crate::report::{Report, Setting};
use crate::stix::environment;

/// The release of `cryptography` that the reader uses: its first ones with ML-KEM and ML-DSA are older.
const CRYPTOGRAPHY: &str = "50.0.2";

/// Files that hold a message.
const FILES: usize = 9;

/// Runs the reader over `tests/vectors/envelope`.
pub fn run(setting: &Setting) -> Report {
    let source = format!("tests/vectors/envelope, by a reader in Python with cryptography {CRYPTOGRAPHY}");
    let mut report = Report::new("envelope", source);
    match findings(setting) {
        Ok(findings) => {
            let files = findings.iter().filter(|(case, _)| !case.contains(' ')).count();
            if files != FILES {
                report.fail(format!("{files} files read, {FILES} expected"));
            }
            for (case, outcome) in findings {
                report.check(case, outcome);
            }
        }
        Err(problem) => report.fail(problem),
    }
    report
}

type Finding = (String, Result<(), String>);

fn findings(setting: &Setting) -> Result<Vec<Finding>, String> {
    let python = environment(setting, &[("cryptography", CRYPTOGRAPHY)])?;
    let output = Command::new(python)
        .arg(setting.repository.join("tests/conformance/envelope_reader.py"))
        .arg(setting.repository.join("tests/vectors/envelope"))
        .output()
        .map_err(|error| format!("envelope_reader.py: {error}"))?;
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).map_err(|_| {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.trim().lines().last().unwrap_or("no message");
        format!("envelope_reader.py: {}: {last}", output.status)
    })?;
    listed.iter().map(finding).collect()
}

fn finding(value: &Value) -> Result<Finding, String> {
    let case = value["case"]
        .as_str()
        .ok_or("envelope_reader.py: a case without a name")?;
    let outcome = match &value["error"] {
        Value::Null => Ok(()),
        Value::String(error) => Err(error.clone()),
        _ => return Err(format!("envelope_reader.py: {case}: neither error nor null")),
    };
    Ok((case.to_owned(), outcome))
}
