//! How things are, asked cheaply: counts from indexes, what is in memory, and a few examples of what is wrong.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::{
    Alert, AlertPolicy, EXAMPLES_MAX, Example, Observation, Shortages, TaskName, TaskObservation,
};
use saldo_domain::discrepancy::DiscrepancyResolution;
use saldo_domain::ids::{AccountId, AlertId};
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::StoreError;
use saldo_store::instances::AttemptCounts;
use saldo_store::query::{Counts, OperationFilter, PageRequest, ReviewFilter};
use saldo_store::reconciliations::DiscrepancyFilter;

use super::observer::microsecond;
use crate::instances;
use crate::service::StockSynchronizationService;
use crate::wide_reviews;

/// What the one who looks remembers from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whether the orders service was heard of since the start: without that, silence proves nothing.
    pub(super) has_heard: bool,
    /// When operations were last looked at that wait for too long.
    pub(super) stale_looked_at: Option<Timestamp>,
}

/// One look.
pub(super) struct Look<'l> {
    pub(super) service: &'l StockSynchronizationService,
    pub(super) policy: &'l AlertPolicy,
    pub(super) now: Timestamp,
    /// Whether operations that wait for too long are looked at this time.
    pub(super) with_stale: bool,
    /// The alerts that are open.
    pub(super) open: &'l [Alert],
}

impl Look<'_> {
    /// Gathers everything. An error means that the database could not say it.
    pub(super) async fn gather(&self, memory: &mut Memory) -> Result<Observation, StoreError> {
        let store = self.service.store();
        let hours = i64::try_from(self.policy.stale_operation_hours).unwrap_or(i64::MAX / 3_600);
        let stale_before = self.now - SignedDuration::from_hours(hours);
        let counts = store.counts(self.now, stale_before).await?;
        let free_disk_bytes = store.free_disk_bytes().await?;
        let mut observation = Observation {
            free_disk_mib: free_disk_bytes.map(|bytes| bytes >> 20),
            pending: Some(counts.unfinished.pending),
            oldest_pending: counts.oldest_pending,
            stale: self.with_stale.then_some(counts.stale),
            delivered: self.delivered().await?,
            tasks: Some(self.tasks().await?),
            discrepancies: Some(self.discrepancies().await?),
            ..Observation::default()
        };
        let attempts = instances::counts(self.service.core(), self.now).await?;
        self.look_at_service(&counts, attempts, memory, &mut observation);
        let unusable = wide_reviews::open(store.as_ref(), ReviewReason::AccountUnusable).await?;
        let short = counts
            .reviews_open
            .iter()
            .find(|(reason, _)| *reason == ReviewReason::InsufficientStock)
            .map_or(0, |(_, count)| *count);
        let names = if counts.unfinished.failed > 0 || short > 0 || !unusable.is_empty() {
            self.names().await?
        } else {
            BTreeMap::new()
        };
        observation.unusable_accounts = Some(accounts(&unusable, &names));
        observation.failed = Some(self.failed(counts.unfinished.failed, &names).await?);
        observation.shortages = Some(self.shortages(short, &names).await?);
        Ok(observation)
    }

    /// What is known of the orders service.
    fn look_at_service(
        &self,
        counts: &Counts,
        AttemptCounts {
            attempts, successes, ..
        }: AttemptCounts,
        memory: &mut Memory,
        observation: &mut Observation,
    ) {
        let core = self.service.core();
        let (is_down, refuses) = core.gate().shut_parts();
        observation.service_down_since = core.gate().service_shut_since().map(microsecond);
        observation.attempts = Some((attempts, attempts.saturating_sub(successes)));
        observation.last_error = core.statistics().last_error().map(ToOwned::to_owned);
        observation.live_orders = core.live_orders();
        let owes_nothing = counts.unfinished.pending == 0 && counts.unfinished.processing == 0;
        memory.has_heard |= is_down || refuses || successes > 0 || owes_nothing;
        let known = memory.has_heard;
        observation.service_down = known.then_some(is_down);
        observation.credentials_refused = known.then_some(refuses);
    }

    /// What was delivered since an alert began that seems to be over.
    async fn delivered(&self) -> Result<BTreeMap<AlertId, u64>, StoreError> {
        let mut delivered = BTreeMap::new();
        for alert in self.open {
            if alert.cleared_at.is_some() && alert.kind.counts_deliveries() {
                let count = self.service.store().completed_since(alert.begun_at).await?;
                delivered.insert(alert.id, count);
            }
        }
        Ok(delivered)
    }

    async fn tasks(&self) -> Result<Vec<TaskObservation>, StoreError> {
        let tasks = self.service.tasks().await?;
        // Whether this very look is late, it cannot say.
        let scheduled = tasks
            .into_iter()
            .filter(|task| task.schedule.is_some() && !task.running && task.name != super::TASK);
        Ok(scheduled
            .filter_map(|task| {
                Some(TaskObservation {
                    name: TaskName::parse(&task.name).ok()?,
                    due_at: task.next_run_at?,
                    error: task.last_detail.filter(|_| task.last_succeeded == Some(false)),
                })
            })
            .collect())
    }

    async fn discrepancies(&self) -> Result<Shortages, StoreError> {
        let store = self.service.store();
        let counts = store.open_discrepancies().await?;
        let count = counts
            .iter()
            .filter(|(_, resolution, _)| *resolution == DiscrepancyResolution::Review)
            .map(|(_, _, count)| count)
            .sum();
        let mut examples = Vec::new();
        if count > 0 {
            let filter = DiscrepancyFilter {
                open: Some(true),
                resolution: Some(DiscrepancyResolution::Review),
                ..DiscrepancyFilter::default()
            };
            let page = store
                .discrepancies(&filter, PageRequest::first(EXAMPLES_MAX))
                .await?;
            examples.extend(page.items.into_iter().map(|discrepancy| Example {
                account: Some(discrepancy.found.key.account),
                order: Some(discrepancy.found.key.order),
                at: Some(discrepancy.first_seen_at),
                error: Some(discrepancy.found.kind.to_string()),
                ..Example::default()
            }));
        }
        Ok(Shortages { count, examples })
    }

    async fn names(&self) -> Result<BTreeMap<AccountId, String>, StoreError> {
        let accounts = self.service.store().accounts().await?;
        Ok(accounts
            .into_iter()
            .filter_map(|account| Some((account.id, account.name?)))
            .collect())
    }

    async fn failed(&self, count: u64, names: &BTreeMap<AccountId, String>) -> Result<Shortages, StoreError> {
        let mut examples = Vec::new();
        if count > 0 {
            let filter = OperationFilter {
                statuses: vec![OperationStatus::Failed],
                ..OperationFilter::default()
            };
            let page = PageRequest::first(EXAMPLES_MAX);
            let operations = self.service.store().operations(&filter, page).await?.items;
            examples.extend(operations.into_iter().filter_map(|operation| {
                let key = operation.order?;
                Some(Example {
                    account: Some(key.account),
                    account_name: names.get(&key.account).cloned(),
                    order: Some(key.order),
                    at: Some(operation.updated_at),
                    error: operation.error_message,
                    ..Example::default()
                })
            }));
        }
        Ok(Shortages { count, examples })
    }

    async fn shortages(
        &self,
        count: u64,
        names: &BTreeMap<AccountId, String>,
    ) -> Result<Shortages, StoreError> {
        let mut examples = Vec::new();
        if count > 0 {
            let filter = ReviewFilter {
                open: Some(true),
                reason: Some(ReviewReason::InsufficientStock),
                ..ReviewFilter::default()
            };
            let page = PageRequest::first(EXAMPLES_MAX);
            let reviews = self.service.store().reviews(&filter, page).await?.items;
            examples.extend(reviews.iter().map(|review| shortage(review, names)));
        }
        Ok(Shortages { count, examples })
    }
}

