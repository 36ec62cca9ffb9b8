//! Every bound of the simulator, in one place.

/// A request body above this is answered 413 and not read further.
pub const REQUEST_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Accounts kept at most; a further one is refused by the control interface.
pub const ACCOUNTS_MAX: usize = 10_000;

/// Orders kept at most over all accounts.
pub const ORDERS_MAX: usize = 2_000_000;

/// Flag rows kept at most over all accounts; reads and PATCH calls can create them for any text.
pub const FLAG_ROWS_MAX: usize = 4_000_000;

/// PATCH calls remembered per order: the newest ones. The count of all of them is kept beside.
pub const PATCHES_PER_ORDER_MAX: usize = 64;

/// PATCH calls remembered over all orders; above it only counts and last values are kept.
pub const PATCHES_MAX: usize = 4_000_000;

/// Rules in one set of faults.
pub const FAULT_RULES_MAX: usize = 1_000;

/// Bytes of the never-ending body, after which even it ends: a test that forgets to stop reading must not run for ever.
pub const ENDLESS_BODY_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// How long a graceful stop waits for calls under way before it cuts them.
pub const STOP_WAIT_MS: u64 = 5_000;

/// How often a call waiting on a frozen database looks whether it has thawed.
pub const FROZEN_POLL_MS: u64 = 5;
