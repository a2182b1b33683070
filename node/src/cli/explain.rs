//! `testudo explain`: what a code means, without a hub.

use serde_json::json;

use super::outcome::{Answer, Failure, exit};
use crate::codes::{self, Code};

/// One code, or all of them.
pub(super) fn run(name: Option<&str>) -> Result<Answer, Failure> {
    let Some(name) = name else {
        let listed: Vec<_> = codes::all().map(document).collect();
        let text: String = codes::all()
            .map(|code| format!("{:<20} {}\n", code.name, code.meaning))
            .collect();
        return Ok(Answer::of(&listed, text));
    };
    match codes::find(name) {
        Some(code) => {
            let Code {
                name,
                meaning,
                remedy,
            } = code;
            Ok(Answer::Document(
                document(code),
                format!("{name}: {meaning}\nWhat to do: {remedy}"),
            ))
        }
        None => Err(Failure::new(exit::NOT_FOUND, "no-such-code", unknown(name))),
    }
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    // Rules have a table of their own, which the policies bring along.
    let rule = name
        .strip_prefix("R-")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if rule {
        format!("`{shown}` is a rule and no code; `testudo policy explain {shown}` explains it")
    } else {
        format!("no code `{shown}`; `testudo explain` lists all")
    }
}

fn document(code: &Code) -> serde_json::Value {
    json!({"code": code.name, "meaning": code.meaning, "remedy": code.remedy})
}
