//! Whatever goes wrong on either side, in the end both agree about every order, or a person is asked the right
//! question about it; and no stock moved twice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::ids::OrderKey;
use saldo_domain::order::Standing;
use saldo_domain::review::ReviewReason;
use saldo_engine::RetryFilter;
use saldo_engine::settings::Settings;
use saldo_engine::tasks::Schedule;
use saldo_store::Store;
use saldo_store::query::{PageRequest, ReviewFilter};
use serde_json::json;

use crate::support::checkout::{cancel, checkout, revise, send};
use crate::support::faults::{Faults, Mode};
use crate::support::{Setup, World, hours, order, seconds, simulate};

const ORDERS: u64 = 5_000;

/// What happens to an order besides being bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Nothing.
    None,
    /// Somebody else has deducted it, and said so.
    DeductedElsewhere,
    /// Its copy cannot be read.
    Unreadable,
    /// Its flag is cleared behind Saldo's back.
    FlagCleared,
    /// It is cancelled.
    Cancelled,
    /// It is sent, and cancelled afterwards.
    CancelledAfterShipment,
    /// The buyer wants two of it.
    Revised,
    /// It goes into the form of the next order, and its own vanishes.
    MergedAway,
    /// It takes the order before it in.
    MergedInto,
    /// It vanishes at the service.
    Vanished,
}

fn fate(number: u64) -> Fate {
    match number % 50 {
        3 => Fate::DeductedElsewhere,
        7 => Fate::Unreadable,
        11 | 12 => Fate::FlagCleared,
        17 | 18 => Fate::Cancelled,
        23 => Fate::CancelledAfterShipment,
        29 => Fate::Revised,
        34 => Fate::MergedAway,
        35 => Fate::MergedInto,
        41 => Fate::Vanished,
        _ => Fate::None,
    }
}

/// The three accounts have unequal shares.
fn key_of(number: u64) -> OrderKey {
    let of = match number / 50 % 10 {
        0..6 => 1,
        6..9 => 2,
        _ => 3,
    };
    order(of, number)
}

fn setup() -> Setup {
    let schedules = [("reconcile", "every 30m"), ("process_pending", "every 5m")];
    Setup {
        seed: 7,
        settings: Settings {
            poll_seconds: 60,
            requests_per_second: 300,
            account_requests_per_second: 200,
            schedules: schedules
                .into_iter()
                .map(|(name, text)| (name.to_owned(), Schedule::parse(text).unwrap()))
                .collect(),
            ..Settings::default()
        },
        ..Setup::default()
    }
}

/// What happens at the service after the orders were taken in.
fn disturb(world: &World) {
    let now = world.now();
    for number in 0..ORDERS {
        let key = key_of(number);
        match fate(number) {
            Fate::FlagCleared => world.remote.put_flag(&key, false),
            Fate::Cancelled => world.remote.change_form(&key, |form| cancel(form, now)),
            Fate::CancelledAfterShipment => world.remote.change_form(&key, |form| {
                send(form);
                cancel(form, now);
            }),
            Fate::Revised => world.remote.change_form(&key, |form| {
                form["lineItems"][0]["quantity"] = json!(2);
                revise(form, "r2", now);
            }),
            Fate::MergedAway => {
                let line = world.remote.form(&key)["lineItems"][0].clone();
                world.remote.remove_form(&key);
                world.remote.remove_form(&key_of(number + 1));
                let (merged, bought_at) = (merged(number + 1), now - SignedDuration::from_mins(1));
                let mut form = checkout(&merged, 1, bought_at);
                let own = format!("line-of-{}", key_of(number + 1).order);
                form["lineItems"][0]["id"] = json!(own);
                form["lineItems"].as_array_mut().unwrap().push(line);
                world.remote.put_form(&merged, form);
            }
            Fate::Vanished => world.remote.remove_form(&key),
            Fate::None | Fate::DeductedElsewhere | Fate::Unreadable | Fate::MergedInto => {}
        }
    }
}

/// The new form that two orders went into.
fn merged(number: u64) -> OrderKey {
    let into = key_of(number);
    order(into.account.as_uuid().as_u128(), 100_000 + number)
}

/// One trouble after another, with Saldo killed in the midst of two of them.
/// Answers with the orders that were deducted before anything happened to them.
async fn trouble(world: &mut World, random: &mut ChaCha8Rng) -> BTreeSet<u64> {
    let mut deducted = BTreeSet::new();
    for trouble in 0..9 {
        let faults = Faults {
            fail: random.random_range(0..300),
            lose_reply: random.random_range(0..200),
            do_later: random.random_range(0..100),
            fail_reading: random.random_range(0..300),
            mode: match trouble {
                1 => Mode::Refuses,
                3 => Mode::DatabaseDown,
                5 => Mode::OutOfConnections,
                _ => Mode::Up,
            },
            lists: crate::support::faults::Lists {
                fail: random.random_range(0..400),
                slip: random.random_range(0..300),
                say_false: trouble % 3 == 0,
                are_slow: trouble == 6,
                shrink_to: (trouble == 7).then_some(300),
                ..Default::default()
            },
            ..Faults::default()
        };
        world.remote.faults(|current| *current = faults);
        if trouble == 2 {
            for number in 0..ORDERS {
                if world.is_deducted(&key_of(number)).await {
                    deducted.insert(number);
                }
            }
            disturb(world);
        }
        seconds(random.random_range(300..1_500)).await;
        if trouble == 4 || trouble == 6 {
            world.kill().await;
        }
        seconds(random.random_range(300..1_500)).await;
        world.assert_safe().await;
    }
    deducted
}

