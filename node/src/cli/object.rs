//! `testudo object`: what belongs to an item and is fetched apart.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde::Serialize;
use testudo_core::views::Reply;

use super::arguments::ItemAt;
use super::client::Client;
use super::outcome::{Answer, Failure, exit};
use crate::api::AttachmentLine;

/// How often the hub is asked how far it has come.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub(super) enum ObjectCommand {
    /// List the attachments of an item, with their numbers.
    List(ItemAt),
    /// Fetch an attachment from whoever sent the item, and write its content to a file.
    Fetch(Fetch),
}

/// Which attachment, and where it goes.
#[derive(Args)]
pub(super) struct Fetch {
    #[command(flatten)]
    item: ItemAt,
    /// Its number in `testudo show`; not needed where there is only one.
    number: Option<u32>,
    /// Where to write the content; the file must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long to wait, in seconds. The hub goes on by itself after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

/// What was written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    number: u32,
    bytes: u64,
}

impl ObjectCommand {
    pub(super) async fn run(self) -> Result<Answer, Failure> {
        match self {
            Self::List(item) => {
                let lines: Vec<AttachmentLine> =
                    Client::new(&item.at)?.get(&item.path("/attachments")?).await?;
                let text = lines.iter().map(line_text).collect::<String>();
                Ok(Answer::of(
                    &lines,
                    if text.is_empty() {
                        "no attachments".to_owned()
                    } else {
                        text
                    },
                ))
            }
            Self::Fetch(fetch) => fetch.run().await,
        }
    }
}

impl Fetch {
    async fn run(self) -> Result<Answer, Failure> {
        if self.out.exists() {
            let sentence = "the file of --out is there already; name another one";
            return Err(Failure::new(exit::CANNOT_CREATE, "file-exists", sentence));
        }
        let client = Client::new(&self.item.at)?;
        let number = match self.number {
            Some(number) => number,
            None => self.only_one(&client).await?,
        };
        let path = self.item.path(&format!("/attachments/{number}"))?;
        let _fetching: Reply = client.post(&format!("{path}/fetch"), &()).await?;
        self.wait_until_whole(&client, number).await?;
        // Whoever reads an attachment has opened its item.
        let _noted: Reply = client.post(&self.item.path("/open")?, &()).await?;
        let bytes = self.write(&client, &format!("{path}/content")).await?;
        let text = format!("written {bytes} bytes");
        Ok(Answer::of(&Fetched { number, bytes }, text))
    }

    async fn lines(&self, client: &Client) -> Result<Vec<AttachmentLine>, Failure> {
        client.get(&self.item.path("/attachments")?).await
    }

    async fn only_one(&self, client: &Client) -> Result<u32, Failure> {
        match self.lines(client).await?.as_slice() {
            [one] => Ok(one.view.number),
            [] => Err(Failure::new(
                exit::NOT_FOUND,
                "no-such-attachment",
                "the item has no attachments",
            )),
            many => {
                let count = many.len();
                let sentence = format!(
                    "the item has {count} attachments; give the number that `testudo show` lists it with"
                );
                Err(Failure::new(exit::USAGE, "usage", sentence))
            }
        }
    }

    async fn wait_until_whole(&self, client: &Client, number: u32) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        loop {
            let lines = self.lines(client).await?;
            let view = lines
                .iter()
                .map(|line| &line.view)
                .find(|view| view.number == number);
            match view.map(|view| view.state.as_str()) {
                Some("fetched") => return Ok(()),
                Some("fetching") => {}
                Some("not here") => {
                    let sentence = "nobody who sent the item gives this attachment; ask its originator, or try again later";
                    return Err(Failure::new(exit::NOT_FOUND, "not-here", sentence));
                }
                _ => {
                    let sentence =
                        "the attachment is not fetched any more: its item was withdrawn, or the disk is full";
                    return Err(Failure::new(exit::NOT_FOUND, "not-fetched", sentence));
                }
            }
            if Instant::now() >= deadline {
                let sentence = "the attachment is not here yet; the hub goes on fetching it, ask again later";
                return Err(Failure::new(exit::LATER, "not-yet", sentence));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Writes the whole content or nothing: under another name first, which takes its place when all of it is on disk.
    async fn write(&self, client: &Client, path: &str) -> Result<u64, Failure> {
        let begun = beside(&self.out);
        let written = self.write_to(&begun, client, path).await;
        if written.is_err() {
            // The failure that is told is the one that counts.
            let _left = std::fs::remove_file(&begun);
        }
        written
    }

    async fn write_to(&self, begun: &Path, client: &Client, path: &str) -> Result<u64, Failure> {
        let failed =
            |error: std::io::Error| Failure::new(exit::IO, "file", format!("cannot write --out: {error}"));
        let mut options = OpenOptions::new();
        let mut file: File = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(begun)
            .map_err(|error| {
                Failure::new(
                    exit::CANNOT_CREATE,
                    "file",
                    format!("cannot write beside --out: {error}"),
                )
            })?;
        let mut bytes: u64 = 0;
        client
            .download(path, |chunk| {
                bytes += chunk.len() as u64;
                file.write_all(chunk).map_err(failed)
            })
            .await?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(begun, &self.out).map_err(failed)?;
        Ok(bytes)
    }
}

/// The name under which a file is written until it is whole.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    name.into()
}

/// One line for each attachment, after its item.
pub(super) fn line_text(line: &AttachmentLine) -> String {
    let view = &line.view;
    let name = line
        .name
        .as_deref()
        .map_or_else(|| "(destroyed)".to_owned(), super::read::plain);
    let media_type = line.media_type.as_deref().unwrap_or("");
    let far = if view.state == "fetching" {
        format!(", {} of {} bytes", view.fetched, view.sealed)
    } else {
        String::new()
    };
    format!(
        "{:>3}  {name}  {media_type}, {} bytes, {}{far}\n",
        view.number, view.bytes, view.state
    )
}
