//! The orders service in process: flags, faults, and a history of what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_orders_service::{
    CallError, FoundOrder, Health, ListedOrder, LiveOrders, ORDERS_PER_PAGE, OrderSource, OrdersService,
    Page, PageQuery, RemoteAccount,
};
use saldo_store::Store;
use saldo_store::memory::MemoryStore;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::faults::{Faults, Mode, Reaction, no_answer, refused_connection, unavailable};
use super::history::{Asked, Call, History};

/// The service with everything that it remembers.
pub(crate) struct SimulatedOrdersService {
    began: Instant,
    state: Arc<Mutex<State>>,
    /// The ledger of those who call: each flag sent is compared with what is committed there.
    ledger: Mutex<Arc<MemoryStore>>,
}

struct State {
    random: ChaCha8Rng,
    faults: Faults,
    accounts: BTreeSet<AccountId>,
    flags: BTreeMap<OrderKey, bool>,
    forms: BTreeMap<OrderKey, Value>,
    /// When each was bought, as it was read once.
    bought: BTreeMap<OrderKey, Option<Timestamp>>,
    history: History,
    /// What no caller may ever do.
    offences: Vec<String>,
    late: usize,
}

/// Marks a call's end, also when its caller stopped waiting.
struct UnderWay {
    state: Arc<Mutex<State>>,
    began: Instant,
    position: usize,
    answered: Option<bool>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = milliseconds(self.began);
        let mut state = self.state.lock().unwrap();
        let call = &mut state.history.0[self.position];
        call.ended_ms = Some(now);
        call.abandoned = self.answered.is_none();
        call.succeeded = self.answered == Some(true);
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap()
}

impl SimulatedOrdersService {
    pub(crate) fn new(seed: u64, accounts: BTreeSet<AccountId>, ledger: Arc<MemoryStore>) -> Self {
        let state = State {
            random: ChaCha8Rng::seed_from_u64(seed),
            faults: Faults::default(),
            accounts,
            flags: BTreeMap::new(),
            forms: BTreeMap::new(),
            bought: BTreeMap::new(),
            history: History::default(),
            offences: Vec::new(),
            late: 0,
        };
        Self {
            began: Instant::now(),
            state: Arc::new(Mutex::new(state)),
            ledger: Mutex::new(ledger),
        }
    }

    /// Changes what is wrong with it.
    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    pub(crate) fn flag(&self, key: &OrderKey) -> bool {
        self.state().flags.get(key).copied().unwrap_or(false)
    }

    pub(crate) fn put_flag(&self, key: &OrderKey, flag: bool) {
        self.state().flags.insert(key.clone(), flag);
    }

    pub(crate) fn put_form(&self, key: &OrderKey, form: Value) {
        let mut state = self.state();
        state.bought.insert(key.clone(), bought_at(&form));
        state.forms.insert(key.clone(), form);
    }

    pub(crate) fn form(&self, key: &OrderKey) -> Value {
        self.state().forms[key].clone()
    }

    /// The service no longer has an order.
    pub(crate) fn remove_form(&self, key: &OrderKey) {
        self.state().forms.remove(key);
    }

    /// Changes what the service has stored of an order.
    pub(crate) fn change_form(&self, key: &OrderKey, change: impl FnOnce(&mut Value)) {
        change(self.state().forms.get_mut(key).unwrap());
    }

    /// The ledger is another one now: Saldo was started again.
    pub(crate) fn follow(&self, ledger: Arc<MemoryStore>) {
        *self.ledger.lock().unwrap() = ledger;
    }

