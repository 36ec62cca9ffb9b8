//! The faults in force, and the decision about each call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use super::{AllegroFailure, ConnectionLeak, DatabaseState, Fault, FaultRule, Faults};
use crate::routes::Endpoint;

/// What is to go wrong with one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// The wait before the call takes effect.
    pub(crate) wait_before_ms: u64,
    /// The wait between the effect and the answer.
    pub(crate) wait_after_ms: u64,
    /// The first fault that replaces or changes the answer.
    pub(crate) fault: Option<Fault>,
    /// Whether the call takes effect although its answer is replaced.
    pub(crate) is_applied: bool,
    pub(crate) flips_flag: bool,
    /// How many rows later a page of the list begins.
    pub(crate) slipped_rows: i32,
    pub(crate) allegro: Option<AllegroFailure>,
}

struct RuleCounts {
    seen: u64,
    struck: u64,
}

struct Board {
    faults: Faults,
    counts: Vec<RuleCounts>,
    set_at: Timestamp,
    generator: ChaCha8Rng,
    leaked_calls: u32,
    hung_calls: u32,
}

/// The faults in force.
pub(crate) struct FaultBoard {
    board: Mutex<Board>,
    /// Spares the lock on the usual path, where nothing is to go wrong.
    is_quiet: AtomicBool,
}

/// What the connection leak does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leak {
    /// Nothing yet.
    None,
    /// The call hangs, then is answered with flags the service could not read.
    WrongFlags { hang_ms: u64 },
    /// The call hangs, then fails as without a database.
    Failing { hang_ms: u64 },
}

