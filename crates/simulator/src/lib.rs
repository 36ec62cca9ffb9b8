//! The orders service, simulated: its endpoints, its quirks, and faults on demand.
//!
//! [`Simulator::start`] runs it inside a process, on any port. What it answers is the recorded behaviour of the real
//! service, including what is wrong with it; `tests/samples` holds the records and a test replays them.
//!
//! # The control interface
//!
//! No credentials, no faults. Everything is also a method of [`Control`].
//!
//! | call | what it does |
//! |---|---|
//! | `GET /_simulator/state?token_id=&forms=true` | accounts, orders, flags, and each order's PATCH calls in the order applied |
//! | `GET /_simulator/flags` | a list of `{token_id, order_id, is_stock_updated, patches}` |
//! | `GET /_simulator/calls` | calls per endpoint, and the most PATCH calls under way at once for one order |
//! | `GET`, `PUT`, `DELETE /_simulator/faults` | shows, replaces, ends all [`Faults`] |
//! | `POST /_simulator/orders` | adds or replaces an order: [`OrderInput`] |
//! | `DELETE /_simulator/orders/{token_id}/{order_id}` | takes an order away, here and at Allegro; its flag stays |
//! | `POST /_simulator/flags` | sets flags behind everyone's back: [`FlagInput`] |
//! | `POST /_simulator/accounts` | adds or changes an account: [`AccountInput`] |
//! | `DELETE /_simulator/accounts/{token_id}` | removes an account |
//! | `PUT /_simulator/mended` | `{"mended": true}` makes reading one order by id work |
//!
//! A PATCH call in the state has the microseconds since 1970 at which it was received, applied and ended. It ends when
//! its answer is handed over or when the caller hangs up, and it may be applied after that. The newest
//! [`limits::PATCHES_PER_ORDER_MAX`] calls of each order are kept, and [`limits::PATCHES_MAX`] over all orders.
//!
//! # A faults file
//!
//! ```
//! let faults = saldo_simulator::Faults::from_toml(r#"
//!     lists_say_false = true
//!
//!     [database]
//!     state = "down"            # or "frozen"
//!     from_ms = 10000
//!     until_ms = 20000
//!
//!     [[rule]]
//!     fault = "latency"
//!     fixed_ms = 20
//!     jitter_ms = 30
//!
//!     [[rule]]
//!     endpoint = "stock_status"
//!     fault = "answer_lost"     # the flag is set, the answer never comes
//!     probability = 0.1
//!     calls = 50
//!
//!     [[rule]]
//!     endpoint = "stock_status"
//!     fault = "internal_error"
//!     applied = true            # the flag is set all the same
//!     after_calls = 5
//! "#)?;
//! assert_eq!(faults.rules.len(), 3);
//! # Ok::<(), saldo_simulator::FaultsError>(())
//! ```

mod answer;
mod authentication;
mod body;
mod calls;
mod control;
mod control_http;
mod dates;
mod edge;
mod endpoints;
mod faults;
mod flags;
mod forms;
mod handling;
pub mod limits;
mod options;
mod orders;
mod request;
mod routes;
mod seed;
mod server;
mod shared;
mod validation;
mod world;

pub use authentication::bearer_token;
pub use control::{AccountInput, Control, FlagInput, OrderInput};
pub use edge::Clock;
pub use faults::{
    AllegroFailure, ConnectionLeak, DatabaseFault, DatabaseState, Fault, FaultRule, Faults, FaultsError,
};
pub use flags::FlagsFull;
pub use options::SimulatorOptions;
pub use routes::Endpoint;
pub use server::{Simulator, SimulatorHandle, StartError};
pub use world::WorldError;
