//! The channels over real connections: a mail server, a stand-in for Telegram's Bot API that keeps its rules, and a
//! receiver of webhooks that verifies what it gets as the documentation says.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod bot_api;
mod mail;
mod marks;
mod support;
mod telegram;
mod webhook;
