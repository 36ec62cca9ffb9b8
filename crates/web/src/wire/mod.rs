//! What goes over the wire: one type for each thing that the API tells, made from the domain's.
//!
//! They borrow from what they tell, so that the hot path copies nothing.

mod account;
mod log_entry;
mod operation;
mod order;
mod page;
mod review;
mod status;
mod stock;
mod sync_result;
pub mod words;

pub use account::AccountBody;
pub use log_entry::LogEntryBody;
pub use operation::{OperationBody, OperationLineBody};
pub use order::{FlagBody, OrderBody, OrderLineBody, PartBody};
pub use page::PageBody;
pub use review::{ResolveBody, ReviewBody};
pub use status::{LatencyBody, OperationCountsBody, OrdersServiceBody, StatusBody, SuccessRateBody};
pub use stock::{
    BalanceBody, ComponentBody, DocumentBody, MappingBody, MovementBody, SkuBody, ValidatedBody,
    ValidatedLineBody,
};
pub use sync_result::{RestoredBody, RollbackBody, SyncBody};

pub(crate) use page::page;
