//! Telegram: the Bot API's `sendMessage`.
//!
//! Messages are sent as HTML. Of the three ways to mark text it is the one in which any text can be escaped with
//! certainty (three characters, everywhere the same), and it can quote: a SKU between code marks is never taken for
//! a mention, a command or a link. A message is one call: what does not fit is left off and counted, since of several
//! calls some could be repeated after a failure.

use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use saldo_domain::alert::{Occasion, Severity};
use serde::{Deserialize, Serialize};

use crate::compose::{Composed, Composer, Item};
use crate::failure::{OptionsError, SendError};
use crate::http::{Answer, Http};
use crate::text::{Secret, html};

/// What a message may hold, in units of UTF-16. Telegram counts after it has read the marks; we count before.
pub const TELEGRAM_UNITS_MAX: usize = 4_096;
/// Where bots speak to Telegram, unless the configuration names a test server.
const API_URL: &str = "https://api.telegram.org";

/// `[channels.telegram]`
#[derive(Debug, Clone)]
pub struct TelegramOptions {
    /// The bot's token.
    pub bot_token: Secret,
    /// The chat: a number, or `@name` of a channel.
    pub chat_id: String,
    /// Another address than Telegram's own; empty: Telegram's.
    pub api_url: String,
}

/// A chat that messages go to.
pub(crate) struct Telegram {
    http: Http,
    token: Secret,
    chat_id: String,
}

#[derive(Serialize)]
struct SendMessage<'m> {
    chat_id: &'m str,
    text: &'m str,
    parse_mode: &'static str,
    link_preview_options: LinkPreview,
    disable_notification: bool,
}

#[derive(Serialize)]
struct LinkPreview {
    is_disabled: bool,
}

#[derive(Deserialize, Default)]
struct BotAnswer {
    #[serde(default)]
    ok: bool,
    description: Option<String>,
    parameters: Option<BotParameters>,
}

#[derive(Deserialize, Default)]
struct BotParameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Telegram {
    pub(crate) fn new(options: &TelegramOptions) -> Result<Self, OptionsError> {
        let token = options.bot_token.expose();
        let is_token = !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":-_".contains(&byte));
        if !is_token {
            let wanted =
                "channels.telegram.bot_token must be the token that BotFather gave, such as 123456:ABC…";
            return Err(OptionsError(wanted.to_owned()));
        }
        if options.chat_id.trim().is_empty() {
            let wanted = "channels.telegram.chat_id must be the number of a chat, or @name of a channel";
            return Err(OptionsError(wanted.to_owned()));
        }
        let base = if options.api_url.trim().is_empty() {
            API_URL
        } else {
            options.api_url.trim().trim_end_matches('/')
        };
        Ok(Self {
            http: Http::new("channels.telegram.api_url", base)?,
            token: options.bot_token.clone(),
            chat_id: options.chat_id.trim().to_owned(),
        })
    }

    pub(crate) async fn send(&self, text: &str, is_silent: bool) -> Result<(), SendError> {
        debug_assert!(text.encode_utf16().count() <= TELEGRAM_UNITS_MAX);
        let message = SendMessage {
            chat_id: &self.chat_id,
            text,
            parse_mode: "HTML",
            link_preview_options: LinkPreview { is_disabled: true },
            disable_notification: is_silent,
        };
        let body = serde_json::to_vec(&message).map_err(|error| SendError::refused(error.to_string()))?;
        let answer = self.http.post(self.address()?, HeaderMap::new(), body).await;
        match answer {
            Ok(answer) => self.read(&answer),
            Err(error) => Err(error),
        }
    }

    fn address(&self) -> Result<Url, SendError> {
        let base = self.http.url().as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/bot{}/sendMessage", self.token.expose()))
            .map_err(|_| SendError::refused("channels.telegram.bot_token cannot stand in an address"))
    }

    /// A proxy may quote the address, and write the colon in it in its own way: what follows it is the secret.
    fn hide_token(&self, text: &str) -> String {
        let key = self.token.expose().rsplit(':').next().unwrap_or_default();
        Secret::new(key).hide(&self.token.hide(text))
    }

    fn read(&self, answer: &Answer) -> Result<(), SendError> {
        let said: BotAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success() && said.ok {
            return Ok(());
        }
        let parameters = said.parameters.unwrap_or_default();
        let description = said.description.unwrap_or_else(|| "no explanation".to_owned());
        let mut reason = format!(
            "Telegram answered {}: {}",
            answer.status.as_u16(),
            self.hide_token(&description)
        );
        if let Some(chat) = parameters.migrate_to_chat_id {
            reason.push_str(&format!("; set channels.telegram.chat_id to {chat}"));
        }
        let is_refusal = matches!(
            answer.status,
            StatusCode::BAD_REQUEST
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
        );
        if is_refusal {
            return Err(SendError::refused(reason));
        }
        let wait = parameters.retry_after.or(answer.retry_after_seconds);
        Err(SendError::passing(reason).not_before(wait))
    }
}

/// A message as Telegram's HTML, cut to what fits.
pub(crate) fn render(composer: &Composer, composed: &Composed) -> String {
    let blocks: Vec<String> = composed.items.iter().map(block).collect();
    // The sentence that counts what is left off is short in every language.
    const ROOM_FOR_COUNT: usize = 128;
    let mut text = String::new();
    for (index, block) in blocks.iter().enumerate() {
        let gap = if text.is_empty() { 0 } else { 2 };
        let is_last = index + 1 == blocks.len();
        let room = TELEGRAM_UNITS_MAX - if is_last { 0 } else { ROOM_FOR_COUNT };
        if units(&text) + gap + units(block) > room {
            let left_off = blocks.len() - index;
            if text.is_empty() {
                text = short_block(&composed.items[index], TELEGRAM_UNITS_MAX - ROOM_FOR_COUNT);
                return with_count(composer, text, left_off - 1);
            }
            return with_count(composer, text, left_off);
        }
        if gap > 0 {
            text.push_str("\n\n");
        }
        text.push_str(block);
    }
    text
}

fn with_count(composer: &Composer, mut text: String, left_off: usize) -> String {
    if left_off > 0 {
        text.push_str("\n\n");
        text.push_str(&html(&composer.left_off(left_off)));
    }
    text
}

/// One alert; the headline says at a glance whether it is trouble, and how serious.
fn block(item: &Item) -> String {
    let mut block = format!("{} <b>{}</b>", sign(item), html(&item.headline));
    for line in item.lines.iter().chain(&item.todo) {
        block.push('\n');
        block.push_str(&html(line));
    }
    if let Some((sentence, _)) = &item.link {
        block.push('\n');
        block.push_str(&html(sentence));
    }
    block
}

/// An alert that does not fit as a whole: as many of its lines as do.
fn short_block(item: &Item, units_max: usize) -> String {
    let mut block = format!("{} <b>{}</b>", sign(item), html(&item.headline));
    for line in &item.lines {
        let line = html(line);
        if units(&block) + 1 + units(&line) > units_max {
            break;
        }
        block.push('\n');
        block.push_str(&line);
    }
    block
}

const fn sign(item: &Item) -> char {
    match (item.occasion, item.severity) {
        (Occasion::Ended, _) => '✅',
        (_, Severity::Critical) => '🔴',
        (_, Severity::Warning) => '🟠',
        (_, Severity::Notice) => '🔵',
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Whether a message should make no sound: when it brings nothing but relief.
pub(crate) fn is_silent(composed: &Composed) -> bool {
    composed.items.iter().all(|item| item.occasion == Occasion::Ended)
}
