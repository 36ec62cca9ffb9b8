//! The part of the contract that reports need.

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, ReportId};
use saldo_domain::report::{Figures, Period, Report, ReportHead};

use crate::error::StoreError;
use crate::query::{Page, PageRequest};

/// Reports that are kept; of more, the oldest go.
pub const REPORTS_KEPT_MAX: usize = 1_000;

/// What reports are made of, and where they are kept.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Counts what happened in a period and in the one before it, of one account or of all. It looks at everything
    /// that is stored, as of one moment, in memory that does not grow with it, and holds up neither writes nor
    /// other questions; only one such count runs at a time. Of what the clean-up removed it knows nothing.
    async fn report_figures(&self, period: Period, account: Option<AccountId>)
    -> Result<Figures, StoreError>;

    /// Keeps a report, or replaces the one with its id; beyond [`REPORTS_KEPT_MAX`] the oldest go.
    async fn put_report(&self, report: &Report) -> Result<(), StoreError>;

    /// Reports, newest first.
    async fn reports(&self, page: PageRequest) -> Result<Page<ReportHead>, StoreError>;

    /// One report.
    async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError>;
}
