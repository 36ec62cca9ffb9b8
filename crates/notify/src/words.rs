//! The words of a language, with its plural rules.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::language::Language;

#[cfg(test)]
mod tests;

/// What one language says.
pub(crate) struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl Words {
    pub(crate) fn new(language: Language) -> Self {
        let resource = match FluentResource::try_new(language.source().to_owned()) {
            Ok(resource) => resource,
            // A test reads the embedded texts; what can be read of them is used all the same.
            Err((resource, _)) => resource,
        };
        let mut bundle = FluentBundle::new_concurrent(vec![language.identifier()]);
        // The marks around variables are for mixed directions of writing; our languages have one, and chat programs
        // show the marks. What comes from outside has had its own marks removed.
        bundle.set_use_isolating(false);
        if bundle.add_resource(resource).is_err() {
            tracing::error!(
                language = language.tag(),
                "a text stands twice in the words of a language"
            );
        }
        Self { language, bundle }
    }

    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    /// A text with its variables filled in. `name` may name an attribute, as in `task_missed.todo`.
    pub(crate) fn say(&self, name: &str, variables: &[(&str, Value<'_>)]) -> String {
        let (id, attribute) = match name.split_once('.') {
            Some((id, attribute)) => (id, Some(attribute)),
            None => (name, None),
        };
        let message = self.bundle.get_message(id);
        let pattern = message.and_then(|message| match attribute {
            Some(attribute) => message.get_attribute(attribute).map(|found| found.value()),
            None => message.value(),
        });
        let Some(pattern) = pattern else {
            tracing::error!(name, language = self.language.tag(), "a text is missing");
            return name.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (key, value) in variables {
            arguments.set(*key, value.for_fluent());
        }
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(&arguments), &mut errors);
        if !errors.is_empty() {
            tracing::error!(
                name,
                language = self.language.tag(),
                ?errors,
                "a text lacks a variable"
            );
        }
        text.into_owned()
    }
}

/// What stands for a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'v> {
    /// A number, which chooses the plural form.
    Number(u64),
    /// A text.
    Text(&'v str),
}

impl Value<'_> {
    fn for_fluent(&self) -> FluentValue<'_> {
        match self {
            // Counts of rows are far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
            Self::Number(number) => FluentValue::from(*number as f64),
            Self::Text(text) => FluentValue::from(*text),
        }
    }
}