fn accounts(reviews: &[Review], names: &BTreeMap<AccountId, String>) -> Vec<Example> {
    let of = |review: &Review| {
        let account = review.subject.account()?;
        Some(Example {
            account: Some(account),
            account_name: names.get(&account).cloned(),
            at: Some(review.opened_at),
            ..Example::default()
        })
    };
    reviews.iter().filter_map(of).collect()
}

/// The first line of a review that falls short.
fn shortage(review: &Review, names: &BTreeMap<AccountId, String>) -> Example {
    let lines = review.details.get("lines").and_then(serde_json::Value::as_array);
    let line = lines.and_then(|lines| {
        let falls_short = |line: &&serde_json::Value| line["short"].as_i64().is_some_and(|short| short > 0);
        lines.iter().find(falls_short)
    });
    let number = |field: &str| line.and_then(|line| line[field].as_i64());
    let text = |field: &str| line.and_then(|line| line[field].as_str());
    let account = review.subject.account();
    Example {
        account,
        account_name: account.and_then(|account| names.get(&account).cloned()),
        order: review.subject.order().cloned(),
        sku: text("sku").and_then(|sku| Sku::parse(sku).ok()),
        warehouse: text("warehouse").and_then(|warehouse| Warehouse::parse(warehouse).ok()),
        required: number("required"),
        available: number("available"),
        short: number("short"),
        at: Some(review.opened_at),
        error: None,
    }
}
