//! Reconciliation of many orders, beside loops that ask for one order after the other. The program runs as it is shipped,
//! in a process of its own, against the simulated orders service, whose calls take as long as was measured of the real
//! one.

use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream;
use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Receipt, Settle, StockLine, TakeIn};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_domain::stock::StockKey;
use saldo_domain::text::Sku;
use saldo_engine::clock::Clock as _;
use saldo_orders_service::{
    Credentials, HttpOptions, HttpOrdersService, ListedOrder, LiveOrders, OrdersService, PageQuery,
    SecretText,
};
use saldo_simulator::{
    Endpoint, Fault, FaultRule, Faults, FlagInput, Simulator, SimulatorHandle, SimulatorOptions, bearer_token,
};
use saldo_store::Store;
use saldo_store::query::Account;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::Run;
use crate::clock::{RealClock, instant, per_second};
use crate::ledger::{self, Ledger};
use crate::process::Running;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;

const ACCOUNTS: u32 = 3;
/// Of so many orders, one is changed behind Saldo's back before a run.
const ONE_DIFFERS_OF: usize = 100;
/// Orders that a loop beside asks for in a round.
const ASKED_ONE_BY_ONE: usize = 300;
/// How long the real service was measured to take for a call, in milliseconds, with nothing else to do: a page of 100
/// orders, one order (which it asks Allegro for), and a flag.
const SPEED_MS: [(Endpoint, u64); 4] = [
    (Endpoint::OrdersList, 39),
    (Endpoint::OrderById, 27),
    (Endpoint::TechnicalFlags, 5),
    (Endpoint::StockStatus, 5),
];
/// Orders that are taken in together, to prepare.
const TOGETHER: usize = 100;
/// How long deliveries of what was put right may take.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
const SKUS: u32 = 200;
const USER: &str = "saldo";

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let bench = Bench::prepare(if run.many < 1_000_000 { 30_000 } else { 100_000 }).await?;
    let running = Running::against(
        &bench.database.path().join("saldo.db"),
        &bench.simulator.base_url(),
        &bench.token,
    )?;
    running.until_ready().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle_kib = running.memory_kib_now()?;
    let above_idle_mib = || anyhow::Ok((running.memory_kib_max()? - idle_kib) / 1_024.0);
    let mut figures = Figures::default();
    for _ in 0..run.rounds {
        bench.agree(&running, &mut figures).await?;
    }
    figures.agreeing_memory_mib = above_idle_mib()?;
    for round in 0..run.rounds {
        bench.round(&running, round, &mut figures).await?;
    }
    figures.mending_memory_mib = above_idle_mib()?;
    running.stop().await?;
    bench.report(&figures);
    Ok(())
}

/// What the rounds measured.
#[derive(Default)]
struct Figures {
    /// Orders a second of a run that puts some right.
    mending: Vec<f64>,
    /// Its calls.
    mending_calls: Vec<f64>,
    /// Orders a second of a run that finds nothing.
    agreeing: Vec<f64>,
    /// Its calls.
    agreeing_calls: Vec<f64>,
    /// Orders a second of a loop that asks for all that is compared.
    one_by_one: Vec<f64>,
    /// Orders a second of a loop that asks for flags alone.
    flags: Vec<f64>,
    /// The most memory that was held above idle, over all runs so far.
    agreeing_memory_mib: f64,
    mending_memory_mib: f64,
}

struct Bench {
    simulator: SimulatorHandle,
    token: String,
    client: HttpOrdersService,
    orders: Vec<OrderKey>,
    database: TempDir,
}

/// What a run says that it did.
struct Ran {
    found: u64,
    calls: u64,
    seconds: f64,
}

