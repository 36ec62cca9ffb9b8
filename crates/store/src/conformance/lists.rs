//! Lists that decisions ask for: due deliveries, orders that wait, outages.

use saldo_domain::decide::{Command, Map, Outcome};
use saldo_domain::delivery::{Claim, Failure, Outcome as AttemptOutcome};
use saldo_domain::ids::{OfferId, ReviewId};
use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Component, OfferKey, StockKey};
use saldo_domain::view::{DueRequest, ListKey};

use super::forms::{
    account, at, claim, claimed, done, due, line, order, receive, request, settle, simple, sku, stock,
    take_in,
};
use super::{Fixture, must};
use crate::contract::SharedStore;
use crate::query::{OperationFilter, PageRequest};

fn names(claims: &[Claim]) -> Vec<String> {
    claims.iter().map(|claim| claim.key.order.to_string()).collect()
}

async fn with_stock(store: &SharedStore) -> Vec<StockKey> {
    must!(store.waiting_with_stock(None, 10).await, "waiting_with_stock")
}

async fn gave_up(store: &SharedStore, after: Option<ReviewId>, limit: usize) -> Vec<Review> {
    let open = store.open_wide_reviews(ReviewReason::GaveUp, after, limit).await;
    must!(open, "open_wide_reviews")
}

pub(super) async fn accounts_take_turns(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 100)).await;
    let orders = [
        (1, "a1"),
        (1, "a2"),
        (1, "a3"),
        (1, "a4"),
        (2, "b1"),
        (2, "b2"),
        (3, "c1"),
    ];
    for (index, (account_number, id)) in orders.into_iter().enumerate() {
        done(store, simple(index as i64 + 1, &order(account_number, id), "A")).await;
    }
    let after = |account_number, count_max| DueRequest {
        after_account: Some(account(account_number)),
        count_max,
        ..due(50)
    };
    let mut turn = after(1, 4);
    turn.excluded = vec![account(3)];
    turn.per_account_max = 2;
    let release = |claim: &Claim| settle(50, claim, AttemptOutcome::NotMade { again_at: at(50) });
    let claims = claimed(store, 50, turn).await;
    assert_eq!(
        names(&claims),
        ["b1", "a1", "b2", "a2"],
        "go round after account 1, without account 3"
    );
    assert_eq!(
        names(&claimed(store, 50, after(3, 1)).await),
        ["a3"],
        "round to the first, and none twice"
    );
    assert_eq!(names(&claimed(store, 50, after(2, 1)).await), ["c1"]);
    for claim in &claims {
        done(store, release(claim)).await;
    }
    let only = DueRequest {
        only: Some(account(2)),
        ..due(50)
    };
    assert_eq!(names(&claimed(store, 50, only).await), ["b1", "b2"]);
    let excluded = DueRequest {
        only: Some(account(1)),
        excluded: vec![account(1)],
        ..due(50)
    };
    assert_eq!(names(&claimed(store, 50, excluded).await), Vec::<String>::new());
    let next = must!(store.next_due(&[account(2), account(3)]).await, "next_due");
    assert_eq!(next, Some(at(4)), "the last order of account 1 was never claimed");
    assert_eq!(
        must!(
            store.next_due(&[account(1), account(2), account(3)]).await,
            "next_due"
        ),
        None
    );
    let none_yet = DueRequest { now: at(0), ..due(0) };
    assert_eq!(
        names(&claimed(store, 0, none_yet).await),
        Vec::<String>::new(),
        "nothing is due before its time"
    );
    let after_leases = must!(
        store.execute(claim(500, due(500))).await,
        "a claim after the leases ended"
    );
    match after_leases {
        Outcome::Claimed(claims) => assert_eq!(claims.len(), 7, "an expired lease is taken over"),
        other => panic!("a claim answered {other:?}"),
    }
}

