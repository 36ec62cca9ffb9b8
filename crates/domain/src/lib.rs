//! The rules of Saldo: pure decisions over stock, orders and deliveries, without input or output.
//!
//! The modules stand in the order in which an order meets them. [`decide::decide`] is the one entrance for
//! everything that changes state: it looks at a [`view::View`] of what is stored, and answers with the
//! [`changes::Changes`] to store, in one transaction. No database, clock, network or ambient randomness is in
//! reach, so every store and every simulation runs the same rules.

pub mod ids;
pub mod limits;
pub mod text;

pub mod strict_json;

pub mod form;

pub mod lines;
pub mod order;

pub mod stock;

pub mod operation;

pub mod review;

pub mod delivery;

pub mod retry;

pub mod circuit;

pub mod pacing;

pub mod policy;

pub mod rollout;

pub mod discrepancy;

pub mod view;

pub mod changes;

pub mod draft;

pub mod decide;

pub mod reconcile;

pub mod invariants;

pub mod alert;

pub mod report;
