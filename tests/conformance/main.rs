//! What others say is right, run against what we wrote.
//!
//! Each suite holds one body of published vectors, or one published client, against this repository. A suite that
//! finds nothing to run, a file that nobody read and a case that went wrong all fail the run. Where we differ on
//! purpose the case is listed with its reason: it is neither passed nor failed, and a listed case that no longer
//! differs is a failure.
//!
//! The setting `TESTUDO_SHARED` names the folder with `vectors/` and `data/`; without it, `../shared` beside the
//! repository is taken. A missing folder is a failure, never a skip.

#![allow(
    clippy::disallowed_methods,
    reason = "reads vectors, installs clients and writes the summary"
)]

mod report;
mod vectors;

mod cctv_age;
mod envelope_files;
mod full_disk;
mod hub;
mod inflate;
mod interchange;
mod isolated;
mod js_libp2p;
mod ledger_export;
mod merkle;
mod npm;
mod pkcs11;
mod power;
mod programs;
mod signed_note;
mod skylight;
mod stix;
mod tessera;
mod wycheproof;

#[allow(dead_code, reason = "the simulation uses more of it")]
#[path = "../simulation/dice.rs"]
mod dice;
#[allow(dead_code, reason = "the simulation uses more of it")]
#[path = "../simulation/drafts.rs"]
mod drafts;
#[allow(dead_code, reason = "the simulation uses more of it")]
#[path = "../simulation/federation.rs"]
mod federation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use report::{Report, Setting};

const SUITES: [fn(&Setting) -> Report; 15] = [
    merkle::run,
    tessera::run,
    skylight::run,
    ledger_export::run,
    signed_note::run,
    cctv_age::run,
    interchange::run_npm,
    interchange::run_debian,
    envelope_files::run,
    pkcs11::run,
    stix::run,
    stix::run_disarm_ids,
    js_libp2p::run,
    power::run,
    full_disk::run,
];

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some(power::CHILD) => return power::child(),
        Some(full_disk::CHILD) => return full_disk::child(),
        _ => {}
    }
    let setting = match setting() {
        Ok(setting) => setting,
        Err(problem) => {
            println!("conformance: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let mut reports = wycheproof::run(&setting);
    reports.extend(SUITES.iter().map(|run| run(&setting)));
    for report in &mut reports {
        if report.cases == 0 {
            report.fail("no case was run");
        }
        report.print();
    }
    let written = report::write_summary(&reports, &setting.local.join("summary.json"));
    if let Err(problem) = &written {
        println!("conformance: {problem}");
    }
    let passed: usize = reports.iter().map(|report| report.passed).sum();
    let failed: usize = reports.iter().map(|report| report.failed.len()).sum();
    println!("conformance: {passed} passed, {failed} failed");
    if written.is_ok() && reports.iter().all(|report| report.failed.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn setting() -> Result<Setting, String> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .ok_or("the crate has no folder above it")?;
    let shared = env::var_os("TESTUDO_SHARED").map_or_else(|| repository.join("../shared"), PathBuf::from);
    if !shared.join("vectors").is_dir() {
        let shared = shared.display();
        return Err(format!(
            "no folder `{shared}/vectors`; set TESTUDO_SHARED to the folder that holds it"
        ));
    }
    // Cargo gives each test crate `<target>/tmp`, wherever the target folder is.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let local = target.parent().unwrap_or(target).join("conformance");
    fs::create_dir_all(&local).map_err(|error| format!("cannot make `{}`: {error}", local.display()))?;
    Ok(Setting {
        shared,
        local,
        repository,
    })
}
