//! The program as a person meets it: real processes, real files.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(
    clippy::disallowed_methods,
    reason = "real processes are waited for in real time"
)]

mod backup;
#[path = "../../../notify/tests/servers/bot_api.rs"]
mod bot_api;
mod bringing;
mod channels;
mod configuration;
mod damaged;
mod help;
mod keys;
#[path = "../support/mail.rs"]
mod mail;
#[path = "../../../notify/tests/servers/marks.rs"]
mod marks;
mod offline;
mod rollout;
mod running_server;
mod support;
