//! Where the queue of each account begins.
//!
//! Deliveries that are owed no more leave dead entries at the beginning of the index by which due ones are found. The
//! server clears them away soon, but not while anybody holds a snapshot from before: a search that began at the
//! beginning would read all of them again, every time. So a search begins where the one before found the first entry
//! that was alive.
//!
//! That is only a hint. What this store commits before such a place moves the place back; what another instance commits
//! there late is found because the whole queue is looked at again from time to time, at least every second as the store
//! is shipped, or, where that takes long, in a small share of the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saldo_domain::ids::AccountId;
use tokio::time::Instant;

/// The whole queue is looked at for at most one part of the time in so many.
const LOOK_SHARE: u32 = 20;

/// The place in the queue of the first delivery of each account that was there when it was looked for.
type Places = BTreeMap<AccountId, i64>;

/// What one store knows of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    state: Arc<Mutex<State>>,
    /// How long it is enough to look from where the queue began before.
    known_for: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// Accounts that owe anything.
    places: Places,
    /// When the whole queue is to be looked at again; none before it was.
    look_again: Option<Instant>,
    searches: u64,
    /// What was stored since each search that is under way began: it may not see that. As many as transactions.
    stored_since: BTreeMap<u64, Places>,
}

fn move_back(places: &mut Places, account: AccountId, due_at: i64) {
    let place = places.entry(account).or_insert(due_at);
    *place = due_at.min(*place);
}

/// A search that is under way.
#[derive(Debug)]
pub(crate) struct Search {
    queue: Queue,
    number: u64,
    began: Instant,
    /// From where it looks; none when it looks at the whole queue.
    places: Option<Places>,
}

impl Queue {
    pub(crate) fn new(known_for: Duration) -> Self {
        Self {
            state: Arc::default(),
            known_for,
        }
    }

    /// Begins a search. What it reads must be read after this. It is told which deliveries its own transaction has stored.
    pub(crate) fn search(&self, own: impl IntoIterator<Item = (AccountId, i64)>) -> Search {
        let mut state = self.state();
        let began = Instant::now();
        state.searches += 1;
        let number = state.searches;
        state.stored_since.insert(number, Places::new());
        let is_known = state.look_again.is_some_and(|moment| began < moment);
        Search {
            queue: self.clone(),
            number,
            began,
            places: is_known.then(|| {
                let mut places = state.places.clone();
                for (account, due_at) in own {
                    move_back(&mut places, account, due_at);
                }
                places
            }),
        }
    }

    /// How many of the accounts that are meant are known to owe anything.
    pub(crate) fn accounts(&self, is_meant: impl Fn(AccountId) -> bool) -> usize {
        self.state()
            .places
            .keys()
            .filter(|account| is_meant(**account))
            .count()
    }

    /// A delivery was stored, and that is committed.
    pub(crate) fn stored(&self, account: AccountId, due_at: i64) {
        let mut state = self.state();
        let State {
            places, stored_since, ..
        } = &mut *state;
        for places in stored_since.values_mut().chain([places]) {
            move_back(places, account, due_at);
        }
    }

