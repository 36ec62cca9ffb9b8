//! The channels that are set up, and the way to them.

use jiff::Timestamp;
use saldo_domain::alert::{Channel, Message};

use crate::compose::Composer;
use crate::email::{self, Email, EmailOptions, Letter};
use crate::failure::{OptionsError, SendError};
use crate::telegram::{self, Telegram, TelegramOptions};
use crate::webhook::{self, Webhook, WebhookOptions};

/// Which channels are set up; none: it is not.
#[derive(Debug, Clone, Default)]
pub struct NotifierOptions {
    /// Telegram.
    pub telegram: Option<TelegramOptions>,
    /// Mail.
    pub email: Option<EmailOptions>,
    /// The webhook.
    pub webhook: Option<WebhookOptions>,
}

/// Sends messages.
pub struct Notifier {
    composer: Composer,
    telegram: Option<Telegram>,
    email: Option<Email>,
    webhook: Option<Webhook>,
}

impl Notifier {
    /// Sets the channels up; nothing is sent yet.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    pub fn new(composer: Composer, options: &NotifierOptions) -> Result<Self, Vec<OptionsError>> {
        let mut problems = Vec::new();
        let telegram = kept(options.telegram.as_ref().map(Telegram::new), &mut problems);
        let email = kept(options.email.as_ref().map(Email::new), &mut problems);
        let webhook = kept(options.webhook.as_ref().map(Webhook::new), &mut problems);
        if problems.is_empty() {
            Ok(Self {
                composer,
                telegram,
                email,
                webhook,
            })
        } else {
            Err(problems)
        }
    }

    /// The channels that are set up.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        let set_up = [
            (Channel::Telegram, self.telegram.is_some()),
            (Channel::Email, self.email.is_some()),
            (Channel::Webhook, self.webhook.is_some()),
        ];
        set_up
            .into_iter()
            .filter(|(_, is_set_up)| *is_set_up)
            .map(|(channel, _)| channel)
            .collect()
    }

    /// Sends a message once, on its channel.
    ///
    /// # Errors
    /// When the channel did not take it, and what that means for the next attempt.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Result<(), SendError> {
        let composed = self.composer.compose(&message.entries, message.created_at);
        match message.channel {
            Channel::Telegram => {
                let text = telegram::render(&self.composer, &composed);
                let is_silent = telegram::is_silent(&composed);
                set_up(self.telegram.as_ref())?.send(&text, is_silent).await
            }
            Channel::Email => {
                let left_off = |count| self.composer.left_off(count);
                let letter = email::letter(&message.id.to_string(), &composed, &left_off, message.created_at);
                set_up(self.email.as_ref())?.send(&letter).await
            }
            Channel::Webhook => {
                let body = webhook::body(message, &composed, self.composer.language().tag())?;
                let webhook = set_up(self.webhook.as_ref())?;
                webhook.send(&message.id.to_string(), body, now).await
            }
        }
    }

    /// Sends a letter of another kind, such as a report, to the configured people.
    ///
    /// # Errors
    /// When mail is not set up, or the mail server did not take it.
    pub async fn send_letter(&self, letter: &Letter) -> Result<(), SendError> {
        set_up(self.email.as_ref())?.send(letter).await
    }

    /// Sends a message that only proves that a channel works. `id` names it.
    ///
    /// # Errors
    /// When the channel did not take it.
    pub async fn send_test(&self, channel: Channel, id: &str, now: Timestamp) -> Result<(), SendError> {
        let composed = self.composer.compose_test();
        match channel {
            Channel::Telegram => {
                let text = telegram::render(&self.composer, &composed);
                set_up(self.telegram.as_ref())?.send(&text, false).await
            }
            Channel::Email => {
                let left_off = |count| self.composer.left_off(count);
                let letter = email::letter(id, &composed, &left_off, now);
                set_up(self.email.as_ref())?.send(&letter).await
            }
            Channel::Webhook => {
                let body = webhook::test_body(id, &composed, self.composer.language().tag(), now);
                set_up(self.webhook.as_ref())?.send(id, body, now).await
            }
        }
    }
}

/// A channel that could be set up; what is wrong with one that could not goes to the problems.
fn kept<T>(made: Option<Result<T, OptionsError>>, problems: &mut Vec<OptionsError>) -> Option<T> {
    match made? {
        Ok(channel) => Some(channel),
        Err(error) => {
            problems.push(error);
            None
        }
    }
}

/// A message may be older than the configuration that took its channel away.
fn set_up<T>(channel: Option<&T>) -> Result<&T, SendError> {
    channel.ok_or_else(|| SendError::refused("this channel is not set up any more"))
}
