//! One transaction for many requests: locked and loaded together, decided one after the other, written together.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use saldo_domain::changes::{Changes, DeliveryChange, RowChange};
use saldo_domain::decide::{Command, Outcome, Request, decide, first_keys};
use saldo_domain::ids::{AccountId, IdSource, OperationId, OrderKey, ReviewId};
use saldo_domain::policy::Policy;
use saldo_domain::view::{Key, Row, Stop, View};
use saldo_store::StoreError;
use saldo_store::deciding::{LOADS_MAX, RewindingIds, Undecided, decide_with_loads};
use saldo_store::moves::UncommittedMoves;
use uuid::Uuid;

use crate::failure::Failure;
use crate::kept::{Kept, KeptClaim};
use crate::lists;
use crate::load::{AsStored, Before, Wanted, load, owners};
use crate::locks::{self, Held, Names, add_names, at_the_beginning, mapping_name, order_name};
use crate::options::PostgresOptions;
use crate::pending::Pending;
use crate::queue::Queue;
use crate::session::{Session, Step};
use crate::sql::{get, typed, values};
use crate::transaction::Mark;
use crate::write::write;

/// Waits for the locks, in the order of their names.
const LOCK: &str = "SELECT count(CASE WHEN alone THEN pg_advisory_xact_lock(name) IS NULL \
     ELSE pg_advisory_xact_lock_shared(name) IS NULL END) >= 0 \
     FROM unnest($1::bigint[], $2::bool[]) AS wanted (name, alone)";

/// Takes the locks only if all are free.
const TRY_LOCK: &str = "SELECT coalesce(bool_and(CASE WHEN alone THEN pg_try_advisory_xact_lock(name) \
     ELSE pg_try_advisory_xact_lock_shared(name) END), true) \
     FROM unnest($1::bigint[], $2::bool[]) AS wanted (name, alone)";

/// The most requests that are tried ahead when one of them lacks a row.
const TRIED_TOGETHER_MAX: usize = 64;

/// Whether a row is found by its key alone, whatever earlier requests of the transaction do.
const fn can_be_told_before(key: &Key) -> bool {
    matches!(
        key,
        Key::Order(_) | Key::Line(_) | Key::Balance(_) | Key::Mapping(_)
    )
}

/// One transaction in the making.
pub(crate) struct Batch<'b> {
    pub(crate) session: &'b Session,
    pub(crate) policy: &'b Policy,
    pub(crate) ids: &'b Mutex<RewindingIds>,
    pub(crate) options: &'b PostgresOptions,
    pub(crate) queue: &'b Queue,
    kept: &'b Kept,
    view: View,
    held: Held,
    stored: AsStored,
    pending: Pending,
    moves: UncommittedMoves,
    /// When the deliveries are due that were stored.
    due: Due,
    /// Orders whose delivery was claimed.
    claimed: Vec<OrderKey>,
}

/// When the earliest delivery of an account is due.
pub(crate) type Due = BTreeMap<AccountId, Timestamp>;

/// What is to be told of a transaction once it is committed.
pub(crate) struct Committed {
    pub(crate) moves: UncommittedMoves,
    pub(crate) due: Due,
    /// What was claimed, to be kept.
    pub(crate) claims: Vec<KeptClaim>,
    /// Orders of which nothing that was kept before is still so.
    pub(crate) rewritten: Vec<OrderKey>,
}

/// The keys that one decision asked for and did not find.
struct Hungry(Vec<Key>);

impl From<Hungry> for StoreError {
    fn from(_: Hungry) -> Self {
        Self::Defect("a decision was answered although rows were missing".to_owned())
    }
}

/// The ids of a trial: nothing that it decides is kept.
struct TrialIds;

impl IdSource for TrialIds {
    fn next(&mut self, _: Timestamp) -> Uuid {
        Uuid::max()
    }
}

/// Names as two columns.
fn columns(names: &Names) -> (Vec<i64>, Vec<bool>) {
    names.iter().map(|(name, alone)| (*name, *alone)).unzip()
}

impl<'b> Batch<'b> {
    pub(crate) fn new(
        session: &'b Session,
        policy: &'b Policy,
        ids: &'b Mutex<RewindingIds>,
        options: &'b PostgresOptions,
        queue: &'b Queue,
        kept: &'b Kept,
    ) -> Self {
        Self {
            session,
            policy,
            ids,
            options,
            queue,
            kept,
            view: View::default(),
            held: Held::default(),
            stored: AsStored::default(),
            pending: Pending::default(),
            moves: UncommittedMoves::default(),
            due: Due::new(),
            claimed: Vec::new(),
        }
    }

