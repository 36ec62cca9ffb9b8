//! The orders seen in shadow: lists, counts, verdicts. What puts them there, and the mode, are rules.

use saldo_domain::decide::{Command, SetMode};
use saldo_domain::ids::OrderKey;
use saldo_domain::rollout::{Mode, ShadowOrder, Verdict};

use super::dump::all_pages;
use super::forms::{account, at, done, order, receive, request, simple};
use super::{Fixture, must};
use crate::query::{Page, PageRequest};
use crate::rollouts::{ShadowCounts, ShadowFilter};

async fn set_mode(fixture: &Fixture, seconds: i64, mode: Mode, percent: u8) {
    let set = SetMode {
        mode,
        accounts: [account(3)].into(),
        percent,
        stock_is_right: true,
    };
    done(&fixture.store, request(seconds, Command::SetMode(set))).await;
}

/// Twelve orders of two accounts in shadow, two in every second.
async fn watched(fixture: &Fixture) -> Vec<OrderKey> {
    done(&fixture.store, receive(0, "A", 100)).await;
    set_mode(fixture, 1, Mode::Shadow, 0).await;
    let mut orders = Vec::new();
    for number in 0..12_u8 {
        let key = order(1 + number % 2, &format!("order-{number:02}"));
        done(&fixture.store, simple(10 + i64::from(number / 2), &key, "A")).await;
        orders.push(key);
    }
    orders
}

pub(super) async fn the_rollout_in_force_is_the_last_one(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(must!(store.rollout().await, "rollout"), None);
    let modes = [Mode::Shadow, Mode::Partial, Mode::On, Mode::Off, Mode::Partial];
    for (seconds, mode) in (1..).zip(modes) {
        set_mode(fixture, seconds, mode, 30).await;
    }
    let history = all_pages!(2, |page| store.rollout_changes(page.clone()));
    let told: Vec<Mode> = history.iter().map(|rollout| rollout.mode).rev().collect();
    assert_eq!(told, modes, "newest first");
    let now = must!(store.rollout().await, "rollout");
    assert_eq!(
        now.as_ref().map(|now| now.as_earlier()),
        history.first().map(|first| first.as_earlier())
    );
    let Some(now) = now else { panic!("it was set") };
    assert_eq!((now.mode, now.percent), (Mode::Partial, 30));
    assert_eq!(now.accounts, [account(3)].into());
    assert_eq!(now.start_from, Some(at(5)));
    assert_eq!((now.changed_at, now.changed_by.as_str()), (at(5), "tester"));
    let before: Vec<_> = history[1..].iter().map(|rollout| rollout.as_earlier()).collect();
    assert_eq!(now.earlier, before);
}

pub(super) async fn orders_in_shadow_are_listed_and_found(fixture: &Fixture) {
    let store = &fixture.store;
    let orders = watched(fixture).await;
    let of = |filter: ShadowFilter| async move {
        let listed = all_pages!(2, |page| store.shadow_orders(&filter, page.clone()));
        listed
            .into_iter()
            .map(|order: ShadowOrder| order.key)
            .collect::<Vec<_>>()
    };
    // Newest first, and of one moment by account and order.
    let mut expected = orders.clone();
    expected.reverse();
    assert_eq!(of(ShadowFilter::default()).await, expected);
    let one_account = ShadowFilter {
        account: Some(account(2)),
        ..ShadowFilter::default()
    };
    let expected_of_one: Vec<_> = expected
        .iter()
        .filter(|key| key.account == account(2))
        .cloned()
        .collect();
    assert_eq!(of(one_account).await, expected_of_one);
    let range = ShadowFilter {
        from: Some(at(11)),
        to: Some(at(14)),
        ..ShadowFilter::default()
    };
    assert_eq!(
        of(range).await,
        expected[4..10],
        "from is included, and to is not"
    );
    let asked = [
        order(1, "unknown"),
        orders[3].clone(),
        orders[0].clone(),
        orders[3].clone(),
    ];
    let found = must!(store.shadow_orders_of(&asked).await, "shadow_orders_of");
    let keys: Vec<_> = found
        .iter()
        .map(|found| found.as_ref().map(|order| &order.key))
        .collect();
    assert_eq!(keys, [None, Some(&orders[3]), Some(&orders[0]), Some(&orders[3])]);
}

pub(super) async fn verdicts_are_stored_and_counted(fixture: &Fixture) {
    let store = &fixture.store;
    let orders = watched(fixture).await;
    let mut verdicts: Vec<_> = orders[..6]
        .iter()
        .map(|key| (key.clone(), true, Verdict::Same))
        .collect();
    verdicts.push((orders[6].clone(), false, Verdict::Differs));
    verdicts.push((order(1, "unknown"), false, Verdict::Differs));
    must!(store.put_verdicts(verdicts, at(50)).await, "put_verdicts");
    let again = vec![(orders[0].clone(), false, Verdict::Differs)];
    must!(store.put_verdicts(again, at(60)).await, "put_verdicts");
    let counted = |filter: ShadowFilter| async move { must!(store.shadow_counts(&filter).await, "counts") };
    let expected = ShadowCounts {
        same: 5,
        differs: 2,
        undecided: 5,
    };
    assert_eq!(counted(ShadowFilter::default()).await, expected);
    let with_verdict = ShadowFilter {
        verdict: Some(Verdict::Differs),
        ..ShadowFilter::default()
    };
    assert_eq!(
        counted(with_verdict.clone()).await,
        expected,
        "its own verdict is not looked at"
    );
    let narrow = ShadowFilter {
        account: Some(account(1)),
        from: Some(at(11)),
        to: Some(at(15)),
        verdict: None,
    };
    let expected = ShadowCounts {
        same: 2,
        differs: 1,
        undecided: 1,
    };
    assert_eq!(counted(narrow).await, expected);
    let differing: Page<ShadowOrder> = must!(
        store.shadow_orders(&with_verdict, PageRequest::first(10)).await,
        "shadow_orders"
    );
    let compared: Vec<_> = differing
        .items
        .iter()
        .map(|order| (&order.key, order.remote_flag, order.compared_at))
        .collect();
    let expected = [
        (&orders[6], Some(false), Some(at(50))),
        (&orders[0], Some(false), Some(at(60))),
    ];
    assert_eq!(compared, expected);
}
