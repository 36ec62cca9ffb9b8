//! Words in the languages of the configuration.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};

/// A language that reports are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Polish.
    Polish,
    /// Russian.
    Russian,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Polish, Self::Russian];

    /// The word of the configuration, which is the tag of BCP 47, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Polish => "pl",
            Self::Russian => "ru",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../words/en.ftl"),
            Self::Polish => include_str!("../words/pl.ftl"),
            Self::Russian => include_str!("../words/ru.ftl"),
        }
    }
}

impl std::str::FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(word: &str) -> Result<Self, UnknownLanguage> {
        let known = Self::ALL.into_iter().find(|language| language.as_str() == word);
        known.ok_or(UnknownLanguage)
    }
}

/// A word that names no language of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reports are written in en, pl or ru")]
pub struct UnknownLanguage;

/// The words of one language.
pub(crate) struct Words {
    pub(crate) language: Language,
    bundle: FluentBundle<FluentResource>,
}

static ENGLISH: LazyLock<Words> = LazyLock::new(|| Words::new(Language::English));
static POLISH: LazyLock<Words> = LazyLock::new(|| Words::new(Language::Polish));
static RUSSIAN: LazyLock<Words> = LazyLock::new(|| Words::new(Language::Russian));

/// The words of a language.
pub(crate) fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Polish => &POLISH,
        Language::Russian => &RUSSIAN,
    }
}

impl Words {
    fn new(language: Language) -> Self {
        let locale = language.as_str().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // Marks around what is put in would be seen in files and mails.
        bundle.set_use_isolating(false);
        // The files are part of the program, and a test reads them without a fault.
        let resource =
            FluentResource::try_new(language.source().to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    /// A text. A key that is not there stands for itself: a test finds those.
    pub(crate) fn text(&self, key: &str) -> String {
        self.fill(key, None).unwrap_or_else(|| key.to_owned())
    }

    /// A text with something put in.
    pub(crate) fn with(&self, key: &str, arguments: &[(&str, &str)]) -> String {
        let mut given = FluentArgs::with_capacity(arguments.len());
        for (name, value) in arguments {
            given.set((*name).to_owned(), (*value).to_owned());
        }
        self.fill(key, Some(&given)).unwrap_or_else(|| key.to_owned())
    }

    /// The word for one of a set, such as a reason; of one that is newer than the words, the stable word itself.
    pub(crate) fn of(&self, set: &str, word: &str) -> String {
        let key = format!("{set}-{word}");
        self.fill(&key, None).unwrap_or_else(|| word.replace('_', " "))
    }

    fn fill(&self, key: &str, arguments: Option<&FluentArgs<'_>>) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut faults = Vec::new();
        let text = self.bundle.format_pattern(pattern, arguments, &mut faults);
        debug_assert!(faults.is_empty(), "{key}: {faults:?}");
        Some(text.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The keys of a language, each with the names that are put in.
    fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        FluentResource::try_new(language.source().to_owned())
            .unwrap_or_else(|(_, faults)| panic!("{language:?}: {faults:?}"));
        let lines = language.source().lines();
        let entries = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        let mut found = BTreeMap::new();
        for line in entries {
            let (key, text) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
            let names = text.split("{ $").skip(1);
            let names = names.filter_map(|rest| rest.split_once(" }"));
            let names = names.map(|(name, _)| name.to_owned()).collect();
            assert!(
                found.insert(key.to_owned(), names).is_none(),
                "{language:?} has {key} twice"
            );
        }
        found
    }

    #[test]
    fn every_language_has_every_key_and_puts_in_the_same() {
        let english = keys(Language::English);
        assert!(english.len() > 150, "the words were not found");
        for language in Language::ALL {
            assert_eq!(keys(language), english, "{language:?}");
        }
    }

    #[test]
    fn every_word_of_the_domain_has_words() {
        use saldo_domain::discrepancy::DiscrepancyKind;
        use saldo_domain::review::ReviewReason;
        let english = keys(Language::English);
        let reasons = ReviewReason::ALL.map(|reason| format!("reason-{reason}"));
        let kinds = DiscrepancyKind::ALL.map(|kind| format!("kind-{kind}"));
        for key in reasons.iter().chain(&kinds) {
            assert!(english.contains_key(key), "{key}");
        }
    }

    #[test]
    fn what_is_put_in_stays_as_it_is() {
        for language in Language::ALL {
            let text = words(language).with("report-scope-account", &[("account", "{ $x } <b>")]);
            assert!(text.ends_with("{ $x } <b>"), "{text}");
        }
    }
}