impl FaultBoard {
    pub(crate) fn new(faults: Faults, seed: u64, now: Timestamp) -> Self {
        let is_quiet = AtomicBool::new(faults == Faults::default());
        let board = Board {
            counts: counts_of(&faults),
            faults,
            set_at: now,
            // Told apart from the generator of the data, so that faults do not change which orders exist.
            generator: ChaCha8Rng::seed_from_u64(seed ^ 0xfa17),
            leaked_calls: 0,
            hung_calls: 0,
        };
        Self {
            board: Mutex::new(board),
            is_quiet,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all faults; their windows and counts begin now.
    pub(crate) fn replace(&self, faults: Faults, now: Timestamp) {
        let mut board = self.lock();
        self.is_quiet
            .store(faults == Faults::default(), Ordering::Release);
        board.counts = counts_of(&faults);
        board.faults = faults;
        board.set_at = now;
        board.leaked_calls = 0;
        board.hung_calls = 0;
    }

    pub(crate) fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    pub(crate) fn lists_say_false(&self) -> bool {
        !self.is_quiet.load(Ordering::Acquire) && self.lock().faults.lists_say_false
    }

    pub(crate) fn database(&self, now: Timestamp) -> DatabaseState {
        if self.is_quiet.load(Ordering::Acquire) {
            return DatabaseState::Up;
        }
        let board = self.lock();
        let fault = &board.faults.database;
        let is_in_window = is_in_window(&board, now, fault.from_ms, fault.until_ms);
        if is_in_window {
            fault.state
        } else {
            DatabaseState::Up
        }
    }

    /// Decides what goes wrong with a call. Counts and chances are used up by asking.
    pub(crate) fn plan(
        &self,
        endpoint: Endpoint,
        token_id: Option<Uuid>,
        order_id: &str,
        now: Timestamp,
    ) -> Plan {
        let mut plan = Plan::default();
        if self.is_quiet.load(Ordering::Acquire) {
            return plan;
        }
        let mut board = self.lock();
        for index in 0..board.faults.rules.len() {
            let rule = &board.faults.rules[index];
            let is_matching = rule.endpoint.is_none_or(|wanted| wanted == endpoint)
                && rule.token_id.is_none_or(|wanted| Some(wanted) == token_id)
                && rule.order_id.as_deref().is_none_or(|wanted| wanted == order_id)
                && is_in_window(&board, now, rule.from_ms, rule.until_ms);
            // A rule that could not act is not used up: several sets of "the next calls" queue behind one another.
            let is_crowded_out = plan.fault.is_some() && rule.fault.is_exclusive();
            if is_matching && !is_crowded_out && board.strikes(index) {
                let Board {
                    faults, generator, ..
                } = &mut *board;
                plan.add(&faults.rules[index], generator);
            }
        }
        plan
    }

    /// What the connection leak does to this call, if it leaks at all.
    pub(crate) fn leak(&self, endpoint: Endpoint) -> Leak {
        if self.is_quiet.load(Ordering::Acquire) {
            return Leak::None;
        }
        let mut board = self.lock();
        let Some(ConnectionLeak {
            stuck_at_call,
            hang_ms,
            hanging_calls,
        }) = board.faults.connection_leak.clone()
        else {
            return Leak::None;
        };
        let is_stuck = board.leaked_calls >= stuck_at_call;
        match endpoint {
            Endpoint::TokensList if is_stuck => {
                board.leaked_calls = 0;
                board.hung_calls = 0;
                return Leak::None;
            }
            Endpoint::Root | Endpoint::Health | Endpoint::TokensList | Endpoint::TokenById => {
                return Leak::None;
            }
            _ => {}
        }
        if endpoint.leaks_connection() && !is_stuck {
            board.leaked_calls += 1;
        }
        if board.leaked_calls < stuck_at_call {
            return Leak::None;
        }
        board.hung_calls += 1;
        let is_first = board.hung_calls == 1;
        if board.hung_calls >= hanging_calls {
            board.leaked_calls = 0;
            board.hung_calls = 0;
        }
        if is_first {
            Leak::WrongFlags { hang_ms }
        } else {
            Leak::Failing { hang_ms }
        }
    }

    /// Whether calls must queue behind one another, as they do while the service's only thread is blocked.
    pub(crate) fn is_leaking(&self) -> bool {
        !self.is_quiet.load(Ordering::Acquire) && self.lock().faults.connection_leak.is_some()
    }
}

fn counts_of(faults: &Faults) -> Vec<RuleCounts> {
    faults
        .rules
        .iter()
        .map(|_| RuleCounts { seen: 0, struck: 0 })
        .collect()
}

fn is_in_window(board: &Board, now: Timestamp, from_ms: u64, until_ms: Option<u64>) -> bool {
    let elapsed_ms = u64::try_from(now.duration_since(board.set_at).as_millis()).unwrap_or(0);
    elapsed_ms >= from_ms && until_ms.is_none_or(|until_ms| elapsed_ms < until_ms)
}

impl Board {
    fn strikes(&mut self, index: usize) -> bool {
        let rule = &self.faults.rules[index];
        let counts = &mut self.counts[index];
        counts.seen += 1;
        if counts.seen <= rule.after_calls || rule.calls.is_some_and(|calls| counts.struck >= calls) {
            return false;
        }
        let is_struck = rule.probability >= 1.0 || self.generator.random::<f64>() < rule.probability;
        counts.struck += u64::from(is_struck);
        is_struck
    }
}

impl Plan {
    fn add(&mut self, rule: &FaultRule, generator: &mut ChaCha8Rng) {
        let mut wait_ms =
            |fixed_ms: u64, jitter_ms: u64| fixed_ms.saturating_add(generator.random_range(0..=jitter_ms));
        match &rule.fault {
            Fault::Latency { fixed_ms, jitter_ms } => {
                self.wait_before_ms = self.wait_before_ms.saturating_add(wait_ms(*fixed_ms, *jitter_ms));
            }
            Fault::AnswerDelayed { fixed_ms, jitter_ms } => {
                self.wait_after_ms = self.wait_after_ms.saturating_add(wait_ms(*fixed_ms, *jitter_ms));
            }
            Fault::FlagFlipped => self.flips_flag = true,
            Fault::PageSlipped { rows } => self.slipped_rows = self.slipped_rows.saturating_add(*rows),
            Fault::Allegro { failure } => self.allegro = self.allegro.or(Some(*failure)),
            fault if self.fault.is_none() => {
                self.fault = Some(fault.clone());
                self.is_applied = rule.applied;
            }
            _ => {}
        }
    }
}
