//! Messages about alerts: what is told, on which channel, and when sending is tried again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::record::Alert;
use crate::ids::MessageId;
use crate::operation::{UnknownWord, words};

/// A way to reach people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A chat of Telegram.
    Telegram,
    /// Mail.
    Email,
    /// Another program.
    Webhook,
}

words!(Channel { Telegram => "telegram", Email => "email", Webhook => "webhook" });

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Telegram, Self::Email, Self::Webhook];
}

/// Why someone is told of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It is news.
    Begun,
    /// It became twice as much.
    Worse,
    /// It lasts.
    Reminder,
    /// It is over.
    Ended,
}

words!(Occasion { Begun => "begun", Worse => "worse", Reminder => "reminder", Ended => "ended" });

/// One alert within a message, as it stood when the message was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Why it is told.
    pub occasion: Occasion,
    /// The alert.
    pub alert: Alert,
}

/// What is told on one channel at one moment: everything together, so that one outage is one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which message. Receivers that see it twice know by it that it is the same one.
    pub id: MessageId,
    /// Where it goes.
    pub channel: Channel,
    /// When it was made: the moment that it speaks of.
    pub created_at: Timestamp,
    /// When it may go out.
    pub due_at: Timestamp,
    /// What it tells, the most serious first. Never empty.
    pub entries: Vec<Entry>,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageStatus {
    /// It is still to be sent.
    Waiting,
    /// The channel has taken it.
    Sent,
    /// It was tried for as long as it was of use.
    Failed,
}

words!(MessageStatus { Waiting => "waiting", Sent => "sent", Failed => "failed" });

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// Where it stands.
    pub status: MessageStatus,
    /// Attempts begun so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// Why the last attempt did not succeed.
    pub last_error: Option<String>,
    /// When it was sent or given up.
    pub ended_at: Option<Timestamp>,
}

/// How an attempt to send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageOutcome {
    /// The channel has taken it.
    Sent,
    /// It is tried again.
    Retry {
        /// Why it did not succeed.
        error: String,
        /// When.
        next_at: Timestamp,
    },
    /// It is not tried any more.
    Failed {
        /// Why it did not succeed.
        error: String,
    },
}

/// The wait after the first attempt that failed.
const WAIT_FIRST: SignedDuration = SignedDuration::from_secs(15);
/// The longest wait, unless the channel asks for a longer one.
const WAIT_MAX: SignedDuration = SignedDuration::from_mins(30);
/// Attempts of one message.
const ATTEMPTS_MAX: u32 = 60;
/// Yesterday's news is not sent any more.
const OF_USE_FOR: SignedDuration = SignedDuration::from_hours(24);

/// When a message is tried again after so many attempts; none when it is given up. `retry_after` is what the
/// channel asked for: a lower bound.
#[must_use]
pub fn next_attempt(
    due_at: Timestamp,
    attempts: u32,
    retry_after: Option<SignedDuration>,
    now: Timestamp,
) -> Option<Timestamp> {
    if attempts >= ATTEMPTS_MAX {
        return None;
    }
    let doublings = attempts.saturating_sub(1).min(10);
    let own = (WAIT_FIRST * (1 << doublings)).min(WAIT_MAX);
    let wait = own.max(retry_after.unwrap_or(SignedDuration::ZERO));
    let next = now.checked_add(wait).ok()?;
    let useless_at = due_at.checked_add(OF_USE_FOR).ok()?;
    (next <= useless_at).then_some(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn waits_double_from_fifteen_seconds_to_half_an_hour() {
        let waits: Vec<i64> = (1..=10)
            .map(|attempts| {
                next_attempt(at(0), attempts, None, at(0)).unwrap().as_second() - at(0).as_second()
            })
            .collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800]);
    }

    #[test]
    fn the_wait_that_the_channel_asks_for_is_kept() {
        let asked = Some(SignedDuration::from_secs(3_000));
        assert_eq!(next_attempt(at(0), 1, asked, at(0)), Some(at(3_000)));
        let asked = Some(SignedDuration::from_secs(5));
        assert_eq!(next_attempt(at(0), 1, asked, at(0)), Some(at(15)));
    }

    proptest! {
        #[test]
        fn no_message_is_tried_for_ever(retry_after in prop::option::of(0_i64..10_000)) {
            let (mut now, mut attempts) = (at(0), 0);
            loop {
                attempts += 1;
                prop_assert!(attempts <= ATTEMPTS_MAX);
                let asked = retry_after.map(SignedDuration::from_secs);
                let Some(next) = next_attempt(at(0), attempts, asked, now) else { break };
                prop_assert!(next > now);
                now = next;
            }
            prop_assert!(now <= at(24 * 3_600));
        }
    }
}
