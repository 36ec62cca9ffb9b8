//! Running the rules: intake, delivery, rollback, reviews.
//!
//! [`StockSynchronizationService`] is the front; [`Engine`] starts the tasks behind it and stops them
//! gracefully. The clock, the randomness, the store and the orders service are passed in, so that the whole
//! engine runs in a deterministic simulation.
//!
//! The modules stand in the order in which an order meets them.

pub mod clock;
pub mod settings;

mod api;
mod service;

mod waiters;

mod pace;

mod gate;

mod delivery;

mod attempt;

mod outages;

mod wishes;

mod unpaid;

mod statistics;

mod engine;

pub use api::{
    Caller, Event, Health, Latency, ProcessingResult, RemoteFlag, ResolveResult, RollbackResult, Status,
    SuccessRate, SyncResult,
};
pub use engine::{Engine, EngineOptions};
pub use service::{RetryFilter, StockSynchronizationService};