    /// Begins: locks what the requests will look at for certain, and what earlier attempts found to be needed
    /// besides, and loads those rows.
    pub(crate) async fn begin(
        &mut self,
        begin: &str,
        requests: &[&Request],
        besides: &Names,
    ) -> Result<(), Failure> {
        let mut keys = Vec::new();
        for request in requests {
            keys.extend(first_keys(request, self.policy));
            self.look_at_kept(request);
        }
        let mut names = besides.clone();
        for key in &keys {
            add_names(&mut names, key);
        }
        if requests.is_empty() && names.is_empty() {
            return self.session.batch(begin).await;
        }
        let names = at_the_beginning(names, self.options.locks_max);
        let (columns_of_names, alone) = columns(&names);
        let lock = Step {
            sql: LOCK,
            parameters: vec![typed(&columns_of_names), typed(&alone)],
        };
        let before = Before {
            begin: Some(begin),
            lock: Some(lock),
        };
        let wanted = Wanted::of(keys, &self.view);
        load(self.session, before, &wanted, &mut self.view, &mut self.stored).await?;
        self.held.add(&names);
        Ok(())
    }

    /// Looks at what was kept of the claim that a request ends. Whether it is still so shows when the end is written.
    fn look_at_kept(&mut self, request: &Request) {
        let Command::Settle(settle) = &request.command else {
            return;
        };
        if let Some(KeptClaim { file, order_version }) = self.kept.take(&settle.key, settle.token) {
            let key = settle.key.clone();
            self.stored
                .tokens
                .insert(key.clone(), Some(settle.token.as_uuid()));
            self.stored.orders.insert(key.clone(), order_version);
            self.stored.unproved.insert(key.clone());
            self.view.insert(Row::Order(key, Some(Box::new(file))));
        }
    }

    /// Decides a request. The outer error spoils the transaction, the inner one only this request.
    pub(crate) async fn decide(
        &mut self,
        request: &Request,
        those_after: &[&Request],
    ) -> Result<Result<Outcome, StoreError>, Failure> {
        for _ in 0..LOADS_MAX {
            match self.try_to_decide(request) {
                Ok((changes, outcome)) => {
                    self.lock_what_is_shared(&changes).await?;
                    if self.pending.must_be_written_before(&changes) {
                        self.flush().await?;
                    }
                    self.pending.add(&changes);
                    self.moves.add(&changes);
                    self.note_deliveries(&changes);
                    self.view.apply(changes);
                    return Ok(Ok(outcome));
                }
                Err(Undecided::Load(Hungry(mut keys))) => {
                    if keys.iter().any(can_be_told_before) {
                        let count = those_after.len().min(TRIED_TOGETHER_MAX);
                        keys.extend(self.asked_by(&those_after[..count]));
                    }
                    self.load_more(keys).await?;
                }
                Err(undecided) => return Ok(Err(undecided.into())),
            }
        }
        Ok(Err(StoreError::Defect(format!(
            "a decision stopped {LOADS_MAX} times for missing rows"
        ))))
    }

    fn note_deliveries(&mut self, changes: &Changes) {
        for change in &changes.files {
            if let (DeliveryChange::Put, Some(delivery)) = (change.delivery, &change.after.delivery) {
                if delivery.lease.is_some() && change.order == RowChange::Same {
                    self.claimed.push(delivery.key.clone());
                }
                let due_at = self.due.entry(delivery.key.account).or_insert(delivery.due_at);
                *due_at = delivery.due_at.min(*due_at);
            }
        }
    }

    fn try_to_decide(&mut self, request: &Request) -> Result<(Changes, Outcome), Undecided<Hungry>> {
        // A panic under the lock is caught by the decision itself.
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let hungry = |_: &mut View, keys: &[Key]| Err(Hungry(keys.to_vec()));
        decide_with_loads(&mut self.view, request, self.policy, &mut ids, hungry)
    }

    /// What the requests after this one would ask for, as far as it can be told now: so that one load serves them
    /// all. Only rows that no decision before them can bring into being otherwise.
    fn asked_by(&self, requests: &[&Request]) -> Vec<Key> {
        let mut keys = Vec::new();
        for request in requests {
            let tried = catch_unwind(AssertUnwindSafe(|| {
                decide(&self.view, request, self.policy, &mut TrialIds)
            }));
            if let Ok(Err(Stop::Missing(missing))) = tried {
                keys.extend(missing.into_iter().filter(can_be_told_before));
            }
        }
        keys
    }

