//! Shadow: what would have been done, beside what the old way did; and the modes at run time.

use std::collections::BTreeSet;

use saldo_domain::decide::SetMode;
use saldo_domain::ids::OrderKey;
use saldo_domain::rollout::{Mode, Verdict};
use saldo_engine::Caller;
use saldo_engine::settings::Settings;
use saldo_store::query::PageRequest;
use saldo_store::rollouts::ShadowFilter;
use saldo_store::{Rollouts, Store};

use super::polling::{polling, setup};
use crate::support::faults::unavailable;
use crate::support::history::Asked;
use crate::support::{World, hours, order, seconds, simulate};

fn to(mode: Mode) -> SetMode {
    SetMode {
        mode,
        accounts: BTreeSet::new(),
        percent: 0,
        stock_is_right: true,
    }
}

async fn switch(world: &World, mode: Mode) {
    let caller = Caller::named("a person");
    let rollout = world.saldo().set_mode(to(mode), &caller).await.unwrap();
    assert_eq!(rollout.mode, mode);
    assert_eq!(world.saldo().mode().await.unwrap(), rollout);
}

async fn in_shadow(world: &World, verdict: Verdict) -> BTreeSet<OrderKey> {
    let filter = ShadowFilter {
        verdict: Some(verdict),
        ..ShadowFilter::default()
    };
    let page = PageRequest {
        after: None,
        limit: 500,
    };
    let orders = world.ledger.shadow_orders(&filter, page).await.unwrap().items;
    orders.into_iter().map(|order| order.key).collect()
}

#[test]
fn of_the_orders_in_shadow_exactly_those_are_told_that_the_old_way_dealt_with_otherwise() {
    simulate(async {
        let settings = Settings {
            initial_mode: Mode::Shadow,
            ..polling()
        };
        let mut world = World::without_engine(setup(settings)).await;
        world.start();
        let planted: BTreeSet<OrderKey> = [order(1, 7), order(2, 150), order(3, 40)].into();
        for number in 0..160 {
            for of in 1..=3 {
                world.buy(&order(of, number), 0);
            }
            seconds(20).await;
        }
        // The old way deducts all but the planted ones, an hour later at the latest.
        for number in 0..160 {
            for of in 1..=3 {
                let key = order(of, number);
                world.remote.put_flag(&key, !planted.contains(&key));
            }
        }
        hours(3).await;
        assert_eq!(in_shadow(&world, Verdict::Differs).await, planted);
        assert!(in_shadow(&world, Verdict::Undecided).await.is_empty());
        let counts = world
            .ledger
            .shadow_counts(&ShadowFilter::default())
            .await
            .unwrap();
        assert_eq!((counts.same, counts.differs), (477, 3));
        assert_eq!(world.stock().await, 1_000_000);
        assert_eq!(
            world.remote.history().flags().count(),
            0,
            "nothing is sent in shadow"
        );
        // Reconciliation has no opinion on them either.
        let result = world.reconcile().await;
        assert_eq!((result.total_checked, result.discrepancies_found), (480, 0));
    });
}

#[test]
fn going_back_to_off_at_any_moment_leaves_nothing_half_done() {
    for moment in [0, 20, 40, 61, 63, 65, 80, 130] {
        simulate(async move {
            let mut world = World::without_engine(setup(polling())).await;
            for number in 0..40 {
                world.buy(&order(1, number), 5 + number as i64);
            }
            world.start();
            crate::support::milliseconds(moment * 10).await;
            switch(&world, Mode::Off).await;
            seconds(600).await;
            let mut deducted = 0;
            for number in 0..40 {
                let key = order(1, number);
                let is_deducted = world.is_deducted(&key).await;
                assert_eq!(world.remote.flag(&key), is_deducted, "{key} after {moment}");
                deducted += i64::from(is_deducted);
            }
            assert_eq!(world.stock().await, 1_000_000 - deducted);
            world.assert_at_rest().await;
            // What comes while it is off stays with the old way, also when it is on again.
            world.buy(&order(1, 900), 0);
            let answer = world
                .saldo()
                .process_order_with_sync(crate::support::form(&order(1, 900), 1), &Caller::named("test"))
                .await;
            assert!(answer.is_err());
            switch(&world, Mode::On).await;
            world.buy(&order(1, 901), 0);
            hours(1).await;
            assert!(!world.is_deducted(&order(1, 900)).await);
            assert!(world.is_deducted(&order(1, 901)).await);
            world.assert_at_rest().await;
        });
    }
}

#[test]
fn a_share_of_the_orders_is_taken_in_and_the_rest_is_watched() {
    simulate(async {
        let mut world = World::without_engine(setup(polling())).await;
        world.start();
        let caller = Caller::named("a person");
        let share = SetMode {
            percent: 30,
            ..to(Mode::Partial)
        };
        let rollout = world.saldo().set_mode(share, &caller).await.unwrap();
        for number in 0..200 {
            world.buy(&order(1, number), 0);
        }
        seconds(300).await;
        let mut taken = 0;
        for number in 0..200 {
            let key = order(1, number);
            let is_on = rollout.acting(&key) == saldo_domain::rollout::Acting::On;
            assert_eq!(world.is_deducted(&key).await, is_on, "{key}");
            taken += i64::from(is_on);
            assert!(world.ledger.order(&key).await.unwrap().is_some());
        }
        assert!((30..90).contains(&taken), "{taken}");
        assert_eq!(world.stock().await, 1_000_000 - taken);
        assert_eq!(world.reconcile().await.discrepancies_found, 0);
        world.assert_at_rest().await;
    });
}

#[test]
fn while_flags_cannot_be_read_a_page_of_orders_in_shadow_costs_three_questions_and_no_more() {
    simulate(async {
        let settings = Settings {
            initial_mode: Mode::Shadow,
            ..setup(polling()).settings
        };
        let world = World::begin(setup(Settings {
            poll_seconds: 0,
            ..settings
        }))
        .await;
        for number in 0..60 {
            world.buy(&order(1, number), 5 + number as i64);
        }
        world.post_stored((0..60).map(|number| order(1, number))).await;
        for number in 0..60 {
            world.remote.put_flag(&order(1, number), true);
        }
        world.remote.faults(|faults| faults.reading = Some(unavailable()));
        let before = world.calls(Asked::LookAtFlag);
        world.reconcile().await;
        assert_eq!(world.calls(Asked::LookAtFlag) - before, 3);
        world.remote.faults(|faults| faults.reading = None);
        hours(1).await;
        world.reconcile().await;
        assert_eq!(in_shadow(&world, Verdict::Same).await.len(), 60);
    });
}
