//! The schedule of retries.

use saldo_domain::operation::OperationStatus;
use saldo_domain::retry::RetryPolicy;
use saldo_orders_service::CallError;

use crate::circuit::switched_off;
use crate::support::faults::{Mode, Reaction, unavailable};
use crate::support::{Setup, World, hours, order, simulate};

/// When each flag of an order was sent, in seconds after the first.
fn moments(world: &World) -> Vec<u64> {
    let began: Vec<u64> = world.remote.history().flags().map(|call| call.began_ms).collect();
    began.iter().map(|moment| (moment - began[0]) / 1_000).collect()
}

#[test]
fn without_jitter_retries_follow_exactly_the_table() {
    simulate(async {
        let world = World::begin(Setup {
            settings: switched_off(),
            ..Setup::default()
        })
        .await;
        world.set_mode(Mode::FlagsFail);
        world.post(&order(1, 1)).await;
        hours(2).await;
        // 60, 120, 240, 480 and 960 seconds between them.
        assert_eq!(moments(&world), [0, 60, 180, 420, 900, 1_860]);
        assert_eq!(world.count(OperationStatus::Failed), 1);
    });
}

#[test]
fn with_jitter_a_wait_is_between_half_of_the_delay_and_all_of_it() {
    let waits = |seed| {
        simulate(async move {
            let setup = Setup {
                seed,
                settings: switched_off(),
                retry: RetryPolicy::default(),
                ..Setup::default()
            };
            let world = World::begin(setup).await;
            world.set_mode(Mode::FlagsFail);
            world.post(&order(1, 1)).await;
            hours(2).await;
            let moments = moments(&world);
            moments
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect::<Vec<_>>()
        })
    };
    for seed in 0..20 {
        for (wait, delay) in waits(seed).into_iter().zip([60, 120, 240, 480, 960]) {
            assert!(
                (delay / 2..=delay + 1).contains(&wait),
                "{wait} of {delay}, seed {seed}"
            );
        }
    }
    assert_ne!(waits(1), waits(2));
}

fn ask_to_wait(seconds: u64) -> Reaction {
    Reaction::Fail(CallError {
        retry_after_seconds: Some(seconds),
        ..unavailable()
    })
}

#[test]
fn a_retry_after_is_a_lower_bound_and_is_itself_bounded() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults
                .script
                .extend([ask_to_wait(5), ask_to_wait(700), ask_to_wait(1_000_000_000)]);
        });
        world.post(&order(1, 1)).await;
        hours(3).await;
        assert_eq!(moments(&world), [0, 60, 760, 4_360]);
        world.assert_at_rest().await;
    });
}
