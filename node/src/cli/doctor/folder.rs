//! The data folder of a hub: who can reach it, and whether what should be in it is.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::geteuid;
use testudo_policies::gate::Gate;
use testudo_protocol::charter::{Charter, Governance};
use testudo_protocol::id::Timestamp;

use crate::cli::chain;
use crate::cli::outcome::Failure;
use crate::folder::{FolderError, HubFolder};
use crate::health::{Finding, expiry};
use crate::process;
use crate::store::Anchor;

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// `known` is what the hub knows of the charter by now.
pub(super) fn look(folder: &HubFolder, known: Result<Governance, Failure>, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![data(&folder.config.data), anchor(folder)];
    findings.extend(secrets(folder));
    let founding = folder.founding();
    // Where the database cannot be read, which is found elsewhere, what was accepted says more than nothing.
    let seen = founding.and_then(|founding| {
        let charter = known.unwrap_or(founding).charter(now);
        folder.seen_through_own_acts(&charter)
    });
    match seen {
        Ok(charter) => {
            findings.push(age(&charter, now));
            findings.push(membership(folder, &charter));
            findings.push(policies(folder, charter));
        }
        Err(error @ FolderError::NoCharter) => findings.push(Finding::fail(
            "no-charter",
            error.to_string(),
            "accept one that another member has read out to you",
        )),
        Err(error) => findings.push(Finding::fail(
            "charter",
            chain(&error),
            "ask another member for the charter file, and accept it under its fingerprint",
        )),
    }
    findings
}

fn data(path: &Path) -> Finding {
    let shown = path.display();
    let about: Metadata = match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            return Finding::fail(
                "data-folder",
                format!("`{shown}` is no folder"),
                "set `hub.data` to a folder",
            );
        }
        Err(error) => {
            let sentence = format!("data folder `{shown}` cannot be looked at: {error}");
            return Finding::fail("data-folder", sentence, "mount it, or set `hub.data`");
        }
    };
    let mode = about.permissions().mode() & 0o7777;
    let (owner, me) = (about.uid(), geteuid().as_raw());
    if owner != me && me != 0 {
        return Finding::fail(
            "data-folder",
            format!("`{shown}` belongs to user {owner}, and this is user {me}"),
            "run this and the hub as the user to whom the folder belongs",
        );
    }
    if mode & OTHERS != 0 {
        return Finding::warn(
            "data-folder",
            format!("`{shown}` has mode {mode:04o}: others can look into it"),
            format!("run: chmod 700 {shown}"),
        );
    }
    Finding::ok("data-folder", format!("`{shown}` is for its owner alone"))
}

/// Every secret file is looked at, so that one run names all that are wrong.
fn secrets(folder: &HubFolder) -> Vec<Finding> {
    let keys = &folder.config.keys;
    let mut findings: Vec<Finding> = folder
        .secret_faults()
        .into_iter()
        .map(|error| {
            Finding::fail(
                "secrets",
                chain(&error),
                "do as the sentence says; never make a new key in the place of an old one",
            )
        })
        .collect();
    if findings.is_empty() {
        let sentence = format!(
            "the keys in `{}` are there, for their owner alone",
            keys.display()
        );
        findings.push(Finding::ok("secrets", sentence));
    }
    findings
}

fn age(charter: &Charter, now: Timestamp) -> Finding {
    expiry(
        "charter-expiry",
        &format!("charter version {}", charter.version()),
        charter.valid_until(),
        now,
        (
            "nothing is released or received but governance",
            "have the voters sign a new version: testudo charter propose --renew",
        ),
    )
}

fn membership(folder: &HubFolder, charter: &Charter) -> Finding {
    let card = match folder.card() {
        Ok(card) => card,
        Err(error) => {
            return Finding::fail(
                "file-malformed",
                chain(&error),
                "restore the card from its backup",
            );
        }
    };
    match charter.member(card.code) {
        Some(member) if member.keys == card.keys => Finding::ok(
            "membership",
            format!("the charter lists {} with its keys", card.code),
        ),
        _ => Finding::fail(
            "membership",
            format!(
                "the charter lists {} with other keys than this hub has, or not at all",
                card.code
            ),
            "have the voters admit the card of this hub, or put back the keys that belong to it",
        ),
    }
}

fn policies(folder: &HubFolder, charter: Charter) -> Finding {
    let fix = "mend the file that is named; until then nothing is released";
    let engine = match process::engine(folder) {
        Ok(engine) => engine,
        Err(error) => return Finding::fail("policies", chain(&error), fix),
    };
    if let Some(reason) = engine.closed().into_iter().next() {
        return Finding::fail("policies", reason, fix);
    }
    let rules = engine.rules().len();
    match Gate::new(engine, charter) {
        Ok(_) => Finding::ok(
            "policies",
            format!("{rules} rules are loaded and fit the charter"),
        ),
        Err(error) => Finding::fail(
            "policies",
            chain(&error),
            "install the release whose policies the charter names",
        ),
    }
}

/// It watches the age of the database, so it should not share the fate of its disk.
fn anchor(folder: &HubFolder) -> Finding {
    let path = &folder.config.anchor;
    let shown = path.display();
    let store = folder.config.store();
    match Anchor::new(path).read() {
        Err(error) => {
            let fix =
                "restore it from its backup; without it nobody can tell an old database from the current one";
            return Finding::fail("anchor", chain(&error), fix);
        }
        Ok(None) if store.exists() => {
            return Finding::warn(
                "anchor",
                format!("there is a database, and no anchor at `{shown}`"),
                "put the anchor file back, or look at `hub.anchor`",
            );
        }
        Ok(_) => {}
    }
    // Of what is not there yet, the folder counts in which it will be.
    let device = |path: &Path| {
        path.ancestors()
            .find_map(|it| std::fs::metadata(it).ok())
            .map(|about| about.dev())
    };
    if device(path) == device(&store) {
        return Finding::warn(
            "anchor",
            format!(
                "`{shown}` is on the same disk as the database: one copy of that disk goes back in time with both"
            ),
            "set `hub.anchor` to a file on another disk, and move it there while the hub is stopped",
        );
    }
    Finding::ok(
        "anchor",
        format!("`{shown}` is on another disk than the database"),
    )
}
