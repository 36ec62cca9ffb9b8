//! Bounds of a store.

/// How large and how eager a store may be. The defaults suit a small server.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Connections that read, beside the one that writes.
    pub readers: usize,
    /// Requests that may wait for the writer; more are answered with `Busy`.
    pub waiting_requests_max: usize,
    /// Requests that one transaction may hold.
    pub batch_requests_max: usize,
    /// How long a transaction takes up further requests, in milliseconds.
    pub batch_milliseconds_max: u64,
    /// Loaded rows that are kept from one transaction to the next.
    pub kept_rows_max: usize,
    /// Pages of the write-ahead log after which it is brought into the database.
    pub checkpoint_pages: u64,
    /// The page cache of the writer, in KiB. Until a database has a gigabyte, SQLite looks through all of it with nearly
    /// every commit, so a larger one costs more than it saves; and a run that puts many orders right fills it.
    pub cache_kibibytes: u32,
    /// Pages that the database may have; none: as many as the disk holds.
    pub pages_max: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            waiting_requests_max: 4_096,
            batch_requests_max: 512,
            batch_milliseconds_max: 20,
            kept_rows_max: 50_000,
            checkpoint_pages: 4_000,
            cache_kibibytes: 5 * 1024,
            pages_max: None,
        }
    }
}
