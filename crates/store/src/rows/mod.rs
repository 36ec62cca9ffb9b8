//! From rows to the types of the domain, the same for every backend. Each list of columns stands beside the function
//! that reads them in that order. A function fails when a column does not hold what it should.

mod operations;
mod orders;
mod requests;
mod reviews;
mod stock;

pub use crate::{
    account_columns, answer_columns, api_key_columns, balance_columns, delivery_columns, log_columns,
    movement_columns, operation_columns, order_columns, review_columns,
};
pub use operations::{log_entry, operation};
pub use orders::{delivery, optional_order_key, order, order_key, order_key_at, standing_words, task_word};
pub use requests::{account, api_key, recorded_answer, role_word};
pub use reviews::review;
pub use stock::{balance, mapping, movement, stock_key};
