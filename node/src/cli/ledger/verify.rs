//! `testudo ledger verify`: an export or a hub's own ledger, rebuilt and held against everything at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::note::{Note, NoteVerifier};
use testudo_crypto::tlog::cosignature::CosignerKey;
use testudo_crypto::tlog::policy::Policy;
use testudo_protocol::ledger::{
    Audit, AuditError, AuditReport, Extent, Published, PublishedError, read_openings,
};

use super::document::StoredLedger;
use crate::cli::outcome::{Answer, Failure, chain, exit};

/// Longest file that an audit reads, in bytes: a bundle of the longest entries.
const FILE_BYTES_MAX: u64 = 256 * 65_537;

/// What the audit found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedgerReport {
    /// Whether everything is in order.
    pub ok: bool,
    /// The first thing that is not.
    pub fault: Option<String>,
    /// The first offending entry, where one can be named.
    pub index: Option<u64>,
    /// Entries in the tree.
    pub entries: u64,
    /// Root over them, in hexadecimal.
    pub root: String,
    /// Entries that the signed checkpoint covers.
    pub covered: u64,
    /// Witnesses that cosigned it.
    pub cosigned: usize,
    /// Openings that were there and fit.
    pub opened: u64,
    /// Openings that were destroyed, as an entry says.
    pub erased: u64,
    /// Entries of each kind.
    pub kinds: BTreeMap<String, u64>,
}

/// What an audit is held against besides the ledger itself.
#[derive(Default)]
pub(super) struct Against {
    pub since: Option<Note>,
    pub policy: Option<Policy>,
    pub openings: Option<BTreeMap<u64, Vec<u8>>>,
}

/// What is wrong, and where.
pub(super) struct Fault {
    pub index: Option<u64>,
    pub reason: String,
}

impl Fault {
    fn of(error: &dyn std::error::Error) -> Self {
        Self {
            index: None,
            reason: chain(error),
        }
    }
}

impl From<AuditError> for Fault {
    fn from(error: AuditError) -> Self {
        Self {
            index: error.index(),
            reason: chain(&error),
        }
    }
}

impl From<PublishedError> for Fault {
    fn from(error: PublishedError) -> Self {
        Self {
            index: error.index(),
            reason: chain(&error),
        }
    }
}

impl Against {
    /// Reads the files that were named.
    pub(super) fn read(
        since: Option<&Path>,
        policy: Option<&Path>,
        openings: Option<&Path>,
    ) -> Result<Self, Failure> {
        let malformed = |path: &Path, reason: String| {
            let sentence = format!("`{}`: {reason}", path.display());
            Failure::new(exit::DATA, "file-malformed", sentence)
        };
        let mut against = Self::default();
        if let Some(path) = since {
            let note = Note::parse(&read_file(path)?);
            against.since = Some(note.map_err(|error| malformed(path, chain(&error)))?);
        }
        if let Some(path) = policy {
            let policy = Policy::parse(&read_file(path)?);
            against.policy = Some(policy.map_err(|error| malformed(path, chain(&error)))?);
        }
        if let Some(path) = openings {
            let bytes = read_file(path)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| malformed(path, "is no text".to_owned()))?;
            let read = read_openings(text);
            against.openings = Some(read.map_err(|error| malformed(path, chain(&error)))?);
        }
        Ok(against)
    }

    /// Checks the signatures under a checkpoint; the keys at hand are used where no policy is.
    fn check_note(
        &self,
        note: &Note,
        vkey: &NoteVerifier,
        cosigners: &[CosignerKey],
    ) -> Result<(Checkpoint, usize), Fault> {
        if let Some(policy) = &self.policy {
            let trusted = policy.verify(note, None).map_err(|error| Fault::of(&error))?;
            return Ok((trusted.checkpoint().clone(), trusted.cosigned().len()));
        }
        let trusted = Policy::unwitnessed().verify(note, Some(vkey));
        let checkpoint = trusted.map_err(|error| Fault::of(&error))?.checkpoint().clone();
        let mut cosigned = 0;
        for cosigner in cosigners {
            let time = cosigner.cosigned(note).map_err(|error| Fault::of(&error))?;
            cosigned += usize::from(time.is_some());
        }
        Ok((checkpoint, cosigned))
    }

    fn since(&self, vkey: &NoteVerifier) -> Result<Option<Checkpoint>, Fault> {
        let Some(note) = &self.since else { return Ok(None) };
        // Witnesses may have changed since; that the log itself signed it is what counts here.
        let logs = self.policy.as_ref().map_or(&[][..], Policy::logs);
        let known: Vec<NoteVerifier> = logs.iter().chain([vkey]).cloned().collect();
        let verified = note.verify(&known).map_err(|error| Fault::of(&error))?;
        let read = Checkpoint::parse(verified.text()).map_err(|error| Fault::of(&error))?;
        Ok(Some(read))
    }
}

/// Audits an export.
pub(super) fn verify_export(folder: &Path, against: &Against) -> Result<Answer, Failure> {
    if !folder.is_dir() {
        let sentence = format!(
            "`{}` is no folder; name one that `testudo ledger export` made",
            folder.display()
        );
        return Err(Failure::new(exit::USAGE, "usage", sentence));
    }
    Ok(answer(export_report(folder, against)))
}

