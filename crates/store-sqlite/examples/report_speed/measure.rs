//! What both databases are measured with: the same periods, the clock, and the memory of the process.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::ids::{AccountId, CountedIds};
use saldo_domain::policy::Policy;
use saldo_domain::report::Period;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::text::Warehouse;
use saldo_store::{Rules, Store};
use uuid::Uuid;

pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The first moment of the four weeks, a Monday.
pub(crate) const BEGIN: i64 = 1_794_787_200;
pub(crate) const SECONDS: i64 = 28 * 24 * 3_600;
/// Rows of each kind that one statement makes.
pub(crate) const TOGETHER: i64 = 50_000;

pub(crate) fn rules() -> Fallible<Rules> {
    Ok(Rules {
        policy: Policy {
            default_warehouse: Warehouse::parse("main")?,
            deduct_when_bought: false,
            allow_negative: false,
            retry: RetryPolicy::default(),
            circuit_enabled: true,
            lease_seconds: 90,
            verify_after_seconds: 60,
            give_up_hours: 24,
            initial_mode: saldo_domain::rollout::Mode::On,
            start_from: None,
        },
        ids: Box::new(CountedIds::default()),
    })
}

/// The most memory that was resident so far, in MiB.
fn peak_mib() -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .ok_or("the system tells no peak of memory")?
        .parse()?;
    Ok(kib / 1024)
}

/// What all threads together have computed so far, in seconds: on a busy machine it says more than the clock.
fn computed_seconds() -> Fallible<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may have spaces in it.
    let (_, fields) = stat.rsplit_once(") ").ok_or("the system tells no times")?;
    let ticks: u32 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u32>().unwrap_or(0))
        .sum();
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn now() -> Instant {
    Instant::now()
}

/// Asks for the figures of each period, and prints what that took.
pub(crate) async fn measure(store: &dyn Store) -> Fallible<()> {
    let begin = Timestamp::from_second(BEGIN)?;
    let days = |from: i64, to: i64| {
        let day = |day: i64| begin + SignedDuration::from_hours(24 * day);
        Period::new(day(from), day(to))
    };
    let account = AccountId::new(Uuid::from_u128(4));
    let questions = [
        ("one week", days(21, 28)?, None),
        ("one week again", days(21, 28)?, None),
        ("four weeks", days(0, 28)?, None),
        ("four weeks of one account", days(0, 28)?, Some(account)),
    ];
    for (name, period, account) in questions {
        let before_mib = peak_mib()?;
        let (begun, computed_before) = (now(), computed_seconds()?);
        let figures = store.report_figures(period, account).await?;
        println!(
            "{name}: {:.2} s ({:.2} s computed), {} operations, {} attempts; peak {before_mib} -> {} MiB",
            begun.elapsed().as_secs_f64(),
            computed_seconds()? - computed_before,
            figures.totals.recorded(),
            figures.totals.attempts.made,
            peak_mib()?
        );
    }
    Ok(())
}
