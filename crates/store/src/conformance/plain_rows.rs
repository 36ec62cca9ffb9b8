//! Rows that no rule decides about, answers under idempotency keys, settings, and the end.

use saldo_domain::decide::AnswerKey;
use saldo_domain::view::RefusalKind;
use serde_json::json;

use super::forms::{account, at, done, order, policy, receive, simple, stock};
use super::{Fixture, must};
use crate::error::StoreError;
use crate::query::{Account, ApiKey, Role};

pub(super) async fn accounts_are_added_and_brought_up_to_date(fixture: &Fixture) {
    let store = &fixture.store;
    let named = |number, name: Option<&str>, by_hand| Account {
        id: account(number),
        name: name.map(ToOwned::to_owned),
        by_hand,
        created_at: at(i64::from(number)),
    };
    must!(
        store
            .put_accounts(vec![named(2, Some("b"), false), named(1, None, true)])
            .await,
        "put_accounts"
    );
    let mut again = named(2, Some("new"), true);
    again.created_at = at(99);
    must!(
        store.put_accounts(vec![again, named(1, None, false)]).await,
        "put_accounts"
    );
    let expected = [named(1, None, true), named(2, Some("new"), true)];
    assert_eq!(must!(store.accounts().await, "accounts"), expected);
    must!(
        store.put_accounts(vec![named(2, None, false)]).await,
        "put_accounts"
    );
    assert_eq!(
        must!(store.accounts().await, "accounts"),
        expected,
        "a name is never forgotten"
    );
}

pub(super) async fn api_keys_are_added_once_and_revoked(fixture: &Fixture) {
    let store = &fixture.store;
    let key = |name: &str, role, hash: &str| ApiKey {
        name: name.to_owned(),
        role,
        hash: hash.to_owned(),
        created_at: at(1),
    };
    let (first, second) = (key("b", Role::Admin, "1"), key("a", Role::Viewer, "2"));
    must!(store.put_api_key(first.clone()).await, "put_api_key");
    must!(store.put_api_key(second.clone()).await, "put_api_key");
    match store.put_api_key(key("b", Role::Operator, "3")).await {
        Err(StoreError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::Conflict),
        other => panic!("a second key of a name: {other:?}"),
    }
    assert_eq!(must!(store.api_keys().await, "api_keys"), [second.clone(), first]);
    assert!(must!(store.revoke_api_key("b", at(2)).await, "revoke_api_key"));
    assert!(!must!(store.revoke_api_key("b", at(3)).await, "revoke_api_key"));
    assert_eq!(
        must!(store.api_keys().await, "api_keys"),
        std::slice::from_ref(&second)
    );
    let again = key("b", Role::Operator, "3");
    must!(store.put_api_key(again.clone()).await, "a revoked name is free");
    assert_eq!(must!(store.api_keys().await, "api_keys"), [second, again]);
}

pub(super) async fn wishes_are_kept_until_they_are_fulfilled(fixture: &Fixture) {
    let store = &fixture.store;
    let wishes = [order(2, "late"), order(1, "early"), order(1, "middle")];
    for (wish, seconds) in wishes.iter().zip([30, 10, 20]) {
        must!(store.put_wish(wish, at(seconds)).await, "put_wish");
    }
    must!(
        store.put_wish(&wishes[1], at(99)).await,
        "a repeat changes nothing"
    );
    let expected = [wishes[1].clone(), wishes[2].clone(), wishes[0].clone()];
    assert_eq!(must!(store.wishes(10).await, "wishes"), expected);
    assert_eq!(must!(store.wishes(2).await, "wishes"), expected[..2]);
    must!(store.remove_wish(&wishes[1]).await, "remove_wish");
    must!(store.remove_wish(&wishes[1]).await, "remove_wish");
    assert_eq!(must!(store.wishes(10).await, "wishes"), expected[1..]);
}

pub(super) async fn answers_are_repeated_and_final_ones_kept(fixture: &Fixture) {
    let store = &fixture.store;
    let keyed = |mut request: saldo_domain::decide::Request, fingerprint: &str| {
        request.answer_key = Some(AnswerKey {
            key: "key".to_owned(),
            fingerprint: fingerprint.to_owned(),
        });
        request
    };
    let first = done(store, keyed(receive(0, "A", 5), "f")).await;
    let again = done(store, keyed(receive(9, "A", 5), "f")).await;
    assert_eq!(first, again, "the same key and body give the same answer");
    match store.execute(keyed(receive(9, "A", 6), "other")).await {
        Err(StoreError::Refused(refusal)) => assert_eq!(refusal.code, "idempotency_key_reused"),
        other => panic!("another body under the same key: {other:?}"),
    }
    let balances = must!(
        store.balances_of(&[stock("A"), stock("never")]).await,
        "balances_of"
    );
    assert_eq!(
        balances
            .iter()
            .map(|balance| balance.quantity)
            .collect::<Vec<_>>(),
        [5]
    );
    assert_eq!(must!(store.final_answer("key").await, "final_answer"), None);
    for answer in [json!({ "status": 200 }), json!({ "status": 202, "body": "ä" })] {
        must!(
            store.put_final_answer("key", answer.clone()).await,
            "put_final_answer"
        );
        let kept = must!(store.final_answer("key").await, "final_answer");
        assert_eq!(kept, Some(("f".to_owned(), answer)));
    }
    must!(
        store.put_final_answer("unknown", json!(1)).await,
        "put_final_answer"
    );
    assert_eq!(must!(store.final_answer("unknown").await, "final_answer"), None);
}

pub(super) async fn settings_count_from_the_next_decision_on(fixture: &Fixture) {
    let store = &fixture.store;
    let mut changed = policy();
    changed.allow_negative = true;
    done(store, receive(0, "A", 1)).await;
    done(store, simple(1, &order(1, "first"), "A")).await;
    done(store, simple(2, &order(1, "waits"), "A")).await;
    must!(store.set_policy(changed).await, "set_policy");
    done(store, simple(3, &order(1, "below"), "A")).await;
    let balances = must!(store.balances_of(&[stock("A")]).await, "balances_of");
    assert_eq!(
        balances[0].quantity, -1,
        "only the order after the change went below zero"
    );
    assert_eq!(must!(store.check(at(4)).await, "check"), []);
}

pub(super) async fn a_closed_store_says_so(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 5)).await;
    assert!(!must!(store.describe().await, "describe").is_empty());
    must!(store.close().await, "close");
    assert!(matches!(
        store.execute(receive(1, "A", 5)).await,
        Err(StoreError::Closed)
    ));
    let all = store
        .execute_all(vec![receive(1, "A", 5), receive(1, "A", 6)])
        .await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|result| matches!(result, Err(StoreError::Closed))));
    assert!(matches!(store.accounts().await, Err(StoreError::Closed)));
    assert!(matches!(
        store.set_policy(policy()).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(store.close().await, Err(StoreError::Closed)));
}
