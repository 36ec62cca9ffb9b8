//! One account that the service no longer knows.

use jiff::SignedDuration;
use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Settle};
use saldo_domain::delivery::{Claim, Failure, Outcome as AttemptOutcome};
use saldo_domain::ids::OrderKey;
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::{ReviewReason, Subject};
use saldo_store::Store;

use crate::support::faults::Mode;
use crate::support::{Setup, World, account, form, hours, order, seconds, simulate};

async fn with_one_account_gone() -> World {
    let world = World::begin(Setup::default()).await;
    world.remote.faults(|faults| {
        faults.gone.insert(account(1));
    });
    world.post_many(1, 40).await;
    world
}

#[test]
fn only_the_account_that_is_gone_waits_and_a_person_is_asked_once() {
    simulate(async {
        let world = with_one_account_gone().await;
        world.post_many(2, 200).await;
        seconds(60).await;
        assert_eq!(world.count(OperationStatus::Completed), 200);
        let reviews = world.all_reviews().await;
        assert_eq!(reviews.len(), 1);
        assert_eq!(reviews[0].reason, ReviewReason::AccountUnusable);
        assert_eq!(reviews[0].subject, Subject::Account(account(1)));
        hours(5).await;
        assert_eq!(world.all_reviews().await.len(), 1);
        assert!(
            world
                .ledger
                .dump()
                .operations
                .values()
                .all(|operation| operation.retry_count == 0)
        );
        let calls = world
            .remote
            .history()
            .flags()
            .filter(|call| !call.succeeded)
            .count();
        assert!(calls <= 32 + 5 * 60 + 10, "{calls} calls");
        world.assert_safe().await;
    });
}

#[test]
fn an_account_that_comes_back_is_found_by_probing_and_its_review_closes() {
    simulate(async {
        let world = with_one_account_gone().await;
        hours(2).await;
        world.remote.faults(|faults| faults.gone.clear());
        seconds(180).await;
        assert_eq!(world.count(OperationStatus::Completed), 40);
        assert!(!world.all_reviews().await[0].is_open());
        world.assert_at_rest().await;
    });
}

#[test]
fn what_waited_for_an_account_for_a_day_is_given_up_under_one_review_and_comes_back() {
    simulate(async {
        let world = with_one_account_gone().await;
        hours(25).await;
        assert_eq!(world.count(OperationStatus::Failed), 40);
        let reviews = world.reviews(ReviewReason::GaveUp).await;
        assert_eq!(reviews.len(), 1);
        assert_eq!(reviews[0].subject, Subject::Account(account(1)));
        world.remote.faults(|faults| faults.gone.clear());
        seconds(180).await;
        assert_eq!(world.count(OperationStatus::Completed), 40);
        assert!(world.all_reviews().await.iter().all(|review| !review.is_open()));
        world.assert_at_rest().await;
    });
}

#[test]
fn an_account_with_nothing_left_to_deliver_comes_back_after_a_restart_too() {
    simulate(async {
        let mut world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.gone.insert(account(1));
        });
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        seconds(5).await;
        assert!(world.all_reviews().await[0].is_open());
        world.stop().await;
        world.remote.faults(|faults| faults.gone.clear());
        world.start();
        // Were it delivered first, that would tell that the account is back.
        world.remote.faults(|faults| {
            faults.failing.insert(account(1));
        });
        world.roll_back(id).await.unwrap();
        seconds(1).await;
        world.remote.faults(|faults| faults.failing.clear());
        seconds(300).await;
        assert!(!world.all_reviews().await[0].is_open());
        world.assert_at_rest().await;
    });
}

#[test]
fn not_found_while_the_database_is_down_is_an_outage_and_not_an_account() {
    for mode in [Mode::DatabaseDown, Mode::OutOfConnections] {
        simulate(async move {
            let world = World::begin(Setup::default()).await;
            world.set_mode(mode);
            world.post_many(1, 40).await;
            hours(2).await;
            assert_eq!(world.all_reviews().await, [], "{mode:?}");
            world.set_mode(Mode::Up);
            seconds(200).await;
            world.assert_at_rest().await;
        });
    }
}

#[test]
fn an_account_that_fails_while_the_list_is_empty_is_not_taken_for_gone() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.failing.insert(account(1));
        });
        world.post_many(1, 10).await;
        seconds(30).await;
        world.set_mode(Mode::OutOfConnections);
        seconds(300).await;
        world.remote.faults(|faults| faults.failing.clear());
        world.set_mode(Mode::Up);
        seconds(300).await;
        assert_eq!(world.all_reviews().await, []);
        world.assert_at_rest().await;
    });
}

#[test]
fn what_was_given_up_is_taken_up_again_however_many_accounts_stay_unusable() {
    const UNUSABLE: u128 = 501;
    simulate(async {
        let mut world = World::without_engine(Setup::default()).await;
        let gone: Vec<OrderKey> = (2..2 + UNUSABLE).map(|number| order(number, 1)).collect();
        world.remote.faults(|faults| {
            faults.gone.extend(gone.iter().map(|key| key.account));
        });
        let claims = take_in_and_claim(&world, &gone).await;
        assert_eq!(claims.len(), gone.len());
        for claim in claims {
            let failure = Failure {
                message: "the service does not know the account".to_owned(),
                retry_after_seconds: None,
                counts: false,
            };
            let settle = Settle {
                key: claim.key,
                token: claim.token,
                outcome: AttemptOutcome::AccountUnusable(failure),
                draw: 0.5,
                took_ms: 1,
            };
            world
                .ledger
                .execute(world.request(Command::Settle(settle)))
                .await
                .unwrap();
        }
        // Later, the account that works was out of reach for too long.
        let given_up = order(1, 1);
        let take_in = Command::TakeIn(form(&given_up, 1));
        world.ledger.execute(world.request(take_in)).await.unwrap();
        let give_up = Command::GiveUp {
            account: Some(account(1)),
            before: world.now() + SignedDuration::from_secs(1),
        };
        world.ledger.execute(world.request(give_up)).await.unwrap();
        assert_eq!(world.count(OperationStatus::Failed), 1);
        world.start();
        seconds(100).await;
        let unusable = world
            .ledger
            .open_wide_reviews(ReviewReason::AccountUnusable, None, usize::MAX)
            .await;
        assert_eq!(unusable.unwrap().len(), gone.len(), "they stay unusable");
        assert_eq!(world.count(OperationStatus::Failed), 0);
        assert!(world.remote.flag(&given_up));
    });
}

async fn take_in_and_claim(world: &World, keys: &[OrderKey]) -> Vec<Claim> {
    for key in keys {
        let take_in = Command::TakeIn(form(key, 1));
        world.ledger.execute(world.request(take_in)).await.unwrap();
    }
    let claim = Command::Claim(ClaimRequest {
        orders: ClaimOrders::These(keys.to_vec()),
    });
    match world.ledger.execute(world.request(claim)).await.unwrap() {
        Outcome::Claimed(claims) => claims,
        other => panic!("a claim was answered by {other:?}"),
    }
}
