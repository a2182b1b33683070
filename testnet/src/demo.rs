//! The order of the demo, and what is left when it is over.

use std::path::PathBuf;
use std::time::Instant;

use crate::assessments;
use crate::canary::{self, Share};
use crate::expectations::Promises;
use crate::fault::DemoError;
use crate::federation::Federation;
use crate::folder::Folder;
use crate::hub::Hub;
use crate::kill;
use crate::ledgers;
use crate::program::{Program, quoted, words};
use crate::report::{Screen, grouped};
use crate::scenario;
use crate::stage::Stage;

/// How much of a fingerprint is shown: enough to compare by eye.
const FINGERPRINT_CHARS: usize = 16;

/// How many of a hub's last words are shown when something failed.
const LAST_WORDS: usize = 5;

/// How the demo was called.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary `testudo`.
    pub testudo: PathBuf,
    /// Leave the hubs running.
    pub keep: bool,
    /// Leave the data here.
    pub dir: Option<PathBuf>,
    /// Note verdicts that are wrong and go on, so that the later checks show what they find.
    pub continue_past_verdicts: bool,
}

/// Runs the demo from beginning to end.
///
/// # Errors
/// [`DemoError`] with the one line that says what did not hold.
pub fn run(options: &Options) -> Result<(), DemoError> {
    let begin = Instant::now();
    let program = Program::at(&options.testudo)?;
    let folder = match &options.dir {
        Some(path) => Folder::named(path)?,
        None => Folder::temporary()?,
    };
    let mut screen = Screen::default();
    screen
        .line("Three hubs on this machine share assessments. Everything goes through the binary `testudo`.");
    screen.step("Set-up: keys, charter, three processes over QUIC on loopback");
    let federation = Federation::set_up(program, folder)?;
    let mut stage = Stage {
        federation,
        promises: Promises::new(options.continue_past_verdicts),
        screen,
    };
    if let Err(error) = play(&mut stage, options) {
        leave_for_inspection(&mut stage);
        return Err(error);
    }
    stage
        .screen
        .line(&format!("\ntook {:.1} s", begin.elapsed().as_secs_f64()));
    Ok(())
}

fn play(stage: &mut Stage, options: &Options) -> Result<(), DemoError> {
    let fingerprint = stage.federation.agree_on_charter()?;
    stage.federation.start_all(false)?;
    show_members(stage, &fingerprint);
    scenario::play(stage)?;
    kill::play(stage)?;
    ledgers::play(stage)?;
    prove_canaries(stage)?;
    if let Some(sentence) = stage.promises.broken().first() {
        return Err(DemoError::NotHeld(sentence.clone()));
    }
    if options.keep {
        leave_running(stage)?;
    } else if !stage.federation.folder().is_temporary() {
        show_what_is_left(stage);
    }
    Ok(())
}

fn show_members(stage: &Stage, fingerprint: &str) {
    let rows: Vec<Vec<String>> = Hub::ALL
        .iter()
        .map(|hub| vec![hub.to_string(), hub.class_in_words().to_owned()])
        .collect();
    stage.screen.table(&["hub", "class"], &rows);
    let short: String = fingerprint.chars().take(FINGERPRINT_CHARS).collect();
    stage.screen.say(&format!(
        "charter {short} signed by FR and EEAS, accepted by all; every hub is connected to the two others"
    ));
}

fn prove_canaries(stage: &mut Stage) -> Result<(), DemoError> {
    stage
        .screen
        .step("Canaries: the bytes that left each hub, searched for what each hub sealed");
    let proof = canary::prove(stage.federation.folder(), stage.promises.disclosures())?;
    let (windows, bytes) = (grouped(proof.windows as u64), grouped(proof.bytes));
    stage.screen.say(&format!(
        "{windows} windows of 32 bytes out of {} ciphertexts, looked for in {bytes} bytes of {} recordings",
        proof.ciphertexts, proof.recordings
    ));
    let row = |(hub, share): (&Hub, &Share)| {
        let cells = [share.meant, share.found, share.not_meant, share.strayed].map(|count| count.to_string());
        std::iter::once(hub.to_string()).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = proof.hubs.iter().map(row).collect();
    stage
        .screen
        .table(&["towards", "for it", "found", "not for it", "found too"], &rows);
    Ok(())
}

/// Starts the hubs again, lets go of them, and says what can be tried.
fn leave_running(stage: &mut Stage) -> Result<(), DemoError> {
    stage.federation.start_all(true)?;
    let ids: Vec<String> = stage.federation.let_go().iter().map(u32::to_string).collect();
    let folder = stage.federation.folder();
    let storm = folder.assessments().join(assessments::STORM_1516.file);
    let mut preview = words![
        "preview",
        storm,
        "--tlp",
        "AMBER+STRICT",
        "--level",
        "1",
        "--personal",
        "none"
    ];
    preview.extend(words!["--purpose", "situational-awareness", "--rel-to", "EEAS"]);
    let commands = [
        (Hub::Eeas, words!["inbox"]),
        (Hub::Fr, words!["status"]),
        (Hub::Fr, words!["status", "holdings"]),
        (Hub::Fr, preview),
        (Hub::Md, words!["ledger", "verify"]),
    ];
    stage
        .screen
        .step("The hubs are running again. Five commands to try next:");
    for (hub, words) in commands {
        let desk = stage.federation.desk(hub);
        stage.screen.verbatim(&desk.program.typed(&desk.addressed(words)));
    }
    stage.screen.say("To end them, and then to remove their data:");
    stage.screen.verbatim(&format!("kill {}", ids.join(" ")));
    stage.screen.verbatim(&format!(
        "rm -r {}",
        quoted(&stage.federation.folder().path().to_string_lossy())
    ));
    Ok(())
}

fn show_what_is_left(stage: &mut Stage) {
    stage.screen.step("The stopped hubs' data stays. For example:");
    for (hub, words) in [
        (Hub::Fr, words!["ledger", "verify"]),
        (Hub::Eeas, words!["inbox", "--json"]),
    ] {
        let desk = stage.federation.desk(hub);
        stage.screen.verbatim(&desk.program.typed(&desk.addressed(words)));
    }
}

/// Something failed: show what the hubs said last, and leave everything where it is.
fn leave_for_inspection(stage: &mut Stage) {
    stage.screen.line("");
    for sentence in stage.promises.broken() {
        stage.screen.line(&format!("noted on the way: {sentence}"));
    }
    for hub in Hub::ALL {
        for line in stage.federation.last_words(hub, LAST_WORDS) {
            stage.screen.line(&format!("{hub} log: {line}"));
        }
    }
    let folder = stage.federation.keep_folder().display().to_string();
    stage
        .screen
        .line(&format!("everything is left in {folder}: data, log/, tap/"));
}
