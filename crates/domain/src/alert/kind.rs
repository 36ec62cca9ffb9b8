//! The kinds of alerts, how serious each is, and what may be behind it.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::operation::{UnknownWord, words};

/// What kind of trouble an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The orders service does not answer, or answers with failures only.
    OrdersServiceDown,
    /// The orders service refuses Saldo's own credentials.
    CredentialsRefused,
    /// The database fails, or its disk is full.
    StorageTrouble,
    /// More operations wait than `monitoring.max_pending_operations`.
    MaxPending,
    /// The orders service no longer knows an account.
    AccountUnusable,
    /// More operations wait than `alerts.high_pending_operations.threshold`.
    HighPendingOperations,
    /// Too large a share of the attempts within the window failed.
    SyncFailureRate,
    /// Operations wait for longer than `alerts.stale_operations.threshold_hours`.
    StaleOperations,
    /// Operations whose retries are used up.
    FailedRetries,
    /// Orders that the stock does not suffice for.
    StockShortage,
    /// Reconciliation found differences that wait for a person.
    ReconciliationDiscrepancies,
    /// A scheduled task did not run when it was due.
    TaskMissed,
    /// The disk that the database is on is nearly full.
    LowDiskSpace,
    /// The orders service's single-order call is broken, so that its copies of orders are frozen.
    LiveOrdersBroken,
}

words!(AlertKind {
    OrdersServiceDown => "orders_service_down", CredentialsRefused => "credentials_refused",
    StorageTrouble => "storage_trouble", MaxPending => "max_pending", AccountUnusable => "account_unusable",
    HighPendingOperations => "high_pending_operations", SyncFailureRate => "sync_failure_rate",
    StaleOperations => "stale_operations", FailedRetries => "failed_retries",
    StockShortage => "stock_shortage", ReconciliationDiscrepancies => "reconciliation_discrepancies",
    TaskMissed => "task_missed", LowDiskSpace => "low_disk_space", LiveOrdersBroken => "live_orders_broken",
});

/// How serious an alert is: what it is routed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing once: told without reminders.
    Notice,
    /// Someone should look today.
    Warning,
    /// Someone should look now.
    Critical,
}

words!(Severity { Notice => "notice", Warning => "warning", Critical => "critical" });

impl Severity {
    /// All of them, for tables in the documentation and tests.
    pub const ALL: [Self; 3] = [Self::Notice, Self::Warning, Self::Critical];
}

impl AlertKind {
    /// All of them, the most serious first.
    pub const ALL: [Self; 14] = [
        Self::OrdersServiceDown,
        Self::CredentialsRefused,
        Self::StorageTrouble,
        Self::MaxPending,
        Self::AccountUnusable,
        Self::HighPendingOperations,
        Self::SyncFailureRate,
        Self::StaleOperations,
        Self::FailedRetries,
        Self::StockShortage,
        Self::ReconciliationDiscrepancies,
        Self::TaskMissed,
        Self::LowDiskSpace,
        Self::LiveOrdersBroken,
    ];

    /// How serious it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::OrdersServiceDown
            | Self::CredentialsRefused
            | Self::StorageTrouble
            | Self::MaxPending
            | Self::AccountUnusable => Severity::Critical,
            Self::HighPendingOperations
            | Self::SyncFailureRate
            | Self::StaleOperations
            | Self::FailedRetries
            | Self::StockShortage
            | Self::ReconciliationDiscrepancies
            | Self::TaskMissed
            | Self::LowDiskSpace => Severity::Warning,
            Self::LiveOrdersBroken => Severity::Notice,
        }
    }

    /// How long it must last before someone is told: a blip is nobody's trouble, a batch of orders is no jam, and
    /// what falls short together is told together.
    #[must_use]
    pub const fn told_after(self) -> SignedDuration {
        match self {
            Self::OrdersServiceDown | Self::CredentialsRefused | Self::StockShortage => {
                SignedDuration::from_mins(2)
            }
            Self::HighPendingOperations | Self::MaxPending => SignedDuration::from_mins(5),
            _ => SignedDuration::ZERO,
        }
    }

    /// What explains it. While one of these is open nobody is told of this one besides: one outage is one message.
    #[must_use]
    pub const fn causes(self) -> &'static [Self] {
        match self {
            Self::HighPendingOperations => &[
                Self::OrdersServiceDown,
                Self::CredentialsRefused,
                Self::MaxPending,
            ],
            Self::MaxPending | Self::StaleOperations | Self::FailedRetries => {
                &[Self::OrdersServiceDown, Self::CredentialsRefused]
            }
            // What is probed and not yet back fails each time.
            Self::SyncFailureRate => &[
                Self::OrdersServiceDown,
                Self::CredentialsRefused,
                Self::AccountUnusable,
            ],
            Self::TaskMissed => &[Self::StorageTrouble],
            _ => &[],
        }
    }

    /// Whether it began when its facts say, and not when it was first seen.
    #[must_use]
    pub const fn begins_when_it_says(self) -> bool {
        matches!(self, Self::OrdersServiceDown | Self::CredentialsRefused)
    }

    /// Whether twice as many are news. Through an outage the queue only grows, as everyone knows who was told of it.
    #[must_use]
    pub const fn growth_is_news(self) -> bool {
        matches!(
            self,
            Self::StockShortage | Self::FailedRetries | Self::ReconciliationDiscrepancies
        )
    }

    /// Whether its end tells how many operations were delivered since it began.
    #[must_use]
    pub const fn counts_deliveries(self) -> bool {
        matches!(
            self,
            Self::OrdersServiceDown
                | Self::CredentialsRefused
                | Self::MaxPending
                | Self::HighPendingOperations
                | Self::StaleOperations
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_the_kinds_they_were_made_of() {
        for kind in AlertKind::ALL {
            assert_eq!(kind.as_str().parse::<AlertKind>().unwrap(), kind);
        }
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse::<Severity>().unwrap(), severity);
        }
    }

    #[test]
    fn nothing_explains_itself_however_indirectly() {
        for kind in AlertKind::ALL {
            let mut behind = kind.causes().to_vec();
            for _ in AlertKind::ALL {
                behind.extend(behind.clone().iter().flat_map(|cause| cause.causes()));
                behind.sort();
                behind.dedup();
            }
            assert!(!behind.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn a_cause_is_at_least_as_serious_as_what_it_explains() {
        for kind in AlertKind::ALL {
            for cause in kind.causes() {
                assert!(cause.severity() >= kind.severity(), "{cause} behind {kind}");
            }
        }
    }
}
