//! Things go wrong behind Saldo's back, and reconciliation finds every one of them.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::forms;
use super::house::House;
use crate::edge;
use saldo_domain::ids::IdSource;

/// Flags that somebody resets at the orders service.
const FLIPPED_FLAGS: usize = 3;

/// Resets flags, cancels an order and adds one that nobody posted, all at the orders service alone; then has Saldo
/// compare both sides. Answers with the order that was added.
pub(super) async fn reconcile(house: &House, orders: &[String]) -> anyhow::Result<Vec<String>> {
    // The first was rolled back, and the last is the one that a person mapped.
    let intact: Vec<&String> = orders.iter().skip(1).rev().skip(1).rev().collect();
    let flipped: Vec<&str> = intact
        .iter()
        .take(FLIPPED_FLAGS)
        .map(|order| order.as_str())
        .collect();
    for order in &flipped {
        let body = json!({ "token_id": house.account, "order_id": order, "is_stock_updated": false });
        house.tell_simulator("flags", &body).await?;
    }
    let cancelled = intact.get(FLIPPED_FLAGS).map(|order| order.as_str());
    if let Some(order) = cancelled {
        cancel(house, order).await?;
    }
    let missed = edge::RandomIds::default().next(edge::now());
    let form = forms::ordinary(missed, 0, edge::now());
    house
        .tell_simulator("orders", &json!({ "token_id": house.account, "order": form }))
        .await?;
    house.say(
        "Disorder",
        &format!(
            "behind Saldo's back, {} flags are reset, {} order is cancelled, and 1 order is there that nobody posted",
            flipped.len(),
            usize::from(cancelled.is_some())
        ),
    );
    let result = house.post("/api/v1/stock-sync/reconcile", &json!({})).await?;
    tell(house, &result);
    let expected = flipped.len() + usize::from(cancelled.is_some()) + 1;
    if result["discrepancies_found"].as_u64() != u64::try_from(expected).ok() {
        bail!("reconciliation was to find {expected} differences, and found: {result}");
    }
    Ok(vec![missed.to_string()])
}

/// Cancels an order where only the orders service knows of it.
async fn cancel(house: &House, order: &str) -> anyhow::Result<()> {
    let state = house.ask_simulator("state?forms=true").await?;
    let mut form =
        form_of(&state, order).with_context(|| format!("the simulator does not hold order {order}"))?;
    form["status"] = json!("CANCELLED");
    house
        .tell_simulator("orders", &json!({ "token_id": house.account, "order": form }))
        .await
}

fn form_of(state: &Value, order: &str) -> Option<Value> {
    let orders = state["accounts"][0]["orders"].as_array()?;
    let held = orders.iter().find(|held| held["order_id"] == order)?;
    Some(held["stored"].clone())
}

fn tell(house: &House, result: &Value) {
    let count = |name: &str| result[name].as_u64().unwrap_or(0);
    house.say(
        "Reconcile",
        &format!(
            "{} orders compared with {} calls: {} differences found, {} put right by itself, {} for a person",
            count("total_checked"),
            count("calls"),
            count("discrepancies_found"),
            count("auto_fixed"),
            count("requires_manual_review"),
        ),
    );
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for found in result["discrepancies"].as_array().into_iter().flatten() {
        let kind = found["kind"].as_str().unwrap_or("?").to_owned();
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, seen)) => *seen += 1,
            None => kinds.push((kind, 1)),
        }
    }
    for (kind, seen) in kinds {
        house.say("", &format!("{seen:>6}  {kind}"));
    }
}
