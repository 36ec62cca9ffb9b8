//! The languages that people are told things in.

use unic_langid::LanguageIdentifier;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    English,
    /// Polish.
    Polish,
    /// Russian.
    Russian,
}

/// A word that names none of the languages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language {0:?}: en, pl and ru are known")]
pub struct UnknownLanguage(pub String);

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Polish, Self::Russian];

    /// Its tag: `en`, `pl` or `ru`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Polish => "pl",
            Self::Russian => "ru",
        }
    }

    pub(crate) fn identifier(self) -> LanguageIdentifier {
        // The tags above are well formed; the default has the plural rules of no language in particular.
        LanguageIdentifier::from_bytes(self.tag().as_bytes()).unwrap_or_default()
    }

    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../words/en.ftl"),
            Self::Polish => include_str!("../words/pl.ftl"),
            Self::Russian => include_str!("../words/ru.ftl"),
        }
    }
}

impl std::str::FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL
            .into_iter()
            .find(|language| language.tag() == tag)
            .ok_or_else(|| UnknownLanguage(tag.to_owned()))
    }
}
