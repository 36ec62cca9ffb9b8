//! Telling people: texts in three languages, sent by Telegram, mail or webhook.
//!
//! A [`Notifier`] has the channels that are set up. It is given a message of the rules, writes it in the configured
//! language, and sends it once; when it is tried again is decided elsewhere. Nothing here knows the database.

mod language;

mod words;

mod text;

mod compose;

mod failure;

mod http;

mod telegram;

mod email;

mod webhook;

mod notifier;

pub use compose::{Composed, Composer, Item};
pub use email::{Attachment, EmailOptions, Letter};
pub use failure::{OptionsError, SendError, SendFailure};
pub use language::{Language, UnknownLanguage};
pub use notifier::{Notifier, NotifierOptions};
pub use telegram::{TELEGRAM_UNITS_MAX, TelegramOptions};
pub use text::Secret;
pub use webhook::{WebhookOptions, signature};
