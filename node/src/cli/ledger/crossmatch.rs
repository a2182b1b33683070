//! `testudo ledger verify EXPORT --openings FILE --with EXPORT --with-openings FILE`: two hubs' ledgers against
//! each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use testudo_protocol::id::HubId;
use testudo_protocol::ledger::{self, Leaf, Matched, Opening, Published, Side, read_openings};

use super::verify::{Against, export_report, read_file};
use crate::cli::outcome::{Answer, Failure, chain, exit};

/// What was found.
#[derive(Serialize)]
struct MatchReport {
    /// Whether the two agree.
    ok: bool,
    /// The first thing about which they do not.
    fault: Option<String>,
    /// In whose ledger it stands.
    hub: Option<HubId>,
    /// Which entry.
    index: Option<u64>,
    /// Receipts that agree with what the other side received.
    receipts: u64,
    /// Envelopes received that the other side released.
    received: u64,
    /// What the other side is too old, or too little disclosed, to say anything about.
    open: u64,
}

/// Audits both, then holds them against each other.
pub(super) fn cross_match(one: (&Path, &Path), other: (&Path, &Path)) -> Result<Answer, Failure> {
    let (one, other) = match (side(one)?, side(other)?) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(report), _) | (_, Err(report)) => return Ok(answer(*report)),
    };
    if one.hub == other.hub {
        let sentence = format!("both exports are of {}; name those of two hubs", one.hub);
        return Err(Failure::new(exit::USAGE, "usage", sentence));
    }
    let report = match ledger::cross_match(&one, &other) {
        Ok(matched) => of(matched),
        Err(error) => MatchReport {
            ok: false,
            fault: Some(error.reason.to_string()),
            hub: Some(error.hub),
            index: Some(error.index),
            ..of(Matched::default())
        },
    };
    Ok(answer(report))
}

fn of(matched: Matched) -> MatchReport {
    MatchReport {
        ok: true,
        fault: None,
        hub: None,
        index: None,
        receipts: matched.receipts,
        received: matched.received,
        open: matched.open,
    }
}

/// One audited side, or what is wrong with it by itself.
fn side((folder, openings): (&Path, &Path)) -> Result<Result<Side, Box<MatchReport>>, Failure> {
    let against = Against::read(None, None, Some(openings))?;
    let read = Published::read(|path| read_file(&folder.join(path)).ok());
    let fault = |reason: String, index, hub| {
        Box::new(MatchReport {
            ok: false,
            fault: Some(reason),
            hub,
            index,
            ..of(Matched::default())
        })
    };
    let published = match read {
        Ok(published) => published,
        Err(error) => {
            let reason = format!("`{}`: {}", folder.display(), chain(&error));
            return Ok(Err(fault(reason, error.index(), None)));
        }
    };
    let code = published.checkpoint.origin.rsplit('/').next();
    let Some(hub) = code.and_then(|code| code.parse::<HubId>().ok()) else {
        let reason = format!("`{}`: its origin names no hub", folder.display());
        return Ok(Err(fault(reason, None, None)));
    };
    if let Err(found) = export_report(folder, &against) {
        return Ok(Err(fault(found.reason, found.index, Some(hub))));
    }
    let text = read_file(openings)?;
    let malformed = || Failure::new(exit::DATA, "file-malformed", format!("`{}`", openings.display()));
    let disclosed = read_openings(std::str::from_utf8(&text).map_err(|_| malformed())?);
    // Each fits its leaf: the audit has just said so.
    let records: BTreeMap<u64, _> = disclosed
        .map_err(|_| malformed())?
        .iter()
        .filter_map(|(index, opening)| {
            let leaf = Leaf::from_bytes(published.leaves.get(usize::try_from(*index).ok()?)?)?;
            let opening = Opening::read(opening, &leaf, &published.checkpoint.origin, *index).ok()?;
            Some((*index, opening.record().clone()))
        })
        .collect();
    Ok(Ok(Side {
        hub,
        covered: published.checkpoint.size.get(),
        records,
    }))
}

fn answer(report: MatchReport) -> Answer {
    if report.ok {
        let text = format!(
            "the two ledgers agree: {} receipts, {} envelopes received, {} that one side says nothing about",
            report.receipts, report.received, report.open
        );
        return Answer::of(&report, text);
    }
    let place = match (&report.hub, report.index) {
        (Some(hub), Some(index)) => format!(" at entry {index} of {hub}"),
        (Some(hub), None) => format!(" in the ledger of {hub}"),
        _ => String::new(),
    };
    let fault = report.fault.clone().unwrap_or_default();
    let text = format!("the two ledgers do NOT agree{place}: {fault}");
    let document = serde_json::to_value(&report).unwrap_or_default();
    Answer::Decided(document, text, ExitCode::from(exit::DATA))
}