async fn open_reviews(world: &World) -> BTreeMap<OrderKey, BTreeSet<ReviewReason>> {
    let mut reviews: BTreeMap<OrderKey, BTreeSet<ReviewReason>> = BTreeMap::new();
    let filter = ReviewFilter {
        open: Some(true),
        ..ReviewFilter::default()
    };
    let mut after = None;
    loop {
        let page = PageRequest { after, limit: 500 };
        let page = world.ledger.reviews(&filter, page).await.unwrap();
        for review in page.items {
            match review.subject {
                saldo_domain::review::Subject::Order(key) => {
                    reviews.entry(key).or_default().insert(review.reason);
                }
                subject => panic!("a review of {subject:?} is left open: {:?}", review.reason),
            }
        }
        after = page.next_cursor;
        if after.is_none() {
            return reviews;
        }
    }
}

#[test]
fn in_the_end_both_sides_agree_on_every_order_or_a_person_is_asked_and_no_stock_moved_twice() {
    simulate(async {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut world = World::without_engine(setup()).await;
        for number in 0..ORDERS {
            let key = key_of(number);
            world.buy(&key, 5 + (number % 600) as i64);
            match fate(number) {
                Fate::DeductedElsewhere => world.remote.put_flag(&key, true),
                Fate::Unreadable => {
                    world
                        .remote
                        .change_form(&key, |form| form["lineItems"][0]["quantity"] = json!("two"));
                }
                _ => {}
            }
        }
        world.start();
        let deducted = trouble(&mut world, &mut random).await;
        assert!(deducted.len() > 4_000, "{}", deducted.len());
        world.remote.faults(|faults| *faults = Faults::default());
        hours(4).await;
        // What had used up its retries before the service was well, a person has tried again.
        let person = saldo_engine::Caller::named("a person");
        world
            .saldo()
            .retry_failed(RetryFilter::default(), &person)
            .await
            .unwrap();
        hours(2).await;
        let result = world.reconcile().await;
        assert_eq!(result.error, None);
        assert_eq!(result.auto_fixed, 0, "{:?}", result.discrepancies);
        seconds(60).await;
        world.assert_at_rest().await;
        assert_end(&world, &deducted).await;
    });
}

/// How an order may stand in the end: the units taken, and the open question about it. The first is how it must stand
/// when it was deducted before anything happened to it.
fn ends(fate: Fate) -> &'static [(i64, Option<ReviewReason>)] {
    match fate {
        Fate::None | Fate::FlagCleared => &[(1, None)],
        Fate::DeductedElsewhere => &[(0, Some(ReviewReason::RemoteOnly))],
        Fate::Unreadable => &[(0, Some(ReviewReason::Malformed))],
        Fate::Cancelled | Fate::MergedAway | Fate::MergedInto => &[(0, None)],
        // Otherwise its cancellation came before it was deducted.
        Fate::CancelledAfterShipment => &[(1, Some(ReviewReason::CancelledAfterShipment)), (0, None)],
        // Otherwise it was first seen when it was revised.
        Fate::Revised => &[(1, Some(ReviewReason::QuantityMismatch)), (2, None)],
        Fate::Vanished => &[(1, Some(ReviewReason::MissingRemotely))],
    }
}

async fn assert_end(world: &World, deducted: &BTreeSet<u64>) {
    let mut asked = open_reviews(world).await;
    let mut taken = 0;
    for number in 0..ORDERS {
        let key = key_of(number);
        let fate = fate(number);
        if fate == Fate::MergedInto {
            let into = world.ledger.order(&merged(number)).await.unwrap().unwrap();
            assert_eq!(into.order.taken(), 2, "order {number}");
            assert!(world.remote.flag(&merged(number)));
            taken += 2;
        }
        let Some(file) = world.ledger.order(&key).await.unwrap() else {
            let is_gone = matches!(fate, Fate::MergedAway | Fate::MergedInto | Fate::Vanished);
            assert!(
                is_gone && !deducted.contains(&number),
                "order {number} ({fate:?}) is not known"
            );
            continue;
        };
        let own = asked.remove(&key).unwrap_or_default();
        let told = format!("order {number} ({fate:?}): {:?} {own:?}", file.order.standing);
        assert!(own.len() <= 1, "{told}");
        let end = (file.order.taken(), own.first().copied());
        let allowed = if deducted.contains(&number) {
            &ends(fate)[..1]
        } else {
            ends(fate)
        };
        assert!(allowed.contains(&end), "{end:?}: {told}");
        let is_merged = matches!(file.order.standing, Standing::Merged { .. });
        assert_eq!(
            is_merged,
            matches!(fate, Fate::MergedAway | Fate::MergedInto),
            "{told}"
        );
        taken += end.0;
    }
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(world.stock().await, 1_000_000 - taken);
}
