//! Sentences for people: why a decision is what it is, in their language.
//!
//! English stands beside the rule, as its `@reason`. French and German, and the sentences for what
//! no Cedar rule says, are Fluent files in `reasons/`; a country adds them to its own rules as
//! `@reason_fr` and `@reason_de`, which take precedence. Where a language is missing, the English
//! sentence is given rather than none.

use std::collections::BTreeMap;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};

use crate::policy_set::{LoadError, Rule};

/// A language of the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
    /// German.
    German,
}

impl Language {
    /// Every language that has sentences.
    pub const ALL: [Self; 3] = [Self::English, Self::French, Self::German];

    /// ISO 639-1 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
        }
    }

    /// The language of a locale such as `fr`, `fr_BE.UTF-8` or `de-AT`; English for any other.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        let code = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| language.code().eq_ignore_ascii_case(code))
            .unwrap_or(Self::English)
    }

    const fn annotation(self) -> &'static str {
        match self {
            Self::English => "reason",
            Self::French => "reason_fr",
            Self::German => "reason_de",
        }
    }
}

/// The compiled-in sentences, one Fluent bundle per language.
pub(crate) struct Sentences {
    bundles: BTreeMap<Language, FluentBundle<FluentResource>>,
}

/// Rules that the core enforces and that no Cedar policy states: high-water mark, urgency, who may
/// change a label, licences.
pub const CORE_RULES: [&str; 4] = ["R-18", "R-20", "R-21", "R-22"];

/// Key of the sentence for a denial that no rule explains.
const DEFAULT: &str = "default";
/// Key of the sentence for a question that could not be evaluated.
const ERROR: &str = "error";
/// Key of the sentence for a rule whose author gave none; it names the rule.
const NO_REASON: &str = "no-reason";

impl Sentences {
    pub(crate) fn embedded() -> Result<Self, LoadError> {
        let texts = [
            (Language::English, include_str!("../reasons/en.ftl")),
            (Language::French, include_str!("../reasons/fr.ftl")),
            (Language::German, include_str!("../reasons/de.ftl")),
        ];
        let mut bundles = BTreeMap::new();
        for (language, text) in texts {
            bundles.insert(language, bundle(language, text)?);
        }
        Ok(Self { bundles })
    }

    /// The sentence of a rule: its author's in this language, ours, its author's in English.
    pub(crate) fn of_rule(&self, id: &str, rule: Option<&Rule>, language: Language) -> String {
        let annotated = |language: Language| rule.and_then(|rule| rule.sentences.get(language.annotation()));
        annotated(language)
            .cloned()
            .or_else(|| self.ours(language, id))
            .or_else(|| annotated(Language::English).cloned())
            .or_else(|| self.ours(Language::English, id))
            .or_else(|| self.format(language, NO_REASON, id))
            .unwrap_or_else(|| id.to_owned())
    }

    pub(crate) fn of_default(&self, language: Language) -> String {
        self.of_rule(DEFAULT, None, language)
    }

    pub(crate) fn of_errors(&self, language: Language) -> String {
        self.of_rule(ERROR, None, language)
    }

    fn ours(&self, language: Language, key: &str) -> Option<String> {
        // A national rule may not borrow the name of the sentence that takes an argument.
        (key != NO_REASON)
            .then(|| self.format(language, key, key))
            .flatten()
    }

    fn format(&self, language: Language, key: &str, rule: &str) -> Option<String> {
        let bundle = self.bundles.get(&language)?;
        let pattern = bundle.get_message(key)?.value()?;
        let mut arguments = FluentArgs::new();
        arguments.set("rule", rule);
        let mut errors = Vec::new();
        let sentence = bundle.format_pattern(pattern, Some(&arguments), &mut errors);
        errors.is_empty().then(|| sentence.into_owned())
    }
}

fn bundle(language: Language, text: &str) -> Result<FluentBundle<FluentResource>, LoadError> {
    let failed = |what: String| LoadError::Sentences {
        language: language.code(),
        what,
    };
    let locale = language
        .code()
        .parse()
        .map_err(|error| failed(format!("{error:?}")))?;
    let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, errors)| {
        failed(
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )
    })?;
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Sentences go to terminals and logs, where the marks for mixed directions would be noise.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|errors| {
        failed(
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )
    })?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::Engine;

    fn engine() -> Engine {
        Engine::embedded().expect("the compiled-in policies load")
    }

    /// Every id that can stand in an answer.
    fn ids(engine: &Engine) -> BTreeSet<String> {
        let outside = CORE_RULES
            .into_iter()
            .chain([DEFAULT, ERROR, "no-recorded-decision"]);
        (engine.rules().keys().cloned())
            .chain(outside.map(ToOwned::to_owned))
            .collect()
    }

    #[test]
    fn every_id_has_a_sentence_in_every_language() {
        let engine = engine();
        for id in ids(&engine) {
            let sentences: BTreeSet<String> = Language::ALL
                .into_iter()
                .map(|language| engine.sentence(&id, language))
                .collect();
            assert_eq!(
                sentences.len(),
                Language::ALL.len(),
                "{id} is not in all languages: {sentences:?}"
            );
            assert!(
                sentences
                    .iter()
                    .all(|sentence| sentence.ends_with('.') && !sentence.starts_with("Rule ")),
                "{id}: {sentences:?}"
            );
        }
    }

    #[test]
    fn no_language_explains_what_does_not_exist() {
        let known = ids(&engine());
        for text in [
            include_str!("../reasons/en.ftl"),
            include_str!("../reasons/fr.ftl"),
            include_str!("../reasons/de.ftl"),
        ] {
            let keys = text.lines().filter_map(|line| line.split_once(" = "));
            for (key, _) in keys {
                assert!(key == NO_REASON || known.contains(key), "{key}");
            }
        }
    }

    #[test]
    fn a_rule_without_a_reason_is_named() {
        let sentences = Language::ALL.map(|language| engine().sentence("national/own.cedar#1", language));
        assert_eq!(
            sentences[0],
            "Rule national/own.cedar#1 applies, and its author has given no reason."
        );
        assert!(
            sentences
                .iter()
                .all(|sentence| sentence.contains("national/own.cedar#1"))
        );
    }

    #[test]
    fn a_locale_names_its_language() {
        assert_eq!(Language::of_locale("fr_BE.UTF-8"), Language::French);
        assert_eq!(Language::of_locale("de-AT"), Language::German);
        assert_eq!(Language::of_locale("DE"), Language::German);
        for other in ["en_GB", "fi", "", "C", "deu"] {
            assert_eq!(Language::of_locale(other), Language::English, "{other}");
        }
    }
}