pub(super) async fn what_an_account_lacks_of_its_share_goes_to_those_that_have_more(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 100)).await;
    let owed = [(1, 1), (2, 9), (3, 2), (4, 0), (5, 5)];
    let mut seconds = 0;
    for (account_number, count) in owed {
        for number in 1..=count {
            seconds += 1;
            let id = order(account_number, &format!("{account_number}-{number}"));
            done(store, simple(seconds, &id, "A")).await;
        }
    }
    let turn = |per_account_max, count_max| DueRequest {
        per_account_max,
        count_max,
        ..due(50)
    };
    let first = claimed(store, 50, turn(100, 12)).await;
    assert_eq!(
        names(&first),
        [
            "1-1", "2-1", "3-1", "5-1", "2-2", "3-2", "5-2", "2-3", "5-3", "2-4", "5-4", "2-5"
        ]
    );
    assert_eq!(
        names(&claimed(store, 50, turn(3, 12)).await),
        ["2-6", "5-5", "2-7", "2-8"],
        "no account is given more than its bound, whatever is left"
    );
    assert_eq!(names(&claimed(store, 50, turn(100, 12)).await), ["2-9"]);
}

pub(super) async fn many_accounts_are_served_one_after_the_other(fixture: &Fixture) {
    const ACCOUNTS: u8 = 150;
    let store = &fixture.store;
    done(store, receive(0, "A", 1_000)).await;
    // Those of the first hundred are due later than the rest.
    for number in 1..=ACCOUNTS {
        let seconds = if number <= 100 { 2 } else { 1 };
        done(store, simple(seconds, &order(number, &number.to_string()), "A")).await;
    }
    let turn = |seconds, after_account, count_max| DueRequest {
        now: at(seconds),
        after_account,
        count_max,
        ..due(seconds)
    };
    let expected = |numbers: std::ops::RangeInclusive<u8>| -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    };
    let claims = claimed(store, 1, turn(1, None, 4)).await;
    assert_eq!(names(&claims), expected(101..=104), "the first that are due");
    let claims = claimed(store, 1, turn(1, Some(account(140)), 20)).await;
    let round: Vec<String> = [expected(141..=150), expected(105..=114)].concat();
    assert_eq!(
        names(&claims),
        round,
        "after the one that was served last, and round"
    );
    let claims = claimed(store, 2, turn(2, Some(account(100)), 20)).await;
    assert_eq!(names(&claims), expected(115..=134), "past those that are claimed");
    let rest = claimed(store, 2, turn(2, None, 1_000)).await;
    let round: Vec<String> = [expected(1..=100), expected(135..=140)].concat();
    assert_eq!(names(&rest), round, "what is due by now, too");
}

pub(super) async fn what_is_waited_for_and_there_again_is_told_page_by_page(fixture: &Fixture) {
    let store = &fixture.store;
    for name in ["C", "A", "D", "B"] {
        done(store, simple(1, &order(1, name), name)).await;
    }
    for name in ["A", "B", "D"] {
        done(store, receive(2, name, 1)).await;
    }
    let mut told = Vec::new();
    loop {
        let page = must!(
            store.waiting_with_stock(told.last(), 2).await,
            "waiting_with_stock"
        );
        if page.is_empty() {
            break;
        }
        told.extend(page);
    }
    assert_eq!(told, [stock("A"), stock("B"), stock("D")]);
}

pub(super) async fn orders_wait_for_stock_and_are_found_again(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 1)).await;
    for (seconds, id) in [(1, "taken"), (2, "second"), (3, "third")] {
        done(store, simple(seconds, &order(1, id), "A")).await;
    }
    done(store, simple(4, &order(2, "unknown-sku"), "S")).await;
    let nameless = saldo_domain::form::CopyLine {
        external: None,
        ..line("nameless", "S", 3)
    };
    done(store, take_in(5, &order(2, "no-sku"), vec![nameless])).await;
    assert_eq!(with_stock(store).await, []);
    done(store, receive(10, "A", 1)).await;
    assert_eq!(with_stock(store).await, [stock("A")]);
    let waiting = Command::Waiting(ListKey::AwaitingStock(stock("A"), None));
    match done(store, request(11, waiting)).await {
        Outcome::Orders(outcome) => assert_eq!(outcome.deliver, [order(1, "second")], "oldest first"),
        other => panic!("waiting orders answered {other:?}"),
    }
    assert_eq!(with_stock(store).await, []);
    done(store, receive(12, "T", 50)).await;
    let offer = OfferKey {
        account: account(2),
        offer: must!(OfferId::parse("offer-S"), "an offer"),
    };
    let components = vec![Component {
        sku: sku("T"),
        units: 2,
    }];
    done(
        store,
        request(
            13,
            Command::Map(Map {
                key: offer.clone(),
                components: components.clone(),
            }),
        ),
    )
    .await;
    let mapped = must!(store.mapping(&offer).await, "mapping");
    assert_eq!(mapped.map(|mapping| mapping.components), Some(components));
    match done(
        store,
        request(14, Command::Waiting(ListKey::AwaitingOffer(offer, None))),
    )
    .await
    {
        Outcome::Orders(outcome) => {
            assert_eq!(outcome.deliver, [order(2, "unknown-sku"), order(2, "no-sku")]);
        }
        other => panic!("waiting orders answered {other:?}"),
    }
    let left = must!(store.balances_of(&[stock("T")]).await, "balances_of");
    assert_eq!(left[0].quantity, 50 - 2 - 6);
    assert_eq!(must!(store.check(at(20)).await, "check"), []);
}