    fn ledger(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.ledger.lock().unwrap())
    }

    pub(crate) fn history(&self) -> History {
        self.state().history.clone()
    }

    /// What was done that must never be done.
    pub(crate) fn offences(&self) -> Vec<String> {
        self.state().offences.clone()
    }

    /// Flag calls that were done after their caller had given them up.
    pub(crate) fn done_late(&self) -> usize {
        self.state().late
    }

    /// Milliseconds since the simulation began.
    pub(crate) fn now_ms(&self) -> u64 {
        milliseconds(self.began)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn begin(&self, asked: Asked, key: Option<OrderKey>) -> UnderWay {
        let mut state = self.state();
        let position = state.history.0.len();
        state.history.0.push(Call {
            asked,
            key,
            began_ms: milliseconds(self.began),
            ended_ms: None,
            abandoned: false,
            succeeded: false,
        });
        UnderWay {
            state: Arc::clone(&self.state),
            began: self.began,
            position,
            answered: None,
        }
    }

    async fn take_time(&self, account: Option<AccountId>) {
        let latency = {
            let mut state = self.state();
            let own = account.and_then(|account| state.faults.account_latency_ms.get(&account).copied());
            let (least, most) = own.unwrap_or(state.faults.latency_ms);
            state.random.random_range(least..=most)
        };
        sleep(Duration::from_millis(latency)).await;
    }

    fn react(&self, account: AccountId) -> Reaction {
        let mut state = self.state();
        if let Some(error) = state.faults.stands_in_the_way(account) {
            return Reaction::Fail(error);
        }
        if let Some(reaction) = state.faults.script.pop_front() {
            return reaction;
        }
        let faults = state.faults.clone();
        let mut draw = state.random.random_range(0..1_000_u32);
        let mut happens = |chance: u32| {
            let does = draw < chance;
            draw = if does { u32::MAX } else { draw - chance };
            does
        };
        if happens(faults.fail) {
            Reaction::Fail(unavailable())
        } else if happens(faults.lose_reply) {
            Reaction::LoseReply
        } else if happens(faults.do_later) {
            Reaction::DoLater {
                after_ms: state.random.random_range(1_000..25_000),
            }
        } else if happens(faults.hang) {
            Reaction::Hang
        } else {
            Reaction::Answer
        }
    }

    /// A flag that is sent must be that of a claim which is committed, for an order that was really touched.
    async fn compare_with_ledger(&self, key: &OrderKey, flag: bool) {
        let file = self.ledger().order(key).await.unwrap_or_default();
        let offence = match file {
            None => Some("an order that the ledger does not know".to_owned()),
            Some(file) if !file.order.touched => Some("an order of which nothing was moved".to_owned()),
            Some(file) => match file.delivery.and_then(|delivery| delivery.lease) {
                None => Some("an order whose delivery nobody has claimed".to_owned()),
                Some(lease) if lease.flag != flag => {
                    Some(format!("{flag} where the claim says {}", lease.flag))
                }
                Some(_) if file.operations.is_empty() => Some("an order without any operation".to_owned()),
                Some(_) => None,
            },
        };
        if let Some(offence) = offence {
            self.state()
                .offences
                .push(format!("{key} was sent {flag}: {offence}"));
        }
    }

    fn do_later(&self, key: OrderKey, flag: bool, after_ms: u64) {
        let state = Arc::clone(&self.state);
        tokio::spawn(async move {
            sleep(Duration::from_millis(after_ms)).await;
            let mut state = state.lock().unwrap();
            state.late += 1;
            state.flags.insert(key, flag);
        });
    }
}

#[async_trait]
impl OrdersService for SimulatedOrdersService {
    async fn set_flag(&self, account: AccountId, order: &OrderId, flag: bool) -> Result<(), CallError> {
        let key = OrderKey {
            account,
            order: order.clone(),
        };
        let mut under_way = self.begin(Asked::SetFlag(flag), Some(key.clone()));
        self.compare_with_ledger(&key, flag).await;
        self.take_time(Some(account)).await;
        let answer = match self.react(account) {
            Reaction::Answer => {
                self.put_flag(&key, flag);
                Ok(())
            }
            Reaction::Fail(error) => Err(error),
            Reaction::LoseReply => {
                self.put_flag(&key, flag);
                Err(no_answer())
            }
            Reaction::DoLater { after_ms } => {
                self.do_later(key, flag, after_ms);
                Err(no_answer())
            }
            Reaction::Hang => std::future::pending().await,
        };
        under_way.answered = Some(answer.is_ok());
        answer
    }

