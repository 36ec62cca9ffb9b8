//! The store on an embedded SQLite database.
//!
//! One thread writes: it decides all requests that wait in one transaction, commits, and answers. A few threads
//! read, each with a connection of its own. What was acknowledged has been synced to the disk.

mod alerts;
mod backup;
mod check;
mod checkpoint;
mod connection;
mod copying;
mod counts;
mod failure;
pub mod foreign;
mod housekeeping;
mod instances;
mod lists;
mod load;
mod lock;
mod options;
mod plain;
#[cfg(test)]
mod plans;
mod readers;
mod reads;
mod reconciliations;
mod reports;
mod rollouts;
mod schema;
mod sql;
mod state;
mod store;
mod tasks;
mod write;
mod writer;

pub use backup::{BackedUp, BackupError, BackupProgress, back_up};
pub use copying::SqliteCopying;
pub use options::SqliteOptions;
pub use store::{SqliteStore, free_disk_bytes};
