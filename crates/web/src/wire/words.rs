//! The words that fields may hold, for the API's description. A test keeps them the domain's own.

use utoipa::ToSchema;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
    };
}

words!(
    /// How an order stands after a request.
    SyncStatusWord {
        /// The service has confirmed, or nothing is owed.
        Completed,
        /// Recorded; it waits for what the operation names.
        Pending,
        /// Given up, before a person.
        Failed,
        /// Never ours to deduct, or cancelled.
        Skipped,
        /// Another form answers for it.
        Merged,
        /// Undone.
        RolledBack,
    }
);
words!(
    /// What a key may do.
    RoleWord {
        /// Reads.
        Viewer,
        /// Acts.
        Operator,
        /// Configures.
        Admin,
    }
);
words!(
    /// What a running server does.
    ServerRoleWord {
        /// It takes in and works off.
        All,
        /// It takes in, and leaves deliveries and tasks to the others.
        Api,
        /// It delivers, pulls, runs tasks and alerts, and takes nothing in.
        Worker,
    }
);
words!(
    /// What kind of trouble an alert is about.
    AlertKindWord {
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
        /// Operations wait for too long.
        StaleOperations,
        /// Operations whose retries are used up.
        FailedRetries,
        /// Orders that the stock does not suffice for.
        StockShortage,
        /// Differences that wait for a person.
        ReconciliationDiscrepancies,
        /// A scheduled task did not run when it was due.
        TaskMissed,
        /// The disk that the database is on is nearly full.
        LowDiskSpace,
        /// The orders service's single-order call is broken.
        LiveOrdersBroken,
    }
);
words!(
    /// How serious an alert is.
    SeverityWord {
        /// Worth knowing once.
        Notice,
        /// Someone should look today.
        Warning,
        /// Someone should look now.
        Critical,
    }
);
words!(
    /// Where an alert stands.
    AlertStatusWord {
        /// It lasts, and reminds.
        Begun,
        /// It lasts; someone knows.
        Acknowledged,
        /// It is over.
        Ended,
    }
);
words!(
    /// What an operation does to stock.
    OperationTypeWord {
        /// Takes the stock of an order.
        Deduction,
        /// Brings stock of an order back.
        Refund,
        /// A receipt, a count or a transfer.
        Adjustment,
    }
);
words!(
    /// Where an operation stands.
    OperationStatusWord {
        /// Waiting for what `waiting_for` names.
        Pending,
        /// Under delivery.
        Processing,
        /// Done.
        Completed,
        /// Given up, with an open review.
        Failed,
        /// Undone or called off.
        RolledBack,
    }
);
words!(
    /// What an unfinished operation waits for.
    WaitingForWord {
        /// The orders service to be told.
        Delivery,
        /// Stock to be received.
        Stock,
        /// The buyer to pay.
        Payment,
        /// The account to be usable again.
        Account,
        /// A person to answer.
        Review,
    }
);
words!(
    /// What a log entry tells.
    ActionWord {
        /// The operation was recorded.
        Created,
        /// Its stock was moved.
        Applied,
        /// What it waits for changed.
        Waiting,
        /// A worker took it up.
        Claimed,
        /// Another attempt will follow.
        Retry,
        /// The service has confirmed it, or nothing was owed.
        Completed,
        /// It was given up.
        Failed,
        /// It was undone or called off.
        RolledBack,
    }
);
words!(
    /// Why a person is asked.
    ReviewReasonWord {
        /// Too little stock for the order.
        InsufficientStock,
        /// A line has neither an external id nor a mapping.
        SkuMissing,
        /// The warehouse never held that SKU.
        SkuUnknown,
        /// The service refused the flag, or every retry was used up.
        DeliveryFailed,
        /// Deliveries waited too long through one outage.
        GaveUp,
        /// The orders service no longer knows the account.
        AccountUnusable,
        /// The service's flag was already true for an order unknown here.
        RemoteOnly,
        /// Cancelled when goods had already been sent.
        CancelledAfterShipment,
        /// A copy differs from what was deducted.
        QuantityMismatch,
        /// All items came back.
        Returned,
        /// A line was already taken for another account.
        OtherAccount,
        /// The seller took a cancellation back.
        Reopened,
        /// Unpaid for longer than buyers take.
        StuckUnpaid,
        /// Ready at the service, and not deducted here for so long that somebody may have dealt with it otherwise.
        MissedOrder,
        /// Cancelled after it was deducted, and too old to be given back without asking.
        CancelledAfterDeduction,
        /// Deducted here, and not shown by the service.
        MissingRemotely,
        /// The service's copy of it cannot be read.
        Malformed,
    }
);
words!(
    /// How far Saldo is switched on.
    ModeWord {
        /// Nothing new is deducted.
        Off,
        /// What would be done is recorded and compared; nothing is changed or sent.
        Shadow,
        /// Some accounts, or a share of the orders, are on; the others are in shadow.
        Partial,
        /// Everything is on.
        On,
    }
);
words!(
    /// What Saldo would have done with an order in shadow.
    WouldWord {
        /// Deduct it and send the flag.
        Deduct,
        /// Wait for its payment.
        Wait,
        /// Ask a person.
        Ask,
        /// Leave it alone.
        Nothing,
    }
);
words!(
    /// Whether the old way did what Saldo would have done.
    VerdictWord {
        /// It is too early to tell.
        Undecided,
        /// It did.
        Same,
        /// It did not.
        Differs,
    }
);
words!(
    /// How the ledger and the orders service differ about an order.
    DiscrepancyKindWord {
        /// The service's flag is not the level that Saldo owes it.
        NotDelivered,
        /// Ready at the service, unknown here.
        MissedOrder,
        /// Deducted at the service's word, unknown here.
        RemoteOnly,
        /// Cancelled there after it was deducted here, not sent.
        CancelledAfterDeduction,
        /// Cancelled there after goods were sent.
        CancelledAfterShipment,
        /// The lines differ from what was deducted.
        QuantityMismatch,
        /// Deducted here, unknown there.
        MissingRemotely,
        /// A row of the service's list cannot be read as an order.
        Malformed,
    }
);
words!(
    /// What became of a discrepancy.
    DiscrepancyResolutionWord {
        /// Reported only.
        Reported,
        /// To be seen once more before anything follows.
        Watched,
        /// Put right, or set on its way to be right.
        AutoFixed,
        /// Before a person.
        Review,
        /// It went away.
        Gone,
    }
);
words!(
    /// Whether a discrepancy is still there.
    DiscrepancyStatusWord {
        /// It was seen, and not seen to be gone yet.
        Open,
        /// It went away.
        Closed,
    }
);
words!(
    /// How a run of reconciliation ended.
    RunOutcomeWord {
        /// It goes on.
        Running,
        /// It saw everything that it was asked to look at.
        Completed,
        /// Something could not be looked at; the error says what.
        Failed,
    }
);
words!(
    /// How a task ended.
    TaskOutcomeWord {
        /// Well.
        Succeeded,
        /// Not well; the detail says why.
        Failed,
    }
);
words!(
    /// What a person answers.
    ResolutionWord {
        /// Try again what was asked about.
        Retry,
        /// The world is right as it is: nothing moves.
        Accept,
        /// Do it all the same.
        Force,
        /// Call the operation off, and restore what it had taken.
        Cancel,
        /// Say what the offer stands for, and try again.
        MapSku,
    }
);
words!(
    /// Whether a review waits for an answer.
    ReviewStatusWord {
        /// It does.
        Open,
        /// It has one, or its cause is gone.
        Resolved,
    }
);
words!(
    /// Why a report was made.
    ReportCauseWord {
        /// The schedule says so.
        Scheduled,
        /// Somebody asked for it.
        Asked,
    }
);
words!(
    /// What became of the service's flag after a rollback.
    RemoteFlagWord {
        /// The service has confirmed the new level.
        Cleared,
        /// It will be told.
        Pending,
        /// There was nothing to tell.
        Unchanged,
    }
);
words!(
    /// The overall state in a word.
    HealthWord {
        /// All is well.
        Healthy,
        /// Something waits for longer than it should, or for a person.
        Degraded,
        /// The database does not answer.
        Down,
    }
);
words!(
    /// Where a circuit stands.
    CircuitWord {
        /// All calls are allowed.
        Closed,
        /// No call is allowed until the next probe.
        Open,
        /// A probe is under way.
        HalfOpen,
        /// The circuit breaker is switched off.
        Off,
    }
);

