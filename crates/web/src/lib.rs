//! The HTTP interface: JSON over the service and the store, and nothing that decides by itself.
//!
//! A request meets the modules in this order: [`serve()`] takes its connection, [`router()`] finds its route,
//! `endpoint` authenticates it, reads its body and keeps its idempotency key, one file of [`api`] turns it into a
//! command and its result into a type of [`wire`]. Whatever goes wrong on the way becomes a `problem`.

mod limits;
mod options;

mod serve;

mod app;
mod cached;
mod router;

mod endpoint;

mod authentication;
mod origin;

mod body;
mod idempotency;
mod strict_json;

mod call;
mod fields;
mod query;

pub mod api;
pub mod wire;

mod answer;
mod problem;

mod documents;
mod openapi;

#[cfg(test)]
mod tests;

pub use authentication::api_key_hash;
pub use openapi::openapi;
pub use options::WebOptions;
pub use problem::{PROBLEM_CODES, ProblemCode};
pub use router::router;
pub use serve::serve;