impl Bench {
    /// A simulator, and a ledger that agrees with it on every order.
    async fn prepare(count: u32) -> anyhow::Result<Self> {
        let options = SimulatorOptions {
            accounts: ACCOUNTS,
            orders_per_account: count.div_ceil(ACCOUNTS),
            user_id: USER.to_owned(),
            unfinished_share: 0.0,
            cancelled_share: 0.0,
            sku_count: SKUS,
            order_spacing_ms: 1_000,
            keep_alive_idle_ms: 60_000,
            mended: true,
            ..SimulatorOptions::default()
        };
        let token = bearer_token(&options.jwt_secret, USER)?;
        let simulator = Simulator::start(options, TcpListener::bind("127.0.0.1:0").await?)?;
        let http = HttpOptions::new(
            simulator.base_url(),
            Credentials::Token(SecretText::new(token.clone())),
        );
        let client = HttpOrdersService::new(http, std::sync::Arc::new(|| RealClock.now()))?;
        let ledger = Ledger::new().await?;
        receive(&ledger).await?;
        let mut orders = Vec::new();
        for id in simulator.control().token_ids() {
            let account = AccountId::new(id);
            let known = Account {
                id: account,
                name: None,
                by_hand: false,
                created_at: RealClock.now(),
            };
            ledger.store.put_accounts(vec![known]).await?;
            orders.extend(take_in_all(&ledger, &client, &simulator, account).await?);
        }
        let database = ledger.close().await?;
        let slow = |(endpoint, fixed_ms)| FaultRule {
            endpoint: Some(endpoint),
            ..FaultRule::always(Fault::Latency {
                fixed_ms,
                jitter_ms: 0,
            })
        };
        simulator.control().set_faults(Faults {
            rules: SPEED_MS.into_iter().map(slow).collect(),
            ..Faults::default()
        })?;
        Ok(Self {
            simulator,
            token,
            client,
            orders,
            database,
        })
    }

    async fn round(&self, running: &Running, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
        let differing: Vec<&OrderKey> = self.orders.iter().skip(round).step_by(ONE_DIFFERS_OF).collect();
        for key in &differing {
            set_flag(&self.simulator, key, false)?;
        }
        let mending = self.reconcile(running).await?;
        anyhow::ensure!(
            mending.found == differing.len() as u64,
            "{} differences were found, and {} were made",
            mending.found,
            differing.len()
        );
        self.until_delivered(&differing).await?;
        figures.mending.push(self.per_second(&mending));
        figures.mending_calls.push(mending.calls as f64);
        let again = self.reconcile(running).await?;
        anyhow::ensure!(again.found == 0, "{} differences are left", again.found);
        Ok(())
    }

    /// A run that finds nothing, beside the loops.
    async fn agree(&self, running: &Running, figures: &mut Figures) -> anyhow::Result<()> {
        let agreeing = self.reconcile(running).await?;
        anyhow::ensure!(agreeing.found == 0, "{} differences were found", agreeing.found);
        figures.agreeing.push(self.per_second(&agreeing));
        figures.agreeing_calls.push(agreeing.calls as f64);
        let round = figures.one_by_one.len();
        figures.one_by_one.push(self.one_by_one(round).await?);
        figures.flags.push(self.flags(round).await?);
        Ok(())
    }

    fn per_second(&self, ran: &Ran) -> f64 {
        self.orders.len() as f64 / ran.seconds
    }

    async fn reconcile(&self, running: &Running) -> anyhow::Result<Ran> {
        let began = instant();
        let body = running.post("/api/v1/stock-sync/reconcile").await?;
        let seconds = began.elapsed().as_secs_f64();
        let number = |name: &str| {
            let number = body.get(name).and_then(Value::as_u64);
            number.with_context(|| format!("a run does not tell {name}: {body}"))
        };
        let checked = number("total_checked")?;
        anyhow::ensure!(
            checked == self.orders.len() as u64,
            "{checked} of {} orders were compared: {body}",
            self.orders.len()
        );
        Ok(Ran {
            found: number("discrepancies_found")?,
            calls: number("calls")?,
            seconds,
        })
    }

