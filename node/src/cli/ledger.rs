//! `testudo ledger verify`: the hub's own record, held against its openings and its checkpoint.

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use testudo_core::hub::Hub;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::note::NoteVerifier;
use testudo_protocol::ledger::{AuditReport, Ledger, audit};

use super::arguments::At;
use super::client::Client;
use super::outcome::{Answer, Failure, chain, exit};
use crate::process;
use crate::store::{Family, Store};

/// What to do with the ledger.
#[derive(Subcommand)]
pub(super) enum LedgerCommand {
    /// Rebuild the tree and check every opening, the checkpoint and the order of acts.
    Verify {
        #[command(flatten)]
        at: At,
    },
}

/// What the audit found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedgerReport {
    /// Whether everything is in order.
    pub ok: bool,
    /// The first thing that is not.
    pub fault: Option<String>,
    /// Entries in the tree.
    pub entries: u64,
    /// Root over them, in hexadecimal.
    pub root: String,
    /// Entries that the signed checkpoint covers.
    pub covered: u64,
    /// Openings that were there and fit.
    pub opened: u64,
    /// Entries of each kind.
    pub kinds: BTreeMap<String, u64>,
}

impl LedgerCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let Self::Verify { at } = self;
        let client = Client::new(at)?;
        let report: LedgerReport = if client.is_running().await {
            client.get("/v1/ledger").await?
        } else {
            let (hub, _, store, _) = process::load(client.folder())?;
            audit_ledger(&hub, &store)
        };
        match &report.fault {
            None => Ok(Answer::of(&report, text(&report))),
            Some(fault) => Err(Failure::new(exit::DATA, "ledger", fault.clone())),
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
        "ledger is in order: {} entries, {} under the signed checkpoint, {} opened\nroot {}\n{}",
        report.entries,
        report.covered,
        report.opened,
        report.root,
        kinds.join(", ")
    )
}

/// Audits what is stored, not what the running hub remembers.
pub fn audit_ledger(hub: &Hub, store: &Store) -> LedgerReport {
    match audited(hub, store) {
        Ok(report) => LedgerReport {
            ok: true,
            fault: None,
            entries: report.entries,
            root: report.root.digest().to_hex(),
            covered: report.covered,
            opened: report.opened,
            kinds: report
                .kinds
                .into_iter()
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect(),
        },
        Err(fault) => LedgerReport {
            ok: false,
            fault: Some(fault),
            entries: 0,
            root: String::new(),
            covered: 0,
            opened: 0,
            kinds: BTreeMap::new(),
        },
    }
}

fn audited(hub: &Hub, store: &Store) -> Result<AuditReport, String> {
    let unread = |error: crate::store::ReadError| chain(&error);
    let mut leaves = Vec::new();
    for (expected, (key, value)) in (0u64..).zip(store.scan(Family::Leaf).map_err(unread)?) {
        if key != expected.to_be_bytes() {
            return Err(format!("leaf {expected} is missing"));
        }
        leaves.push(value.to_vec());
    }
    let openings: BTreeMap<u64, Vec<u8>> = (store.scan(Family::Opening).map_err(unread)?.into_iter())
        .filter_map(|(key, value)| Some((u64::from_be_bytes(key.try_into().ok()?), value.to_vec())))
        .collect();
    let charter = hub.gate().charter();
    let origin = Ledger::origin_of(charter.realm(), hub.me());
    let checkpoint = store.get(Family::Checkpoint, b"own").map_err(unread)?;
    let key = charter
        .member(hub.me())
        .and_then(|me| VerifyingKey::from_bytes(me.keys.ledger.as_bytes()).ok());
    let verifier = key.and_then(|key| NoteVerifier::new(origin.clone(), key).ok());
    let verifier = verifier.ok_or("the charter names no usable ledger key for this hub")?;
    let signed = checkpoint.as_ref().map(|note| (note.as_slice(), &verifier));
    audit(&origin, &leaves, &openings, signed).map_err(|error| chain(&error))
}
