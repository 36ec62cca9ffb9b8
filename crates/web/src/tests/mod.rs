//! The interface as its callers meet it: over the engine, the store in memory, and an orders service in process.

mod alerts;
mod authorization;
mod batch;
mod bodies;
mod bringing;
mod contract;
mod description;
mod endpoints;
mod events;
mod idempotency;
mod metrics;
mod orders_service;
mod protocol;
mod reconciliation;
mod reports;
mod serving;
mod support;
