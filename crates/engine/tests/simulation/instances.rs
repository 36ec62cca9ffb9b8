//! Several engines on one ledger.

use saldo_domain::circuit::CircuitState;
use saldo_domain::operation::OperationStatus;
use saldo_engine::settings::Settings;
use saldo_engine::tasks::Schedule;
use saldo_engine::{Caller, Engine, Status};
use saldo_store::instances::ServerRole;

use crate::support::faults::Mode;
use crate::support::{Setup, World, form, hours, milliseconds, order, seconds, simulate, until_so};

/// A world without an engine of its own, and some on its ledger.
async fn several(setup: Setup, count: u64) -> (World, Vec<Engine>) {
    let world = World::without_engine(setup).await;
    world.ledger.share();
    let engines = (1..=count)
        .map(|number| world.start_beside(number, ServerRole::All))
        .collect();
    (world, engines)
}

async fn status(engine: &Engine) -> Status {
    engine.service().status().await.unwrap()
}

async fn names(engine: &Engine) -> Vec<String> {
    let instances = status(engine).await.instances;
    instances.into_iter().map(|instance| instance.name).collect()
}

/// The number of the engine that leads, and its term.
async fn leader(engines: &[Engine]) -> (usize, u64) {
    let status = status(&engines[0]).await;
    let leaders: Vec<&str> = status
        .instances
        .iter()
        .filter(|instance| instance.is_leader)
        .map(|instance| instance.name.as_str())
        .collect();
    let [name] = leaders[..] else {
        panic!("{leaders:?}")
    };
    let number = name.rsplit('-').next().unwrap().parse().unwrap();
    (number, status.leader.unwrap().term)
}

/// Posts to each engine in turn, without waiting.
async fn post_in_turn(world: &World, engines: &[Engine], of: u128, count: u64) {
    let caller = Caller {
        wait: false,
        ..Caller::named("test")
    };
    for (engine, first) in engines.iter().zip(0..) {
        let own = (0..count).filter(|number| number % engines.len() as u64 == first);
        let orders = own.map(|number| form(&order(of, number), 1)).collect();
        for result in engine.service().process_orders_with_sync(orders, &caller).await {
            result.unwrap();
        }
    }
    world.assert_safe().await;
}

#[test]
fn instances_know_each_other_and_one_that_dies_is_silent_and_then_forgotten() {
    simulate(async {
        let (world, mut engines) = several(Setup::default(), 3).await;
        seconds(2).await;
        for engine in &engines {
            assert_eq!(names(engine).await, ["saldo-1", "saldo-2", "saldo-3"]);
        }
        let told = status(&engines[0]).await;
        assert!(told.instances.iter().all(|instance| !instance.is_silent));
        assert!(
            told.instances
                .iter()
                .all(|instance| instance.role == ServerRole::All)
        );
        engines.pop().unwrap().stop().await;
        assert_eq!(
            names(&engines[0]).await,
            ["saldo-1", "saldo-2"],
            "it took its leave"
        );
        engines.pop().unwrap().abort();
        seconds(20).await;
        let told = status(&engines[0]).await;
        let silent: Vec<_> = told.instances.iter().map(|instance| instance.is_silent).collect();
        assert_eq!(silent, [false, true]);
        seconds(60).await;
        assert_eq!(names(&engines[0]).await, ["saldo-1"]);
        let again = world.start_beside(2, ServerRole::All);
        seconds(2).await;
        let before = told.instances[1].id.clone();
        let told = status(&again).await;
        assert_eq!(told.instances[1].name, "saldo-2");
        assert_ne!(told.instances[1].id, before, "a restart is another instance");
    });
}

#[test]
fn one_leads_at_a_time_and_another_one_when_it_stops_or_dies() {
    simulate(async {
        let (_world, mut engines) = several(Setup::default(), 3).await;
        seconds(5).await;
        let (first, term) = leader(&engines).await;
        assert_eq!(term, 1);
        let stopped = engines.remove(first - 1);
        stopped.stop().await;
        seconds(5).await;
        let (second, term) = leader(&engines).await;
        assert_ne!(second, first);
        assert_eq!(term, 2, "the one that stops lets another one lead at once");
        let place = names(&engines[0]).await;
        let place = place
            .iter()
            .position(|name| name.ends_with(&second.to_string()))
            .unwrap();
        engines.remove(place).abort();
        seconds(30).await;
        assert_eq!(leader(&engines).await.1, 2);
        seconds(35).await;
        assert_eq!(leader(&engines).await.1, 3, "its lease is over");
    });
}

