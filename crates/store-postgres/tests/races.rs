//! A cancellation and a deduction of one order, on two connections of two instances, whose transactions are made to
//! overlap.
//!
//! What races is held up where it writes its log, in the middle of its transaction, until the other one has begun and
//! waits as well, or has ended. So each step meets each other one half done, and not only before or after it.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Outcome, Receipt, Request, Settle, StockLine, TakeIn,
};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{AccountId, IdSource, LineItemId, OrderId, OrderKey};
use saldo_domain::order::Standing;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::{Rules, Store};
use saldo_store_postgres::PostgresStore;
use support::{shared, unsafe_options};
use tokio_postgres::Client;
use uuid::Uuid;

/// Looks at what waits, a millisecond apart, before a test gives up.
const LOOKS_MAX: usize = 20_000;
/// Steps of each of the two: it takes its copy in, claims what is due, and reports how the call ended.
const STEPS: usize = 3;

/// Ids that no other instance of a test draws.
struct InstanceIds(u64);

impl IdSource for InstanceIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        self.0 += 1;
        saldo_domain::ids::uuid_v7(now, self.0)
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn request(command: Command) -> Request {
    Request {
        command,
        now: now(),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

fn cups() -> StockKey {
    StockKey {
        sku: Sku::parse("A").unwrap(),
        warehouse: Warehouse::parse("Ирина").unwrap(),
    }
}

fn copy(key: &OrderKey, status: FormStatus) -> Command {
    let line = CopyLine {
        id: Some(LineItemId::parse(&format!("line-of-{}", key.order)).unwrap()),
        offer: None,
        external: Some(cups().sku),
        quantity: 2,
    };
    Command::TakeIn(TakeIn {
        account: key.account,
        copy: OrderCopy {
            order: key.order.clone(),
            source: Source::Posted,
            status,
            fulfillment_cancelled: false,
            shipped: false,
            returned: false,
            fulfilled_by_allegro: false,
            revision: Some(format!("{status:?}")),
            updated_at: None,
            bought_at: None,
            lines: vec![line],
        },
        warehouse: None,
        force: false,
        remote_flag: None,
    })
}

/// Two instances, and a connection that holds them up.
struct Race {
    instances: [Arc<PostgresStore>; 2],
    database: String,
    holder: Client,
    key: OrderKey,
    claims: [Option<Claim>; 2],
    /// The flag that the orders service holds.
    flag: bool,
    /// Pairs of steps of which both were seen to wait in the middle of their transactions.
    overlaps: usize,
}

impl Race {
    /// What an instance does in one of its steps; none when there is nothing to do.
    fn step(&mut self, instance: usize, step: usize) -> Option<Request> {
        let command = match step {
            0 if instance == 0 => copy(&self.key, FormStatus::Ready),
            0 => copy(&self.key, FormStatus::Cancelled),
            1 => Command::Claim(ClaimRequest {
                orders: ClaimOrders::These(vec![self.key.clone()]),
            }),
            _ => {
                let claim = self.claims[instance].take()?;
                self.flag = claim.flag;
                Command::Settle(Settle {
                    key: self.key.clone(),
                    token: claim.token,
                    outcome: AttemptOutcome::Delivered,
                    draw: 0.5,
                    took_ms: 1,
                })
            }
        };
        Some(request(command))
    }

    fn begin(&self, instance: usize, request: Option<Request>) -> tokio::task::JoinHandle<Option<Outcome>> {
        let store = Arc::clone(&self.instances[instance]);
        tokio::spawn(async move {
            match request {
                Some(request) => Some(store.execute(request).await.unwrap()),
                None => None,
            }
        })
    }

    fn ended(&mut self, instance: usize, outcome: Option<Outcome>) {
        if let Some(Outcome::Claimed(mut claims)) = outcome {
            self.claims[instance] = claims.pop();
        }
    }

    async fn alone(&mut self, (instance, step): (usize, usize)) {
        let request = self.step(instance, step);
        let outcome = self.begin(instance, request).await.unwrap();
        self.ended(instance, outcome);
    }

    /// The first is in the middle of its transaction when the second begins.
    async fn together(&mut self, first: (usize, usize), second: (usize, usize)) {
        let hold = "BEGIN; LOCK TABLE saldo.log IN SHARE MODE";
        self.holder.batch_execute(hold).await.unwrap();
        let mut under_way = Vec::new();
        let mut waiting = 0;
        for (instance, step) in [first, second] {
            let request = self.step(instance, step);
            let begun = self.begin(instance, request);
            waiting = self.until_it_waits_or_ends(&begun, waiting).await;
            under_way.push((instance, begun));
        }
        self.overlaps += usize::from(waiting == 2);
        self.holder.batch_execute("COMMIT").await.unwrap();
        for (instance, begun) in under_way {
            let outcome = begun.await.unwrap();
            self.ended(instance, outcome);
        }
    }

    async fn until_it_waits_or_ends<T>(
        &self,
        begun: &tokio::task::JoinHandle<T>,
        waiting_before: usize,
    ) -> usize {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'";
        for _ in 0..LOOKS_MAX {
            let row = self.holder.query_one(sql, &[&self.database]).await.unwrap();
            let waiting = usize::try_from(row.get::<_, i64>(0)).unwrap();
            if begun.is_finished() || waiting > waiting_before {
                return waiting;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it neither waits nor ends");
    }

    /// All that is still owed is delivered.
    async fn deliver(&mut self) {
        for _ in 0..5 {
            self.alone((0, 1)).await;
            if self.claims[0].is_none() {
                return;
            }
            self.alone((0, 2)).await;
        }
        panic!("a delivery without end");
    }

    async fn assert_cancelled(&mut self, history: &[(usize, usize)]) {
        let file = self.instances[1].order(&self.key).await.unwrap().unwrap();
        let cancelled = Standing::Cancelled { is_final: true };
        assert_eq!(file.order.standing, cancelled, "{history:?}");
        assert_eq!(file.order.taken(), 0, "{history:?}");
        self.deliver().await;
        assert!(!self.flag, "{history:?}: the service holds no true flag");
        let balances = self.instances[1].balances_of(&[cups()]).await.unwrap();
        assert_eq!(balances[0].quantity, 10, "{history:?}");
    }
}

/// Every order in which the steps of the two can fall: which of them is next.
fn interleavings() -> Vec<Vec<(usize, usize)>> {
    let orders = (0..1_u32 << (2 * STEPS)).filter(|order| order.count_ones() as usize == STEPS);
    orders
        .map(|order| {
            let mut done = [0; 2];
            (0..2 * STEPS)
                .map(|place| {
                    let instance = usize::from(order >> place & 1 == 1);
                    done[instance] += 1;
                    (instance, done[instance] - 1)
                })
                .collect()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_racing_a_deduction_on_two_connections_ends_right_under_every_interleaving() {
    let database = shared().database().await;
    let mut instances = Vec::new();
    for number in 1..=2_u64 {
        let rules = Rules {
            policy: support::rules().policy,
            ids: Box::new(InstanceIds(number << 40)),
        };
        let store = PostgresStore::open(&shared().url(&database), rules, unsafe_options()).await;
        instances.push(Arc::new(store.unwrap()));
    }
    let [first, second] = [Arc::clone(&instances[0]), Arc::clone(&instances[1])];
    let lines = vec![StockLine {
        key: cups(),
        quantity: 10,
    }];
    let receipt = Receipt {
        lines,
        reference: None,
    };
    first.execute(request(Command::Receive(receipt))).await.unwrap();
    let mut overlaps: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut number = 0;
    for history in interleavings() {
        // Once all pairs that begin at an even place overlap, and once those at an odd one.
        for begin in [0, 1] {
            number += 1;
            let mut race = Race {
                instances: [Arc::clone(&first), Arc::clone(&second)],
                holder: shared().connect(&database).await,
                database: database.clone(),
                key: OrderKey {
                    account: AccountId::new(Uuid::from_u128(1)),
                    order: OrderId::parse(&format!("race-{number}")).unwrap(),
                },
                claims: [None, None],
                flag: false,
                overlaps: 0,
            };
            let mut place = 0;
            while let Some(step) = history.get(place) {
                let next = history.get(place + 1).filter(|next| next.0 != step.0);
                match next {
                    Some(next) if place % 2 == begin => {
                        race.together(*step, *next).await;
                        place += 2;
                    }
                    _ => {
                        race.alone(*step).await;
                        place += 1;
                    }
                }
            }
            *overlaps.entry((history[0].0, begin)).or_default() += race.overlaps;
            race.assert_cancelled(&history).await;
        }
    }
    let overlapping: usize = overlaps.values().sum();
    assert_eq!(number, 40);
    assert!(overlapping >= 20, "{overlaps:?}: too few steps met half done");
    assert_eq!(first.check(now()).await.unwrap(), []);
}
