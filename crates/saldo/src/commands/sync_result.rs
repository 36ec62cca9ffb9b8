//! How the answer about one order is shown.

use serde_json::Value;

use crate::exit::End;
use crate::output::{cell, facts};

/// An answer about one order, for people.
pub(crate) fn human(result: &Value) -> String {
    facts(&[
        ("order", cell(result, "/operation/order_id")),
        ("status", cell(result, "/status")),
        ("operation", cell(result, "/operation/id")),
        ("waits for", cell(result, "/operation/waiting_for")),
        ("in the way", cell(result, "/error")),
        ("review", cell(result, "/review_id")),
    ])
}

/// Waiting is no failure: it is recorded, and has a next step.
pub(crate) fn end(result: &Value) -> End {
    End::well_if(cell(result, "/status") != "failed")
}
