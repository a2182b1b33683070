//! `testudo policy`: the release policies, with and without a hub.

mod cases;
mod change;
mod explain;
mod folder;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use testudo_policies::answer::Answer as PolicyAnswer;
use testudo_policies::date::Date;
use testudo_policies::engine::{Asked, Engine};
use testudo_policies::layers::Layers;

use super::arguments::At;
use super::outcome::{Answer, Failure, chain, exit};
use crate::process::policy_folder;

/// What to ask.
#[derive(Subcommand)]
pub(super) enum PolicyCommand {
    /// Decide one request, or an array of them, from a file. Exit 0 for permit, 4 for deny.
    Decide {
        /// The request, as `docs/spec/` describes it.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        #[command(flatten)]
        overlays: Overlays,
    },
    /// What a rule means, what it rests on, and where it stands; all rules without ids.
    Explain {
        /// Rule ids, such as R-07.
        rules: Vec<String>,
        #[command(flatten)]
        overlays: Overlays,
        #[command(flatten)]
        language: Spoken,
    },
    /// Run cases: each file is a request with the answer that it must get. Exit 1 if one does not.
    Test {
        /// Folder of cases, read with its subfolders.
        #[arg(long, value_name = "DIR", default_value = "policies/cases")]
        cases: PathBuf,
        #[command(flatten)]
        overlays: Overlays,
    },
    /// Which released items would reach whom under the policies in the hub's folders, before they are activated.
    Diff {
        #[command(flatten)]
        at: At,
    },
    /// Activate the policies in the hub's folders, exactly those that `diff` showed.
    Activate {
        #[command(flatten)]
        at: At,
        /// The hash that `diff` printed.
        #[arg(long, value_name = "HASH")]
        hash: String,
    },
    /// What a marking of a state or of the European Union means on a day.
    Marking {
        /// Code of the authority, such as ES or EU.
        #[arg(long, value_name = "CODE")]
        authority: String,
        /// The marking, to the letter.
        #[arg(long)]
        text: String,
        /// Day of the item, as YYYY-MM-DD.
        #[arg(long)]
        date: String,
    },
}

/// Policies of a country, beside the compiled-in baseline.
#[derive(Args)]
pub(super) struct Overlays {
    /// Folder of national policies.
    #[arg(long, value_name = "DIR")]
    national: Option<PathBuf>,
    /// Folder of intake policies.
    #[arg(long, value_name = "DIR")]
    intake: Option<PathBuf>,
}

/// The language of sentences.
#[derive(Args, Clone)]
pub(super) struct Spoken {
    /// Language of the sentences: en, fr or de; by default that of the environment.
    #[arg(long, value_name = "CODE")]
    pub lang: Option<String>,
}

impl Spoken {
    /// The code that was given, or else the locale of the environment.
    pub(super) fn locale(&self) -> String {
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.lang
            .clone()
            .or_else(|| of("LC_ALL"))
            .or_else(|| of("LC_MESSAGES"))
            .or_else(|| of("LANG"))
            .unwrap_or_default()
    }
}

impl Overlays {
    fn engine(&self) -> Result<Engine, Failure> {
        let mut layers = Layers::embedded();
        if let Some(folder) = &self.national {
            layers = layers.with_national(policy_folder(folder));
        }
        if let Some(folder) = &self.intake {
            layers = layers.with_intake(policy_folder(folder));
        }
        Engine::load(&layers).map_err(|error| Failure::new(exit::CONFIG, "policies", chain(&error)))
    }
}

impl PolicyCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Decide { request, overlays } => decide(request, &overlays.engine()?),
            Self::Explain {
                rules,
                overlays,
                language,
            } => explain::run(rules, &overlays.engine()?, &language.locale()),
            Self::Test { cases, overlays } => cases::run(cases, &overlays.engine()?),
            Self::Diff { at } => change::diff(at).await,
            Self::Activate { at, hash } => change::activate(at, hash).await,
            Self::Marking {
                authority,
                text,
                date,
            } => marking(authority, text, date),
        }
    }
}

fn decide(request: &std::path::Path, engine: &Engine) -> Result<Answer, Failure> {
    let text = std::fs::read(request).map_err(|error| {
        Failure::new(
            exit::USAGE,
            "no-such-file",
            format!("cannot read `{}`: {error}", request.display()),
        )
    })?;
    let answer = engine.answer(&text, Asked::Everything);
    let denied = matches!(&answer, PolicyAnswer::One(decision) if !decision.is_permit());
    let document = serde_json::to_value(&answer).unwrap_or_default();
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    let code = if denied {
        ExitCode::from(exit::POLICY)
    } else {
        ExitCode::SUCCESS
    };
    Ok(Answer::Decided(document, text, code))
}

fn marking(authority: &str, text: &str, date: &str) -> Result<Answer, Failure> {
    let date: Date = date
        .parse()
        .map_err(|error| Failure::new(exit::USAGE, "usage", format!("--date: {error}")))?;
    let engine = Engine::embedded().map_err(|error| Failure::new(exit::CONFIG, "policies", chain(&error)))?;
    let meaning = engine
        .markings()
        .meaning(authority, text, date)
        .map_err(|error| Failure::new(exit::POLICY, error.code(), error.to_string()))?;
    let status = serde_json::to_value(meaning.status).unwrap_or_default();
    let mut lines = format!(
        "{} of {} on {date}: level {} {}\nstatus {}\nsource {}\n",
        meaning.text,
        meaning.authority,
        meaning.level.get(),
        meaning.level_name,
        status.as_str().unwrap_or_default(),
        meaning.source
    );
    if let Some(note) = &meaning.note {
        lines.push_str(&format!("note   {note}\n"));
    }
    Ok(Answer::of(&meaning, lines))
}
