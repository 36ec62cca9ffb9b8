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
    use saldo_domain::review::{Resolution, ReviewReason};
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
        for word in words_of::<ActionWord>() {
            assert!(word.parse::<saldo_domain::operation::Action>().is_ok(), "{word}");
        }
    }
}
