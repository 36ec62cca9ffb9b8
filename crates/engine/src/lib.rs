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

mod bringing;

mod waiters;

mod pace;

mod reading_slots;

mod gate;

mod circuits;

mod delivery;

mod attempt;

mod outages;
mod wide_reviews;

mod wishes;

mod under_way;
mod unpaid;

mod reading;

mod poller;

mod watermarks;

mod shadow;

mod reconciliation;

mod modes;

mod leases;

mod instances;

mod leader;

pub mod tasks;

mod reports;

mod cleanup;

pub mod alerts;

mod statistics;

mod trace;

mod metrics;

mod engine;

pub use api::{
    Caller, Event, Health, InstanceStatus, Latency, LeaderStatus, ProcessingResult, ReconciliationProgress,
    ReconciliationRequest, ReconciliationResult, RemoteFlag, ResolveResult, RollbackResult, Status,
    SuccessRate, SyncResult, TaskStatus,
};
pub use bringing::Compared;
pub use engine::{Engine, EngineOptions};
pub use reports::ReportPost;
pub use service::{RetryFilter, StockSynchronizationService};
pub use trace::TRACE_TARGET;
