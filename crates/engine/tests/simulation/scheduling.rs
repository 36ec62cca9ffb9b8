//! Scheduled tasks.

use saldo_engine::settings::Settings;
use saldo_engine::tasks::Schedule;
use saldo_engine::{Caller, TaskStatus};
use saldo_store::Tasks;
use saldo_store::tasks::TaskState;

use crate::support::{Setup, World, hours, order, seconds, simulate};

fn with(schedules: &[(&str, &str)]) -> Setup {
    let schedules = schedules
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Schedule::parse(text).unwrap()))
        .collect();
    Setup {
        settings: Settings {
            schedules,
            requests_per_second: 500,
            account_requests_per_second: 500,
            ..Settings::default()
        },
        ..Setup::default()
    }
}

async fn task(world: &World, name: &str) -> TaskStatus {
    let tasks = world.saldo().tasks().await.unwrap();
    tasks.into_iter().find(|task| task.name == name).unwrap()
}

#[test]
fn a_task_runs_at_its_times_and_says_when_it_ran_and_will_run() {
    simulate(async {
        let world = World::begin(with(&[("reconcile", "every 30m"), ("cleanup", "0 3 * * *")])).await;
        let began = world.now();
        seconds(1).await;
        let first = task(&world, "reconcile").await;
        assert_eq!(
            first.next_run_at,
            Some(began + jiff::SignedDuration::from_mins(30))
        );
        assert_eq!((first.last_started_at, first.running), (None, false));
        hours(2).await;
        let later = task(&world, "reconcile").await;
        assert_eq!(later.last_succeeded, Some(true), "{later:?}");
        assert!(later.last_ended_at >= later.last_started_at);
        let page = saldo_store::query::PageRequest {
            after: None,
            limit: 100,
        };
        let runs = saldo_store::Reconciliations::runs(world.ledger.as_ref(), page)
            .await
            .unwrap();
        assert_eq!(
            runs.items.len(),
            3 + usize::from(later.last_started_at > Some(began + jiff::SignedDuration::from_mins(119)))
        );
        assert_eq!(task(&world, "cleanup").await.last_started_at, None);
        hours(24).await;
        assert_eq!(task(&world, "cleanup").await.last_succeeded, Some(true));
        let status = world.saldo().status().await.unwrap();
        assert_eq!(status.tasks.len(), world.saldo().tasks().await.unwrap().len());
        assert!(status.last_reconciliation.is_some());
    });
}

#[test]
fn runs_that_were_missed_while_saldo_was_stopped_are_caught_up_once() {
    simulate(async {
        let mut world = World::begin(with(&[("reconcile", "every 30m")])).await;
        hours(1).await;
        world.stop().await;
        hours(10).await;
        let before = task(&world, "reconcile").await;
        world.start();
        seconds(20).await;
        let caught_up = task(&world, "reconcile").await;
        assert!(caught_up.last_started_at > before.last_started_at);
        let again = caught_up.last_started_at;
        seconds(25 * 60).await;
        assert_eq!(
            task(&world, "reconcile").await.last_started_at,
            again,
            "only once"
        );
    });
}

#[test]
fn a_task_that_another_instance_runs_is_not_run_here() {
    simulate(async {
        let world = World::begin(with(&[("reconcile", "every 30m")])).await;
        let now = world.now();
        let until = now + jiff::SignedDuration::from_hours(2);
        let lease = world
            .ledger
            .take_lease("task reconcile", "another", now, until)
            .await
            .unwrap();
        hours(1).await;
        assert_eq!(task(&world, "reconcile").await.last_started_at, None);
        let refused = world.saldo().run_task("reconcile", &Caller::named("test")).await;
        assert!(refused.unwrap_err().to_string().contains("runs already"));
        world.ledger.release_lease(&lease.unwrap()).await.unwrap();
        seconds(60).await;
        assert!(task(&world, "reconcile").await.last_started_at.is_some());
    });
}

