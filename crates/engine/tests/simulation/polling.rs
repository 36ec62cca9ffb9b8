//! Pulled orders.

use jiff::SignedDuration;
use saldo_domain::order::{SkipReason, Standing};
use saldo_domain::review::ReviewReason;
use saldo_domain::rollout::Mode;
use saldo_engine::settings::Settings;
use saldo_store::{Reconciliations, Store};
use serde_json::json;

use crate::support::faults::Faults;
use crate::support::history::Asked;
use crate::support::{Setup, World, account, hours, order, seconds, simulate};

pub(crate) fn polling() -> Settings {
    Settings {
        poll_seconds: 60,
        requests_per_second: 200,
        account_requests_per_second: 200,
        ..Settings::default()
    }
}

/// The same at so few calls that a backlog takes a while.
pub(crate) fn slow_polling() -> Settings {
    Settings {
        requests_per_second: 20,
        account_requests_per_second: 20,
        ..polling()
    }
}

pub(crate) fn setup(settings: Settings) -> Setup {
    Setup {
        settings,
        ..Setup::default()
    }
}

#[test]
fn orders_of_all_accounts_are_pulled_and_deducted_once() {
    simulate(async {
        let world = World::without_engine(setup(polling())).await;
        for of in 1..=3 {
            for number in 0..250 {
                world.buy(&order(of, number), 10 + number as i64);
            }
        }
        let mut world = world;
        world.start();
        seconds(300).await;
        assert_eq!(world.stock().await, 1_000_000 - 750);
        for of in 1..=3 {
            assert!((0..250).all(|number| world.remote.flag(&order(of, number))));
        }
        world.assert_at_rest().await;
        // A new one is not kept waiting, and is all that changes.
        world.buy(&order(2, 900), 0);
        seconds(70).await;
        assert_eq!(world.stock().await, 1_000_000 - 751);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_quiet_list_costs_one_call_a_round_and_no_transaction() {
    simulate(async {
        let world = World::without_engine(setup(polling())).await;
        for number in 0..250 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        let mut world = world;
        world.start();
        hours(1).await;
        let (dump, calls) = (world.ledger.dump(), world.calls(Asked::List));
        seconds(540).await;
        assert!(
            world.calls(Asked::List) - calls <= 3 * 9 + 4,
            "{}",
            world.calls(Asked::List) - calls
        );
        let mut after = world.ledger.dump();
        after.leases.clone_from(&dump.leases);
        assert_eq!(after.orders, dump.orders);
        assert_eq!(after.operations, dump.operations);
        assert_eq!(
            world.calls(Asked::LookAtFlag),
            250,
            "each flag was asked for once"
        );
    });
}

#[test]
fn a_flag_that_is_true_already_is_put_before_a_person_and_deducts_nothing() {
    simulate(async {
        let world = World::without_engine(setup(polling())).await;
        world.buy(&order(1, 1), 5);
        world.remote.put_flag(&order(1, 1), true);
        world.remote.faults(|faults| faults.lists.say_false = true);
        let mut world = world;
        world.start();
        seconds(200).await;
        assert_eq!(world.stock().await, 1_000_000);
        assert_eq!(world.reviews(ReviewReason::RemoteOnly).await.len(), 1);
        world.assert_safe().await;
    });
}

#[test]
fn paging_that_slips_and_orders_that_come_meanwhile_lose_none_in_the_end() {
    simulate(async {
        let mut world = World::without_engine(setup(polling())).await;
        world.remote.faults(|faults| {
            faults.lists.slip = 300;
            faults.lists.fail = 200;
            faults.fail_reading = 100;
        });
        for number in 0..700 {
            world.buy(&order(1, number), 60 + number as i64);
        }
        world.start();
        for number in 700..900 {
            world.buy(&order(1, number), 0);
            seconds(7).await;
        }
        world.remote.faults(|faults| *faults = Faults::default());
        hours(1).await;
        assert_eq!(world.stock().await, 1_000_000 - 900);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_copy_that_cannot_be_read_is_put_before_a_person_and_holds_nobody_up() {
    simulate(async {
        let world = World::without_engine(setup(polling())).await;
        for number in 0..5 {
            world.buy(&order(1, number), 10);
        }
        world.remote.change_form(&order(1, 3), |form| {
            form["lineItems"][0]["quantity"] = json!("many")
        });
        let mut world = world;
        world.start();
        seconds(100).await;
        assert_eq!(world.stock().await, 1_000_000 - 4);
        let reviews = world.reviews(ReviewReason::Malformed).await;
        assert_eq!(reviews.len(), 1);
        world
            .remote
            .change_form(&order(1, 3), |form| form["lineItems"][0]["quantity"] = json!(2));
        seconds(700).await;
        assert_eq!(
            world.stock().await,
            1_000_000 - 6,
            "it is taken in when it can be read"
        );
        assert!(!world.reviews(ReviewReason::Malformed).await[0].is_open());
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_bought_before_the_beginning_are_recorded_and_left_alone() {
    simulate(async {
        let began_at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let settings = Settings {
            start_from: Some(began_at - SignedDuration::from_hours(1)),
            ..polling()
        };
        let world = World::without_engine(setup(settings)).await;
        world.buy(&order(1, 1), 90);
        world.buy(&order(1, 2), 30);
        let mut world = world;
        world.start();
        seconds(100).await;
        assert_eq!(world.stock().await, 1_000_000 - 1);
        let left = world.ledger.order(&order(1, 1)).await.unwrap().unwrap();
        let reason = SkipReason::BeforeStart;
        assert_eq!(left.order.standing, Standing::Skipped { reason });
        assert!(world.all_reviews().await.is_empty());
        assert_eq!(world.reconcile().await.discrepancies_found, 0);
    });
}

#[test]
fn a_backlog_goes_on_after_a_crash_and_the_watermark_moves_only_over_what_landed() {
    simulate(async {
        let mut world = World::without_engine(setup(slow_polling())).await;
        for number in 0..1_500 {
            world.buy(&order(1, number), 10 + 10 * number as i64);
        }
        world.start();
        for _ in 0..6 {
            seconds(12).await;
            let marks = world.ledger.watermarks().await.unwrap();
            let landed = marks
                .iter()
                .find(|mark| mark.account == account(1))
                .and_then(|mark| mark.landed);
            for number in 0..1_500 {
                let file = world.ledger.order(&order(1, number)).await.unwrap();
                let bought = jiff::Timestamp::from_second(1_800_000_000).unwrap()
                    - SignedDuration::from_mins(10 + 10 * number as i64);
                assert!(file.is_some() || landed.is_none_or(|landed| bought > landed));
            }
            world.kill().await;
        }
        hours(1).await;
        assert_eq!(world.stock().await, 1_000_000 - 1_500);
        world.assert_at_rest().await;
    });
}

#[test]
fn while_saldo_is_off_nothing_is_pulled() {
    simulate(async {
        let settings = Settings {
            initial_mode: Mode::Off,
            ..polling()
        };
        let world = World::without_engine(setup(settings)).await;
        world.buy(&order(1, 1), 5);
        let mut world = world;
        world.start();
        seconds(300).await;
        assert_eq!(world.calls(Asked::List), 0);
        assert_eq!(world.ledger.order(&order(1, 1)).await.unwrap(), None);
    });
}

#[test]
fn one_busy_account_does_not_keep_the_others_waiting() {
    simulate(async {
        let world = World::without_engine(setup(Settings {
            requests_per_second: 30,
            account_requests_per_second: 30,
            ..polling()
        }))
        .await;
        for number in 0..3_000 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.buy(&order(2, 1), 10);
        world.buy(&order(3, 1), 10);
        let mut world = world;
        world.start();
        seconds(60).await;
        assert!(world.is_deducted(&order(2, 1)).await);
        assert!(world.is_deducted(&order(3, 1)).await);
    });
}

#[test]
fn an_account_whose_list_takes_minutes_keeps_no_other_one_waiting_beyond_its_period() {
    simulate(async {
        let mut world = World::without_engine(setup(Settings {
            list_timeout_ms: 300_000,
            ..polling()
        }))
        .await;
        for number in 0..150 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.remote.faults(|faults| {
            faults.account_latency_ms.insert(account(1), (180_000, 180_000));
        });
        world.start();
        seconds(10).await;
        for number in 0..10 {
            let key = order(2 + u128::from(number % 2), number);
            world.buy(&key, 0);
            seconds(61).await;
            assert!(world.is_deducted(&key).await, "{key}");
        }
        assert!(
            !world.is_deducted(&order(1, 0)).await,
            "the other one is slow indeed"
        );
        world.remote.faults(|faults| faults.account_latency_ms.clear());
        hours(1).await;
        assert_eq!(world.stock().await, 1_000_000 - 160);
        world.assert_at_rest().await;
    });
}

#[test]
fn many_accounts_whose_lists_take_long_keep_no_other_one_waiting_beyond_its_period() {
    simulate(async {
        let mut world = World::without_engine(Setup {
            accounts: 13,
            ..setup(polling())
        })
        .await;
        for of in 1..=12 {
            for number in 0..2 {
                world.buy(&order(of, number), 10 + number as i64);
            }
            world.remote.faults(|faults| {
                faults.account_latency_ms.insert(account(of), (35_000, 35_000));
            });
        }
        world.start();
        // Until it is known which are slow, each of them may take a call from the others once.
        seconds(300).await;
        for number in 0..5 {
            let key = order(13, number);
            world.buy(&key, 0);
            seconds(61).await;
            assert!(world.is_deducted(&key).await, "{key}");
        }
    });
}

#[test]
fn an_account_whose_questions_take_long_leaves_calls_to_the_others_however_few_there_may_be() {
    for max_in_flight in [4, 32] {
        simulate(async move {
            let mut world = World::without_engine(setup(Settings {
                max_in_flight,
                ..polling()
            }))
            .await;
            for number in 0..300 {
                world.buy(&order(1, number), 10 + number as i64);
            }
            world.remote.faults(|faults| {
                faults.account_latency_ms.insert(account(1), (9_000, 9_000));
            });
            world.start();
            seconds(20).await;
            for number in 0..5 {
                let key = order(2, number);
                world.buy(&key, 0);
                seconds(90).await;
                assert!(world.is_deducted(&key).await, "{key} of {max_in_flight}");
            }
            world.assert_safe().await;
        });
    }
}

/// A form that was bought before the beginning is recorded without asking for its flag, unless it shares a line with an
/// order of Saldo's: then it is Saldo's, and is asked about after all.
#[test]
fn a_pulled_order_that_turns_out_to_need_its_flag_is_asked_about_and_taken_in() {
    for flag in [false, true] {
        simulate(async move {
            let began_at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
            let settings = Settings {
                start_from: Some(began_at - SignedDuration::from_hours(1)),
                ..polling()
            };
            let mut world = World::without_engine(setup(settings)).await;
            let (alone, merged) = (order(1, 1), order(1, 2));
            world.buy(&alone, 30);
            world.post_stored([alone.clone()]).await;
            let lines = world.remote.form(&alone)["lineItems"].clone();
            world.remote.remove_form(&alone);
            world.buy(&merged, 90);
            world.remote.change_form(&merged, |form| {
                form["lineItems"].as_array_mut().unwrap().push(lines[0].clone());
            });
            world.remote.put_flag(&merged, flag);
            world.start();
            seconds(20).await;
            let is_wished = world.ledger.wishes(10).await.unwrap() == [merged.clone()];
            assert!(is_wished, "it is not taken in without its flag");
            assert_eq!(world.calls(Asked::LookAtFlag), 0);
            seconds(200).await;
            assert!(world.calls(Asked::LookAtFlag) > 0);
            assert_eq!(world.ledger.wishes(10).await.unwrap(), []);
            let asked = world.reviews(ReviewReason::RemoteOnly).await.len();
            let expected = if flag { (1, 1) } else { (2, 0) };
            assert_eq!((1_000_000 - world.stock().await, asked), expected);
            world.assert_safe().await;
        });
    }
}
