//! Saldo in a deterministic simulation: virtual time, seeded randomness, a ledger in memory, and an orders
//! service in process that fails in every way known of the real one.

#![expect(
    clippy::unwrap_used,
    reason = "a simulation that cannot be set up is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod agreement;
mod alerts;
mod cancelling;
mod chaos;
mod circuit;
mod clock;
mod credentials;
mod cut_off;
mod differences;
mod fairness;
mod immediate;
mod instances;
mod leases;
mod load;
mod polling;
mod rates;
mod read_back;
mod reconciling;
mod retry;
mod rollback;
mod runs;
mod scenarios;
mod scheduling;
mod shadowing;
mod stopping;
mod unpaid;
mod windows;
mod wishes;
