//! What a simulator is started with.

use jiff::Timestamp;

use crate::edge::Clock;
use crate::faults::Faults;

/// What a simulator is started with. Two simulators with equal options (and equal clocks) hold equal data.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Seller accounts made at start.
    pub accounts: u32,
    /// Orders made for each account at start; zero begins with none.
    pub orders_per_account: u32,
    /// What all made-up data and all random faults follow from.
    pub seed: u64,
    /// The HS256 secret that callers sign their tokens with.
    pub jwt_secret: String,
    /// The `user_id` that owns the accounts made at start.
    pub user_id: String,
    /// Whether reading one order by id works; it does not in the service as shipped.
    pub mended: bool,
    /// The faults in force from the first call.
    pub faults: Faults,
    /// The share of orders with two lines instead of one, 0 to 1.
    pub two_line_share: f64,
    /// The share of orders stored as `BOUGHT` or `FILLED_IN`, 0 to 1.
    pub unfinished_share: f64,
    /// The share of orders stored as `CANCELLED`, 0 to 1.
    pub cancelled_share: f64,
    /// The share of unfinished orders that have since become `READY_FOR_PROCESSING` at Allegro, 0 to 1.
    pub moved_on_share: f64,
    /// The share of orders marked deleted, which the service lists all the same, 0 to 1.
    pub deleted_share: f64,
    /// The share of lines without an external id, 0 to 1.
    pub lines_without_sku_share: f64,
    /// Different products sold, `SKU-0001` and up.
    pub sku_count: u32,
    /// When the newest order was bought; the time of the start if absent.
    pub newest_order_at: Option<Timestamp>,
    /// The time between two orders of one account. Every tenth order shares the time of its neighbour.
    pub order_spacing_ms: i64,
    /// How long an idle connection is kept; uvicorn keeps it 5 seconds.
    pub keep_alive_idle_ms: u64,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            accounts: 3,
            orders_per_account: 200,
            seed: 1,
            jwt_secret: "simulator-secret-of-32-bytes-or-more".to_owned(),
            user_id: "saldo".to_owned(),
            mended: false,
            faults: Faults::default(),
            two_line_share: 0.2,
            unfinished_share: 0.2,
            cancelled_share: 0.1,
            moved_on_share: 0.5,
            deleted_share: 0.0,
            lines_without_sku_share: 0.0,
            sku_count: 200,
            newest_order_at: None,
            order_spacing_ms: 60_000,
            keep_alive_idle_ms: 5_000,
            clock: Clock::system(),
        }
    }
}
