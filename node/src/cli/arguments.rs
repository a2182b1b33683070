//! The words that the command understands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use testudo_protocol::id::ItemId;

use super::label::DraftFlags;
use super::outcome::{Answer, Failure, exit, finish};
use super::{
    act, charter, config, consent, courier, doctor, draft, explain, init, key, ledger, object, policy, read,
    serve, statement, status,
};

/// Sovereign sharing of assessments of foreign information manipulation.
#[derive(Parser)]
#[command(name = "testudo", version, about, max_term_width = 110)]
pub(super) struct Arguments {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Where the hub is.
#[derive(Args, Clone)]
pub(super) struct At {
    /// The hub's data folder.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// One item of a hub.
#[derive(Args)]
pub(super) struct ItemAt {
    /// The item's id.
    pub item: String,
    #[command(flatten)]
    pub at: At,
}

impl ItemAt {
    /// Where the hub answers about this item.
    ///
    /// The id is parsed first, because anything else in its place could name another address.
    pub fn path(&self, act: &str) -> Result<String, Failure> {
        Ok(format!("/v1/items/{}{act}", item_id(&self.item)?))
    }
}

/// An item id as somebody typed it.
pub(super) fn item_id(text: &str) -> Result<ItemId, Failure> {
    text.parse().map_err(|error| {
        let sentence = format!("item id: {error}; `testudo inbox` and `testudo released` list them");
        Failure::new(exit::USAGE, "usage", sentence)
    })
}

#[derive(Subcommand)]
enum Command {
    /// Make a hub: keys, configuration and card in an empty folder.
    Init(init::Init),
    /// Who is in, by whose votes: propose, sign, submit and look at the charter.
    #[command(subcommand)]
    Charter(Box<charter::CharterCommand>),
    /// This hub's own keys: show, replace and revoke them, with its root key offline.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Run the hub until it is told to stop.
    Serve {
        #[command(flatten)]
        at: At,
        /// Record every byte of every substream in this folder (test builds alone).
        #[arg(long, value_name = "DIR")]
        tap: Option<PathBuf>,
    },
    /// How the hub is; `status holdings` lists who holds what.
    Status {
        #[command(flatten)]
        at: StatusAt,
        #[command(subcommand)]
        what: Option<status::StatusWhat>,
    },
    /// Look at machine, data folder and hub, running or stopped; every finding says what to do. Exit 1 if one fails.
    Doctor {
        /// The hub's data folder; the current one without it.
        #[arg(long, value_name = "DIR", default_value = ".")]
        data: PathBuf,
    },
    /// Say what a code means and what to do; all codes without one. Needs no hub.
    Explain {
        /// The code that a refusal, an error or a finding printed.
        code: Option<String>,
    },
    /// Check and show the configuration. Needs no hub.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Who would get a draft, who would not, and by which rule.
    Preview {
        #[command(flatten)]
        draft: DraftFlags,
        #[command(flatten)]
        language: policy::Spoken,
        #[command(flatten)]
        at: At,
    },
    /// Release a draft to exactly those whom the preview named.
    Release {
        #[command(flatten)]
        draft: DraftFlags,
        /// The hash that `preview` printed.
        #[arg(long, value_name = "HASH")]
        preview: String,
        #[command(flatten)]
        at: At,
    },
    /// Keep a draft for a second person: from a file, or cut down from an item of our own.
    Draft(draft::Keep),
    /// The draft of a new version of an item of our own, with the same contents and a lower label.
    Downgrade(draft::Downgrade),
    /// The drafts that are kept, and how each stands.
    Drafts {
        #[command(flatten)]
        at: At,
    },
    /// Put a draft up for review.
    Review(draft::DraftAt),
    /// Approve what the preview of somebody else's draft showed.
    Approve(draft::Approve),
    /// Refuse a draft that is in review.
    Refuse(draft::DraftAt),
    /// Throw a draft away.
    Discard(draft::DraftAt),
    /// Give another hub's item to one more hub.
    Forward {
        #[command(flatten)]
        item: ItemAt,
        /// To whom.
        #[arg(long, value_name = "HUB")]
        to: String,
    },
    /// Ask for, grant or refuse the onward disclosure of an item.
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// Withdraw one of our own items, in all versions, from everyone who has it.
    Retract(ItemAt),
    /// What has arrived.
    Inbox {
        #[command(flatten)]
        at: At,
    },
    /// What this hub has released.
    Released {
        #[command(flatten)]
        at: At,
    },
    /// Open an item; its originator learns that a person here did.
    Show(ItemAt),
    /// Acknowledge an item to its originator.
    Ack(ItemAt),
    /// List and fetch the attachments of an item.
    #[command(subcommand)]
    Object(object::ObjectCommand),
    /// Verify the hub's own record.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Carry what hubs have to say by hand, where no stream reaches.
    #[command(subcommand)]
    Courier(courier::CourierCommand),
    /// Sign what an authority approves: a deployment, or a cipher suite.
    #[command(subcommand)]
    Statement(statement::StatementCommand),
    /// Ask the release policies without a hub.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

/// `--data`, which a subcommand of `status` may also carry.
#[derive(Args, Clone)]
pub(super) struct StatusAt {
    /// The hub's data folder.
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
}

/// The variables that belong to the configuration.
pub(super) fn environment() -> BTreeMap<String, String> {
    // Not `vars`, which panics over any variable that is not UTF-8, ours or not.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("TESTUDO__"))
        .collect()
}

impl Arguments {
    pub(super) async fn run(self) -> ExitCode {
        let outcome = self.command.run().await;
        finish(outcome, self.json)
    }
}

impl Command {
    async fn run(self) -> Result<Answer, Failure> {
        match self {
            Self::Init(init) => init.run(),
            Self::Charter(command) => command.run().await,
            Self::Key(command) => command.run().await,
            Self::Serve { at, tap } => serve::run(&at, tap).await,
            Self::Status { at, what } => status::run(at, what).await,
            Self::Doctor { data } => doctor::run(&At { data }).await,
            Self::Explain { code } => explain::run(code.as_deref()),
            Self::Config(command) => command.run(),
            Self::Preview { draft, language, at } => act::preview(&draft, &language, &at).await,
            Self::Release { draft, preview, at } => act::release(&draft, &preview, &at).await,
            Self::Draft(keep) => keep.run().await,
            Self::Downgrade(downgrade) => downgrade.run().await,
            Self::Drafts { at } => draft::list(&at).await,
            Self::Review(draft) => draft.run("review").await,
            Self::Approve(approve) => approve.run().await,
            Self::Refuse(draft) => draft.run("refuse").await,
            Self::Discard(draft) => draft.run("discard").await,
            Self::Forward { item, to } => act::forward(&item, &to).await,
            Self::Consent(command) => command.run().await,
            Self::Retract(item) => act::on_item(&item, "/retract").await,
            Self::Inbox { at } => read::inbox(&at).await,
            Self::Released { at } => read::released(&at).await,
            Self::Show(item) => read::show(&item).await,
            Self::Ack(item) => act::on_item(&item, "/acknowledge").await,
            Self::Object(command) => command.run().await,
            Self::Ledger(command) => command.run().await,
            Self::Courier(command) => command.run().await,
            Self::Policy(command) => command.run().await,
            Self::Statement(command) => command.run(),
        }
    }
}
