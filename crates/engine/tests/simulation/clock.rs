//! The clock is set while Saldo works, as by an administrator or a machine that was suspended (invariant 10).

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::operation::OperationStatus;

use crate::support::faults::{Faults, Reaction};
use crate::support::{Setup, World, form, hasty, hours, milliseconds, order, seconds, simulate};

const YEAR_HOURS: i64 = 365 * 24;

#[test]
fn a_clock_set_forward_beyond_a_lease_brings_no_second_call_beside_the_first() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world
            .remote
            .faults(|faults| faults.script.push_back(Reaction::Hang));
        world.post_hastily(&order(1, 1)).await;
        seconds(1).await;
        world.jump(SignedDuration::from_hours(1));
        // The dispatcher looks what is due by the new time.
        world.post(&order(1, 2)).await;
        hours(2).await;
        world.assert_at_rest().await;
        assert_eq!(world.count(OperationStatus::Completed), 2);
    });
}

#[test]
fn a_call_whose_lease_ended_before_it_began_is_left_to_the_next_lease() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.jump_between_claim_and_call(SignedDuration::from_hours(1));
        world.post_hastily(&order(1, 1)).await;
        milliseconds(500).await;
        // It was made once, by whoever has the lease now; made under the old one, it would have stood in the way.
        assert_eq!(world.count(OperationStatus::Completed), 1);
        assert_eq!(world.remote.history().flags().count(), 1);
        world.assert_at_rest().await;
    });
}

#[test]
fn over_random_jumps_of_the_clock_calls_stay_apart_and_everything_comes_to_rest() {
    for seed in 0..30 {
        simulate(async move {
            let world = World::begin(Setup {
                seed,
                ..Setup::default()
            })
            .await;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            world.remote.faults(|faults| *faults = Faults::of_doubt());
            for number in 0..40 {
                let key = order(1 + random.random_range(0..2), number);
                world
                    .saldo()
                    .process_order_with_sync(form(&key, 1), &hasty())
                    .await
                    .unwrap();
                milliseconds(random.random_range(0..6_000)).await;
                let by = match random.random_range(0..6) {
                    0 => SignedDuration::from_secs(1),
                    1 => SignedDuration::from_hours(1),
                    2 => SignedDuration::from_hours(10 * YEAR_HOURS),
                    _ => continue,
                };
                world.jump(if random.random_bool(0.5) { by } else { -by });
                world.assert_safe().await;
            }
            world.remote.faults(|faults| *faults = Faults::default());
            hours(3).await;
            if world.count(OperationStatus::Failed) == 0 {
                world.assert_at_rest().await;
            }
        });
    }
}
