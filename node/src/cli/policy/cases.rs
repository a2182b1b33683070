//! `testudo policy test`: the cases of the federation, or a country's own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use testudo_policies::case::Case;
use testudo_policies::engine::Engine;

use super::super::outcome::{Answer, Failure, chain, exit};
use super::folder;

/// What came of all cases.
#[derive(Serialize)]
struct Outcome {
    passed: usize,
    failed: Vec<Failed>,
}

/// A case that got another answer, or is no case.
#[derive(Serialize)]
struct Failed {
    file: PathBuf,
    what: String,
}

pub(super) fn run(root: &Path, engine: &Engine) -> Result<Answer, Failure> {
    let unreadable = |(path, error): (PathBuf, std::io::Error)| {
        Failure::new(
            exit::USAGE,
            "no-such-file",
            format!("cannot read `{}`: {error}", path.display()),
        )
    };
    let files = folder::files(root, "json").map_err(unreadable)?;
    if files.is_empty() {
        let root = root.display();
        return Err(Failure::new(
            exit::USAGE,
            "no-cases",
            format!("no case in `{root}`; name a folder of .json cases with --cases"),
        ));
    }
    let mut outcome = Outcome {
        passed: 0,
        failed: Vec::new(),
    };
    for file in files {
        let bytes = std::fs::read(&file).map_err(|error| unreadable((file.clone(), error)))?;
        match check(&bytes, engine) {
            Ok(()) => outcome.passed += 1,
            Err(what) => outcome.failed.push(Failed { file, what }),
        }
    }
    let mut text = String::new();
    for failed in &outcome.failed {
        text.push_str(&format!("{}: {}\n", failed.file.display(), failed.what));
    }
    text.push_str(&format!(
        "{} passed, {} failed\n",
        outcome.passed,
        outcome.failed.len()
    ));
    let code = if outcome.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::GENERAL)
    };
    let document = serde_json::to_value(&outcome).unwrap_or_default();
    Ok(Answer::Decided(document, text, code))
}

fn check(bytes: &[u8], engine: &Engine) -> Result<(), String> {
    let case = Case::from_json(bytes).map_err(|error| chain(&error))?;
    case.check(engine)
        .map_err(|failure| format!("{} {failure}", case.why))
}
