//! What the rest of Saldo may ask of the orders service.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use saldo_domain::form::{OrderCopy, Problem, Source, parse_form};
use saldo_domain::ids::{AccountId, OrderId};
use serde_json::Value;

use crate::error::CallError;
use crate::order_rows::ORDERS_PER_PAGE;

/// The remote service that stores the orders of all accounts and one stock flag for each order.
///
/// Calls are single attempts: pacing, retries and breakers belong to the caller.
#[async_trait]
pub trait OrdersService: Send + Sync {
    /// Sends the level of the stock flag.
    ///
    /// `Ok` only when the answer says that it succeeded and names this order and this flag. The service never
    /// says that an order is unknown: it makes a flag for any id. The call is idempotent, so it may be repeated.
    async fn set_flag(&self, account: AccountId, order: &OrderId, flag: bool) -> Result<(), CallError>;

    /// Reads the stock flag of one order: the only reading to trust, as a list may show defaults instead.
    async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError>;

    /// All accounts, deactivated ones too, sorted by id.
    ///
    /// While the service's database is down it answers an empty list with status 200, so an empty list proves
    /// nothing unless [`OrdersService::health`] says that the database is connected.
    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError>;

    /// Whether the service reaches its database.
    async fn health(&self) -> Result<Health, CallError>;

    /// One order, asked for at Allegro where that works, else the stored one.
    ///
    /// `live` is what the caller knows from [`OrdersService::live_orders_work`]. With [`LiveOrders::Working`] an
    /// answer that the account is invalid still leads to the search, as it can be false.
    async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        live: LiveOrders,
    ) -> Result<FoundOrder, CallError>;

    /// Whether the single-order call works, tried with an order that is known to be stored.
    ///
    /// `false` when the service says that the account is invalid while its own token list shows the account. So
    /// answers the service as shipped, for every account and order; a mended one answers so for an account whose
    /// access has expired, and there too only the stored order can be had.
    async fn live_orders_work(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError>;

    /// One page of stored orders, the newest first.
    ///
    /// Orders bought at the same moment have no order among themselves, and a new order moves the pages: one order
    /// may come twice, and a pass is complete only when a repeated pass brings nothing new. Each call makes the
    /// service lose a database connection for a while, so calls must be paced.
    ///
    /// An account that the service does not have is answered like a database that is down, with a bare 500: it is
    /// [`Transient`](crate::ErrorClass::Transient) here, and only the flag calls tell.
    async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, CallError>;
}

/// One Allegro account that the service holds a token of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAccount {
    /// The service's `token_id`.
    pub id: AccountId,
    /// The name a person gave it.
    pub name: String,
    /// Whether it is active; the service answers for deactivated ones too.
    pub is_active: bool,
    /// When its access to Allegro ends. An expired one stays active and still answers.
    pub expires_at: Option<Timestamp>,
}

/// The health of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Read from the body: the status is 200 either way. It says `true` too while the service has run out of
    /// connections, as health is asked over others.
    pub database_connected: bool,
}

/// What the caller knows of the single-order call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveOrders {
    /// It works, or nothing is known yet: try it first.
    Working,
    /// It is the shipped, broken one: do not try it.
    Broken,
}

/// Where an order was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSource {
    /// Asked for at Allegro just now.
    Live,
    /// As the service stored it at first sight. Later changes are not in it.
    Searched,
}

/// The answer to the question for one order.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundOrder {
    /// The checkout form; `None` only when the service properly answered that there is none.
    pub form: Option<Value>,
    /// Who answered.
    pub source: OrderSource,
}

/// One order of a list, read: a page of forms as values would take many times the memory of their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedOrder {
    /// The service's `allegro_order_id`: the form's own `id` may be absent or another.
    pub order_id: OrderId,
    /// The stored checkout form; or what is wrong with it, which is something else than an unreadable row.
    pub copy: Result<OrderCopy, Vec<Problem>>,
    /// What the service sorts its list by: when the first line was bought.
    pub listed_at: Option<Timestamp>,
    /// When the service first stored the order.
    pub stored_at: Option<Timestamp>,
    /// The stock flag as listed. The service lists `false` when it could not read the flag, so never decide on it
    /// without [`OrdersService::read_flag`].
    pub flag: bool,
}

impl ListedOrder {
    /// Reads a row: the stored checkout form with the service's own keys.
    #[must_use]
    pub fn read(order_id: OrderId, row: &Value, flag: bool) -> Self {
        Self {
            order_id,
            copy: parse_form(row, Source::Listed),
            listed_at: listed_at(row),
            stored_at: stored_at(row),
            flag,
        }
    }
}

fn listed_at(row: &Value) -> Option<Timestamp> {
    let bought_at = row.get("lineItems")?.get(0)?.get("boughtAt")?;
    bought_at.as_str()?.parse().ok()
}

/// When the service first stored an order, as a row of a list or of a search says: in `db_created_at`, UTC without saying
/// so.
#[must_use]
pub fn stored_at(row: &Value) -> Option<Timestamp> {
    let naive: DateTime = row.get("db_created_at")?.as_str()?.parse().ok()?;
    Some(naive.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A row of a list that is not the contract's. The other rows of its page stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its place in the page, from 0.
    pub position: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery {
    /// Rows before it.
    pub offset: u64,
    /// Its rows at the most: 1 to [`ORDERS_PER_PAGE`], of more the service refuses the call.
    pub rows: u64,
    /// Bought at or after this moment.
    pub from: Option<Timestamp>,
    /// Bought at or before this moment.
    pub to: Option<Timestamp>,
}

impl PageQuery {
    /// A page of the usual size of all orders.
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        Self {
            offset,
            rows: ORDERS_PER_PAGE,
            from: None,
            to: None,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The orders that could be read.
    pub orders: Vec<ListedOrder>,
    /// The rows that could not. The next page starts after these too.
    pub unreadable: Vec<UnreadableRow>,
    /// How many orders match in all.
    pub total: u64,
    /// Whether more follow.
    pub has_next: bool,
    /// How long the answer took.
    pub took_ms: u64,
    /// It took so long that the service had probably run out of connections, and then it lists every flag as
    /// `false`. A quick answer can be wrong too.
    pub suspect: bool,
}
