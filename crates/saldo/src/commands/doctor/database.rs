//! Whether the database is whole.

use jiff::SignedDuration;
use saldo_store::query::{BalanceFilter, OperationFilter, PAGE_ROWS_MAX, PageRequest};
use saldo_store::{SharedStore, StoreError};
use saldo_store_sqlite::free_disk_bytes;

use super::Findings;
use super::near_duplicates::near_duplicates;
use crate::commands::Context;
use crate::config::{Config, Place};
use crate::door::{Door, Question, is_held};
use crate::edge::now;
use crate::ledger::open_store;
use crate::output::cell;

const AREA: &str = "database";
/// A row may be a little younger than now: clocks are set.
const YOUNGER_MAX: SignedDuration = SignedDuration::from_secs(60);

/// Checks the database, or asks the server that has it open.
pub(super) async fn check(config: &Config, context: &Context, findings: &mut Findings) {
    match is_held(config) {
        Ok(true) => {
            check_disk(config, findings);
            return ask_server(context, findings).await;
        }
        Ok(false) => {}
        Err(error) => {
            findings.wrong(AREA, format!("{error:#}"), "check the permissions of the folder");
            return;
        }
    }
    if let Ok(Place::Sqlite(path)) = config.database.place()
        && !path.exists()
    {
        let what = format!("there is none at {} yet", path.display());
        findings.note(AREA, what, "`saldo init` or `saldo serve` makes it");
        return;
    }
    check_disk(config, findings);
    let store = match open_store(config).await {
        Ok(store) => store,
        Err(error) => {
            findings.wrong(AREA, format!("{error:#}"), "see what the message says");
            return;
        }
    };
    if let Err(error) = check_store(&store, findings).await {
        let mend = format!("if this stays, {}", saldo_store::mend::DATABASE);
        findings.wrong(AREA, error.to_string(), mend);
    }
    if let Err(error) = store.close().await {
        findings.wrong(AREA, format!("does not close: {error}"), "check the disk");
    }
}

/// Whether there is room for what comes: of an SQLite file, whose disk can be looked at from here.
fn check_disk(config: &Config, findings: &mut Findings) {
    let Ok(Place::Sqlite(path)) = config.database.place() else {
        return;
    };
    let bound = config.alerts.low_disk_space.free_mib;
    match free_disk_bytes(&path).map(|bytes| bytes >> 20) {
        Ok(free) if free < bound => findings.wrong(
            AREA,
            format!("{free} MiB are free on its disk, and there should be at least {bound} MiB"),
            "free space on it; once it is full, orders are refused",
        ),
        Ok(free) => findings.fine(AREA, format!("{free} MiB are free on its disk")),
        Err(error) => findings.wrong(
            AREA,
            format!("the free space of its disk cannot be read: {error}"),
            "check the folder",
        ),
    }
}

async fn check_store(store: &SharedStore, findings: &mut Findings) -> Result<(), StoreError> {
    for (name, value) in store.describe().await? {
        findings.fine(AREA, format!("{name}: {value}"));
    }
    let violations = store.check(now()).await?;
    if violations.is_empty() {
        findings.fine(AREA, "every invariant holds");
    }
    for violation in violations {
        let what = match violation.invariant {
            0 => violation.detail,
            number => format!("invariant {number}: {}", violation.detail),
        };
        findings.wrong(AREA, what, violation.mend);
    }
    check_newest(store, findings).await?;
    check_skus(store, findings).await?;
    if store.api_keys().await?.is_empty() {
        let what = "there are no API keys: the server listens on loopback only, and asks for none";
        findings.note(AREA, what, "`saldo keys add NAME --role admin` makes one");
    }
    Ok(())
}

/// Rows of the future: the clock was set back.
async fn check_newest(store: &SharedStore, findings: &mut Findings) -> Result<(), StoreError> {
    let newest = store
        .operations(&OperationFilter::default(), PageRequest::first(1))
        .await?;
    if let Some(newest) = newest
        .items
        .first()
        .filter(|newest| newest.created_at > now() + YOUNGER_MAX)
    {
        let what = format!(
            "the newest operation was recorded at {}, which is yet to come",
            newest.created_at
        );
        findings.wrong("clock", what, "the clock was set back: set it right");
    }
    Ok(())
}

async fn check_skus(store: &SharedStore, findings: &mut Findings) -> Result<(), StoreError> {
    let mut skus = Vec::new();
    let mut page = PageRequest::first(PAGE_ROWS_MAX);
    loop {
        let balances = store.balances(&BalanceFilter::default(), page).await?;
        skus.extend(
            balances
                .items
                .iter()
                .map(|balance| balance.key.sku.as_str().to_owned()),
        );
        match balances.next_cursor {
            Some(cursor) => {
                page = PageRequest {
                    after: Some(cursor),
                    limit: PAGE_ROWS_MAX,
                }
            }
            None => break,
        }
    }
    for group in near_duplicates(skus.into_iter()) {
        let mend = "if they are one product, count the wrong one to zero and receive it under the right SKU";
        findings.note(
            "stock",
            format!(
                "these SKUs look alike and are counted apart: {}",
                group.join(" | ")
            ),
            mend,
        );
    }
    Ok(())
}

async fn ask_server(context: &Context, findings: &mut Findings) {
    let asked = async {
        let door = Door::open(context).await?;
        door.ask(Question::get("/api/v1/stock-sync/status")).await
    };
    let mend = "stop the server and run `saldo doctor` again to check every invariant";
    match asked.await {
        Ok(status) => {
            let what = format!(
                "a running server has it open and is {}; the invariants were not checked",
                cell(&status, "/status")
            );
            findings.note(AREA, what, mend);
        }
        Err(error) => {
            let what =
                format!("another process has it open, and could not be asked ({error:#}); not checked");
            findings.note(AREA, what, mend);
        }
    }
}
