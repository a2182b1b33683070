//! `testudo policy explain`: a rule in words.

use serde::Serialize;
use testudo_policies::engine::Engine;
use testudo_policies::explain::{CORE_RULES, Language};

use super::super::outcome::{Answer, Failure, exit};

/// One rule, for people and tools.
#[derive(Serialize)]
struct Explained {
    rule: String,
    /// `permit`, `forbid`, or `core` for what the hub itself enforces.
    effect: &'static str,
    sentence: String,
    basis: Option<String>,
    file: Option<String>,
}

pub(super) fn run(rules: &[String], engine: &Engine, locale: &str) -> Result<Answer, Failure> {
    let language = Language::of_locale(locale);
    let mut known: Vec<String> = engine.rules().keys().cloned().collect();
    known.extend(CORE_RULES.map(ToOwned::to_owned));
    known.sort();
    if let Some(unknown) = rules.iter().find(|rule| !known.contains(rule)) {
        let shown: String = unknown.chars().take(64).collect();
        return Err(Failure::new(
            exit::NOT_FOUND,
            "no-such-rule",
            format!("no rule `{shown}`; `testudo policy explain` lists them all"),
        ));
    }
    let asked = if rules.is_empty() { &known } else { rules };
    let explained: Vec<Explained> = asked.iter().map(|rule| one(rule, engine, language)).collect();
    let text = explained.iter().map(text).collect::<Vec<_>>().join("\n");
    Ok(Answer::of(&explained, text))
}

fn one(id: &str, engine: &Engine, language: Language) -> Explained {
    let rule = engine.rules().get(id);
    Explained {
        rule: id.to_owned(),
        effect: match rule {
            Some(rule) if rule.forbids => "forbid",
            Some(_) => "permit",
            None => "core",
        },
        sentence: engine.sentence(id, language),
        basis: rule.map(|rule| rule.basis.clone()),
        file: rule.map(|rule| rule.file.clone()),
    }
}

fn text(explained: &Explained) -> String {
    let mut text = format!(
        "{:<8} {:<7} {}\n",
        explained.rule, explained.effect, explained.sentence
    );
    if let Some(basis) = &explained.basis {
        text.push_str(&format!("                 {basis}\n"));
    }
    if let Some(file) = &explained.file {
        text.push_str(&format!("                 {file}\n"));
    }
    text
}