pub(super) fn export_report(folder: &Path, against: &Against) -> Result<LedgerReport, Fault> {
    let published = Published::read(|path| read_file(&folder.join(path)).ok())?;
    let (checkpoint, cosigned) =
        against.check_note(&published.note, &published.vkey, &published.cosigners)?;
    let since = against.since(&published.vkey)?;
    let none = BTreeMap::new();
    let audit = Audit {
        origin: &checkpoint.origin,
        leaves: &published.leaves,
        openings: against.openings.as_ref().unwrap_or(&none),
        extent: Extent::Disclosed,
        checkpoint: Some(&checkpoint),
        since: since.as_ref(),
    };
    Ok(report(audit.run()?, cosigned))
}

/// Audits what a hub has stored.
pub(super) fn verify_stored(ledger: &StoredLedger, against: &Against) -> Answer {
    answer(stored_report(ledger, against))
}

/// Audits what a hub has stored against the keys at hand.
pub(super) fn examine(ledger: &StoredLedger) -> LedgerReport {
    stored_report(ledger, &Against::default()).unwrap_or_else(LedgerReport::faulty)
}

/// Audits what a running hub has, and holds it against what its peers cosigned.
pub(super) fn verify_live(ledger: &StoredLedger, against: &Against) -> Answer {
    answer(live_report(ledger, against))
}

fn live_report(ledger: &StoredLedger, against: &Against) -> Result<LedgerReport, Fault> {
    let report = stored_report(ledger, against)?;
    let tree = ledger.tree();
    // The newest that a quorum stands behind, and the newest that anybody does.
    for note in ledger.quorum.iter().chain(&ledger.published) {
        let (checkpoint, _) = Against::default().check_note(note, &ledger.vkey, &ledger.cosigners)?;
        if tree.root_at(checkpoint.size) != Some(checkpoint.root) {
            return Err(Fault {
                index: Some(checkpoint.size.get()),
                reason: format!(
                    "the running hub's tree has another root than the {} entries that its peers cosigned",
                    checkpoint.size
                ),
            });
        }
    }
    if report.cosigned == 0 && ledger.quorum.is_none() {
        return Err(Fault {
            index: None,
            reason: "no peer has cosigned this ledger: there is nothing to hold it against".to_owned(),
        });
    }
    Ok(report)
}

fn stored_report(ledger: &StoredLedger, against: &Against) -> Result<LedgerReport, Fault> {
    let (mut newest, mut cosigned) = (None, 0);
    if let Some(note) = &ledger.newest {
        // Signed at a stop or a tick; what witnesses say stands under the published one.
        let checked = Against::default().check_note(note, &ledger.vkey, &[])?;
        newest = Some(checked.0);
    }
    let mut since = against.since(&ledger.vkey)?;
    if let Some(note) = &ledger.published {
        let checked = against.check_note(note, &ledger.vkey, &ledger.cosigners)?;
        cosigned = checked.1;
        let published = Audit {
            origin: ledger.vkey.name(),
            leaves: &ledger.leaves,
            openings: &BTreeMap::new(),
            extent: Extent::Disclosed,
            checkpoint: Some(&checked.0),
            since: since.as_ref(),
        };
        published.run()?;
        since = None;
    }
    let audit = Audit {
        origin: ledger.vkey.name(),
        leaves: &ledger.leaves,
        openings: &ledger.openings,
        extent: Extent::Whole,
        checkpoint: newest.as_ref(),
        since: since.as_ref(),
    };
    Ok(report(audit.run()?, cosigned))
}

fn report(found: AuditReport, cosigned: usize) -> LedgerReport {
    LedgerReport {
        ok: true,
        fault: None,
        index: None,
        entries: found.entries,
        root: found.root.digest().to_hex(),
        covered: found.covered,
        cosigned,
        opened: found.opened,
        erased: found.erased,
        kinds: (found.kinds.into_iter())
            .map(|(kind, count)| (kind.to_owned(), count))
            .collect(),
    }
}

fn answer(found: Result<LedgerReport, Fault>) -> Answer {
    match found {
        Ok(report) => Answer::of(&report, report.sentence()),
        Err(fault) => {
            let report = LedgerReport::faulty(fault);
            let document = serde_json::to_value(&report).unwrap_or_default();
            Answer::Decided(document, report.sentence(), ExitCode::from(exit::DATA))
        }
    }
}

impl LedgerReport {
    fn faulty(Fault { index, reason }: Fault) -> Self {
        Self {
            ok: false,
            fault: Some(reason),
            index,
            entries: 0,
            root: String::new(),
            covered: 0,
            cosigned: 0,
            opened: 0,
            erased: 0,
            kinds: BTreeMap::new(),
        }
    }

    /// The report for people.
    pub(in crate::cli) fn sentence(&self) -> String {
        match &self.fault {
            None => text(self),
            Some(reason) => {
                let place = self
                    .index
                    .map_or(String::new(), |index| format!(" at entry {index}"));
                format!("ledger is NOT in order{place}: {reason}")
            }
        }
    }
}

fn text(report: &LedgerReport) -> String {
    let kinds: Vec<_> = report
        .kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    format!(
        "ledger is in order: {} entries, {} under the signed checkpoint, cosigned by {}, {} opened, {} erased\nroot {}\n{}",
        report.entries,
        report.covered,
        report.cosigned,
        report.opened,
        report.erased,
        report.root,
        kinds.join(", ")
    )
}

/// A file of bounded length.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |reason: String| {
        let sentence = format!("`{}` cannot be read: {reason}", path.display());
        Failure::new(exit::IO, "file", sentence)
    };
    let about = fs::metadata(path).map_err(|error| unread(error.to_string()))?;
    if about.len() > FILE_BYTES_MAX {
        return Err(unread(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    fs::read(path).map_err(|error| unread(error.to_string()))
}
