//! Alerts: conditions that someone must hear about, once, with a beginning, reminders and an end.
//!
//! [`judge()`] turns what was observed into findings, by the thresholds of the policy; [`watch()`] compares them with
//! the alerts that are open and says which alerts changed and which messages go out. Both are pure: whoever calls
//! them stores alerts and messages in one transaction, so that a restart neither repeats nor forgets.

mod judge;
mod kind;
mod message;
mod policy;
mod quiet;
mod record;
mod watch;

pub use judge::{Observation, Shortages, TaskObservation, judge};
pub use kind::{AlertKind, Severity};
pub use message::{Channel, Entry, Message, MessageOutcome, MessageStatus, Occasion, Outgoing, next_attempt};
pub use policy::{AlertPolicy, Routes};
pub use quiet::QuietHours;
pub use record::{Acknowledgement, Alert, AlertStatus, AlertSubject, EXAMPLES_MAX, Example, Facts, TaskName};
pub use watch::{Decision, Finding, Findings, Known, watch};