#[test]
fn scheduled_tasks_run_once_over_all_instances_and_go_on_when_the_leader_dies() {
    simulate(async {
        let schedule = ("reconcile".to_owned(), Schedule::parse("every 10m").unwrap());
        let setup = Setup {
            settings: Settings {
                schedules: vec![schedule],
                requests_per_second: 500,
                account_requests_per_second: 500,
                ..Settings::default()
            },
            ..Setup::default()
        };
        let (world, mut engines) = several(setup, 3).await;
        let runs = || world.ledger.dump().runs.len();
        hours(2).await;
        assert_eq!(runs(), 11, "at 10, 20, … 110 minutes, and the next is due now");
        let (leads, _) = leader(&engines).await;
        engines.remove(leads - 1).abort();
        hours(2).await;
        assert!((22..=24).contains(&runs()), "{}", runs());
    });
}

#[test]
fn all_instances_together_never_exceed_the_rate_and_a_newcomer_takes_its_part_only() {
    simulate(async {
        const RATE: usize = 50;
        const BURST: usize = 32;
        let setup = Setup {
            accounts: 3,
            ..Setup::default()
        };
        let (world, mut engines) = several(setup, 2).await;
        post_in_turn(&world, &engines, 1, 2_000).await;
        post_in_turn(&world, &engines, 2, 2_000).await;
        seconds(20).await;
        engines.push(world.start_beside(3, ServerRole::All));
        post_in_turn(&world, &engines, 3, 2_000).await;
        seconds(20).await;
        engines.remove(0).abort();
        seconds(40).await;
        let history = world.remote.history();
        for length in [1, 5, 20] {
            let most = history.most_within(length * 1_000);
            // Each of three instances may round up by one call.
            let allowed = BURST + RATE * usize::try_from(length).unwrap() + 3;
            assert!(
                most <= allowed,
                "{most} calls within {length} s, {allowed} allowed"
            );
        }
        let end = world.remote.now_ms();
        let used = history.began_within(end - 80_000 + 4_000, end);
        assert!(
            used >= 70 * RATE,
            "the rate is used, also after one died: {used} calls"
        );
        let late = history.began_within(end - 20_000, end);
        assert!(late >= 19 * RATE, "the others have its part: {late} calls");
    });
}

#[test]
fn an_outage_that_one_instance_meets_stops_all_and_one_probes_at_a_time() {
    for mode in [Mode::Refuses, Mode::CredentialsRefused, Mode::FlagsFail] {
        simulate(async move {
            let (world, engines) = several(Setup::default(), 3).await;
            seconds(5).await;
            world.set_mode(mode);
            post_in_turn(&world, &engines, 1, 60).await;
            let opened = until_open(&engines[0]).await;
            milliseconds(1_500).await;
            let since = world.remote.now_ms();
            for engine in &engines {
                let told = status(engine).await;
                assert_eq!(told.circuit, CircuitState::Open, "{mode:?}, opened at {opened}");
            }
            hours(1).await;
            let history = world.remote.history();
            let probes: Vec<_> = history.flags().filter(|call| call.began_ms >= since).collect();
            assert!(
                (50..=70).contains(&probes.len()),
                "{mode:?}: {} probes in an hour",
                probes.len()
            );
            let apart = probes
                .windows(2)
                .all(|pair| pair[0].ended_ms.is_some_and(|ended| ended <= pair[1].began_ms));
            assert!(apart, "{mode:?}: two probes at once");
            world.set_mode(Mode::Up);
            seconds(70).await;
            for engine in &engines {
                assert_eq!(status(engine).await.circuit, CircuitState::Closed, "{mode:?}");
            }
            assert_eq!(world.count(OperationStatus::Completed), 60, "{mode:?}");
            assert!(
                world
                    .ledger
                    .dump()
                    .circuits
                    .values()
                    .all(|kept| kept.open.is_none())
            );
            world.assert_at_rest().await;
        });
    }
}

#[test]
fn an_instance_that_comes_during_an_outage_does_not_find_out_by_itself() {
    simulate(async {
        let (world, engines) = several(Setup::default(), 1).await;
        seconds(5).await;
        world.set_mode(Mode::Refuses);
        post_in_turn(&world, &engines, 1, 60).await;
        until_open(&engines[0]).await;
        let calls = || world.remote.history().flags().count();
        let before = calls();
        let newcomer = world.start_beside(2, ServerRole::All);
        seconds(60).await;
        assert_ne!(status(&newcomer).await.circuit, CircuitState::Closed);
        let probes = calls() - before;
        assert!((1..=4).contains(&probes), "{probes} calls within a minute");
    });
}

async fn until_open(engine: &Engine) -> u64 {
    for waited in 0..2_000 {
        if status(engine).await.circuit != CircuitState::Closed {
            return waited;
        }
        milliseconds(10).await;
    }
    panic!("the circuit stays closed");
}

