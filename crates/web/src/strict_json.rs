//! Bodies as strict JSON, and what is told when they are not.

use saldo_domain::strict_json;
use serde_json::Value;

use crate::limits::JSON_VALUES_MAX;
use crate::problem::Problem;

/// Reads one JSON text to its end.
pub(crate) fn parse(text: &[u8]) -> Result<Value, Problem> {
    strict_json::parse(text, JSON_VALUES_MAX).map_err(|error| {
        let detail = if text.is_empty() {
            "the body is empty".to_owned()
        } else {
            error.to_string()
        };
        Problem::new("bad_json", detail)
    })
}
