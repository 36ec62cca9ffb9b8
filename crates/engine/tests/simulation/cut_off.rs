//! Instances of which some cannot reach the orders service, while the others can.

mod flags;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::circuit::CircuitState;
use saldo_domain::discrepancy::RunOutcome;
use saldo_domain::ids::OrderKey;
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::ReviewReason;
use saldo_engine::settings::Settings;
use saldo_engine::tasks::Schedule;
use saldo_engine::{Caller, Engine, Status};
use saldo_store::circuits::{CircuitSubject, Circuits, OpenCircuit};
use saldo_store::instances::ServerRole;

use crate::polling::polling;

use crate::support::cut_off::{Obstacle, OwnWay};
use crate::support::faults::{Mode, credentials_refused, no_answer, refused_connection, unavailable};
use crate::support::{Setup, World, form, hours, order, seconds, simulate, until_so};

/// A lease, as it is for calls of 10 s, and the first backoff.
const LONGEST_SECONDS: u64 = 50 + 60;
/// Calls that an instance makes at once, and those that find out: the most that one outage of its own costs.
const LOST_AT_ONCE: usize = 32 + 5;

/// Engines on one ledger, each with a way of its own to the service.
struct Fleet {
    world: World,
    engines: Vec<Engine>,
    ways: Vec<Arc<OwnWay>>,
    /// When each order was posted, in milliseconds.
    posted: BTreeMap<OrderKey, u64>,
    orders: u64,
}

impl Fleet {
    async fn of(count: u64, setup: Setup) -> Self {
        let world = World::without_engine(setup).await;
        world.ledger.share();
        let mut fleet = Self {
            world,
            engines: Vec::new(),
            ways: Vec::new(),
            posted: BTreeMap::new(),
            orders: 0,
        };
        for number in 1..=count {
            let way = OwnWay::to(&fleet.world.remote);
            let engine = fleet
                .world
                .start_beside_with(number, ServerRole::All, way.clone());
            fleet.ways.push(way);
            fleet.engines.push(engine);
        }
        seconds(5).await;
        fleet
    }

    /// Posts so many orders to each of the engines, without waiting for their delivery.
    async fn post(&mut self, each: u64) {
        let caller = Caller {
            wait: false,
            ..Caller::named("test")
        };
        for engine in &self.engines {
            let keys: Vec<OrderKey> = (self.orders..self.orders + each)
                .map(|number| order(u128::from(number % 3) + 1, number))
                .collect();
            self.orders += each;
            let forms = keys.iter().map(|key| form(key, 1)).collect();
            for result in engine.service().process_orders_with_sync(forms, &caller).await {
                result.unwrap();
            }
            let now = self.world.remote.now_ms();
            self.posted.extend(keys.into_iter().map(|key| (key, now)));
        }
    }

    /// Posts two orders a second to each engine, for so long.
    async fn load(&mut self, for_seconds: u64) {
        for _ in 0..for_seconds {
            self.post(2).await;
            seconds(1).await;
        }
    }

    /// How long the slowest of the orders that were posted since took to be delivered, in seconds.
    fn longest_since(&self, since_ms: u64) -> u64 {
        let history = self.world.remote.history();
        let mut delivered: BTreeMap<&OrderKey, u64> = BTreeMap::new();
        for call in history.flags().filter(|call| call.succeeded) {
            let (Some(key), Some(ended)) = (&call.key, call.ended_ms) else {
                continue;
            };
            delivered.entry(key).or_insert(ended);
        }
        let posted = self.posted.iter().filter(|(_, at)| **at >= since_ms);
        let waits = posted.map(|(key, at)| {
            let ended = delivered.get(key);
            ended.unwrap_or_else(|| panic!("{key} was never delivered")) - at
        });
        waits.max().unwrap_or(0).div_ceil(1_000)
    }

    async fn status(&self, place: usize) -> Status {
        self.engines[place].service().status().await.unwrap()
    }

    /// How often the circuit of the service was changed, by whoever.
    fn changes(&self) -> u64 {
        let circuits = self.world.ledger.dump().circuits;
        circuits.values().map(|kept| kept.version).sum()
    }

    /// The names of those that stand aside, as one of the engines tells.
    async fn aside(&self, asked: usize) -> Vec<String> {
        let told = self.status(asked).await.instances.into_iter();
        told.filter(|instance| instance.aside_since.is_some())
            .map(|instance| instance.name)
            .collect()
    }

    async fn until_aside(&self, asked: usize, names: &[&str]) {
        for _ in 0..120 {
            if self.aside(asked).await == names {
                return;
            }
            seconds(1).await;
        }
        panic!("{:?} stand aside, and not {names:?}", self.aside(asked).await);
    }

