//! `/` and `/health`.

use serde_json::json;

use super::Call;
use crate::answer::Answer;
use crate::dates::naive;

const SERVICE: &str = "Allegro Orders Backup";
const VERSION: &str = "1.0.0";

pub(super) fn root() -> Answer {
    Answer::ok(&json!({
        "service": SERVICE,
        "version": VERSION,
        "status": "running",
        "docs_url": "/docs",
        "redoc_url": "/redoc",
        "openapi_url": "/api/v1/openapi.json",
    }))
}

/// Always 200: the state of the database stands in the body only.
pub(super) fn health(call: &Call<'_>) -> Answer {
    let (status, database) = if call.is_database_down {
        ("unhealthy", "disconnected")
    } else {
        ("healthy", "connected")
    };
    Answer::ok(&json!({
        "status": status,
        "database": database,
        "service": SERVICE,
        "version": VERSION,
        "timestamp": naive(call.now),
    }))
}
