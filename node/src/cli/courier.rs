//! `testudo courier`: what hubs have to say, carried by hand.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use testudo_core::views::Reply;
use testudo_protocol::courier::{PARCELS_MAX, read_file, write_file};

use super::act::{hub, said};
use super::arguments::At;
use super::client::Client;
use super::ledger::{unwritable, write_private};
use super::outcome::{Answer, Failure, chain, exit};
use crate::api::PARCEL_HEADER;

/// What to do with parcels.
#[derive(Subcommand)]
pub(super) enum CourierCommand {
    /// Write what hubs are owed into a file that is carried to them.
    Export {
        /// For whom; once for each hub.
        #[arg(long = "for", value_name = "HUB", required = true)]
        to: Vec<String>,
        /// The file; it must not exist yet.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Take in what a file holds for this hub.
    Import {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

impl CourierCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Export { to, file, at } => export(to, file, &Client::new(at)?).await,
            Self::Import { file, at } => import(file, &Client::new(at)?).await,
        }
    }
}

async fn export(to: &[String], file: &Path, client: &Client) -> Result<Answer, Failure> {
    if to.len() > PARCELS_MAX {
        let sentence = format!("a file holds at most {PARCELS_MAX} parcels");
        return Err(Failure::new(exit::USAGE, "usage", sentence));
    }
    let mut replies = Vec::new();
    let mut parcels = Vec::new();
    for code in to {
        let path = format!("/v1/courier/pack/{}", hub("for", code)?);
        let (reply, parcel): (Reply, _) = client.post_for_bytes(&path, &PARCEL_HEADER).await?;
        replies.push(reply);
        parcels.push(parcel);
    }
    // Synced before it is said to be there: whoever carries the stick away has the whole file.
    write_private(file, &write_file(&parcels)).map_err(|error| unwritable(file, &error))?;
    Ok(Answer::of(&json!({ "parcels": replies }), texts(&replies)))
}

async fn import(file: &Path, client: &Client) -> Result<Answer, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        let sentence = format!("cannot read `{}`: {error}", file.display());
        Failure::new(exit::USAGE, "usage", sentence)
    })?;
    let parcels =
        read_file(&bytes).map_err(|error| Failure::new(exit::DATA, "parcel-file", chain(&error)))?;
    let mut replies: Vec<Reply> = Vec::new();
    let mut refusals = Vec::new();
    for parcel in &parcels {
        match client.post_bytes("/v1/courier/take", parcel.to_vec()).await {
            Ok(reply) => replies.push(reply),
            // A file may hold parcels for others, and nothing tells which they are.
            Err(failure) => refusals.push(failure),
        }
    }
    let others = refusals.len();
    match (replies.is_empty(), refusals.into_iter().next()) {
        (true, Some(refusal)) => Err(refusal),
        _ => {
            let document = json!({ "parcels": replies, "notTaken": others });
            let mut text = texts(&replies);
            if others > 0 {
                text.push_str(&format!("\n{others} parcels are not for this hub"));
            }
            Ok(Answer::of(&document, text))
        }
    }
}

fn texts(replies: &[Reply]) -> String {
    let texts: Vec<String> = replies.iter().map(|reply| said(reply).into_text()).collect();
    texts.join("\n")
}
