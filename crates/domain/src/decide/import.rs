//! A stock list brought over from elsewhere: a count of everything at once.
//!
//! All of it is booked in one decision, and so in one transaction: it is there whole or not at all. Its operations
//! have no more lines than any other's, so that whoever lists operations reads bounded rows.

use std::collections::BTreeSet;

use serde_json::json;

use super::command::{Count, ImportOutcome};
use super::stock_documents;
use crate::draft::Draft;
use crate::limits::{IMPORT_LINES_MAX, LINES_MAX};
use crate::view::{Key, Refusal, Stop};

/// What a counted figure does to a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The SKU was never held there; now it is known, even with none of it.
    New,
    /// There is more than was known.
    Raised,
    /// There is less than was known.
    Lowered,
    /// It agrees.
    Same,
}

impl Difference {
    /// Compares what is known with what was counted.
    #[must_use]
    pub const fn between(known: Option<i64>, counted: i64) -> Self {
        match known {
            None => Self::New,
            Some(known) if counted > known => Self::Raised,
            Some(known) if counted < known => Self::Lowered,
            Some(_) => Self::Same,
        }
    }

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Raised => "raised",
            Self::Lowered => "lowered",
            Self::Same => "same",
        }
    }
}

/// Sets every balance of the list to its figure. The same list again changes nothing.
pub(super) fn import(draft: &mut Draft<'_>, list: &Count) -> Result<ImportOutcome, Stop> {
    check(list)?;
    draft.note_count();
    let mut outcome = ImportOutcome::default();
    let mut moves = Vec::new();
    let mut missing = Vec::new();
    for line in &list.lines {
        let known = match draft.available(&line.key) {
            Ok(known) => known,
            // Asked for one by one, the rows of a long list would be loaded in as many rounds.
            Err(Stop::Missing(_)) => {
                missing.push(Key::Balance(line.key.clone()));
                continue;
            }
            Err(stop) => return Err(stop),
        };
        let difference = Difference::between(known, line.quantity);
        outcome.note(difference);
        let quantity = line.quantity - known.unwrap_or(0);
        if difference != Difference::Same {
            moves.push((line.key.clone(), quantity));
        }
        if quantity > 0 {
            outcome.grown.push(line.key.clone());
        }
    }
    if !missing.is_empty() {
        return Err(Stop::Missing(missing));
    }
    let parts = moves.len().div_ceil(LINES_MAX);
    for (index, part) in moves.chunks(LINES_MAX).enumerate() {
        let details = json!({ "import": list.reason, "part": index + 1, "parts": parts, "by": draft.by });
        let operation = stock_documents::write(draft, part, details, false, None)?;
        outcome.operations.push(operation.id);
    }
    Ok(outcome)
}

fn check(list: &Count) -> Result<(), Stop> {
    if list.lines.is_empty() || list.lines.len() > IMPORT_LINES_MAX {
        let detail = format!(
            "a stock list has 1 to {IMPORT_LINES_MAX} lines, not {}: bring a longer one in several files",
            list.lines.len()
        );
        return Err(Refusal::invalid("too_many_lines", detail).into());
    }
    let mut seen = BTreeSet::new();
    match list.lines.iter().find(|line| !seen.insert(&line.key)) {
        Some(twice) => {
            let detail = format!(
                "{} in {} stands twice in the list",
                twice.key.sku, twice.key.warehouse
            );
            Err(Refusal::invalid("counted_twice", detail).into())
        }
        None => Ok(()),
    }
}

impl ImportOutcome {
    /// Counts one line.
    pub fn note(&mut self, difference: Difference) {
        let count = match difference {
            Difference::New => &mut self.new,
            Difference::Raised => &mut self.raised,
            Difference::Lowered => &mut self.lowered,
            Difference::Same => &mut self.same,
        };
        *count += 1;
    }
}
