//! The hub itself: what it says while it runs, and what its ledger says in any case.

use crate::cli::arguments::At;
use crate::cli::client::Client;
use crate::cli::ledger;
use crate::folder::HubFolder;
use crate::health::{Finding, StatusDocument};

pub(super) fn running(running: bool, at: &At) -> Finding {
    let data = at.data.display();
    if running {
        Finding::ok("running", format!("a hub runs on `{data}`"))
    } else {
        Finding::ok("running", format!("no hub runs on `{data}`"))
    }
}

pub(super) async fn look(at: &At, folder: &HubFolder, running: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if running {
        findings.extend(told(at).await);
    }
    findings.push(audit(at, folder).await);
    findings.push(Finding::warn(
        "backup",
        "this release makes no backups and knows of none",
        "copy the keys, and the data folder while the hub is stopped, to another place",
    ));
    findings
}

/// What `testudo status` finds, without what was looked at here already.
async fn told(at: &At) -> Vec<Finding> {
    let asked = match Client::new(at) {
        Ok(client) => client.get::<StatusDocument>("/v1/status").await,
        Err(failure) => Err(failure),
    };
    match asked {
        Ok(status) => {
            let seen = ["disk", "clock", "charter-expiry"];
            let mut problems = status.problems;
            problems.retain(|problem| !seen.contains(&problem.code.as_str()));
            problems
        }
        Err(failure) => vec![Finding::fail(
            "running",
            format!("the hub does not say how it is: {}", failure.0.sentence),
            "look at its log",
        )],
    }
}

async fn audit(at: &At, folder: &HubFolder) -> Finding {
    if !folder.config.store().exists() {
        return Finding::ok("audit", "there is no database yet; the first start makes it");
    }
    let fix = "keep the folder as it is, and look: testudo ledger verify";
    match ledger::audit(at).await {
        Ok(report) if report.ok => {
            let sentence = format!(
                "the ledger is in order: {} entries, {} under a signed checkpoint",
                report.entries, report.covered
            );
            Finding::ok("audit", sentence)
        }
        Ok(report) => Finding::fail("audit", report.sentence(), fix),
        Err(failure) => Finding::fail("audit", failure.0.sentence, fix),
    }
}