#[test]
fn a_probe_of_an_instance_that_dies_is_forgotten_and_another_one_finds_out() {
    simulate(async {
        let (world, mut engines) = several(Setup::default(), 2).await;
        seconds(5).await;
        world.set_mode(Mode::Refuses);
        post_in_turn(&world, &engines, 1, 20).await;
        until_open(&engines[0]).await;
        // From now on calls hang, so that a probe is under way for as long as a call may take.
        world.set_mode(Mode::Up);
        world.remote.faults(|faults| faults.latency_ms = (9_000, 9_000));
        let probing = || {
            let circuits = world.ledger.dump().circuits;
            let open = circuits.values().filter_map(|kept| kept.open.clone());
            open.filter_map(|circuit| circuit.prober).next()
        };
        until_so(120, "one of them probes", || probing().is_some()).await;
        let prober = probing().unwrap().instance;
        let place = status(&engines[0]).await.instances;
        let place = place.iter().position(|instance| instance.id == prober).unwrap();
        engines.remove(place).abort();
        world.remote.faults(|faults| faults.latency_ms = (5, 50));
        until_so(200, "the other one finds the service to be up", || {
            world.count(OperationStatus::Completed) == 20
        })
        .await;
        seconds(120).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn an_open_circuit_is_remembered_over_a_restart() {
    simulate(async {
        let mut world = World::begin(Setup::default()).await;
        world.set_mode(Mode::Refuses);
        world.post_many(1, 20).await;
        hours(1).await;
        world.stop().await;
        world.start();
        let (began, calls) = (world.remote.now_ms(), world.remote.history().flags().count());
        seconds(1).await;
        let told = world.saldo().status().await.unwrap();
        assert_eq!(told.circuit, CircuitState::Open);
        hours(1).await;
        let probes = world.remote.history().flags().count() - calls;
        assert!(probes <= 60, "{probes} calls in the hour after {began}");
        world.set_mode(Mode::Up);
        seconds(70).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn what_a_dead_instance_was_delivering_is_delivered_by_another_once_its_lease_ends() {
    simulate(async {
        let (world, mut engines) = several(Setup::default(), 2).await;
        seconds(5).await;
        world.remote.faults(|faults| faults.latency_ms = (9_000, 9_000));
        post_in_turn(&world, &engines[..1], 1, 10).await;
        seconds(1).await;
        assert!(world.count(OperationStatus::Processing) > 0);
        seconds(5).await;
        let told = status(&engines[1]).await;
        assert!(
            told.instances.iter().any(|instance| instance.deliveries > 0),
            "{told:?}"
        );
        engines.remove(0).abort();
        world.remote.faults(|faults| faults.latency_ms = (5, 50));
        seconds(55).await;
        assert_eq!(world.count(OperationStatus::Completed), 10);
        seconds(120).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn what_an_api_instance_takes_in_a_worker_delivers_and_the_caller_hears_of_it() {
    simulate(async {
        let world = World::without_engine(Setup::default()).await;
        world.ledger.share();
        let api = world.start_beside(1, ServerRole::Api);
        let first = world.start_beside(2, ServerRole::Worker);
        seconds(5).await;
        let told = status(&api).await;
        let leading = told.instances.iter().find(|instance| instance.is_leader).unwrap();
        assert_eq!(leading.name, "saldo-2", "an api instance does not lead");
        let worker = world.start_beside(3, ServerRole::Worker);
        seconds(5).await;
        for number in 0..5 {
            let caller = Caller::named("test");
            let posted = api
                .service()
                .process_order_with_sync(form(&order(1, number), 1), &caller)
                .await
                .unwrap();
            assert!(posted.success, "{posted:?}");
            assert!(world.remote.flag(&order(1, number)));
        }
        let before = world.remote.history().flags().count();
        first.abort();
        worker.abort();
        let began = world.remote.now_ms();
        let alone = api
            .service()
            .process_order_with_sync(form(&order(1, 9), 1), &Caller::named("test"))
            .await
            .unwrap();
        assert!(!alone.success, "it is recorded, and waits for a worker");
        assert!(world.remote.now_ms() - began <= 3_000);
        seconds(600).await;
        assert_eq!(world.remote.history().flags().count(), before);
        world.assert_safe().await;
    });
}

#[test]
fn an_instance_that_cannot_reach_the_database_makes_no_calls() {
    simulate(async {
        let (world, engines) = several(Setup::default(), 2).await;
        post_in_turn(&world, &engines, 1, 500).await;
        seconds(5).await;
        world.ledger.set_failing(Some("the network is down"));
        seconds(4).await;
        let calls = world.remote.history().flags().count();
        seconds(60).await;
        assert_eq!(world.remote.history().flags().count(), calls);
        world.ledger.set_failing(None);
        seconds(120).await;
        assert_eq!(world.count(OperationStatus::Completed), 500);
        world.assert_safe().await;
    });
}
