//! Orders as the service stores them, and what tests ask about them.

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::TakeIn;
use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution};
use saldo_domain::form::{Source, parse_form};
use saldo_domain::ids::OrderKey;
use saldo_engine::{
    Caller, Engine, ReconciliationRequest, ReconciliationResult, StockSynchronizationService,
};
use saldo_store::{Reconciliations, Store};
use serde_json::{Value, json};

use super::World;
use super::history::Asked;

/// A ready checkout form with one line of cups, as the service stores it.
pub(crate) fn checkout(key: &OrderKey, quantity: i64, bought_at: Timestamp) -> Value {
    let stored_at = bought_at.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string();
    json!({
        "id": key.order.as_str(),
        "allegro_order_id": key.order.as_str(),
        "status": "READY_FOR_PROCESSING",
        "revision": "r1",
        "updatedAt": bought_at.to_string(),
        "db_created_at": stored_at,
        "fulfillment": { "status": "NEW" },
        "lineItems": [{
            "id": format!("line-of-{}", key.order),
            "offer": { "id": "7", "external": { "id": "cup" } },
            "quantity": quantity,
            "boughtAt": bought_at.to_string(),
        }],
    })
}

/// What the buyer, or the seller, does with a form later.
pub(crate) fn revise(form: &mut Value, revision: &str, at: Timestamp) {
    form["revision"] = json!(revision);
    form["updatedAt"] = json!(at.to_string());
}

pub(crate) fn cancel(form: &mut Value, at: Timestamp) {
    form["status"] = json!("CANCELLED");
    revise(form, "cancelled", at);
}

pub(crate) fn send(form: &mut Value) {
    form["fulfillment"] = json!({ "status": "SENT" });
}

impl World {
    /// An order of one cup is bought, so many minutes ago.
    pub(crate) fn buy(&self, key: &OrderKey, minutes_ago: i64) {
        let bought_at = self.now() - SignedDuration::from_mins(minutes_ago);
        self.remote.put_form(key, checkout(key, 1, bought_at));
    }

    /// Posts orders as the service has them.
    pub(crate) async fn post_stored(&self, keys: impl IntoIterator<Item = OrderKey>) {
        let orders = keys.into_iter().map(|key| TakeIn {
            account: key.account,
            copy: parse_form(&self.remote.form(&key), Source::Posted).unwrap(),
            warehouse: None,
            force: false,
            remote_flag: None,
        });
        let orders = orders.collect();
        for result in self
            .saldo()
            .process_orders_with_sync(orders, &super::hasty())
            .await
        {
            result.unwrap();
        }
    }

    /// The front of another instance on the same ledger, without any tasks behind it.
    pub(crate) fn another_instance(&self) -> StockSynchronizationService {
        let mut options = self.options(self.remote.clone());
        options.seed = self.seed + 7_919;
        Engine::service_only(options)
    }

    pub(crate) async fn reconcile(&self) -> ReconciliationResult {
        self.reconcile_as(ReconciliationRequest::default()).await
    }

    pub(crate) async fn reconcile_as(&self, request: ReconciliationRequest) -> ReconciliationResult {
        self.saldo()
            .reconcile_stock_status(request, &Caller::named("test"))
            .await
            .unwrap()
    }

    /// Whether the ledger holds stock for an order.
    pub(crate) async fn is_deducted(&self, key: &OrderKey) -> bool {
        let file = self.ledger.order(key).await.unwrap();
        file.is_some_and(|file| file.order.level())
    }

    /// The open discrepancies of an order.
    pub(crate) async fn open_differences(
        &self,
        key: &OrderKey,
    ) -> Vec<(DiscrepancyKind, DiscrepancyResolution)> {
        let filter = saldo_store::reconciliations::DiscrepancyFilter {
            open: Some(true),
            account: Some(key.account),
            order: Some(key.order.clone()),
            ..Default::default()
        };
        let page = saldo_store::query::PageRequest {
            after: None,
            limit: 100,
        };
        let open = self.ledger.discrepancies(&filter, page).await.unwrap().items;
        open.iter()
            .map(|one| (one.found.kind, one.found.resolution))
            .collect()
    }

    /// How many calls of a kind the service has seen.
    pub(crate) fn calls(&self, asked: Asked) -> usize {
        let history = self.remote.history();
        history.0.iter().filter(|call| call.asked == asked).count()
    }
}

/// What a run found, by kind and by what became of it.
pub(crate) fn found(result: &ReconciliationResult) -> Vec<(DiscrepancyKind, DiscrepancyResolution)> {
    let mut found: Vec<_> = result
        .discrepancies
        .iter()
        .map(|one| (one.found.kind, one.found.resolution))
        .collect();
    found.sort();
    found
}