    /// Retries that an order used up, at most.
    fn most_retries(&self) -> u32 {
        let operations = self.world.ledger.dump().operations;
        let retries = operations.values().map(|operation| operation.retry_count);
        retries.max().unwrap_or(0)
    }

    /// All is delivered, nobody was asked, and no order waited for longer than it may.
    async fn assert_delivered_in_time(&self, since_ms: u64) {
        let longest = self.longest_since(since_ms);
        assert!(longest <= LONGEST_SECONDS, "an order waited for {longest} s");
        assert_eq!(self.world.all_reviews().await, []);
        let most = self.most_retries();
        assert!(most <= 1, "an order used up {most} retries");
        self.world.assert_at_rest().await;
    }
}

fn obstacles() -> [Obstacle; 5] {
    [
        Obstacle::Everything(refused_connection()),
        Obstacle::Everything(no_answer()),
        Obstacle::Everything(credentials_refused()),
        Obstacle::Flags(unavailable()),
        Obstacle::Flags(no_answer()),
    ]
}

#[test]
fn one_of_three_that_is_cut_off_does_not_stop_the_others() {
    for obstacle in obstacles() {
        simulate(async move {
            let mut fleet = Fleet::of(3, Setup::default()).await;
            fleet.load(10).await;
            let cut_at = fleet.world.remote.now_ms();
            fleet.ways[0].cut(obstacle.clone());
            fleet.load(60).await;
            let (changes, stopped) = (fleet.changes(), fleet.ways[0].stopped());
            assert!(
                stopped <= LOST_AT_ONCE,
                "{obstacle:?}: {stopped} deliveries failed"
            );
            fleet.load(240).await;
            assert_eq!(
                fleet.changes(),
                changes,
                "{obstacle:?}: it stops the others again and again"
            );
            // A trial a minute, where the service answers and only takes no flags.
            let stopped = fleet.ways[0].stopped() - stopped;
            assert!(stopped <= 4 + 5, "{obstacle:?}: {stopped} deliveries failed");
            seconds(LONGEST_SECONDS).await;
            fleet.assert_delivered_in_time(cut_at).await;
        });
    }
}

#[test]
fn one_that_is_cut_off_says_so_leaves_its_part_of_the_rate_and_comes_back() {
    const RATE: usize = 50;
    simulate(async {
        let mut fleet = Fleet::of(3, Setup::default()).await;
        fleet.ways[0].cut(Obstacle::Everything(refused_connection()));
        fleet.load(60).await;
        for asked in 0..3 {
            fleet.until_aside(asked, &["saldo-1"]).await;
            assert_eq!(fleet.status(asked).await.circuit, CircuitState::Closed);
        }
        fleet.post(1_200).await;
        seconds(5).await;
        let began = fleet.world.remote.now_ms();
        seconds(30).await;
        let history = fleet.world.remote.history();
        let made = history.began_within(began, began + 30_000);
        assert!(made >= 28 * RATE, "{made} calls in 30 s");
        let at_once = history.most_within(1_000);
        assert!(at_once <= RATE + 32 + 3, "{at_once} calls within a second");
        seconds(120).await;
        fleet.ways[0].mend();
        let passed = fleet.ways[0].passed();
        fleet.until_aside(1, &[]).await;
        let again_at = fleet.world.remote.now_ms();
        fleet.post(600).await;
        seconds(60).await;
        let passed = fleet.ways[0].passed() - passed;
        assert!(passed >= 400, "it made {passed} deliveries of 1800");
        let history = fleet.world.remote.history();
        let at_once = history.most_within(5_000);
        assert!(at_once <= 5 * RATE + 32 + 3, "{at_once} calls within 5 seconds");
        fleet.assert_delivered_in_time(again_at).await;
    });
}

#[test]
fn an_order_that_comes_in_where_one_stands_aside_is_delivered_by_another_at_once() {
    simulate(async {
        let mut fleet = Fleet::of(2, Setup::default()).await;
        fleet.ways[0].cut(Obstacle::Everything(no_answer()));
        fleet.load(60).await;
        fleet.until_aside(0, &["saldo-1"]).await;
        let posted = fleet.engines[0]
            .service()
            .process_order_with_sync(form(&order(1, 77_777), 1), &Caller::named("test"))
            .await
            .unwrap();
        assert!(posted.success, "{posted:?}");
    });
}

#[test]
fn two_of_three_that_are_cut_off_do_not_stop_the_third() {
    for obstacle in obstacles() {
        simulate(async move {
            let mut fleet = Fleet::of(3, Setup::default()).await;
            fleet.load(10).await;
            let cut_at = fleet.world.remote.now_ms();
            fleet.ways[0].cut(obstacle.clone());
            fleet.load(5).await;
            fleet.ways[2].cut(obstacle.clone());
            fleet.load(120).await;
            let changes = fleet.changes();
            fleet.load(180).await;
            assert_eq!(fleet.changes(), changes, "{obstacle:?}");
            seconds(LONGEST_SECONDS).await;
            fleet.assert_delivered_in_time(cut_at).await;
        });
    }
}

