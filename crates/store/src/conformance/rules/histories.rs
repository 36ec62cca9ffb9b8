//! Random histories over few SKUs and orders, so that everything meets everything.
//!
//! Tame histories have what the [`Model`] knows, and are compared with it after every step. Wild ones have every
//! command that there is, and keep every invariant. In the end of both, the service is healthy, everything is
//! delivered, and the flag it holds of every order is the order's level.
//!
//! A history is drawn from a seed. What once failed stands in `histories.seeds` and is drawn again;
//! `SALDO_HISTORIES` sets how many new ones are drawn, otherwise the [`Effort`] does, and `SALDO_SEED` where they begin.

use std::future::Future;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use saldo_domain::decide::{
    Adopt, AdoptedLine, Adoption, ClaimOrders, ClaimRequest, Command, Outcome, SetMode, TakeIn,
};
use saldo_domain::delivery::{Claim, Failure, Outcome as Attempt};
use saldo_domain::form::Source;
use saldo_domain::review::{Resolution, ReviewReason};
use saldo_domain::rollout::Mode;
use saldo_domain::view::DueRequest;

use super::super::{Effort, Fixture};
use super::form::{Form, form};
use super::model::{Copy, Model};
use super::world::{
    LEASE_SECONDS, World, asked_about, failure, key, malformed, other_account, refund, resolve, roll_back,
    rules, settle, single, take_in, to_mode,
};
use crate::Rules;

const SEEDS: &str = include_str!("histories.seeds");
const SKUS: [&str; 2] = ["A", "B"];
/// Two orders, the form that both may be merged into, and one with two lines of a SKU.
const ORDERS: [&str; 4] = ["o1", "o2", "merged", "two"];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Receive(usize, i64),
    Post {
        order: usize,
        ready: bool,
        shipped: bool,
    },
    Repeat(usize),
    Change(usize, i64, i64),
    Cancel(usize),
    Refund(usize, usize, i64),
    RollBackFirst(usize),
    Claim,
    Settle(usize, Ending),
    Wait(i64),
    Wild(Wild),
    Pulled(Pulled),
    /// The old way says that it has deducted an order, and perhaps hands its flag over.
    Adopt {
        order: usize,
        sku: usize,
        quantity: i64,
        hand_over: bool,
    },
}

/// What only wild histories have.
#[derive(Debug, Clone)]
enum Wild {
    CancelBySeller(usize),
    Return(usize),
    Listed(usize, i64, bool),
    OtherAccount(usize),
    Force(usize),
    Single(usize, Option<usize>, usize, i64),
    RollBack(usize, bool),
    Retry(usize),
    TryAgain(usize),
    Resolve(usize, usize),
    GiveUp,
    EndOutage,
    AskAboutUnpaid,
}

/// What only histories with an orders service and a mode have.
#[derive(Debug, Clone)]
enum Pulled {
    Mode(usize, u8),
    AskAbout(usize, usize),
    Malformed(usize),
    Missing(usize),
    /// The service holds the other flag, and reconciliation sees it.
    Lost(usize),
}

/// How a claimed delivery ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Delivered,
    ReplyLost,
    CallLost,
    Transient,
    OpenCircuit,
    Credentials,
    Account,
    Permanent,
    NotMade,
    Stale,
    Forgotten { arrived: bool },
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => Just(Ending::Delivered),
        2 => Just(Ending::ReplyLost),
        1 => Just(Ending::CallLost),
        2 => Just(Ending::Transient),
        1 => Just(Ending::OpenCircuit),
        1 => Just(Ending::Credentials),
        1 => Just(Ending::Account),
        1 => Just(Ending::Permanent),
        1 => Just(Ending::NotMade),
        1 => Just(Ending::Stale),
        1 => any::<bool>().prop_map(|arrived| Ending::Forgotten { arrived }),
    ]
}

