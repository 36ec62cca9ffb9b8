//! Hints between instances, where notifications arrive, where they do not, and where the connection for them is lost.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use saldo_store::hints::{Hint, Hints};
use saldo_store::tasks::Tasks;
use saldo_store_postgres::PostgresStore;
use support::pooler::Pooler;
use support::{open, shared, unsafe_options};

const HEARD_WITHIN: Duration = Duration::from_secs(60);

async fn until_arrive(store: &PostgresStore, arrive: bool) {
    let waits = async {
        while store.hints_arrive() != Some(arrive) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(HEARD_WITHIN, waits).await;
    assert!(told.is_ok(), "{:?}", store.hints_arrive());
}

async fn heard(store: &PostgresStore) -> Hint {
    tokio::time::timeout(HEARD_WITHIN, store.next_hint())
        .await
        .unwrap()
}

/// Listens, and takes what it is told at first: that it must look, since nobody knows what was said before.
async fn listening(url: &str) -> Arc<PostgresStore> {
    let store = Arc::new(open(url, unsafe_options()).await);
    assert_eq!(heard(&store).await, Hint::Due);
    assert_eq!(heard(&store).await, Hint::Circuits);
    until_arrive(&store, true).await;
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_hears_what_another_one_says() {
    let database = shared().database().await;
    let url = shared().url(&database);
    let (one, other) = (listening(&url).await, open(&url, unsafe_options()).await);
    assert_eq!(other.hints_arrive(), None, "it does not listen");
    for hint in [Hint::Circuits, Hint::Due, Hint::Circuits] {
        other.hint(hint);
        assert_eq!(heard(&one).await, hint);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_listens_is_made_again_and_what_was_missed_is_looked_for() {
    let database = shared().database().await;
    let url = shared().url(&database);
    let (one, other) = (listening(&url).await, open(&url, unsafe_options()).await);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'SELECT ''probe%'";
    let client = shared().connect(&database).await;
    assert_eq!(client.query(end, &[]).await.unwrap().len(), 1);
    assert_eq!(heard(&one).await, Hint::Due);
    assert_eq!(heard(&one).await, Hint::Circuits);
    until_arrive(&one, true).await;
    other.hint(Hint::Circuits);
    assert_eq!(heard(&one).await, Hint::Circuits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_of_transactions_it_is_noticed_that_nothing_arrives() {
    let database = shared().database().await;
    let pooler = Pooler::start(shared()).await;
    let url = pooler.url(&database);
    let (one, other) = (
        open(&url, unsafe_options()).await,
        open(&url, unsafe_options()).await,
    );
    let one = Arc::new(one);
    let listens = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.next_hint().await }
    });
    until_arrive(&one, false).await;
    other.hint(Hint::Due);
    assert!(!listens.is_finished());
    assert_eq!(other.task_states().await.unwrap(), [], "and all else works");
    listens.abort();
}
