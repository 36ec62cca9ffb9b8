//! What the engine asks of a database, and the in-memory model of it.
//!
//! A backend implements [`Store`]: it loads rows, runs [`saldo_domain::decide`] over them, and writes the
//! changes of many requests in one transaction. It decides nothing itself, so all backends keep the same rules.
//! The suite in `conformance` (a feature) is the one that every backend passes.

pub mod alerts;
pub mod cells;
pub mod circuits;
pub mod conditions;
mod contract;
pub mod copy;
pub mod deciding;
mod error;
pub mod hints;
pub mod housekeeping;
pub mod instances;
pub mod memory;
pub mod mend;
pub mod migrations;
pub mod moves;
mod paging;
pub mod query;
pub mod questions;
pub mod reconciliations;
pub mod reports;
pub mod rollouts;
pub mod rows;
pub mod tasks;
pub mod turns;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use alerts::Alerts;
pub use circuits::Circuits;
pub use contract::{Rules, SharedStore, Store};
pub use error::StoreError;
pub use hints::Hints;
pub use housekeeping::Housekeeping;
pub use instances::Instances;
pub use reconciliations::Reconciliations;
pub use reports::Reports;
pub use rollouts::Rollouts;
pub use tasks::Tasks;
