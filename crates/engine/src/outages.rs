//! Outages: probing, giving up what waited too long, and taking it up again when they end.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use saldo_domain::decide::{Command, OutageOutcome, Outcome};
use saldo_domain::ids::{AccountId, ReviewId};
use saldo_domain::review::{ReviewReason, Subject};
use saldo_orders_service::ErrorClass;
use saldo_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::api::Event;
use crate::circuits;
use crate::engine::Core;
use crate::gate::{CallEnd, Gate, Permits, Reopened};
use crate::wide_reviews;

/// How often outages are looked at, in seconds, besides when a circuit closes.
const WATCH_SECONDS: u64 = 30;

/// Asks the service whether it is back, when there is no delivery to find out by.
pub(crate) async fn probe(core: &Arc<Core>, account: Option<AccountId>, permits: Permits) {
    let end = ask(core, account).await;
    let reopened = core.gate().learn(account, end, permits, core.now());
    circuits::tell(core).await;
    if reopened.is_any() {
        ended(core, &reopened).await;
    }
    core.wake.notify_one();
}

/// Asks whether the service answers this instance, where another one was answered. No order is touched by it.
pub(crate) async fn try_own_way(core: &Core, permits: Permits) {
    let longest = Duration::from_millis(core.settings.call_timeout_ms.saturating_mul(2));
    let asked = tokio::time::timeout(longest, ask(core, None)).await;
    let end = asked.unwrap_or(CallEnd::FailedTransiently);
    {
        let (now, mut gate) = (core.now(), core.gate());
        if end == CallEnd::Succeeded {
            gate.answered(permits, now);
        } else {
            gate.learn(None, end, permits, now);
        }
    }
    if end == CallEnd::Succeeded {
        // What was put off here can be done again.
        core.reopened.notify_one();
    }
    core.wake.notify_one();
}

async fn ask(core: &Core, account: Option<AccountId>) -> CallEnd {
    match core.orders_service.health().await {
        Ok(health) if health.database_connected => {}
        _ => return CallEnd::FailedTransiently,
    }
    match core.orders_service.accounts().await {
        // An empty list is what the service answers when it cannot reach its database.
        Ok(accounts) if accounts.is_empty() => CallEnd::FailedTransiently,
        Ok(accounts) if account.is_none_or(|wanted| accounts.iter().any(|known| known.id == wanted)) => {
            CallEnd::Succeeded
        }
        Ok(_) => CallEnd::AccountUnusable,
        Err(error) if error.class == ErrorClass::Credentials => CallEnd::CredentialsRefused,
        Err(_) => CallEnd::FailedTransiently,
    }
}

/// Accounts that were unusable before a restart stay shut until a probe finds them back, so that their reviews
/// close themselves.
async fn remember_unusable_accounts(core: &Core) -> Result<(), StoreError> {
    // What the circuits remember is more than what the reviews do.
    circuits::look(core).await?;
    let reviews = wide_reviews::open(core.store.as_ref(), ReviewReason::AccountUnusable).await?;
    let now = core.now();
    for review in reviews {
        if let Some(account) = review.subject.account() {
            core.gate().remember_unusable(account, now);
        }
    }
    circuits::tell(core).await;
    core.wake.notify_one();
    Ok(())
}

/// Asks about one account at once, because a person says that it works again.
pub(crate) async fn probe_account(core: &Arc<Core>, account: AccountId) {
    core.gate().reopen_account(account);
    circuits::tell(core).await;
    probe(core, Some(account), Gate::free_permits()).await;
    core.wake.notify_one();
}

/// A circuit has closed: what was given up is taken up again.
pub(crate) async fn ended(core: &Arc<Core>, reopened: &Reopened) {
    tracing::info!(service = reopened.service, account = ?reopened.account, "calls are possible again");
    core.tell(Event::Status);
    if let Some(account) = reopened.account {
        let subject = Subject::Account(account);
        let close = Command::CloseWidely {
            reason: ReviewReason::AccountUnusable,
            subject,
        };
        if let Err(error) = core.store.execute(core.request(close)).await {
            tracing::warn!(%account, %error, "the account's review could not be closed yet");
        }
    }
    if let Err(error) = look(core).await {
        tracing::warn!(%error, "what was given up could not be taken up again yet");
    }
    core.reopened.notify_one();
    core.wake.notify_one();
}

/// Looks at outages from time to time, until told to stop.
pub(crate) async fn watch(core: Arc<Core>, stop: CancellationToken) {
    while let Err(error) = remember_unusable_accounts(&core).await {
        tracing::warn!(%error, "open reviews could not be read at start; trying again in a second");
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(WATCH_SECONDS)) => {}
        }
        circuits::tell(&core).await;
        if let Err(error) = look(&core).await {
            tracing::warn!(%error, "outages could not be looked at");
        }
    }
}

/// Gives up what waited too long for what is shut, and takes up again what waits for nothing any more.
pub(crate) async fn look(core: &Arc<Core>) -> Result<(), StoreError> {
    let (service_shut, accounts_shut) = {
        let gate = core.gate();
        (gate.service_shut_since().is_some(), gate.shut_accounts())
    };
    let before = core.now() - SignedDuration::from_hours(i64::from(core.settings.circuit.give_up_hours));
    if service_shut {
        repeat(
            core,
            Command::GiveUp {
                account: None,
                before,
            },
        )
        .await?;
    } else {
        for account in &accounts_shut {
            repeat(
                core,
                Command::GiveUp {
                    account: Some(*account),
                    before,
                },
            )
            .await?;
        }
    }
    for review in wide_reviews::open(core.store.as_ref(), ReviewReason::GaveUp).await? {
        let is_over = match review.subject {
            Subject::Service => !service_shut,
            Subject::Account(account) => !service_shut && !accounts_shut.contains(&account),
            Subject::Order(_) => false,
        };
        if is_over {
            end(core, review.id).await?;
        }
    }
    Ok(())
}

/// Takes up again what was given up under a review.
pub(crate) async fn end(core: &Arc<Core>, review: ReviewId) -> Result<u64, StoreError> {
    let moved = repeat(core, Command::EndOutage { review }).await?;
    core.tell(Event::Review { id: review });
    core.wake.notify_one();
    Ok(moved)
}

/// Runs a bounded command until nothing remains for it.
async fn repeat(core: &Arc<Core>, command: Command) -> Result<u64, StoreError> {
    let mut moved = 0;
    loop {
        match core.store.execute(core.request(command.clone())).await? {
            Outcome::Outage(OutageOutcome {
                moved: now_moved,
                more,
                review,
            }) => {
                moved += u64::try_from(now_moved).unwrap_or(u64::MAX);
                if let Some(id) = review
                    && now_moved > 0
                {
                    core.tell(Event::Review { id });
                }
                // A round that moved nothing would move nothing again.
                if !more || now_moved == 0 {
                    return Ok(moved);
                }
            }
            other => return Err(StoreError::Defect(format!("an outage was answered by {other:?}"))),
        }
    }
}