fn tame() -> impl Strategy<Value = Step> {
    let order = 0..ORDERS.len();
    prop_oneof![
        3 => (0..2_usize, 1..7_i64).prop_map(|(sku, quantity)| Step::Receive(sku, quantity)),
        4 => (order.clone(), prop::bool::weighted(0.7), prop::bool::weighted(0.05))
            .prop_map(|(order, ready, shipped)| Step::Post { order, ready, shipped }),
        1 => order.clone().prop_map(Step::Repeat),
        3 => (order.clone(), 0..6_i64, 0..4_i64).prop_map(|(order, one, two)| Step::Change(order, one, two)),
        1 => order.clone().prop_map(Step::Cancel),
        2 => (order.clone(), 0..2_usize, 1..4_i64)
            .prop_map(|(order, sku, quantity)| Step::Refund(order, sku, quantity)),
        1 => order.prop_map(Step::RollBackFirst),
        3 => Just(Step::Claim),
        3 => (0..4_usize, ending()).prop_map(|(claim, ending)| Step::Settle(claim, ending)),
        2 => prop::sample::select(vec![1, 31, 61, 3700]).prop_map(Step::Wait),
    ]
}

fn wild() -> impl Strategy<Value = Step> {
    let order = 0..ORDERS.len();
    let thing = prop_oneof![
        order.clone().prop_map(Wild::CancelBySeller),
        order.clone().prop_map(Wild::Return),
        (order.clone(), 1..4_i64, any::<bool>())
            .prop_map(|(order, quantity, flag)| Wild::Listed(order, quantity, flag)),
        order.clone().prop_map(Wild::OtherAccount),
        order.clone().prop_map(Wild::Force),
        (order.clone(), prop::option::of(0..2_usize), 0..2_usize, 1..4_i64)
            .prop_map(|(order, line, sku, quantity)| Wild::Single(order, line, sku, quantity)),
        (0..12_usize, any::<bool>()).prop_map(|(operation, force)| Wild::RollBack(operation, force)),
        (0..12_usize).prop_map(Wild::Retry),
        order.prop_map(Wild::TryAgain),
        (0..4_usize, 0..Resolution::ALL.len()).prop_map(|(review, answer)| Wild::Resolve(review, answer)),
        (0..4_usize, 0..Resolution::ALL.len()).prop_map(|(review, answer)| Wild::Resolve(review, answer)),
        Just(Wild::GiveUp),
        Just(Wild::EndOutage),
        Just(Wild::AskAboutUnpaid),
    ];
    prop_oneof![3 => tame(), 2 => thing.prop_map(Step::Wild)]
}

fn with_service() -> impl Strategy<Value = Step> {
    let order = 0..ORDERS.len();
    let thing = prop_oneof![
        2 => (0..4_usize, 1..100_u8).prop_map(|(mode, percent)| Pulled::Mode(mode, percent)),
        2 => (order.clone(), 0..3_usize).prop_map(|(order, reason)| Pulled::AskAbout(order, reason)),
        1 => order.clone().prop_map(Pulled::Malformed),
        1 => order.clone().prop_map(Pulled::Missing),
        2 => order.prop_map(Pulled::Lost),
    ];
    prop_oneof![3 => wild(), 1 => thing.prop_map(Step::Pulled)]
}

fn with_the_old_way() -> impl Strategy<Value = Step> {
    let adopt = (0..ORDERS.len(), 0..2_usize, 1..4_i64, any::<bool>()).prop_map(
        |(order, sku, quantity, hand_over)| Step::Adopt {
            order,
            sku,
            quantity,
            hand_over,
        },
    );
    prop_oneof![4 => with_service(), 1 => adopt]
}

