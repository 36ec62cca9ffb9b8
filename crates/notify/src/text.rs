//! Text from outside within our sentences, and text that must not be printed.

use std::fmt;

/// Around what comes from outside: a SKU, a name, an error. Each channel turns the marks into its own way to say
/// "this is quoted", so that such a text is never taken for a command, a mention or a link.
pub(crate) const QUOTE_BEGINS: char = '\u{E000}';
/// The other mark.
pub(crate) const QUOTE_ENDS: char = '\u{E001}';

/// The longest text from outside within a sentence, in characters.
const QUOTED_CHARACTERS_MAX: usize = 300;

/// A text from outside, between its marks: on one line, without anything that would change the direction of writing
/// or look like a mark of ours.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from(QUOTE_BEGINS);
    let mut characters = text.chars().filter(|character| !is_hidden(*character)).peekable();
    for _ in 0..QUOTED_CHARACTERS_MAX {
        let Some(character) = characters.next() else { break };
        quoted.push(
            if character.is_control() || character == '\u{2028}' || character == '\u{2029}' {
                ' '
            } else {
                character
            },
        );
    }
    if characters.peek().is_some() {
        quoted.push('…');
    }
    quoted.push(QUOTE_ENDS);
    quoted
}

/// Private characters, marks of direction, and characters without width.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{E000}'..='\u{F8FF}'
            | '\u{061C}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
    )
}

/// Without marks, for plain text.
pub(crate) fn unmarked(text: &str) -> String {
    text.chars()
        .filter(|character| !matches!(*character, QUOTE_BEGINS | QUOTE_ENDS))
        .collect()
}

/// As HTML: what has a meaning there is escaped, what is quoted is code.
pub(crate) fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            QUOTE_BEGINS => html.push_str("<code>"),
            QUOTE_ENDS => html.push_str("</code>"),
            other => html.push(other),
        }
    }
    html
}

/// A secret of a channel. Its `Debug` says only whether there is one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Whether nothing was set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A text in which this secret does not stand any more.
    pub(crate) fn hide(&self, text: &str) -> String {
        if self.0.is_empty() {
            text.to_owned()
        } else {
            text.replace(&self.0, "[hidden]")
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "[empty]" } else { "[hidden]" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("open sesame");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        assert_eq!(secret.hide("401 for open sesame"), "401 for [hidden]");
    }

    #[test]
    fn what_comes_from_outside_is_quoted_and_escaped() {
        let text = format!("SKU {}", quoted("<b>@admin</b>\n\u{202e}x\u{E001}"));
        assert_eq!(html(&text), "SKU <code>&lt;b&gt;@admin&lt;/b&gt; x</code>");
        assert_eq!(unmarked(&text), "SKU <b>@admin</b> x");
    }

    proptest! {
        #[test]
        fn no_text_from_outside_breaks_out_of_its_quotes(text in any::<String>()) {
            let quoted = quoted(&text);
            let inner: String = unmarked(&quoted);
            prop_assert_eq!(quoted.chars().count(), inner.chars().count() + 2);
            prop_assert!(!inner.chars().any(char::is_control));
            prop_assert!(inner.chars().count() <= QUOTED_CHARACTERS_MAX + 1);
            let html = html(&quoted);
            let inside = html.strip_prefix("<code>").and_then(|rest| rest.strip_suffix("</code>")).unwrap();
            prop_assert!(!inside.contains(['<', '>', '"']));
        }
    }
}