    async fn until_delivered(&self, orders: &[&OrderKey]) -> anyhow::Result<()> {
        let began = instant();
        let control = self.simulator.control();
        let is_told = |key: &OrderKey| {
            control.is_stock_updated(key.account.as_uuid(), key.order.as_str()) == Some(true)
        };
        while !orders.iter().all(|key| is_told(key)) {
            anyhow::ensure!(
                began.elapsed() < DELIVERED_WITHIN,
                "what was put right is not delivered"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn some(&self, round: usize) -> impl Iterator<Item = &OrderKey> {
        let first = round * ASKED_ONE_BY_ONE;
        self.orders.iter().skip(first).take(ASKED_ONE_BY_ONE)
    }

    /// One order after the other is asked for all that is compared: its state, its lines, its flag.
    async fn one_by_one(&self, round: usize) -> anyhow::Result<f64> {
        let began = instant();
        let mut count = 0;
        for key in self.some(round) {
            let found = self
                .client
                .find_order(key.account, &key.order, LiveOrders::Working)
                .await?;
            let form = found.form.with_context(|| format!("order {key} is not there"))?;
            let is_told = form.pointer("/technical_flags/is_stock_updated");
            anyhow::ensure!(is_told == Some(&Value::Bool(true)), "order {key} was told");
            count += 1;
        }
        Ok(per_second(count, began.elapsed()))
    }

    /// One order after the other is asked for its flag alone, which tells neither a cancellation nor other lines.
    async fn flags(&self, round: usize) -> anyhow::Result<f64> {
        let began = instant();
        let mut count = 0;
        for key in self.some(round) {
            let flag = self.client.read_flag(key.account, &key.order).await?;
            anyhow::ensure!(flag, "order {key} was told");
            count += 1;
        }
        Ok(per_second(count, began.elapsed()))
    }

    fn report(&self, figures: &Figures) {
        let orders = self.orders.len();
        let differing = orders.div_ceil(ONE_DIFFERS_OF);
        let beside = |what, theirs: &[f64]| Beside {
            what,
            figures: Spread::of(theirs),
            ratio: Spread::of_ratios(&figures.agreeing, theirs),
        };
        report::print(&Row {
            what: format!("reconciliation of {orders} orders that agree"),
            unit: "orders/s",
            ours: Spread::of(&figures.agreeing),
            beside: Some(beside("one order after the other", &figures.one_by_one)),
            goal: Goal::RatioAtLeast(30.0),
        });
        report::print(&Row {
            what: "the same".to_owned(),
            unit: "orders/s",
            ours: Spread::of(&figures.agreeing),
            beside: Some(beside("one flag after the other", &figures.flags)),
            goal: Goal::None,
        });
        report::print(&Row {
            what: format!("reconciliation of {orders} orders, {differing} of them put right"),
            unit: "orders/s",
            ours: Spread::of(&figures.mending),
            beside: None,
            goal: Goal::None,
        });
        // One list call for 100 orders, and the last page of each account that is not full.
        let lists = (orders / 100 + 2 * ACCOUNTS as usize) as f64;
        report::print(&Row {
            what: "its calls when all agree".to_owned(),
            unit: "calls",
            ours: Spread::of(&figures.agreeing_calls),
            beside: None,
            goal: Goal::Below(lists + 1.0),
        });
        report::print(&Row {
            what: format!("its calls when {differing} are put right"),
            unit: "calls",
            ours: Spread::of(&figures.mending_calls),
            beside: None,
            goal: Goal::Below(lists + differing as f64 + 1.0),
        });
        for (what, memory_mib) in [
            (
                "its memory above idle when all agree",
                figures.agreeing_memory_mib,
            ),
            (
                "its memory above idle when some are put right and delivered",
                figures.mending_memory_mib,
            ),
        ] {
            report::print(&Row {
                what: what.to_owned(),
                unit: "MiB at most",
                ours: Spread::of(&[memory_mib]),
                beside: None,
                goal: Goal::Below(20.0),
            });
        }
    }
}

fn set_flag(simulator: &SimulatorHandle, key: &OrderKey, flag: bool) -> anyhow::Result<()> {
    simulator.control().set_flag(FlagInput {
        token_id: key.account.as_uuid(),
        order_id: key.order.as_str().to_owned(),
        is_stock_updated: flag,
        has_invoice_created: None,
        invoice_id: None,
    })?;
    Ok(())
}

/// Stock of everything that the simulator's orders sell.
async fn receive(ledger: &Ledger) -> anyhow::Result<()> {
    let line = |number: u32| -> anyhow::Result<StockLine> {
        let key = StockKey {
            sku: Sku::parse(&format!("SKU-{number:04}"))?,
            warehouse: ledger::warehouse()?,
        };
        Ok(StockLine {
            key,
            quantity: 1_000_000,
        })
    };
    let lines = (1..=SKUS).map(line).collect::<anyhow::Result<_>>()?;
    let receipt = Receipt {
        lines,
        reference: None,
    };
    ledger
        .store
        .execute(ledger::request(Command::Receive(receipt)))
        .await?;
    Ok(())
}

/// Takes in all orders of an account, as if each had been delivered.
async fn take_in_all(
    ledger: &Ledger,
    client: &HttpOrdersService,
    simulator: &SimulatorHandle,
    account: AccountId,
) -> anyhow::Result<Vec<OrderKey>> {
    let mut keys = Vec::new();
    let pages = stream::unfold(Some(0), |offset| async move {
        let offset = offset?;
        let page = client.list_page(account, PageQuery::at(offset)).await;
        let next = page
            .as_ref()
            .is_ok_and(|page| page.has_next)
            .then_some(offset + 100);
        Some((page, next))
    });
    let mut pages = std::pin::pin!(pages);
    while let Some(page) = pages.next().await {
        let orders = page?.orders;
        let page_keys: Vec<OrderKey> = orders
            .iter()
            .map(|order| key(account, order.order_id.clone()))
            .collect();
        let taken = orders
            .into_iter()
            .map(|order| take_in(account, order))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for result in ledger.store.execute_all(taken).await {
            result?;
        }
        deliver(ledger, simulator, &page_keys).await?;
        keys.extend(page_keys);
    }
    Ok(keys)
}

const fn key(account: AccountId, order: OrderId) -> OrderKey {
    OrderKey { account, order }
}

fn take_in(account: AccountId, order: ListedOrder) -> anyhow::Result<saldo_domain::decide::Request> {
    let copy = order
        .copy
        .map_err(|problems| anyhow::anyhow!("an order of the simulator cannot be read: {problems:?}"))?;
    Ok(ledger::request(Command::TakeIn(TakeIn {
        account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: Some(false),
    })))
}

async fn deliver(ledger: &Ledger, simulator: &SimulatorHandle, keys: &[OrderKey]) -> anyhow::Result<()> {
    for some in keys.chunks(TOGETHER) {
        let claim = Command::Claim(ClaimRequest {
            orders: ClaimOrders::These(some.to_vec()),
        });
        let Outcome::Claimed(claims) = ledger.store.execute(ledger::request(claim)).await? else {
            anyhow::bail!("a claim was answered with something else");
        };
        anyhow::ensure!(
            claims.len() == some.len(),
            "{} of {} were claimed",
            claims.len(),
            some.len()
        );
        let mut settled = Vec::new();
        for claim in claims {
            set_flag(simulator, &claim.key, true)?;
            settled.push(ledger::request(Command::Settle(Settle {
                key: claim.key,
                token: claim.token,
                outcome: AttemptOutcome::Delivered,
                draw: 0.5,
                took_ms: 1,
            })));
        }
        for result in ledger.store.execute_all(settled).await {
            result?;
        }
    }
    Ok(())
}
