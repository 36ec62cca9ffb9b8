//! From rows to the types of the domain, the same for every backend. Each list of columns stands beside the function
//! that reads them in that order. A function fails when a column does not hold what it should.

mod alerts;
mod instances;
mod operations;
mod orders;
mod reconciliations;
mod reports;
mod requests;
mod reviews;
mod rollouts;
mod stock;
mod tasks;

pub use crate::{
    account_columns, alert_columns, answer_columns, api_key_columns, balance_columns, circuit_columns,
    delivery_columns, discrepancy_columns, instance_columns, log_columns, message_columns, movement_columns,
    operation_columns, order_columns, review_columns, rollout_columns, run_columns, shadow_order_columns,
    task_lease_columns, task_state_columns, watermark_columns,
};
pub use alerts::{alert, outgoing};
pub use instances::{instance, open_circuit};
pub use operations::{log_entry, operation};
pub use orders::{delivery, optional_order_key, order, order_key, order_key_at, standing_words, task_word};
pub use reconciliations::{bought_order, discrepancy, run, watermark};
pub use reports::{attempt_fact, discrepancy_fact, operation_fact, report, shadow_fact, sku_moves};
pub use requests::{account, api_key, recorded_answer, role_word};
pub use reviews::review;
pub use rollouts::{rollout, rollout_in_force, shadow_order};
pub use stock::{balance, mapping, movement, stock_key};
pub use tasks::{task_lease, task_state};
