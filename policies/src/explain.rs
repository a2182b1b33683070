//! Sentences for people: why a decision is what it is, in their language.
//!
//! English stands beside the rule, as its `@reason`. French and German come from the compiled-in
//! tables; a country adds them to its own rules as `@reason_fr` and `@reason_de`, which take
//! precedence. Where a language is missing, the English sentence is given rather than none.

use std::collections::BTreeMap;

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

/// The compiled-in tables: rule id to sentence.
#[derive(Debug, Clone)]
pub(crate) struct Sentences {
    tables: BTreeMap<Language, BTreeMap<String, String>>,
}

/// Key of the sentence for a denial that no rule explains.
const DEFAULT: &str = "default";
/// Key of the sentence for a question that could not be evaluated.
const ERRORS: &str = "errors";

const DEFAULT_ENGLISH: &str = "No rule permits this, and what no rule permits is denied.";
const ERRORS_ENGLISH: &str = "The question could not be evaluated without error, so the answer is no.";

impl Sentences {
    pub(crate) fn embedded() -> Result<Self, LoadError> {
        let texts = [
            (Language::French, include_str!("../reasons/fr.json")),
            (Language::German, include_str!("../reasons/de.json")),
        ];
        let mut tables = BTreeMap::new();
        for (language, text) in texts {
            let table = serde_json::from_str(text).map_err(|source| LoadError::Sentences {
                language: language.code(),
                source,
            })?;
            tables.insert(language, table);
        }
        Ok(Self { tables })
    }

    pub(crate) fn of_rule(&self, id: &str, rule: Option<&Rule>, language: Language) -> String {
        let annotated = |language: Language| rule.and_then(|rule| rule.sentences.get(language.annotation()));
        annotated(language)
            .or_else(|| self.table(language, id))
            .or_else(|| annotated(Language::English))
            .cloned()
            .unwrap_or_else(|| format!("Rule {id}."))
    }

    pub(crate) fn of_default(&self, language: Language) -> String {
        self.table(language, DEFAULT)
            .cloned()
            .unwrap_or_else(|| DEFAULT_ENGLISH.to_owned())
    }

    pub(crate) fn of_errors(&self, language: Language) -> String {
        self.table(language, ERRORS)
            .cloned()
            .unwrap_or_else(|| ERRORS_ENGLISH.to_owned())
    }

    fn table(&self, language: Language, key: &str) -> Option<&String> {
        self.tables.get(&language)?.get(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::Engine;

    #[test]
    fn every_rule_has_a_sentence_in_every_language() {
        let engine = Engine::embedded().expect("the compiled-in policies load");
        for id in engine.rules().keys() {
            let sentences: BTreeSet<String> = Language::ALL
                .into_iter()
                .map(|language| engine.sentence(id, language))
                .collect();
            assert_eq!(
                sentences.len(),
                Language::ALL.len(),
                "{id} is not in all languages: {sentences:?}"
            );
            assert!(
                sentences.iter().all(|sentence| sentence.ends_with('.')),
                "{id}: {sentences:?}"
            );
        }
    }

    #[test]
    fn no_table_explains_a_rule_that_does_not_exist() {
        let engine = Engine::embedded().expect("the compiled-in policies load");
        for (language, table) in Sentences::embedded().expect("the tables parse").tables {
            let rules = table
                .keys()
                .filter(|key| ![DEFAULT, ERRORS].contains(&key.as_str()));
            for id in rules {
                assert!(engine.rules().contains_key(id), "{}: {id}", language.code());
            }
            assert!(
                table.contains_key(DEFAULT) && table.contains_key(ERRORS),
                "{}",
                language.code()
            );
        }
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
