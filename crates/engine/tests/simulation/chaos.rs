//! Random faults over random histories: safe at every step, and in agreement once they end.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::circuit::CircuitPolicy;
use saldo_domain::decide::{Refund, RefundLine};
use saldo_domain::ids::{AccountId, OperationId, OrderId, OrderKey};
use saldo_domain::operation::OperationStatus;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::review::ReviewReason;
use saldo_engine::settings::Settings;
use saldo_engine::{Caller, RetryFilter};
use saldo_orders_service::{
    CallError, FoundOrder, Health, LiveOrders, OrdersService, Page, PageQuery, RemoteAccount,
};
use saldo_store::StoreError;

use crate::support::faults::{Faults, Mode};
use crate::support::history::Asked;
use crate::support::{Setup, World, account, form, hasty, milliseconds, order, seconds, simulate, sku};

const STEPS: u32 = 60;

/// Settings and constants shrunk, so that rare meetings are common.
fn setup(random: &mut ChaCha8Rng, seed: u64) -> Setup {
    Setup {
        seed,
        accounts: 3,
        stock: random.random_range(3..40),
        settings: Settings {
            max_in_flight: random.random_range(1..8),
            requests_per_second: random.random_range(2..50),
            account_requests_per_second: random.random_range(1..50),
            circuit: CircuitPolicy {
                enabled: random.random_bool(0.8),
                give_up_hours: random.random_range(1..3),
                ..CircuitPolicy::default()
            },
            ..Settings::default()
        },
        retry: RetryPolicy {
            max_retries: random.random_range(0..6),
            ..RetryPolicy::default()
        },
    }
}

/// A random subset of the faults, each with its own strength.
fn swarm(random: &mut ChaCha8Rng) -> Faults {
    let mut chance = |most: u32| {
        if random.random_bool(0.5) {
            random.random_range(0..most)
        } else {
            0
        }
    };
    Faults {
        fail: chance(400),
        lose_reply: chance(300),
        do_later: chance(300),
        hang: chance(60),
        fail_reading: chance(400),
        latency_ms: (1, u64::from(1 + chance(9_000))),
        ..Faults::default()
    }
}

fn change_weather(world: &World, random: &mut ChaCha8Rng) {
    let mode = match random.random_range(0..12) {
        0 => Mode::Refuses,
        1 => Mode::FlagsFail,
        2 => Mode::DatabaseDown,
        3 => Mode::OutOfConnections,
        4 => Mode::CredentialsRefused,
        _ => Mode::Up,
    };
    let victim = account(random.random_range(1..=3));
    let fate = random.random_range(0..8);
    world.remote.faults(|faults| {
        faults.mode = mode;
        match fate {
            0 => drop(faults.gone.insert(victim)),
            1 => drop(faults.failing.insert(victim)),
            2 => faults.gone.clear(),
            3 => faults.failing.clear(),
            _ => {}
        }
    });
}

struct Chaos {
    world: World,
    random: ChaCha8Rng,
    operations: BTreeSet<OperationId>,
}

impl Chaos {
    fn pick(&mut self) -> OrderKey {
        order(self.random.random_range(1..=3), self.random.random_range(0..5))
    }

    fn pick_operation(&mut self) -> Option<OperationId> {
        let count = self.operations.len();
        if count == 0 {
            return None;
        }
        self.operations
            .iter()
            .nth(self.random.random_range(0..count))
            .copied()
    }

    /// One thing that somebody does. Whether it is refused is not of interest here: the ledger is checked.
    async fn act(&mut self) {
        let saldo = self.world.saldo();
        let key = self.pick();
        match self.random.random_range(0..12) {
            0..4 => {
                let mut take_in = form(&key, self.random.random_range(1..4));
                take_in.force = self.random.random_bool(0.3);
                take_in.copy.revision = Some(format!("r{}", self.random.random_range(0..50)));
                if let Ok(answer) = saldo.process_order_with_sync(take_in, &hasty()).await {
                    self.operations
                        .extend(answer.operation.map(|operation| operation.id));
                }
            }
            4..7 => {
                if let Some(id) = self.pick_operation()
                    && let Ok(answer) = self.world.roll_back(id).await
                {
                    self.operations.extend(answer.refund_operation_id);
                }
            }
            7 => {
                let line = RefundLine {
                    sku: sku(),
                    quantity: 1,
                    warehouse: None,
                };
                let refund = Refund {
                    key,
                    lines: vec![line],
                    reason: "test".to_owned(),
                };
                allow_refusal(saldo.refund(refund, &hasty()).await);
            }
            8 => {
                let line = order(key.account.as_uuid().as_u128(), self.random.random_range(50..54));
                allow_refusal(
                    self.world
                        .deduct_line(&line, self.random.random_range(1..3))
                        .await,
                );
            }
            9 => {
                if let Some(id) = self.pick_operation() {
                    allow_refusal(saldo.retry_operation(id, &hasty()).await);
                }
            }
            10 => self.world.receive(self.random.random_range(1..10)).await,
            _ => change_weather(&self.world, &mut self.random),
        }
    }

    async fn restart(&mut self) {
        self.world.stop().await;
        self.world.start();
    }
}

