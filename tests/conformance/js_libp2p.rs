//! js-libp2p meets a hub: that we speak libp2p is shown by a node that others wrote.
//!
//! A hub in a process of its own, whose charter lists a member that does not run. The node takes that member's key, or
//! none that the charter knows, and its address, and plays the cases of `js_libp2p.mjs`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::hub::{Hub, Outcome, found, said};
use crate::isolated::take_cases;
use crate::npm;
use crate::programs::call;
use crate::report::{Report, Setting};

/// The releases that are run.
const PACKAGES: [(&str, &str); 6] = [
    ("libp2p", "3.3.11"),
    ("@libp2p/tcp", "11.0.28"),
    ("@libp2p/tls", "3.1.10"),
    ("@libp2p/crypto", "5.1.23"),
    ("@chainsafe/libp2p-yamux", "8.0.1"),
    ("@multiformats/multiaddr", "13.0.3"),
];

const SCRIPT: &str = "js_libp2p.mjs";

/// Cases that the script plays.
const CASES: usize = 6;

/// What the hub tells its operator of them.
const TOLD: [(&str, &str); 2] = [
    (
        "the operator is told of the stranger",
        "a stranger was turned away",
    ),
    (
        "the operator is told who announced 4 GiB",
        "a frame over the limit was refused peer=EEAS bytes=4294967295",
    ),
];

pub fn run(setting: &Setting) -> Report {
    let [(name, version), ..] = PACKAGES;
    let mut report = Report::new(
        "js-libp2p",
        format!("{name} {version} from npm, TCP, both directions"),
    );
    if let Err(problem) = play(setting, &mut report) {
        report.fail(problem);
    }
    report
}

fn play(setting: &Setting, report: &mut Report) -> Outcome<()> {
    let node = npm::installed(setting, "js-libp2p", &PACKAGES)?;
    // Beside its packages, where Node looks for them.
    let script = node.join(SCRIPT);
    let source = setting.repository.join("tests/conformance").join(SCRIPT);
    fs::copy(source, &script).map_err(said)?;
    let folder = setting.local.join("js-libp2p-hubs");
    // Of a run that was broken off.
    let _none = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(said)?;
    let mut fr = Hub::init(&folder.join("FR"), "FR", "member_state")?;
    let eeas = Hub::init(&folder.join("EEAS"), "EEAS", "eu_institution")?;
    found(&folder, &[&fr, &eeas])?;
    fr.serve()?;
    let played = call(&mut node_at(&script, &fr, &eeas))?;
    let cases = take_cases(&played, report);
    if cases != CASES {
        report.fail(format!("the script played {cases} of {CASES} cases"));
    }
    let log = fs::read_to_string(fr.log()).map_err(said)?;
    for (case, line) in TOLD {
        let told = log.contains(line).then_some(());
        report.check(case, told.ok_or_else(|| format!("no line says `{line}`")));
    }
    Ok(())
}

fn node_at(script: &Path, hub: &Hub, member: &Hub) -> Command {
    let mut command = Command::new("node");
    command.arg(script).arg(hub.listen.port().to_string());
    command.arg(member.data.join("keys/transport.key"));
    command.arg(member.listen.port().to_string());
    command
}
