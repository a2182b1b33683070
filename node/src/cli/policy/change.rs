//! `testudo policy diff` and `activate`: other policies, shown before they count.

use testudo_core::views::{PolicyDiff, PolicyDifference};

use super::super::arguments::At;
use super::super::client::Client;
use super::super::outcome::{Answer, Failure, exit};
use crate::api::{ActivateBody, Activated};

pub(super) async fn diff(at: &At) -> Result<Answer, Failure> {
    let diff: PolicyDiff = Client::new(at)?.get("/v1/policy/diff").await?;
    let mut text = format!("active   {}\nproposed {}\n", diff.active, diff.proposed);
    if diff.active == diff.proposed {
        text.push_str("nothing has changed in the hub's policy folders\n");
    } else {
        let lines: String = diff.differences.iter().map(line).collect();
        text.push_str(&lines);
        text.push_str(&format!(
            "{} of {} answers over {} released items would change; nothing is sent again by itself\n",
            diff.differences.len(),
            diff.answers,
            diff.items
        ));
        text.push_str(&format!("\ntestudo policy activate --hash {}\n", diff.proposed));
    }
    Ok(Answer::of(&diff, text))
}

fn line(difference: &PolicyDifference) -> String {
    format!(
        "{} version {} {:<8} {} -> {} {}\n",
        difference.item,
        difference.version,
        difference.hub,
        difference.before,
        difference.after,
        difference.rules.join(" ")
    )
}

pub(super) async fn activate(at: &At, hash: &str) -> Result<Answer, Failure> {
    let hash = hash.parse().map_err(|error| {
        Failure::new(
            exit::USAGE,
            "usage",
            format!("--hash: {error}; `testudo policy diff` prints it"),
        )
    })?;
    let body = ActivateBody { hash };
    let activated: Activated = Client::new(at)?.post("/v1/policy/activate", &body).await?;
    let text = format!("active   {}\n", activated.active);
    Ok(Answer::of(&activated, text))
}
