//! Small worlds to test in: settings, accounts, orders, requests.

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Outcome, Receipt, Request, Settle, StockLine, TakeIn,
};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{AccountId, LineItemId, OfferId, OrderId, OrderKey};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::DueRequest;
use uuid::Uuid;

use super::{GrowingIds, must};
use crate::contract::{Rules, SharedStore};

pub(super) fn policy() -> Policy {
    Policy {
        default_warehouse: warehouse("Ирина"),
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: true,
        lease_seconds: 90,
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: saldo_domain::rollout::Mode::On,
        start_from: None,
    }
}

pub(super) fn rules() -> Rules {
    Rules {
        policy: policy(),
        ids: Box::new(GrowingIds::default()),
    }
}

/// A moment, in seconds after the beginning of the tests.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + seconds)
}

pub(super) fn account(number: u8) -> AccountId {
    AccountId::new(Uuid::from_u128(u128::from(number) << 64))
}

pub(super) fn sku(text: &str) -> Sku {
    must!(Sku::parse(text), "a SKU")
}

pub(super) fn warehouse(text: &str) -> Warehouse {
    must!(Warehouse::parse(text), "a warehouse")
}

pub(super) fn stock(text: &str) -> StockKey {
    StockKey {
        sku: sku(text),
        warehouse: policy().default_warehouse,
    }
}

pub(super) fn order(account_number: u8, id: &str) -> OrderKey {
    OrderKey {
        account: account(account_number),
        order: must!(OrderId::parse(id), "an order id"),
    }
}

pub(super) fn line(id: &str, sku_text: &str, quantity: i64) -> CopyLine {
    CopyLine {
        id: Some(must!(LineItemId::parse(id), "a line id")),
        offer: Some(must!(OfferId::parse(&format!("offer-{sku_text}")), "an offer id")),
        external: Some(sku(sku_text)),
        quantity,
    }
}

/// A posted copy of a paid order.
pub(super) fn copy(key: &OrderKey, lines: Vec<CopyLine>) -> OrderCopy {
    OrderCopy {
        order: key.order.clone(),
        source: Source::Posted,
        status: FormStatus::Ready,
        fulfillment_cancelled: false,
        shipped: false,
        returned: false,
        fulfilled_by_allegro: false,
        revision: None,
        updated_at: None,
        bought_at: None,
        lines,
    }
}

pub(super) fn request(seconds: i64, command: Command) -> Request {
    Request {
        command,
        now: at(seconds),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

pub(super) fn take_in(seconds: i64, key: &OrderKey, lines: Vec<CopyLine>) -> Request {
    let command = Command::TakeIn(TakeIn {
        account: key.account,
        copy: copy(key, lines),
        warehouse: None,
        force: false,
        remote_flag: None,
    });
    request(seconds, command)
}

/// A paid order with one line of one unit, whose line id is made of the order's.
pub(super) fn simple(seconds: i64, key: &OrderKey, sku_text: &str) -> Request {
    let id = format!("{}-{}", key.order, &key.account.to_string()[..18]);
    take_in(seconds, key, vec![line(&id, sku_text, 1)])
}

pub(super) fn receive(seconds: i64, sku_text: &str, quantity: i64) -> Request {
    let lines = vec![StockLine {
        key: stock(sku_text),
        quantity,
    }];
    request(
        seconds,
        Command::Receive(Receipt {
            lines,
            reference: None,
        }),
    )
}

pub(super) fn due(seconds: i64) -> DueRequest {
    DueRequest {
        now: at(seconds),
        after_account: None,
        excluded: Vec::new(),
        only: None,
        per_account_max: 100,
        count_max: 100,
    }
}

pub(super) fn claim(seconds: i64, due: DueRequest) -> Request {
    request(
        seconds,
        Command::Claim(ClaimRequest {
            orders: ClaimOrders::Due(due),
        }),
    )
}

pub(super) fn settle(seconds: i64, claim: &Claim, outcome: AttemptOutcome) -> Request {
    let settle = Settle {
        key: claim.key.clone(),
        token: claim.token,
        outcome,
        draw: 0.5,
        took_ms: 12,
    };
    request(seconds, Command::Settle(settle))
}

/// Executes a request that must succeed.
pub(super) async fn done(store: &SharedStore, request: Request) -> Outcome {
    must!(store.execute(request).await, "a request that must succeed")
}

/// Claims, and says what was claimed.
pub(super) async fn claimed(store: &SharedStore, seconds: i64, due: DueRequest) -> Vec<Claim> {
    match done(store, claim(seconds, due)).await {
        Outcome::Claimed(claims) => claims,
        other => panic!("a claim answered {other:?}"),
    }
}
