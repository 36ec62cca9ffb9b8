//! A cancellation that races a deduction, its delivery and a poll, under every interleaving.

use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Settle, TakeIn};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::form::{FormStatus, Source};
use saldo_domain::ids::OrderKey;
use saldo_domain::order::Standing;
use saldo_orders_service::OrdersService;
use saldo_store::Store;

use crate::support::{Setup, World, form, order, seconds, simulate};

/// What the connections do, each step in a transaction or a call of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// One posts the order as ready.
    Post,
    /// Another one posts that it is cancelled.
    Cancel,
    /// A worker claims the delivery, sends the flag, and records that it arrived.
    Claim,
    Send,
    Settle,
    /// The poller asks for the flag, and takes in the service's old copy.
    Look,
    Pull,
}

const ALL: [Does; 7] = [
    Does::Post,
    Does::Cancel,
    Does::Claim,
    Does::Send,
    Does::Settle,
    Does::Look,
    Does::Pull,
];

/// Every order of the steps in which each worker's own come one after another.
fn interleavings(done: &mut Vec<Does>, all: &mut Vec<Vec<Does>>) {
    if done.len() == ALL.len() {
        all.push(done.clone());
        return;
    }
    for next in ALL {
        let after = match next {
            Does::Send => Some(Does::Claim),
            Does::Settle => Some(Does::Send),
            Does::Pull => Some(Does::Look),
            Does::Post | Does::Cancel | Does::Claim | Does::Look => None,
        };
        if !done.contains(&next) && after.is_none_or(|after| done.contains(&after)) {
            done.push(next);
            interleavings(done, all);
            done.pop();
        }
    }
}

fn copy(key: &OrderKey, source: Source, revision: &str, flag: Option<bool>) -> TakeIn {
    let mut order = form(key, 3);
    order.copy.source = source;
    order.copy.revision = Some(revision.to_owned());
    order.remote_flag = flag;
    order
}

struct Race {
    world: World,
    key: OrderKey,
    claim: Option<Claim>,
    looked: Option<bool>,
}

impl Race {
    async fn does(&mut self, step: Does) {
        let key = self.key.clone();
        match step {
            Does::Post => self.take_in(copy(&key, Source::Posted, "ready", None)).await,
            Does::Cancel => {
                let mut order = copy(&key, Source::Posted, "cancelled", None);
                order.copy.status = FormStatus::Cancelled;
                self.take_in(order).await;
            }
            Does::Claim => {
                let orders = ClaimOrders::These(vec![key]);
                let claim = self.execute(Command::Claim(ClaimRequest { orders })).await;
                let Outcome::Claimed(mut claims) = claim else {
                    panic!("{claim:?}")
                };
                self.claim = claims.pop();
            }
            Does::Send => {
                if let Some(claim) = &self.claim {
                    let sent = self.world.remote.set_flag(key.account, &key.order, claim.flag);
                    sent.await.unwrap();
                }
            }
            Does::Settle => {
                if let Some(claim) = self.claim.take() {
                    let settle = Settle {
                        key,
                        token: claim.token,
                        outcome: AttemptOutcome::Delivered,
                        draw: 0.5,
                        took_ms: 20,
                    };
                    self.execute(Command::Settle(settle)).await;
                }
            }
            Does::Look => self.looked = Some(self.world.remote.flag(&key)),
            Does::Pull => {
                self.take_in(copy(&key, Source::Listed, "ready", self.looked))
                    .await
            }
        }
    }

    async fn take_in(&self, order: TakeIn) {
        self.execute(Command::TakeIn(order)).await;
    }

    async fn execute(&self, command: Command) -> Outcome {
        self.world
            .ledger
            .execute(self.world.request(command))
            .await
            .unwrap()
    }
}

#[test]
fn a_cancellation_that_races_a_deduction_ends_right_under_every_interleaving() {
    let mut all = Vec::new();
    interleavings(&mut Vec::new(), &mut all);
    assert_eq!(all.len(), 5_040 / 6 / 2);
    for steps in all {
        simulate(async {
            let mut race = Race {
                world: World::without_engine(Setup::default()).await,
                key: order(1, 1),
                claim: None,
                looked: None,
            };
            for step in &steps {
                race.does(*step).await;
                let violations = race.world.ledger.check(race.world.now()).await.unwrap();
                assert_eq!(violations, [], "{steps:?} at {step:?}");
            }
            race.world.start();
            seconds(600).await;
            let file = race.world.ledger.order(&race.key).await.unwrap().unwrap();
            assert_eq!(
                file.order.standing,
                Standing::Cancelled { is_final: true },
                "{steps:?}"
            );
            assert_eq!(race.world.stock().await, 1_000_000, "{steps:?}");
            assert!(!race.world.remote.flag(&race.key), "{steps:?}");
            assert_eq!(race.world.ledger.next_due(&[]).await.unwrap(), None, "{steps:?}");
            assert!(
                race.world
                    .all_reviews()
                    .await
                    .iter()
                    .all(|review| !review.is_open()),
                "{steps:?}"
            );
        });
    }
}