    /// A transaction that may have looked came to nothing: what it found was perhaps of its own making.
    pub(crate) fn look_again(&self) {
        self.state().look_again = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Search {
    /// From where it looks, as accounts and moments; none when it looks at the whole queue.
    pub(crate) fn places(&self) -> Option<Vec<(AccountId, i64)>> {
        let places = self.places.as_ref()?;
        Some(
            places
                .iter()
                .map(|(account, due_at)| (*account, *due_at))
                .collect(),
        )
    }

    /// Ends the search with the first delivery of each account that it found.
    pub(crate) fn found(self, firsts: impl IntoIterator<Item = (AccountId, i64)>) {
        let mut state = self.queue.state();
        if self.places.is_none() {
            state.places.clear();
            let now = Instant::now();
            state.look_again = Some(now + self.queue.known_for.max((now - self.began) * LOOK_SHARE));
        }
        for (account, due_at) in firsts {
            let seen = self.places.as_ref().and_then(|places| places.get(&account));
            let place = state.places.entry(account).or_insert(due_at);
            // Another search may have found an earlier one meanwhile.
            let is_as_seen = seen == Some(&*place);
            *place = if is_as_seen { due_at } else { due_at.min(*place) };
        }
        let stored = state.stored_since.remove(&self.number).unwrap_or_default();
        for (account, due_at) in stored {
            move_back(&mut state.places, account, due_at);
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.queue.state().stored_since.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LOOK_EVERY: Duration = Duration::from_secs(1);
    const A: AccountId = AccountId::new(Uuid::from_u128(1));
    const B: AccountId = AccountId::new(Uuid::from_u128(2));

    fn places(search: &Search) -> Vec<(AccountId, i64)> {
        search.places().expect("a look from known places")
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_queue_is_looked_at_first_and_then_every_second() {
        let queue = Queue::new(LOOK_EVERY);
        let first = queue.search([]);
        assert!(first.places().is_none());
        first.found([(A, 7)]);
        assert_eq!(places(&queue.search([])), [(A, 7)]);
        tokio::time::advance(LOOK_EVERY).await;
        assert!(queue.search([]).places().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_takes_long_is_not_repeated_soon() {
        let queue = Queue::new(LOOK_EVERY);
        let first = queue.search([]);
        tokio::time::advance(LOOK_EVERY).await;
        first.found([]);
        tokio::time::advance(LOOK_EVERY * (LOOK_SHARE - 1)).await;
        assert!(queue.search([]).places().is_some());
        tokio::time::advance(LOOK_EVERY).await;
        assert!(queue.search([]).places().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_stored_is_looked_for_whether_or_not_a_search_saw_it() {
        let queue = Queue::new(LOOK_EVERY);
        queue.search([]).found([(A, 7)]);
        queue.stored(A, 5);
        queue.stored(B, 9);
        assert_eq!(places(&queue.search([])), [(A, 5), (B, 9)]);
        let search = queue.search([]);
        queue.stored(A, 6);
        queue.stored(B, 10);
        search.found([(A, 8)]);
        assert_eq!(places(&queue.search([])), [(A, 6), (B, 9)]);
        queue.search([]).found([(A, 8), (B, 11)]);
        assert_eq!(places(&queue.search([])), [(A, 8), (B, 11)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_own_transaction_stored_is_looked_for() {
        let queue = Queue::new(LOOK_EVERY);
        queue.search([]).found([(A, 7)]);
        assert_eq!(places(&queue.search([(A, 9), (B, 3)])), [(A, 7), (B, 3)]);
        assert_eq!(places(&queue.search([])), [(A, 7)], "it is not committed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_does_not_undo_what_a_later_one_found() {
        let queue = Queue::new(LOOK_EVERY);
        queue.search([]).found([(A, 7)]);
        let early = queue.search([]);
        tokio::time::advance(LOOK_EVERY).await;
        queue.search([]).found([(A, 3)]);
        early.found([(A, 9)]);
        assert_eq!(places(&queue.search([])), [(A, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_at_the_whole_queue_forgets_accounts_that_owe_nothing_any_more() {
        let queue = Queue::new(LOOK_EVERY);
        queue.search([]).found([(A, 7), (B, 8)]);
        tokio::time::advance(LOOK_EVERY).await;
        queue.search([]).found([(B, 8)]);
        assert_eq!(places(&queue.search([])), [(B, 8)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_transaction_found_that_came_to_nothing_does_not_count() {
        let queue = Queue::new(LOOK_EVERY);
        queue.search([]).found([(A, 7)]);
        queue.look_again();
        assert!(queue.search([]).places().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_fails_leaves_nothing_behind() {
        let queue = Queue::new(LOOK_EVERY);
        queue.search([]).found([(A, 7)]);
        drop(queue.search([]));
        queue.stored(A, 5);
        assert!(queue.state().stored_since.is_empty());
        assert_eq!(places(&queue.search([])), [(A, 5)]);
    }
}