    /// Loads rows that turned out to be needed, once they are locked.
    async fn load_more(&mut self, keys: Vec<Key>) -> Result<(), Failure> {
        let wanted = Wanted::of(keys, &self.view);
        let sees_writes =
            !(wanted.operations.is_empty() && wanted.reviews.is_empty() && wanted.lists.is_empty());
        if sees_writes {
            // What is looked for by other ways than the view's own must be there to be found.
            self.flush().await?;
        }
        let mut names = self.names_of_owners(&wanted).await?;
        for key in keys_of(&wanted) {
            add_names(&mut names, &key);
        }
        let missing = self.held.missing(&names);
        if !missing.is_empty() && self.held.count() + missing.len() > self.options.locks_max {
            return Err(Failure::Contended(Names::from([(locks::EVERYTHING, true)])));
        }
        let (columns_of_names, alone) = columns(&missing);
        let lock = (!missing.is_empty()).then(|| Step {
            sql: TRY_LOCK,
            parameters: vec![typed(&columns_of_names), typed(&alone)],
        });
        let before = Before { begin: None, lock };
        if !load(self.session, before, &wanted, &mut self.view, &mut self.stored).await? {
            return Err(Failure::Contended(missing));
        }
        self.held.add(&missing);
        for list in &wanted.lists {
            let told = (&mut self.held, &mut self.stored);
            let orders = lists::list(self.session, list, told, (self.queue, &self.due)).await?;
            self.view.insert(Row::List(list.clone(), orders));
        }
        Ok(())
    }

    /// The locks of operations and reviews: those of their orders, where they have one.
    async fn names_of_owners(&self, wanted: &Wanted) -> Result<Names, Failure> {
        let mut names = Names::new();
        let (operations, reviews): (&[OperationId], &[ReviewId]) = (&wanted.operations, &wanted.reviews);
        if operations.is_empty() && reviews.is_empty() {
            return Ok(names);
        }
        for (operation, order) in owners(self.session, operations, reviews).await? {
            let name = match (order, operation) {
                (Some(order), _) => order_name(&order),
                (None, Some(operation)) => locks::operation_name(operation),
                (None, None) => locks::wide_reviews_name(),
            };
            names.insert(name, true);
        }
        Ok(names)
    }

    /// A mapping is set without looking at it, and so may the mode be: whoever reads it must have ended before this
    /// is committed.
    async fn lock_what_is_shared(&mut self, changes: &Changes) -> Result<(), Failure> {
        let mut names: Names = changes
            .mappings
            .iter()
            .map(|mapping| (mapping_name(&mapping.key), true))
            .collect();
        if changes.rollout.is_some() {
            names.insert(locks::rollout_name(), true);
        }
        let missing = self.held.missing(&names);
        if missing.is_empty() {
            return Ok(());
        }
        let (columns_of_names, alone) = columns(&missing);
        let had = self
            .session
            .one(TRY_LOCK, values![columns_of_names, alone], |row| {
                get::<bool>(row, 0)
            })
            .await?;
        if had != Some(true) {
            return Err(Failure::Contended(missing));
        }
        self.held.add(&missing);
        Ok(())
    }

    /// Writes what was decided so far.
    async fn flush(&mut self) -> Result<(), Failure> {
        let pending = std::mem::take(&mut self.pending);
        write(self.session, pending, &mut self.stored, None).await
    }

    /// Writes the rest, and marks the transaction. Says what is to be told once it is committed.
    pub(crate) async fn finish(mut self, mark: Mark) -> Result<Committed, Failure> {
        write(self.session, self.pending, &mut self.stored, Some(mark)).await?;
        if let Some(key) = self.stored.unproved.iter().next() {
            return Err(Failure::Changed(format!(
                "what was kept of order {} was not found to be so",
                key.order
            )));
        }
        let mut claims = Vec::with_capacity(self.claimed.len());
        for key in self.claimed {
            let order_version = self.stored.orders.get(&key).copied();
            if let (Some(file), Some(order_version)) = (self.view.take_order(&key), order_version) {
                claims.push(KeptClaim { file, order_version });
            }
        }
        Ok(Committed {
            moves: self.moves,
            due: self.due,
            claims,
            rewritten: self.stored.rewritten,
        })
    }
}

/// The keys of rows, whose names tell their locks.
fn keys_of(wanted: &Wanted) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    keys.extend(wanted.orders.iter().cloned().map(Key::Order));
    keys.extend(wanted.lines.iter().cloned().map(Key::Line));
    keys.extend(wanted.balances.iter().cloned().map(Key::Balance));
    keys.extend(wanted.mappings.iter().cloned().map(Key::Mapping));
    keys.extend(wanted.answers.iter().cloned().map(Key::Answer));
    keys.extend(wanted.shadows.iter().cloned().map(Key::Shadow));
    keys.extend(wanted.rollout.then_some(Key::Rollout));
    for (reason, subject) in &wanted.open_reviews {
        keys.push(Key::OpenReview(*reason, subject.clone()));
    }
    keys.extend(wanted.lists.iter().cloned().map(Key::List));
    keys
}
