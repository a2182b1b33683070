//! `testudo ledger`: the hub's own record, audited, published, and proved entry by entry.

mod crossmatch;
mod document;
mod export;
mod prove;
mod show;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;
use testudo_core::views::Reply;
use testudo_protocol::id::HubId;

pub(super) use export::{unwritable, write_private};

pub use document::{LedgerDocument, stored_ledger};

use super::act;
use super::arguments::{At, item_id};
use super::client::Client;
use super::outcome::{Answer, Failure, exit};
use crate::api::{ConfirmBody, EraseBody};
use crate::process;
use document::StoredLedger;
use verify::{Against, LedgerReport};

/// What to do with the ledger.
#[derive(Subcommand)]
pub(super) enum LedgerCommand {
    /// Rebuild the tree and check openings, checkpoints, signatures and the order of acts.
    Verify {
        /// A folder that `ledger export` made.
        #[arg(
            value_name = "EXPORT",
            required_unless_present = "data",
            conflicts_with = "data"
        )]
        export: Option<PathBuf>,
        /// A hub's data folder, running or stopped.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// A checkpoint kept from earlier, of which the ledger must be a continuation.
        #[arg(long, value_name = "CHECKPOINT")]
        since: Option<PathBuf>,
        /// Logs, witnesses and quorum to trust (C2SP tlog-policy); without it, the keys at hand.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Openings that were disclosed with an export.
        #[arg(long, value_name = "FILE", requires = "export")]
        openings: Option<PathBuf>,
        /// Ask the running hub, and hold what it has against what its peers cosigned.
        #[arg(long, requires = "data")]
        live: bool,
        /// The export of another hub: whatever one says it sent, the other has to say it received.
        #[arg(
            long,
            value_name = "EXPORT",
            requires = "openings",
            requires = "with_openings"
        )]
        with: Option<PathBuf>,
        /// Openings that were disclosed with that other export.
        #[arg(long, value_name = "FILE", requires = "with")]
        with_openings: Option<PathBuf>,
    },
    /// Write the ledger as a folder that public tools read (C2SP tlog-tiles).
    Export {
        /// The folder, empty or not there yet.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Also disclose what the entries say, in a file of their own.
        #[arg(long, value_name = "FILE")]
        openings: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Write a proof that an item was released or received (C2SP tlog-proof).
    Prove {
        /// The item's id.
        item: String,
        /// The file; `ITEM.tlog-proof` without it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Check a proof; needs no hub.
    CheckProof {
        /// The proof.
        file: PathBuf,
        /// Logs, witnesses and quorum to trust; without it, the keys that the proof names.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Destroy an item here by law: its content, and what the ledger says about it.
    Erase {
        /// The item's id.
        item: String,
        /// The code of the legal basis, such as `gdpr-17.1.d`.
        #[arg(long, value_name = "CODE")]
        basis: String,
        #[command(flatten)]
        at: At,
    },
    /// Cosign a hub's ledger again, after looking at the evidence against it.
    Resume {
        /// Whose ledger.
        hub: String,
        #[command(flatten)]
        at: At,
    },
    /// Let a fenced hub go on although its peers cannot be asked: two people, each with this command.
    Confirm {
        /// That nobody who could be asked is there.
        #[arg(long, required = true)]
        alone: bool,
        /// Your code on the duty roster, not your name.
        #[arg(long, value_name = "CODE")]
        person: String,
        #[command(flatten)]
        at: At,
    },
    /// List the entries, and what was erased.
    Show {
        /// Show fillers too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        at: At,
    },
}

impl LedgerCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Verify {
                export,
                data,
                since,
                policy,
                openings,
                live,
                with,
                with_openings,
            } => {
                if let (Some(one), Some(openings), Some(other), Some(other_openings)) =
                    (export, openings, with, with_openings)
                {
                    return crossmatch::cross_match((one, openings), (other, other_openings));
                }
                let against = Against::read(since.as_deref(), policy.as_deref(), openings.as_deref())?;
                match (export, data) {
                    (Some(folder), _) => verify::verify_export(folder, &against),
                    (None, Some(data)) => {
                        let at = At { data: data.clone() };
                        if *live {
                            let document: LedgerDocument = Client::new(&at)?.get("/v1/ledger").await?;
                            let damaged = |sentence| Failure::new(exit::DATA, "ledger", sentence);
                            return Ok(verify::verify_live(&document.read().map_err(damaged)?, &against));
                        }
                        Ok(verify::verify_stored(&stored(&at).await?, &against))
                    }
                    (None, None) => Err(Failure::new(
                        exit::USAGE,
                        "usage",
                        "name an export, or a hub with --data DIR",
                    )),
                }
            }
            Self::Export { folder, openings, at } => {
                export::export(&stored(at).await?, folder, openings.as_deref())
            }
            Self::Prove { item, out, at } => {
                let item = item_id(item)?;
                let out = out
                    .clone()
                    .unwrap_or_else(|| PathBuf::from(format!("{item}.tlog-proof")));
                prove::prove(&stored(at).await?, item, &out)
            }
            Self::CheckProof { file, policy } => prove::check(file, policy.as_deref()),
            Self::Erase { item, basis, at } => {
                let item = item_id(item)?;
                let basis = basis
                    .parse()
                    .map_err(|error| Failure::new(exit::USAGE, "usage", format!("basis: {error}")))?;
                let path = format!("/v1/items/{item}/erase");
                let reply: Reply = Client::new(at)?.post(&path, &EraseBody { basis }).await?;
                Ok(act::said(&reply))
            }
            Self::Resume { hub, at } => {
                let hub: HubId = hub
                    .parse()
                    .map_err(|error| Failure::new(exit::USAGE, "usage", format!("hub: {error}")))?;
                let reply: Reply = Client::new(at)?
                    .post(&format!("/v1/ledger/resume/{hub}"), &())
                    .await?;
                Ok(Answer::of(
                    &reply,
                    format!("the ledger of {hub} is cosigned again"),
                ))
            }
            // The flag is there to be read by whoever types it: the command does nothing without it.
            Self::Confirm { alone: _, person, at } => {
                let body = ConfirmBody {
                    person: person.clone(),
                };
                let reply: Reply = Client::new(at)?.post("/v1/ledger/confirm-alone", &body).await?;
                Ok(act::said(&reply))
            }
            Self::Show { all, at } => Ok(show::show(&stored(at).await?, *all)),
        }
    }
}

/// The audit of a hub's ledger, for those who look at more than that.
pub(super) async fn audit(at: &At) -> Result<LedgerReport, Failure> {
    Ok(verify::examine(&stored(at).await?))
}

/// What the hub has, by way of the running process or from its folder.
async fn stored(at: &At) -> Result<StoredLedger, Failure> {
    let client = Client::new(at)?;
    let damaged = |sentence: String| Failure::new(exit::DATA, "ledger", sentence);
    let document: LedgerDocument = if client.is_running().await {
        client.get("/v1/ledger").await?
    } else {
        let (hub, _, store, _) = process::load(client.folder()?)?;
        stored_ledger(&hub, &store).map_err(damaged)?
    };
    document.read().map_err(damaged)
}

fn no_checkpoint() -> Failure {
    let sentence = "the hub has not signed a checkpoint yet; ask again after the next tick";
    Failure::new(exit::LATER, "no-checkpoint", sentence)
}
