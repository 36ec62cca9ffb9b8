//! The answer about the service's health. The status is 200 even while its database is down.

use serde_json::Value;

use crate::contract::Health;

pub(crate) fn read(body: &Value) -> Result<Health, String> {
    match body.get("database").and_then(Value::as_str) {
        Some(database) => Ok(Health {
            database_connected: database == "connected",
        }),
        None => Err("it does not name the state of its database".to_owned()),
    }
}
