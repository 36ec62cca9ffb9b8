//! The tables of the original system: what it has deducted, what it still owes, and its stock.
//!
//! Of its tables only two are written down (`pending_stock_operations` and `stock_synchronization_logs`, in the
//! original architecture); those of stock and sales are read by the headings that such tables have.

mod collect;
mod csv_files;
mod dump;
mod source;
mod statement;
mod tables;

pub(crate) use collect::{Collected, OldOrder, collect};
