//! Copying a whole database into another one, of the same kind or of another: every table as plain rows, the same
//! from every backend.
//!
//! A source sends the rows of one moment ([`Copying::dump`]); a target takes them up in one transaction, reads them
//! back, compares, checks every invariant, and only then commits ([`Copying::load`]). In between stands a channel,
//! or a file ([`mod@file`]). Memory is bounded by a few batches.

mod batch;
mod compare;
pub mod file;
mod row;
mod tables;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

pub use batch::{Batch, Collector};
pub use compare::{Compared, Comparison, Tally, Totals};
pub use row::{Row, Value};
pub use tables::{Column, Kind, TABLES, Table};

use crate::error::StoreError;

/// Parts that wait between a source and a target.
const PARTS_WAITING_MAX: usize = 4;

/// What a source sends: a beginning, batches in the order of [`TABLES`], an end.
#[derive(Debug)]
pub enum Part {
    /// How many rows there are in all, to measure progress by.
    Begin {
        /// All rows.
        rows: u64,
    },
    /// Some rows.
    Rows(Batch),
    /// That was all; this is what it came to.
    End(Totals),
}

/// What comes from a source. A source that cannot go on sends an error, and nothing after it.
pub type Parts = mpsc::Receiver<Result<Part, CopyError>>;

/// The other end of [`Parts`].
pub type PartSender = mpsc::Sender<Result<Part, CopyError>>;

/// A channel for parts.
#[must_use]
pub fn parts() -> (PartSender, Parts) {
    mpsc::channel(PARTS_WAITING_MAX)
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// How many rows there will be.
    Begun {
        /// All rows.
        rows: u64,
    },
    /// Rows that were copied.
    Copied {
        /// Of all of them.
        rows: u64,
    },
    /// Rows that were read back from the target.
    ReadBack {
        /// Of all of them.
        rows: u64,
    },
    /// The invariants are being checked on the target.
    Checking,
    /// It is over, well or not.
    Ended,
}

/// Is told how far a copy has come.
pub type Watch = Arc<dyn Fn(Progress) + Send + Sync>;

/// Why a copy was not made. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is something in the target.
    #[error(
        "the database is not empty, and was left as it is ({0}); a copy goes into an empty one only: make a new \
         database, or name another one"
    )]
    NotEmpty(String),
    /// The file is not a whole copy.
    #[error("the copy cannot be used, and nothing was stored: {0}")]
    File(String),
    /// The source was given up.
    #[error("the copy was given up before its end, and nothing was stored")]
    GivenUp,
    /// The file cannot be read or written.
    #[error("the copy cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// A database cannot do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A database whose content can be copied, beside whoever has it open.
#[async_trait]
pub trait Copying: Send + Sync {
    /// Sends everything, as it is at one moment. Nobody waits for it.
    fn dump(&self) -> Parts;

    /// Takes everything up, in one transaction, into an empty database. It is committed only when what was read back
    /// agrees with what the source sent, and no invariant is broken; otherwise the comparison does not hold, and
    /// nothing was stored.
    async fn load(&self, parts: Parts, watch: Watch) -> Result<Comparison, CopyError>;
}
