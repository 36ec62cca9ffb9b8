//! What the writing thread of a store works: by the clock of the processor, which a busy machine disturbs less than
//! the clock on the wall.

use std::fs;
use std::path::Path;

/// The name of the thread that writes.
const WRITER: &str = "saldo-writer";

/// Microseconds for which the writing threads of this process have worked so far; none where the system does not
/// tell.
pub(crate) fn writer_microseconds() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        nanoseconds += worked(&thread.ok()?.path()).unwrap_or(0.0);
    }
    Some(nanoseconds / 1_000.0)
}

/// Nanoseconds of one thread, if it is one that writes.
fn worked(thread: &Path) -> Option<f64> {
    let name = fs::read_to_string(thread.join("comm")).ok()?;
    if name.trim() != WRITER {
        return None;
    }
    let figures = fs::read_to_string(thread.join("schedstat")).ok()?;
    figures.split_whitespace().next()?.parse().ok()
}

/// Collects what the writing thread works for each order, round by round.
#[derive(Default)]
pub(crate) struct WriterWork {
    rounds: Vec<f64>,
}

impl WriterWork {
    /// Notes a round: what the clock said before it, and its orders.
    #[expect(clippy::cast_precision_loss, reason = "a count of orders is small")]
    pub(crate) fn note(&mut self, before: Option<f64>, orders: usize) {
        if let (Some(before), Some(after)) = (before, writer_microseconds()) {
            self.rounds.push((after - before) / orders as f64);
        }
    }

    /// Microseconds an order, round by round; empty where the system does not tell.
    pub(crate) fn rounds(&self) -> &[f64] {
        &self.rounds
    }
}
