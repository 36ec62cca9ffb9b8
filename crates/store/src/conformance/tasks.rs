//! What is remembered of scheduled tasks, and who may run them.

use super::forms::at;
use super::{Fixture, must};
use crate::tasks::{TaskLease, TaskState};

fn state(name: &str) -> TaskState {
    TaskState {
        name: name.to_owned(),
        last_started_at: None,
        last_ended_at: None,
        last_succeeded: None,
        last_detail: None,
        last_due_at: None,
        next_run_at: None,
    }
}

pub(super) async fn what_a_task_did_is_remembered(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(must!(store.task_states().await, "task_states"), []);
    let Some(lease) = take(fixture, "one", 0, 10).await else {
        panic!("it was free")
    };
    assert!(put(fixture, &state("report"), &lease).await);
    let ran = TaskState {
        last_started_at: Some(at(10)),
        last_ended_at: Some(at(20)),
        last_succeeded: Some(false),
        last_detail: Some("ä failed".to_owned()),
        last_due_at: Some(at(9)),
        next_run_at: Some(at(30)),
        ..state("cleanup")
    };
    assert!(put(fixture, &ran, &lease).await);
    let states = must!(store.task_states().await, "task_states");
    assert_eq!(states, [ran, state("report")], "by name");
    let again = TaskState {
        last_started_at: Some(at(40)),
        ..state("cleanup")
    };
    assert!(put(fixture, &again, &lease).await);
    let states = must!(store.task_states().await, "task_states");
    assert_eq!(states, [again, state("report")], "replaced, and not mixed");
}

async fn put(fixture: &Fixture, state: &TaskState, under: &TaskLease) -> bool {
    must!(fixture.store.put_task_state(state, under).await, "put_task_state")
}

pub(super) async fn what_a_task_did_is_remembered_under_the_term_in_which_it_ran(fixture: &Fixture) {
    let Some(first) = take(fixture, "one", 0, 10).await else {
        panic!("it was free")
    };
    assert!(put(fixture, &state("report"), &first).await);
    let Some(second) = take(fixture, "two", 10, 20).await else {
        panic!("it was over")
    };
    let late = TaskState {
        last_detail: Some("late".to_owned()),
        ..state("report")
    };
    assert!(!put(fixture, &late, &first).await, "another one holds it");
    assert!(put(fixture, &state("cleanup"), &second).await);
    must!(fixture.store.release_lease(&second).await, "release_lease");
    assert!(!put(fixture, &late, &second).await, "it was given back");
    let Some(third) = take(fixture, "one", 20, 30).await else {
        panic!("it was given back")
    };
    assert!(!put(fixture, &late, &first).await, "the same holder, a term ago");
    let states = must!(fixture.store.task_states().await, "task_states");
    assert_eq!(
        states,
        [state("cleanup"), state("report")],
        "nothing of it came in"
    );
    assert!(put(fixture, &late, &third).await);
}

/// Takes a lease, and says its term where it was granted.
async fn take(fixture: &Fixture, holder: &str, now: i64, until: i64) -> Option<TaskLease> {
    let lease = must!(
        fixture.store.take_lease("lead", holder, at(now), at(until)).await,
        "take_lease"
    );
    if let Some(lease) = &lease {
        assert_eq!(lease.holder, holder);
        assert_eq!(lease.until, at(until));
        let leases = must!(fixture.store.leases().await, "leases");
        assert!(leases.contains(lease), "{leases:?}");
    }
    lease
}

async fn term(fixture: &Fixture, holder: &str, now: i64, until: i64) -> Option<u64> {
    take(fixture, holder, now, until).await.map(|lease| lease.term)
}

pub(super) async fn a_lease_has_one_holder_at_a_time(fixture: &Fixture) {
    assert_eq!(term(fixture, "one", 0, 10).await, Some(1));
    assert_eq!(term(fixture, "two", 5, 15).await, None, "it is held");
    assert_eq!(
        term(fixture, "one", 8, 20).await,
        Some(1),
        "renewing keeps the term"
    );
    assert_eq!(term(fixture, "two", 19, 29).await, None, "it was renewed");
    assert_eq!(
        term(fixture, "two", 20, 30).await,
        Some(2),
        "over at its very moment"
    );
    assert_eq!(
        term(fixture, "one", 25, 35).await,
        None,
        "and the first holder is out"
    );
    assert_eq!(
        term(fixture, "two", 40, 50).await,
        Some(2),
        "nobody came between: the holder has not changed"
    );
    assert_eq!(term(fixture, "one", 50, 60).await, Some(3));
    let other = must!(
        fixture.store.take_lease("task", "two", at(50), at(60)).await,
        "take_lease"
    );
    assert_eq!(
        other.map(|lease| lease.term),
        Some(1),
        "another name is another lease"
    );
    let names: Vec<String> = must!(fixture.store.leases().await, "leases")
        .into_iter()
        .map(|lease| lease.name)
        .collect();
    assert_eq!(names, ["lead", "task"], "by name, also those that are over");
}

pub(super) async fn a_lease_is_given_back_by_its_holder_only(fixture: &Fixture) {
    let store = &fixture.store;
    let Some(first) = take(fixture, "one", 0, 10).await else {
        panic!("it was free")
    };
    let Some(second) = take(fixture, "two", 10, 20).await else {
        panic!("it was over")
    };
    must!(store.release_lease(&first).await, "release_lease");
    assert_eq!(
        term(fixture, "three", 11, 21).await,
        None,
        "a stale holder gives nothing back"
    );
    must!(store.release_lease(&second).await, "release_lease");
    must!(store.release_lease(&second).await, "release_lease");
    assert_eq!(must!(store.leases().await, "leases"), [], "given back");
    assert_eq!(
        term(fixture, "two", 12, 22).await,
        Some(3),
        "who takes it after that holds it anew: what the old term may still do is refused"
    );
    must!(store.release_lease(&second).await, "release_lease");
    assert_eq!(
        term(fixture, "one", 13, 23).await,
        None,
        "an old term gives nothing back"
    );
    let unknown = TaskLease {
        name: "unknown".to_owned(),
        ..second
    };
    must!(store.release_lease(&unknown).await, "release_lease");
}

/// Many that ask at once: one gets it.
pub(super) async fn of_many_that_ask_at_once_one_gets_the_lease(fixture: &Fixture) {
    for round in 0..5_i64 {
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..16 {
            let store = fixture.store.clone();
            asking.spawn(async move {
                let holder = format!("instance-{number}");
                let (now, until) = (at(round * 10), at(round * 10 + 10));
                must!(store.take_lease("lead", &holder, now, until).await, "take_lease")
            });
        }
        let granted: Vec<TaskLease> = asking.join_all().await.into_iter().flatten().collect();
        assert_eq!(granted.len(), 1, "{granted:?}");
        assert_eq!(must!(fixture.store.leases().await, "leases"), granted);
        must!(fixture.store.release_lease(&granted[0]).await, "release_lease");
        assert_eq!(granted[0].term, u64::try_from(round).unwrap_or(0) + 1);
    }
}
