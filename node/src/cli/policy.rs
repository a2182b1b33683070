//! `testudo policy`: the release policies without a hub.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use testudo_policies::answer::Answer as PolicyAnswer;
use testudo_policies::engine::{Asked, Engine};
use testudo_policies::layers::Layers;

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
        /// Folder of national policies.
        #[arg(long, value_name = "DIR")]
        national: Option<PathBuf>,
        /// Folder of intake policies.
        #[arg(long, value_name = "DIR")]
        intake: Option<PathBuf>,
    },
}

impl PolicyCommand {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let Self::Decide {
            request,
            national,
            intake,
        } = self;
        let mut layers = Layers::embedded();
        if let Some(folder) = national {
            layers = layers.with_national(policy_folder(folder));
        }
        if let Some(folder) = intake {
            layers = layers.with_intake(policy_folder(folder));
        }
        let engine =
            Engine::load(&layers).map_err(|error| Failure::new(exit::CONFIG, "policies", chain(&error)))?;
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
            ExitCode::from(4)
        } else {
            ExitCode::SUCCESS
        };
        Ok(Answer::Decided(document, text, code))
    }
}
