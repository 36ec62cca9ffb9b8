//! What goes over the wire: one type for each thing that the API tells, made from the domain's.
//!
//! They borrow from what they tell, so that the hot path copies nothing.

mod account;
mod alert;
mod instance;
mod key;
mod log_entry;
mod operation;
mod order;
mod page;
mod reconciliation;
pub mod report;
mod review;
mod rollout;
mod status;
mod stock;
mod sync_result;
mod task;
pub mod words;

pub use account::AccountBody;
pub use alert::AlertBody;
pub use instance::{HoldsBody, InstanceBody, LeaderBody};
pub use key::KeyBody;
pub use log_entry::LogEntryBody;
pub use operation::{OperationBody, OperationLineBody};
pub use order::{FlagBody, OrderBody, OrderLineBody, PartBody};
pub use page::PageBody;
pub use reconciliation::{DiscrepancyBody, ReconciliationBody, RunBody, RunScopeBody};
pub use report::{ReportBody, ReportHeadBody};
pub use review::{ResolveBody, ReviewBody};
pub use rollout::{ModeBody, ShadowOrderBody, ShadowReportBody};
pub use status::{LatencyBody, OperationCountsBody, OrdersServiceBody, StatusBody, SuccessRateBody};
pub use stock::{
    BalanceBody, ComponentBody, DocumentBody, MappingBody, MovementBody, SkuBody, ValidatedBody,
    ValidatedLineBody,
};
pub use sync_result::{RestoredBody, RollbackBody, SyncBody};
pub use task::TaskBody;

pub(crate) use page::page;
