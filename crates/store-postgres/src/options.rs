//! Bounds of a store.

/// How large and how eager a store may be. The defaults suit a few instances on one database.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections to the database, for reading and writing together.
    pub connections: usize,
    /// Transactions that write at the same time, besides those of deliveries; each takes up all requests that wait.
    pub writers: usize,
    /// Transactions that claim deliveries and record how they ended. They move no stock, so that they wait neither for
    /// those that do nor for each other, and more of them make use of the time in which one waits for the disk.
    pub delivery_writers: usize,
    /// Requests that may wait for a writer; more are answered with `Busy`.
    pub waiting_requests_max: usize,
    /// Requests that one transaction may hold.
    pub batch_requests_max: usize,
    /// Locks that one transaction may hold before it takes the one that stands for all of them: the server has
    /// room for a bounded number.
    pub locks_max: usize,
    /// How often a transaction that met another one, or lost its connection, is tried.
    pub attempts_max: u32,
    /// How long a connection may take to be made, or to become free, in milliseconds.
    pub connect_milliseconds_max: u64,
    /// How long a lock of another transaction is waited for, in milliseconds.
    pub lock_milliseconds_max: u64,
    /// How long one statement may take, in milliseconds.
    pub statement_milliseconds_max: u64,
    /// How long a transaction may stand idle before the server ends it, in milliseconds: what a paused instance
    /// can hold up the others for. Shorter than the wait for a lock.
    pub idle_milliseconds_max: u64,
    /// How long due deliveries are looked for only from where the queue began before, in milliseconds. What another
    /// instance stores late before that place is found after it.
    pub queue_known_milliseconds: u64,
    /// How long the index along which the version before claims is kept after its last instance was there, in
    /// milliseconds: one that was only cut off from the database comes back.
    pub old_index_kept_milliseconds: u64,
    /// Accepts a server that may lose what it acknowledged: for tests, and for whoever says so.
    pub allow_unsafe_durability: bool,
    /// Sends every statement with its text, and prepares none: for poolers that do not keep prepared statements.
    /// Found out by itself, too, when the first prepared statement is not there any more.
    pub unprepared: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 10,
            writers: 2,
            delivery_writers: 3,
            waiting_requests_max: 4_096,
            batch_requests_max: 256,
            locks_max: 1_500,
            attempts_max: 7,
            connect_milliseconds_max: 5_000,
            lock_milliseconds_max: 10_000,
            statement_milliseconds_max: 30_000,
            idle_milliseconds_max: 5_000,
            queue_known_milliseconds: 1_000,
            old_index_kept_milliseconds: 600_000,
            allow_unsafe_durability: false,
            unprepared: false,
        }
    }
}
