//! `testudo consent`: one onward disclosure, asked for, granted or refused.

use clap::{Args, Subcommand};
use testudo_core::views::{ConsentAskView, Reply};

use super::act::{hub, said};
use super::arguments::{At, ItemAt};
use super::client::Client;
use super::outcome::{Answer, Failure};
use crate::api::{ConsentAskBody, ConsentBody, ConsentRefusalBody};

/// What to do about consent.
#[derive(Subcommand)]
pub(super) enum ConsentCommand {
    /// Ask the originator of an item whether it may go to one more hub.
    Ask(Ask),
    /// Consent to the onward disclosure of one of our own items.
    Grant(Grant),
    /// Refuse a hub that has asked.
    Refuse(Refuse),
    /// Who asked for what, and how it stands.
    List {
        #[command(flatten)]
        at: At,
    },
}

/// A question.
#[derive(Args)]
pub(super) struct Ask {
    #[command(flatten)]
    item: ItemAt,
    /// To whom it should go.
    #[arg(long = "for", value_name = "HUB")]
    recipient: String,
    /// For what.
    #[arg(long)]
    purpose: String,
    /// Until when an answer is waited for, Unix seconds.
    #[arg(long, value_name = "SECONDS")]
    deadline: u64,
}

/// A consent.
#[derive(Args)]
pub(super) struct Grant {
    #[command(flatten)]
    item: ItemAt,
    /// Who may forward it.
    #[arg(long, value_name = "HUB")]
    holder: String,
    /// To whom.
    #[arg(long = "for", value_name = "HUB")]
    recipient: String,
    /// Until when, Unix seconds.
    #[arg(long, value_name = "SECONDS")]
    until: u64,
    /// For what.
    #[arg(long)]
    purpose: String,
}

/// A refusal.
#[derive(Args)]
pub(super) struct Refuse {
    #[command(flatten)]
    item: ItemAt,
    /// Who has asked.
    #[arg(long, value_name = "HUB")]
    holder: String,
    /// To whom it should have gone.
    #[arg(long = "for", value_name = "HUB")]
    recipient: String,
}

impl ConsentCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Ask(ask) => ask.run().await,
            Self::Grant(grant) => grant.run().await,
            Self::Refuse(refuse) => refuse.run().await,
            Self::List { at } => list(at).await,
        }
    }
}

impl Ask {
    async fn run(&self) -> Result<Answer, Failure> {
        let body = ConsentAskBody {
            recipient: hub("for", &self.recipient)?,
            purpose: self.purpose.clone(),
            deadline: self.deadline,
        };
        let path = self.item.path("/consent/ask")?;
        let reply: Reply = Client::new(&self.item.at)?.post(&path, &body).await?;
        Ok(said(&reply))
    }
}

impl Grant {
    async fn run(&self) -> Result<Answer, Failure> {
        let body = ConsentBody {
            holder: hub("holder", &self.holder)?,
            recipient: hub("for", &self.recipient)?,
            until: self.until,
            purpose: self.purpose.clone(),
        };
        let path = self.item.path("/consent")?;
        let reply: Reply = Client::new(&self.item.at)?.post(&path, &body).await?;
        Ok(said(&reply))
    }
}

impl Refuse {
    async fn run(&self) -> Result<Answer, Failure> {
        let body = ConsentRefusalBody {
            holder: hub("holder", &self.holder)?,
            recipient: hub("for", &self.recipient)?,
        };
        let path = self.item.path("/consent/refuse")?;
        let reply: Reply = Client::new(&self.item.at)?.post(&path, &body).await?;
        Ok(said(&reply))
    }
}

async fn list(at: &At) -> Result<Answer, Failure> {
    let asks: Vec<ConsentAskView> = Client::new(at)?.get("/v1/consents").await?;
    let text: String = asks
        .iter()
        .map(|ask| {
            format!(
                "{:<8} {} version {} of {}: {} to {}, answer by {}\n",
                ask.state, ask.item, ask.version, ask.originator, ask.holder, ask.recipient, ask.deadline
            )
        })
        .collect();
    Ok(Answer::of(&asks, text))
}