#[test]
fn a_run_that_another_instance_took_over_ends_and_leaves_nothing_behind() {
    simulate(async {
        let world = World::begin(with(&[("reconcile", "every 30m")])).await;
        world.buy(&order(1, 1), 5);
        seconds(25 * 60).await;
        world.remote.faults(|faults| faults.latency_ms = (35_000, 35_000));
        seconds(5 * 60 + 1).await;
        assert!(task(&world, "reconcile").await.running);
        // By a clock that stands wrong, as another instance's might.
        let now = world.now() + jiff::SignedDuration::from_mins(10);
        let until = now + jiff::SignedDuration::from_mins(10);
        let taken = world.ledger.take_lease("task reconcile", "another", now, until);
        assert_eq!(taken.await.unwrap().unwrap().term, 2);
        let before = world.ledger.task_states().await.unwrap();
        seconds(21).await;
        let after = task(&world, "reconcile").await;
        assert!(
            !after.running,
            "at its next renewal it learns that it lost the lease"
        );
        assert_eq!(world.ledger.task_states().await.unwrap(), before);
        assert_eq!(
            after.last_ended_at, None,
            "what became of it the new holder tells"
        );
    });
}

#[test]
fn a_run_that_a_crash_cut_short_is_run_again_and_a_plan_far_ahead_is_brought_back() {
    simulate(async {
        let setup = with(&[("reconcile", "every 30m"), ("process_pending", "every 5m")]);
        let mut world = World::without_engine(setup).await;
        let now = world.now();
        // It was running when the crash came; and a clock that stood wrong has planned the other for next year.
        let state = |name: &str| TaskState {
            name: name.to_owned(),
            last_started_at: Some(now - jiff::SignedDuration::from_mins(3)),
            last_ended_at: None,
            last_succeeded: None,
            last_detail: None,
            last_due_at: None,
            next_run_at: Some(now + jiff::SignedDuration::from_hours(24 * 365)),
        };
        let until = now + jiff::SignedDuration::from_secs(1);
        let lease = world.ledger.take_lease("task", "test", now, until).await.unwrap();
        let lease = lease.unwrap();
        let remembered = world.ledger.put_task_state(&state("reconcile"), &lease).await;
        assert!(remembered.unwrap());
        let planned = TaskState {
            last_started_at: None,
            ..state("process_pending")
        };
        assert!(world.ledger.put_task_state(&planned, &lease).await.unwrap());
        world.start();
        seconds(40).await;
        assert_eq!(task(&world, "reconcile").await.last_succeeded, Some(true));
        assert_eq!(task(&world, "process_pending").await.last_started_at, None);
        seconds(300).await;
        assert_eq!(task(&world, "process_pending").await.last_succeeded, Some(true));
    });
}

#[test]
fn a_task_runs_by_hand_and_a_failed_one_tells_why() {
    simulate(async {
        let world = World::begin(with(&[])).await;
        world.buy(&order(1, 1), 5);
        let caller = Caller::named("a person");
        let ran = world.saldo().run_task("reconcile", &caller).await.unwrap();
        assert_eq!(ran.last_succeeded, Some(true), "{ran:?}");
        assert!(world.is_deducted(&order(1, 1)).await);
        world.remote.faults(|faults| faults.lists.fail = 1_000);
        let failed = world.saldo().run_task("reconcile", &caller).await.unwrap();
        assert_eq!(failed.last_succeeded, Some(false));
        assert!(failed.last_detail.unwrap().contains("503"));
        let unknown = world.saldo().run_task("laundry", &caller).await.unwrap_err();
        assert!(unknown.to_string().contains("reconcile"), "{unknown}");
    });
}

#[test]
fn a_repeat_after_the_clean_up_is_still_a_duplicate() {
    simulate(async {
        let world = World::begin(with(&[("cleanup", "0 3 * * *")])).await;
        world.post_many(1, 60).await;
        seconds(60).await;
        let operation = world.post(&order(1, 3)).await.operation.unwrap().id;
        world.roll_back(operation).await.unwrap();
        hours(24 * 100).await;
        let kept = world.ledger.dump();
        assert!(
            kept.operations
                .values()
                .all(|operation| operation.order.is_none()),
            "all went"
        );
        let stock = world.stock().await;
        for number in 0..60 {
            assert!(world.post(&order(1, number)).await.duplicate, "{number}");
        }
        assert_eq!(world.stock().await, stock);
        world.assert_at_rest().await;
    });
}