    async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        let key = OrderKey {
            account,
            order: order.clone(),
        };
        let file = self.ledger().order(&key).await.unwrap_or_default();
        let is_claimed =
            file.is_some_and(|file| file.delivery.is_some_and(|delivery| delivery.lease.is_some()));
        let asked = if is_claimed {
            Asked::ReadFlag
        } else {
            Asked::LookAtFlag
        };
        let mut under_way = self.begin(asked, Some(key.clone()));
        self.take_time(Some(account)).await;
        let answer = {
            let mut state = self.state();
            let fails = state.random.random_range(0..1_000_u32) < state.faults.fail_reading;
            match state.faults.stands_in_the_way(account) {
                Some(error) => Err(error),
                None if fails => Err(unavailable()),
                None if state.faults.reading.is_some() => Err(state.faults.reading.clone().unwrap()),
                None => Ok(state.flags.get(&key).copied().unwrap_or(false)),
            }
        };
        under_way.answered = Some(answer.is_ok());
        answer
    }

    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError> {
        let mut under_way = self.begin(Asked::Accounts, None);
        self.take_time(None).await;
        let state = self.state();
        let answer = match state.faults.mode {
            Mode::Refuses => Err(refused_connection()),
            Mode::CredentialsRefused => Err(super::faults::credentials_refused()),
            Mode::DatabaseDown | Mode::OutOfConnections => Ok(Vec::new()),
            Mode::Up | Mode::FlagsFail => Ok(state
                .accounts
                .difference(&state.faults.gone)
                .map(|id| RemoteAccount {
                    id: *id,
                    name: format!("account {id}"),
                    is_active: true,
                    expires_at: None,
                })
                .collect()),
        };
        drop(state);
        under_way.answered = Some(answer.is_ok());
        answer
    }

    async fn health(&self) -> Result<Health, CallError> {
        let mut under_way = self.begin(Asked::Health, None);
        self.take_time(None).await;
        let answer = match self.state().faults.mode {
            Mode::Refuses => Err(refused_connection()),
            mode => Ok(Health {
                database_connected: mode != Mode::DatabaseDown,
            }),
        };
        under_way.answered = Some(answer.is_ok());
        answer
    }

    async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        _: LiveOrders,
    ) -> Result<FoundOrder, CallError> {
        let key = OrderKey {
            account,
            order: order.clone(),
        };
        let mut under_way = self.begin(Asked::Find, Some(key.clone()));
        self.take_time(Some(account)).await;
        let state = self.state();
        let answer = match state.faults.stands_in_the_way(account) {
            Some(error) => Err(error),
            None => Ok(FoundOrder {
                form: state.forms.get(&key).cloned(),
                source: if state.faults.live {
                    OrderSource::Live
                } else {
                    OrderSource::Searched
                },
            }),
        };
        drop(state);
        under_way.answered = Some(answer.is_ok());
        answer
    }

    async fn live_orders_work(&self, _: AccountId, _: &OrderId) -> Result<bool, CallError> {
        self.take_time(None).await;
        let faults = &self.state().faults;
        match faults.mode {
            Mode::Up | Mode::FlagsFail => Ok(faults.live),
            _ => Err(refused_connection()),
        }
    }

    async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, CallError> {
        let mut under_way = self.begin(Asked::List, None);
        self.take_time(Some(account)).await;
        let answer = self.state().list(account, query);
        under_way.answered = Some(answer.is_ok());
        answer
    }
}

impl State {
    fn list(&mut self, account: AccountId, query: PageQuery) -> Result<Page, CallError> {
        let PageQuery {
            offset,
            rows: page_rows,
            from,
            to,
        } = query;
        assert!(
            (1..=ORDERS_PER_PAGE).contains(&page_rows),
            "the real one answers 422"
        );
        if let Some(error) = self.faults.stands_in_the_way(account) {
            return Err(error);
        }
        let lists = self.faults.lists.clone();
        if self.random.random_range(0..1_000_u32) < lists.fail {
            return Err(unavailable());
        }
        let mut rows: Vec<(Option<Timestamp>, &OrderKey, &Value)> = self
            .forms
            .iter()
            .filter(|(key, _)| key.account == account)
            .map(|(key, form)| (self.bought[key], key, form))
            .filter(|(at, _, _)| from.is_none_or(|from| at.is_some_and(|at| at >= from)))
            .filter(|(at, _, _)| to.is_none_or(|to| at.is_some_and(|at| at <= to)))
            .collect();
        // As the real one's database does, those without a date come first.
        rows.sort_by_key(|(at, key, _)| std::cmp::Reverse((at.unwrap_or(Timestamp::MAX), *key)));
        if let Some(shrunk) = lists.shrink_to {
            rows.truncate(shrunk);
        }
        let mut begin = usize::try_from(offset).unwrap().min(rows.len());
        if begin > 0 && self.random.random_range(0..1_000_u32) < lists.slip {
            begin -= 1;
        }
        let end = (begin + page_rows as usize).min(rows.len());
        let orders = rows[begin..end]
            .iter()
            .filter(|(_, key, _)| !lists.hide.contains(key))
            .map(|(_, key, form)| {
                let flag = !lists.say_false && self.flags.get(key).copied().unwrap_or(false);
                ListedOrder::read(key.order.clone(), form, flag)
            })
            .collect();
        let is_cut = lists.end_after.is_some_and(|end| offset + page_rows > end);
        Ok(Page {
            orders,
            unreadable: Vec::new(),
            total: rows.len() as u64,
            has_next: !is_cut && offset + page_rows < rows.len() as u64,
            took_ms: if lists.are_slow { 30_000 } else { 40 },
            suspect: lists.are_slow,
        })
    }
}

fn bought_at(form: &Value) -> Option<Timestamp> {
    form["lineItems"][0]["boughtAt"].as_str()?.parse().ok()
}
