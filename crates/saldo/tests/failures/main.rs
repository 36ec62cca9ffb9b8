//! Three instances over one database under load, while processes, connections and networks die. Each test reads like
//! the rule that it tries; `docs/testing.md` tells what is checked after each.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod balancer;
#[path = "../../../store-postgres/tests/support/cluster.rs"]
mod cluster;
mod fleet;
mod load;
mod nginx;
#[path = "../../../store-postgres/tests/support/pooler.rs"]
mod pooler;
mod proxy;
#[path = "../support/mod.rs"]
mod support;
mod waits;

use std::time::Duration;

/// How long the instances may need until all is as it should be: a lease, the pause of a circuit, and some retries.
pub(crate) const HEALED_WITHIN: Duration = Duration::from_secs(120);

/// Waits for what must come to be.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let began = tokio::time::Instant::now();
    while !holds().await {
        assert!(
            began.elapsed() < HEALED_WITHIN,
            "it did not come to be that {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
