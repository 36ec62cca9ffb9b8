//! The client of the orders service: its real contract, quirks included.
//!
//! The service is a public FastAPI program (`Izbushkoo/allegro_orders_backup`, commit `fc1dc881dfdd`) that sellers
//! run as it is. Every rule here that looks odd answers to something that program was seen to do; the recorded
//! answers are in `tests/samples`.
//!
//! [`OrdersService`] is what the rest of Saldo sees. [`HttpOrdersService`] speaks to the real one.

mod classify;
mod client;
mod contract;
mod credentials;
mod error;
mod failure;
mod flag_answer;
mod health_answer;
mod http;
mod jwt;
mod list_answer;
mod options;
mod order_rows;
mod parts;
mod paths;
mod retry_after;
mod search_answer;
mod single_order_answer;
mod token_list;
mod transport;

pub use contract::{
    FoundOrder, Health, ListedOrder, LiveOrders, OrderSource, OrdersService, Page, PageQuery, RemoteAccount,
    UnreadableRow, stored_at,
};
pub use credentials::{Credentials, SecretText};
pub use error::{CallError, ErrorClass, MESSAGE_CHARACTERS_MAX};
pub use http::HttpOrdersService;
pub use options::{HttpOptions, Now, OptionsError};
pub use order_rows::ORDERS_PER_PAGE;