#[test]
fn while_one_stands_aside_an_outage_of_the_service_is_one_outage() {
    simulate(async {
        let mut fleet = Fleet::of(3, Setup::default()).await;
        fleet.ways[0].cut(Obstacle::Everything(refused_connection()));
        fleet.load(25).await;
        fleet.until_aside(1, &["saldo-1"]).await;
        fleet.world.set_mode(Mode::Refuses);
        fleet.load(25).await;
        let opened = || {
            let circuits = fleet.world.ledger.dump().circuits;
            let open = circuits.values().filter_map(|kept| kept.open.clone());
            open.filter(|circuit| circuit.subject == CircuitSubject::Service)
                .map(|circuit| circuit.opened_at)
                .collect::<Vec<_>>()
        };
        let began = opened();
        for asked in 0..3 {
            assert_ne!(fleet.status(asked).await.circuit, CircuitState::Closed);
        }
        hours(20).await;
        assert_eq!(opened(), began, "it opened once");
        assert_eq!(fleet.world.all_reviews().await, []);
        hours(5).await;
        let reviews = fleet.world.all_reviews().await;
        assert_eq!(reviews.len(), 1, "one for the outage: {reviews:?}");
        assert_eq!(reviews[0].reason, ReviewReason::GaveUp);
        fleet.world.set_mode(Mode::Up);
        seconds(120).await;
        for asked in 0..3 {
            assert_eq!(fleet.status(asked).await.circuit, CircuitState::Closed);
        }
        let open = fleet.world.reviews(ReviewReason::GaveUp).await;
        assert!(open.iter().all(|review| !review.is_open()), "{open:?}");
        assert_eq!(fleet.aside(1).await, ["saldo-1"], "its own way is still cut");
        assert!(fleet.most_retries() <= 1);
        fleet.world.assert_at_rest().await;
        fleet.ways[0].mend();
        fleet.until_aside(1, &[]).await;
    });
}

#[test]
fn when_the_last_that_was_answered_dies_the_circuit_opens_for_all_that_are_left() {
    simulate(async {
        let mut fleet = Fleet::of(3, Setup::default()).await;
        fleet.ways[0].cut(Obstacle::Everything(refused_connection()));
        fleet.ways[1].cut(Obstacle::Everything(refused_connection()));
        fleet.load(60).await;
        fleet.until_aside(2, &["saldo-1", "saldo-2"]).await;
        fleet.engines.pop().unwrap().abort();
        seconds(30).await;
        for asked in 0..2 {
            assert_ne!(fleet.status(asked).await.circuit, CircuitState::Closed);
        }
        assert_eq!(fleet.aside(0).await, [] as [&str; 0]);
        fleet.load(60).await;
        assert!(fleet.most_retries() <= 1);
        fleet.ways[1].mend();
        until_so(180, "the one that is answered delivers all", || {
            fleet.world.count(OperationStatus::Completed) == usize::try_from(fleet.orders).unwrap()
        })
        .await;
        fleet.until_aside(1, &["saldo-1"]).await;
        seconds(60).await;
        fleet.world.assert_at_rest().await;
    });
}

#[test]
fn when_it_opens_again_before_the_others_delivered_one_of_them_finds_out_that_it_is_over() {
    simulate(async {
        let mut fleet = Fleet::of(3, Setup::default()).await;
        fleet.world.set_mode(Mode::Refuses);
        fleet.post(2).await;
        seconds(5).await;
        assert_ne!(fleet.status(0).await.circuit, CircuitState::Closed);
        fleet.world.set_mode(Mode::Up);
        let before: Vec<usize> = fleet.ways.iter().map(|way| way.passed()).collect();
        let prober = || (0..3).find(|place| fleet.ways[*place].passed() > before[*place]);
        until_so(60, "one of them was answered", || prober().is_some()).await;
        let prober = prober().unwrap();
        seconds(2).await;
        fleet.engines.remove(prober).abort();
        let now = fleet.world.now();
        let again = OpenCircuit {
            subject: CircuitSubject::Service,
            opened_at: now,
            wait_seconds: 10,
            probe_due_at: now,
            prober: None,
            is_unusable: false,
        };
        let version = fleet.world.ledger.put_circuit(&again, None).await.unwrap();
        assert!(version.is_some());
        seconds(90).await;
        for asked in 0..2 {
            assert_eq!(fleet.status(asked).await.circuit, CircuitState::Closed);
        }
        fleet.world.assert_at_rest().await;
    });
}

