//! Our own token is refused: it concerns every account.

use saldo_domain::operation::{OperationStatus, WaitingFor};

use crate::support::faults::Mode;
use crate::support::{Setup, World, hours, order, seconds, simulate};

#[test]
fn refused_credentials_make_every_account_wait_without_reviews_until_they_are_accepted() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.set_mode(Mode::CredentialsRefused);
        world.post_many(1, 50).await;
        world.post_many(2, 50).await;
        hours(5).await;
        assert_eq!(world.count(OperationStatus::Pending), 100);
        assert_eq!(world.all_reviews().await, []);
        let tables = world.ledger.dump();
        assert!(
            tables
                .operations
                .values()
                .all(|operation| operation.retry_count == 0)
        );
        let told = tables
            .operations
            .values()
            .filter(|other| other.waiting_for == Some(WaitingFor::Account));
        assert!(told.count() > 0);
        let sent = world.remote.history().flags().count();
        assert!(sent <= 32 + 5 * 60 + 10, "{sent} calls");
        world.assert_safe().await;

        world.set_mode(Mode::Up);
        seconds(120).await;
        assert_eq!(world.count(OperationStatus::Completed), 100);
        world.assert_at_rest().await;
    });
}

#[test]
fn they_are_probed_even_with_the_circuit_breaker_switched_off() {
    simulate(async {
        let setup = Setup {
            settings: crate::circuit::switched_off(),
            ..Setup::default()
        };
        let world = World::begin(setup).await;
        world.set_mode(Mode::CredentialsRefused);
        world.post(&order(1, 1)).await;
        hours(3).await;
        assert_eq!(world.count(OperationStatus::Pending), 1);
        world.set_mode(Mode::Up);
        seconds(70).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_probe_of_them_that_meets_an_outage_waits_like_one_that_was_refused() {
    simulate(async {
        let setup = Setup {
            settings: crate::circuit::switched_off(),
            ..Setup::default()
        };
        let world = World::begin(setup).await;
        world.set_mode(Mode::CredentialsRefused);
        world.post_many(1, 50).await;
        seconds(5).await;
        world.set_mode(Mode::Refuses);
        let before = world.remote.history().0.len();
        seconds(600).await;
        let calls = world.remote.history().0.len() - before;
        assert!(calls <= 30, "{calls} calls in ten minutes");
        world.set_mode(Mode::Up);
        seconds(120).await;
        world.assert_at_rest().await;
    });
}
