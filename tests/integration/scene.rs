//! Three hubs that have been at work, and a record of all that a refusal must not touch.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::contents::contents;
use crate::federation::Federation;
use crate::hub::Hub;
use crate::program::Finished;
use crate::waiting::{PATIENCE, wait_until};

/// Everything that a refused command must leave as it was.
#[derive(Debug, PartialEq)]
struct Traces {
    ledger: (Value, Value),
    released: Value,
    holdings: Value,
    /// How much that is sealed all hubs have made, sent and received. What they say to each other about time and their
    /// ledgers goes on.
    taps: BTreeMap<String, usize>,
}

/// Three connected hubs of which each has had something to do, so that there is something to disturb.
pub struct Scene {
    /// FR, EEAS and MD.
    pub federation: Federation,
    /// An AMBER item that MD gave to FR alone.
    pub of_md: String,
    before: Traces,
}

impl Scene {
    /// Starts them and has two of them release something.
    pub fn new() -> Self {
        let mut federation = Federation::with_taps(&["FR", "EEAS", "MD"]);
        federation.start();
        // The next tick comes in a quarter of an hour: until then the ledgers stand still by themselves.
        for hub in federation.hubs() {
            wait_until(PATIENCE, "the first tick is cosigned", || {
                (hub.status()?["checkpoint"]["grade"] == "quorum").then_some(())
            });
        }
        let (fr, md) = (federation.hub("FR"), federation.hub("MD"));
        let green = assessment("matriochka-overload-2024.json");
        fr.release(&green, &format!("{HANDLING} --tlp GREEN --community"));
        let amber = assessment("moldova-parliamentary-2025.json");
        let of_md = md.release(&amber, &format!("{HANDLING} --tlp AMBER --rel-to FR"));
        fr.wait_until_delivered();
        md.wait_until_delivered();
        let before = wait_until(PATIENCE, "the hubs are at rest", || {
            let before = Traces::of(&federation);
            (before == Traces::of(&federation)).then_some(before)
        });
        Self {
            federation,
            of_md,
            before,
        }
    }

    /// The hub that is given what it must refuse.
    pub fn fr(&self) -> &Hub {
        self.federation.hub("FR")
    }

    /// The refusal is as expected, and nothing was stored and nothing sent.
    #[track_caller]
    pub fn check(&self, what: &str, finished: &Finished, exit: i32, code: &str, says: &[&str]) -> Value {
        println!("{what}: {}", finished.stderr.trim_end());
        let error = finished.refused(exit, code, says);
        assert_eq!(Traces::of(&self.federation), self.before, "{what} left a trace");
        error
    }
}

impl Traces {
    fn of(federation: &Federation) -> Self {
        let fr = federation.hub("FR");
        let status = fr.answer(&["status"]);
        let taps = federation.hubs().iter().flat_map(|hub| {
            let files = contents(hub.tap.as_deref().unwrap()).into_iter();
            files.map(|(path, bytes)| {
                (
                    format!("{}/{}", hub.code, path.display()),
                    sealed_in(&path, &bytes),
                )
            })
        });
        Self {
            ledger: (status["ledgerEntries"].clone(), status["ledgerRoot"].clone()),
            released: fr.answer(&["released"]),
            holdings: fr.answer(&["status", "holdings"]),
            taps: taps.collect(),
        }
    }
}

/// How often something sealed begins in a recording of a stream, or how many lines the record of what was sealed has.
fn sealed_in(path: &Path, bytes: &[u8]) -> usize {
    if path.extension().is_some_and(|name| name == "jsonl") {
        return bytes.iter().filter(|byte| **byte == b'\n').count();
    }
    let begin = b"age-encryption.org/v1\n";
    bytes
        .windows(begin.len())
        .filter(|window| window == begin)
        .count()
}