#[test]
fn one_alone_that_is_cut_off_opens_the_circuit_as_ever() {
    simulate(async {
        let mut fleet = Fleet::of(1, Setup::default()).await;
        fleet.ways[0].cut(Obstacle::Everything(refused_connection()));
        fleet.load(60).await;
        assert_ne!(fleet.status(0).await.circuit, CircuitState::Closed);
        assert_eq!(fleet.aside(0).await, [] as [&str; 0]);
        fleet.ways[0].mend();
        seconds(70).await;
        assert_eq!(fleet.status(0).await.circuit, CircuitState::Closed);
        seconds(LONGEST_SECONDS).await;
        fleet.world.assert_at_rest().await;
    });
}

#[test]
fn a_way_that_is_cut_and_mended_again_and_again_stops_the_others_once_in_ten_minutes() {
    simulate(async {
        let mut fleet = Fleet::of(3, Setup::default()).await;
        let began = fleet.world.remote.now_ms();
        let mut openings = BTreeSet::new();
        for _ in 0..30 {
            fleet.ways[0].cut(Obstacle::Everything(refused_connection()));
            for _ in 0..4 {
                fleet.load(5).await;
                let circuits = fleet.world.ledger.dump().circuits;
                let service = circuits.get(&CircuitSubject::Service);
                let open = service.and_then(|kept| kept.open.as_ref());
                openings.extend(open.map(|open| open.opened_at));
            }
            fleet.ways[0].mend();
            fleet.load(40).await;
        }
        assert!(openings.len() <= 1 + 3, "{} in half an hour", openings.len());
        seconds(LONGEST_SECONDS).await;
        fleet.assert_delivered_in_time(began).await;
    });
}

#[test]
fn a_leader_that_is_cut_off_lets_another_one_lead_who_pulls_and_compares() {
    simulate(async {
        let settings = Settings {
            schedules: vec![("reconcile".to_owned(), Schedule::parse("every 10m").unwrap())],
            ..polling()
        };
        let setup = Setup {
            settings,
            ..Setup::default()
        };
        let fleet = Fleet::of(3, setup).await;
        let leads = |status: &Status| {
            let leader = status.instances.iter().position(|instance| instance.is_leader);
            leader.unwrap()
        };
        let first = leads(&fleet.status(0).await);
        fleet.ways[first].cut(Obstacle::Everything(refused_connection()));
        // Nothing is posted, so no delivery tells that the way is cut.
        fleet.world.buy(&order(1, 1), 0);
        let other = (first + 1) % 3;
        let name = format!("saldo-{}", first + 1);
        seconds(400).await;
        assert_eq!(fleet.aside(other).await, [name]);
        assert_ne!(leads(&fleet.status(other).await), first);
        assert!(fleet.world.remote.flag(&order(1, 1)), "it was pulled");
        seconds(1_200).await;
        let runs = fleet.world.ledger.dump().runs;
        let last = runs.values().next_back().unwrap();
        assert_eq!(last.outcome, RunOutcome::Completed, "{last:?}");
        let status = fleet.status(other).await;
        assert_eq!(status.circuit, CircuitState::Closed);
        fleet.world.assert_at_rest().await;
    });
}

#[test]
fn whatever_ways_come_and_go_all_instances_deliver_in_the_end() {
    for seed in 1..=4 {
        simulate(async move {
            let setup = Setup {
                seed,
                ..Setup::default()
            };
            let mut fleet = Fleet::of(3, setup).await;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..40 {
                for way in &fleet.ways {
                    if random.random_range(0..3) > 0 {
                        way.mend();
                    } else {
                        let obstacle = random.random_range(0..obstacles().len());
                        way.cut(obstacles()[obstacle].clone());
                    }
                }
                let mode = if random.random_range(0..6) == 0 {
                    Mode::Refuses
                } else {
                    Mode::Up
                };
                fleet.world.set_mode(mode);
                let lasts = random.random_range(1..40);
                fleet.load(lasts).await;
            }
            fleet.world.set_mode(Mode::Up);
            for way in &fleet.ways {
                way.mend();
            }
            // A probe, a trial, and the longest backoff after them.
            seconds(60 + 60 + 3_600).await;
            let before: Vec<usize> = fleet.ways.iter().map(|way| way.passed()).collect();
            assert_eq!(fleet.aside(0).await, [] as [&str; 0], "seed {seed}");
            for asked in 0..3 {
                let circuit = fleet.status(asked).await.circuit;
                assert_eq!(circuit, CircuitState::Closed, "seed {seed}");
            }
            // So slow that one that still makes one delivery at a time makes few.
            let slow = (1_000, 1_000);
            fleet.world.remote.faults(|faults| faults.latency_ms = slow);
            fleet.post(600).await;
            seconds(120).await;
            for (way, before) in fleet.ways.iter().zip(before) {
                let passed = way.passed() - before;
                assert!(passed >= 200, "seed {seed}: one made {passed} deliveries of 1800");
            }
            fleet.world.assert_at_rest().await;
        });
    }
}
