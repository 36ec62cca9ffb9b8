//! The client against recorded answers of the real service, and against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod broken_servers;
mod conversations;
mod recorded_answers;
mod support;