async fn in_status(store: &SharedStore, status: OperationStatus) -> usize {
    let filter = OperationFilter {
        statuses: vec![status],
        ..OperationFilter::default()
    };
    must!(
        store.operations(&filter, PageRequest::first(500)).await,
        "operations"
    )
    .items
    .len()
}

pub(super) async fn an_outage_gives_up_and_takes_up_again(fixture: &Fixture) {
    const HOUR: i64 = 3600;
    let store = &fixture.store;
    done(store, receive(0, "A", 100)).await;
    for (seconds, account_number, id) in [(1, 1, "old"), (2, 2, "other"), (30 * HOUR, 1, "young")] {
        done(store, simple(seconds, &order(account_number, id), "A")).await;
    }
    let failure = || Failure {
        message: "down".to_owned(),
        retry_after_seconds: None,
        counts: false,
    };
    for claim in claimed(store, 30 * HOUR, due(30 * HOUR)).await {
        done(
            store,
            settle(30 * HOUR + 1, &claim, AttemptOutcome::Transient(failure())),
        )
        .await;
    }
    let give_up = |account| {
        request(
            31 * HOUR,
            Command::GiveUp {
                account,
                before: at(7 * HOUR),
            },
        )
    };
    let review = match done(store, give_up(Some(account(1)))).await {
        Outcome::Outage(outcome) => {
            assert_eq!(
                (outcome.moved, outcome.more),
                (1, false),
                "only what is old, and of that account"
            );
            outcome.review
        }
        other => panic!("giving up answered {other:?}"),
    };
    assert_eq!(in_status(store, OperationStatus::Failed).await, 1);
    match done(store, give_up(None)).await {
        Outcome::Outage(outcome) => assert_eq!(outcome.moved, 1),
        other => panic!("giving up answered {other:?}"),
    }
    assert_eq!(in_status(store, OperationStatus::Failed).await, 2);
    let wide = gave_up(store, None, 10).await;
    assert_eq!(wide.len(), 2, "one of the account, one of the service");
    assert_eq!(gave_up(store, None, 1).await, wide[..1]);
    assert_eq!(gave_up(store, Some(wide[0].id), 10).await, wide[1..]);
    let unusable = store
        .open_wide_reviews(ReviewReason::AccountUnusable, None, 10)
        .await;
    assert_eq!(must!(unusable, "open_wide_reviews"), [], "none of another reason");
    let Some(review) = review else {
        panic!("an outage has a review")
    };
    done(store, request(32 * HOUR, Command::EndOutage { review })).await;
    assert_eq!(in_status(store, OperationStatus::Failed).await, 1);
    assert_eq!(gave_up(store, None, 10).await.len(), 1);
    let waiting = OperationFilter {
        waiting_for: Some(WaitingFor::Delivery),
        ..OperationFilter::default()
    };
    let waiting = must!(
        store.operations(&waiting, PageRequest::first(500)).await,
        "operations"
    );
    assert_eq!(waiting.items.len(), 2);
    assert_eq!(must!(store.check(at(32 * HOUR)).await, "check"), []);
}
