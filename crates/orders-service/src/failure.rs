//! A failure on its way out, before its words are fit to be shown.

use reqwest::StatusCode;

use crate::credentials::SecretText;
use crate::error::{CallError, ErrorClass, MESSAGE_CHARACTERS_MAX};

/// How every JSON Web Token starts: the Base64 of `{"`.
const TOKEN_START: &str = "eyJ";
const HIDDEN: &str = "[hidden]";

/// Like [`CallError`], but with the words as they came.
///
/// A credential must be hidden before the words are cut, or a part of it would stay at the end.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) class: ErrorClass,
    pub(crate) words: String,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) status: Option<StatusCode>,
}

impl Failure {
    pub(crate) fn new(class: ErrorClass, words: impl Into<String>) -> Self {
        Self {
            class,
            words: words.into(),
            retry_after_seconds: None,
            status: None,
        }
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Makes it fit to be shown and stored.
    pub(crate) fn into_call_error(self, secret: &SecretText) -> CallError {
        CallError {
            class: self.class,
            message: presentable(&hide_tokens(&secret.hide_in(&self.words, HIDDEN))),
            retry_after_seconds: self.retry_after_seconds,
            status: self.status.map(|status| status.as_u16()),
        }
    }
}

/// Hides whatever looks like a token, whoever it belongs to: a proxy may echo the request's headers.
fn hide_tokens(words: &str) -> String {
    let mut shown = String::with_capacity(words.len().min(4096));
    let mut rest = words;
    while let Some(start) = rest.find(TOKEN_START) {
        shown.push_str(&rest[..start]);
        shown.push_str(HIDDEN);
        let token = &rest[start..];
        let end = token
            .find(|character: char| !is_of_token(character))
            .unwrap_or(token.len());
        rest = &token[end..];
    }
    shown.push_str(rest);
    shown
}

fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '=')
}

/// One bounded line. What could move the cursor or turn the direction of writing becomes a space.
fn presentable(words: &str) -> String {
    let visible = words
        .chars()
        .map(|character| if is_unsafe(character) { ' ' } else { character });
    let mut line = String::new();
    let mut characters = 0;
    for character in visible {
        if character == ' ' && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if characters == MESSAGE_CHARACTERS_MAX {
            break;
        }
        line.push(character);
        characters += 1;
    }
    line.truncate(line.trim_end().len());
    line
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &str) -> String {
        let secret = SecretText::new("open sesame");
        Failure::new(ErrorClass::Transient, words)
            .into_call_error(&secret)
            .message
    }

    #[test]
    fn a_message_is_one_bounded_line() {
        assert_eq!(shown(" one\r\n\ttwo\u{0}\u{202e}three \n"), "one two three");
        assert_eq!(shown(&"ż".repeat(10_000)).chars().count(), MESSAGE_CHARACTERS_MAX);
    }

    #[test]
    fn credentials_are_hidden_even_at_the_cut() {
        assert_eq!(
            shown("sent Bearer eyJhbGc.eyJ1c2Vy.c2ln, refused"),
            "sent Bearer [hidden], refused"
        );
        assert_eq!(shown("the secret is open sesame!"), "the secret is [hidden]!");
        let long = format!("{}eyJhbGciOiJIUzI1NiJ9.abc.def", "x".repeat(495));
        assert!(!shown(&long).contains("eyJ"));
    }
}