fn allow_refusal<T>(result: Result<T, StoreError>) {
    match result {
        Ok(_) | Err(StoreError::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// What came to pass in a history, besides all being well.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Told {
    hash: u64,
    done_late: usize,
    abandoned: usize,
    read_back: usize,
    given_up: usize,
    delivery_failed: usize,
    account_unusable: usize,
}

async fn tell(world: &World) -> Told {
    let history = world.remote.history();
    let mut hasher = DefaultHasher::new();
    history.hash(&mut hasher);
    format!("{:?}", world.ledger.dump()).hash(&mut hasher);
    Told {
        hash: hasher.finish(),
        done_late: world.remote.done_late(),
        abandoned: history.0.iter().filter(|call| call.abandoned).count(),
        read_back: history
            .0
            .iter()
            .filter(|call| call.asked == Asked::ReadFlag)
            .count(),
        given_up: world.reviews(ReviewReason::GaveUp).await.len(),
        delivery_failed: world.reviews(ReviewReason::DeliveryFailed).await.len(),
        account_unusable: world.reviews(ReviewReason::AccountUnusable).await.len(),
    }
}

/// One history from a seed. Panics when anything is wrong.
fn run(seed: u64) -> Told {
    simulate(async move {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let world = World::begin(setup(&mut random, seed)).await;
        let faults = swarm(&mut random);
        world.remote.faults(|current| *current = faults);
        let mut chaos = Chaos {
            world,
            random,
            operations: BTreeSet::new(),
        };
        for _ in 0..STEPS {
            chaos.act().await;
            if chaos.random.random_bool(0.02) {
                chaos.restart().await;
            }
            let longest = match chaos.random.random_range(0..40) {
                0 => 7_200_000,
                1..4 => 600_000,
                _ => 5_000,
            };
            milliseconds(chaos.random.random_range(0..longest)).await;
            chaos.world.assert_safe().await;
        }
        heal(&chaos.world).await;
        chaos.world.assert_at_rest().await;
        tell(&chaos.world).await
    })
}

/// The faults end, and a person tries again what was given up.
async fn heal(world: &World) {
    world.remote.faults(|faults| *faults = Faults::default());
    seconds(3 * 3_600).await;
    world
        .saldo()
        .retry_failed(RetryFilter::default(), &Caller::named("a person"))
        .await
        .unwrap();
    seconds(3 * 3_600).await;
    assert_eq!(world.count(OperationStatus::Failed), 0);
    assert_eq!(world.count(OperationStatus::Processing), 0);
}

#[test]
fn whatever_fails_nothing_unsafe_happens_and_both_sides_agree_in_the_end() {
    let first = std::env::var("SALDO_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let count = std::env::var("SALDO_SEEDS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(150);
    let first = first.unwrap_or(0);
    let mut all = Vec::new();
    for seed in first..first + count {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(told) => all.push(told),
            Err(_) => panic!("run it again with SALDO_SEED={seed} SALDO_SEEDS=1"),
        }
    }
    // What is never reached is not tested.
    let reached = |count: fn(&Told) -> usize| all.iter().map(count).sum::<usize>() > 0;
    if count >= 100 {
        assert!(reached(|told| told.done_late), "a flag that arrived late");
        assert!(reached(|told| told.abandoned), "a call that was given up");
        assert!(reached(|told| told.read_back), "a flag that was read back");
        assert!(reached(|told| told.given_up), "an outage too long");
        assert!(reached(|told| told.delivery_failed), "retries used up");
        assert!(reached(|told| told.account_unusable), "an account that was gone");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..15 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}

/// A service that is sent the contrary of every flag.
struct Contrary(Arc<dyn OrdersService>);

#[async_trait]
impl OrdersService for Contrary {
    async fn set_flag(&self, account: AccountId, order: &OrderId, flag: bool) -> Result<(), CallError> {
        self.0.set_flag(account, order, !flag).await
    }

    async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.0.read_flag(account, order).await
    }

    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError> {
        self.0.accounts().await
    }

    async fn health(&self) -> Result<Health, CallError> {
        self.0.health().await
    }

    async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        live: LiveOrders,
    ) -> Result<FoundOrder, CallError> {
        self.0.find_order(account, order, live).await
    }

    async fn live_orders_work(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.0.live_orders_work(account, order).await
    }

    async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, CallError> {
        self.0.list_page(account, query).await
    }
}

#[test]
fn the_simulation_notices_a_flag_that_is_not_the_level() {
    simulate(async {
        let mut world = World::without_engine(Setup::default()).await;
        world.start_with(Arc::new(Contrary(world.remote.clone())));
        world.post(&order(1, 1)).await;
        seconds(5).await;
        assert_eq!(world.remote.offences().len(), 1);
        assert_eq!(world.disagreements(), [order(1, 1)]);
    });
}

#[test]
fn the_simulation_notices_a_flag_that_nothing_in_the_ledger_asked_for() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let key = order(1, 1);
        world
            .remote
            .set_flag(key.account, &key.order, true)
            .await
            .unwrap();
        assert_eq!(world.remote.offences().len(), 1);
    });
}

#[test]
fn the_simulation_notices_calls_that_overlap() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| faults.latency_ms = (2_000, 2_000));
        let key = order(1, 1);
        world.post_hastily(&key).await;
        milliseconds(500).await;
        world
            .remote
            .set_flag(key.account, &key.order, true)
            .await
            .unwrap();
        assert!(world.remote.history().overlap(true).is_some());
    });
}