/// Draws histories and lives through them.
pub(in crate::conformance) async fn exercise<F, Made>(make: &F, effort: Effort)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    let number = |name: &str, otherwise: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(otherwise)
    };
    let begin = number("SALDO_SEED", 1);
    let kept = SEEDS.lines().filter_map(|line| line.trim().parse().ok());
    let kept = kept.take(effort.kept_histories);
    for seed in kept.chain(begin..begin + number("SALDO_HISTORIES", effort.histories)) {
        live_through(make, seed, effort, prop::collection::vec(tame(), 1..60), true).await;
        live_through(make, seed, effort, prop::collection::vec(wild(), 1..60), false).await;
        live_through(
            make,
            seed,
            effort,
            prop::collection::vec(with_service(), 1..60),
            false,
        )
        .await;
        let with_all = prop::collection::vec(with_the_old_way(), 1..60);
        live_through(make, seed, effort, with_all, false).await;
    }
}

/// One history; a failing one is made as short as it can be before it is shown.
async fn live_through<F, Made>(
    make: &F,
    seed: u64,
    effort: Effort,
    steps: impl Strategy<Value = Vec<Step>>,
    modelled: bool,
) where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let draws = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), draws);
    let mut tree = steps.new_tree(&mut runner).unwrap();
    let Err(mut broken) = live(make, effort, &tree.current(), modelled).await else {
        return;
    };
    let mut shortest = tree.current();
    for _ in 0..2_000 {
        match live(make, effort, &tree.current(), modelled).await {
            Err(still) => {
                (broken, shortest) = (still, tree.current());
                if !tree.simplify() {
                    break;
                }
            }
            Ok(()) => {
                if !tree.complicate() {
                    break;
                }
            }
        }
    }
    panic!("seed {seed} (add it to histories.seeds), modelled: {modelled}: {broken}\nafter {shortest:#?}");
}

async fn live<F, Made>(make: &F, effort: Effort, steps: &[Step], modelled: bool) -> Result<(), String>
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    let world = World::new(make(rules()).await, "histories");
    let mut history = History {
        world,
        model: Model::default(),
        received: [0; 2],
        claims: Vec::new(),
        revision: 0,
        last: Default::default(),
    };
    for (number, step) in (1..).zip(steps) {
        history.world.advance(1);
        Box::pin(history.step(step)).await?;
        if number % effort.steps_between_checks == 0 {
            history.world.check().await?;
        }
        history.conserve().await?;
        if modelled {
            history.compare().await?;
        }
    }
    history.world.check().await?;
    Box::pin(history.end()).await
}

struct History {
    world: World,
    model: Model,
    received: [i64; 2],
    claims: Vec<Claim>,
    revision: u32,
    last: [Option<(Copy, bool)>; 4],
}

