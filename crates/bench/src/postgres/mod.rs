//! The same on PostgreSQL: databases of their own on the server that `SALDO_DATABASE` names.

pub(crate) mod claims;
mod copies;
pub(crate) mod instances;
pub(crate) mod intake;
mod ledger;
mod raw_deliveries;
mod raw_loop;
mod rows;
pub(crate) mod work;
