//! One attempt: the call, and what its end means (the table of outcomes of section 5).

use jiff::Timestamp;
use saldo_domain::delivery::{Claim, Failure, Outcome, Task};
use saldo_orders_service::{CallError, ErrorClass, OrdersService};

use crate::gate::CallEnd;

/// Makes the call of a claim.
pub(crate) async fn attempt(orders_service: &dyn OrdersService, claim: &Claim, counts: bool) -> Outcome {
    match claim.task {
        Task::Verify => verify(orders_service, claim, counts).await,
        Task::Send => send(orders_service, claim, counts).await,
    }
}

async fn send(orders_service: &dyn OrdersService, claim: &Claim, counts: bool) -> Outcome {
    let (account, order) = (claim.key.account, &claim.key.order);
    if let Err(error) = orders_service.set_flag(account, order, claim.flag).await {
        return classify(orders_service, claim, error, counts, true).await;
    }
    if !claim.read_back {
        return Outcome::Delivered;
    }
    match orders_service.read_flag(account, order).await {
        Ok(flag) if flag == claim.flag => Outcome::Delivered,
        Ok(_) => Outcome::Unknown(Failure {
            message: "the flag read back is not the one sent: an earlier call arrived late".to_owned(),
            retry_after_seconds: None,
            counts,
        }),
        Err(error) => classify(orders_service, claim, error, counts, true).await,
    }
}

async fn verify(orders_service: &dyn OrdersService, claim: &Claim, counts: bool) -> Outcome {
    match orders_service
        .read_flag(claim.key.account, &claim.key.order)
        .await
    {
        Ok(flag) if flag == claim.flag => Outcome::Delivered,
        Ok(_) => Outcome::Differs,
        Err(error) => classify(orders_service, claim, error, counts, false).await,
    }
}

/// What an error means. A 404 is believed to be about the account only when the service's database is
/// connected and its complete, non-empty list of accounts lacks this one: with its database down the service
/// says "not found" of every account.
async fn classify(
    orders_service: &dyn OrdersService,
    claim: &Claim,
    error: CallError,
    counts: bool,
    was_sent: bool,
) -> Outcome {
    let failure = |counts: bool| Failure {
        message: error.message.clone(),
        retry_after_seconds: error.retry_after_seconds,
        counts,
    };
    match error.class {
        // A gateway's error says nothing about what the service behind it did.
        ErrorClass::Transient if was_sent && error.status.is_some_and(|status| status >= 500) => {
            Outcome::Unknown(failure(counts))
        }
        ErrorClass::Transient => Outcome::Transient(failure(counts)),
        ErrorClass::Unknown => Outcome::Unknown(failure(counts)),
        ErrorClass::Credentials => Outcome::Credentials(failure(false)),
        ErrorClass::Permanent => Outcome::Permanent(failure(counts)),
        ErrorClass::AccountNotFound => {
            if is_account_gone(orders_service, claim).await {
                Outcome::AccountUnusable(failure(false))
            } else {
                Outcome::Transient(failure(counts))
            }
        }
    }
}

async fn is_account_gone(orders_service: &dyn OrdersService, claim: &Claim) -> bool {
    let connected = orders_service
        .health()
        .await
        .is_ok_and(|health| health.database_connected);
    if !connected {
        return false;
    }
    match orders_service.accounts().await {
        Ok(accounts) => {
            !accounts.is_empty() && accounts.iter().all(|account| account.id != claim.key.account)
        }
        Err(_) => false,
    }
}

/// What circuits learn from an outcome.
pub(crate) const fn call_end(outcome: &Outcome) -> CallEnd {
    match outcome {
        Outcome::Delivered | Outcome::Differs => CallEnd::Succeeded,
        Outcome::Transient(_) | Outcome::Unknown(_) => CallEnd::FailedTransiently,
        Outcome::Credentials(_) => CallEnd::CredentialsRefused,
        Outcome::AccountUnusable(_) => CallEnd::AccountUnusable,
        Outcome::Permanent(_) => CallEnd::Answered,
        Outcome::NotMade { .. } => CallEnd::NotMade,
    }
}

/// The message of an outcome that is not a success.
pub(crate) fn error_of(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Delivered | Outcome::Differs | Outcome::NotMade { .. } => None,
        Outcome::Transient(failure)
        | Outcome::Unknown(failure)
        | Outcome::Credentials(failure)
        | Outcome::AccountUnusable(failure)
        | Outcome::Permanent(failure) => Some(&failure.message),
    }
}

/// An attempt that was not made.
pub(crate) const fn not_made(again_at: Timestamp) -> Outcome {
    Outcome::NotMade { again_at }
}
