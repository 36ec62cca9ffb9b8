//! All of them mostly wait, for a lease, a restart or a lost network, so `scripts/test` runs them beside the others.

mod roles;

use std::time::Duration;

use saldo_simulator::{Endpoint, Fault, FaultRule, Faults};

use crate::fleet::{Fleet, INSTANCES};
use crate::proxy::Network;
use crate::{HEALED_WITHIN, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_are_killed_in_turn_lose_nothing() {
    let mut fleet = Fleet::under_load().await;
    fleet.simulated.delay_flag_calls_ms(30);
    for turn in 0..2 * INSTANCES {
        fleet.load.goes_on_for(20).await;
        fleet.kill_and_restart(turn % INSTANCES).await;
    }
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_are_restarted_one_after_the_other_leave_no_request_unanswered() {
    let (mut fleet, balancer) = Fleet::behind_a_balancer().await;
    fleet.simulated.delay_flag_calls_ms(30);
    for number in 0..INSTANCES {
        fleet.load.goes_on_for(10).await;
        fleet.restart(number, &balancer).await;
    }
    fleet.load.goes_on_for(10).await;
    assert_eq!(balancer.failed(), [""; 0]);
    assert_eq!(fleet.load.unanswered(), 0);
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_are_restarted_behind_the_proxy_of_this_repository_leave_no_request_unanswered() {
    let (mut fleet, nginx) = Fleet::behind_nginx().await;
    fleet.simulated.delay_flag_calls_ms(30);
    for number in 0..INSTANCES {
        fleet.load.goes_on_for(10).await;
        fleet.restart_in_place(number).await;
    }
    fleet.load.goes_on_for(10).await;
    assert_eq!(fleet.load.unanswered(), 0, "{}", nginx.log());
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_loses_nothing_that_was_acknowledged() {
    let fleet = Fleet::under_load().await;
    for _ in 0..3 {
        fleet.load.goes_on_for(20).await;
        fleet.cluster.control(&["-m", "immediate", "-w", "restart"]);
    }
    fleet.load.goes_on_for(20).await;
    fleet.cluster.control(&["-m", "immediate", "-w", "stop"]);
    // It is away for long enough that instances give up on it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    fleet.cluster.control(&["-w", "start"]);
    fleet.load.goes_on_for(20).await;
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_killed_instances_a_killed_pooler_and_ended_sessions_lose_nothing() {
    let mut fleet = Fleet::under_load_behind_a_pooler().await;
    fleet.simulated.delay_flag_calls_ms(30);
    for turn in 0..INSTANCES {
        fleet.load.goes_on_for(15).await;
        fleet.kill_and_restart(turn).await;
        let pooler = fleet.pooler.as_mut().unwrap();
        pooler.kill_nine();
        if turn == 1 {
            // It is away for long enough that instances give up on it.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        pooler.start_again().await;
        fleet.load.goes_on_for(15).await;
        until("sessions were ended in the middle of something", || async {
            fleet.end_sessions().await > 0
        })
        .await;
    }
    fleet.load.goes_on_for(20).await;
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_a_commit_that_was_not_answered_is_looked_up_and_it_is_not_repeated() {
    const LOOKED_UP_MIN: usize = 12;
    const ENDED_MIN: usize = 60;
    let fleet = Fleet::under_load().await;
    let began = tokio::time::Instant::now();
    let mut ended = 0;
    let looked_up = || fleet.told("had been done; it is not repeated");
    while ended < ENDED_MIN || looked_up() < LOOKED_UP_MIN {
        let told = began.elapsed() < HEALED_WITHIN;
        assert!(
            told,
            "{ended} sessions were ended, {} commits looked up",
            looked_up()
        );
        // Of many a commit nobody hears, and many a session ends before it.
        for instance in &fleet.instances {
            instance.database.lose_commits(1);
        }
        ended += fleet.end_sessions().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for instance in &fleet.instances {
        instance.database.lose_commits(0);
    }
    fleet.load.goes_on_for(20).await;
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_was_paused_beyond_its_lease_changes_nothing_when_it_wakes() {
    // On a busy machine a slow call takes more than a second; given up, it would still be under way at the service when
    // the next one of its order comes.
    let fleet = Fleet::under_load_with(&[("SALDO_ORDERS_SERVICE__TIMEOUT_MS", "5000")]).await;
    fleet.simulated.delay_flag_calls_ms(300);
    until("somebody leads", || async { fleet.leader_by(0).await.is_some() }).await;
    let (leads, term) = fleet.leader_by(0).await.unwrap();
    let paused = &fleet.instances[leads].service;
    until("the instance has calls under way", || async {
        paused.unanswered() >= 2
    })
    .await;
    let database = fleet.database().await;
    let now = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";
    let paused_at: i64 = database.query_one(now, &[]).await.unwrap().get(0);
    fleet.pause(leads);
    fleet.load.goes_on_for(60).await;
    // Also delivered: what it had handed to the network before it was paused goes out when it wakes, and nothing can hold
    // that back.
    until(
        "the others have taken over what it held, and delivered it",
        || async {
            let owed = "SELECT count(*) FROM saldo.delivery WHERE owed_since <= $1";
            let owed = database.query_one(owed, &[&paused_at]).await.unwrap();
            owed.get::<_, i64>(0) == 0
        },
    )
    .await;
    let other = (leads + 1) % INSTANCES;
    let another_leads = || async {
        let leader = fleet.leader_by(other).await;
        leader.is_some_and(|(now, later)| now != leads && later > term)
    };
    until("another one leads", another_leads).await;
    fleet.wake(leads);
    fleet.load.goes_on_for(20).await;
    let (by_itself, by_others) = (fleet.leader_by(leads).await, fleet.leader_by(other).await);
    assert!(
        by_itself.is_some() && by_itself == by_others,
        "{by_itself:?} {by_others:?}"
    );
    let woken = std::fs::read_to_string(fleet.instances[leads].log()).unwrap();
    assert_eq!(woken.matches("this instance leads").count(), 1, "{woken}");
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_cut_off_from_the_database_holds_up_nobody() {
    let fleet = Fleet::under_load().await;
    for round in 0..4 {
        let network = &fleet.instances[round % INSTANCES].database;
        network.set(Network::Cut);
        fleet.load.goes_on_for(15).await;
        network.set(Network::Whole);
    }
    let network = &fleet.instances[1].database;
    network.set(Network::Silent);
    fleet.load.goes_on_for(60).await;
    network.set(Network::Whole);
    fleet.load.goes_on_for(20).await;
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_far_from_the_database_and_the_orders_service_go_on_slowly() {
    let fleet = Fleet::under_load().await;
    for (number, instance) in fleet.instances.iter().enumerate() {
        instance.database.set(Network::Slow(10 + 10 * number as u64));
        instance.service.set(Network::Slow(100));
    }
    fleet.load.goes_on_for(40).await;
    // Answers come when nobody waits for them any more: all of them count as lost.
    fleet.instances[0].service.set(Network::Slow(1_500));
    fleet.load.goes_on_for(20).await;
    for instance in &fleet.instances {
        instance.database.set(Network::Whole);
        instance.service.set(Network::Whole);
    }
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_are_cut_off_from_the_orders_service_owe_it_nothing_in_the_end() {
    let fleet = Fleet::under_load().await;
    for (round, network) in [Network::Cut, Network::Silent, Network::Cut, Network::Silent]
        .into_iter()
        .enumerate()
    {
        let service = &fleet.instances[round % INSTANCES].service;
        service.set(network);
        fleet.load.goes_on_for(20).await;
        service.set(Network::Whole);
    }
    fleet.load.goes_on_for(20).await;
    fleet.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_and_failures_of_the_orders_service_leave_both_sides_agreeing() {
    let fleet = Fleet::under_load().await;
    let of_flags = |fault, probability| FaultRule {
        endpoint: Some(Endpoint::StockStatus),
        probability,
        ..FaultRule::always(fault)
    };
    let rules = vec![
        of_flags(Fault::AnswerLost, 0.2),
        of_flags(Fault::AnswerCut, 0.1),
        of_flags(Fault::InternalError, 0.1),
        of_flags(Fault::Unavailable, 0.1),
        FaultRule {
            applied: true,
            ..of_flags(Fault::BadGateway, 0.1)
        },
    ];
    let faults = Faults {
        rules,
        ..Faults::default()
    };
    fleet.simulated.handle.control().set_faults(faults).unwrap();
    fleet.load.goes_on_for(250).await;
    fleet.simulated.handle.control().clear_faults();
    fleet.heals().await;
}
