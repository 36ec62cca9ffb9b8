//! Instances whose flags alone are stopped on their way, while all else is answered.

use saldo_domain::circuit::CircuitState;
use saldo_domain::review::ReviewReason;
use saldo_engine::Caller;
use saldo_engine::settings::Settings;
use saldo_engine::tasks::Schedule;

use super::{Fleet, LONGEST_SECONDS};
use crate::polling::{polling, slow_polling};
use crate::support::cut_off::Obstacle;
use crate::support::faults::{refused_connection, unavailable};
use crate::support::{Setup, form, hours, order, seconds, simulate};

#[test]
fn rounds_of_one_whose_flags_are_stopped_do_not_end_its_trials() {
    simulate(async {
        let schedule = Schedule::parse("every 5m").unwrap();
        let setup = Setup {
            settings: Settings {
                schedules: vec![("process_pending".to_owned(), schedule)],
                ..Settings::default()
            },
            ..Setup::default()
        };
        let mut fleet = Fleet::of(3, setup).await;
        let cut_at = fleet.world.remote.now_ms();
        for place in 0..2 {
            fleet.ways[place].cut(Obstacle::Flags(unavailable()));
        }
        fleet.load(120).await;
        let changes = fleet.changes();
        for _ in 0..6 {
            fleet.load(300).await;
            let stopped = fleet.ways[0].stopped();
            // Whether it leads or not, a person may ask for a round.
            let service = fleet.engines[0].service();
            service.process_pending_operations().await.unwrap();
            fleet.post(50).await;
            seconds(5).await;
            let stopped = fleet.ways[0].stopped() - stopped;
            assert!(stopped <= 1, "{stopped} deliveries failed after a round");
        }
        assert_eq!(fleet.changes(), changes, "it stops the others");
        seconds(LONGEST_SECONDS).await;
        fleet.assert_delivered_in_time(cut_at).await;
    });
}

#[test]
fn those_whose_flags_alone_are_stopped_do_not_take_each_other_for_one_that_delivers() {
    simulate(async {
        let mut fleet = Fleet::of(3, Setup::default()).await;
        for place in 0..2 {
            fleet.ways[place].cut(Obstacle::Flags(unavailable()));
        }
        fleet.load(60).await;
        seconds(LONGEST_SECONDS).await;
        fleet.world.assert_at_rest().await;
        fleet.engines.pop().unwrap().abort();
        seconds(60).await;
        let caller = Caller {
            wait: false,
            ..Caller::named("test")
        };
        let service = fleet.engines[0].service();
        let owed = form(&order(1, 77_777), 1);
        service.process_order_with_sync(owed, &caller).await.unwrap();
        hours(2).await;
        for asked in 0..2 {
            assert_ne!(fleet.status(asked).await.circuit, CircuitState::Closed);
        }
        hours(24).await;
        let reviews = fleet.world.all_reviews().await;
        assert_eq!(reviews.len(), 1, "one for the outage: {reviews:?}");
        assert_eq!(reviews[0].reason, ReviewReason::GaveUp);
        fleet.ways[0].mend();
        seconds(120).await;
        assert_eq!(fleet.status(0).await.circuit, CircuitState::Closed);
        fleet.world.assert_at_rest().await;
    });
}

#[test]
fn one_whose_flags_alone_are_stopped_says_so_until_it_delivers_or_nothing_is_owed_for_long() {
    simulate(async {
        let setup = Setup {
            settings: slow_polling(),
            ..Setup::default()
        };
        let mut fleet = Fleet::of(2, setup).await;
        fleet.ways[0].cut(Obstacle::Flags(unavailable()));
        // More than can be delivered at once, so that there is something to try with.
        fleet.post(200).await;
        fleet.until_aside(1, &["saldo-1"]).await;
        seconds(300).await;
        assert_eq!(fleet.aside(1).await, ["saldo-1"], "health does not end it");
        seconds(600).await;
        assert_eq!(fleet.aside(1).await, [] as [&str; 0], "nobody misses it");
        fleet.post(200).await;
        fleet.until_aside(1, &["saldo-1"]).await;
        fleet.ways[0].mend();
        fleet.post(400).await;
        fleet.until_aside(1, &[]).await;
        seconds(LONGEST_SECONDS).await;
        fleet.world.assert_at_rest().await;
    });
}

#[test]
fn where_the_circuit_is_switched_off_nobody_stands_aside() {
    simulate(async {
        let mut setup = Setup {
            settings: polling(),
            ..Setup::default()
        };
        setup.settings.circuit.enabled = false;
        let fleet = Fleet::of(2, setup).await;
        for asked in 0..2 {
            fleet.ways[asked].cut(Obstacle::Everything(refused_connection()));
            seconds(400).await;
            assert_eq!(fleet.aside(asked).await, [] as [&str; 0]);
            fleet.ways[asked].mend();
        }
    });
}
