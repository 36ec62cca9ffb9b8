//! Reconciliation: its runs, and the differences that they found.

use jiff::Timestamp;
use saldo_domain::discrepancy::{Discrepancy, DiscrepancyKind, DiscrepancyResolution, Run, RunOutcome};
use saldo_domain::ids::{AccountId, DiscrepancyId, ReviewId, RunId};
use saldo_engine::ReconciliationResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{DiscrepancyKindWord, DiscrepancyResolutionWord, RunOutcomeWord};

/// What a run of reconciliation did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciliationResult)]
pub struct ReconciliationBody<'a> {
    /// Which run.
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
    /// Orders compared.
    pub total_checked: u64,
    /// Differences found.
    pub discrepancies_found: u64,
    /// Differences put right, or set on their way to be right.
    pub auto_fixed: u64,
    /// Differences put before a person.
    pub requires_manual_review: u64,
    /// Calls of the orders service.
    pub calls: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether everything was seen.
    #[schema(value_type = RunOutcomeWord)]
    pub outcome: RunOutcome,
    /// What could not be looked at, and why.
    #[schema(required)]
    pub error: Option<&'a str>,
    /// What was found, at most 1,000; the rest by `GET /discrepancies?run_id=`.
    pub discrepancies: Vec<DiscrepancyBody<'a>>,
}

impl<'a> ReconciliationBody<'a> {
    pub(crate) fn new(result: &'a ReconciliationResult) -> Self {
        Self {
            run_id: result.run_id,
            total_checked: result.total_checked,
            discrepancies_found: result.discrepancies_found,
            auto_fixed: result.auto_fixed,
            requires_manual_review: result.requires_manual_review,
            calls: result.calls,
            duration_ms: result.duration_ms,
            outcome: result.outcome,
            error: result.error.as_deref(),
            discrepancies: result.discrepancies.iter().map(DiscrepancyBody::new).collect(),
        }
    }
}

/// One run of reconciliation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub struct RunBody<'a> {
    /// Which run.
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
    /// How it ended, or that it goes on.
    #[schema(value_type = RunOutcomeWord)]
    pub outcome: RunOutcome,
    /// What could not be looked at, and why.
    #[schema(required)]
    pub error: Option<&'a str>,
    /// Who asked for it: a key's name, or `saldo`.
    pub by: &'a str,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Timestamp>,
    /// What it looks at.
    pub scope: RunScopeBody,
    /// Orders compared so far.
    pub total_checked: u64,
    /// Orders that there are to compare, as far as it is known: for a progress bar.
    pub total_expected: u64,
    /// Differences found.
    pub discrepancies_found: u64,
    /// Differences put right, or set on their way to be right.
    pub auto_fixed: u64,
    /// Differences put before a person.
    pub requires_manual_review: u64,
    /// Calls of the orders service.
    pub calls: u64,
    /// How long it took; none while it goes on.
    #[schema(required)]
    pub duration_ms: Option<u64>,
}

/// What a run looks at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciliationScope)]
pub struct RunScopeBody {
    /// One account, or all.
    #[schema(value_type = Option<Uuid>, required)]
    pub token_id: Option<AccountId>,
    /// Bought at or after this moment.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub from: Option<Timestamp>,
    /// Bought at or before this moment.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub to: Option<Timestamp>,
    /// At most so many orders an account, the newest first.
    #[schema(required)]
    pub limit: Option<u64>,
    /// Only from each account's watermark on, as the scheduled task does.
    pub since_watermark: bool,
    /// Whether fixes are made.
    pub auto_fix: bool,
}

impl<'a> RunBody<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        let took = |ended: Timestamp| ended.duration_since(run.started_at).as_millis();
        Self {
            run_id: run.id,
            outcome: run.outcome,
            error: run.error.as_deref(),
            by: &run.by,
            started_at: run.started_at,
            ended_at: run.ended_at,
            scope: RunScopeBody {
                token_id: run.scope.account,
                from: run.scope.from,
                to: run.scope.to,
                limit: run.scope.limit,
                since_watermark: run.scope.since_watermark,
                auto_fix: run.scope.auto_fix,
            },
            total_checked: run.tally.checked,
            total_expected: run.tally.expected.max(run.tally.checked),
            discrepancies_found: run.tally.found,
            auto_fixed: run.tally.fixed,
            requires_manual_review: run.tally.for_review,
            calls: run.tally.calls,
            // A clock that was set back makes no duration negative.
            duration_ms: run.ended_at.map(|ended| u64::try_from(took(ended)).unwrap_or(0)),
        }
    }
}

/// One difference between the ledger and the orders service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Discrepancy)]
pub struct DiscrepancyBody<'a> {
    /// Which discrepancy.
    #[schema(value_type = Uuid)]
    pub id: DiscrepancyId,
    /// How the sides differ.
    #[schema(value_type = DiscrepancyKindWord)]
    pub kind: DiscrepancyKind,
    /// The account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// The order.
    pub order_id: &'a str,
    /// How it stands here, in words.
    pub local: &'a str,
    /// How it stands there, in words.
    pub remote: &'a str,
    /// What was done about it.
    #[schema(value_type = DiscrepancyResolutionWord)]
    pub resolution: DiscrepancyResolution,
    /// The review that it led to.
    #[schema(value_type = Option<Uuid>, required)]
    pub review_id: Option<ReviewId>,
    /// The run that saw it last.
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
    /// In how many runs it was seen.
    pub times_seen: u32,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen_at: Timestamp,
    /// When it was last seen.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Timestamp,
    /// When it went away; none while it is open.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub closed_at: Option<Timestamp>,
}

impl<'a> DiscrepancyBody<'a> {
    pub(crate) fn new(discrepancy: &'a Discrepancy) -> Self {
        let found = &discrepancy.found;
        Self {
            id: discrepancy.id,
            kind: found.kind,
            token_id: found.key.account,
            order_id: found.key.order.as_str(),
            local: &found.local,
            remote: &found.remote,
            resolution: found.resolution,
            review_id: found.review,
            run_id: discrepancy.run,
            times_seen: discrepancy.times_seen,
            first_seen_at: discrepancy.first_seen_at,
            last_seen_at: discrepancy.last_seen_at,
            closed_at: discrepancy.closed_at,
        }
    }
}
