//! Whether the orders service can be used.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_orders_service::{ErrorClass, HttpOrdersService, OrdersService, PageQuery, RemoteAccount};

use super::Findings;
use crate::config::Config;
use crate::edge::now;

const AREA: &str = "orders service";
/// For the one call that only looks at the clock.
const CLOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks health, credentials, accounts and the single-order call; answers with the service's time.
pub(super) async fn check(config: &Config, findings: &mut Findings) -> Option<Timestamp> {
    let Some(options) = config.orders_service_options() else {
        let mend = "set orders_service.jwt_secret to the service's own JWT_SECRET_KEY";
        findings.wrong(
            AREA,
            "there are no credentials for it, so no delivery can be made",
            mend,
        );
        return None;
    };
    let service = match HttpOrdersService::new(options, Arc::new(now)) {
        Ok(service) => service,
        Err(error) => {
            findings.wrong(AREA, error.to_string(), "change the settings in [orders_service]");
            return None;
        }
    };
    match service.health().await {
        Ok(health) if health.database_connected => findings.fine(AREA, "answers, and reaches its database"),
        Ok(_) => {
            let mend = "mend the service's PostgreSQL; deliveries wait meanwhile and keep their retries";
            findings.wrong(AREA, "answers, but does not reach its database", mend);
        }
        Err(error) => {
            let mend = "check orders_service.base_url, and that the service runs";
            findings.wrong(AREA, format!("does not answer: {error}"), mend);
            return None;
        }
    }
    match service.accounts().await {
        Ok(accounts) => check_accounts(&service, &accounts, findings).await,
        Err(error) if error.class == ErrorClass::Credentials => {
            let mend = "orders_service.jwt_secret must be the service's JWT_SECRET_KEY, and user_id an owner of accounts";
            findings.wrong(AREA, format!("refuses the credentials: {error}"), mend);
        }
        Err(error) => findings.wrong(
            AREA,
            format!("cannot list its accounts: {error}"),
            "look at the service's log",
        ),
    }
    time_of(&config.orders_service.base_url).await
}

async fn check_accounts(service: &HttpOrdersService, accounts: &[RemoteAccount], findings: &mut Findings) {
    if accounts.is_empty() {
        let mend =
            "orders_service.user_id must be the user that owns the accounts; compare it with the service's";
        findings.wrong(AREA, "knows no account of this user", mend);
        return;
    }
    let active = accounts.iter().filter(|account| account.is_active).count();
    findings.fine(
        AREA,
        format!(
            "takes the credentials; accounts: {}, active: {active}",
            accounts.len()
        ),
    );
    let soon = now() + SignedDuration::from_hours(1);
    for account in accounts.iter().filter(|account| account.is_active) {
        if account.expires_at.is_some_and(|expiry| expiry < soon) {
            let what = format!(
                "the access of account {} ({}) to Allegro has ended or is about to",
                account.name, account.id
            );
            findings.note(AREA, what, "connect the account again at the service");
        }
    }
    check_live_orders(service, accounts, findings).await;
}

/// Tries the single-order call with some order that is stored there.
async fn check_live_orders(service: &HttpOrdersService, accounts: &[RemoteAccount], findings: &mut Findings) {
    for account in accounts.iter().filter(|account| account.is_active) {
        let Ok(page) = service.list_page(account.id, PageQuery::at(0)).await else {
            continue;
        };
        let Some(order) = page.orders.first() else {
            continue;
        };
        match service.live_orders_work(account.id, &order.order_id).await {
            Ok(true) => findings.fine(AREA, "the single-order call works"),
            Ok(false) => findings.note(
                AREA,
                "the single-order call is broken, as in the service as shipped: later changes of an order reach \
                 Saldo only as posted forms",
                "mend the service, or post changed forms to POST /api/v1/stock-sync/orders",
            ),
            Err(error) => findings.note(AREA, format!("the single-order call could not be tried: {error}"), "try again later"),
        }
        return;
    }
    findings.note(
        AREA,
        "stores no order to try the single-order call with",
        "nothing to do",
    );
}

/// The time at the service, from the date of an answer.
async fn time_of(base_url: &str) -> Option<Timestamp> {
    let root = base_url.trim().trim_end_matches('/').trim_end_matches("/api/v1");
    let client = reqwest::Client::builder().timeout(CLOCK_TIMEOUT).build().ok()?;
    let answer = client.get(format!("{root}/health")).send().await.ok()?;
    let date = answer.headers().get("date")?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}
