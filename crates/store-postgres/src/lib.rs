//! The store on a PostgreSQL server, which any number of instances may use at the same time.
//!
//! A few tasks write: each takes up all requests that wait, locks and loads what they look at, decides them one
//! after the other, writes their changes with one statement a table, commits, and answers. What was acknowledged has
//! been synced by the server.

mod address;
mod alerts;
mod batch;
mod check;
mod copying;
mod counts;
mod failure;
mod hints;
mod housekeeping;
mod instances;
mod kept;
mod lists;
mod load;
mod locks;
mod old_index;
mod options;
mod pending;
mod plain;
mod queue;
mod reads;
mod reconciliations;
mod reports;
mod rollouts;
mod row_version;
mod schema;
mod server;
mod session;
mod sql;
mod state;
mod store;
mod table_write;
mod tasks;
mod tls;
mod transaction;
mod write;
mod writer;

#[cfg(test)]
#[path = "../tests/support/cluster.rs"]
mod cluster;

pub use copying::PostgresCopying;
pub use options::PostgresOptions;
pub use store::PostgresStore;