#[cfg(test)]
mod tests {
    use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution, RunOutcome};
    use saldo_domain::review::{Resolution, ReviewReason};
    use saldo_domain::rollout::{Mode, Verdict, Would};
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;

    fn words_of<T: PartialSchema>() -> Vec<String> {
        let schema: Value = serde_json::to_value(T::schema()).unwrap();
        serde_json::from_value(schema.pointer("/enum").cloned().unwrap_or_else(|| json!([]))).unwrap()
    }

    #[test]
    fn the_described_words_are_those_of_the_domain() {
        let reasons = ReviewReason::ALL.map(|reason| reason.as_str().to_owned());
        assert_eq!(words_of::<ReviewReasonWord>(), reasons);
        let resolutions = Resolution::ALL.map(|resolution| resolution.as_str().to_owned());
        assert_eq!(words_of::<ResolutionWord>(), resolutions);
        for word in words_of::<OperationStatusWord>() {
            assert!(
                word.parse::<saldo_domain::operation::OperationStatus>().is_ok(),
                "{word}"
            );
        }
        for word in words_of::<WaitingForWord>() {
            assert!(
                word.parse::<saldo_domain::operation::WaitingFor>().is_ok(),
                "{word}"
            );
        }
        for word in words_of::<OperationTypeWord>() {
            assert!(
                word.parse::<saldo_domain::operation::OperationType>().is_ok(),
                "{word}"
            );
        }
        for word in words_of::<ReportCauseWord>() {
            assert!(
                word.parse::<saldo_domain::report::ReportCause>().is_ok(),
                "{word}"
            );
        }
        for word in words_of::<ActionWord>() {
            assert!(word.parse::<saldo_domain::operation::Action>().is_ok(), "{word}");
        }
        let kinds = saldo_domain::alert::AlertKind::ALL.map(|kind| kind.as_str().to_owned());
        assert_eq!(words_of::<AlertKindWord>(), kinds);
        let severities = saldo_domain::alert::Severity::ALL.map(|severity| severity.as_str().to_owned());
        assert_eq!(words_of::<SeverityWord>(), severities);
        for word in words_of::<AlertStatusWord>() {
            assert!(word.parse::<saldo_domain::alert::AlertStatus>().is_ok(), "{word}");
        }
        let kinds = DiscrepancyKind::ALL.map(|kind| kind.as_str().to_owned());
        assert_eq!(words_of::<DiscrepancyKindWord>(), kinds);
        let resolutions = DiscrepancyResolution::ALL.map(|resolution| resolution.as_str().to_owned());
        assert_eq!(words_of::<DiscrepancyResolutionWord>(), resolutions);
        for word in words_of::<ModeWord>() {
            assert!(word.parse::<Mode>().is_ok(), "{word}");
        }
        for word in words_of::<WouldWord>() {
            assert!(word.parse::<Would>().is_ok(), "{word}");
        }
        for word in words_of::<VerdictWord>() {
            assert!(word.parse::<Verdict>().is_ok(), "{word}");
        }
        for word in words_of::<RunOutcomeWord>() {
            assert!(word.parse::<RunOutcome>().is_ok(), "{word}");
        }
    }
}