impl History {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Receive(sku, quantity) => {
                self.received[sku] += quantity;
                self.world.receive(SKUS[sku], quantity).await;
                self.model.receive(SKUS[sku], quantity);
            }
            Step::Post {
                order,
                ready,
                shipped,
            } => {
                let copy = match &self.last[order] {
                    Some((copy, _)) => copy.clone(),
                    None => self.first_copy(order),
                };
                self.post(order, copy, ready, shipped).await?;
            }
            Step::Repeat(order) => {
                if let Some((copy, ready)) = self.last[order].clone() {
                    let form = self.form(order, &copy, ready);
                    self.ask(Command::TakeIn(take_in(form))).await?;
                    self.model.post(ORDERS[order], &copy, ready, false, false);
                }
            }
            Step::Change(order, one, two) => {
                let mut copy = self.first_copy(order);
                for (line, quantity) in copy.iter_mut().zip([one, two]) {
                    // A merged form keeps the lines of both orders.
                    line.2 = if order == 2 { quantity.max(1) } else { quantity };
                }
                copy.retain(|line| line.2 > 0);
                // A form that is seen for the first time has the quantities that the buyer paid.
                if !copy.is_empty() && self.last[order].is_some() {
                    self.post(order, copy, true, false).await?;
                }
            }
            Step::Cancel(order) => {
                let copy = self.first_copy(order);
                let form = self.form(order, &copy, true).cancelled();
                self.ask(Command::TakeIn(take_in(form))).await?;
                self.model.cancel(ORDERS[order], &copy);
                self.last[order].get_or_insert((copy, true));
            }
            Step::Refund(order, sku, quantity) => {
                self.ask(refund(ORDERS[order], SKUS[sku], quantity)).await?;
                self.model.refund(ORDERS[order], SKUS[sku], quantity);
            }
            Step::RollBackFirst(order) => {
                if self.last[order].is_some() {
                    let first = self.world.file(ORDERS[order]).await.order.first_operation;
                    if let Some(first) = first {
                        self.ask(roll_back(first, false)).await?;
                    }
                    self.model.roll_back(ORDERS[order]);
                }
            }
            Step::Claim => {
                let due = DueRequest {
                    now: self.world.now,
                    after_account: None,
                    excluded: Vec::new(),
                    only: None,
                    per_account_max: 2,
                    count_max: 2,
                };
                let request = ClaimRequest {
                    orders: ClaimOrders::Due(due),
                };
                if let Some(Outcome::Claimed(claims)) = self.ask(Command::Claim(request)).await? {
                    self.claims.extend(claims);
                }
            }
            Step::Settle(claim, ending) => self.settle(claim, ending).await?,
            Step::Wait(seconds) => {
                self.world.advance(seconds);
                // A worker whose lease has ended makes no call any more.
                let now = self.world.now;
                self.claims.retain(|claim| claim.until > now);
            }
            Step::Wild(ref thing) => self.wild(thing).await?,
            Step::Pulled(ref thing) => self.pulled(thing).await?,
            Step::Adopt {
                order,
                sku,
                quantity,
                hand_over,
            } => self.adopt(order, sku, quantity, hand_over).await?,
        }
        Ok(())
    }

    async fn post(&mut self, order: usize, copy: Copy, ready: bool, shipped: bool) -> Result<(), String> {
        self.revision += 1;
        let mut form = self.form(order, &copy, ready);
        if shipped {
            form = form.shipped();
        }
        self.ask(Command::TakeIn(take_in(form))).await?;
        self.model.post(ORDERS[order], &copy, ready, shipped, true);
        self.last[order] = Some((copy, ready));
        Ok(())
    }

    async fn settle(&mut self, claim: usize, ending: Ending) -> Result<(), String> {
        if claim >= self.claims.len() {
            return Ok(());
        }
        let claim = self.claims.remove(claim);
        let not_counted = Failure {
            counts: false,
            ..failure("down")
        };
        let outcome = match ending {
            Ending::Delivered => self.world.arrive(&claim),
            Ending::ReplyLost => {
                self.world.arrive(&claim);
                Attempt::Unknown(failure("the reply was lost"))
            }
            Ending::CallLost => Attempt::Unknown(failure("the call was lost")),
            Ending::Transient => Attempt::Transient(failure("503")),
            Ending::OpenCircuit => Attempt::Transient(not_counted),
            Ending::Credentials => Attempt::Credentials(failure("401")),
            Ending::Account => Attempt::AccountUnusable(failure("no such token")),
            Ending::Permanent => Attempt::Permanent(failure("422")),
            Ending::NotMade => Attempt::NotMade {
                again_at: self.world.now + SignedDuration::from_secs(1),
            },
            Ending::Stale => {
                self.world.arrive(&claim);
                self.world.advance(LEASE_SECONDS);
                self.world.claim_order(claim.key.order.as_str()).await;
                Attempt::Delivered
            }
            Ending::Forgotten { arrived } => {
                if arrived {
                    self.world.arrive(&claim);
                }
                return Ok(());
            }
        };
        self.ask(settle(&claim, outcome)).await?;
        Ok(())
    }

    async fn wild(&mut self, thing: &Wild) -> Result<(), String> {
        let command = match *thing {
            Wild::CancelBySeller(order) => {
                self.revision += 1;
                self.take_in(order, Form::cancelled_by_seller)
            }
            Wild::Return(order) => self.take_in(order, Form::returned),
            Wild::Listed(order, quantity, flag) => {
                let mut copy = self.first_copy(order);
                copy[0].2 = quantity;
                let listed = self
                    .form(order, &copy, true)
                    .from(Source::Listed)
                    .updated(quantity);
                Command::TakeIn(TakeIn {
                    remote_flag: Some(flag),
                    ..take_in(listed)
                })
            }
            Wild::OtherAccount(order) => {
                let copy = self.first_copy(order);
                Command::TakeIn(TakeIn {
                    account: other_account(),
                    ..take_in(self.form(order, &copy, true))
                })
            }
            Wild::Force(order) => {
                let copy = self.first_copy(order);
                Command::TakeIn(TakeIn {
                    force: true,
                    ..take_in(self.form(order, &copy, true))
                })
            }
            Wild::Single(order, line, sku, quantity) => {
                let line = line.and_then(|line| self.first_copy(order).get(line).map(|line| line.0));
                single(ORDERS[order], line, SKUS[sku], quantity)
            }
            Wild::RollBack(operation, force) => match self.world.operations().await.get(operation) {
                Some(operation) => roll_back(operation.id, force),
                None => return Ok(()),
            },
            Wild::Retry(operation) => match self.world.operations().await.get(operation) {
                Some(operation) => Command::Retry {
                    operation: operation.id,
                },
                None => return Ok(()),
            },
            Wild::TryAgain(order) => Command::TryAgain {
                order: key(ORDERS[order]),
            },
            Wild::Resolve(review, answer) => match self.world.open_reviews().await.get(review) {
                Some(review) => {
                    let answer = Resolution::ALL[answer];
                    let to: &[(&str, i64)] = if answer == Resolution::MapSku {
                        &[("B", 2)]
                    } else {
                        &[]
                    };
                    resolve(review.id, answer, to)
                }
                None => return Ok(()),
            },
            Wild::GiveUp => Command::GiveUp {
                account: None,
                before: self.world.now - SignedDuration::from_secs(100),
            },
            Wild::EndOutage => match self.world.wide_review(ReviewReason::GaveUp).await {
                Some(review) => Command::EndOutage { review: review.id },
                None => return Ok(()),
            },
            Wild::AskAboutUnpaid => Command::AskAboutUnpaid {
                before: self.world.now,
            },
        };
        self.ask(command).await?;
        Ok(())
    }

    async fn pulled(&mut self, thing: &Pulled) -> Result<(), String> {
        let command = match *thing {
            Pulled::Mode(mode, percent) => Command::SetMode(SetMode {
                percent,
                stock_is_right: true,
                ..to_mode([Mode::Off, Mode::Shadow, Mode::Partial, Mode::On][mode])
            }),
            Pulled::AskAbout(order, reason) => {
                let copy = self.first_copy(order);
                let listed = self.form(order, &copy, true).listed();
                match reason {
                    0 => asked_about(listed, ReviewReason::MissedOrder),
                    1 => asked_about(listed.cancelled(), ReviewReason::CancelledAfterDeduction),
                    _ => asked_about(listed.line("l9", "A", 1), ReviewReason::QuantityMismatch),
                }
            }
            Pulled::Malformed(order) => malformed(ORDERS[order]),
            Pulled::Missing(order) => Command::AskAboutMissing {
                order: key(ORDERS[order]),
            },
            Pulled::Lost(order) => {
                if self.world.may_lose_flag(ORDERS[order]).await {
                    self.world.flip(ORDERS[order]);
                }
                Command::Redeliver {
                    order: key(ORDERS[order]),
                }
            }
        };
        self.ask(command).await?;
        Ok(())
    }

    fn take_in(&mut self, order: usize, change: impl FnOnce(Form) -> Form) -> Command {
        let copy = self.first_copy(order);
        Command::TakeIn(take_in(change(self.form(order, &copy, true))))
    }

    /// The copy of an order with the quantities that its lines have now, wherever they stand.
    fn first_copy(&self, order: usize) -> Copy {
        let lines: Copy = match order {
            0 => vec![("l1", "A", 2)],
            1 => vec![("l2", "B", 3)],
            2 => vec![("l1", "A", 2), ("l2", "B", 3)],
            _ => vec![("l3", "A", 1), ("l4", "A", 2)],
        };
        let now = |line: &str| {
            let orders = self.model.orders.values();
            let mut held = orders.filter_map(|order| order.lines.get(line));
            held.find(|line| line.quantity > 0).map(|line| line.quantity)
        };
        lines
            .into_iter()
            .map(|(line, sku, quantity)| (line, sku, now(line).unwrap_or(quantity)))
            .collect()
    }

    fn form(&self, order: usize, copy: &Copy, ready: bool) -> Form {
        let mut built = form(ORDERS[order]).revision(&format!("revision-{}", self.revision));
        for (line, sku, quantity) in copy {
            built = built.line(line, sku, *quantity);
        }
        if ready { built } else { built.unpaid() }
    }

    /// A refusal is an answer like any other; a defect ends the history.
    async fn ask(&mut self, command: Command) -> Result<Option<Outcome>, String> {
        match self.world.try_ask(command.clone(), None).await {
            Ok(answer) => Ok(answer.ok()),
            Err(error) => Err(format!("{command:?} ended with {error}")),
        }
    }

    /// What came in is there, or is taken.
    async fn adopt(
        &mut self,
        order: usize,
        sku: usize,
        quantity: i64,
        hand_over: bool,
    ) -> Result<(), String> {
        let line = AdoptedLine {
            sku: super::world::sku(SKUS[sku]),
            quantity,
            warehouse: None,
        };
        let adopt = Adopt {
            key: key(ORDERS[order]),
            lines: vec![line],
            flag_confirmed: Some(!hand_over),
            hand_over,
            source: None,
        };
        if let Some(Outcome::Adopted(outcome)) = self.ask(Command::Adopt(adopt)).await?
            && outcome.adoption == Adoption::HandedOver
        {
            // What the old way had taken was there before.
            self.received[sku] += quantity;
        }
        Ok(())
    }

    async fn conserve(&self) -> Result<(), String> {
        for (sku, received) in SKUS.into_iter().zip(self.received) {
            let there = self.world.balance(sku).await.unwrap_or(0);
            let taken = self.world.taken_of(sku).await;
            if there + taken != received {
                return Err(format!(
                    "of {received} {sku}, {there} are there and {taken} are taken"
                ));
            }
        }
        Ok(())
    }

    async fn compare(&self) -> Result<(), String> {
        for sku in SKUS {
            let expected = self.model.stock.get(sku).copied().unwrap_or(0);
            let found = self.world.balance(sku).await.unwrap_or(0);
            if found != expected {
                return Err(format!(
                    "the balance of {sku} is {found}, not {expected}: {:#?}",
                    self.model
                ));
            }
        }
        for (name, order) in &self.model.orders {
            let file = self.world.file(name).await;
            for (id, line) in &order.lines {
                let stored = file.order.lines.iter().find(|stored| stored.id.as_str() == *id);
                let taken = stored.map_or(0, saldo_domain::order::Line::taken);
                if taken != line.net {
                    return Err(format!(
                        "line {id} of {name} has taken {taken}, not {}: {:#?}",
                        line.net, self.model
                    ));
                }
            }
            if file.order.taken() != order.net() {
                return Err(format!("order {name} has taken {}", file.order.taken()));
            }
        }
        Ok(())
    }

    /// The service is healthy again, and every failed delivery is taken up.
    async fn end(mut self) -> Result<(), String> {
        self.world.advance(LEASE_SECONDS);
        if let Some(review) = self.world.wide_review(ReviewReason::GaveUp).await {
            self.ask(Command::EndOutage { review: review.id }).await?;
        }
        for review in self.world.open_reviews().await {
            if review.reason == ReviewReason::DeliveryFailed {
                self.ask(resolve(review.id, Resolution::Retry, &[])).await?;
            }
        }
        self.world.try_finish().await
    }
}
