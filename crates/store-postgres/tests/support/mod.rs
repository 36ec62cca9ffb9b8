//! What the tests share: a private cluster, made once a test binary, and stores on it.
#![allow(dead_code, reason = "not every test uses all of it")]

mod cluster;
pub(crate) mod pooler;

use std::sync::OnceLock;

pub(crate) use cluster::Cluster;
use cluster::stop_at_exit;
use saldo_domain::ids::CountedIds;
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::text::Warehouse;
use saldo_store::Rules;
use saldo_store_postgres::{PostgresOptions, PostgresStore};

/// The cluster that the tests of this binary share. It does not sync, since no test of it crashes it.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cluster = Cluster::start_in_memory(&[
            "fsync = off",
            "synchronous_commit = off",
            "full_page_writes = off",
        ]);
        stop_at_exit(&cluster);
        cluster
    })
}

/// Settings for tests.
pub(crate) fn rules() -> Rules {
    let policy = Policy {
        default_warehouse: Warehouse::parse("Ирина").unwrap(),
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: true,
        lease_seconds: 90,
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: saldo_domain::rollout::Mode::On,
        start_from: None,
    };
    Rules {
        policy,
        ids: Box::new(CountedIds::default()),
    }
}

/// Options for a server that does not sync.
pub(crate) fn unsafe_options() -> PostgresOptions {
    PostgresOptions {
        allow_unsafe_durability: true,
        ..PostgresOptions::default()
    }
}

/// A store on a database.
pub(crate) async fn open(url: &str, options: PostgresOptions) -> PostgresStore {
    PostgresStore::open(url, rules(), options).await.unwrap()
}
